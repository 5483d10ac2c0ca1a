//! What is kept of a topic: the last publications, bounded in number, bytes and age. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use super::options::NamespaceOptions;
use super::position::Position;
use super::publication::Publication;
use super::subscribe::Lost;

/// The last publications of a topic, and where it stands.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: VecDeque<Arc<Publication>>,
    bytes: usize,
    /// The offset of the last publication.
    offset: u64,
    /// Publications up to this offset cannot be had any more.
    lost: u64,
}

impl History {
    /// A history that begins behind `offset`.
    pub(super) fn after(offset: u64) -> Self {
        Self { offset, lost: offset, ..Self::default() }
    }

    /// The offset of the last publication.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is kept, the oldest first.
    pub(super) fn entries(&self) -> impl DoubleEndedIterator<Item = &Arc<Publication>> {
        self.entries.iter()
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Goes on to `offset` without keeping what was published.
    pub(super) fn pass(&mut self, offset: u64) {
        self.offset = offset;
        self.lost = offset;
    }

    /// Keeps a publication, and gives up what is too much.
    pub(super) fn push(
        &mut self,
        publication: Arc<Publication>,
        limits: &NamespaceOptions,
        bytes_max: usize,
    ) {
        // What was not told one by one is lost, with everything before it.
        if publication.position.offset != self.offset + 1 {
            (self.entries, self.bytes) = (VecDeque::new(), 0);
            self.lost = publication.position.offset - 1;
        }
        self.offset = publication.position.offset;
        self.bytes += publication.weight();
        self.entries.push_back(publication);
        let bytes_max = bytes_max.min(limits.history_bytes.0);
        while self.entries.len() > limits.history_size || (self.bytes > bytes_max && !self.entries.is_empty())
        {
            self.drop_first();
        }
    }

    /// Gives up what was published before a time. Says when the next one is due.
    pub(super) fn expire(&mut self, now_ms: u64, age_ms: u64) -> Option<u64> {
        while self.entries.front().is_some_and(|first| first.at_ms.saturating_add(age_ms) <= now_ms) {
            self.drop_first();
        }
        self.entries.front().map(|first| first.at_ms.saturating_add(age_ms))
    }

    fn drop_first(&mut self) {
        let Some(first) = self.entries.pop_front() else { return };
        self.bytes -= first.weight();
        self.lost = first.position.offset;
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
    }

    /// Everything behind a position.
    pub(super) fn since(&self, epoch: u32, position: Position) -> Result<Vec<Arc<Publication>>, Lost> {
        if position.epoch != epoch {
            return Err(Lost::OtherHistory);
        }
        if position.offset > self.offset {
            return Err(Lost::Ahead);
        }
        if position.offset < self.lost {
            return Err(Lost::Expired);
        }
        let behind = |it: &&Arc<Publication>| it.position.offset > position.offset;
        Ok(self.entries.iter().filter(behind).cloned().collect())
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
