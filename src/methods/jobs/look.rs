//! Looking at jobs.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::errors;
use super::{Desk, NoParams, OneJob, shape};
use crate::dispatch::{Context, MethodError};
use crate::queue::{Filter, JobType, Status};

/// Jobs of a page if nobody says how many, and at most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 500;

pub(super) async fn get(_: Context, desk: Desk, params: OneJob) -> Result<Json, MethodError> {
    let job = desk.queue.job(params.id).map_err(|error| errors::queue(&error))?;
    Ok(shape::whole(&job, desk.queue.progress_of(params.id)))
}

/// Parameters of `jobs:list`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    /// Where they stand; without it all, by their age.
    status: Option<Status>,
    /// Of this type alone.
    r#type: Option<JobType>,
    /// Where to go on, by an earlier answer.
    cursor: Option<String>,
    /// The most jobs to give, at most 500.
    limit: Option<usize>,
}

pub(super) async fn list(_: Context, desk: Desk, params: Option<List>) -> Result<Json, MethodError> {
    let List { status, r#type: kind, cursor, limit } = params.unwrap_or_default();
    let filter = Filter { status, kind };
    let limit = limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let page = desk.queue.jobs(&filter, cursor.as_deref(), limit);
    let about = |job: &crate::queue::Job| {
        let mut shown = shape::job(job);
        // A result may be long; who wants it asks for the job.
        if let Some(shown) = shown.as_object_mut() {
            shown.remove("result");
        }
        shown["progress"] = json!(desk.queue.progress_of(job.id));
        shown
    };
    Ok(json!({ "jobs": page.jobs.iter().map(about).collect::<Vec<_>>(), "cursor": page.next }))
}

pub(super) async fn stats(_: Context, desk: Desk, _: Option<NoParams>) -> Result<Json, MethodError> {
    let (all, types) = desk.queue.counts();
    Ok(json!({ "counts": all, "types": types, "workers": desk.queue.workers() }))
}
