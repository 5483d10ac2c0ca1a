//! The table of topics.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::namespace::Namespace;
use super::topic::Topic;

/// Parts that are locked by themselves.
const PARTS: usize = 16;

type Part = HashMap<Arc<str>, Arc<Topic>, RandomState>;

/// Topics by name.
#[derive(Debug, Default)]
pub(super) struct Table {
    parts: [Mutex<Part>; PARTS],
    hasher: RandomState,
    count: AtomicUsize,
    next_id: AtomicU64,
}

/// There are as many topics as there may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Full;

impl Table {
    fn part(&self, name: &str) -> &Mutex<Part> {
        &self.parts[self.hasher.hash_one(name) as usize % PARTS]
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.part(name).lock().get(name).cloned()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// A number that no other topic has.
    pub(super) fn id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// The topic of this name, made if there is none.
    pub(super) fn get_or_make(
        &self,
        name: &str,
        namespace: &Arc<Namespace>,
        max: usize,
    ) -> Result<Arc<Topic>, Full> {
        let mut part = self.part(name).lock();
        if let Some(topic) = part.get(name) {
            return Ok(Arc::clone(topic));
        }
        if self.count() >= max {
            return Err(Full);
        }
        let name: Arc<str> = name.into();
        // Whoever has a position of one that was forgotten is behind this one.
        let floor = namespace.floor.load(Ordering::Relaxed);
        let topic = Arc::new(Topic::new(Arc::clone(&name), self.id(), Arc::clone(namespace), None, floor));
        part.insert(name, Arc::clone(&topic));
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(topic)
    }

    /// Takes a topic out if it is of no use, and has not been used since `used`.
    pub(super) fn forget(&self, topic: &Topic, used: u32) -> bool {
        let mut part = self.part(&topic.name).lock();
        let mut state = topic.state.lock();
        if state.is_of_use() || state.used != used || state.gone {
            return false;
        }
        state.gone = true;
        topic.namespace.floor.fetch_max(state.history.offset(), Ordering::Relaxed);
        part.remove(&topic.name);
        if part.capacity() > 1_024 && part.len() * 4 < part.capacity() {
            let twice = part.len() * 2;
            part.shrink_to(twice);
        }
        self.count.fetch_sub(1, Ordering::Relaxed);
        true
    }

    /// All topics for which `wanted` holds.
    pub(super) fn select(&self, wanted: impl Fn(&Topic) -> bool) -> Vec<Arc<Topic>> {
        let mut found = Vec::new();
        for part in &self.parts {
            found.extend(part.lock().values().filter(|topic| wanted(topic)).cloned());
        }
        found
    }
}
