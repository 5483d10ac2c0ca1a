//! Where a SCAN goes on. Clients expect a number; keys are ordered by their bytes, so the number stands for
//! the next key. All connections share the table: clients with a pool go on over another one.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;

use parking_lot::Mutex;

/// The next keys of scans that are under way. The same key has the same number, so scans that are repeated
/// or given up do not pile up.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    hasher: foldhash::quality::RandomState,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    keys: HashMap<u64, Vec<u8>>,
    /// The oldest first.
    order: VecDeque<u64>,
}

/// Scans that may be under way at once; the oldest are forgotten, and told so.
const CURSORS_MAX: usize = 65_536;

impl Cursors {
    /// The number of a key.
    pub(super) fn put(&self, key: Vec<u8>) -> u64 {
        // Signed in some clients; and 0 is the beginning and the end.
        let mut number = (self.hasher.hash_one(&key) >> 1).max(1);
        let mut known = self.known.lock();
        while known.keys.get(&number).is_some_and(|other| *other != key) {
            number = (number % (u64::MAX >> 1)) + 1;
        }
        if known.keys.insert(number, key).is_none() {
            known.order.push_back(number);
        }
        if known.order.len() > CURSORS_MAX
            && let Some(oldest) = known.order.pop_front()
        {
            known.keys.remove(&oldest);
        }
        number
    }

    /// The key of a number.
    pub(super) fn get(&self, number: u64) -> Option<Vec<u8>> {
        self.known.lock().keys.get(&number).cloned()
    }
}
