//! Handlers that run in this process.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::error::QueueError;
use super::ids::{JobId, JobType};
use super::job::Job;
use super::lease::Lease;
use super::seats::{SeatMessage, SeatWish};
use super::{Ack, Queue, Settled};
use crate::store::Command;

/// How handlers are run.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// What the worker calls itself.
    pub worker: String,
    /// The types that it takes; none are all.
    pub types: Vec<JobType>,
    /// Jobs that run at the same time.
    pub concurrency: usize,
    /// When it stops: how long jobs may still run before they are given back.
    pub grace: Duration,
}

/// A job that a handler works on. Clones mean the same.
#[derive(Clone, Debug)]
pub struct JobContext(Arc<Running>);

#[derive(Debug)]
struct Running {
    queue: Queue,
    lease: Lease,
    cancelled: CancellationToken,
}

/// What a handler gives that has worked out.
#[derive(Debug, Default)]
pub struct JobReply {
    /// The result: any JSON.
    pub result: Option<Box<RawValue>>,
    /// What is written in the same commit as the acknowledgement, so that it happens once.
    pub effects: Vec<Command>,
}

/// Why an attempt was in vain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobFailure {
    /// Why, for people.
    pub reason: String,
    /// There is no use in trying again.
    pub permanent: bool,
    /// Milliseconds to wait before the next attempt; without it the job says.
    pub delay_ms: Option<u64>,
}

impl JobFailure {
    /// It may work out another time.
    pub fn retry(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), permanent: false, delay_ms: None }
    }

    /// There is no use in trying again.
    pub fn permanent(reason: impl Into<String>) -> Self {
        Self { permanent: true, ..Self::retry(reason) }
    }
}

impl<E: std::error::Error> From<E> for JobFailure {
    fn from(error: E) -> Self {
        Self::retry(error.to_string())
    }
}

impl JobReply {
    /// A result and nothing else.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn of<T: Serialize + ?Sized>(result: &T) -> Result<Self, JobFailure> {
        let result = serde_json::value::to_raw_value(result);
        let result =
            result.map_err(|error| JobFailure::permanent(format!("the result is no JSON: {error}")))?;
        Ok(Self { result: Some(result), effects: Vec::new() })
    }
}

impl JobContext {
    /// The job.
    pub fn job(&self) -> &Job {
        &self.0.lease.job
    }

    /// What the job is about.
    ///
    /// # Errors
    /// If that is something else; there is no use in trying again.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, JobFailure> {
        let text = self.job().payload.as_ref().map_or("null", |payload| payload.get());
        serde_json::from_str(text)
            .map_err(|error| JobFailure::permanent(format!("the payload does not fit: {error}")))
    }

    /// Says how far it is: in percent.
    ///
    /// # Errors
    /// If the lease is over, or something is too long.
    pub async fn progress(
        &self,
        percent: f64,
        message: Option<&str>,
        data: Option<Json>,
    ) -> Result<(), QueueError> {
        let (id, token) = (self.job().id, self.0.lease.token);
        self.0.queue.progress(id, token, percent, message.map(str::to_owned), data).await
    }

    /// Ends when the job was called off, its lease is over, or the worker stops: what comes of it counts no more.
    pub async fn cancelled(&self) {
        self.0.cancelled.cancelled().await;
    }

    /// The same as a token, for work in other tasks.
    pub fn cancellation(&self) -> CancellationToken {
        self.0.cancelled.clone()
    }
}

/// How long a handler may still run whose job is not its own any more.
const TIDY: Duration = Duration::from_secs(5);

/// Runs a handler for jobs until `stop` is cancelled or the queue is closed. Leases are extended while it runs; what panics
/// has failed.
///
/// # Errors
/// If the options are wrong, or somebody else works under this name.
pub async fn work<H, Fut>(
    queue: Queue,
    options: WorkerOptions,
    stop: CancellationToken,
    handler: H,
) -> Result<(), QueueError>
where
    H: Fn(JobContext) -> Fut,
    Fut: Future<Output = Result<JobReply, JobFailure>> + Send + 'static,
{
    let WorkerOptions { worker, types, concurrency, grace } = options;
    let wish = SeatWish { worker, types, concurrency, ..SeatWish::default() };
    let mut seat = queue.seat(wish).await?;
    let mut running: HashMap<JobId, CancellationToken> = HashMap::new();
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            message = seat.next() => match message {
                Some(SeatMessage::Lease(lease)) => {
                    let cancelled = CancellationToken::new();
                    running.insert(lease.job.id, cancelled.clone());
                    let context = JobContext(Arc::new(Running { queue: queue.clone(), lease: *lease, cancelled }));
                    tasks.spawn(attempt(context.clone(), handler(context)));
                }
                Some(SeatMessage::Lost { id, .. }) => {
                    if let Some(token) = running.remove(&id) {
                        token.cancel();
                    }
                }
                None => break,
            },
            Some(done) = tasks.join_next() => if let Ok(id) = done { running.remove(&id); },
            () = stop.cancelled() => break,
            () = queue.store().ended() => break,
        }
    }
    seat.rest();
    if tokio::time::timeout(grace, all_of(&mut tasks)).await.is_err() {
        running.values().for_each(CancellationToken::cancel);
        let _ = tokio::time::timeout(TIDY, all_of(&mut tasks)).await;
        tasks.shutdown().await;
    }
    // What was begun and not finished is tried again elsewhere, and has lost no attempt: it was this side that stopped.
    seat.leave(true).await
}

async fn all_of(tasks: &mut JoinSet<JobId>) {
    while tasks.join_next().await.is_some() {}
}

/// One attempt: the handler beside the clock of its lease.
async fn attempt(
    context: JobContext,
    handler: impl Future<Output = Result<JobReply, JobFailure>> + Send,
) -> JobId {
    let (id, token) = (context.job().id, context.0.lease.token);
    let queue = &context.0.queue;
    let mut handler = std::pin::pin!(AssertUnwindSafe(handler).catch_unwind());
    let ended = tokio::select! {
        // What is over is over, whatever the handler makes of it.
        biased;
        () = keep(&context) => {
            // It has been told, and may tidy up; what it gives counts no more.
            let _ = tokio::time::timeout(TIDY, handler).await;
            return id;
        }
        ended = &mut handler => ended,
    };
    let settled: Result<Settled, QueueError> = match ended {
        Ok(Ok(JobReply { result, effects })) => queue.ack(Ack { id, token, result, effects }).await,
        Ok(Err(JobFailure { reason, permanent, delay_ms })) => {
            queue.nack(id, token, Some(reason), permanent, delay_ms).await
        }
        Err(_) => {
            tracing::error!(job = %id, "the handler of a job panicked");
            queue.nack(id, token, Some("the handler panicked".to_owned()), false, None).await
        }
    };
    match settled {
        Ok(_) => {}
        // What it gave cannot be kept: its worker would only give it again.
        Err(error @ (QueueError::TooLarge { .. } | QueueError::Refused(_))) => {
            let told = queue.nack(id, token, Some(error.to_string()), true, None).await;
            told.err().inspect(|error| tracing::error!(%error, job = %id, "a job is not settled"));
        }
        Err(error) => tracing::warn!(%error, job = %id, "a job is not settled"),
    }
    id
}

/// Extends a lease as long as its job runs. Ends when that is in vain.
async fn keep(context: &JobContext) {
    let (id, token) = (context.job().id, context.0.lease.token);
    let every = Duration::from_secs(context.job().visibility_timeout) / 3;
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = context.0.cancelled.cancelled() => return,
        }
        if let Err(QueueError::LeaseLost(_) | QueueError::NotFound(_)) =
            context.0.queue.extend(id, token, None).await
        {
            context.0.cancelled.cancel();
            return;
        }
    }
}
