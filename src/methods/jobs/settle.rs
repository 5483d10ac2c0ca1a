//! What whoever has leases does with them: the jobs are done, in vain, given back, or take longer.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::to_raw_value;
use serde_json::{Value as Json, json};

use super::super::namespace::Namespace;
use super::super::{errors, kv};
use super::{Desk, WORK, batch};
use crate::dispatch::{Context, MethodError, MethodOptions};
use crate::queue::{self, Deciding, Enqueued, JobId, LeaseToken, QueueError, Settled};

pub(super) fn add(jobs: &mut Namespace<'_, Desk>) {
    let about = MethodOptions::described;
    jobs.method("jobs:ack", WORK, about("A job is done."), ack);
    let text = "Several jobs are done. Each is acknowledged for itself, and has its own answer.";
    jobs.method("jobs:ackEach", WORK, about(text), ack_each);
    jobs.method("jobs:nack", WORK, about("An attempt at a job was in vain."), nack);
    jobs.method("jobs:release", WORK, about("Gives a job back untouched."), release);
    jobs.method("jobs:extend", WORK, about("Lets a lease last longer."), extend);
    jobs.method("jobs:progress", WORK, about("Says how far a job is.").idempotent(), progress);
}

pub(super) fn told<T>(done: Result<T, QueueError>) -> Result<T, MethodError> {
    done.map_err(|error| errors::queue(&error))
}

/// A lease that somebody has.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Held {
    /// The id of the job.
    pub(super) id: JobId,
    /// What proves the lease.
    pub(super) lease_token: LeaseToken,
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

/// Parameters of `jobs:ackEach`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AckEach {
    /// The jobs that are done, at most 1000.
    acks: Vec<Ack>,
}

async fn ack(ctx: Context, desk: Desk, params: Ack) -> Result<Json, MethodError> {
    let (ack, deciding) = params.meant(&ctx, &desk).await?;
    let done = told(desk.queue.ack(ack).await)?;
    have_happened(deciding).await;
    Ok(settled(&done))
}

async fn ack_each(ctx: Context, desk: Desk, params: AckEach) -> Result<Json, MethodError> {
    batch::check("/acks", params.acks.len())?;
    let (mut acks, mut with) = (Vec::new(), Vec::new());
    for ack in params.acks {
        let (ack, deciding) = ack
            .meant(&ctx, &desk)
            .await
            .map_or_else(|error| (Err(error), Vec::new()), |(ack, deciding)| (Ok(ack), deciding));
        acks.push(ack);
        with.push(deciding);
    }
    let done = batch::each(acks, |acks| desk.queue.ack_each(acks)).await;
    for (done, deciding) in done.iter().zip(with) {
        if done.is_ok() {
            have_happened(deciding).await;
        }
    }
    Ok(json!({ "acks": batch::told(done, |done| settled(&done)) }))
}

/// Jobs that were enqueued with an acknowledgement. Those of one that was said before were enqueued then.
async fn have_happened(deciding: Vec<Deciding<Enqueued>>) {
    for deciding in deciding {
        let _ = deciding.happened().await;
    }
}

impl Ack {
    async fn meant(
        self,
        ctx: &Context,
        desk: &Desk,
    ) -> Result<(queue::Ack, Vec<Deciding<Enqueued>>), MethodError> {
        let Self { id, lease_token: token, result, effects } = self;
        let result = result.as_ref().map(to_raw_value).transpose();
        let result = result.map_err(|error| MethodError::invalid([error]))?;
        let kv::Effects { commands: effects, deciding } = kv::effects(ctx, desk, effects).await?;
        let deciding = deciding.into_iter().map(|(_, deciding)| deciding).collect();
        Ok((queue::Ack { id, token, result, effects }, deciding))
    }
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
