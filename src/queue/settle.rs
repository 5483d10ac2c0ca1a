//! What the holder of a lease can do with it: acknowledge, refuse, extend, give back.

use std::collections::HashSet;

use serde_json::value::RawValue;

use super::error::QueueError;
use super::ids::{JobId, LeaseToken};
use super::job::{Ending, Job, Status};
use super::keys;
use super::options::VISIBILITY_MAX;
use super::step::{EventKind, Step, read, written};
use crate::store::{Command, Expiry};

/// That a job is done.
#[derive(Debug)]
pub struct Ack {
    /// The job.
    pub id: JobId,
    /// What proves the lease.
    pub token: LeaseToken,
    /// What came of it.
    pub result: Option<Box<RawValue>>,
    /// What is written with it in one commit.
    pub effects: Vec<Command>,
}

/// What became of a job, for whoever held it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settled {
    /// Where it stands.
    pub status: Status,
    /// When it is tried again, in milliseconds since the Unix epoch.
    pub run_at: Option<u64>,
    /// Whether that was said before, so that nothing was done.
    pub repeated: bool,
}

/// Letters of a reason that are kept.
const REASON_MAX: usize = 2_048;

/// A reason, as long as it may be.
fn shortened(reason: &str) -> String {
    match reason.char_indices().nth(REASON_MAX) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason.to_owned(),
    }
}

impl Step<'_> {
    /// The job whose lease this is; or what was made of it, if that was said before.
    fn held(&self, id: JobId, token: LeaseToken, ending: Ending) -> Result<Result<Job, Settled>, QueueError> {
        let job = self.job(id)?;
        if job.is_held_by(token, self.now_ms) {
            return Ok(Ok(job));
        }
        match job.has_ended(token, ending) {
            true => Ok(Err(Settled { status: job.status, run_at: job.run_at, repeated: true })),
            false => Err(QueueError::LeaseLost(id)),
        }
    }

    /// A job is done. What its worker wants to have written with it is written once, however often that is said.
    pub(super) fn ack(
        &mut self,
        id: JobId,
        token: LeaseToken,
        result: Option<Box<RawValue>>,
        effects: Vec<Command>,
    ) -> Result<Settled, QueueError> {
        let mut job = match self.held(id, token, Ending::Done)? {
            Ok(job) => job,
            Err(settled) => return Ok(settled),
        };
        self.leave(&job);
        job.result = result;
        job.error = None;
        job.end_attempt(Ending::Done, None, self.now_ms);
        self.finish(job, Status::Done, EventKind::Acked, None);
        self.commands.extend(effects);
        Ok(Settled { status: Status::Done, run_at: None, repeated: false })
    }

    /// An attempt was in vain. `permanent` says that there is no use in another one, `delay_ms` how long to wait before it.
    pub(super) fn nack(
        &mut self,
        id: JobId,
        token: LeaseToken,
        reason: Option<&str>,
        permanent: bool,
        delay_ms: Option<u64>,
    ) -> Result<Settled, QueueError> {
        let mut job = match self.held(id, token, Ending::Failed)? {
            Ok(job) => job,
            Err(settled) => return Ok(settled),
        };
        self.leave(&job);
        let reason = reason.map(shortened);
        job.error.clone_from(&reason);
        job.end_attempt(Ending::Failed, reason.clone(), self.now_ms);
        if permanent {
            self.finish(job, Status::Failed, EventKind::Nacked, reason);
        } else {
            let wait_ms = delay_ms.unwrap_or_else(|| self.backoff_ms(&job));
            self.try_again(job, wait_ms.min(VISIBILITY_MAX * 365_000), EventKind::Nacked, reason);
        }
        let left = self.events.last().map(|event| (event.job.status, event.job.run_at));
        let (status, run_at) = left.unwrap_or((Status::Pending, None));
        Ok(Settled { status, run_at, repeated: false })
    }

    /// A lease lasts longer: so many seconds from now, or as long as it did. Gives its end.
    pub(super) fn extend(
        &mut self,
        id: JobId,
        token: LeaseToken,
        seconds: Option<u64>,
    ) -> Result<u64, QueueError> {
        let mut job = self.job(id)?;
        if !job.is_held_by(token, self.now_ms) {
            return Err(QueueError::LeaseLost(id));
        }
        let until = self.now_ms + seconds.unwrap_or(job.visibility_timeout).clamp(1, VISIBILITY_MAX) * 1_000;
        self.leave(&job);
        job.lease_until = Some(until);
        job.last_updated = self.now_ms;
        self.put(keys::job(id), written(&job), Expiry::Never);
        self.mark(keys::timed(keys::LEASED, &job, until), Expiry::Never);
        Ok(until)
    }

    /// A worker gives a job back untouched: it waits again, and has lost no attempt.
    pub(super) fn release(&mut self, id: JobId, token: LeaseToken) -> Result<Settled, QueueError> {
        let mut job = match self.held(id, token, Ending::Released)? {
            Ok(job) => job,
            Err(settled) => return Ok(settled),
        };
        self.leave(&job);
        job.end_attempt(Ending::Released, None, self.now_ms);
        job.attempts = job.attempts.saturating_sub(1);
        job.status = Status::Pending;
        self.enter(job, EventKind::Released, None);
        Ok(Settled { status: Status::Pending, run_at: None, repeated: false })
    }

    /// A worker is back: the leases that it still has go on. What else it was given, and is not `known`, has ended with whatever
    /// has become of it meanwhile, and is tried again. Gives those of its leases that are over.
    pub(super) fn resume(
        &mut self,
        (worker, by): (&str, Option<&str>),
        held: &[(JobId, LeaseToken)],
        known: &HashSet<JobId>,
        is_new: bool,
    ) -> Vec<JobId> {
        let lost: Vec<JobId> = held
            .iter()
            .filter(|(id, token)| self.extend(*id, *token, None).is_err())
            .map(|(id, _)| *id)
            .collect();
        if is_new {
            let view = self.view;
            let all = view.prefix(keys::LEASED.as_bytes()).filter_map(|(key, _)| keys::id_of(key));
            let mine = |job: &Job| {
                let of = job.lease.as_ref().and_then(|lease| lease.by.as_deref());
                job.worker_id.as_deref() == Some(worker) && of == by
            };
            let given: Vec<Job> = all
                .filter(|id| !known.contains(id) && !held.iter().any(|(held, _)| held == id))
                .filter_map(|id| read(view, id).filter(mine))
                .collect();
            given.into_iter().for_each(|job| self.expire(job));
        }
        lost
    }

    /// A worker is gone: its lease ends now.
    pub(super) fn abandon(&mut self, id: JobId, token: LeaseToken) {
        if let Ok(job) = self.job(id)
            && job.is_held_by(token, self.now_ms)
        {
            self.expire(job);
        }
    }
}
