//! One version of everything that is stored. Pure: no disk, no clock, no threads.

use std::mem;
use std::sync::Arc;

use super::change::{Change, Committed};
use super::value::{Entry, Key, Value};
use crate::universe::Tree;

/// A version of the store. A clone costs nothing and never changes.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    entries: Tree<Entry>,
    /// Time of the end (8 bytes, big end first) and key of all that ends. So counting what is over needs no
    /// visit, and the sweep finds it at the front.
    deadlines: Tree<()>,
    /// The last commit.
    pub(super) revision: u64,
    /// When that was, in milliseconds since the Unix epoch.
    pub(super) at: u64,
    /// Bytes of keys and values.
    bytes: usize,
    /// Keys that were deleted since the process began: what a SCAN that goes on has to go back by.
    deleted: u64,
}

/// A version at a time: keys that are over at that time are not there.
#[derive(Clone, Debug)]
pub struct View {
    state: State,
    now_ms: u64,
}

/// A stretch of keys in their order.
#[derive(Debug)]
pub struct Page {
    /// Keys and what lies under them.
    pub entries: Vec<(Vec<u8>, Entry)>,
    /// Where the next stretch begins; `None` if this was the last.
    pub next: Option<Vec<u8>>,
}

fn deadline(at: u64, key: &[u8]) -> Vec<u8> {
    [&at.to_be_bytes(), key].concat()
}

impl State {
    /// The entry of a key, even if its time is over.
    pub(super) fn raw(&self, key: &[u8]) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// The entry of a key that is not over.
    pub(super) fn get(&self, key: &[u8], now_ms: u64) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| !entry.expired(now_ms))
    }

    /// Keys that are over and not swept yet, the first to end first.
    pub(super) fn overdue(&self, now_ms: u64) -> impl Iterator<Item = Key> {
        let over = move |(deadline, ()): &(&[u8], &())| deadline[..8] <= now_ms.to_be_bytes()[..];
        self.deadlines.iter().take_while(over).map(|(deadline, ())| deadline[8..].into())
    }

    /// Whether any key has an end.
    pub(super) fn has_deadlines(&self) -> bool {
        !self.deadlines.is_empty()
    }

    fn overdue_len(&self, now_ms: u64) -> usize {
        self.deadlines.rank(&now_ms.saturating_add(1).to_be_bytes())
    }

    /// All entries, those that are over too: for snapshots.
    pub(super) fn entries(&self) -> &Tree<Entry> {
        &self.entries
    }

    /// Bytes of keys and values.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Carries out the changes of a commit.
    pub(super) fn apply(&mut self, committed: &Committed) {
        for change in &*committed.changes {
            self.change(change, committed.revision);
        }
        self.finish(committed.revision, committed.at);
    }

    /// Says that all changes of a commit are in.
    pub(super) fn finish(&mut self, revision: u64, at: u64) {
        self.revision = revision;
        self.at = at;
    }

    /// Carries out one change of commit `version`.
    pub(super) fn change(&mut self, change: &Change, version: u64) {
        match change {
            Change::Put { key, value, expires_at } => {
                self.put(key, Entry { value: value.clone(), version, expires_at: *expires_at });
            }
            Change::Delete { key, .. } => self.delete(key),
            Change::Expire { key, expires_at } => {
                if let Some(entry) = self.entries.get(key) {
                    self.put(key, Entry { value: entry.value.clone(), version, expires_at: *expires_at });
                }
            }
            Change::Clear { keep } => self.clear(keep),
            Change::Emit { .. } => {}
        }
    }

    /// Whether a clear that keeps these families would delete anything.
    pub(super) fn clears(&self, keep: &[Key]) -> bool {
        self.entries.len() > keep.iter().map(|family| self.entries.prefix_len(family)).sum::<usize>()
    }

    /// Deletes all keys but those of some families. Visits only what stays.
    fn clear(&mut self, keep: &[Key]) {
        let before = mem::take(&mut self.entries);
        (self.deadlines, self.bytes) = (Tree::new(), 0);
        for (key, entry) in keep.iter().flat_map(|family| before.prefix(family)) {
            self.put(&Key::from(key), entry.clone());
        }
        self.deleted += (before.len() - self.entries.len()) as u64;
    }

    /// Puts an entry, whatever lies under its key.
    pub(super) fn put(&mut self, key: &Key, entry: Entry) {
        let there = self.entries.get(key).cloned();
        self.put_over(key, entry, there.as_ref());
    }

    /// Puts an entry over what is known to lie under its key.
    pub(super) fn put_over(&mut self, key: &Key, entry: Entry, there: Option<&Entry>) {
        let ends = there.map_or(0, |there| there.expires_at);
        if ends != entry.expires_at {
            if ends != 0 {
                self.deadlines.remove(&deadline(ends, key));
            }
            if entry.expires_at != 0 {
                self.deadlines.insert(deadline(entry.expires_at, key), ());
            }
        }
        self.bytes += entry.value.len();
        match there {
            Some(there) => self.bytes -= there.value.len(),
            None => self.bytes += key.len(),
        }
        self.entries.insert(Arc::clone(key), entry);
    }

    /// Takes a key out.
    pub(super) fn delete(&mut self, key: &[u8]) {
        if let Some(there) = self.entries.get(key).cloned() {
            self.take_out(key, &there);
        }
    }

    /// Takes a key out, whose entry this is.
    pub(super) fn take_out(&mut self, key: &[u8], entry: &Entry) {
        self.bytes -= key.len() + entry.value.len();
        if entry.expires_at != 0 {
            self.deadlines.remove(&deadline(entry.expires_at, key));
        }
        self.entries.remove(key);
        self.deleted += 1;
    }
}

impl View {
    pub(super) fn new(state: State, now_ms: u64) -> Self {
        // A clock that went back must not bring back what was over, until the writer has deleted that.
        let now_ms = now_ms.max(state.at);
        Self { state, now_ms }
    }

    /// A version of other entries: what it says of itself is what is given. `bytes` are those of keys and values.
    pub fn of(entries: Tree<Entry>, bytes: usize, revision: u64, now_ms: u64) -> Self {
        let state = State { entries, deadlines: Tree::new(), revision, at: now_ms, bytes, deleted: 0 };
        Self { state, now_ms }
    }

    /// The keys that begin with `prefix`, with what is over among them. Costs nothing and shares everything.
    pub fn keys(&self, prefix: &[u8]) -> Tree<Entry> {
        self.state.entries.subtree(prefix)
    }

    pub(super) fn into_state(self) -> State {
        self.state
    }

    /// The last commit in it.
    pub fn revision(&self) -> u64 {
        self.state.revision
    }

    /// Its time, in milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// How many keys begin with `prefix`. Visits none of them; keys that are over count until they are taken away, a moment
    /// later.
    pub fn count(&self, prefix: &[u8]) -> usize {
        self.state.entries.prefix_len(prefix)
    }

    /// What lies under a key.
    pub fn get(&self, key: &[u8]) -> Option<&Entry> {
        self.state.get(key, self.now_ms)
    }

    /// The value of a key.
    pub fn value(&self, key: &[u8]) -> Option<&Value> {
        self.get(key).map(|entry| &entry.value)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.state.entries.len() - self.state.overdue_len(self.now_ms)
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys have an end.
    pub fn ending(&self) -> usize {
        self.state.deadlines.len() - self.state.overdue_len(self.now_ms)
    }

    /// Bytes of keys and values.
    pub fn bytes(&self) -> usize {
        self.state.bytes
    }

    /// Keys that were deleted since the process began.
    pub fn deleted(&self) -> u64 {
        self.state.deleted
    }

    /// How many keys are less than `key`, with what is over among them. Visits none of them.
    pub fn rank(&self, key: &[u8]) -> usize {
        self.state.entries.rank(key)
    }

    /// The keys from the one with this rank on, with what is over among them.
    pub fn from_rank(&self, rank: usize) -> impl Iterator<Item = (&[u8], &Entry)> {
        let mut entries = self.state.entries.iter();
        entries.advance(rank);
        entries
    }

    /// The keys that begin with `prefix`, in order.
    pub fn prefix(&self, prefix: &[u8]) -> impl Iterator<Item = (&[u8], &Entry)> {
        self.state.entries.prefix(prefix).filter(|(_, entry)| !entry.expired(self.now_ms))
    }

    /// All keys that are not less than `start`, in order.
    pub fn range_from(&self, start: &[u8]) -> impl Iterator<Item = (&[u8], &Entry)> {
        self.state.entries.range_from(start).filter(|(_, entry)| !entry.expired(self.now_ms))
    }

    /// At most `limit` keys that begin with `prefix`, from `start` on. Once their bytes are more than `bytes`
    /// none follows.
    pub fn page(&self, prefix: &[u8], start: &[u8], limit: usize, bytes: usize) -> Page {
        let start = if start > prefix { start } else { prefix };
        let mut fitting = self.range_from(start).take_while(|(key, _)| key.starts_with(prefix));
        let (mut entries, mut taken) = (Vec::new(), 0);
        while entries.len() < limit && taken <= bytes {
            let Some((key, entry)) = fitting.next() else { break };
            taken += key.len() + entry.value.len();
            entries.push((key.to_vec(), entry.clone()));
        }
        Page { entries, next: fitting.next().map(|(key, _)| key.to_vec()) }
    }
}
