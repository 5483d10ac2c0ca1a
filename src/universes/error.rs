//! What can go wrong with universes.

use std::sync::Arc;

use super::path::PathError;
use super::strategy::Conflict;
use super::universe::UniverseId;
use crate::store::{ObjectsError, Refusal, StoreError};
use crate::universe::LoadError;

/// Why something was not done. Nothing has changed then.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UniverseError {
    /// There is no such universe.
    #[error("there is no universe {0}")]
    Unknown(UniverseId),
    /// There is no such snapshot, commit or tag.
    #[error("there is no snapshot, commit or tag \"{0}\"")]
    UnknownCommit(String),
    /// Something asked for is wrong.
    #[error("/{place}: {text}")]
    Invalid {
        /// Where, as a member of the request.
        place: &'static str,
        /// What.
        text: String,
    },
    /// A path is wrong.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Something is too long.
    #[error("{what} has at most {limit} bytes, not {bytes}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// How long it is, or would be.
        bytes: u64,
        /// How long it may be.
        limit: usize,
    },
    /// There are as many universes as there may be.
    #[error("there may be {limit} universes")]
    Full {
        /// How many there may be.
        limit: usize,
    },
    /// Too many were wanted at once.
    #[error("the maximum is {limit} universes per request")]
    TooMany {
        /// How many may be wanted.
        limit: usize,
    },
    /// Both sides have changed the same, and nobody has said which is to stay.
    #[error("both sides have changed {}", .0.first().map_or("the same", |first| first.path.as_str()))]
    Conflicts(Vec<Conflict>),
    /// Keys have other versions than the caller knows.
    #[error("the key {key} has version {version}")]
    Version {
        /// Which check, counted from 0.
        check: usize,
        /// Its key.
        key: String,
        /// The version that it has; 0 is no key.
        version: u64,
    },
    /// More waits than may.
    #[error("too many operations wait for their turn")]
    Busy,
    /// The server says where files may be written, and it was not there.
    #[error("{0}")]
    Materialize(String),
    /// The store does not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store refuses it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The history cannot be read or written.
    #[error(transparent)]
    Objects(Arc<ObjectsError>),
    /// The history is not as it was written.
    #[error("the history is damaged: {0}")]
    Damaged(String),
    /// The operation is a defect of ours. It has changed nothing.
    #[error("the operation failed")]
    Panicked,
    /// The server is about to stop.
    #[error("universes are closed")]
    Closed,
}

impl From<ObjectsError> for UniverseError {
    fn from(error: ObjectsError) -> Self {
        Self::Objects(Arc::new(error))
    }
}

impl From<LoadError<Self>> for UniverseError {
    fn from(error: LoadError<Self>) -> Self {
        match error {
            LoadError::Fetch(error) => error,
            LoadError::Record(id) => Self::Damaged(format!("{id} is no node of a tree")),
        }
    }
}

/// Why universes cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenUniversesError {
    /// The history cannot be opened.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// What the store has of them is not as it was written.
    #[error("the universes in the store cannot be read: {0}")]
    Damaged(String),
    /// The thread cannot be started.
    #[error("the thread of the universes cannot be started")]
    Thread(#[source] std::io::Error),
}
