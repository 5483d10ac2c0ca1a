//! The keys behind the cursors of SCAN that were given last.
//!
//! A cursor is good without them ([`super::scan`]), but may then give keys again; whoever goes on with a cursor that is
//! remembered gets each key once. A number that two scans have got stands for the smaller of their keys, or the same one:
//! nothing is left out.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

/// Cursors that are remembered; the oldest are forgotten.
const CURSORS_MAX: usize = 65_536;

/// The keys by their cursors.
#[derive(Debug, Default)]
pub(super) struct Cursors(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    keys: HashMap<u64, Vec<u8>, RandomState>,
    /// The oldest first.
    order: VecDeque<u64>,
}

impl Cursors {
    /// Remembers the key behind a cursor.
    pub(super) fn put(&self, cursor: u64, key: Vec<u8>) {
        let mut known = self.0.lock();
        if known.keys.insert(cursor, key).is_none() {
            known.order.push_back(cursor);
        }
        if known.order.len() > CURSORS_MAX
            && let Some(oldest) = known.order.pop_front()
        {
            known.keys.remove(&oldest);
        }
    }

    /// The key behind a cursor, if it is remembered.
    pub(super) fn get(&self, cursor: u64) -> Option<Vec<u8>> {
        self.0.lock().keys.get(&cursor).cloned()
    }
}
