//! Jobs: work in the background that survives anything, and is visible while it runs.
//!
//! A job is a key of the store, and each change of its state is one command of it ([`crate::store::Decision`]): what is read
//! and what is written belong together, so two workers never have one lease, and a change can be a part of any other
//! commit. There is no second copy of the state and no thread: what waits is found by the order of its keys, also after
//! a restart.
//!
//! In reading order: `ids`, `job`, `keys` are what there is; `step` is one step of the state machine, with `enqueue`, `lease`,
//! `settle`, `manage`, `tick` and `schedule` for what can happen; a step is pure. `reads` is for looking, `seats`, `seat`
//! and `dispatcher` bring leases to workers, `handing_on` the next ones with an acknowledgement, `tending` minds the time,
//! `worker` runs handlers in this process, `progress` is what is told while a job runs.

mod cron;
mod deciding;
mod dispatcher;
mod enqueue;
mod error;
mod events;
mod handing_on;
mod ids;
mod job;
mod keys;
mod lease;
mod manage;
#[cfg(test)]
mod model_tests;
mod options;
mod progress;
mod rates;
mod reads;
mod schedule;
mod seat;
mod seats;
mod settle;
mod step;
mod surely;
mod tending;
mod tick;
mod worker;

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

pub use deciding::Deciding;
pub use enqueue::{Dedup, Enqueued, NewJob};
pub use error::QueueError;
pub use ids::{InvalidJobId, InvalidJobType, JobId, JobType, LeaseToken};
pub use job::{Attempt, Backoff, Ending, Job, Status};
pub use lease::Lease;
pub use manage::Over;
pub use options::{QueueOptions, TypeOptions};
pub use progress::Progress;
pub use reads::{Counts, Filter, Page};
pub use schedule::{Missed, Schedule};
pub use seat::{AtWork, Seat};
pub use seats::{SeatMessage, SeatWish};
pub use settle::{Ack, Settled};
pub use step::{EventKind, JobEvent};
pub use worker::{JobContext, JobFailure, JobReply, WorkerOptions, work};

use self::events::Events;
use self::progress::ProgressTable;
use self::rates::Rates;
use self::seats::Seats;
use self::step::Step;
use crate::base::Random;
use crate::store::{Command, Store};

/// The jobs of a server. Clones mean the same.
#[derive(Clone, Debug)]
pub struct Queue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    options: QueueOptions,
    random: Mutex<Random>,
    seats: Seats,
    rates: Rates,
    progress: ProgressTable,
    events: Events,
    /// Something may be due earlier than was known.
    hurry: Notify,
    /// Where events go that somebody wants to hear of.
    listener: OnceLock<Listener>,
    draining: CancellationToken,
}

/// Whoever wants to hear of jobs, and whether it wants to hear of this one.
struct Listener {
    wants: Box<dyn Fn(JobId) -> bool + Send + Sync>,
    to: mpsc::Sender<Told>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

/// Something to be told of a job.
#[derive(Clone, Debug)]
pub enum Told {
    /// Its status has changed.
    Event(Box<JobEvent>),
    /// Its worker says how far it is.
    Progress(JobId, JobType, Progress),
}

/// What waits to be told; beyond it, whoever changes a job waits.
const TOLD_MAX: usize = 10_000;

impl Queue {
    /// The jobs of a store. Leases are given and times are kept once [`Queue::tend`] runs.
    pub fn new(store: &Store, options: &QueueOptions, random: Random) -> Self {
        Self(Arc::new(Inner {
            store: store.clone(),
            options: options.clone(),
            random: Mutex::new(random),
            seats: Seats::default(),
            rates: Rates::default(),
            progress: ProgressTable::default(),
            events: Events::new(store.metrics()),
            hurry: Notify::new(),
            listener: OnceLock::new(),
            draining: CancellationToken::new(),
        }))
    }

    /// The options.
    pub fn options(&self) -> &QueueOptions {
        &self.0.options
    }

    /// The store that they lie in.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// What happens to jobs that the caller `wants` to hear of, in its order. Once: later callers get nothing.
    pub fn listen(&self, wants: impl Fn(JobId) -> bool + Send + Sync + 'static) -> mpsc::Receiver<Told> {
        let (to, receiver) = mpsc::channel(TOLD_MAX);
        // Whoever comes second hears that the channel is closed.
        let _ = self.0.listener.set(Listener { wants: Box::new(wants), to });
        receiver
    }

    /// Tells whoever wants to hear of a job.
    async fn tell(&self, id: JobId, told: impl FnOnce() -> Told) {
        if let Some(Listener { to, .. }) = self.0.listener.get().filter(|listener| (listener.wants)(id)) {
            // Nobody listens any more: the server ends.
            let _ = to.send(told()).await;
        }
    }

    /// Enqueues a job. It is on the disk before this returns.
    ///
    /// # Errors
    /// If something about it is wrong, there is the same one and it was asked to say so, too many wait, or it cannot be
    /// written.
    pub async fn enqueue(&self, new: NewJob) -> Result<Enqueued, QueueError> {
        new.check(self.options())?;
        self.decide(move |step| step.enqueue(new)).await
    }

    /// Enqueues several jobs, each for itself, in their order. They are on the disk, with one flush for all, before this returns.
    pub async fn enqueue_each(&self, all: Vec<NewJob>) -> Vec<Result<Enqueued, QueueError>> {
        let checked = |new: NewJob| new.check(self.options()).map(|()| new);
        let steps = all.into_iter().map(checked);
        self.decide_each(steps.map(|new| move |step: &mut Step<'_>| step.enqueue(new?))).await
    }

    /// A job as a part of another commit: its command, and what is to be done once that has happened.
    ///
    /// # Errors
    /// If something about it is wrong.
    pub fn enqueueing(&self, new: NewJob) -> Result<(Command, Deciding<Enqueued>), QueueError> {
        new.check(self.options())?;
        Ok(self.deciding(move |step| step.enqueue(new)))
    }

    fn check_result(&self, result: Option<&RawValue>) -> Result<(), QueueError> {
        let limit = self.options().result_bytes_max.0;
        match result.map_or(0, |result| result.get().len()) {
            bytes if bytes > limit => Err(QueueError::TooLarge { what: "result", bytes, limit }),
            _ => Ok(()),
        }
    }

    /// An attempt was in vain. `permanent` says that there is no use in another one; `delay_ms` how long to wait before it,
    /// instead of what the job says.
    ///
    /// # Errors
    /// If the lease is over, or it cannot be written.
    pub async fn nack(
        &self,
        id: JobId,
        token: LeaseToken,
        reason: Option<String>,
        permanent: bool,
        delay_ms: Option<u64>,
    ) -> Result<Settled, QueueError> {
        self.decide(move |step| step.nack(id, token, reason.as_deref(), permanent, delay_ms)).await
    }

    /// A lease lasts longer: so many seconds from now, or as long as it did. Gives its end, in milliseconds since the Unix
    /// epoch.
    ///
    /// # Errors
    /// If the lease is over, or it cannot be written.
    pub async fn extend(
        &self,
        id: JobId,
        token: LeaseToken,
        seconds: Option<u64>,
    ) -> Result<u64, QueueError> {
        self.decide(move |step| step.extend(id, token, seconds)).await
    }

    /// A worker gives a job back untouched: it waits again, and has lost no attempt.
    ///
    /// # Errors
    /// If the lease is over, or it cannot be written.
    pub async fn release(&self, id: JobId, token: LeaseToken) -> Result<Settled, QueueError> {
        self.decide(move |step| step.release(id, token)).await
    }

    /// A worker is gone: its leases end now, and its jobs are tried again.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn abandon(&self, leases: Vec<(JobId, LeaseToken)>) -> Result<(), QueueError> {
        self.decide(move |step| {
            leases.iter().for_each(|(id, token)| step.abandon(*id, *token));
            Ok(())
        })
        .await
    }

    /// Makes a schedule, or replaces the one of its name. Gives it with the time of its next job.
    ///
    /// # Errors
    /// If something about it is wrong, there are too many, or it cannot be written.
    pub async fn set_schedule(&self, schedule: Schedule) -> Result<Schedule, QueueError> {
        schedule.check()?;
        let job = NewJob::new(schedule.kind.clone(), schedule.payload.clone());
        NewJob { max_attempts: schedule.max_attempts, ..job }.check(self.options())?;
        let set = self.decide(move |step| step.set_schedule(schedule)).await;
        self.0.hurry.notify_one();
        set
    }

    /// Takes a schedule away. Its jobs stay.
    ///
    /// # Errors
    /// If there is none, or it cannot be written.
    pub async fn remove_schedule(&self, name: String) -> Result<(), QueueError> {
        self.decide(move |step| step.remove_schedule(&name)).await
    }

    /// No more leases are given from now on; whoever waits for one gets nothing.
    pub fn drain(&self) {
        self.0.draining.cancel();
        self.0.seats.wake();
    }
}
