//! Universes: branchable state. A universe is a head over a content-addressed tree ([`crate::universe`]) in which
//! JSON values, files and keys of the application lie; forks share everything until they change it.
//!
//! Readers take the published version and never wait. One thread changes: it carries operations out on the next
//! version, writes what they did to the store in one commit, publishes and answers. New nodes and commits are in
//! the log of the store first, as what they are, and go to the object store by checkpoints; after any crash
//! everything that was answered is there with the same ids. Memory holds the states that are in use, as far as
//! they differ; history is read from the disk.
//!
//! In reading order: `path`, `draft`, `state`, `strategy`, `merge`, `compat`, `commit` are pure; `universe`, `table`, `engine`,
//! `operations`, `seal` are the next version; `journal`, `archive`, `checkpoint`, `gc` are what is written; `queue` and
//! `writer` are the thread; `reads`, `diff` and `materialize` are for looking.

mod archive;
mod checkpoint;
mod commit;
mod compat;
mod diff;
mod draft;
mod engine;
mod error;
mod events;
mod gc;
mod journal;
mod main_keys;
mod materialize;
pub mod measure;
mod merge;
mod operations;
mod options;
mod path;
mod queue;
mod reads;
mod seal;
mod shared;
mod state;
mod stats;
mod strategy;
mod table;
mod text;
mod universe;
mod writer;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use parking_lot::Mutex;
use serde_json::{Map, Value as Json};
use tokio::sync::oneshot;

pub use commit::{Commit, Note, alias};
pub use diff::{Diff, DiffEntry, DiffStats, Side};
pub use draft::Sizes;
pub use error::{OpenUniversesError, UniverseError};
pub use gc::{Retention, Swept};
pub use materialize::{Materialized, Selection};
pub use operations::{Committed, Creation, FileChange, Insight, MergeWish, Merged, Updated};
pub use options::UniverseOptions;
pub use path::PathError;
pub use reads::{FileEntry, Shape};
pub use stats::UniverseStats;
pub use strategy::{Conflict, MergeSide, Resolution, Strategy};
pub use universe::{Head, Universe, UniverseId};

use self::archive::Archive;
use self::checkpoint::Checkpointer;
use self::engine::Engine;
use self::events::Events;
use self::queue::{Order, Ran};
use self::shared::Shared;
use self::writer::Writer;
use crate::store::{Objects, Store};
use crate::universe::ContentId;

/// All universes of a server. Clones mean the same ones; when the last is dropped, they are closed.
#[derive(Clone, Debug)]
pub struct Universes(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How many times overlay_bytes may wait for the object store; then operations are refused.
const OVERLAY_TIMES_MAX: usize = 8;

impl Universes {
    /// Opens the universes of a store.
    ///
    /// # Errors
    /// If what the store or the object store has of them cannot be read.
    pub fn open(store: &Store, options: &UniverseOptions) -> Result<Self, OpenUniversesError> {
        let objects = Objects::open(&store.options().data_dir, options.cache_bytes.0)?;
        let archive = Arc::new(Archive::new(objects));
        let (table, number) = journal::recover(&store.view(), &archive)?;
        let events = Events::new(store.metrics());
        let shared = Arc::new(Shared::new(
            store.clone(),
            Arc::clone(&archive),
            options.clone(),
            table.clone(),
            events,
        ));
        let waits = archive.overlay.read().objects.is_empty();
        let writer = Writer {
            shared: Arc::clone(&shared),
            engine: Engine::new(table, archive, options.clone()),
            checkpointer: Checkpointer::start(&shared).map_err(OpenUniversesError::Thread)?,
            number,
            moved: journal::first(&store.view()).map_or(number, |first| first - 1),
            moving: false,
            waiting_since: (!waits).then(Instant::now),
            tended: Instant::now(),
        };
        shared.events.measure(&shared);
        let thread = writer::start(writer).map_err(OpenUniversesError::Thread)?;
        Ok(Self(Arc::new(Handle { shared, thread: Mutex::new(Some(thread)) })))
    }

    fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// The options that they were opened with.
    pub fn options(&self) -> &UniverseOptions {
        &self.0.shared.options
    }

    /// Makes universes, from a state or from another universe. Gives their ids in order.
    ///
    /// # Errors
    /// If there would be too many, the parent is unknown, or it cannot be written.
    pub async fn create(&self, wish: Creation) -> Result<Vec<UniverseId>, UniverseError> {
        let began = Instant::now();
        let made = self.run(move |engine| engine.create(wish)).await?;
        self.shared().events.created(made.len(), began.elapsed(), self.count());
        Ok(made)
    }

    /// Changes the JSON state: by a merge patch (RFC 7396), or as a whole.
    ///
    /// # Errors
    /// If the universe is unknown, the state would be too large, or it cannot be written.
    pub async fn update(
        &self,
        id: UniverseId,
        updates: Map<String, Json>,
        merge: bool,
    ) -> Result<Updated, UniverseError> {
        self.run(move |engine| engine.update(id, &updates, merge)).await
    }

    /// Writes files, and takes files away: all of them or none.
    ///
    /// # Errors
    /// If the universe is unknown, a path is wrong, something is too large, or it cannot be written.
    pub async fn write_files(
        &self,
        id: UniverseId,
        files: Vec<FileChange>,
    ) -> Result<Updated, UniverseError> {
        self.run(move |engine| engine.write_files(id, files)).await
    }

    /// Keeps the state of a universe as a commit.
    ///
    /// # Errors
    /// If the universe is unknown, or it cannot be written.
    pub async fn commit(&self, id: UniverseId, note: Note) -> Result<Committed, UniverseError> {
        self.run(move |engine| engine.commit_state(id, note)).await
    }

    /// Makes the state of a universe that of a snapshot, a commit, an alias or a tag. Gives the id of the state.
    ///
    /// # Errors
    /// If either is unknown, or it cannot be read or written.
    pub async fn restore(&self, id: UniverseId, to: String) -> Result<ContentId, UniverseError> {
        self.run(move |engine| engine.restore(id, &to)).await
    }

    /// Merges the states of universes into one, and commits the result.
    ///
    /// # Errors
    /// With [`UniverseError::Conflicts`] if both sides have changed the same and nobody says what stays; if a
    /// universe is unknown; if it cannot be read or written.
    pub async fn merge(&self, wish: MergeWish) -> Result<Merged, UniverseError> {
        self.run(move |engine| engine.merge(wish)).await
    }

    /// Gives a commit a name: one that is called by something, or the last of a universe. A name that is taken
    /// moves.
    ///
    /// # Errors
    /// If the name is none, the commit is unknown, or it cannot be written.
    pub async fn tag(
        &self,
        name: String,
        universe: Option<UniverseId>,
        at: Option<String>,
    ) -> Result<ContentId, UniverseError> {
        self.run(move |engine| engine.tag(&name, universe, at.as_deref())).await
    }

    /// Takes a name away. Says whether there was one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn untag(&self, name: String) -> Result<bool, UniverseError> {
        self.run(move |engine| Ok(engine.untag(&name))).await
    }

    /// Deletes a universe with all that were forked from it. Gives their ids.
    ///
    /// # Errors
    /// If it is unknown, or it cannot be written.
    pub async fn delete(&self, id: UniverseId) -> Result<Vec<UniverseId>, UniverseError> {
        let gone = self.run(move |engine| engine.delete(id)).await?;
        self.shared().events.deleted(gone.len());
        Ok(gone)
    }

    /// Takes away what nothing refers to any more: deleted universes, and history beyond what is to be kept.
    /// Operations wait meanwhile.
    ///
    /// # Errors
    /// If the history cannot be read or written.
    pub async fn sweep(&self, retention: Retention) -> Result<Swept, UniverseError> {
        let (answer, answered) = oneshot::channel();
        self.shared().queue.push(Order::Sweep { retention, answer }, usize::MAX)?;
        answered.await.unwrap_or(Err(UniverseError::Closed))
    }

    /// Carries out an operation on the thread that changes universes, and waits until it is written.
    async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Engine) -> Result<T, UniverseError> + Send + 'static,
    ) -> Result<T, UniverseError> {
        self.order(false, operation).await
    }

    async fn order<T: Send + 'static>(
        &self,
        alone: bool,
        operation: impl FnOnce(&mut Engine) -> Result<T, UniverseError> + Send + 'static,
    ) -> Result<T, UniverseError> {
        // While the object store takes nothing, no more may pile up before it than memory is meant for.
        let limit = OVERLAY_TIMES_MAX * self.options().overlay_bytes.0.max(1 << 20);
        if self.shared().archive.overlay.read().bytes > limit {
            return Err(UniverseError::Busy);
        }
        let (answer, answered) = oneshot::channel::<Result<T, UniverseError>>();
        let job = Box::new(move |engine: &mut Engine| {
            let result = operation(engine);
            let failed = result.is_err();
            let answer = Box::new(move |written: Result<(), UniverseError>| {
                // Who asked may have gone; what was asked is done.
                let _ = answer.send(written.and(result));
            });
            Ran { failed, answer }
        });
        self.shared().queue.push(Order::Work { job, alone }, self.options().queue_max)?;
        answered.await.unwrap_or_else(|_| {
            let closed = self.shared().ended.is_cancelled();
            // An operation that panicks takes its answer along; it has changed nothing.
            Err(if closed { UniverseError::Closed } else { UniverseError::Panicked })
        })
    }

    /// Ends when they are closed, or the thread that changes them has died.
    pub async fn ended(&self) {
        self.shared().ended.cancelled().await;
    }

    /// Carries out what waits, moves everything to the object store, and ends. Whoever asks later is told so.
    pub async fn close(&self) {
        let Some(thread) = self.0.thread.lock().take() else { return };
        // If it is closed already, it is about to end.
        let _ = self.shared().queue.push(Order::Close, usize::MAX);
        let (ended, end) = oneshot::channel();
        thread::spawn(move || {
            // How it ended, its guard has told.
            let _ = (thread.join(), ended.send(()));
        });
        let _ = end.await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.shared.queue.push(Order::Close, usize::MAX);
        if let Some(thread) = self.thread.lock().take()
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}
