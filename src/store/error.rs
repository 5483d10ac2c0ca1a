//! What can go wrong with the store as a whole.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why the store did not carry something out.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum StoreError {
    /// The disk is full. Reads go on; writes are tried again once there is space.
    #[error("the disk is full: writes are refused until there is space ({0})")]
    DiskFull(String),
    /// A write or a flush failed, so nobody knows what is on the disk. Reads go on; writes need a restart.
    #[error("the disk has failed: writes are refused until the server is started again ({0})")]
    Broken(String),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// A snapshot was asked for and could not be written.
    #[error("the snapshot could not be written: {0}")]
    Snapshot(String),
}

/// Why the store did not open.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The options are wrong.
    #[error("store.{key}: {text}")]
    Options {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        text: String,
    },
    /// Another process works with the directory.
    #[error("{} is in use by another process", .0.display())]
    Locked(PathBuf),
    /// Something cannot be read or written.
    #[error("{} cannot be {what}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A log file is damaged where more follows, so that cutting it would lose what was answered.
    #[error(
        "{} is damaged at byte {offset} (line {line}): {reason}; to look closer: helios aof check {dir}, \
         to cut it there and keep the cut part beside: helios aof repair {dir} --write",
        file.display(), dir = dir.display()
    )]
    Damaged {
        /// The directory of the store.
        dir: PathBuf,
        /// The file.
        file: PathBuf,
        /// Bytes before the damage.
        offset: u64,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong there.
        reason: String,
    },
    /// The files do not make a whole.
    #[error("{}: {reason}; to look closer: helios aof check {dir}, to mend it: helios aof repair {dir} --write",
        file.display(), dir = dir.display())]
    Incomplete {
        /// The directory of the store.
        dir: PathBuf,
        /// The file that is wrong or missing.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The writer could not be started.
    #[error("the thread of the store cannot be started")]
    Thread(#[source] io::Error),
}

impl OpenError {
    pub(super) fn io(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, what, source }
    }
}
