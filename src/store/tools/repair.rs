//! Makes a damaged store start again with as much as can be trusted. What is cut is kept beside.
//!
//! A log counts up to its first damage: what follows may depend on what is missing. So a damaged segment is cut
//! there and those behind it are set aside, unless a snapshot that can be read makes up for it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::disk::{self, Disk, RealDisk};
use super::super::error::OpenError;
use super::super::log;
use super::super::manifest::{self, Manifest};
use super::super::options::StoreOptions;
use super::super::recovery;
use super::super::snapshot;
use super::check::file;
use super::{ToolError, name};
use crate::base::Random;
use crate::telemetry::Metrics;

/// What a repair does, or would do.
#[derive(Debug, Serialize)]
pub struct Repair {
    /// Whether it was done; otherwise it was only looked at.
    pub written: bool,
    /// What is done, in order. Empty if nothing has to be.
    pub actions: Vec<String>,
    /// The last commit afterwards, if it was done.
    pub revision: Option<u64>,
    /// Keys afterwards, if it was done.
    pub keys: Option<usize>,
}

/// One step.
#[derive(Debug)]
enum Step {
    /// Give a file another name, so that it does not count.
    SetAside(PathBuf),
    /// Cut a file, and keep what is cut.
    Cut(PathBuf, u64),
    /// Begin a segment.
    Begin(u64),
    /// Write the manifest.
    Manifest(Manifest),
}

/// Looks what has to be done, and does it if `write` says so.
///
/// # Errors
/// If the files cannot be read, another process has them, or nothing can be saved.
pub fn repair(directory: &Path, write: bool) -> Result<Repair, ToolError> {
    let listed = RealDisk.list(directory).map_err(ToolError::io(directory, "read"))?;
    let ours = |path: &PathBuf| log::segment_first(path).is_some() || snapshot::revision_of(path).is_some();
    if !listed.iter().any(ours) {
        return Err(ToolError::unfit(directory, "there is no store here"));
    }
    let _lock = write.then(|| lock(directory)).transpose()?;
    let steps = plan(directory)?;
    let actions = steps.iter().map(describe).collect();
    if !write || steps.is_empty() {
        return Ok(Repair { written: false, actions, revision: None, keys: None });
    }
    for step in &steps {
        carry_out(directory, step)?;
    }
    let found = recover(directory)?;
    let (revision, keys) = (Some(found.state.revision), Some(found.state.entries().len()));
    Ok(Repair { written: true, actions, revision, keys })
}

fn lock(directory: &Path) -> Result<Box<dyn Send + Sync + std::fmt::Debug>, ToolError> {
    let path = directory.join("LOCK");
    RealDisk.lock(&path).map_err(|source| match source.kind() {
        std::io::ErrorKind::WouldBlock => OpenError::Locked(directory.to_owned()).into(),
        _ => ToolError::io(&path, "locked")(source),
    })
}

fn recover(directory: &Path) -> Result<recovery::Recovered, OpenError> {
    let options = StoreOptions { data_dir: directory.to_owned(), ..StoreOptions::default() };
    recovery::recover(&RealDisk, &options, &Metrics::new())
}

fn plan(directory: &Path) -> Result<Vec<Step>, ToolError> {
    let known = Manifest::read(&RealDisk, directory).ok().flatten();
    // A start leaves out snapshots that it cannot read.
    let whole = |found: recovery::Recovered| {
        let snapshots = known.as_ref().map(|manifest| &manifest.snapshots);
        found.torn_bytes == 0 && snapshots == Some(&found.manifest.snapshots)
    };
    if recover(directory).is_ok_and(whole) {
        return Ok(Vec::new());
    }
    let listed = RealDisk.list(directory).map_err(ToolError::io(directory, "read"))?;
    let mut steps = Vec::new();
    let snapshots = readable_snapshots(&listed, &mut steps)?;
    let mut segments: Vec<u64> = listed.iter().filter_map(|path| log::segment_first(path)).collect();
    // What the manifest does not name was never counted on.
    segments.retain(|first| known.as_ref().is_none_or(|manifest| manifest.segments.contains(first)));
    segments.sort_unstable();
    let base = match (snapshots.first(), segments.first()) {
        (Some(revision), _) => *revision,
        (None, Some(1)) => 0,
        _ => {
            return Err(ToolError::unfit(
                directory,
                "there is neither a snapshot nor the beginning of the log",
            ));
        }
    };
    let (kept, older) = trusted(directory, &segments, base, &mut steps)?;
    let mut manifest = known.unwrap_or_else(|| Manifest::new(0));
    // What was cut may have been seen; positions in the old history do not count any more.
    (manifest.epoch, manifest.clean) = (Random::from_system().next_u64(), true);
    manifest.snapshots = snapshots;
    manifest.snapshots.truncate(if older { 2 } else { 1 });
    manifest.segments = kept;
    steps.push(Step::Manifest(manifest));
    Ok(steps)
}

/// The revisions of the snapshots that can be read, the newest first. Others are set aside.
fn readable_snapshots(listed: &[PathBuf], steps: &mut Vec<Step>) -> Result<Vec<u64>, ToolError> {
    let mut readable = Vec::new();
    for path in listed {
        let Some(revision) = snapshot::revision_of(path) else { continue };
        if file(path)?.damage.is_none() {
            readable.push(revision);
        } else {
            steps.push(Step::SetAside(path.clone()));
        }
    }
    readable.sort_unstable_by(|a, b| b.cmp(a));
    Ok(readable)
}

/// The segments that count, and whether those before the base are among them, so that an older snapshot is
/// of use.
fn trusted(
    directory: &Path,
    segments: &[u64],
    base: u64,
    steps: &mut Vec<Step>,
) -> Result<(Vec<u64>, bool), ToolError> {
    let path = |first: u64| log::segment_path(directory, first);
    let reports = segments.iter().map(|first| file(&path(*first))).collect::<Result<Vec<_>, _>>()?;
    let end = |at: usize| reports[at].last.unwrap_or(segments[at] - 1);
    let named = |at: usize| reports[at].first == Some(segments[at]);
    let needed = segments.iter().rposition(|first| *first <= base + 1).unwrap_or(0);
    // From the base on: up to the first damage, or to a gap.
    let (mut kept, mut last, mut trust) = (Vec::new(), base, true);
    let mut aside = Vec::new();
    for at in needed..segments.len() {
        let follows = if kept.is_empty() { segments[at] <= last + 1 } else { segments[at] == last + 1 };
        trust = trust && named(at) && follows && end(at) >= base;
        if !trust {
            aside.push(Step::SetAside(path(segments[at])));
            continue;
        }
        (last, trust) = (end(at), reports[at].damage.is_none());
        kept.push(segments[at]);
        if let Some(damage) = &reports[at].damage {
            steps.push(Step::Cut(path(segments[at]), damage.offset));
        }
    }
    // Before the base: only if all of them are whole and lead up to it.
    let whole = |at: usize| named(at) && reports[at].damage.is_none() && end(at) + 1 == segments[at + 1];
    let older = !kept.is_empty() && (0..needed).all(whole);
    if older {
        kept.splice(..0, segments[..needed].iter().copied());
    } else {
        steps.extend(segments[..needed].iter().map(|first| Step::SetAside(path(*first))));
    }
    steps.append(&mut aside);
    if kept.is_empty() {
        steps.push(Step::Begin(base + 1));
        kept.push(base + 1);
    }
    Ok((kept, older))
}

fn describe(step: &Step) -> String {
    match step {
        Step::SetAside(path) => format!("set {} aside", name(path)),
        Step::Cut(path, offset) => format!("cut {} at byte {offset} and keep the rest beside", name(path)),
        Step::Begin(first) => format!("begin a new log at record {first}"),
        Step::Manifest(manifest) => format!(
            "write {} with snapshots {:?} and segments {:?}",
            manifest::NAME,
            manifest.snapshots,
            manifest.segments
        ),
    }
}

fn carry_out(directory: &Path, step: &Step) -> Result<(), ToolError> {
    match step {
        Step::SetAside(path) => {
            let aside = unused(path);
            fs::rename(path, &aside).map_err(ToolError::io(path, "renamed"))
        }
        Step::Cut(path, offset) => {
            let bytes = fs::read(path).map_err(ToolError::io(path, "read"))?;
            let aside = unused(path);
            let cut = bytes.get(*offset as usize..).unwrap_or_default();
            disk::replace(&RealDisk, &aside, cut).map_err(ToolError::io(&aside, "written"))?;
            let mut file = RealDisk.append(path).map_err(ToolError::io(path, "opened"))?;
            file.truncate(*offset).and_then(|()| file.sync()).map_err(ToolError::io(path, "cut"))
        }
        Step::Begin(first) => {
            let path = log::segment_path(directory, *first);
            disk::replace(&RealDisk, &path, &log::header(*first)).map_err(ToolError::io(&path, "written"))
        }
        Step::Manifest(manifest) => {
            manifest.write(&RealDisk, directory).map_err(ToolError::io(directory, "written to"))
        }
    }
}

/// The first name of the kind `<file>.corrupt-<n>` that is free.
fn unused(path: &Path) -> PathBuf {
    let name = |number: u32| PathBuf::from(format!("{}.corrupt-{number}", path.display()));
    (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0))
}
