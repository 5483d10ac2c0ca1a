//! How much a session is owed.

use std::sync::atomic::{AtomicU64, Ordering};

/// Requests of a session that are not answered yet: their number in the upper bits, their bytes in the
/// lower ones, so that one addition counts both.
#[derive(Debug, Default)]
pub(in crate::starling) struct Load(AtomicU64);

const ONE_REQUEST: u64 = 1 << 40;

impl Load {
    /// Adds a request of so many bytes; `false` if that is too much.
    pub(in crate::starling) fn add(&self, bytes: usize, count_max: usize, bytes_max: usize) -> bool {
        let before = self.0.fetch_add(ONE_REQUEST + bytes as u64, Ordering::Relaxed);
        let (count, held) = (before / ONE_REQUEST, before % ONE_REQUEST);
        // One request passes however large it is.
        let fits = count < count_max as u64 && (count == 0 || held + bytes as u64 <= bytes_max as u64);
        if !fits {
            self.remove(bytes);
        }
        fits
    }

    /// Whether nothing is unanswered.
    pub(in crate::starling) fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) < ONE_REQUEST
    }

    pub(in crate::starling) fn remove(&self, bytes: usize) {
        self.0.fetch_sub(ONE_REQUEST + bytes as u64, Ordering::Relaxed);
    }
}
