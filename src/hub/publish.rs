//! How something is published.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus::Histogram;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::Hub;
use super::filter::Tags;
use super::ledger::{Entry, NotKept};
use super::position::Position;
use super::publication::{Kind, Publication};
use super::subscribe::SubscribeError;
use super::topic::{State, Topic};
use crate::protocol::{Payload, PayloadError, is_topic_name};

/// Something to be published.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The topic.
    pub topic: String,
    /// The data, in either codec.
    pub data: Payload,
    /// What subscribers with a filter choose by.
    pub tags: Tags,
}

/// Something was published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Published {
    /// Its place in the topic.
    pub position: Position,
    /// Subscribers that it was queued for.
    pub delivered: usize,
}

/// Why something was not published.
#[derive(Debug, Error)]
pub enum PublishError {
    /// The topic cannot be had.
    #[error(transparent)]
    Topic(#[from] SubscribeError),
    /// One can subscribe to a pattern, not publish to it.
    #[error("\"{0}\" is not a topic name")]
    Name(String),
    /// The data is too long.
    #[error("the data of a publication has at most {limit} bytes here, not {bytes}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// What it may be.
        limit: usize,
    },
    /// There are too many tags, or their text is too long.
    #[error("a publication has at most {TAGS_MAX} tags of {TAG_BYTES_MAX} bytes")]
    Tags,
    /// The data cannot be written as JSON, as durable histories are.
    #[error("the data cannot be written as JSON")]
    Data(#[source] PayloadError),
    /// The history cannot be written.
    #[error(transparent)]
    NotKept(#[from] NotKept),
    /// The server stops.
    #[error("the server stops")]
    Stopped,
}

/// How long to wait for the number of deliveries.
const DELIVERED_WAIT: Duration = Duration::from_secs(10);

const TAGS_MAX: usize = 16;
const TAG_BYTES_MAX: usize = 256;

/// The way of a publication to its subscribers. It is out when the last shard has let go of it.
#[derive(Debug)]
pub(super) struct Fanout {
    started: Instant,
    delivered: AtomicU64,
    took: Histogram,
    end: Mutex<End>,
}

/// What is done at the end: whoever waits is told, and the next one may go.
#[derive(Debug, Default)]
struct End {
    told: Option<oneshot::Sender<usize>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Fanout {
    pub(super) fn delivered(&self, count: usize) {
        self.delivered.fetch_add(count as u64, Ordering::Relaxed);
    }
}

impl Drop for Fanout {
    fn drop(&mut self) {
        self.took.observe(self.started.elapsed().as_secs_f64());
        if let Some(told) = self.end.get_mut().told.take() {
            // Whoever has given up waiting needs no answer.
            let _ = told.send(self.delivered.load(Ordering::Relaxed) as usize);
        }
    }
}

impl Hub {
    /// Publishes. Done once it is queued for every subscriber, and with a durable history also on the disk.
    ///
    /// # Errors
    /// If the topic cannot be had, the data is too long, or the history cannot be written.
    pub async fn publish(&self, wish: Wish) -> Result<Published, PublishError> {
        let limit = self.check(&wish)?;
        let bytes = wish.data.len();
        if bytes > limit {
            return Err(PublishError::TooLarge { bytes, limit });
        }
        let permit =
            Arc::clone(&self.0.in_flight).acquire_owned().await.map_err(|_| PublishError::Stopped)?;
        let durable = self.namespace(&wish.topic).is_some_and(|namespace| namespace.options().durable);
        let (told, delivered) = oneshot::channel();
        let (position, _asked) = if durable {
            let (position, asked) = self.append(wish, told).await?;
            (position, Some(asked))
        } else {
            (self.publish_here(wish, End { told: Some(told), _permit: Some(permit) })?, None)
        };
        let delivered = tokio::time::timeout(DELIVERED_WAIT, delivered).await;
        Ok(Published { position, delivered: delivered.ok().and_then(Result::ok).unwrap_or(0) })
    }

    /// What is wrong with a wish; else how long its data may be.
    pub(super) fn check(&self, wish: &Wish) -> Result<usize, PublishError> {
        if !is_topic_name(&wish.topic) {
            return Err(PublishError::Name(wish.topic.clone()));
        }
        let namespace = self.checked(&wish.topic)?;
        let long = |(name, text): (&String, &String)| name.len() + text.len() > TAG_BYTES_MAX;
        if wish.tags.len() > TAGS_MAX || wish.tags.iter().any(long) {
            return Err(PublishError::Tags);
        }
        Ok(namespace.options().max_size.0)
    }

    /// Publishes on a topic whose history is in memory.
    fn publish_here(&self, wish: Wish, end: End) -> Result<Position, PublishError> {
        let tags = (!wish.tags.is_empty()).then(|| Arc::new(wish.tags));
        let fanout = self.fanout(end);
        loop {
            let topic = self.topic(&wish.topic)?;
            let mut state = topic.state.lock();
            if state.gone {
                continue;
            }
            let offset = state.history.offset() + 1;
            let now_ms = self.0.seams.clock.now_ms();
            return Ok(self.put(&topic, &mut state, (offset, now_ms), wish.data, tags, &fanout));
        }
    }

    /// Adds a publication of a ledger: at the place that it has there, and if it is new.
    pub(super) fn put_from_ledger(&self, topic: &Arc<Topic>, offset: u64, entry: Entry) {
        let mut state = topic.state.lock();
        let told = entry.id.and_then(|id| self.0.asked.lock().remove(&id));
        let last = state.history.offset();
        if state.gone || !state.loaded || offset <= last {
            return;
        }
        if offset > last + 1 {
            self.tell_gap(topic, &state, offset - last - 1);
        }
        let tags = (!entry.tags.is_empty()).then(|| Arc::new(entry.tags));
        let fanout = self.fanout(End { told, _permit: None });
        self.put(topic, &mut state, (offset, entry.at_ms), entry.data, tags, &fanout);
    }

    fn fanout(&self, end: End) -> Arc<Fanout> {
        let took = self.0.seams.metrics.topics.fanout_duration.clone();
        let delivered = AtomicU64::new(0);
        Arc::new(Fanout { started: Instant::now(), delivered, took, end: Mutex::new(end) })
    }

    fn put(
        &self,
        topic: &Arc<Topic>,
        state: &mut State,
        (offset, at_ms): (u64, u64),
        data: Payload,
        tags: Option<Arc<Tags>>,
        fanout: &Arc<Fanout>,
    ) -> Position {
        let position = topic.position(offset);
        let at = (position, self.0.sequence.fetch_add(1, Ordering::SeqCst) + 1);
        let publication = Arc::new(Publication::new(Kind::Message, &topic.name, at, at_ms, data, tags));
        self.0.seams.metrics.topics.publications.inc();
        state.used = state.used.wrapping_add(1);
        self.keep(topic, state, &publication);
        self.give(topic, state, &publication, fanout);
        self.plan_idle(topic, state);
        position
    }

    fn keep(&self, topic: &Arc<Topic>, state: &mut State, publication: &Arc<Publication>) {
        if !topic.namespace.keeps() {
            state.history.pass(publication.position.offset);
            return;
        }
        let before = state.history.bytes();
        let others = self.0.history_bytes.load(Ordering::Relaxed) as usize;
        let room = self.0.options.history_bytes_max.0.saturating_sub(others.saturating_sub(before));
        state.history.push(Arc::clone(publication), topic.namespace.options(), room);
        self.history_changed(before, state.history.bytes());
        self.plan_expiry(topic, state);
    }

    /// The bytes of one history have changed.
    pub(super) fn history_changed(&self, before: usize, now: usize) {
        // Wraps around and back where it became less.
        let change = (now as u64).wrapping_sub(before as u64);
        self.0.history_bytes.fetch_add(change, Ordering::Relaxed);
        self.0.seams.metrics.topics.history_bytes.add(now as i64 - before as i64);
    }

    /// Hands a publication to the shards of its subscribers.
    pub(super) fn give(
        &self,
        topic: &Topic,
        state: &State,
        publication: &Arc<Publication>,
        fanout: &Arc<Fanout>,
    ) {
        for (shard, _) in &state.shards {
            shard.push(topic.id, publication, fanout);
        }
        if publication.kind != Kind::Message {
            return;
        }
        for pattern in topic.namespace.patterns.of(topic) {
            let publication = Arc::new(publication.by(&pattern.name));
            for (shard, _) in &pattern.state.lock().shards {
                shard.push(pattern.id, &publication, fanout);
            }
        }
    }

    /// Tells the subscribers of a topic that publications are missing.
    pub(super) fn tell_gap(&self, topic: &Topic, state: &State, missed: u64) {
        let data = serde_json::json!({ "topic": &*topic.name, "missed": missed, "reason": "lagged" });
        if let Ok(data) = Payload::json(&data) {
            self.tell(topic, state, Kind::Gap, data);
        }
    }

    /// Tells the subscribers of a topic something that has no position.
    pub(super) fn tell(&self, topic: &Topic, state: &State, kind: Kind, data: Payload) {
        let at = (topic.position(state.history.offset()), self.0.sequence.fetch_add(1, Ordering::SeqCst) + 1);
        let now_ms = self.0.seams.clock.now_ms();
        let publication = Arc::new(Publication::new(kind, &topic.name, at, now_ms, data, None));
        self.give(topic, state, &publication, &self.fanout(End::default()));
    }
}
