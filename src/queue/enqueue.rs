//! Enqueueing: what a job has to be like, and how it comes among those that wait.

use serde_json::value::RawValue;

use super::error::QueueError;
use super::ids::{JobId, JobType};
use super::job::{Backoff, Job, Status};
use super::keys;
use super::options::{ATTEMPTS_MAX, QueueOptions, VISIBILITY_MAX};
use super::step::{EventKind, PAYLOAD_INSIDE_MAX, Step, read};
use crate::store::{Expiry, Value};

/// A job that is to be enqueued. What is `None` follows the options.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its type.
    pub kind: JobType,
    /// What it is about: any JSON.
    pub payload: Box<RawValue>,
    /// Higher ones come first; from -100 to 100.
    pub priority: i64,
    /// Attempts that it has.
    pub max_attempts: Option<u32>,
    /// Seconds that a lease lasts.
    pub visibility_timeout: Option<u64>,
    /// Milliseconds to wait first.
    pub delay_ms: Option<u64>,
    /// When to begin at the earliest, in milliseconds since the Unix epoch.
    pub run_at: Option<u64>,
    /// What makes it the same as another one.
    pub dedup: Option<Dedup>,
    /// How long to wait between attempts.
    pub backoff: Option<Backoff>,
    /// Seconds that it is kept when it is done.
    pub retention: Option<u64>,
    /// The name of whoever enqueues it.
    pub created_by: Option<String>,
    /// The schedule that it comes from.
    pub schedule: Option<String>,
}

/// What makes two jobs one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dedup {
    /// Jobs with the same id are one.
    pub id: String,
    /// For so long, in milliseconds; `None` follows the options.
    pub lifetime_ms: Option<u64>,
    /// Whether the second one is refused; otherwise it is the first.
    pub reject: bool,
    /// Whether the id is free as soon as the job is over.
    pub release: bool,
}

/// What became of a job that was enqueued.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Enqueued {
    /// Its id: that of an earlier one, if it was the same.
    pub id: JobId,
    /// Whether there was one already.
    pub duplicate: bool,
    /// Where it stands.
    pub status: Status,
}

/// Bytes of a dedup id.
const DEDUP_MAX: usize = 512;

/// The longest delay: a hundred years.
const DELAY_MAX_MS: u64 = 100 * 366 * 86_400_000;

/// The latest time that a job may wait for: the year 9999, in milliseconds since the Unix epoch.
pub(super) const TIME_MAX: u64 = 253_402_300_799_999;

impl NewJob {
    /// A job of a type, with nothing said beside its payload.
    pub fn new(kind: JobType, payload: Box<RawValue>) -> Self {
        Self {
            kind,
            payload,
            priority: 0,
            max_attempts: None,
            visibility_timeout: None,
            delay_ms: None,
            run_at: None,
            dedup: None,
            backoff: None,
            retention: None,
            created_by: None,
            schedule: None,
        }
    }

    /// What is wrong with it, whatever the state of the queue.
    pub(super) fn check(&self, options: &QueueOptions) -> Result<(), QueueError> {
        let invalid = |place, text: &str| Err(QueueError::Invalid { place, text: text.to_owned() });
        let (bytes, limit) = (self.payload.get().len(), options.payload_bytes_max.0);
        if bytes > limit {
            return Err(QueueError::TooLarge { what: "payload", bytes, limit });
        }
        if !(-100..=100).contains(&self.priority) {
            return invalid("priority", "must be from -100 to 100");
        }
        if self.max_attempts.is_some_and(|attempts| !(1..=ATTEMPTS_MAX).contains(&attempts)) {
            return invalid("maxAttempts", "must be from 1 to 1000");
        }
        if self.visibility_timeout.is_some_and(|seconds| !(1..=VISIBILITY_MAX).contains(&seconds)) {
            return invalid("visibilityTimeout", "must be from 1 to 86400 seconds");
        }
        if self.delay_ms.is_some() && self.run_at.is_some() {
            return invalid("runAt", "contradicts delayMs");
        }
        if self.run_at.is_some_and(|at| at > TIME_MAX) {
            return invalid("runAt", "is later than the year 9999");
        }
        if self.delay_ms.is_some_and(|delay| delay > DELAY_MAX_MS) {
            return invalid("delayMs", "is more than a hundred years");
        }
        if self.dedup.as_ref().is_some_and(|dedup| dedup.id.is_empty() || dedup.id.len() > DEDUP_MAX) {
            return invalid("dedupId", "must have from 1 to 512 bytes");
        }
        if self.backoff.is_some_and(|backoff| backoff.initial_ms > backoff.max_ms) {
            return invalid("backoffMs", "must not be more than backoffMaxMs");
        }
        Ok(())
    }
}

impl Step<'_> {
    /// Adds a job, unless there is the same already. It was found to be as it has to be.
    pub(super) fn enqueue(&mut self, new: NewJob) -> Result<Enqueued, QueueError> {
        if let Some(dedup) = &new.dedup
            && let Some(there) = self.same(&new, &dedup.id)
        {
            return match dedup.reject {
                true => Err(QueueError::Duplicate(there.id)),
                false => Ok(Enqueued { id: there.id, duplicate: true, status: there.status }),
            };
        }
        let limit = self.options.waiting_max;
        if self.view.count(keys::READY.as_bytes()) + self.view.count(keys::DELAYED.as_bytes()) >= limit {
            return Err(QueueError::Full { limit });
        }
        let id = JobId::generate();
        if let Some(dedup) = &new.dedup {
            let lifetime_ms = dedup.lifetime_ms.unwrap_or(self.options.dedup_lifetime.as_ms());
            let until = Expiry::At(self.now_ms.saturating_add(lifetime_ms.max(1)));
            self.put(
                keys::dedup(&new.kind, new.created_by.as_deref(), &dedup.id),
                Value::bytes(id.to_string().into_bytes()),
                until,
            );
        }
        let job = self.made(id, new);
        self.enter(job, EventKind::Enqueued, None);
        Ok(Enqueued { id, duplicate: false, status: Status::Pending })
    }

    /// The job of the same type and owner that has this dedup id at the moment.
    fn same(&self, new: &NewJob, dedup: &str) -> Option<Job> {
        let key = keys::dedup(&new.kind, new.created_by.as_deref(), dedup);
        let id = self.view.value(key.as_bytes())?;
        read(self.view, std::str::from_utf8(id.as_bytes()).ok()?.parse().ok()?)
    }

    fn made(&mut self, id: JobId, new: NewJob) -> Job {
        let options = self.options;
        let payload = match new.payload.get().len() > PAYLOAD_INSIDE_MAX {
            true => {
                let value = Value::json(new.payload.get().as_bytes());
                self.put(keys::payload(id), value, Expiry::Never);
                None
            }
            false => Some(new.payload),
        };
        let delayed = new.delay_ms.map(|delay_ms| self.now_ms.saturating_add(delay_ms).min(TIME_MAX));
        let (dedup_id, dedup_release) = new.dedup.map_or((None, false), |it| (Some(it.id), it.release));
        Job {
            id,
            payload,
            status: Status::Pending,
            priority: new.priority.clamp(-100, 100) as i8,
            attempts: 0,
            max_attempts: new.max_attempts.unwrap_or_else(|| options.attempts_of(&new.kind)),
            visibility_timeout: new.visibility_timeout.unwrap_or_else(|| options.visibility_of(&new.kind)),
            created_at: self.now_ms,
            last_updated: self.now_ms,
            run_at: delayed.or(new.run_at).filter(|at| *at > self.now_ms),
            lease_until: None,
            worker_id: None,
            dedup_id,
            dedup_release,
            error: None,
            result: None,
            completed_at: None,
            created_by: new.created_by,
            schedule: new.schedule,
            backoff: new.backoff.unwrap_or(Backoff {
                initial_ms: options.backoff.as_ms(),
                max_ms: options.backoff_max.as_ms(),
            }),
            retention: new.retention.unwrap_or(options.retention.as_ms() / 1_000),
            history: Vec::new(),
            sequence: 0,
            order: self.view.revision() + 1,
            kind: new.kind,
            lease: None,
        }
    }
}
