//! Getting work: leases over a socket, which the server brings, and those that somebody comes for.

use std::collections::HashSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::namespace::Namespace;
use super::bring::Porter;
use super::settle::{Held, told};
use super::{Desk, WORK, shape};
use crate::dispatch::{Context, MethodError, MethodOptions};
use crate::protocol::ErrorCode;
use crate::queue::{JobType, SeatWish};

/// Workers that one session may be.
const WORKERS_MAX: usize = 16;

/// How much longer than it waits a request for leases may take.
const SLACK: Duration = Duration::from_secs(10);

pub(super) fn add(jobs: &mut Namespace<'_, Desk>) {
    let about = MethodOptions::described;
    let patience = jobs.desk.queue.options().wait_max.get() + SLACK;
    let text = "Works: leases come as notifications jobs:lease or jobs:leases, as many at a time as there is room for.";
    jobs.method("jobs:work", WORK, about(text).of_session(), work);
    let text = "Takes no more leases. Those that are left are given back, if nothing else is said.";
    jobs.method("jobs:rest", WORK, about(text).idempotent().of_session(), rest);
    let text = "Leases jobs, and waits for the first of them.";
    jobs.method("jobs:lease", WORK, about(text).with_timeout(patience), lease);
}

/// Parameters of `jobs:work`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Work {
    /// What the worker calls itself; whoever comes with the same name takes over its leases.
    worker: String,
    /// The types that it takes; none are all.
    #[serde(default)]
    types: Vec<JobType>,
    /// Jobs that it works on at the same time, at most 1000.
    concurrency: usize,
    /// Leases that it has from before.
    #[serde(default)]
    held: Vec<Held>,
    /// Whether leases that come at the same time come together, as `jobs:leases`.
    #[serde(default)]
    together: bool,
}

/// The workers that a session is.
#[derive(Default)]
pub(super) struct Workers(pub(super) HashSet<String>);

async fn work(ctx: Context, desk: Desk, params: Work) -> Result<Json, MethodError> {
    let Work { worker, types, concurrency, held, together } = params;
    let full = ctx
        .starling()
        .extensions()
        .with(|workers: &mut Workers| !workers.0.contains(&worker) && workers.0.len() >= WORKERS_MAX);
    if full {
        let text = format!("A session may be {WORKERS_MAX} workers");
        return Err(
            MethodError::of(ErrorCode::QuotaExceeded, text).with_details(&json!({ "limit": WORKERS_MAX }))
        );
    }
    let by = ctx.principal().name().map(str::to_owned);
    let held = held.into_iter().map(|held| (held.id, held.lease_token)).collect();
    let wish = SeatWish { worker: worker.clone(), by, types, concurrency, held };
    let seat = told(desk.queue.seat(wish).await)?;
    ctx.starling().extensions().with(|workers: &mut Workers| workers.0.insert(worker.clone()));
    let answer = json!({ "worker": worker, "lost": seat.lost() });
    actix_rt::spawn(Porter { ctx, desk, worker, together }.bring(seat));
    Ok(answer)
}

/// Parameters of `jobs:rest`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rest {
    /// The worker.
    worker: String,
    /// Whether it finishes what it has; otherwise that is given back, and tried again elsewhere.
    #[serde(default)]
    finish: bool,
}

async fn rest(ctx: Context, desk: Desk, params: Rest) -> Result<Json, MethodError> {
    let by = ctx.principal().name().map(str::to_owned);
    if !params.finish {
        ctx.starling().extensions().with(|workers: &mut Workers| workers.0.remove(&params.worker));
    }
    let left = told(desk.queue.rest(&params.worker, by.as_deref(), params.finish).await)?;
    Ok(json!({ "running": left }))
}

/// Parameters of `jobs:lease`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Lease {
    /// What the worker calls itself.
    worker: String,
    /// The types that it takes; none are all.
    #[serde(default)]
    types: Vec<JobType>,
    /// The most jobs, at most 100; 1 if nothing is said.
    max: Option<usize>,
    /// Milliseconds to wait for the first of them.
    #[serde(default)]
    wait_ms: u64,
}

async fn lease(ctx: Context, desk: Desk, params: Lease) -> Result<Json, MethodError> {
    let Lease { worker, types, max, wait_ms } = params;
    let by = ctx.principal().name().map(str::to_owned);
    let wish = SeatWish { worker, by, types, concurrency: max.unwrap_or(1), held: Vec::new() };
    let wait = Duration::from_millis(wait_ms).min(desk.queue.options().wait_max.get());
    let leases = tokio::select! {
        leases = desk.queue.lease(wish, wait) => told(leases)?,
        // Whoever waited has hung up; what it would have got is given back.
        _ = ctx.cancelled() => Vec::new(),
    };
    Ok(json!({ "jobs": leases.iter().map(shape::lease).collect::<Vec<_>>() }))
}
