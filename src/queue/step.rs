//! One step of the state machine: looks at the store as it is, and collects what follows. Pure: time, chance and state
//! come from outside, so the same step gives the same changes on every machine.

use serde_json::value::RawValue;

use super::error::QueueError;
use super::ids::{JobId, JobType};
use super::job::{Ending, Job, Status};
use super::keys;
use super::options::QueueOptions;
use crate::base::Random;
use crate::store::{Command, Condition, Expiry, Value, View};

/// Something that has happened to a job.
#[derive(Clone, Debug)]
pub struct JobEvent {
    /// What.
    pub kind: EventKind,
    /// The job as it is since then, without its payload.
    pub job: Job,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
    /// Why, where somebody said so.
    pub reason: Option<String>,
}

/// What can happen to a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// It was enqueued.
    Enqueued,
    /// A worker got its lease.
    Dequeued,
    /// Its worker acknowledged it.
    Acked,
    /// Its worker refused it.
    Nacked,
    /// The time of its lease was over.
    LeaseExpired,
    /// Its worker gave it back.
    Released,
    /// It was called off.
    Cancelled,
    /// It was put back among those that wait.
    Retried,
}

impl EventKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enqueued => "enqueued",
            Self::Dequeued => "dequeued",
            Self::Acked => "acked",
            Self::Nacked => "nacked",
            Self::LeaseExpired => "lease_expired",
            Self::Released => "released",
            Self::Cancelled => "cancelled",
            Self::Retried => "retried",
        }
    }
}

/// A step that is being made.
pub(super) struct Step<'a> {
    pub(super) view: &'a View,
    pub(super) now_ms: u64,
    pub(super) options: &'a QueueOptions,
    pub(super) random: &'a mut Random,
    pub(super) commands: Vec<Command>,
    pub(super) events: Vec<JobEvent>,
}

/// A payload beyond this lies under a key of its own, so that it is not written again with each change of its job.
pub(super) const PAYLOAD_INSIDE_MAX: usize = 2_048;

impl<'a> Step<'a> {
    pub(super) fn new(view: &'a View, options: &'a QueueOptions, random: &'a mut Random) -> Self {
        let (commands, events) = (Vec::new(), Vec::new());
        Self { view, now_ms: view.now_ms(), options, random, commands, events }
    }

    /// The job with this id.
    pub(super) fn job(&self, id: JobId) -> Result<Job, QueueError> {
        read(self.view, id).ok_or(QueueError::NotFound(id))
    }

    pub(super) fn put(&mut self, key: String, value: Value, expiry: Expiry) {
        let (key, condition) = (key.into_bytes().into(), Condition::Always);
        self.commands.push(Command::Set { key, value, condition, expiry });
    }

    /// A key that is there for its place among others.
    pub(super) fn mark(&mut self, key: String, expiry: Expiry) {
        self.put(key, Value::bytes(&b""[..]), expiry);
    }

    pub(super) fn remove(&mut self, key: String) {
        self.commands.push(Command::delete(key.into_bytes()));
    }

    /// Takes a job out of where it lies, before it changes.
    pub(super) fn leave(&mut self, job: &Job) {
        match job.status {
            Status::Pending => {
                // Whether its time has come is not written down: it lies in one of the two.
                self.remove(keys::ready(job));
                if let Some(at) = job.run_at {
                    self.remove(keys::timed(keys::DELAYED, job, at));
                }
            }
            Status::InProgress => {
                self.remove(keys::timed(keys::LEASED, job, job.lease_until.unwrap_or_default()));
            }
            over => self.remove(keys::timed(keys::over(over), job, job.completed_at.unwrap_or_default())),
        }
    }

    /// Writes a job that has changed, and puts it where it lies now.
    pub(super) fn enter(&mut self, mut job: Job, kind: EventKind, reason: Option<String>) {
        job.sequence += 1;
        job.last_updated = self.now_ms;
        let expiry = self.expiry(&job);
        self.put(keys::job(job.id), written(&job), expiry);
        if job.payload.is_none() && (job.status.is_over() || kind == EventKind::Retried) {
            let at = if let Expiry::At(at) = expiry { Some(at) } else { None };
            self.commands.push(Command::Expire { key: keys::payload(job.id).into_bytes().into(), at });
        }
        let place = match job.status {
            Status::Pending => match job.run_at.filter(|at| *at > self.now_ms) {
                Some(at) => keys::timed(keys::DELAYED, &job, at),
                None => keys::ready(&job),
            },
            Status::InProgress => keys::timed(keys::LEASED, &job, job.lease_until.unwrap_or_default()),
            over => keys::timed(keys::over(over), &job, job.completed_at.unwrap_or_default()),
        };
        self.mark(place, expiry);
        job.payload = None;
        self.events.push(JobEvent { kind, job, at: self.now_ms, reason });
    }

    /// A job is over.
    pub(super) fn finish(&mut self, mut job: Job, status: Status, kind: EventKind, reason: Option<String>) {
        job.status = status;
        job.completed_at = Some(self.now_ms);
        job.run_at = None;
        if let Some(dedup) = job.dedup_id.as_ref().filter(|_| job.dedup_release) {
            let key = keys::dedup(&job.kind, job.created_by.as_deref(), dedup);
            // Unless it is another job's by now.
            let mine = self
                .view
                .value(key.as_bytes())
                .is_some_and(|of| of.as_bytes() == job.id.to_string().as_bytes());
            if mine {
                self.remove(key);
            }
        }
        self.enter(job, kind, reason);
    }

    /// An attempt was in vain: the job waits for the next one, or has no more. `wait_ms` is how long at the least.
    pub(super) fn try_again(&mut self, mut job: Job, wait_ms: u64, kind: EventKind, reason: Option<String>) {
        if job.attempts >= job.max_attempts {
            return self.finish(job, Status::Dlq, kind, reason);
        }
        job.status = Status::Pending;
        job.run_at = (wait_ms > 0).then(|| self.now_ms.saturating_add(wait_ms));
        self.enter(job, kind, reason);
    }

    /// How long to wait before the next attempt.
    pub(super) fn backoff_ms(&mut self, job: &Job) -> u64 {
        let doublings = job.attempts.saturating_sub(1).min(62);
        let limit = job.backoff.initial_ms.saturating_mul(1 << doublings).min(job.backoff.max_ms);
        self.random.up_to(std::time::Duration::from_millis(limit)).as_millis() as u64
    }

    /// The time of a lease is over.
    pub(super) fn expire(&mut self, mut job: Job) {
        self.leave(&job);
        let reason = "the lease is over".to_owned();
        job.error = Some(reason.clone());
        job.end_attempt(Ending::Expired, Some(reason.clone()), self.now_ms);
        // It has waited for as long as its lease already.
        self.try_again(job, 0, EventKind::LeaseExpired, Some(reason));
    }

    /// How long a job is kept.
    fn expiry(&self, job: &Job) -> Expiry {
        let kept_ms = match job.status {
            Status::Pending | Status::InProgress => return Expiry::Never,
            Status::Done | Status::Cancelled => job.retention.saturating_mul(1_000),
            Status::Failed | Status::Dlq => match self.options.retention_failed.as_ms() {
                0 => return Expiry::Never,
                kept_ms => kept_ms,
            },
        };
        // What is not kept at all can still be asked for by those who have just heard of it.
        Expiry::At(self.now_ms.saturating_add(kept_ms.max(1_000)))
    }

    /// How many keys of a type lie in a family.
    pub(super) fn count(&self, family: &str, kind: &JobType) -> usize {
        self.view.count(keys::line(family, kind).as_bytes())
    }
}

/// A job as it is stored.
pub(super) fn written(job: &Job) -> Value {
    let mut text = Vec::with_capacity(1_024);
    // All that is in it can be written, and a vector takes it.
    let _ = serde_json::to_writer(&mut text, job);
    Value::json(text)
}

/// The job with this id, without a payload that lies apart.
pub(super) fn read(view: &View, id: JobId) -> Option<Job> {
    let value = view.value(keys::job(id).as_bytes())?;
    let job = serde_json::from_slice(value.as_bytes());
    job.inspect_err(|error| tracing::error!(%error, job = %id, "a job is not readable")).ok()
}

/// The payload of a job, wherever it lies.
pub(super) fn payload_of(view: &View, job: &Job) -> Option<Box<RawValue>> {
    if let Some(inside) = &job.payload {
        return Some(inside.clone());
    }
    serde_json::from_slice(view.value(keys::payload(job.id).as_bytes())?.as_bytes()).ok()
}
