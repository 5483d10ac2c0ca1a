//! Options of durable data.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{ByteSize, Span};

/// Durable data: the store ATLAS.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreOptions {
    /// The directory of everything that outlives the process. Made if it is missing.
    pub data_dir: PathBuf,
    /// When a write is on the disk: "every" before it is answered, "interval" at the latest after
    /// sync_interval, "none" when the system likes.
    pub sync_mode: SyncMode,
    /// How much of the last writes may be lost with the power in the mode "interval".
    pub sync_interval: Span,
    /// A snapshot is written after this time, if anything has changed; 0s switches it off.
    pub snapshot_interval_time: Span,
    /// A snapshot is written after this many commits; 0 switches it off.
    pub snapshot_interval_cmds: u64,
    /// A snapshot is written after this much log; 0B switches it off.
    pub snapshot_log_bytes: ByteSize,
    /// The least time between two snapshots that nobody asked for. Ten times as long as the last one took is
    /// always waited.
    pub snapshot_pause: Span,
    /// The log goes on in a new file after this size.
    pub segment_bytes: ByteSize,
    /// The longest key.
    pub key_bytes_max: ByteSize,
    /// The longest value.
    pub value_bytes_max: ByteSize,
    /// Keys and values together; writes beyond are refused. 0B is no limit.
    pub data_bytes_max: ByteSize,
    /// Commands that may wait for the writer; more wait at the door. Long values count once for each 16 KiB.
    pub queue_max: usize,
    /// Commits that are remembered for watches that come back.
    pub history_commits_max: usize,
    /// Bytes of the commits that are remembered.
    pub history_bytes_max: ByteSize,
    /// Commits that may wait for one slow watch, and at most history_bytes_max of them; then it is told that it
    /// lags.
    pub watch_queue_max: usize,
}

/// When a write is on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SyncMode {
    /// Before it is answered.
    #[serde(alias = "always")]
    Every,
    /// At the latest after the interval.
    #[serde(alias = "everysec")]
    Interval,
    /// When the operating system likes.
    #[serde(alias = "no")]
    None,
}

impl SyncMode {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Every => "every",
            Self::Interval => "interval",
            Self::None => "none",
        }
    }
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            data_dir: "data".into(),
            sync_mode: SyncMode::Every,
            sync_interval: Span::secs(1),
            snapshot_interval_time: Span::secs(300),
            snapshot_interval_cmds: 10_000,
            snapshot_log_bytes: ByteSize::mib(256),
            snapshot_pause: Span::secs(10),
            segment_bytes: ByteSize::mib(64),
            key_bytes_max: ByteSize::kib(4),
            value_bytes_max: ByteSize::mib(16),
            data_bytes_max: ByteSize(0),
            queue_max: 10_000,
            history_commits_max: 10_000,
            history_bytes_max: ByteSize::mib(16),
            watch_queue_max: 1_000,
        }
    }
}

impl StoreOptions {
    /// What is wrong with the values, each with its key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut check = |key, fine: bool, text: &str| {
            if !fine {
                problems.push((key, text.to_owned()));
            }
        };
        check("data_dir", !self.data_dir.as_os_str().is_empty(), "must name a directory");
        check("sync_interval", self.sync_interval.as_ms() >= 10, "must be at least 10ms");
        check("segment_bytes", self.segment_bytes >= ByteSize::kib(4), "must be at least 4KiB");
        check("key_bytes_max", self.key_bytes_max <= ByteSize::mib(1), "must be at most 1MiB");
        check("key_bytes_max", self.key_bytes_max.0 > 0, "must be at least 1B");
        check("value_bytes_max", self.value_bytes_max <= ByteSize::mib(512), "must be at most 512MiB");
        check("queue_max", self.queue_max > 0, "must be at least 1");
        check("watch_queue_max", self.watch_queue_max > 0, "must be at least 1");
        problems
    }
}
