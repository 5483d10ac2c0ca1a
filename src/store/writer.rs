//! The one thread that changes the store: takes what waits, applies it, writes it in one piece, flushes once
//! for all of it, publishes the new version, and only then answers.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::change::Committed;
use super::command::{Done, Work};
use super::engine::Engine;
use super::error::StoreError;
use super::events;
use super::health::Health;
use super::journal::{Journal, JournalError};
use super::log;
use super::options::{StoreOptions, SyncMode};
use super::queue::Order;
use super::shared::Shared;
use super::snapshots::Snapshots;

/// A batch is written once it has this many bytes, even if more waits.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// Keys whose time is over that are taken away at once; more would keep writers waiting.
const SWEEP_STEP: usize = 500;

/// How often it looks for keys whose time is over, if any key has an end.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

/// How often it looks whether there is something to tend to.
const TEND_EVERY: Duration = Duration::from_secs(1);

type Answer = (oneshot::Sender<Result<Vec<Done>, StoreError>>, Vec<Done>);

/// The writer.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) engine: Engine,
    pub(super) journal: Journal,
    pub(super) options: StoreOptions,
    pub(super) snapshots: Snapshots,
    /// Records of the batch.
    buffer: Vec<u8>,
    commits: Vec<Committed>,
    answers: Vec<Answer>,
    /// When the first record was written that may not be on the disk.
    unsynced_since: Option<Instant>,
    tended: Instant,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, engine: Engine, journal: Journal, options: StoreOptions) -> Self {
        Self {
            shared,
            engine,
            journal,
            options,
            snapshots: Snapshots::default(),
            buffer: Vec::new(),
            commits: Vec::new(),
            answers: Vec::new(),
            unsynced_since: None,
            tended: Instant::now(),
        }
    }

    /// Works until it is told to close.
    pub(super) fn run(mut self) {
        loop {
            let orders = self.shared.queue.take(self.patience());
            let mut closing = None;
            for order in orders {
                match order {
                    Order::Work { work, answer, .. } => self.work(work, answer),
                    Order::Snapshot { answer } => self.snapshots.ask(answer),
                    Order::SnapshotDone { revision, written, took } => {
                        self.commit();
                        self.snapshot_done(revision, written, took);
                    }
                    Order::Close { answer } => closing = Some(answer),
                }
            }
            self.sweep();
            self.commit();
            self.tend();
            if let Some(answer) = closing {
                // Who asked may have gone; the store is closed all the same.
                let _ = answer.send(self.close());
                return;
            }
        }
    }

    /// How long it may sleep if nothing comes.
    fn patience(&self) -> Duration {
        let now_ms = self.shared.clock.now_ms();
        if self.engine.state.overdue(now_ms).next().is_some() && self.shared.health.get().check().is_ok() {
            return Duration::ZERO;
        }
        let mut patience = TEND_EVERY;
        if self.engine.state.has_deadlines() {
            patience = SWEEP_EVERY;
        }
        if let (SyncMode::Interval, Some(since)) = (self.options.sync_mode, self.unsynced_since) {
            patience = patience.min(self.options.sync_interval.get().saturating_sub(since.elapsed()));
        }
        patience
    }

    fn work(&mut self, work: Vec<Work>, answer: oneshot::Sender<Result<Vec<Done>, StoreError>>) {
        let health = self.shared.health.get().check();
        if let Err(error) = health
            && !work.iter().all(Work::is_read)
        {
            let _ = answer.send(Err(error));
            return;
        }
        let at = self.shared.clock.now_ms();
        let mut done = Vec::with_capacity(work.len());
        for work in work {
            let (result, committed) = self.engine.apply(work, at);
            events::refused(&self.shared.metrics, &result);
            done.push(result);
            if let Some(committed) = committed {
                log::encode(&committed, &mut self.buffer);
                self.commits.push(committed);
            }
        }
        self.answers.push((answer, done));
        if self.buffer.len() >= BATCH_BYTES_MAX {
            self.commit();
        }
    }

    fn sweep(&mut self) {
        let now_ms = self.shared.clock.now_ms();
        if self.engine.state.overdue(now_ms).next().is_none() || self.shared.health.get().check().is_err() {
            return;
        }
        if let Some(committed) = self.engine.sweep(now_ms, SWEEP_STEP) {
            self.shared.metrics.atlas.expired_keys.inc_by(committed.changes.len() as u64);
            log::encode(&committed, &mut self.buffer);
            self.commits.push(committed);
        }
    }

    /// Writes the batch, publishes what came of it, and answers.
    fn commit(&mut self) {
        if let Err(error) = self.write() {
            let error = self.fail(error);
            for (answer, _) in self.answers.drain(..) {
                let _ = answer.send(Err(error.clone()));
            }
            return;
        }
        if !self.commits.is_empty() {
            self.snapshots.count(self.commits.len());
            self.publish();
        }
        for (answer, done) in self.answers.drain(..) {
            // Who asked may have gone; what was asked is done.
            let _ = answer.send(Ok(done));
        }
    }

    fn write(&mut self) -> Result<(), JournalError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.journal.append(&self.buffer)?;
        let atlas = &self.shared.metrics.atlas;
        atlas.aof_bytes.inc_by(self.buffer.len() as u64);
        atlas.commits.inc_by(self.commits.len() as u64);
        self.buffer.clear();
        // What one huge batch has taken is given back.
        self.buffer.shrink_to(BATCH_BYTES_MAX);
        match self.options.sync_mode {
            SyncMode::Every => self.sync(),
            SyncMode::Interval | SyncMode::None => {
                self.unsynced_since.get_or_insert_with(Instant::now);
                Ok(())
            }
        }
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        let began = Instant::now();
        self.journal.sync()?;
        self.shared.metrics.atlas.fsync_duration.observe(began.elapsed().as_secs_f64());
        self.unsynced_since = None;
        Ok(())
    }

    /// What is published is on the disk, as far as the mode promises it.
    fn publish(&mut self) {
        let state = self.engine.state.clone();
        self.shared.published.store(Arc::new(state.clone()));
        self.shared.watches.publish(state, mem::take(&mut self.commits));
    }

    /// Goes back to what was published, and says why.
    pub(super) fn fail(&mut self, error: JournalError) -> StoreError {
        self.buffer.clear();
        self.commits.clear();
        self.engine.state = (**self.shared.published.load()).clone();
        let health = match error {
            JournalError::Full(error) => {
                events::disk_full(&self.shared.metrics, &error.to_string());
                Health::Full(error.to_string())
            }
            JournalError::Broken(error) => {
                events::disk_broken(&self.shared.metrics, &error.to_string());
                Health::Broken(error.to_string())
            }
        };
        let told = health.check().err().unwrap_or(StoreError::Closed);
        self.shared.health.set(health);
        told
    }

    /// What is due besides writing.
    fn tend(&mut self) {
        let due =
            self.unsynced_since.is_some_and(|since| since.elapsed() >= self.options.sync_interval.get());
        if due
            && self.options.sync_mode == SyncMode::Interval
            && let Err(error) = self.sync()
        {
            self.fail(error);
        }
        let health = self.shared.health.get();
        if health == Health::Writable && self.journal.segment_bytes() >= self.options.segment_bytes.0 as u64 {
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
            Ok(()) => self.unsynced_since = None,
            Err(JournalError::Full(error)) => events::rotation_failed(&error.to_string()),
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
            Err(error) => tracing::debug!(%error, "the log cannot be written to yet"),
        }
    }

    fn close(mut self) -> Result<(), StoreError> {
        self.shared.queue.close();
        self.shared.watches.close();
        self.snapshots.wait();
        self.shared.health.get().check()?;
        let closed = self.journal.close();
        closed.map_err(|error| self.fail(error))
    }
}
