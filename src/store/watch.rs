//! Watches: who watches a prefix sees every change below it, once, in order, without a gap.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::Notify;

use super::change::{Change, Committed};
use super::position::Position;
use super::state::View;
use super::watches::Watches;

/// Changes that happened at once, below the prefix that is watched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changes {
    /// Where the history stands after them.
    pub position: Position,
    /// The revision of their commit.
    pub revision: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
    /// The changes, in order; only those below the prefix.
    pub changes: Vec<Change>,
}

/// Why a watch cannot go on.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum WatchError {
    /// The history does not go back so far, or it is another one. Begin anew, without a position.
    #[error("the position {0} is not remembered any more: watch anew without one")]
    TooOld(Position),
    /// The position lies ahead of the history.
    #[error("the position {0} has not happened")]
    Ahead(Position),
    /// Changes came faster than they were taken. Watch again from the position.
    #[error("changes came faster than they were taken; watch again from {0}")]
    Lagged(Position),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

/// A stream of the changes below a prefix. Dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    all: Arc<Watches>,
    shared: Arc<Waiting>,
    position: Position,
    snapshot: Option<View>,
}

/// What waits for one watch.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) prefix: Box<[u8]>,
    queue: Mutex<Queue>,
    arrived: Notify,
    /// Commits and bytes that may wait.
    limit: (usize, usize),
}

#[derive(Debug, Default)]
struct Queue {
    commits: VecDeque<Arc<Committed>>,
    bytes: usize,
    /// The last commit that was told: it may concern a watch by several keys.
    told: u64,
    lagged: bool,
    closed: bool,
}

impl Waiting {
    pub(super) fn new(prefix: &[u8], limit: (usize, usize)) -> Self {
        Self { prefix: prefix.into(), queue: Mutex::default(), arrived: Notify::new(), limit }
    }

    pub(super) fn push(&self, commit: &Arc<Committed>) {
        let mut queue = self.queue.lock();
        if queue.lagged || queue.told == commit.revision {
            return;
        }
        queue.told = commit.revision;
        let (commits_max, bytes_max) = self.limit;
        // One commit always fits, however long it is.
        if queue.commits.len() >= commits_max || queue.bytes > bytes_max {
            queue.lagged = true;
        } else {
            queue.bytes += commit.bytes();
            queue.commits.push_back(Arc::clone(commit));
        }
        drop(queue);
        self.arrived.notify_one();
    }

    pub(super) fn close(&self) {
        self.queue.lock().closed = true;
        self.arrived.notify_one();
    }

    fn concerns(&self, change: &Change) -> bool {
        change.concerns(&self.prefix)
    }
}

impl Watch {
    pub(super) fn new(
        all: Arc<Watches>,
        shared: Arc<Waiting>,
        position: Position,
        snapshot: Option<View>,
    ) -> Self {
        Self { all, shared, position, snapshot }
    }

    /// Where the history stood when the watch began, or after what was taken last.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The version that the changes come after, if the watch began without a position. Once.
    pub fn snapshot(&mut self) -> Option<View> {
        self.snapshot.take()
    }

    /// The next changes. Can be given up and called again without a loss.
    ///
    /// # Errors
    /// If changes came faster than they were taken, once those that waited were; or if the store is closed.
    pub async fn next(&mut self) -> Result<Changes, WatchError> {
        loop {
            if let Some(next) = self.try_next() {
                return next;
            }
            // Who arrived in between has left word.
            self.shared.arrived.notified().await;
        }
    }

    /// The next changes, if there are any.
    pub fn try_next(&mut self) -> Option<Result<Changes, WatchError>> {
        loop {
            let mut queue = self.shared.queue.lock();
            let Some(commit) = queue.commits.pop_front() else {
                return match (queue.lagged, queue.closed) {
                    (true, _) => Some(Err(WatchError::Lagged(self.position))),
                    (_, true) => Some(Err(WatchError::Closed)),
                    _ => None,
                };
            };
            queue.bytes -= commit.bytes();
            drop(queue);
            self.position.revision = commit.revision;
            let concerns = |change: &&Change| self.shared.concerns(change);
            let changes: Vec<Change> = commit.changes.iter().filter(concerns).cloned().collect();
            // Of what was missed, some may concern others.
            if !changes.is_empty() {
                let (revision, at) = (commit.revision, commit.at);
                return Some(Ok(Changes { position: self.position, revision, at, changes }));
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.all.forget(&self.shared);
    }
}
