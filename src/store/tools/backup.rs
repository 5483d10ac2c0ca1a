//! Backups: copies of a store, also of one at work, with a list of what they hold and checksums.
//!
//! Snapshots never change and segments only grow, so copying them needs no help of the server. A file that has
//! gone meanwhile means that a newer snapshot has come: begin again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::disk::{self, RealDisk, private};
use super::super::log;
use super::super::manifest::{self, Manifest, ManifestError};
use super::super::objects::{self, Objects};
use super::super::options::StoreOptions;
use super::super::recovery::{self, Recovered};
use super::super::snapshot;
use super::{ToolError, check, name};
use crate::base::{Clock, Random};
use crate::telemetry::Metrics;

/// What a backup holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    format: String,
    version: u32,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// The last commit in it.
    pub revision: u64,
    /// Keys in it.
    pub keys: usize,
    /// Its files.
    pub files: Vec<BackedUpFile>,
}

/// A file of a backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackedUpFile {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// BLAKE3 of its bytes.
    pub blake3: String,
}

const FORMAT: &str = "helios-backup";
const VERSION: u32 = 1;

/// The list of a backup.
const LIST: &str = "backup.json";

/// How often it begins again.
const TRIES: usize = 10;

/// Copies a store, which may be at work, into a directory that is empty or not there.
///
/// # Errors
/// If the store is damaged, the directory is not empty, or something cannot be read or written.
pub fn create_backup(from: &Path, to: &Path, clock: &Clock) -> Result<Backup, ToolError> {
    make_empty(to)?;
    let mut tried = 0;
    while let Err(error) = copy_store(from, to) {
        tried += 1;
        clear(to)?;
        let gone = matches!(&error, ToolError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound);
        if !gone || tried == TRIES {
            return Err(error);
        }
    }
    let found = recover(to)?;
    let mut files = Vec::new();
    for path in files_of(to)? {
        files.push(BackedUpFile { name: name(&path), bytes: length(&path)?, blake3: hash(&path)? });
    }
    let backup = Backup {
        format: FORMAT.to_owned(),
        version: VERSION,
        created_at: clock.now_ms(),
        revision: found.state.revision,
        keys: found.state.entries().len(),
        files,
    };
    let list = serde_json::to_vec_pretty(&backup).map_err(|error| ToolError::unfit(to, error.to_string()))?;
    let path = to.join(LIST);
    disk::replace(&RealDisk, &path, &list).map_err(ToolError::io(&path, "written"))?;
    Ok(backup)
}

/// A directory that looks like a backup.
#[derive(Debug, Serialize)]
pub struct ListedBackup {
    /// The directory.
    pub path: PathBuf,
    /// What it holds, if its list can be read.
    pub backup: Option<Backup>,
    /// Otherwise, why not.
    pub problem: Option<String>,
}

/// The backups in the directories below one, the oldest first.
///
/// # Errors
/// If it cannot be read.
pub fn list_backups(directory: &Path) -> Result<Vec<ListedBackup>, ToolError> {
    let entries = fs::read_dir(directory).map_err(ToolError::io(directory, "read"))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(ToolError::io(directory, "read"))?.path();
        if path.join(LIST).exists() {
            // One that cannot be read is no reason to hide the others.
            let (backup, problem) = match read_list(&path) {
                Ok(backup) => (Some(backup), None),
                Err(error) => (None, Some(error.to_string())),
            };
            found.push(ListedBackup { path, backup, problem });
        }
    }
    found.sort_by_key(|listed| listed.backup.as_ref().map(|backup| backup.created_at));
    Ok(found)
}

/// Reads every byte of a backup, and the store in it.
///
/// # Errors
/// With the first thing that is not as it was written.
pub fn verify_backup(directory: &Path) -> Result<Backup, ToolError> {
    let backup = read_list(directory)?;
    for file in &backup.files {
        let path = directory.join(&file.name);
        if length(&path)? != file.bytes {
            return Err(ToolError::unfit(&path, format!("it has not {} bytes any more", file.bytes)));
        }
        if hash(&path)? != file.blake3 {
            return Err(ToolError::unfit(&path, "its content is not what was backed up"));
        }
    }
    let found = recover(directory)?;
    if (found.state.revision, found.state.entries().len()) != (backup.revision, backup.keys) {
        return Err(ToolError::unfit(directory, "it holds other keys than its list says"));
    }
    Ok(backup)
}

/// Copies a backup into a directory that is empty or not there, and reads it all once more.
///
/// # Errors
/// If the backup is not as it was written, or something cannot be read or written.
pub fn restore_backup(from: &Path, to: &Path) -> Result<Backup, ToolError> {
    let backup = verify_backup(from)?;
    make_empty(to)?;
    for file in backup.files.iter().filter(|file| file.name != manifest::NAME) {
        copy(&from.join(&file.name), &to.join(&file.name), file.bytes)?;
    }
    // What comes now is another history: positions that were handed out after the backup do not count. Without
    // the manifest, which comes last, there is no store.
    let mut manifest = read_manifest(from)?;
    manifest.epoch = Random::from_system().next_u64();
    manifest.write(&RealDisk, to).map_err(ToolError::io(to, "written to"))?;
    recover(to)?;
    Ok(backup)
}

/// Copies the newest snapshot that can be read and the log behind it.
fn copy_store(from: &Path, to: &Path) -> Result<(), ToolError> {
    let mut manifest = read_manifest(from)?;
    while let Some(revision) = manifest.snapshots.first() {
        if manifest.snapshots.len() == 1 || check::file(&snapshot::path(from, *revision))?.damage.is_none() {
            break;
        }
        manifest.snapshots.remove(0);
    }
    manifest.snapshots.truncate(1);
    let base = manifest.snapshots.first().copied().unwrap_or(0);
    let needed = manifest.segments.iter().rposition(|first| *first <= base + 1).unwrap_or(0);
    manifest.segments.drain(..needed);
    if let Some(revision) = manifest.snapshots.first() {
        let path = snapshot::path(from, *revision);
        copy(&path, &snapshot::path(to, *revision), u64::MAX)?;
    }
    for first in &manifest.segments {
        let path = log::segment_path(from, *first);
        let whole = whole_bytes(&path)?;
        copy(&path, &log::segment_path(to, *first), whole)?;
    }
    copy_objects(from, to)?;
    manifest.clean = true;
    manifest.write(&RealDisk, to).map_err(ToolError::io(to, "written to"))
}

/// Copies the objects beside the log, if there are any. After the log, so that what it refers to is there. The server
/// may be writing: what was caught in the middle is copied again.
fn copy_objects(from: &Path, to: &Path) -> Result<(), ToolError> {
    let (source, target) = (from.join(objects::FILE), to.join(objects::FILE));
    if !source.exists() {
        return Ok(());
    }
    let mut tried = 0;
    loop {
        copy(&source, &target, u64::MAX)?;
        match Objects::check(&target) {
            Ok(()) => return Ok(()),
            Err(error) if tried == TRIES => return Err(ToolError::unfit(&source, error.to_string())),
            Err(_) => tried += 1,
        }
        fs::remove_file(&target).map_err(ToolError::io(&target, "removed"))?;
    }
}

/// Bytes of a segment up to its last whole record. The server may be in the middle of the next.
fn whole_bytes(path: &Path) -> Result<u64, ToolError> {
    let mut tried = 0;
    loop {
        let file = File::open(path).map_err(ToolError::io(path, "opened"))?;
        let scan = log::scan(file, |_| {}).map_err(ToolError::io(path, "read"))?;
        match scan.damage {
            // What was half written may be whole by now; what is damaged stays so.
            Some(damage) if damage.records_behind > 0 && tried == TRIES => {
                let text = format!("it is damaged at byte {}: {}", damage.offset, damage.reason);
                return Err(ToolError::unfit(path, text));
            }
            Some(damage) if damage.records_behind > 0 => tried += 1,
            _ => return Ok(scan.good_bytes),
        }
    }
}

fn read_manifest(directory: &Path) -> Result<Manifest, ToolError> {
    let path = directory.join(manifest::NAME);
    match Manifest::read(&RealDisk, directory) {
        Ok(Some(manifest)) => Ok(manifest),
        Ok(None) => Err(ToolError::unfit(directory, "there is no store here")),
        Err(ManifestError::Io(source)) => Err(ToolError::io(&path, "read")(source)),
        Err(ManifestError::Wrong(reason)) => Err(ToolError::unfit(&path, reason)),
    }
}

fn read_list(directory: &Path) -> Result<Backup, ToolError> {
    let path = directory.join(LIST);
    let bytes = fs::read(&path).map_err(ToolError::io(&path, "read"))?;
    let backup: Backup =
        serde_json::from_slice(&bytes).map_err(|error| ToolError::unfit(&path, error.to_string()))?;
    let inside = |file: &BackedUpFile| Path::new(&file.name).file_name().is_some_and(|it| *it == *file.name);
    match &backup {
        Backup { format, version: VERSION, files, .. } if format == FORMAT && files.iter().all(inside) => {
            Ok(backup)
        }
        _ => Err(ToolError::unfit(&path, format!("it is no list of a backup of version {VERSION}"))),
    }
}

fn recover(directory: &Path) -> Result<Recovered, ToolError> {
    let options = StoreOptions { data_dir: directory.to_owned(), ..StoreOptions::default() };
    Ok(recovery::recover(&RealDisk, &options, &Metrics::new())?)
}

/// Makes a directory, or takes one that is empty.
fn make_empty(directory: &Path) -> Result<(), ToolError> {
    private::make_dir(directory).map_err(ToolError::io(directory, "made"))?;
    let mut entries = fs::read_dir(directory).map_err(ToolError::io(directory, "read"))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(ToolError::unfit(directory, "the directory is not empty")),
    }
}

/// Takes away what a try has left.
fn clear(directory: &Path) -> Result<(), ToolError> {
    files_of(directory)?
        .iter()
        .try_for_each(|path| fs::remove_file(path).map_err(ToolError::io(path, "removed")))
}

fn files_of(directory: &Path) -> Result<Vec<PathBuf>, ToolError> {
    let entries = fs::read_dir(directory).and_then(|all| all.map(|one| one.map(|it| it.path())).collect());
    let mut paths: Vec<PathBuf> = entries.map_err(ToolError::io(directory, "read"))?;
    paths.sort();
    Ok(paths)
}

/// Copies the first bytes of a file and brings them to the disk.
fn copy(from: &Path, to: &Path, bytes: u64) -> Result<(), ToolError> {
    let source = File::open(from).map_err(ToolError::io(from, "opened"))?;
    let mut target =
        private::options().write(true).create_new(true).open(to).map_err(ToolError::io(to, "made"))?;
    let mut limited = io::Read::take(source, bytes);
    io::copy(&mut limited, &mut target).and_then(|_| target.sync_all()).map_err(ToolError::io(to, "written"))
}

fn length(path: &Path) -> Result<u64, ToolError> {
    fs::metadata(path).map(|about| about.len()).map_err(ToolError::io(path, "measured"))
}

fn hash(path: &Path) -> Result<String, ToolError> {
    let mut hasher = blake3::Hasher::new();
    let mut file = File::open(path).map_err(ToolError::io(path, "opened"))?;
    hasher.update_reader(&mut file).map_err(ToolError::io(path, "read"))?;
    Ok(hasher.finalize().to_hex().to_string())
}
