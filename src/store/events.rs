//! What happens to the store, told to the log and the metrics in one place.

use std::io;
use std::path::Path;
use std::time::Duration;

use tracing::{error, info, warn};

use super::outcome::{CommitOutcome, Done, Refusal};
use super::recovery::Recovered;
use crate::telemetry::Metrics;

/// The store is open.
pub(super) fn recovered(metrics: &Metrics, recovered: &Recovered, took: Duration) {
    let atlas = &metrics.atlas;
    atlas.recovery_seconds.set(took.as_secs_f64());
    if recovered.torn_bytes > 0 {
        atlas.recovery_truncated_bytes.inc_by(recovered.torn_bytes);
        warn!(bytes = recovered.torn_bytes, "the last write was cut off and is dropped; it was not answered");
    }
    let (keys, revision) = (recovered.state.entries().len(), recovered.state.revision);
    info!(keys, revision, took_ms = took.as_millis() as u64, "the store is open");
}

/// A snapshot cannot be read; the one before is tried.
pub(super) fn snapshot_unreadable(metrics: &Metrics, path: &Path, reason: &str) {
    metrics.atlas.snapshots_unreadable.inc();
    error!(file = %path.display(), reason, "a snapshot cannot be read");
}

/// A snapshot was written, read again and found right.
pub(super) fn snapshot_written(metrics: &Metrics, revision: u64, bytes: u64, took: Duration) {
    metrics.atlas.snapshot_duration.observe(took.as_secs_f64());
    info!(revision, bytes, took_ms = took.as_millis() as u64, "a snapshot was written");
}

/// A snapshot could not be written. The log keeps everything.
pub(super) fn snapshot_failed(metrics: &Metrics, reason: &str) {
    metrics.atlas.snapshot_failures.inc();
    error!(reason, "a snapshot could not be written");
}

/// The log could not go on in a new file; it goes on in the old one.
pub(super) fn rotation_failed(reason: &str) {
    warn!(reason, "the log goes on in its old file");
}

/// A command was maybe refused by a limit. Who asked is told; the operator sees it in numbers.
pub(super) fn refused(metrics: &Metrics, done: &Done) {
    let refusal = match done {
        Done::One(Err(refusal)) | Done::Commit(CommitOutcome::Refused { refusal, .. }) => refusal,
        _ => return,
    };
    let limit = match refusal {
        Refusal::KeyLength { .. } => "key",
        Refusal::ValueLength { .. } => "value",
        Refusal::Quota { .. } => "quota",
        Refusal::CommitLength { .. } | Refusal::CommitBytes { .. } => "commit",
        Refusal::NotANumber | Refusal::Overflow | Refusal::Declined => return,
    };
    metrics.atlas.refused.with_label_values(&[limit]).inc();
}

/// The disk is full.
pub(super) fn disk_full(metrics: &Metrics, reason: &str) {
    metrics.atlas.writable.set(0);
    metrics.atlas.write_failures.with_label_values(&["full"]).inc();
    error!(reason, "the disk is full; writes are refused until there is space");
}

/// The disk has failed.
pub(super) fn disk_broken(metrics: &Metrics, reason: &str) {
    metrics.atlas.writable.set(0);
    metrics.atlas.write_failures.with_label_values(&["broken"]).inc();
    error!(reason, "the disk has failed; writes are refused until the server is started again");
}

/// There is space again, and the log was read and found right.
pub(super) fn healed(metrics: &Metrics) {
    metrics.atlas.writable.set(1);
    info!("there is space again; writes are taken");
}

/// The thread that writes has died.
pub(super) fn writer_died(metrics: &Metrics) {
    metrics.atlas.writable.set(0);
    error!("the thread of the store has died; writes are refused until the server is started again");
}

/// The clock was put back, and time follows it.
pub(super) fn clock_went_back(by_ms: u64) {
    warn!(by_ms, "the clock of the machine went back: times count from the corrected clock now");
}

/// Others could read the directory until now, or still can.
pub(super) fn closed_to_others(directory: &Path, closed: io::Result<bool>) {
    let directory = directory.display();
    match closed {
        Ok(false) => {}
        Ok(true) => {
            warn!(%directory, "other users could read the data directory or files in it: now only its owner can");
        }
        Err(error) => warn!(
            %error, %directory,
            "other users may be able to read the data directory: its rights cannot be changed"
        ),
    }
}
