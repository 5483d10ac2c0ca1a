//! `/api/v1/jobs/lease` and what a worker does with what it got: for workers that have no socket.

use actix_web::web::{self, Path, Payload, ServiceConfig};
use serde_json::{Value as Json, json};

use super::job_shapes::{Ack, ErrorAnswer, Extend, Lease, Leases, Nack, Percent, SettledAnswer, Token};
use super::jobs::{Answer, ask, said};
use super::rest::Rest;
use super::{at, body};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/jobs/lease", "POST", [web::post().to(lease)]))
        .service(at("/jobs/{id}/ack", "POST", [web::post().to(ack)]))
        .service(at("/jobs/{id}/nack", "POST", [web::post().to(nack)]))
        .service(at("/jobs/{id}/release", "POST", [web::post().to(release)]))
        .service(at("/jobs/{id}/extend", "POST", [web::post().to(extend)]))
        .service(at("/jobs/{id}/progress", "POST", [web::post().to(progress)]));
}

/// Leases jobs, and waits for the first of them.
#[utoipa::path(
    post, path = "/api/v1/jobs/lease", tag = "jobs", request_body = Lease, security(("bearer" = []), ("key" = [])),
    responses((status = 200, body = Leases), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn lease(rest: Rest, payload: Payload) -> Answer {
    rest.check("jobs:lease")?;
    let Lease { worker_id, types, max, wait } = body::read(&rest.request, payload).await?;
    let wait_ms = wait.map(|seconds| (seconds.clamp(0.0, 3_600.0) * 1_000.0) as u64);
    let _apart = if wait_ms.is_some_and(|ms| ms > 0) { rest.wait_apart()? } else { None };
    let wish = json!({ "worker": worker_id, "types": types, "max": max, "waitMs": wait_ms });
    ask(&rest, "jobs:lease", said(wish)).await
}

/// A job is done.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/ack", tag = "jobs", request_body = Ack, security(("bearer" = []), ("key" = [])),
    params(("id" = String, Path, description = "The id of the job")),
    responses((status = 200, body = SettledAnswer), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn ack(rest: Rest, id: Path<String>, payload: Payload) -> Answer {
    rest.check("jobs:ack")?;
    let Ack { lease_token, result, effects } = body::read(&rest.request, payload).await?;
    let wish =
        json!({ "id": id.into_inner(), "leaseToken": lease_token, "result": result, "effects": effects });
    ask(&rest, "jobs:ack", said(wish)).await
}

/// An attempt at a job was in vain.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/nack", tag = "jobs", request_body = Nack, security(("bearer" = []), ("key" = [])),
    params(("id" = String, Path, description = "The id of the job")),
    responses((status = 200, body = SettledAnswer), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn nack(rest: Rest, id: Path<String>, payload: Payload) -> Answer {
    rest.check("jobs:nack")?;
    let Nack { lease_token, reason, permanent, delay } = body::read(&rest.request, payload).await?;
    let delay_ms = delay.map(|seconds| seconds.saturating_mul(1_000));
    let wish = json!({
        "id": id.into_inner(), "leaseToken": lease_token, "reason": reason, "permanent": permanent, "delayMs": delay_ms,
    });
    ask(&rest, "jobs:nack", said(wish)).await
}

/// Gives a job back untouched.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/release", tag = "jobs", request_body = Token, security(("bearer" = []), ("key" = [])),
    params(("id" = String, Path, description = "The id of the job")),
    responses((status = 200, body = SettledAnswer), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn release(rest: Rest, id: Path<String>, payload: Payload) -> Answer {
    rest.check("jobs:release")?;
    let Token { lease_token } = body::read(&rest.request, payload).await?;
    ask(&rest, "jobs:release", json!({ "id": id.into_inner(), "leaseToken": lease_token })).await
}

/// Lets a lease last longer.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/extend", tag = "jobs", request_body = Extend, security(("bearer" = []), ("key" = [])),
    params(("id" = String, Path, description = "The id of the job")),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn extend(rest: Rest, id: Path<String>, payload: Payload) -> Answer {
    rest.check("jobs:extend")?;
    let Extend { lease_token, seconds } = body::read(&rest.request, payload).await?;
    let wish = json!({ "id": id.into_inner(), "leaseToken": lease_token, "seconds": seconds });
    ask(&rest, "jobs:extend", said(wish)).await
}

/// Says how far a job is.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/progress", tag = "jobs", operation_id = "job_progress", request_body = Percent,
    security(("bearer" = []), ("key" = [])), params(("id" = String, Path, description = "The id of the job")),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn progress(rest: Rest, id: Path<String>, payload: Payload) -> Answer {
    rest.check("jobs:progress")?;
    let Percent { lease_token, progress, message, data } = body::read(&rest.request, payload).await?;
    let wish = json!({
        "id": id.into_inner(), "leaseToken": lease_token, "progress": progress, "message": message, "data": data,
    });
    ask(&rest, "jobs:progress", said(wish)).await
}
