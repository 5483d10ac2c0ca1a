//! The seam to the disk: everything that the store asks of a file system, so that tests can lose power,
//! fill the disk and fail a flush at any moment.

pub(super) mod private;
mod real;

use std::fmt::Debug;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use real::RealDisk;

/// A file system.
pub trait Disk: Send + Sync + Debug + 'static {
    /// Makes a directory and those above it.
    ///
    /// # Errors
    /// As the system has it, here and below.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Takes the rights of other users away from a data directory and the files in it. Says whether there were any.
    ///
    /// # Errors
    /// If they cannot be changed.
    fn close_to_others(&self, _directory: &Path) -> io::Result<bool> {
        Ok(false)
    }
    /// The files of a directory, in no order.
    ///
    /// # Errors
    /// If it cannot be read.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// Opens a file to read it from its beginning.
    ///
    /// # Errors
    /// If there is none.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;
    /// Opens a file to write at its end; made if it is missing.
    ///
    /// # Errors
    /// If it cannot be made.
    fn append(&self, path: &Path) -> io::Result<Box<dyn AppendFile>>;
    /// Gives a file another name, in place of a file that has it.
    ///
    /// # Errors
    /// If there is none.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a file away.
    ///
    /// # Errors
    /// If there is none.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes sure that new names, other names and removals in a directory outlive a loss of power.
    ///
    /// # Errors
    /// If the disk fails.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes a directory for one process, until the lock is dropped.
    ///
    /// # Errors
    /// `WouldBlock` if another process has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync + Debug>>;
}

/// A file that is written at its end.
pub trait AppendFile: Send + Debug {
    /// Writes all bytes. After an error some of them may be there.
    ///
    /// # Errors
    /// If the disk is full or fails.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns once everything that was written is on the disk.
    ///
    /// # Errors
    /// If the disk fails. Nobody knows then what is on it.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to a length.
    ///
    /// # Errors
    /// If the disk fails.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// How long the file is.
    ///
    /// # Errors
    /// If the system cannot say.
    fn length(&self) -> io::Result<u64>;
}

/// Writes a whole file so that either the old or the new one is there, whatever happens.
///
/// # Errors
/// If the disk is full or fails. Only if it fails in [`put`] is it unknown which of the two is there.
pub(super) fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    prepare(disk, path, bytes)?;
    put(disk, path)
}

/// Writes what is to replace a file, beside it. An error leaves the file as it is.
///
/// # Errors
/// If the disk is full or fails.
pub(super) fn prepare(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = disk.append(&beside(path))?;
    // What an earlier try has left.
    file.truncate(0)?;
    file.append(bytes)?;
    file.sync()
}

/// Puts what was prepared in the place of a file.
///
/// # Errors
/// If the disk fails. Then nobody knows which of the two will be found.
pub(super) fn put(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.rename(&beside(path), path)?;
    sync_parent(disk, path)
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension("tmp")
}

/// Makes the name of a file outlive a loss of power.
///
/// # Errors
/// If the disk fails.
pub(super) fn sync_parent(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| disk.sync_dir(parent))
}

/// A whole file.
///
/// # Errors
/// If it cannot be read.
pub(super) fn read(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    disk.open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}
