//! `/api/v1/jobs`: jobs for whoever has no socket, in the names that existing servers have.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Path, Payload, ServiceConfig};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::answer::{Failure, bare};
use super::job_shapes::{Cancel, Enqueue, ErrorAnswer, JobAnswer, Jobs, MadeJob, Schedule, Schedules, Which};
use super::rest::Rest;
use super::{at, body, job_work as work, reading};

pub(super) type Answer = Result<HttpResponse, Failure>;

pub(super) fn routes(config: &mut ServiceConfig) {
    let schedule = [web::put().to(set_schedule), web::delete().to(remove_schedule)];
    work::routes(config);
    config
        .service(at("/jobs", "GET, POST", [reading().to(list), web::post().to(enqueue)]))
        .service(at("/jobs/stats", "GET", [reading().to(stats)]))
        .service(at("/jobs/dlq", "GET", [reading().to(dead)]))
        .service(at("/jobs/dlq/replay", "POST", [web::post().to(replay)]))
        .service(at("/jobs/dlq/purge", "POST", [web::post().to(purge)]))
        .service(at("/jobs/schedules", "GET", [reading().to(schedules)]))
        .service(at("/jobs/schedules/{name}", "PUT, DELETE", schedule))
        .service(at("/jobs/{id}", "GET", [reading().to(job)]))
        .service(at("/jobs/{id}/cancel", "POST", [web::post().to(cancel)]))
        .service(at("/jobs/{id}/retry", "POST", [web::post().to(retry)]));
}

/// What applications have put in stays as it is.
const INSIDE: [&str; 3] = ["payload", "result", "data"];

/// What is told for each type of jobs: the types have names of the application's.
const BY_NAME: &str = "types";

/// The same for members whose names are data.
fn values_snake(value: Json) -> Json {
    match value {
        Json::Object(members) => {
            members.into_iter().map(|(name, value)| (name, snake(value))).collect::<Map<_, _>>().into()
        }
        other => snake(other),
    }
}

/// An answer of a method under the names that these routes have.
fn snake(value: Json) -> Json {
    match value {
        Json::Array(all) => all.into_iter().map(snake).collect(),
        Json::Object(members) => members
            .into_iter()
            .map(|(name, value)| {
                let value = match name.as_str() {
                    inside if INSIDE.contains(&inside) => value,
                    BY_NAME => values_snake(value),
                    _ => snake(value),
                };
                (snake_name(&name), value)
            })
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    }
}

fn snake_name(name: &str) -> String {
    // What is no name of ours, such as the type of a job, has maybe more than letters.
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return name.to_owned();
    }
    let mut written = String::with_capacity(name.len() + 2);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !written.is_empty() {
            written.push('_');
        }
        written.push(letter.to_ascii_lowercase());
    }
    written
}

/// Leaves out what was not said.
pub(super) fn said(wish: Json) -> Json {
    match wish {
        Json::Object(members) => {
            members.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

pub(super) async fn ask(rest: &Rest, method: &str, wish: Json) -> Answer {
    Ok(bare(StatusCode::OK, &snake(rest.call(method, &wish).await?)))
}

/// Enqueues a job. With a `dedup_id` that another one has, that one is given (200), or it is refused (409).
#[utoipa::path(
    post, path = "/api/v1/jobs", tag = "jobs", request_body = Enqueue, security(("bearer" = []), ("key" = [])),
    responses(
        (status = 201, body = MadeJob), (status = 200, body = MadeJob, description = "There was the same already"),
        (status = "default", body = ErrorAnswer),
    )
)]
pub(super) async fn enqueue(rest: Rest, payload: Payload) -> Answer {
    rest.check("jobs:enqueue")?;
    let wish: Enqueue = body::read(&rest.request, payload).await?;
    let named = wish.r#type.clone().or_else(|| wish.payload["task"].as_str().map(str::to_owned));
    let mut payload = said(json!({
        "type": named.unwrap_or_else(|| "default".to_owned()),
        "priority": wish.priority,
        "delayMs": wish.delay.map(|seconds| seconds.saturating_mul(1_000)),
        "runAt": wish.run_at,
        "maxAttempts": wish.max_attempts,
        "visibilityTimeout": wish.visibility_timeout,
        "dedupId": wish.dedup_id,
        "dedupLifetimeMs": wish.dedup_ttl.map(|seconds| seconds.saturating_mul(1_000)),
        "dedupReject": wish.dedup_reject,
        "dedupRelease": wish.dedup_release,
        "backoffMs": wish.backoff_ms,
        "backoffMaxMs": wish.backoff_max_ms,
        "retention": wish.retention,
    }));
    payload["payload"] = wish.payload;
    let mut made = rest.call("jobs:enqueue", &payload).await?;
    let status = if made["duplicate"] == true { StatusCode::OK } else { StatusCode::CREATED };
    let told = json!({ "job_id": made["id"].take(), "status": made["status"].take(), "duplicate": made["duplicate"].take() });
    Ok(bare(status, &told))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    status: Option<String>,
    r#type: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

impl ListQuery {
    fn wish(self) -> Json {
        let Self { status, r#type, cursor, limit } = self;
        said(json!({ "status": status, "type": r#type, "cursor": cursor, "limit": limit }))
    }
}

/// Jobs, without their payloads and results.
#[utoipa::path(
    get, path = "/api/v1/jobs", tag = "jobs", operation_id = "list_jobs", security(("bearer" = []), ("key" = [])),
    params(
        ("status" = Option<String>, Query, description = "PENDING, IN_PROGRESS, DONE, FAILED, DLQ or CANCELLED"),
        ("type" = Option<String>, Query, description = "Of this type alone"),
        ("cursor" = Option<String>, Query, description = "Where to go on, by an earlier answer"),
        ("limit" = Option<u16>, Query, description = "The most jobs to give, at most 500"),
    ),
    responses((status = 200, body = Jobs), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn list(rest: Rest) -> Answer {
    let query: ListQuery = body::query(&rest.request)?;
    ask(&rest, "jobs:list", query.wish()).await
}

/// Jobs that have used up their attempts, without their payloads.
#[utoipa::path(
    get, path = "/api/v1/jobs/dlq", tag = "jobs", security(("bearer" = []), ("key" = [])),
    params(
        ("type" = Option<String>, Query, description = "Of this type alone"),
        ("cursor" = Option<String>, Query, description = "Where to go on, by an earlier answer"),
        ("limit" = Option<u16>, Query, description = "The most jobs to give, at most 500"),
    ),
    responses((status = 200, body = Jobs), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn dead(rest: Rest) -> Answer {
    let mut query: ListQuery = body::query(&rest.request)?;
    query.status = Some("DLQ".to_owned());
    ask(&rest, "jobs:list", query.wish()).await
}

/// A job, and how far it is.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}", tag = "jobs", security(("bearer" = []), ("key" = [])),
    params(("id" = String, Path, description = "The id of the job")),
    responses((status = 200, body = JobAnswer), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn job(rest: Rest, id: Path<String>) -> Answer {
    ask(&rest, "jobs:get", json!({ "id": id.into_inner() })).await
}

/// How many jobs there are, by type and together, and who works.
#[utoipa::path(
    get, path = "/api/v1/jobs/stats", tag = "jobs", operation_id = "job_stats", security(("bearer" = []), ("key" = [])),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn stats(rest: Rest) -> Answer {
    let told = rest.call("jobs:stats", &json!({})).await?;
    Ok(bare(StatusCode::OK, &snake(told)))
}

/// Calls a job off.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs", operation_id = "cancel_job", request_body = Cancel,
    security(("bearer" = []), ("key" = [])), params(("id" = String, Path, description = "The id of the job")),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn cancel(rest: Rest, id: Path<String>, payload: Payload) -> Answer {
    rest.check("jobs:cancel")?;
    let Cancel { reason } = body::read_if_any(&rest.request, payload).await?;
    ask(&rest, "jobs:cancel", said(json!({ "id": id.into_inner(), "reason": reason }))).await
}

/// Tries a job again that has failed or was called off.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/retry", tag = "jobs", operation_id = "retry_job", security(("bearer" = []), ("key" = [])),
    params(("id" = String, Path, description = "The id of the job")),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn retry(rest: Rest, id: Path<String>) -> Answer {
    ask(&rest, "jobs:retry", json!({ "id": id.into_inner() })).await
}

async fn which(rest: &Rest, method: &str, payload: Payload) -> Answer {
    rest.check(method)?;
    let which: Which = body::read_if_any(&rest.request, payload).await?;
    ask(rest, method, said(json!(which))).await
}

/// Tries again all jobs that have used up their attempts, or another status.
#[utoipa::path(
    post, path = "/api/v1/jobs/dlq/replay", tag = "jobs", operation_id = "replay_jobs", request_body = Which,
    security(("bearer" = []), ("key" = [])),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn replay(rest: Rest, payload: Payload) -> Answer {
    which(&rest, "jobs:replay", payload).await
}

/// Clears away all jobs that have used up their attempts, or another status.
#[utoipa::path(
    post, path = "/api/v1/jobs/dlq/purge", tag = "jobs", operation_id = "purge_jobs", request_body = Which,
    security(("bearer" = []), ("key" = [])),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn purge(rest: Rest, payload: Payload) -> Answer {
    which(&rest, "jobs:purge", payload).await
}

/// Schedules, by their names.
#[utoipa::path(
    get, path = "/api/v1/jobs/schedules", tag = "jobs", security(("bearer" = []), ("key" = [])),
    responses((status = 200, body = Schedules), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn schedules(rest: Rest) -> Answer {
    ask(&rest, "jobs:schedules", json!({})).await
}

/// Makes a schedule, or replaces it.
#[utoipa::path(
    put, path = "/api/v1/jobs/schedules/{name}", tag = "jobs", request_body = Schedule,
    params(("name" = String, Path, description = "The name of the schedule")), security(("bearer" = []), ("key" = [])),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn set_schedule(rest: Rest, name: Path<String>, payload: Payload) -> Answer {
    rest.check("jobs:schedule")?;
    let wish: Schedule = body::read(&rest.request, payload).await?;
    let mut named = said(json!({
        "name": name.into_inner(), "cron": wish.cron, "timezone": wish.timezone, "type": wish.r#type,
        "priority": wish.priority, "maxAttempts": wish.max_attempts, "missed": wish.missed, "paused": wish.paused,
    }));
    named["payload"] = wish.payload;
    ask(&rest, "jobs:schedule", named).await
}

/// Takes a schedule away. Its jobs stay.
#[utoipa::path(
    delete, path = "/api/v1/jobs/schedules/{name}", tag = "jobs", security(("bearer" = []), ("key" = [])),
    params(("name" = String, Path, description = "The name of the schedule")),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn remove_schedule(rest: Rest, name: Path<String>) -> Answer {
    ask(&rest, "jobs:unschedule", json!({ "name": name.into_inner() })).await
}
