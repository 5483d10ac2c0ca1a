//! What whoever looks after the queue can do: call jobs off, try them again, clear them away.

use super::Queue;
use super::error::QueueError;
use super::ids::{JobId, JobType};
use super::job::{Ending, Job, Status};
use super::keys;
use super::step::{EventKind, Step, read};

/// Jobs that one step replays or clears away; a longer wish takes several.
const BATCH: usize = 500;

/// Which jobs that are over are meant.
#[derive(Clone, Debug)]
pub struct Over {
    /// Where they stand.
    pub status: Status,
    /// Of this type alone.
    pub kind: Option<JobType>,
    /// Over before this time, in milliseconds since the Unix epoch.
    pub before: Option<u64>,
}

impl Queue {
    /// A job is not to be done. Its worker is told, and cannot acknowledge it any more.
    ///
    /// # Errors
    /// If there is none, it is over, or it cannot be written.
    pub async fn cancel(&self, id: JobId, reason: Option<String>) -> Result<Status, QueueError> {
        self.decide(move |step| step.cancel(id, reason)).await
    }

    /// A job that has failed or was called off is tried again, with all its attempts.
    ///
    /// # Errors
    /// If there is none, it is done or at work, or it cannot be written.
    pub async fn retry(&self, id: JobId) -> Result<Status, QueueError> {
        self.decide(move |step| step.retry(id)).await
    }

    /// Tries again all jobs that are over in this way, at most `limit`. Gives how many.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn replay(&self, which: Over, limit: usize) -> Result<usize, QueueError> {
        self.in_batches(limit, move |step, left| step.replay(&which, left)).await
    }

    /// Clears away all jobs that are over in this way, at most `limit`. Gives how many.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn purge(&self, which: Over, limit: usize) -> Result<usize, QueueError> {
        self.in_batches(limit, move |step, left| step.purge(&which, left)).await
    }

    async fn in_batches(
        &self,
        limit: usize,
        batch: impl Fn(&mut Step<'_>, usize) -> usize + Clone + Send + 'static,
    ) -> Result<usize, QueueError> {
        let mut done = 0;
        while done < limit {
            let (batch, left) = (batch.clone(), limit - done);
            match self.decide(move |step| Ok(batch(step, left))).await? {
                0 => break,
                count => done += count,
            }
        }
        Ok(done)
    }
}

impl Step<'_> {
    /// A job is not to be done. Said twice it is the same.
    pub(super) fn cancel(&mut self, id: JobId, reason: Option<String>) -> Result<Status, QueueError> {
        let mut job = self.job(id)?;
        match job.status {
            Status::Cancelled => return Ok(Status::Cancelled),
            Status::Pending => self.leave(&job),
            Status::InProgress => {
                self.leave(&job);
                job.end_attempt(Ending::Cancelled, reason.clone(), self.now_ms);
            }
            status => return Err(QueueError::Status { id, status, done: "cancelled" }),
        }
        self.finish(job, Status::Cancelled, EventKind::Cancelled, reason);
        Ok(Status::Cancelled)
    }

    /// A job that has failed or was called off is tried again, with all its attempts. One that waits waits no longer.
    pub(super) fn retry(&mut self, id: JobId) -> Result<Status, QueueError> {
        let job = self.job(id)?;
        match job.status {
            Status::Failed | Status::Dlq | Status::Cancelled => self.again(job),
            Status::Pending if job.run_at.is_some() => {
                self.leave(&job);
                self.enter(Job { run_at: None, ..job }, EventKind::Retried, None);
            }
            Status::Pending => {}
            status => return Err(QueueError::Status { id, status, done: "tried again" }),
        }
        Ok(Status::Pending)
    }

    fn again(&mut self, mut job: Job) {
        self.leave(&job);
        job.status = Status::Pending;
        (job.attempts, job.completed_at, job.lease_until, job.run_at) = (0, None, None, None);
        self.enter(job, EventKind::Retried, None);
    }

    /// Tries again what is over, at most `limit` and a batch. Gives how many keys that was.
    pub(super) fn replay(&mut self, which: &Over, limit: usize) -> usize {
        let found = self.over(which, limit);
        for (key, id) in &found {
            match id.and_then(|id| read(self.view, id)).filter(|job| job.status == which.status) {
                Some(job) => self.again(job),
                None => self.remove(key.clone()),
            }
        }
        found.len()
    }

    /// Clears away what is over, at most `limit` and a batch. Gives how many keys that was.
    pub(super) fn purge(&mut self, which: &Over, limit: usize) -> usize {
        let found = self.over(which, limit);
        for (key, id) in &found {
            self.remove(key.clone());
            if let Some(id) = id {
                self.remove(keys::job(*id));
                self.remove(keys::payload(*id));
            }
        }
        found.len()
    }

    /// Keys of what is over, and the jobs that they lead to.
    fn over(&self, which: &Over, limit: usize) -> Vec<(String, Option<JobId>)> {
        let limit = limit.min(BATCH);
        let family = keys::over(which.status);
        let types = match &which.kind {
            Some(kind) => vec![kind.clone()],
            None => keys::types(self.view, family).collect(),
        };
        let early =
            |key: &[u8]| which.before.is_none_or(|before| keys::time_of(key).is_none_or(|at| at < before));
        let mut found = Vec::new();
        for kind in types {
            let line = keys::line(family, &kind);
            let keys = self.view.prefix(line.as_bytes()).map(|(key, _)| key).take_while(|key| early(key));
            found.extend(
                keys.take(limit - found.len())
                    .map(|key| (String::from_utf8_lossy(key).into_owned(), keys::id_of(key))),
            );
        }
        found
    }
}
