//! Which files of the directory make up the store. One line of JSON with a checksum, replaced as a whole.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::disk::{self, Disk};
use super::log;

/// The manifest of a data directory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: String,
    version: u32,
    /// Changes whenever revisions may have been lost, so that nobody mistakes new ones for them.
    pub(super) epoch: u64,
    /// Whether a write was on the disk before it was answered.
    pub(super) synced: bool,
    /// Whether the store was closed in order.
    pub(super) clean: bool,
    /// Revisions of the snapshots, the newest first. The second is kept in case the first is damaged.
    pub(super) snapshots: Vec<u64>,
    /// The numbers of the first records of the log's segments, in order.
    pub(super) segments: Vec<u64>,
}

const FORMAT: &str = "helios-atlas";
const VERSION: u32 = 1;

/// The file's name.
pub(super) const NAME: &str = "manifest.json";

/// Why there is no manifest to go by.
#[derive(Debug)]
pub(super) enum ManifestError {
    /// The file cannot be read.
    Io(io::Error),
    /// The file is not what it should be.
    Wrong(String),
}

impl Manifest {
    /// For a new store.
    pub(super) fn new(epoch: u64) -> Self {
        let format = FORMAT.to_owned();
        let (snapshots, segments) = (Vec::new(), vec![1]);
        Self { format, version: VERSION, epoch, synced: true, clean: false, snapshots, segments }
    }

    /// Reads the manifest of a directory. `None` if there is none.
    pub(super) fn read(disk: &dyn Disk, directory: &Path) -> Result<Option<Self>, ManifestError> {
        let wrong = |text: &str| ManifestError::Wrong(text.to_owned());
        let bytes = match disk::read(disk, &directory.join(NAME)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ManifestError::Io(error)),
        };
        let json = log::unseal(&bytes).ok_or_else(|| wrong("its checksum is wrong"))?;
        let manifest: Self =
            serde_json::from_slice(&json).map_err(|error| ManifestError::Wrong(error.to_string()))?;
        match manifest {
            Self { ref format, .. } if format != FORMAT => Err(wrong("it is no manifest of a store")),
            Self { version, .. } if version != VERSION => {
                Err(ManifestError::Wrong(format!("it has version {version}, this program reads {VERSION}")))
            }
            Self { ref segments, .. } if segments.is_empty() || !segments.is_sorted() => {
                Err(wrong("its segments are not in order"))
            }
            manifest => Ok(Some(manifest)),
        }
    }

    /// Writes the manifest in place of the one before.
    ///
    /// # Errors
    /// If the disk is full or fails.
    pub(super) fn write(&self, disk: &dyn Disk, directory: &Path) -> io::Result<()> {
        disk::replace(disk, &directory.join(NAME), &self.line()?)
    }

    /// Writes the manifest beside the one that is in force. An error leaves that as it is.
    ///
    /// # Errors
    /// If the disk is full or fails.
    pub(super) fn prepare(&self, disk: &dyn Disk, directory: &Path) -> io::Result<()> {
        disk::prepare(disk, &directory.join(NAME), &self.line()?)
    }

    /// Puts the manifest that was prepared in force.
    ///
    /// # Errors
    /// If the disk fails. Then nobody knows which is in force.
    pub(super) fn put(disk: &dyn Disk, directory: &Path) -> io::Result<()> {
        disk::put(disk, &directory.join(NAME))
    }

    fn line(&self) -> io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self).map_err(io::Error::other)?;
        line.pop();
        log::seal(&mut line, 0);
        Ok(line)
    }

    /// The files that it names, snapshots first.
    pub(super) fn files(&self, directory: &Path) -> Vec<PathBuf> {
        let snapshots = self.snapshots.iter().map(|revision| super::snapshot::path(directory, *revision));
        snapshots.chain(self.segments.iter().map(|first| log::segment_path(directory, *first))).collect()
    }
}
