//! The log while it is written: the last segment, and what happens when the disk does not play along.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{self, AppendFile, Disk};
use super::error::OpenError;
use super::log;
use super::manifest::Manifest;
use super::recovery::Recovered;
use super::snapshot;

/// The files of an open store.
#[derive(Debug)]
pub(super) struct Journal {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    manifest: Manifest,
    file: Box<dyn AppendFile>,
    /// Bytes of each segment that hold whole records that count.
    lengths: Vec<u64>,
    /// Bytes of the last segment that are known to be on the disk.
    synced: u64,
    /// Whether a write or a flush has failed: nothing is tried again then.
    broken: bool,
    /// Bytes written since the last snapshot began.
    since_snapshot: u64,
}

/// Why a write did not get into the log.
#[derive(Debug)]
pub(super) enum JournalError {
    /// There is no space; the log is as it was before.
    Full(io::Error),
    /// Nobody knows what is on the disk.
    Broken(io::Error),
}

impl Journal {
    /// Makes the directory fit to be written to: cuts what was torn off, and says in the manifest that the
    /// store is open.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        recovered: &Recovered,
    ) -> Result<Self, OpenError> {
        let manifest = recovered.manifest.clone();
        let first = *manifest.segments.last().unwrap_or(&1);
        let path = log::segment_path(&directory, first);
        let io = |what| OpenError::io(&path, what);
        let mut file = disk.append(&path).map_err(io("opened for writing"))?;
        let mut lengths = recovered.lengths.clone();
        let length = lengths.last().copied().unwrap_or(0);
        let on_disk = file.length().map_err(io("measured"))?;
        if on_disk != length {
            file.truncate(length).map_err(io("cut"))?;
        }
        if length == 0 {
            let header = log::header(first);
            file.append(&header).map_err(io("written"))?;
            lengths = vec![header.len() as u64];
        }
        file.sync().map_err(io("flushed"))?;
        disk::sync_parent(&*disk, &path).map_err(io("flushed"))?;
        let since_snapshot = lengths.iter().sum();
        let (synced, broken) = (lengths.last().copied().unwrap_or(0), false);
        let journal = Self { disk, directory, manifest, file, lengths, synced, broken, since_snapshot };
        journal.write_manifest().map_err(OpenError::io(&journal.directory, "written to"))?;
        journal.remove_leftovers();
        Ok(journal)
    }

    /// Writes records at the end. They count once this returns.
    pub(super) fn append(&mut self, records: &[u8]) -> Result<(), JournalError> {
        self.check()?;
        let Err(error) = self.file.append(records) else {
            self.grow(records.len());
            return Ok(());
        };
        match (is_full(&error), self.file.truncate(self.segment_bytes())) {
            (true, Ok(())) => Err(JournalError::Full(error)),
            _ => Err(self.fail(error)),
        }
    }

    /// Returns once all records are on the disk.
    pub(super) fn sync(&mut self) -> Result<(), JournalError> {
        self.check()?;
        if self.synced < self.segment_bytes() {
            // Never tried again: after a failure the system may say yes without having written.
            self.file.sync().map_err(|error| self.fail(error))?;
            self.synced = self.segment_bytes();
        }
        Ok(())
    }

    /// After a failed flush: cuts what was not answered, as well as the disk still allows, so that the next
    /// start does not find it in memory and take it for written.
    pub(super) fn forget_unsynced(&mut self) {
        if let Err(error) = self.file.truncate(self.synced) {
            tracing::warn!(%error, "what was not flushed could not be cut");
        }
    }

    fn check(&self) -> Result<(), JournalError> {
        if self.broken { Err(JournalError::Broken(io::Error::other("it failed before"))) } else { Ok(()) }
    }

    fn fail(&mut self, error: io::Error) -> JournalError {
        self.broken = true;
        JournalError::Broken(error)
    }

    /// Bytes of the last segment.
    pub(super) fn segment_bytes(&self) -> u64 {
        self.lengths.last().copied().unwrap_or(0)
    }

    /// Bytes of all segments.
    pub(super) fn log_bytes(&self) -> u64 {
        self.lengths.iter().sum()
    }

    /// Bytes written since the last snapshot began.
    pub(super) fn bytes_since_snapshot(&self) -> u64 {
        self.since_snapshot
    }

    fn grow(&mut self, bytes: usize) {
        if let Some(length) = self.lengths.last_mut() {
            *length += bytes as u64;
        }
        self.since_snapshot += bytes as u64;
    }

    /// The history that revisions belong to.
    pub(super) fn epoch(&self) -> u64 {
        self.manifest.epoch
    }

    /// Goes on in a new segment whose first record is `first`. If there is no space, the old one is still in
    /// use.
    pub(super) fn rotate(&mut self, first: u64) -> Result<(), JournalError> {
        self.sync()?;
        if self.manifest.segments.last() == Some(&first) {
            return Ok(());
        }
        let mut manifest = self.manifest.clone();
        manifest.segments.push(first);
        let path = log::segment_path(&self.directory, first);
        let prepared = self.new_segment(&path, first).and_then(|made| {
            manifest.prepare(&*self.disk, &self.directory)?;
            Ok(made)
        });
        let (file, length) = match prepared {
            Ok(made) => made,
            Err(error) => {
                // A segment that nothing names would only confuse; if it stays, the next start takes it away.
                let _ = self.disk.remove(&path);
                return Err(JournalError::Full(error));
            }
        };
        Manifest::put(&*self.disk, &self.directory).map_err(|error| self.fail(error))?;
        (self.manifest, self.file, self.synced) = (manifest, file, length);
        self.lengths.push(length);
        Ok(())
    }

    fn new_segment(&self, path: &Path, first: u64) -> io::Result<(Box<dyn AppendFile>, u64)> {
        let mut file = self.disk.append(path)?;
        // What an earlier try has left.
        file.truncate(0)?;
        let header = log::header(first);
        file.append(&header)?;
        file.sync()?;
        disk::sync_parent(&*self.disk, path)?;
        Ok((file, header.len() as u64))
    }

    /// The newest snapshot that counts.
    pub(super) fn last_snapshot(&self) -> Option<u64> {
        self.manifest.snapshots.first().copied()
    }

    /// Says that a snapshot is about to be written.
    pub(super) fn snapshot_begins(&mut self) {
        self.since_snapshot = 0;
    }

    /// Counts on a snapshot that was proven, and takes away what it and the one before make superfluous.
    pub(super) fn snapshot_done(&mut self, revision: u64) -> io::Result<()> {
        let before = self.manifest.clone();
        // The same one again is no second one.
        self.manifest.snapshots.retain(|known| *known != revision);
        self.manifest.snapshots.insert(0, revision);
        self.manifest.snapshots.truncate(2);
        // With one snapshot alone the log must go back to the beginning, in case that one is damaged.
        let base = if self.manifest.snapshots.len() == 2 { self.manifest.snapshots[1] } else { 0 };
        // A segment is needed unless the next one begins at or before the first record behind the snapshot.
        let needed = self.manifest.segments.iter().rposition(|first| *first <= base + 1).unwrap_or(0);
        self.manifest.segments.drain(..needed);
        if let Err(error) = self.write_manifest() {
            self.manifest = before;
            return Err(error);
        }
        self.lengths.drain(..needed);
        self.remove_leftovers();
        Ok(())
    }

    /// After the disk was full: opens the segment anew, writes a record that means nothing to see whether there
    /// is space, and reads every record in it.
    pub(super) fn reopen(&mut self, probe: &[u8]) -> Result<(), JournalError> {
        self.check()?;
        let first = *self.manifest.segments.last().unwrap_or(&1);
        let path = log::segment_path(&self.directory, first);
        let length = self.segment_bytes();
        let mut file = self.disk.append(&path).map_err(|error| self.fail(error))?;
        if file.length().is_ok_and(|on_disk| on_disk != length) {
            file.truncate(length).map_err(|error| self.fail(error))?;
        }
        if let Err(error) = file.append(probe) {
            return match (is_full(&error), file.truncate(length)) {
                (true, Ok(())) => Err(JournalError::Full(error)),
                _ => Err(self.fail(error)),
            };
        }
        file.sync().map_err(|error| self.fail(error))?;
        let scanned = self.disk.open(&path).and_then(|file| log::scan(file, |_| {}));
        let scan = scanned.map_err(|error| self.fail(error))?;
        if scan.damage.is_some() || scan.good_bytes != length + probe.len() as u64 {
            let text = "the log is not as it was written";
            return Err(self.fail(io::Error::new(io::ErrorKind::InvalidData, text)));
        }
        self.file = file;
        self.grow(probe.len());
        self.synced = self.segment_bytes();
        Ok(())
    }

    /// Says in the manifest that everything is on the disk.
    pub(super) fn close(&mut self) -> Result<(), JournalError> {
        self.sync()?;
        self.manifest.clean = true;
        self.write_manifest().map_err(JournalError::Broken)
    }

    fn write_manifest(&self) -> io::Result<()> {
        self.manifest.write(&*self.disk, &self.directory)
    }

    /// Takes away files of ours that are half done, or older than what the manifest names. They are only in
    /// the way, so that a failure is no harm.
    fn remove_leftovers(&self) {
        let known = self.manifest.files(&self.directory);
        let oldest = self.manifest.segments.first().copied().unwrap_or(1);
        let newest = self.manifest.snapshots.first().copied().unwrap_or(0);
        for path in self.disk.list(&self.directory).unwrap_or_default() {
            let half_done = path.extension().is_some_and(|ending| ending == "tmp");
            let superfluous = log::segment_first(&path).is_some_and(|first| first < oldest)
                || snapshot::revision_of(&path).is_some_and(|revision| revision < newest);
            if (half_done || superfluous) && !known.contains(&path) {
                let _ = self.disk.remove(&path);
            }
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
