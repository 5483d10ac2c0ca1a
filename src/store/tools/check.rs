//! Reads every byte of a store and says what is right and what is not. Changes nothing.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde::Serialize;

use super::super::disk::{Disk, RealDisk};
use super::super::log;
use super::super::manifest::{Manifest, ManifestError};
use super::super::options::StoreOptions;
use super::super::recovery;
use super::super::snapshot;
use super::{ToolError, name};
use crate::telemetry::Metrics;

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether a server would start with these files.
    pub starts: bool,
    /// Why it would not, or what it would tell.
    pub message: String,
    /// The last commit, if it would start.
    pub revision: Option<u64>,
    /// Keys, those whose time is over too.
    pub keys: Option<usize>,
    /// Bytes of a last write that were cut off; a start drops them.
    pub torn_bytes: u64,
    /// Each file.
    pub files: Vec<FileReport>,
}

/// What was found in a file.
#[derive(Debug, Serialize)]
pub struct FileReport {
    /// Its name.
    pub file: String,
    /// Bytes in all.
    pub bytes: u64,
    /// Whole records, or entries of a snapshot.
    pub records: u64,
    /// The number of the first record that belongs here, or the revision of the snapshot.
    pub first: Option<u64>,
    /// The number of the last whole record.
    pub last: Option<u64>,
    /// What is wrong, if anything is.
    pub damage: Option<DamageReport>,
}

/// Damage in a file.
#[derive(Clone, Debug, Serialize)]
pub struct DamageReport {
    /// Bytes before it.
    pub offset: u64,
    /// The line, counted from 1; 0 in a snapshot.
    pub line: u64,
    /// The beginning of the line.
    pub excerpt: String,
    /// What is wrong.
    pub reason: String,
    /// Whole records behind it. None: a last write was cut off.
    pub records_behind: u64,
}

/// Checks a directory, or a single file of one.
///
/// # Errors
/// If it cannot be read. Damage is no error.
pub fn check(path: &Path) -> Result<Report, ToolError> {
    if path.is_dir() { check_directory(path) } else { check_file(path) }
}

fn check_file(path: &Path) -> Result<Report, ToolError> {
    let file = file(path)?;
    let starts = file.damage.is_none();
    let message = if starts { "the file is whole" } else { "the file is damaged" }.to_owned();
    Ok(Report { starts, message, revision: file.last, keys: None, torn_bytes: 0, files: vec![file] })
}

fn check_directory(path: &Path) -> Result<Report, ToolError> {
    let mut listed = RealDisk.list(path).map_err(ToolError::io(path, "read"))?;
    listed.sort();
    let ours = |path: &&std::path::PathBuf| {
        log::segment_first(path).is_some() || snapshot::revision_of(path).is_some()
    };
    let files = listed.iter().filter(ours).map(|path| file(path)).collect::<Result<Vec<_>, _>>()?;
    let mut report =
        Report { starts: false, message: String::new(), revision: None, keys: None, torn_bytes: 0, files };
    match Manifest::read(&RealDisk, path) {
        Ok(None) if report.files.is_empty() => "there is no store here".clone_into(&mut report.message),
        Err(ManifestError::Io(source)) => return Err(ToolError::io(path, "read")(source)),
        _ => {
            let options = StoreOptions { data_dir: path.to_owned(), ..StoreOptions::default() };
            match recovery::recover(&RealDisk, &options, &Metrics::new()) {
                Ok(found) => {
                    report.starts = true;
                    report.message = match found.torn_bytes {
                        0 => "a server starts with it".to_owned(),
                        bytes => format!(
                            "a server starts with it and drops {bytes} bytes of a write that was cut off"
                        ),
                    };
                    (report.revision, report.keys) =
                        (Some(found.state.revision), Some(found.state.entries().len()));
                    report.torn_bytes = found.torn_bytes;
                }
                Err(error) => report.message = error.to_string(),
            }
        }
    }
    Ok(report)
}

/// Reads a segment or a snapshot.
pub(super) fn file(path: &Path) -> Result<FileReport, ToolError> {
    let file = File::open(path).map_err(ToolError::io(path, "opened"))?;
    let bytes = file.metadata().map_err(ToolError::io(path, "measured"))?.len();
    if let Some(revision) = snapshot::revision_of(path) {
        let read = snapshot::read(BufReader::new(file), |_, _| {});
        let (records, reason) = match read {
            Ok(head) if head.revision == revision => (head.entries, None),
            Ok(head) => (0, Some(format!("it is the snapshot of revision {}", head.revision))),
            Err(error) => (0, Some(error.to_string())),
        };
        let damage = reason.map(|reason| DamageReport {
            offset: 0,
            line: 0,
            excerpt: String::new(),
            reason,
            records_behind: 0,
        });
        let (first, last) = (Some(revision), Some(revision));
        return Ok(FileReport { file: name(path), bytes, records, first, last, damage });
    }
    let scan = log::scan(file, |_| {}).map_err(ToolError::io(path, "read"))?;
    let damage = scan.damage.map(|damage| DamageReport {
        offset: damage.offset,
        line: damage.line,
        excerpt: damage.excerpt,
        reason: damage.reason,
        records_behind: damage.records_behind,
    });
    Ok(FileReport {
        file: name(path),
        bytes: scan.bytes,
        records: scan.records,
        first: scan.first,
        last: scan.last,
        damage,
    })
}
