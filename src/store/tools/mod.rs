//! Tools for the files of a store that is not open: look closer, repair, back up, restore.

mod backup;
mod check;
mod repair;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use super::disk::private::make_dir as make_data_dir;
pub use backup::{
    BackedUpFile, Backup, ListedBackup, create_backup, list_backups, restore_backup, verify_backup,
};
pub use check::{DamageReport, FileReport, Report, check};
pub use repair::{Repair, repair};

use super::error::OpenError;

/// Why a tool could not do its work.
#[derive(Debug, Error)]
pub enum ToolError {
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
    /// The files do not make a store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A directory is not as it must be for this.
    #[error("{}: {reason}", path.display())]
    Unfit {
        /// The directory or file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl ToolError {
    fn io(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, what, source }
    }

    fn unfit(path: &Path, reason: impl Into<String>) -> Self {
        Self::Unfit { path: path.to_owned(), reason: reason.into() }
    }
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
