//! Fan-out: each worker thread has a shard with its own subscribers.
//!
//! A publication is handed to each shard once, and a task on the shard's thread gives it to the subscribers there: their
//! connections are on the same thread, so no other one is woken and no lock is fought for. What a shard has to give
//! out is given out together before the connections get to write, so that one write takes several publications.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use slab::Slab;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::bundle::Run;
use super::namespace::Namespace;
use super::publication::Publication;
use super::publish::Fanout;
use super::sub::{Offered, Sub};
use super::topic::Topic;
use super::{Hub, Seams};

/// The subscribers of one thread.
#[derive(Debug)]
pub(super) struct Shard {
    seams: Seams,
    queue: Mutex<Vec<Work>>,
    some: Notify,
    topics: Mutex<Topics>,
    closed: AtomicBool,
}

/// A publication to be given out.
#[derive(Debug)]
struct Work {
    topic: u64,
    publication: Arc<Publication>,
    fanout: Arc<Fanout>,
}

#[derive(Debug, Default)]
struct Topics {
    all: HashMap<u64, Local, RandomState>,
    /// Subscribers for whom something waits: topic and slot.
    lagging: Vec<(u64, usize)>,
}

/// Subscribers of one topic.
#[derive(Debug)]
struct Local {
    namespace: Arc<Namespace>,
    subs: Slab<Sub>,
}

/// Subscribers that were given something, after which the connections of the thread get their turn.
const TURN: usize = 50_000;

/// Publications that are joined at most.
const RUN: usize = 64;

/// From so many subscribers on, a shard that has given out leaves a pause of half the time that their connections
/// took to write. What comes in it is written together: under load, that is what a delivery costs.
const WRITES_MIN: usize = 1_000;

/// No pause is longer.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// How often subscribers are looked at whose sockets do not keep up.
const STEP: Duration = Duration::from_millis(10);

thread_local! {
    /// The shards of this thread, one for each hub.
    static HERE: RefCell<Vec<(usize, Arc<Shard>)>> = const { RefCell::new(Vec::new()) };
}

impl Hub {
    /// The shard of this thread. Needs the runtime of a worker.
    pub(super) fn shard_here(&self) -> Arc<Shard> {
        let me = Arc::as_ptr(&self.0) as usize;
        let known = HERE.with_borrow_mut(|here| {
            here.retain(|(_, shard)| !shard.closed.load(Ordering::SeqCst));
            here.iter().find(|(hub, _)| *hub == me).map(|(_, shard)| Arc::clone(shard))
        });
        known.unwrap_or_else(|| {
            let shard = Arc::new(Shard {
                seams: self.0.seams.clone(),
                queue: Mutex::default(),
                some: Notify::new(),
                topics: Mutex::default(),
                closed: AtomicBool::new(false),
            });
            self.0.shards.write().push(Arc::clone(&shard));
            HERE.with_borrow_mut(|here| here.push((me, Arc::clone(&shard))));
            actix_rt::spawn(Arc::clone(&shard).run());
            shard
        })
    }
}

impl Shard {
    /// Hands a publication over.
    pub(super) fn push(&self, topic: u64, publication: &Arc<Publication>, fanout: &Arc<Fanout>) {
        let (publication, fanout) = (Arc::clone(publication), Arc::clone(fanout));
        let mut queue = self.queue.lock();
        queue.push(Work { topic, publication, fanout });
        if queue.len() == 1 {
            drop(queue);
            self.some.notify_one();
        }
    }

    /// Takes a subscriber in. Gives its slot.
    pub(super) fn insert(&self, topic: &Topic, sub: Sub) -> usize {
        let mut topics = self.topics.lock();
        let local = topics.all.entry(topic.id).or_insert_with(|| Local {
            namespace: Arc::clone(&topic.namespace),
            subs: Slab::with_capacity(1),
        });
        local.subs.insert(sub)
    }

    /// Lets a subscriber go.
    pub(super) fn remove(&self, topic: u64, slot: usize) {
        let mut topics = self.topics.lock();
        let Some(local) = topics.all.get_mut(&topic) else { return };
        let gone = local.subs.try_remove(slot);
        if local.subs.is_empty() {
            topics.all.remove(&topic);
        } else if local.subs.capacity() > 64 && local.subs.len() * 4 < local.subs.capacity() {
            local.subs.shrink_to_fit();
        }
        if gone.is_some_and(|sub| sub.lag.is_some_and(|lag| lag.listed)) {
            topics.lagging.retain(|it| *it != (topic, slot));
        }
    }

    /// The subscription was confirmed: what waits goes out.
    pub(super) fn release(&self, topic: u64, slot: usize) {
        let mut topics = self.topics.lock();
        let topics = &mut *topics;
        let Some(local) = topics.all.get_mut(&topic) else { return };
        let Some(sub) = local.subs.get_mut(slot) else { return };
        if let Some(lag) = &mut sub.lag {
            lag.held = false;
        }
        if !sub.drain(local.namespace.options(), &self.seams) {
            list(&mut topics.lagging, sub, (topic, slot));
            self.some.notify_one();
        }
    }

    /// Ends the work.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.some.notify_one();
    }

    async fn run(self: Arc<Self>) {
        let (mut lagging, mut next) = (false, None);
        while !self.closed.load(Ordering::SeqCst) {
            if lagging {
                let _ = tokio::time::timeout(STEP, self.some.notified()).await;
            } else {
                self.some.notified().await;
            }
            if let Some(next) = next.filter(|next| *next > Instant::now()) {
                tokio::time::sleep_until(next).await;
            }
            next = self.give_out_all().await;
            lagging = self.drain();
        }
        // Nobody waits in vain for what was not given out, and nobody is held for ever.
        self.queue.lock().clear();
        let topics = std::mem::take(&mut *self.topics.lock());
        drop(topics);
    }

    /// Gives out what has come, and lets the connections write. Says when it is time for more, if that is not now.
    async fn give_out_all(&self) -> Option<Instant> {
        let batch = std::mem::take(&mut *self.queue.lock());
        let mut batch = batch.into_iter().peekable();
        let (mut done, mut burst, mut writes) = (0, 0, 0);
        while let Some(first) = batch.next() {
            // Publications of one topic that follow each other are joined for whoever gets them all.
            let (topic, mut bytes, mut run) = (first.topic, first.publication.data.len(), vec![first]);
            while let Some(next) =
                batch.next_if(|next| next.topic == topic && run.len() < RUN && bytes < self.seams.burst_bytes)
            {
                bytes += next.publication.data.len();
                run.push(next);
            }
            let subscribers = self.give_out(&run);
            // Whoever waits for a publication to be out does not wait for its connections to write.
            drop(run);
            (done, burst, writes) = (done + subscribers, burst + bytes, writes.max(subscribers));
            // No outbox is filled by what comes at once.
            if done >= TURN || burst >= self.seams.burst_bytes {
                (done, burst) = (0, 0);
                tokio::task::yield_now().await;
            }
        }
        if !self.queue.lock().is_empty() {
            self.some.notify_one();
        }
        if writes < WRITES_MIN {
            return None;
        }
        // Tasks of a thread run in turn, so this comes back when all connections have written.
        let begun = Instant::now();
        tokio::task::yield_now().await;
        Some(Instant::now() + (begun.elapsed() / 2).min(PAUSE_MAX))
    }

    /// Gives publications of one topic to everybody here who wants them. Says how many are here.
    fn give_out(&self, works: &[Work]) -> usize {
        let run = Run::new(works.iter().map(|work| &work.publication).collect());
        let mut topics = self.topics.lock();
        let topics = &mut *topics;
        let Some(topic) = works.first().map(|work| work.topic) else { return 0 };
        let Some(local) = topics.all.get_mut(&topic) else { return 0 };
        let rules = local.namespace.options();
        let (mut whole, mut parts, mut lost) = (0, vec![0; works.len()], Drops::default());
        for (slot, sub) in &mut local.subs {
            match sub.offer_all(&run, rules, &self.seams) {
                Some(Offered::Dropped(reason)) => lost.add(reason, works.len()),
                Some(_) => whole += 1,
                None => {
                    for (publication, part) in run.publications().iter().zip(&mut parts) {
                        match sub.offer(publication, rules, &self.seams) {
                            Offered::Sent | Offered::Waits => *part += 1,
                            Offered::Dropped(reason) => lost.add(reason, 1),
                            Offered::Unwanted => {}
                        }
                    }
                    list(&mut topics.lagging, sub, (topic, slot));
                }
            }
        }
        works.iter().zip(&parts).for_each(|(work, part)| work.fanout.delivered(whole + part));
        let metrics = &self.seams.metrics.topics;
        metrics.deliveries.inc_by((whole * works.len() + parts.iter().sum::<usize>()) as u64);
        for (reason, count) in lost.0 {
            metrics.drops.with_label_values(&[reason]).inc_by(count as u64);
        }
        local.subs.len()
    }

    /// Sends what waits. Says whether something still does.
    fn drain(&self) -> bool {
        let mut topics = self.topics.lock();
        let Topics { all, lagging } = &mut *topics;
        lagging.retain(|(topic, slot)| {
            let Some(local) = all.get_mut(topic) else { return false };
            let Some(sub) = local.subs.get_mut(*slot) else { return false };
            // One that is held is looked at when it is released.
            let held = sub.lag.as_ref().is_some_and(|lag| lag.held);
            let stays = !held && !sub.drain(local.namespace.options(), &self.seams);
            if let Some(lag) = &mut sub.lag {
                lag.listed = stays;
            }
            stays
        });
        !lagging.is_empty()
    }
}

/// Publications that did not get to somebody, by reason.
#[derive(Debug, Default)]
struct Drops(Vec<(&'static str, usize)>);

impl Drops {
    fn add(&mut self, reason: &'static str, count: usize) {
        match self.0.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, all)) => *all += count,
            None => self.0.push((reason, count)),
        }
    }
}

/// Notes that something waits for a subscriber, if it does.
fn list(lagging: &mut Vec<(u64, usize)>, sub: &mut Sub, at: (u64, usize)) {
    if let Some(lag) = &mut sub.lag
        && !lag.held
        && !std::mem::replace(&mut lag.listed, true)
    {
        lagging.push(at);
    }
}
