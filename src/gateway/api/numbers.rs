//! What is going on, in numbers. Each is measured; what is not known is null.

use std::time::Instant;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use super::answer::{Refusal, success};
use crate::base::ms_text;
use crate::gateway::caller::call;
use crate::gateway::health::iso_time;
use crate::gateway::process::{memory, processor_us};
use crate::gateway::serve::Surroundings;
use crate::gateway::status;

type Answer = Result<HttpResponse, Refusal>;

/// `GET /api/metrics`.
pub(super) async fn metrics(around: Data<Surroundings>, request: HttpRequest) -> Answer {
    let began = Instant::now();
    let stats = call(&around, &request, "universe:stats", &json!({})).await?;
    // What was measured by the last run of the benchmarks; nothing is run here.
    let measured = call(&around, &request, "universe:benchmark", &json!({ "run": false })).await?;
    let mut data = counters(&around, &stats);
    let more = json!({
        "helios": helios(&around, &stats, &measured),
        "performance": performance(&measured),
        "universes": universes(&around, &stats),
        "system": {
            "memory": memory(),
            "uptime": around.shared.metrics.uptime().as_secs_f64(),
            "cpu": processor_us(),
            "platform": std::env::consts::OS,
            "runtimeVersion": env!("CARGO_PKG_VERSION"),
        },
        "timestamp": iso_time(around.shared.clock.now_ms()),
    });
    if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
        data.extend(more);
    }
    let took = began.elapsed();
    let beside = Map::from_iter([
        ("responseTime".to_owned(), ms_text(took).into()),
        ("responseTimeUs".to_owned(), (took.as_micros() as u64).into()),
    ]);
    Ok(success(data, beside))
}

/// `GET /api/stats`: the counters alone.
pub(super) async fn stats(around: Data<Surroundings>, request: HttpRequest) -> Answer {
    let stats = call(&around, &request, "universe:stats", &json!({})).await?;
    Ok(success(counters(&around, &stats), Map::new()))
}

fn counters(around: &Surroundings, stats: &Value) -> Value {
    let metrics = &around.shared.metrics;
    let (requests, seconds) = metrics.answered();
    json!({
        "totalRequests": requests,
        "activeConnections": metrics.connections.get(),
        "universesCreated": stats["created"],
        "totalOperations": stats["operations"],
        "averageResponseTime": if requests == 0 { Value::Null } else { json!(seconds * 1_000.0 / requests as f64) },
        "systemHealth": status::health(around),
    })
}

fn helios(around: &Surroundings, stats: &Value, measured: &Value) -> Value {
    let commit = &measured["vstPerformance"];
    json!({
        "totalUniverses": stats["created"],
        "activeUniverses": stats["universes"],
        "totalOperations": stats["operations"],
        "totalMemoryUsed": memory()["rss"],
        "averageOperationTime": stats["meanOperationMs"],
        "vstCommitLatency": commit["recent"],
        "cacheHitRate": stats["cache"]["hitRate"],
        "snapshotCount": stats["commits"],
        "performance": {
            "uptime": around.shared.metrics.uptime().as_secs_f64(),
            "memoryUsage": memory(),
            "averageVSTLatency": {
                "average": commit["meanUs"],
                "target": commit["targetUs"],
                "status": commit["status"],
                "samples": commit["samples"],
            },
            "cacheEfficiency": {
                "hitRate": stats["cache"]["hitRate"],
                "efficiency": stats["cache"]["hitRate"],
                "recommendations": cache_advice(stats),
            },
            "parallelizationGains": measured["parallelizationGains"],
        },
        "universes": {
            "active": stats["universes"],
            "total": stats["created"],
            "distribution": stats["distribution"],
        },
        "system": {
            "version": env!("CARGO_PKG_VERSION"),
            "isRunning": true,
            "configuredLimits": { "maxUniverses": stats["universesMax"] },
        },
    })
}

fn cache_advice(stats: &Value) -> Vec<&'static str> {
    let evicts = stats["cache"]["evictions"].as_u64().unwrap_or(0) > 0;
    let misses = stats["cache"]["hitRate"].as_f64().is_some_and(|rate| rate < 0.5);
    if evicts && misses {
        vec!["raise universes.cache_bytes: history is read from the disk again and again"]
    } else {
        Vec::new()
    }
}

/// What the last runs of the benchmarks have measured; null before the first one.
fn performance(measured: &Value) -> Value {
    json!({
        "vstCommitLatency": measured["vstPerformance"],
        "memoryEfficiency": measured["memoryEfficiency"],
        "throughput": measured["throughputTest"],
        "parallelization": measured["parallelizationGains"],
        "systemHealth": measured["grade"],
        "trends": measured["trends"],
        "recommendations": measured["recommendations"],
    })
}

fn universes(around: &Surroundings, stats: &Value) -> Value {
    json!({
        "totalCreated": stats["created"],
        "totalDestroyed": stats["deleted"],
        "operationsCompleted": stats["operations"],
        "batchOperationsCompleted": stats["batchOperations"],
        "averageCreationTime": stats["meanCreationMs"],
        "averageOperationTime": stats["meanOperationMs"],
        "peakConcurrentUniverses": stats["peak"],
        "current": {
            "activeUniverses": stats["universes"],
            "memoryUsage": { "used": memory()["rss"], "total": memory()["total"] },
            "operationQueueSize": stats["waiting"],
            "processingStatus": status::health(around),
        },
        "efficiency": {
            "averageCreationTime": stats["meanCreationMs"],
            "operationsPerSecond": stats["operationsPerSecond"],
            "memoryPerUniverse": stats["bytesPerUniverse"],
            "cacheHitRate": stats["cache"]["hitRate"],
        },
        "distribution": stats["distribution"],
    })
}

/// `GET /api/benchmarks`: runs them, or gives what ran a moment ago.
pub(super) async fn benchmarks(around: Data<Surroundings>, request: HttpRequest) -> Answer {
    Ok(success(call(&around, &request, "universe:benchmark", &json!({})).await?, Map::new()))
}
