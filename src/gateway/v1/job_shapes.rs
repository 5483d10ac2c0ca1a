//! What the routes of jobs take and give, as their description says it.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

pub(super) use super::shapes::ErrorAnswer;

/// A job that is to be enqueued.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Enqueue {
    /// What it is about: any JSON.
    #[serde(default)]
    pub(super) payload: Json,
    /// The type: which handler it is for. Without it, `payload.task`; without that, "default".
    pub(super) r#type: Option<String>,
    /// Higher ones come first, from -100 to 100.
    pub(super) priority: Option<i64>,
    /// Seconds to wait first.
    pub(super) delay: Option<u64>,
    /// When to begin at the earliest, in milliseconds since the Unix epoch.
    pub(super) run_at: Option<u64>,
    /// Attempts that it has.
    pub(super) max_attempts: Option<u32>,
    /// Seconds that a lease lasts.
    pub(super) visibility_timeout: Option<u64>,
    /// Jobs with the same are one, for a while.
    pub(super) dedup_id: Option<String>,
    /// For how long, in seconds.
    pub(super) dedup_ttl: Option<u64>,
    /// Whether a second one is refused with 409, instead of giving the first with 200.
    pub(super) dedup_reject: Option<bool>,
    /// Whether the id is free as soon as the job is over.
    pub(super) dedup_release: Option<bool>,
    /// The longest wait after a first attempt in vain, in milliseconds.
    pub(super) backoff_ms: Option<u64>,
    /// The longest wait between attempts, in milliseconds.
    pub(super) backoff_max_ms: Option<u64>,
    /// Seconds that it is kept when it is done.
    pub(super) retention: Option<u64>,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeJob {
    job_id: String,
    status: String,
    /// Whether there was the same already.
    duplicate: bool,
}

/// A job. Times are in milliseconds since the Unix epoch; what is not so is not there.
#[derive(Serialize, ToSchema)]
pub(super) struct JobAnswer {
    id: String,
    r#type: String,
    /// PENDING, IN_PROGRESS, DONE, FAILED, DLQ or CANCELLED.
    status: String,
    #[schema(required = false)]
    payload: Json,
    priority: i64,
    attempts: u32,
    max_attempts: u32,
    /// Seconds that a lease lasts.
    visibility_timeout: u64,
    created_at: u64,
    last_updated: u64,
    run_at: Option<u64>,
    lease_until: Option<u64>,
    worker_id: Option<String>,
    dedup_id: Option<String>,
    error: Option<String>,
    #[schema(required = false)]
    result: Json,
    completed_at: Option<u64>,
    /// The last attempts, the oldest first.
    history: Vec<Json>,
    /// What its worker has said last: `{progress, message?, data?, attempt, at}`.
    #[schema(required = false)]
    progress: Json,
}

/// A page of jobs.
#[derive(Serialize, ToSchema)]
pub(super) struct Jobs {
    jobs: Vec<JobAnswer>,
    /// Where the next page begins; null if this is the last.
    cursor: Option<String>,
}

/// Who wants jobs.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Lease {
    /// What the worker calls itself.
    pub(super) worker_id: String,
    /// The types that it takes; none are all.
    pub(super) types: Option<Vec<String>>,
    /// The most jobs, at most 100.
    pub(super) max: Option<usize>,
    /// Seconds to wait for the first of them.
    pub(super) wait: Option<f64>,
}

/// Leases: jobs, each with its `lease_token`.
#[derive(Serialize, ToSchema)]
pub(super) struct Leases {
    jobs: Vec<Json>,
}

/// What proves a lease.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    pub(super) lease_token: String,
}

/// A job is done.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ack {
    pub(super) lease_token: String,
    /// What came of it: any JSON.
    pub(super) result: Option<Json>,
    /// What is written with it, as the operations of kv:commit.
    pub(super) effects: Option<Vec<Json>>,
}

/// An attempt was in vain.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nack {
    pub(super) lease_token: String,
    /// Why, for people.
    pub(super) reason: Option<String>,
    /// Whether there is no use in trying again.
    pub(super) permanent: Option<bool>,
    /// Seconds to wait before the next attempt.
    pub(super) delay: Option<u64>,
}

/// A lease is to last longer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Extend {
    pub(super) lease_token: String,
    /// Seconds from now; as long as it lasted if nothing is said.
    pub(super) seconds: Option<u64>,
}

/// How far a job is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Percent {
    pub(super) lease_token: String,
    /// Percent, from 0 to 100.
    pub(super) progress: f64,
    /// A word for people.
    pub(super) message: Option<String>,
    /// More for programs: any JSON.
    pub(super) data: Option<Json>,
}

/// What became of a job.
#[derive(Serialize, ToSchema)]
pub(super) struct SettledAnswer {
    status: String,
    /// When it is tried again.
    run_at: Option<u64>,
    /// Whether that was said before.
    repeated: bool,
}

/// Why a job is called off.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Cancel {
    /// For people.
    pub(super) reason: Option<String>,
}

/// Which jobs that are over are meant; nothing is the whole dead-letter queue.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// DLQ, FAILED, CANCELLED or, to be cleared away, DONE.
    status: Option<String>,
    /// Of this type alone.
    r#type: Option<String>,
    /// Over before this time, in milliseconds since the Unix epoch.
    before: Option<u64>,
    /// The most jobs.
    limit: Option<usize>,
}

/// A schedule.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Schedule {
    /// When: minute, hour, day of the month, month, day of the week.
    pub(super) cron: String,
    /// The time zone, such as Europe/Berlin; UTC if nothing is said.
    pub(super) timezone: Option<String>,
    /// The type of its jobs.
    pub(super) r#type: String,
    /// Their payload: any JSON.
    #[serde(default)]
    pub(super) payload: Json,
    /// Their priority, from -100 to 100.
    pub(super) priority: Option<i8>,
    /// Attempts that they have.
    pub(super) max_attempts: Option<u32>,
    /// What becomes of times that were missed: once, skip or all.
    pub(super) missed: Option<String>,
    /// Whether it does not fire for now.
    pub(super) paused: Option<bool>,
}

/// Schedules, by their names.
#[derive(Serialize, ToSchema)]
pub(super) struct Schedules {
    schedules: Vec<Json>,
}
