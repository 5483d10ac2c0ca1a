//! `heliosStatus` of `/health`.

use actix_web::HttpRequest;
use serde_json::{Value, json};

use super::caller::call;
use super::serve::Surroundings;

/// How universes are, and what the last benchmark has measured, if everybody may see that.
pub(super) async fn helios(around: &Surroundings, request: &HttpRequest) -> Value {
    const BENCHMARK: &str = "universe:benchmark";
    let open = around.shared.registry.get(BENCHMARK).is_some_and(|it| it.options().permission.is_none());
    let mut measured = Value::Null;
    if open {
        measured = call(around, request, BENCHMARK, &json!({ "run": false })).await.unwrap_or_default();
    }
    let health = health(around);
    json!({
        "status": "running",
        "health": { "status": health, "issues": issues(health) },
        "version": env!("CARGO_PKG_VERSION"),
        "activeUniverses": around.shared.metrics.universes.count.get(),
        "performance": {
            "grade": measured["grade"],
            "details": {
                "vstPerformance": measured["vstPerformance"]["p50Us"],
                "memoryEfficiency": measured["memoryEfficiency"]["ratio"],
                "overallScore": measured["grade"],
            },
        },
    })
}

/// optimal; warning above nine tenths of the universes that there may be; degraded if operations take over 100 ms.
pub(super) fn health(around: &Surroundings) -> &'static str {
    let universes = &around.shared.metrics.universes;
    let took = &universes.operation_duration;
    let mean = took.get_sample_sum() / took.get_sample_count().max(1) as f64;
    match around.universes_max {
        _ if mean > 0.1 => "degraded",
        Some(max) if universes.count.get() as f64 > max as f64 * 0.9 => "warning",
        _ => "optimal",
    }
}

fn issues(health: &str) -> &'static [&'static str] {
    match health {
        "degraded" => &["operations take over 100 ms on average"],
        "warning" => &["more than nine tenths of the universes that there may be are there"],
        _ => &[],
    }
}
