//! `jobs:enqueue`, and jobs that are enqueued with a commit.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::to_raw_value;
use serde_json::{Value as Json, json};

use super::super::errors;
use super::{Desk, batch};
use crate::dispatch::{Context, MethodError};
use crate::queue::{Backoff, Dedup, Enqueued, JobType, NewJob};

/// Parameters of `jobs:enqueue`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::methods) struct EnqueueParams {
    /// The type: which handler it is for.
    r#type: JobType,
    /// What it is about: any JSON.
    #[serde(default)]
    payload: Json,
    /// Higher ones come first, from -100 to 100; 0 if nothing is said.
    #[serde(default)]
    priority: i64,
    /// Milliseconds to wait first.
    delay_ms: Option<u64>,
    /// When to begin at the earliest, in milliseconds since the Unix epoch.
    run_at: Option<u64>,
    /// Attempts that it has.
    max_attempts: Option<u32>,
    /// Seconds that a lease lasts, unless its worker extends it.
    visibility_timeout: Option<u64>,
    /// Jobs with the same are one, for a while.
    dedup_id: Option<String>,
    /// For how long, in milliseconds.
    dedup_lifetime_ms: Option<u64>,
    /// Whether a second one is refused, instead of giving the first.
    #[serde(default)]
    dedup_reject: bool,
    /// Whether the id is free as soon as the job is over.
    #[serde(default)]
    dedup_release: bool,
    /// The longest wait after a first attempt in vain, in milliseconds; it doubles with each one more.
    backoff_ms: Option<u64>,
    /// The longest wait between attempts, in milliseconds.
    backoff_max_ms: Option<u64>,
    /// Seconds that it is kept when it is done.
    retention: Option<u64>,
}

impl EnqueueParams {
    /// The job that is meant.
    pub(in crate::methods) fn job(self, ctx: &Context, desk: &Desk) -> Result<NewJob, MethodError> {
        let of_dedup = self.dedup_lifetime_ms.is_some() || self.dedup_reject || self.dedup_release;
        if self.dedup_id.is_none() && of_dedup {
            return Err(MethodError::invalid(["/dedupId: is missing, and something is said about it"]));
        }
        let dedup = self.dedup_id.map(|id| Dedup {
            id,
            lifetime_ms: self.dedup_lifetime_ms,
            reject: self.dedup_reject,
            release: self.dedup_release,
        });
        let options = desk.queue.options();
        let backoff = (self.backoff_ms.is_some() || self.backoff_max_ms.is_some()).then(|| {
            let initial_ms = self.backoff_ms.unwrap_or(options.backoff.as_ms());
            let max_ms = self.backoff_max_ms.unwrap_or(options.backoff_max.as_ms().max(initial_ms));
            Backoff { initial_ms, max_ms }
        });
        let payload = to_raw_value(&self.payload).map_err(|error| MethodError::invalid([error]))?;
        Ok(NewJob {
            priority: self.priority,
            max_attempts: self.max_attempts,
            visibility_timeout: self.visibility_timeout,
            delay_ms: self.delay_ms,
            run_at: self.run_at,
            dedup,
            backoff,
            retention: self.retention,
            created_by: ctx.principal().name().map(str::to_owned),
            ..NewJob::new(self.r#type, payload)
        })
    }
}

/// What became of it, as peers see it.
pub(in crate::methods) fn enqueued(enqueued: &Enqueued) -> Json {
    json!({ "id": enqueued.id, "duplicate": enqueued.duplicate, "status": enqueued.status })
}

pub(super) async fn enqueue(ctx: Context, desk: Desk, params: EnqueueParams) -> Result<Json, MethodError> {
    let job = params.job(&ctx, &desk)?;
    let made = desk.queue.enqueue(job).await.map_err(|error| errors::queue(&error))?;
    Ok(enqueued(&made))
}

/// Parameters of `jobs:enqueueEach`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EnqueueEach {
    /// The jobs, at most 1000, in their order.
    jobs: Vec<EnqueueParams>,
}

pub(super) async fn enqueue_each(ctx: Context, desk: Desk, params: EnqueueEach) -> Result<Json, MethodError> {
    batch::check("/jobs", params.jobs.len())?;
    let jobs = params.jobs.into_iter().map(|job| job.job(&ctx, &desk)).collect();
    let made = batch::each(jobs, |jobs| desk.queue.enqueue_each(jobs)).await;
    Ok(json!({ "jobs": batch::told(made, |made| enqueued(&made)) }))
}
