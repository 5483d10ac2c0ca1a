//! The one source of wall-clock time, so that tests can hold it still.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A clock that is put back by no more than this is waited for; by more, it is followed. In milliseconds. Time servers make
/// small corrections all the time, and what is over should not be set anew for them.
pub const CLOCK_CORRECTION_MS: u64 = 10_000;

/// Wall-clock time in milliseconds, either the system's or one that a test moves by hand.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    manual: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// A clock that only moves when [`Clock::advance_ms`] is called. Its first reading is `now_ms`.
    pub fn manual(now_ms: u64) -> Self {
        Self { manual: Some(Arc::new(AtomicU64::new(now_ms))) }
    }

    /// Milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> u64 {
        match &self.manual {
            Some(now) => now.load(Ordering::Acquire),
            None => system_ms(),
        }
    }

    /// Sets a manual clock, also back; the system's clock is left alone.
    pub fn set_ms(&self, now_ms: u64) {
        if let Some(now) = &self.manual {
            now.store(now_ms, Ordering::Release);
        }
    }

    /// Moves a manual clock forward; the system's clock is left alone.
    pub fn advance_ms(&self, by: u64) {
        if let Some(now) = &self.manual {
            now.fetch_add(by, Ordering::AcqRel);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the seam that the ban points to")]
fn system_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(1_000);
        let same = clock.clone();
        assert_eq!(clock.now_ms(), 1_000);
        clock.advance_ms(5);
        assert_eq!(same.now_ms(), 1_005, "clones share the hand");
    }
}
