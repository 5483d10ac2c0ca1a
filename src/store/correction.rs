//! A clock that was put back: how it is noticed, and how time follows it.

use super::events;
use super::log;
use super::writer::{BATCH_BYTES_MAX, SWEEP_STEP, Writer};
use crate::base::CLOCK_CORRECTION_MS;

/// Whether the clock was put back since the last commit, and not only by a moment.
pub(super) fn is_correction(now_ms: u64, known_ms: u64) -> bool {
    known_ms.saturating_sub(now_ms) > CLOCK_CORRECTION_MS
}

impl Writer {
    /// Follows a clock that was put back. Time would otherwise stand still until the clock gets there again: nothing
    /// would expire, and nothing would come due. What was over stays over, so it is deleted before time goes back.
    pub(super) fn follow_clock(&mut self) {
        let (now_ms, known_ms) = (self.shared.clock.now_ms(), self.engine.state.at);
        if !is_correction(now_ms, known_ms) || self.shared.health.get().check().is_err() {
            return;
        }
        while let Some(committed) = self.engine.sweep(known_ms, SWEEP_STEP) {
            self.shared.metrics.atlas.expired_keys.inc_by(committed.changes.len() as u64);
            log::encode(&committed, &mut self.buffer);
            self.commits.push(committed);
            if self.buffer.len() >= BATCH_BYTES_MAX
                && let Err(error) = self.flush()
            {
                return self.refuse(&error);
            }
        }
        let committed = self.engine.set_back(now_ms);
        log::encode(&committed, &mut self.buffer);
        self.commits.push(committed);
        self.commit();
        events::clock_went_back(known_ms - now_ms);
    }
}
