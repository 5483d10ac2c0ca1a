//! A job as it is stored, at `job:{id}`. Names of members are those of existing servers.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

use super::ids::{JobId, JobType, LeaseToken};

/// Where a job stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// It waits to be leased: now, or at its time.
    Pending,
    /// A worker has its lease.
    InProgress,
    /// It was done.
    Done,
    /// Its worker said that there is no use in trying again.
    Failed,
    /// All its attempts were in vain.
    Dlq,
    /// Somebody called it off.
    Cancelled,
}

impl Status {
    /// All of them, in the order of a job's life.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::InProgress, Self::Done, Self::Failed, Self::Dlq, Self::Cancelled];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::InProgress => "IN_PROGRESS",
            Self::Done => "DONE",
            Self::Failed => "FAILED",
            Self::Dlq => "DLQ",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether nothing happens to it any more by itself.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::InProgress)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The worker acknowledged it.
    Done,
    /// The worker said that it did not work out.
    Failed,
    /// The time of the lease was over.
    Expired,
    /// The worker gave it back untouched; it does not count as an attempt.
    Released,
    /// The job was called off meanwhile.
    Cancelled,
}

/// One attempt at a job.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// Which one, from 1.
    pub attempt: u32,
    /// Whose.
    pub worker_id: String,
    /// When it was leased, in milliseconds since the Unix epoch.
    pub started_at: u64,
    /// When it ended.
    pub ended_at: u64,
    /// How.
    pub outcome: Ending,
    /// Why, if it was in vain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How long to wait before the next attempt: a random time up to `initial_ms`, doubled with each attempt, at most `max_ms`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Backoff {
    /// The limit after the first attempt.
    pub initial_ms: u64,
    /// The highest limit.
    pub max_ms: u64,
}

/// The lease of a job.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) token: LeaseToken,
    pub(super) started_at: u64,
    /// The name of whoever leased it, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<String>,
}

/// A job. Times are in milliseconds since the Unix epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: JobType,
    /// What it is about; a long one lies under a key of its own.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub payload: Option<Box<RawValue>>,
    /// Where it stands.
    pub status: Status,
    /// Higher ones come first; from -100 to 100.
    #[serde(default)]
    pub priority: i8,
    /// Attempts that were begun.
    pub attempts: u32,
    /// Attempts that it has.
    pub max_attempts: u32,
    /// Seconds that a lease lasts.
    pub visibility_timeout: u64,
    /// When it was enqueued.
    pub created_at: u64,
    /// When it last changed.
    pub last_updated: u64,
    /// When it is to be leased at the earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<u64>,
    /// When the lease ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<u64>,
    /// The worker of the last lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<String>,
    /// Two with the same are one, for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedup_id: Option<String>,
    /// Whether its end makes its `dedup_id` free.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) dedup_release: bool,
    /// Why the last attempt was in vain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What its worker gave.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub result: Option<Box<RawValue>>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<u64>,
    /// The name of whoever enqueued it, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// The schedule that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// How long to wait between attempts.
    pub backoff: Backoff,
    /// Seconds that it is kept when it is done.
    pub retention: u64,
    /// The last attempts, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Attempt>,
    /// Changes of its status, counted: of two reports of it, the one with more is newer.
    pub sequence: u64,
    /// Its place among all: the revision of the commit that it came with.
    pub(super) order: u64,
    /// Its last lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lease: Option<Held>,
}

/// Whatever is there, null too: that is a value like any other.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(from).map(Some)
}

/// Attempts that are remembered.
const HISTORY_MAX: usize = 20;

/// Members that are nobody's business: a lease token is for its worker, and the place of a job in the queue for the queue.
const HIDDEN: [&str; 3] = ["lease", "order", "dedup_release"];

impl Job {
    /// What may be told of it.
    pub fn shown(&self) -> Json {
        let mut shown = serde_json::to_value(self).unwrap_or_else(|_| json!({}));
        if let Some(shown) = shown.as_object_mut() {
            HIDDEN.iter().for_each(|name| drop(shown.remove(*name)));
            shown.entry("history").or_insert_with(|| json!([]));
        }
        shown
    }

    /// Whether this is the token of its lease.
    pub(super) fn is_held_by(&self, token: LeaseToken, now_ms: u64) -> bool {
        let held = self.lease.as_ref().is_some_and(|lease| lease.token == token);
        held && self.status == Status::InProgress && self.lease_until.is_some_and(|until| until > now_ms)
    }

    /// Whether an attempt with this token has ended so, and nothing has happened since.
    pub(super) fn has_ended(&self, token: LeaseToken, outcome: Ending) -> bool {
        let held = self.lease.as_ref().is_some_and(|lease| lease.token == token);
        held && self.status != Status::InProgress
            && self.history.last().is_some_and(|attempt| attempt.outcome == outcome)
    }

    /// Writes down how the lease ended.
    pub(super) fn end_attempt(&mut self, outcome: Ending, error: Option<String>, now_ms: u64) {
        self.history.push(Attempt {
            attempt: self.attempts,
            worker_id: self.worker_id.clone().unwrap_or_default(),
            started_at: self.lease.as_ref().map_or(now_ms, |lease| lease.started_at),
            ended_at: now_ms,
            outcome,
            error,
        });
        let beyond = self.history.len().saturating_sub(HISTORY_MAX);
        self.history.drain(..beyond);
        self.lease_until = None;
    }
}
