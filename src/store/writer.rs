//! The one thread that changes the store: takes what waits, applies it, writes it in one piece, flushes once
//! for all of it, publishes the new version, and only then answers.

use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::change::Committed;
use super::command::Work;
use super::engine::Engine;
use super::error::StoreError;
use super::events;
use super::health::Health;
use super::homes::{self, Waiting};
use super::journal::{Journal, JournalError};
use super::log;
use super::options::{StoreOptions, SyncMode};
use super::outcome::Done;
use super::queue::Order;
use super::shared::Shared;
use super::snapshots::Snapshots;
use super::state::State;

/// A batch is written once it has this many bytes, even if more waits.
pub(super) const BATCH_BYTES_MAX: usize = 8 << 20;

/// Old versions that may wait to be freed.
const GARBAGE_MAX: usize = 64;

/// An old version as it was published and as watches had it, and commits that are not remembered any more.
type Garbage = (Arc<State>, State, Vec<Arc<Committed>>);

/// Keys whose time is over that are taken away at once; more would keep writers waiting.
pub(super) const SWEEP_STEP: usize = 500;

/// How often it looks for keys whose time is over, if any key has an end.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

/// How often it looks whether there is something to tend to.
pub(super) const TEND_EVERY: Duration = Duration::from_secs(1);

type Answer = (Waiting, Vec<Done>);

/// The writer.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) engine: Engine,
    pub(super) journal: Journal,
    pub(super) options: StoreOptions,
    pub(super) snapshots: Snapshots,
    /// Records of the batch.
    pub(super) buffer: Vec<u8>,
    pub(super) commits: Vec<Committed>,
    answers: Vec<Answer>,
    /// To the thread that frees what nobody sees any more: a tenth of the work, and after FLUSHDB a long one.
    garbage: SyncSender<Garbage>,
    /// When the first record was written that may not be on the disk.
    pub(super) unsynced_since: Option<Instant>,
    /// When the log could not go on in a new file.
    pub(super) rotation_failed: Option<Instant>,
    pub(super) tended: Instant,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, engine: Engine, journal: Journal, options: StoreOptions) -> Self {
        let snapshots = Snapshots::after(journal.last_snapshot());
        Self {
            shared,
            engine,
            journal,
            options,
            snapshots,
            buffer: Vec::new(),
            commits: Vec::new(),
            answers: Vec::new(),
            garbage: reaper(),
            unsynced_since: None,
            rotation_failed: None,
            tended: Instant::now(),
        }
    }

    /// Works until it is told to close.
    pub(super) fn run(mut self) {
        loop {
            let orders = self.shared.queue.take(self.patience());
            self.follow_clock();
            let mut closing = Vec::new();
            for order in orders {
                match order {
                    Order::Work { work, answer, .. } => self.work(work, answer),
                    Order::Sync { answer } => {
                        self.commit();
                        let synced = self
                            .shared
                            .health
                            .get()
                            .check()
                            .and_then(|()| self.sync().map_err(|error| self.fail(error)));
                        // Who asked may have gone; it is on the disk.
                        let _ = answer.send(synced);
                    }
                    Order::Snapshot { answer } => self.snapshots.ask(answer),
                    Order::SnapshotDone { revision, written, took } => {
                        self.commit();
                        self.snapshot_done(revision, written, took);
                    }
                    Order::Close { answer } => closing.push(answer),
                }
            }
            self.sweep();
            self.commit();
            self.tend();
            if !closing.is_empty() {
                let closed = self.close();
                // Who asked may have gone; the store is closed all the same.
                closing.into_iter().for_each(|answer| drop(answer.send(closed.clone())));
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

    fn work(&mut self, work: Vec<Work>, answer: Waiting) {
        let health = self.shared.health.get().check();
        let at = self.shared.clock.now_ms();
        let mut done = Vec::with_capacity(work.len());
        for work in work {
            if let (Err(error), false) = (&health, work.is_read()) {
                done.push(Done::Failed(error.clone()));
                continue;
            }
            let (result, committed) = self.engine.apply(work, at);
            events::refused(&self.shared.metrics, &result);
            done.push(result);
            if let Some(committed) = committed {
                log::encode(&committed, &mut self.buffer);
                self.commits.push(committed);
            }
            if self.buffer.len() >= BATCH_BYTES_MAX {
                if let Err(error) = self.flush() {
                    self.refuse(&error);
                    answer.answer(Err(error));
                    return;
                }
                // What is written is answered so, whatever becomes of what follows.
                self.answer();
            }
        }
        if self.buffer.is_empty() && self.commits.is_empty() {
            self.answer();
            answer.answer(Ok(done));
            return;
        }
        self.answers.push((answer, done));
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
    pub(super) fn commit(&mut self) {
        if let Err(error) = self.flush() {
            return self.refuse(&error);
        }
        self.answer();
    }

    /// Answers everybody whose work is written.
    fn answer(&mut self) {
        homes::answer_all(self.answers.drain(..).map(|(answer, done)| (answer, Ok(done))));
    }

    /// Tells everybody whose work is not written why.
    pub(super) fn refuse(&mut self, error: &StoreError) {
        homes::answer_all(self.answers.drain(..).map(|(answer, _)| (answer, Err(error.clone()))));
    }

    /// Writes what was applied, and publishes it.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        self.write().map_err(|error| self.fail(error))?;
        if !self.commits.is_empty() {
            self.snapshots.count(self.commits.len());
            self.publish();
        }
        Ok(())
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

    pub(super) fn sync(&mut self) -> Result<(), JournalError> {
        let began = Instant::now();
        self.journal.sync()?;
        self.shared.metrics.atlas.fsync_duration.observe(began.elapsed().as_secs_f64());
        self.unsynced_since = None;
        Ok(())
    }

    /// What is published is on the disk, as far as the mode promises it.
    pub(super) fn publish(&mut self) {
        let state = self.engine.state.clone();
        let published = self.shared.published.swap(Arc::new(state.clone()));
        let (watched, forgotten) = self.shared.watches.publish(state, mem::take(&mut self.commits));
        // If the other thread is busy with what it has, it is freed here.
        drop(self.garbage.try_send((published, watched, forgotten)));
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
                self.unsynced_since = None;
                if self.options.sync_mode == SyncMode::Every {
                    self.journal.forget_unsynced();
                }
                events::disk_broken(&self.shared.metrics, &error.to_string());
                Health::Broken(error.to_string())
            }
        };
        let told = health.check().err().unwrap_or(StoreError::Closed);
        self.shared.health.set(health);
        told
    }
}

/// Starts the thread that frees old versions. It ends with the writer.
fn reaper() -> SyncSender<Garbage> {
    let (garbage, waiting) = sync_channel::<Garbage>(GARBAGE_MAX);
    let started =
        thread::Builder::new().name("atlas-reaper".into()).spawn(move || waiting.into_iter().for_each(drop));
    if let Err(error) = started {
        tracing::warn!(%error, "old versions are freed by the writer");
    }
    garbage
}
