//! What can go wrong with jobs.

use super::ids::JobId;
use super::job::Status;
use crate::store::{Refusal, StoreError};

/// Why something was not done. Nothing has changed then.
#[derive(Clone, Debug, thiserror::Error)]
pub enum QueueError {
    /// Something asked for is wrong.
    #[error("/{place}: {text}")]
    Invalid {
        /// Where, as a member of the request.
        place: &'static str,
        /// What.
        text: String,
    },
    /// Something is too long.
    #[error("a {what} has at most {limit} bytes, not {bytes}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// As many jobs wait as may.
    #[error("{limit} jobs wait already")]
    Full {
        /// How many may.
        limit: usize,
    },
    /// There is a job with the same dedup id, and it was asked to say so.
    #[error("job {0} has the same dedup id")]
    Duplicate(JobId),
    /// There is no such job.
    #[error("there is no job {0}")]
    NotFound(JobId),
    /// There is no such schedule.
    #[error("there is no schedule \"{0}\"")]
    NoSchedule(String),
    /// There are as many schedules as there may be.
    #[error("there are {limit} schedules already")]
    TooManySchedules {
        /// How many there may be.
        limit: usize,
    },
    /// The lease is over, or was never that of this job.
    #[error("the lease of job {0} is over, or another one's")]
    LeaseLost(JobId),
    /// The job is not in a state in which this can be done.
    #[error("job {id} is {status}, so it cannot be {done}")]
    Status {
        /// The job.
        id: JobId,
        /// Where it stands.
        status: Status,
        /// What cannot be done.
        done: &'static str,
    },
    /// Somebody else works under this name.
    #[error("somebody else works as \"{0}\"")]
    WorkerTaken(String),
    /// It cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store refuses it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The queue is closed.
    #[error("the queue is closed")]
    Closed,
}
