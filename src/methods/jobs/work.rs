//! Working: leases over a socket, which the server brings, and over HTTP, which whoever works comes for.

use std::collections::HashSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::to_raw_value;
use serde_json::{Value as Json, json};

use super::super::{errors, kv};
use super::{Desk, Namespace, WORK, shape};
use crate::dispatch::{Context, MethodError, MethodOptions, SendError, Starling};
use crate::protocol::ErrorCode;
use crate::queue::{JobId, JobType, LeaseToken, Queue, QueueError, Seat, SeatMessage, SeatWish, Settled};

/// Notifications to workers.
const LEASE: &str = "jobs:lease";
const LOST: &str = "jobs:lost";

/// Workers that one session may be.
const WORKERS_MAX: usize = 16;

/// How much longer than it waits a request for leases may take.
const SLACK: Duration = Duration::from_secs(10);

pub(super) fn add(jobs: &mut Namespace<'_>) {
    let about = MethodOptions::described;
    let patience = jobs.desk.queue.options().wait_max.get() + SLACK;
    let text = "Works: leases come as notifications jobs:lease, as many at a time as there is room for.";
    jobs.method("jobs:work", WORK, about(text).of_session(), work);
    let text = "Takes no more leases. Those that are left are given back, if nothing else is said.";
    jobs.method("jobs:rest", WORK, about(text).idempotent().of_session(), rest);
    let text = "Leases jobs, and waits for the first of them.";
    jobs.method("jobs:lease", WORK, about(text).with_timeout(patience), lease);
    jobs.method("jobs:ack", WORK, about("A job is done."), ack);
    jobs.method("jobs:nack", WORK, about("An attempt at a job was in vain."), nack);
    jobs.method("jobs:release", WORK, about("Gives a job back untouched."), release);
    jobs.method("jobs:extend", WORK, about("Lets a lease last longer."), extend);
    jobs.method("jobs:progress", WORK, about("Says how far a job is.").idempotent(), progress);
}

fn told<T>(done: Result<T, QueueError>) -> Result<T, MethodError> {
    done.map_err(|error| errors::queue(&error))
}

/// A lease that somebody has.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Held {
    /// The id of the job.
    id: JobId,
    /// What proves the lease.
    lease_token: LeaseToken,
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
}

/// The workers that a session is.
#[derive(Default)]
struct Workers(HashSet<String>);

async fn work(ctx: Context, desk: Desk, params: Work) -> Result<Json, MethodError> {
    let Work { worker, types, concurrency, held } = params;
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
    actix_rt::spawn(bring(ctx, desk, seat, worker));
    Ok(answer)
}

/// Brings leases to a worker as long as its session is there and may work.
async fn bring(ctx: Context, desk: Desk, mut seat: Seat, worker: String) {
    // What is told comes behind the answer.
    ctx.answer_sent().await;
    let starling = ctx.starling().clone();
    let (ended, mut presence) = (starling.ended(), starling.presence());
    // It may have been cut off before it had its answer.
    seat.set_away(!*presence.borrow_and_update());
    let gone = loop {
        tokio::select! {
            Ok(()) = presence.changed() => seat.set_away(!*presence.borrow_and_update()),
            message = seat.next() => match message {
                // Somebody has taken the seat over, or it was given up.
                None => break false,
                Some(_) if !desk.may(&starling.principal(), WORK) => break true,
                Some(message) => if tell(&desk.queue, &starling, message).await.is_err() { break true },
            },
            () = ended.cancelled() => break true,
        }
    };
    if gone {
        starling.extensions().with(|workers: &mut Workers| workers.0.remove(&worker));
        // Whatever it had may have been begun.
        if let Err(error) = seat.leave(false).await {
            tracing::warn!(%error, worker, "the leases of a worker that is gone end with their time");
        }
    }
}

/// Tells a worker something. A lease that does not fit into a message fails its job: it never will.
async fn tell(queue: &Queue, starling: &Starling, message: SeatMessage) -> Result<(), SendError> {
    match message {
        SeatMessage::Lost { id, kind } => {
            starling.notify(LOST, &json!({ "id": id, "reason": kind.as_str() }))
        }
        SeatMessage::Lease(lease) => match starling.notify(LEASE, &shape::lease(&lease)) {
            Err(error @ (SendError::Payload(_) | SendError::Encode(_))) => {
                let reason = Some(format!("the job cannot be told: {error}"));
                let failed = queue.nack(lease.job.id, lease.token, reason, true, None).await;
                failed
                    .err()
                    .inspect(|error| tracing::error!(%error, job = %lease.job.id, "a job is not failed"));
                Ok(())
            }
            sent => sent,
        },
    }
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

fn settled(settled: &Settled) -> Json {
    json!({ "status": settled.status, "runAt": settled.run_at, "repeated": settled.repeated })
}

/// Parameters of `jobs:ack`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Ack {
    /// The id of the job.
    id: JobId,
    /// What proves the lease.
    lease_token: LeaseToken,
    /// What came of it: any JSON.
    result: Option<Json>,
    /// What is written with it in one commit, as the operations of `kv:commit`; it happens once, however often this is said.
    #[serde(default)]
    effects: Vec<kv::Operation>,
}

async fn ack(ctx: Context, desk: Desk, params: Ack) -> Result<Json, MethodError> {
    let Ack { id, lease_token, result, effects } = params;
    let result = result.as_ref().map(to_raw_value).transpose();
    let result = result.map_err(|error| MethodError::invalid([error]))?;
    let kv::Effects { commands, deciding } = kv::effects(&ctx, &desk, effects).await?;
    let done = told(desk.queue.ack(id, lease_token, result, commands).await)?;
    for (_, deciding) in deciding {
        // Those of an acknowledgement that was said before were enqueued then.
        let _ = deciding.happened().await;
    }
    Ok(settled(&done))
}

/// Parameters of `jobs:nack`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Nack {
    /// The id of the job.
    id: JobId,
    /// What proves the lease.
    lease_token: LeaseToken,
    /// Why, for people.
    reason: Option<String>,
    /// Whether there is no use in trying again.
    #[serde(default)]
    permanent: bool,
    /// Milliseconds to wait before the next attempt, instead of what the job says.
    delay_ms: Option<u64>,
}

async fn nack(_: Context, desk: Desk, params: Nack) -> Result<Json, MethodError> {
    let Nack { id, lease_token, reason, permanent, delay_ms } = params;
    Ok(settled(&told(desk.queue.nack(id, lease_token, reason, permanent, delay_ms).await)?))
}

async fn release(_: Context, desk: Desk, params: Held) -> Result<Json, MethodError> {
    Ok(settled(&told(desk.queue.release(params.id, params.lease_token).await)?))
}

/// Parameters of `jobs:extend`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Extend {
    /// The id of the job.
    id: JobId,
    /// What proves the lease.
    lease_token: LeaseToken,
    /// Seconds from now, at most a day; as long as it lasted if nothing is said.
    seconds: Option<u64>,
}

async fn extend(_: Context, desk: Desk, params: Extend) -> Result<Json, MethodError> {
    let until = told(desk.queue.extend(params.id, params.lease_token, params.seconds).await)?;
    Ok(json!({ "leaseUntil": until }))
}

/// Parameters of `jobs:progress`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Percent {
    /// The id of the job.
    id: JobId,
    /// What proves the lease.
    lease_token: LeaseToken,
    /// Percent, from 0 to 100.
    progress: f64,
    /// A word for people.
    message: Option<String>,
    /// More for programs: any JSON.
    data: Option<Json>,
}

async fn progress(_: Context, desk: Desk, params: Percent) -> Result<Json, MethodError> {
    let Percent { id, lease_token, progress, message, data } = params;
    told(desk.queue.progress(id, lease_token, progress, message, data).await)?;
    Ok(json!({ "told": true }))
}
