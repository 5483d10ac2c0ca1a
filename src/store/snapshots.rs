//! When snapshots are written, and what becomes of them.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::disk::Disk;
use super::error::StoreError;
use super::events;
use super::health::Health;
use super::journal::JournalError;
use super::queue::Order;
use super::snapshot;
use super::state::View;
use super::writer::Writer;

/// Between two snapshots that nobody asked for lies this many times what the last one took: writing them may
/// not become the main work.
const PAUSE_FACTOR: u32 = 10;

/// What the writer knows about snapshots.
#[derive(Debug)]
pub(super) struct Snapshots {
    running: Option<JoinHandle<()>>,
    /// Who asked for the one that runs.
    answers: Vec<oneshot::Sender<Result<u64, StoreError>>>,
    /// Who asked since it runs; their writes may not be in it.
    asked: Vec<oneshot::Sender<Result<u64, StoreError>>>,
    /// The last one that is proven.
    last: Option<u64>,
    began: Instant,
    took: Duration,
    /// Commits since the last one began.
    commits: u64,
}

impl Snapshots {
    /// For a store whose newest snapshot is known.
    pub(super) fn after(last: Option<u64>) -> Self {
        Self {
            running: None,
            answers: Vec::new(),
            asked: Vec::new(),
            last,
            began: Instant::now(),
            took: Duration::ZERO,
            commits: 0,
        }
    }

    pub(super) fn ask(&mut self, answer: oneshot::Sender<Result<u64, StoreError>>) {
        self.asked.push(answer);
    }

    pub(super) fn count(&mut self, commits: usize) {
        self.commits += commits as u64;
    }

    /// Waits for the one that runs: half a snapshot is no use, and its thread must not outlive the lock.
    pub(super) fn wait(&mut self) {
        if let Some(running) = self.running.take() {
            // If it died, the next start takes its half file away.
            let _ = running.join();
        }
    }
}

impl Writer {
    /// Begins a snapshot if somebody asked or it is time, and none runs.
    pub(super) fn snapshot_if_due(&mut self, health: &Health) {
        if self.snapshots.running.is_some() {
            return;
        }
        let asked = !self.snapshots.asked.is_empty();
        if asked && self.snapshots.last == Some(self.engine.state.revision) {
            let revision = self.engine.state.revision;
            self.snapshots.asked.drain(..).for_each(|answer| drop(answer.send(Ok(revision))));
        } else if asked || (*health == Health::Writable && self.snapshot_is_due()) {
            self.begin_snapshot();
        }
    }

    fn snapshot_is_due(&self) -> bool {
        let (options, snapshots) = (&self.options, &self.snapshots);
        let since = snapshots.began.elapsed();
        if snapshots.commits == 0 || since < options.snapshot_pause.get().max(snapshots.took * PAUSE_FACTOR) {
            return false;
        }
        let time = options.snapshot_interval_time;
        let by_time = !time.is_zero() && since >= time.get();
        let cmds = options.snapshot_interval_cmds;
        let by_commands = cmds > 0 && snapshots.commits >= cmds;
        let bytes = options.snapshot_log_bytes.0 as u64;
        let by_size = bytes > 0 && self.journal.bytes_since_snapshot() >= bytes;
        by_time || by_commands || by_size
    }

    fn begin_snapshot(&mut self) {
        let answers = std::mem::take(&mut self.snapshots.asked);
        self.snapshots.began = Instant::now();
        if let Err(error) = self.shared.health.get().check() {
            return answers.into_iter().for_each(|answer| drop(answer.send(Err(error.clone()))));
        }
        let refuse = |answers: Vec<oneshot::Sender<_>>, reason: &str| {
            for answer in answers {
                let _ = answer.send(Err(StoreError::Snapshot(reason.to_owned())));
            }
        };
        // The log goes on in a new segment, so that those before can go once the snapshot is proven.
        match self.journal.rotate(self.engine.state.revision + 1) {
            Ok(()) => {}
            Err(JournalError::Full(error)) => {
                self.shared.not_saved();
                events::snapshot_failed(&self.shared.metrics, &error.to_string());
                return refuse(answers, &error.to_string());
            }
            Err(broken) => return refuse(answers, &self.fail(broken).to_string()),
        }
        self.journal.snapshot_begins();
        // At the time of its last commit: what was over then cannot be spoken of by any later record.
        let view = View::new(self.engine.state.clone(), self.engine.state.at);
        let disk = Arc::clone(&self.shared.disk);
        let (shared, directory) = (Arc::clone(&self.shared), self.options.data_dir.clone());
        let work = move || {
            let (began, revision) = (Instant::now(), view.revision());
            let written =
                panic::catch_unwind(AssertUnwindSafe(|| write_and_prove(&*disk, &directory, &view)));
            let written = match written {
                Ok(written) => written.map_err(|error| error.to_string()),
                Err(_) => Err("its thread panicked".to_owned()),
            };
            let took = began.elapsed();
            drop(view);
            // The store may have closed meanwhile; the next start finds a file that it does not know.
            let _ = shared.queue.push(Order::SnapshotDone { revision, written, took });
        };
        match thread::Builder::new().name("atlas-snapshot".into()).spawn(work) {
            Ok(running) => {
                self.snapshots.running = Some(running);
                self.snapshots.answers = answers;
                self.snapshots.commits = 0;
            }
            Err(error) => refuse(answers, &error.to_string()),
        }
    }

    /// Counts on a snapshot, or says why not.
    pub(super) fn snapshot_done(&mut self, revision: u64, written: Result<u64, String>, took: Duration) {
        self.snapshots.wait();
        self.snapshots.took = took;
        let counted = written.and_then(|bytes| {
            self.journal.snapshot_done(revision).map_err(|error| error.to_string())?;
            Ok(bytes)
        });
        match &counted {
            Ok(bytes) => {
                self.snapshots.last = Some(revision);
                self.shared.saved(revision);
                events::snapshot_written(&self.shared.metrics, revision, *bytes, took);
            }
            Err(reason) => {
                self.shared.not_saved();
                events::snapshot_failed(&self.shared.metrics, reason);
            }
        }
        for answer in self.snapshots.answers.drain(..) {
            let told = counted.as_ref().map(|_| revision).map_err(|why| StoreError::Snapshot(why.clone()));
            let _ = answer.send(told);
        }
        self.measure();
    }
}

/// A snapshot counts once it was read again from the disk, every byte of it.
fn write_and_prove(disk: &dyn Disk, directory: &Path, view: &View) -> std::io::Result<u64> {
    let bytes = snapshot::write(disk, directory, view)?;
    let file = std::io::BufReader::new(disk.open(&snapshot::path(directory, view.revision()))?);
    snapshot::read(file, |_, _| {})?;
    Ok(bytes)
}
