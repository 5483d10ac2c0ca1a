//! Looking after jobs.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::errors;
use super::{Desk, OneJob};
use crate::dispatch::{Context, MethodError};
use crate::queue::{JobId, JobType, Over, Status};

/// Parameters of `jobs:cancel`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Cancel {
    /// The id of the job.
    id: JobId,
    /// Why, for people.
    reason: Option<String>,
}

pub(super) async fn cancel(_: Context, desk: Desk, params: Cancel) -> Result<Json, MethodError> {
    let status = desk.queue.cancel(params.id, params.reason).await.map_err(|error| errors::queue(&error))?;
    Ok(json!({ "status": status }))
}

pub(super) async fn retry(_: Context, desk: Desk, params: OneJob) -> Result<Json, MethodError> {
    let status = desk.queue.retry(params.id).await.map_err(|error| errors::queue(&error))?;
    Ok(json!({ "status": status }))
}

/// Parameters of `jobs:replay` and `jobs:purge`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Where they stand: DLQ if nothing is said.
    status: Option<Status>,
    /// Of this type alone.
    r#type: Option<JobType>,
    /// Over before this time, in milliseconds since the Unix epoch.
    before: Option<u64>,
    /// The most jobs; all if nothing is said.
    limit: Option<usize>,
}

impl Which {
    /// The jobs that are meant. `replayed` says that those that are done are not.
    fn over(self, replayed: bool) -> Result<(Over, usize), MethodError> {
        let status = self.status.unwrap_or(Status::Dlq);
        if !status.is_over() || (replayed && status == Status::Done) {
            let text = if replayed { "DLQ, FAILED or CANCELLED" } else { "DLQ, FAILED, CANCELLED or DONE" };
            return Err(MethodError::invalid([format!("/status: must be {text}")]));
        }
        let over = Over { status, kind: self.r#type, before: self.before };
        Ok((over, self.limit.unwrap_or(usize::MAX)))
    }
}

pub(super) async fn replay(_: Context, desk: Desk, params: Which) -> Result<Json, MethodError> {
    let (over, limit) = params.over(true)?;
    let count = desk.queue.replay(over, limit).await.map_err(|error| errors::queue(&error))?;
    Ok(json!({ "replayed": count }))
}

pub(super) async fn purge(_: Context, desk: Desk, params: Which) -> Result<Json, MethodError> {
    let (over, limit) = params.over(false)?;
    let count = desk.queue.purge(over, limit).await.map_err(|error| errors::queue(&error))?;
    Ok(json!({ "purged": count }))
}
