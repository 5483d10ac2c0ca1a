//! Is the process alive, may it get traffic, and its numbers.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use serde_json::json;

use super::serve::Surroundings;
use crate::starling::DrainPhase;
use crate::store::Health;

/// `GET /health`: the process works.
pub(super) async fn health(around: Data<Surroundings>) -> impl Responder {
    let shared = &around.shared;
    let (view, health) = (around.store.view(), around.store.health());
    let writable = health == Health::Writable;
    let status = if writable { "ok" } else { "degraded" };
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json!({
        "status": status,
        "timestamp": shared.clock.now_ms(),
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
