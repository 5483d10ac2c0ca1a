//! Is the process alive, may it get traffic, and its numbers.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde_json::json;

use super::api::request_id;
use super::observe::REQUEST_ID;
use super::serve::Surroundings;
use super::{process, status};
use crate::protocol::RequestId;
use crate::starling::DrainPhase;
use crate::store::Health;

/// `GET /health`: the process works. One object for everybody who asks for health, under the names that each knows.
pub(super) async fn health(around: Data<Surroundings>, request: HttpRequest) -> impl Responder {
    let shared = &around.shared;
    let (view, health) = (around.store.view(), around.store.health());
    let writable = health == Health::Writable;
    let (status, healthy) = if writable { ("ok", "healthy") } else { ("degraded", "degraded") };
    let (requests, seconds) = shared.metrics.answered();
    let latency_ms = (requests > 0).then(|| seconds * 1_000.0 / requests as f64);
    // Who asks may have named it.
    let named = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).and_then(RequestId::parse);
    let id = named.map_or_else(request_id, |id| id.to_string());
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CACHE_CONTROL, "no-store")).insert_header((REQUEST_ID, id.as_str()));
    answer.json(json!({
        "status": healthy,
        "timestamp": iso_time(shared.clock.now_ms()),
        "memory": process::memory(),
        "heliosStatus": status::helios(&around, &request).await,
        "requestId": id,
        "database": if writable { "connected" } else { "read-only" },
        "api_latency_ms": latency_ms,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime": shared.metrics.uptime().as_secs_f64(),
        "components": {
            "sockets": { "status": "ok", "connections": around.starlings.count() },
            "store": { "status": status, "writable": writable, "keys": view.len(), "revision": view.revision() },
        },
    }))
}

/// `GET /ready`: new traffic is welcome.
pub(super) async fn ready(around: Data<Surroundings>) -> impl Responder {
    let (ready, status) = match (around.shared.drain_phase(), around.store.health()) {
        (DrainPhase::Running, Health::Writable) => (true, "ready"),
        (DrainPhase::Running, Health::Full(_)) => (false, "disk full"),
        (DrainPhase::Running, Health::Broken(_)) => (false, "disk failed"),
        _ => (false, "draining"),
    };
    let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.insert_header((CACHE_CONTROL, "no-store")).json(json!({ "status": status }))
}

/// `GET /metrics`: the Prometheus text format.
pub(super) async fn metrics(around: Data<Surroundings>) -> impl Responder {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(around.shared.metrics.render())
}

/// A time as RFC 3339 has it.
pub(super) fn iso_time(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map(|time| time.to_string()).unwrap_or_default()
}
