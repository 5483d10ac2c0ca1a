//! What the writer looks after besides writing: flushes by the clock, new segments, space on the disk, the end.

use std::time::Instant;

use super::change::Committed;
use super::error::StoreError;
use super::events;
use super::health::Health;
use super::journal::JournalError;
use super::log;
use super::options::SyncMode;
use super::writer::{TEND_EVERY, Writer};

impl Writer {
    /// What is due besides writing.
    pub(super) fn tend(&mut self) {
        let due =
            self.unsynced_since.is_some_and(|since| since.elapsed() >= self.options.sync_interval.get());
        if due
            && self.options.sync_mode == SyncMode::Interval
            && let Err(error) = self.sync()
        {
            self.fail(error);
        }
        let health = self.shared.health.get();
        let long = self.journal.segment_bytes() >= self.options.segment_bytes.0 as u64;
        let tried = self.rotation_failed.is_some_and(|at| at.elapsed() < TEND_EVERY);
        if health == Health::Writable && long && !tried {
            self.rotate();
        }
        let rarely = self.tended.elapsed() >= TEND_EVERY;
        if rarely {
            self.tended = Instant::now();
            self.measure();
            if matches!(health, Health::Full(_)) {
                self.heal();
            }
        }
        self.snapshot_if_due(&health);
    }

    fn rotate(&mut self) {
        match self.journal.rotate(self.engine.state.revision + 1) {
            Ok(()) => (self.unsynced_since, self.rotation_failed) = (None, None),
            Err(JournalError::Full(error)) => {
                self.rotation_failed = Some(Instant::now());
                events::rotation_failed(&error.to_string());
            }
            Err(broken) => drop(self.fail(broken)),
        }
    }

    /// Gauges, from time to time.
    pub(super) fn measure(&self) {
        let atlas = &self.shared.metrics.atlas;
        let view = self.shared.view();
        atlas.store_keys.set(view.len() as i64);
        atlas.store_bytes.set(view.bytes() as i64);
        atlas.aof_size_bytes.set(self.journal.log_bytes() as i64);
        atlas.watches.set(self.shared.watches.len() as i64);
    }

    /// Sees whether there is space again: the log is opened anew, read and written to.
    fn heal(&mut self) {
        let at = self.shared.clock.now_ms().max(self.engine.state.at);
        let changes = Vec::new().into();
        let probe = Committed { revision: self.engine.state.revision + 1, at, changes };
        let mut record = Vec::new();
        log::encode(&probe, &mut record);
        match self.journal.reopen(&record) {
            Ok(()) => {
                self.engine.state.apply(&probe);
                self.commits.push(probe);
                self.publish();
                self.shared.health.set(Health::Writable);
                events::healed(&self.shared.metrics);
            }
            Err(JournalError::Full(error)) => tracing::debug!(%error, "there is no space yet"),
            Err(broken) => drop(self.fail(broken)),
        }
    }

    pub(super) fn close(mut self) -> Result<(), StoreError> {
        self.shared.queue.close();
        self.shared.watches.close();
        self.snapshots.wait();
        let health = self.shared.health.get();
        if let Health::Broken(_) = health {
            return health.check();
        }
        // On a full disk there is no space for a manifest, but what was answered is flushed all the same.
        self.journal.sync().map_err(|error| self.fail(error))?;
        health.check()?;
        self.journal.close().map_err(|error| self.fail(error))
    }
}
