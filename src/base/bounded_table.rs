//! A table of what is remembered about callers, with a bound.
//!
//! Whoever controls many addresses or names could fill any table. What is in it must not be thrown away for that, or
//! they reset everybody's limits; and newcomers must not be refused, or they lock everybody else out. So only entries
//! that say nothing (a full bucket, a window that is over) make room. Where none does, newcomers share a number of
//! entries by their hash: they are still limited, a little sooner than by themselves.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;

/// Entries that newcomers share when there is no room.
const SHARED: usize = 1_024;

/// Entries by key, at most so many.
#[derive(Debug)]
pub struct BoundedTable<K, V> {
    entries: HashMap<K, V, RandomState>,
    shared: HashMap<usize, V, RandomState>,
    max: usize,
    /// Newcomers until it is worth looking for room again.
    patience: usize,
}

impl<K: Hash + Eq + Clone, V> BoundedTable<K, V> {
    /// An empty table for `max` entries.
    pub fn new(max: usize) -> Self {
        Self { entries: HashMap::default(), shared: HashMap::default(), max, patience: 0 }
    }

    /// The entry of a key, made by `fresh` if there is none. `is_fresh` says whether an entry tells nothing that a new
    /// one would not.
    pub fn entry(&mut self, key: &K, fresh: impl FnOnce() -> V, is_fresh: impl Fn(&mut V) -> bool) -> &mut V {
        if !self.entries.contains_key(key) && self.entries.len() >= self.max {
            self.make_room(is_fresh);
            if self.entries.len() >= self.max {
                let slot = self.entries.hasher().hash_one(key) as usize % SHARED;
                return self.shared.entry(slot).or_insert_with(fresh);
            }
        }
        self.entries.entry(key.clone()).or_insert_with(fresh)
    }

    /// Looks for entries that may go: not for each newcomer, for it visits all.
    fn make_room(&mut self, is_fresh: impl Fn(&mut V) -> bool) {
        if self.patience > 0 {
            self.patience -= 1;
            return;
        }
        self.entries.retain(|_, entry| !is_fresh(entry));
        self.shared.retain(|_, entry| !is_fresh(entry));
        if self.entries.len() >= self.max {
            self.patience = self.max / 8;
        }
    }

    /// The entry of a key, if it has one of its own.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key)
    }

    /// The entry of a key, its own or the one that it shares.
    pub fn find_mut(&mut self, key: &K) -> Option<&mut V> {
        if self.entries.contains_key(key) {
            return self.entries.get_mut(key);
        }
        let slot = self.entries.hasher().hash_one(key) as usize % SHARED;
        self.shared.get_mut(&slot)
    }

    /// Puts an entry in, if there is room.
    pub fn insert(&mut self, key: K, entry: V) {
        if self.entries.len() < self.max || self.entries.contains_key(&key) {
            self.entries.insert(key, entry);
        }
    }

    /// Keeps the entries for which `keep` says so.
    pub fn retain(&mut self, keep: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain(keep);
    }

    /// All entries that keys have of their own.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.values_mut()
    }

    /// How many entries there are, shared ones among them.
    pub fn len(&self) -> usize {
        self.entries.len() + self.shared.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_late_neither_resets_others_nor_is_refused() {
        let mut table = BoundedTable::new(100);
        let used = |left: &mut u32| *left == 3;
        for key in 0..100 {
            *table.entry(&key, || 3, used) -= 1;
        }
        for key in 100..200_000 {
            let left = table.entry(&key, || 3, used);
            *left = left.saturating_sub(1);
        }
        assert!(table.len() <= 100 + SHARED, "{}", table.len());
        assert!((0..100).all(|key| *table.entry(&key, || 3, used) == 2), "nobody was forgotten");
        for key in 0..100 {
            *table.entry(&key, || 3, used) = 3;
        }
        let mut news = (0..20).map(|round| 1_000_000 + round);
        let roomy = news.any(|key| {
            let left = table.entry(&key, || 3, used);
            *left = left.saturating_sub(1);
            table.get_mut(&key).is_some()
        });
        assert!(roomy, "what says nothing makes room");
    }
}
