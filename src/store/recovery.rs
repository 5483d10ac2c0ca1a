//! From the files of a directory to the state that they describe.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::change::Committed;
use super::disk::Disk;
use super::error::OpenError;
use super::events;
use super::log::{self, Scan};
use super::manifest::{self, Manifest, ManifestError};
use super::options::{StoreOptions, SyncMode};
use super::snapshot;
use super::state::State;
use crate::base::Random;
use crate::telemetry::Metrics;

/// What was found in a directory.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) state: State,
    pub(super) manifest: Manifest,
    /// Bytes of each segment, up to its last whole record.
    pub(super) lengths: Vec<u64>,
    /// Bytes behind that: a write that was cut off.
    pub(super) torn_bytes: u64,
    /// The last commits, the oldest first.
    pub(super) recent: VecDeque<Committed>,
}

/// Reads a directory, or begins a store in it. Changes nothing that holds data.
///
/// # Errors
/// If anything but the very end of the log is damaged, or the disk fails.
pub(super) fn recover(
    disk: &dyn Disk,
    options: &StoreOptions,
    metrics: &Metrics,
) -> Result<Recovered, OpenError> {
    let directory = &options.data_dir;
    let mut manifest = match Manifest::read(disk, directory) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return begin(disk, directory),
        Err(ManifestError::Io(source)) => {
            return Err(OpenError::io(&directory.join(manifest::NAME), "read")(source));
        }
        Err(ManifestError::Wrong(reason)) => {
            return Err(incomplete(directory, directory.join(manifest::NAME), reason));
        }
    };
    let mut state = base(disk, directory, &mut manifest, metrics)?;
    let (mut recent, mut lengths, mut torn_bytes) = (Recent::new(options), Vec::new(), 0);
    for (index, first) in manifest.segments.iter().enumerate() {
        let path = log::segment_path(directory, *first);
        let next = manifest.segments.get(index + 1);
        let scan = replay(disk, directory, &path, &mut state, |commit| recent.remember(commit))?;
        // Who closed in order has left no write half done.
        let may_be_torn = next.is_none() && !manifest.clean;
        check(directory, &path, &scan, *first, (next.copied(), may_be_torn))?;
        lengths.push(scan.good_bytes);
        torn_bytes = scan.bytes - scan.good_bytes;
    }
    Ok(Recovered { state, manifest, lengths, torn_bytes, recent: recent.commits })
}

impl Recovered {
    /// Says that the store is open again. Where answers may have run ahead of the disk, revisions may have
    /// been lost: positions in the old history must not be mistaken for positions in the new one.
    pub(super) fn opened(&mut self, mode: SyncMode, random: &mut Random) {
        let lost = !self.manifest.clean && !self.manifest.synced;
        if lost || self.torn_bytes > 0 {
            self.manifest.epoch = random.next_u64();
        }
        (self.manifest.clean, self.manifest.synced) = (false, mode == SyncMode::Every);
    }
}

fn incomplete(directory: &Path, file: PathBuf, reason: impl Into<String>) -> OpenError {
    OpenError::Incomplete { dir: directory.to_owned(), file, reason: reason.into() }
}

/// An empty store, unless files lie there that a store has left.
fn begin(disk: &dyn Disk, directory: &Path) -> Result<Recovered, OpenError> {
    let files = disk.list(directory).map_err(OpenError::io(directory, "read"))?;
    let left = |path: &&PathBuf| {
        // A first segment without a manifest is what an interrupted first start leaves.
        log::segment_first(path).is_some_and(|first| first != 1) || snapshot::revision_of(path).is_some()
    };
    if let Some(file) = files.iter().find(left) {
        return Err(incomplete(directory, file.clone(), format!("{} is missing beside it", manifest::NAME)));
    }
    let first = log::segment_path(directory, 1);
    if files.contains(&first) {
        let file = disk.open(&first).map_err(OpenError::io(&first, "opened"))?;
        let scan = log::scan(file, |_| {}).map_err(OpenError::io(&first, "read"))?;
        let behind = scan.damage.map_or(0, |damage| damage.records_behind);
        if scan.records + behind > 0 {
            return Err(incomplete(directory, first, format!("{} is missing beside it", manifest::NAME)));
        }
    }
    let manifest = Manifest::new(Random::from_system().next_u64());
    let (state, recent) = (State::default(), VecDeque::new());
    Ok(Recovered { state, manifest, lengths: vec![0], torn_bytes: 0, recent })
}

/// The newest snapshot that can be read, or the empty state if the log goes back to the beginning. Snapshots
/// that cannot be read are counted on no more; their files stay.
fn base(
    disk: &dyn Disk,
    directory: &Path,
    manifest: &mut Manifest,
    metrics: &Metrics,
) -> Result<State, OpenError> {
    let mut reason = "there is no snapshot to begin with".to_owned();
    let mut path = directory.to_owned();
    while let Some(revision) = manifest.snapshots.first().copied() {
        path = snapshot::path(directory, revision);
        match load(disk, &path) {
            Ok(state) if state.revision == revision => return Ok(state),
            Ok(_) => "it is the snapshot of another revision".clone_into(&mut reason),
            Err(error) => reason = error.to_string(),
        }
        events::snapshot_unreadable(metrics, &path, &reason);
        manifest.snapshots.remove(0);
    }
    if manifest.segments.first() == Some(&1) {
        return Ok(State::default());
    }
    Err(incomplete(directory, path, reason))
}

fn load(disk: &dyn Disk, path: &Path) -> std::io::Result<State> {
    let mut state = State::default();
    let head = snapshot::read(std::io::BufReader::new(disk.open(path)?), |key, entry| {
        state.put(&key.into(), entry)
    })?;
    state.finish(head.revision, head.at);
    Ok(state)
}

/// Carries out the records of a segment that are not in the state yet.
fn replay(
    disk: &dyn Disk,
    directory: &Path,
    path: &Path,
    state: &mut State,
    mut each: impl FnMut(Committed),
) -> Result<Scan, OpenError> {
    let mut gap = None;
    let file = disk.open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => incomplete(directory, path.to_owned(), "the file is missing"),
        _ => OpenError::io(path, "opened")(source),
    })?;
    let scan = log::scan(file, |commit| {
        if commit.revision == state.revision + 1 {
            state.apply(&commit);
        } else if commit.revision > state.revision {
            gap = gap.or(Some(commit.revision));
        }
        each(commit);
    })
    .map_err(OpenError::io(path, "read"))?;
    match gap {
        None => Ok(scan),
        Some(found) => {
            let reason = format!("record {found} follows record {}", state.revision);
            Err(incomplete(directory, path.to_owned(), reason))
        }
    }
}

/// Whether a segment is whole. Only the last may be cut off at its end.
fn check(
    directory: &Path,
    path: &Path,
    scan: &Scan,
    first: u64,
    (next, may_be_torn): (Option<u64>, bool),
) -> Result<(), OpenError> {
    if let Some(damage) = &scan.damage
        && (!may_be_torn || damage.records_behind > 0 || damage.line == 1)
    {
        return Err(OpenError::Damaged {
            dir: directory.to_owned(),
            file: path.to_owned(),
            offset: damage.offset,
            line: damage.line,
            reason: damage.reason.clone(),
        });
    }
    let end = scan.last.map_or(first, |last| last + 1);
    match (scan.first == Some(first), next) {
        (false, _) => {
            Err(incomplete(directory, path.to_owned(), "its first line belongs to another segment"))
        }
        (true, Some(next)) if next != end => {
            Err(incomplete(directory, path.to_owned(), format!("it ends before record {end}, not {next}")))
        }
        _ => Ok(()),
    }
}

/// The last commits, as many as are remembered.
struct Recent {
    commits: VecDeque<Committed>,
    bytes: usize,
    commits_max: usize,
    bytes_max: usize,
}

impl Recent {
    fn new(options: &StoreOptions) -> Self {
        let (commits_max, bytes_max) = (options.history_commits_max, options.history_bytes_max.0);
        Self { commits: VecDeque::new(), bytes: 0, commits_max, bytes_max }
    }

    fn remember(&mut self, commit: Committed) {
        self.bytes += commit.bytes();
        self.commits.push_back(commit);
        while self.commits.len() > self.commits_max || self.bytes > self.bytes_max {
            let Some(gone) = self.commits.pop_front() else { break };
            self.bytes -= gone.bytes();
        }
    }
}
