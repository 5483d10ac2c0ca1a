//! One subscriber of a topic: what it wants, and what waits for it while its socket does not keep up.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::Seams;
use super::bundle::Run;
use super::filter::Filter;
use super::listener::{Listener, Undelivered};
use super::options::{NamespaceOptions, SlowPolicy};
use super::publication::{Kind, Publication};
use crate::protocol::{Dialect, Payload};

/// A subscriber of one topic.
pub(super) struct Sub {
    pub(super) listener: Arc<dyn Listener>,
    pub(super) dialect: Dialect,
    /// Whether it is told who comes and leaves.
    pub(super) presence: bool,
    /// Publications up to this sequence are none of its.
    pub(super) after: u64,
    pub(super) filter: Option<Arc<Filter>>,
    pub(super) lag: Option<Box<Lag>>,
}

/// Publications that may wait for a subscriber at least while that is not its fault.
const HELD_MAX: usize = 1_000;

/// What waits for a subscriber.
#[derive(Debug, Default)]
pub(super) struct Lag {
    /// Nothing goes out yet: its subscription was not confirmed.
    pub(super) held: bool,
    /// The shard looks at it now and then.
    pub(super) listed: bool,
    queue: VecDeque<Arc<Publication>>,
    /// Of these, what it asked to have again, at the front: bounded by the history, not by the policy.
    replays: usize,
    /// Publications that it misses.
    missed: u64,
}

/// What became of a publication for one subscriber.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Offered {
    /// It is on its way.
    Sent,
    /// It waits.
    Waits,
    /// It does not concern the subscriber.
    Unwanted,
    /// It will not come: why, for the metric.
    Dropped(&'static str),
}

impl Sub {
    /// Holds everything back until the subscription is confirmed; `replays` come first. Says how many of them are wanted.
    pub(super) fn hold(&mut self, replays: Vec<Arc<Publication>>) -> usize {
        let wanted: VecDeque<_> = replays.into_iter().filter(|it| self.wants(it)).collect();
        let replays = wanted.len();
        self.lag = Some(Box::new(Lag { held: true, replays, queue: wanted, ..Lag::default() }));
        replays
    }

    fn wants(&self, publication: &Publication) -> bool {
        match publication.kind {
            Kind::Presence => self.presence,
            // Existing clients have not asked for that.
            Kind::Gap => self.dialect.extensions,
            Kind::Message => {
                self.filter.as_ref().is_none_or(|filter| filter.admits(publication.tags.as_deref()))
            }
        }
    }

    /// A publication came.
    pub(super) fn offer(
        &mut self,
        publication: &Arc<Publication>,
        rules: &NamespaceOptions,
        seams: &Seams,
    ) -> Offered {
        if publication.sequence <= self.after || !self.wants(publication) {
            return Offered::Unwanted;
        }
        if self.lag.is_none() {
            let patient = rules.slow != SlowPolicy::Disconnect;
            if !(patient && self.listener.waiting() > rules.slow_bytes.0) {
                return self.send(publication, seams);
            }
            self.lag = Some(Box::default());
        }
        let Some(lag) = &mut self.lag else { return Offered::Unwanted };
        match lag.push(publication, rules) {
            true => Offered::Waits,
            false => {
                // Somebody is told: the connection ends, or there will be a gap.
                if rules.slow == SlowPolicy::Disconnect && !lag.held {
                    self.listener.close_slow();
                }
                Offered::Dropped(reason(rules.slow))
            }
        }
    }

    /// Several publications came at once. `false` if it does not get them all: then they are offered one by one.
    pub(super) fn offer_all(
        &mut self,
        run: &Run<'_>,
        rules: &NamespaceOptions,
        seams: &Seams,
    ) -> Option<Offered> {
        let plain = self.lag.is_none() && self.filter.is_none() && rules.slow == SlowPolicy::Disconnect;
        if !plain || !run.is_whole_after(self.after) {
            return None;
        }
        Some(told(self.listener.deliver_all(run.bundle(self.dialect, seams)?)))
    }

    fn send(&self, publication: &Publication, seams: &Seams) -> Offered {
        let Some(frame) = publication.frame(self.dialect, seams) else {
            return Offered::Dropped("unwritable");
        };
        told(self.listener.deliver(frame))
    }

    /// Sends what waits, as far as the socket takes it. Says whether nothing waits any more.
    pub(super) fn drain(&mut self, rules: &NamespaceOptions, seams: &Seams) -> bool {
        let Some(mut lag) = self.lag.take() else { return true };
        while self.listener.waiting() <= rules.slow_bytes.0 {
            if lag.replays == 0 && lag.missed > 0 {
                self.tell_of_gap(&mut lag, seams);
            }
            let Some(next) = lag.queue.pop_front() else { return true };
            lag.replays = lag.replays.saturating_sub(1);
            if self.send(&next, seams) == Offered::Dropped("closed") {
                return true;
            }
        }
        let done = lag.queue.is_empty() && lag.missed == 0;
        if !done {
            self.lag = Some(lag);
        }
        done
    }

    /// Says how many publications are missing before the next one. Existing clients have not asked for that.
    fn tell_of_gap(&self, lag: &mut Lag, seams: &Seams) {
        let missed = std::mem::take(&mut lag.missed);
        let (true, Some(next)) = (self.dialect.extensions, lag.queue.front()) else { return };
        let mut data = serde_json::json!({ "topic": &*next.topic, "missed": missed, "reason": "slow" });
        if let Some(pattern) = &next.pattern {
            data["pattern"] = (&**pattern).into();
        }
        let Ok(data) = Payload::json(&data) else { return };
        let at = (next.position, next.sequence);
        let gap = Publication::new(Kind::Gap, &next.topic, at, next.at_ms, data, None);
        self.send(&gap, seams);
    }
}

fn told(delivered: Result<(), Undelivered>) -> Offered {
    match delivered {
        Ok(()) => Offered::Sent,
        Err(Undelivered::Closed) => Offered::Dropped("closed"),
        Err(Undelivered::SlowConsumer) => Offered::Dropped("slow_consumer"),
        Err(Undelivered::Full) => Offered::Dropped("buffer_full"),
    }
}

fn reason(policy: SlowPolicy) -> &'static str {
    match policy {
        SlowPolicy::Disconnect => "slow_consumer",
        SlowPolicy::DropOldest => "drop_oldest",
        SlowPolicy::Latest => "latest",
    }
}

impl Lag {
    /// Keeps a publication. `false` if one is lost for it.
    fn push(&mut self, publication: &Arc<Publication>, rules: &NamespaceOptions) -> bool {
        let (replays, kind) = (self.replays, publication.kind);
        let mut whole = true;
        if rules.slow == SlowPolicy::Latest && !self.held {
            let older = |it: &Arc<Publication>| it.kind == kind && it.topic == publication.topic;
            if let Some(at) = self.queue.iter().skip(replays).position(older) {
                self.queue.remove(replays + at);
                whole = false;
            }
        }
        // What waits for a confirmation, or behind what it has asked for, is not the subscriber's fault.
        let patient = self.held || rules.slow == SlowPolicy::Disconnect;
        let limit = if patient { rules.slow_queue.max(HELD_MAX) } else { rules.slow_queue };
        if self.queue.len() - replays >= limit {
            self.queue.remove(replays);
            self.missed += 1;
            whole = false;
        }
        self.queue.push_back(Arc::clone(publication));
        whole
    }
}

impl fmt::Debug for Sub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sub").field("dialect", &self.dialect).field("lag", &self.lag).finish_non_exhaustive()
    }
}
