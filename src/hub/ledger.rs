//! Histories that outlive the process: the seam to whoever writes them, and what comes back from there.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;
use tokio::sync::oneshot;

use super::Hub;
use super::filter::Tags;
use super::history::History;
use super::position::Position;
use super::publication::{Kind, Publication};
use super::publish::{PublishError, Wish};
use super::topic::{State, Topic};
use crate::protocol::{Codec, Payload};

/// Keeps histories. The room that has a store implements it (`methods/topics`). What is written, by whomever, comes
/// back through [`Hub::came`], in order; only then is it told to subscribers.
pub trait Ledger: Send + Sync + Debug + 'static {
    /// Tells the histories of this ledger from those of another one.
    fn epoch(&self) -> u32;
    /// Adds a publication to a topic that keeps `keep` of them, each for `age_ms` milliseconds. Gives its offset once it
    /// is on the disk.
    fn append(&self, topic: &str, entry: Vec<u8>, keep: u64, age_ms: u64) -> Appended;
    /// What is kept of a topic.
    fn load(&self, topic: &str) -> Kept;
}

/// The offset of a publication that was written.
pub type Appended = Pin<Box<dyn Future<Output = Result<u64, NotKept>> + Send>>;

/// The history of a topic.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Kept {
    /// The offset of the last publication.
    pub offset: u64,
    /// Publications with their offsets, the oldest first.
    pub entries: Vec<(u64, Vec<u8>)>,
}

/// Why a publication could not be written; the cause is logged where it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the history of the topic cannot be written now")]
pub struct NotKept;

/// A publication as it is written down.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) data: Payload,
    pub(super) tags: Tags,
    pub(super) at_ms: u64,
    /// Who waits for it.
    pub(super) id: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    tags: Tags,
    at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
}

impl Entry {
    fn write(&self) -> Result<Vec<u8>, PublishError> {
        let data = self.data.as_raw().translate(Codec::Json).map_err(PublishError::Data)?;
        let data = serde_json::from_slice(data.as_ref()).map_err(|error| PublishError::Data(error.into()))?;
        let line = Line { data, tags: self.tags.clone(), at: self.at_ms, id: self.id };
        serde_json::to_vec(&line).map_err(|error| PublishError::Data(error.into()))
    }

    /// What was written; `None` if it was not by us.
    fn read(bytes: &[u8]) -> Option<Self> {
        let line: Line<'_> = serde_json::from_slice(bytes).ok()?;
        let data = Payload::json(line.data).ok()?;
        Some(Self { data, tags: line.tags, at_ms: line.at, id: line.id })
    }
}

impl Hub {
    /// A publication as it has to be written into the ledger, by whoever does it in a commit of its own.
    ///
    /// # Errors
    /// If the topic cannot be had, has no durable history, or the data is too long.
    pub fn written(&self, wish: &Wish) -> Result<Vec<u8>, PublishError> {
        let (limit, bytes) = (self.check(wish)?, wish.data.len());
        if bytes > limit {
            return Err(PublishError::TooLarge { bytes, limit });
        }
        self.entry(wish, None).write()
    }

    fn entry(&self, wish: &Wish, id: Option<u64>) -> Entry {
        let (data, tags) = (wish.data.clone(), wish.tags.clone());
        Entry { data, tags, at_ms: self.0.seams.clock.now_ms(), id }
    }

    /// Writes a publication. `told` learns how many got it.
    pub(super) async fn append(
        &self,
        wish: Wish,
        told: oneshot::Sender<usize>,
    ) -> Result<(Position, Asked), PublishError> {
        let namespace = self.checked(&wish.topic)?;
        let ledger = self.0.seams.ledger.as_ref().ok_or(NotKept)?;
        let number = self.0.asked_last.fetch_add(1, Ordering::Relaxed) & u64::from(u32::MAX);
        let id = u64::from(self.0.epoch) << 32 | number;
        let entry = self.entry(&wish, Some(id));
        let (line, rules) = (entry.write()?, namespace.options());
        self.0.asked.lock().insert(id, told);
        let asked = Asked { hub: self.clone(), id };
        let age_ms = rules.history_age.as_ms();
        let offset = ledger.append(&wish.topic, line, rules.history_size as u64, age_ms).await?;
        // It comes back by itself where the topic is in use; who waits is told then.
        if self.0.table.get(&wish.topic).is_none() {
            self.0.asked.lock().remove(&id);
        }
        Ok((Position { epoch: namespace.epoch(), offset }, asked))
    }

    /// A publication has been written to the ledger.
    pub fn came(&self, topic: &str, offset: u64, line: &[u8]) {
        let Some(entry) = Entry::read(line) else {
            return tracing::error!(topic, offset, "a publication in the store cannot be read");
        };
        match self.0.table.get(topic) {
            Some(topic) => self.put_from_ledger(&topic, offset, entry),
            // Nobody is there to be told.
            None => drop(entry.id.and_then(|id| self.0.asked.lock().remove(&id))),
        }
    }

    /// Publications have been written that did not come one by one: what topics in use do not have is fetched.
    pub fn catch_up(&self) {
        let durable = |topic: &Topic| topic.namespace.options().durable;
        for topic in self.0.table.select(durable) {
            let Some(ledger) = &self.0.seams.ledger else { return };
            for (offset, line) in ledger.load(&topic.name).entries {
                self.came(&topic.name, offset, &line);
            }
        }
    }

    /// Everything in the ledger is gone: offsets begin anew, in other histories.
    pub fn cleared(&self, epoch: u32) {
        for namespace in self.0.namespaces.all().filter(|namespace| namespace.options().durable) {
            namespace.begin_anew(epoch);
        }
        for topic in self.0.table.select(|topic| topic.namespace.options().durable) {
            let mut state = topic.state.lock();
            self.history_changed(state.history.bytes(), 0);
            state.history = History::after(0);
            self.tell_gap(&topic, &state, 0);
        }
    }

    /// Fetches what the ledger has of a topic, the first time that anybody needs it.
    pub(super) fn load(&self, topic: &Arc<Topic>, state: &mut State) {
        if state.loaded || !topic.namespace.options().durable {
            return;
        }
        state.loaded = true;
        let Some(ledger) = &self.0.seams.ledger else { return };
        let kept = ledger.load(&topic.name);
        let first = kept.entries.first().map_or(kept.offset + 1, |(offset, _)| *offset);
        state.history.pass(first.saturating_sub(1));
        for (offset, line) in kept.entries {
            let Some(entry) = Entry::read(&line) else { continue };
            let tags = (!entry.tags.is_empty()).then(|| Arc::new(entry.tags));
            // Older than everything that is published from now on.
            let at = (topic.position(offset), 0);
            let made = Publication::new(Kind::Message, &topic.name, at, entry.at_ms, entry.data, tags);
            state.history.push(Arc::new(made), topic.namespace.options(), usize::MAX);
        }
        if state.history.offset() != kept.offset {
            state.history.pass(kept.offset);
        }
        self.history_changed(0, state.history.bytes());
        self.plan_expiry(topic, state);
    }
}

/// Somebody waits for a publication to come back.
#[derive(Debug)]
pub(super) struct Asked {
    hub: Hub,
    id: u64,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.hub.0.asked.lock().remove(&self.id);
    }
}
