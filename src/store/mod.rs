//! ATLAS, the durable store. The only room that touches the data directory.
//!
//! A version of everything is a persistent tree ([`crate::universe`]): readers take the published one and never
//! wait. One thread writes: it turns commands into changes ([`Command`], [`Change`]), appends them to the log,
//! flushes once for all that waited, publishes the next version and answers. Watches are told the same changes.
//! Snapshots are versions written to a file; the log before them goes.
//!
//! In reading order: `value`, `change`, `command`, `state`, `engine` are pure; `disk` is the seam; `log`,
//! `snapshot`, `manifest`, `recovery`, `journal` are the files; `queue`, `writer`, `snapshots` are the thread;
//! `watch`, `watches`, `position` are continuity; `objects` is what is kept outside memory; `check` and `backup`
//! are the tools.

mod change;
mod command;
mod correction;
pub mod disk;
mod engine;
mod error;
mod events;
mod found;
mod health;
mod homes;
mod journal;
mod limits;
mod log;
mod manifest;
mod objects;
mod options;
mod outcome;
mod position;
mod queue;
mod record;
mod recovery;
mod rehearsal;
mod reserved;
mod seams;
mod shared;
mod snapshot;
mod snapshots;
mod state;
mod syncing;
mod tending;
pub mod tools;
mod undo;
mod value;
mod watch;
mod watches;
mod writer;

use std::fmt::Debug;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::oneshot;

pub use change::{Change, Changed, Committed};
pub use command::{Check, Command, Commit, Condition, Decision, Expiry, Reader, Work};
pub use error::{OpenError, StoreError};
pub use health::Health;
pub use homes::hand_out_answers;
pub use objects::{Amount, CacheStats, Objects, ObjectsError, ObjectsStats};
pub use options::{StoreOptions, SyncMode};
pub use outcome::{CommitOutcome, Done, Outcome, Refusal};
pub use position::Position;
pub use reserved::{Keyspace, RESERVED, is_reserved, reserved};
pub use seams::Seams;
pub use state::{Page, View};
pub use value::{Entry, Key, Value, ValueKind};
pub use watch::{Changes, Watch, WatchError};

use self::disk::Disk;
use self::engine::Engine;
use self::homes::Waiting;
use self::journal::Journal;
use self::limits::Limits;
use self::queue::{Order, Queue};
use self::shared::Shared;
use self::watches::Watches;
use self::writer::Writer;
use crate::base::{Clock, Random};
use crate::telemetry::Metrics;

/// An open store. Clones mean the same one; when the last is dropped, it is closed.
#[derive(Clone, Debug)]
pub struct Store(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    options: StoreOptions,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// Long keys and large commits need room; the memory is only taken if it is used.
const WRITER_STACK_BYTES: usize = 8 << 20;

impl Store {
    /// Opens the store of a directory: locks it, reads snapshot and log, and starts the writer.
    ///
    /// # Errors
    /// If another process has it, the files are damaged, or the disk fails.
    pub fn open(options: &StoreOptions, seams: Seams) -> Result<Self, OpenError> {
        let Seams { disk, clock, metrics } = seams;
        let (began, directory) = (Instant::now(), &options.data_dir);
        if let Some((key, text)) = options.problems().into_iter().next() {
            return Err(OpenError::Options { key, text });
        }
        disk.create_dir(directory).map_err(OpenError::io(directory, "made"))?;
        // Where the parent cannot be flushed, the directory was there before.
        let _ = disk::sync_parent(&*disk, directory);
        let lock = lock(&*disk, options)?;
        events::closed_to_others(directory, disk.close_to_others(directory));
        let mut recovered = recovery::recover(&*disk, options, &metrics)?;
        recovered.opened(options.sync_mode, &mut Random::from_system());
        let journal = Journal::open(Arc::clone(&disk), directory.clone(), &recovered)?;
        events::recovered(&metrics, &recovered, began.elapsed());
        metrics.atlas.writable.set(1);
        let state = recovered.state;
        let watches = Watches::new(journal.epoch(), state.clone(), recovered.recent, options);
        let queue = Queue::new(options.queue_max);
        let shared = Arc::new(Shared::new(queue, state.clone(), watches, (disk, clock, metrics)));
        let engine = Engine::new(state, Limits::of(options));
        let writer = Writer::new(Arc::clone(&shared), engine, journal, options.clone());
        writer.measure();
        let thread = start(writer, lock)?;
        Ok(Self(Arc::new(Handle { shared, options: options.clone(), writer: Mutex::new(Some(thread)) })))
    }

    /// The last version, as it is now. Costs nothing and never changes.
    pub fn view(&self) -> View {
        self.0.shared.view()
    }

    /// Carries out one command in a commit of its own. Returns once it is as durable as the mode promises.
    ///
    /// # Errors
    /// If the disk fails or the store is closed.
    pub async fn run(&self, command: Command) -> Result<Result<Outcome, Refusal>, StoreError> {
        match self.run_all(vec![Work::One(command)]).await?.pop() {
            Some(Done::One(outcome)) => Ok(outcome),
            Some(Done::Failed(error)) => Err(error),
            _ => Err(StoreError::Closed),
        }
    }

    /// Carries out several commands at once, or none of them.
    ///
    /// # Errors
    /// If the disk fails or the store is closed.
    pub async fn commit(&self, commit: Commit) -> Result<CommitOutcome, StoreError> {
        match self.run_all(vec![Work::Commit(commit)]).await?.pop() {
            Some(Done::Commit(outcome)) => Ok(outcome),
            Some(Done::Failed(error)) => Err(error),
            _ => Err(StoreError::Closed),
        }
    }

    /// Carries out work, one after the other, with one flush for all. Waits while too much waits already.
    ///
    /// # Errors
    /// If the disk fails or the store is closed.
    pub async fn run_all(&self, work: Vec<Work>) -> Result<Vec<Done>, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.0.shared.queue.push_work(work, Waiting::here(answer)).await?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    /// As [`Store::run_all`], for a thread that may wait.
    ///
    /// # Errors
    /// If the disk fails or the store is closed.
    pub fn run_all_blocking(&self, work: Vec<Work>) -> Result<Vec<Done>, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.0.shared.queue.push(Order::Work { work, permits: 0, answer: Waiting::blocked(answer) })?;
        answered.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }

    /// Watches the keys that begin with `prefix`. Without a position it begins with a snapshot of now; with
    /// one, with what was missed since.
    ///
    /// # Errors
    /// If the position is not remembered any more, or the store is closed.
    pub fn watch(&self, prefix: &[u8], from: Option<Position>) -> Result<Watch, WatchError> {
        let shared = &self.0.shared;
        shared.watches.watch(prefix, from, shared.clock.now_ms())
    }

    /// Writes a snapshot of everything that was answered before, and gives its revision.
    ///
    /// # Errors
    /// If it cannot be written, or the store is closed.
    pub async fn snapshot(&self) -> Result<u64, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.0.shared.queue.push(Order::Snapshot { answer })?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Whether the last snapshot that was tried could not be written.
    pub fn last_snapshot_failed(&self) -> bool {
        self.0.shared.save_failed()
    }

    /// When the last snapshot was written since the start, in milliseconds since the Unix epoch, and its
    /// revision; before the first one, the time of the start and 0.
    pub fn last_snapshot(&self) -> (u64, u64) {
        (self.0.shared.saved_at(), self.0.shared.saved_revision())
    }

    /// Ends when the store is closed, or its writer has died.
    pub async fn ended(&self) {
        self.0.shared.ended.cancelled().await;
    }

    /// Whether writes are taken, and if not, why.
    pub fn health(&self) -> Health {
        self.0.shared.health.get()
    }

    /// The options that it was opened with.
    pub fn options(&self) -> &StoreOptions {
        &self.0.options
    }

    /// The time that keys end by, in milliseconds since the Unix epoch. It never goes back, whatever the clock
    /// does; times to live are counted from it.
    pub fn now_ms(&self) -> u64 {
        self.0.shared.now_ms()
    }

    /// The clock behind it.
    pub fn clock(&self) -> &Clock {
        &self.0.shared.clock
    }

    /// The metric table that it counts in.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.shared.metrics
    }

    /// Carries out what waits, flushes, and closes. Whoever asks later is told that it is closed.
    ///
    /// # Errors
    /// If something could not be brought to the disk.
    pub async fn close(&self) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.0.shared.queue.push(Order::Close { answer })?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let (answer, _) = oneshot::channel();
        // If it is closed already, its thread is about to end.
        let _ = self.shared.queue.push(Order::Close { answer });
        if let Some(writer) = self.writer.lock().take()
            && writer.thread().id() != thread::current().id()
        {
            // How a thread ended is told by its guard.
            let _ = writer.join();
        }
    }
}

fn lock(disk: &dyn Disk, options: &StoreOptions) -> Result<Box<dyn Send + Sync + Debug>, OpenError> {
    let path = options.data_dir.join("LOCK");
    disk.lock(&path).map_err(|source| match source.kind() {
        std::io::ErrorKind::WouldBlock => OpenError::Locked(options.data_dir.clone()),
        _ => OpenError::io(&path, "locked")(source),
    })
}

/// Runs the writer on a thread of its own. However it ends, nobody waits for it in vain.
fn start(writer: Writer, lock: Box<dyn Send + Sync + Debug>) -> Result<JoinHandle<()>, OpenError> {
    struct Guard(Arc<Shared>);
    impl Drop for Guard {
        fn drop(&mut self) {
            if thread::panicking() {
                self.0.health.set(Health::Broken("the writer has died".into()));
                events::writer_died(&self.0.metrics);
            }
            self.0.queue.close();
            self.0.watches.close();
            self.0.ended.cancel();
        }
    }
    let guard = Guard(Arc::clone(&writer.shared));
    let work = move || {
        // Dropped last, when no file is open any more.
        let _lock = lock;
        let _guard = guard;
        writer.run();
    };
    let builder = thread::Builder::new().name("atlas-writer".into()).stack_size(WRITER_STACK_BYTES);
    builder.spawn(work).map_err(OpenError::Thread)
}
