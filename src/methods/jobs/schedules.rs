//! Schedules.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::to_raw_value;
use serde_json::{Value as Json, json};

use super::super::errors;
use super::{Desk, NoParams, shape};
use crate::dispatch::{Context, MethodError};
use crate::queue::{JobType, Missed, Schedule};

/// Parameters of `jobs:schedule`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Set {
    /// The name of the schedule.
    name: String,
    /// When: minute, hour, day of the month, month, day of the week.
    cron: String,
    /// The time zone, such as "Europe/Berlin"; UTC if nothing is said.
    timezone: Option<String>,
    /// The type of its jobs.
    r#type: JobType,
    /// Their payload: any JSON.
    #[serde(default)]
    payload: Json,
    /// Their priority, from -100 to 100.
    #[serde(default)]
    priority: i8,
    /// Attempts that they have.
    max_attempts: Option<u32>,
    /// What becomes of times that have passed while the server was not there.
    #[serde(default)]
    missed: Missed,
    /// Whether it does not fire for now.
    #[serde(default)]
    paused: bool,
}

pub(super) async fn set(ctx: Context, desk: Desk, params: Set) -> Result<Json, MethodError> {
    let payload = to_raw_value(&params.payload).map_err(|error| MethodError::invalid([error]))?;
    let schedule = Schedule {
        name: params.name,
        cron: params.cron,
        timezone: params.timezone.unwrap_or_else(|| "UTC".to_owned()),
        kind: params.r#type,
        payload,
        priority: params.priority,
        max_attempts: params.max_attempts,
        missed: params.missed,
        paused: params.paused,
        next_at: None,
        last_at: None,
        fired: 0,
        created_at: 0,
        created_by: ctx.principal().name().map(str::to_owned),
    };
    let set = desk.queue.set_schedule(schedule).await.map_err(|error| errors::queue(&error))?;
    Ok(shape::schedule(&set))
}

/// Parameters of `jobs:unschedule`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Remove {
    /// The name of the schedule.
    name: String,
}

pub(super) async fn remove(_: Context, desk: Desk, params: Remove) -> Result<Json, MethodError> {
    desk.queue.remove_schedule(params.name).await.map_err(|error| errors::queue(&error))?;
    Ok(json!({ "removed": true }))
}

pub(super) async fn list(_: Context, desk: Desk, _: Option<NoParams>) -> Result<Json, MethodError> {
    let all: Vec<Json> = desk.queue.schedules().iter().map(shape::schedule).collect();
    Ok(json!({ "schedules": all }))
}
