//! What workers say while they work. It is told to whoever listens, and kept in memory as long as the job runs.

use std::collections::HashMap;

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value as Json;

use super::error::QueueError;
use super::ids::{JobId, LeaseToken};
use super::step::read;
use super::{Queue, Told};

/// How far a job is.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Progress {
    /// Percent, from 0 to 100.
    pub progress: f64,
    /// A word for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// More for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Json>,
    /// Which attempt says so.
    pub attempt: u32,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
}

/// Letters of a message, and bytes of data.
const MESSAGE_MAX: usize = 1_024;
const DATA_MAX: usize = 16 * 1_024;

/// How far the jobs are that run.
#[derive(Debug, Default)]
pub(super) struct ProgressTable(Mutex<HashMap<JobId, Progress>>);

impl ProgressTable {
    pub(super) fn forget(&self, id: JobId) {
        self.0.lock().remove(&id);
    }
}

impl Queue {
    /// A worker says how far it is. That is kept in memory, and costs no write.
    ///
    /// # Errors
    /// If the lease is over, or something is too long.
    pub async fn progress(
        &self,
        id: JobId,
        token: LeaseToken,
        percent: f64,
        message: Option<String>,
        data: Option<Json>,
    ) -> Result<(), QueueError> {
        let invalid = |place, text: &str| Err(QueueError::Invalid { place, text: text.to_owned() });
        if !percent.is_finite() || !(0.0..=100.0).contains(&percent) {
            return invalid("progress", "must be from 0 to 100");
        }
        if message.as_ref().is_some_and(|message| message.len() > MESSAGE_MAX) {
            return invalid("message", "must have at most 1024 bytes");
        }
        if data.as_ref().is_some_and(|data| data.to_string().len() > DATA_MAX) {
            return invalid("data", "must have at most 16 KiB");
        }
        let view = self.store().view();
        let job = read(&view, id).ok_or(QueueError::NotFound(id))?;
        if !job.is_held_by(token, view.now_ms()) {
            return Err(QueueError::LeaseLost(id));
        }
        let progress =
            Progress { progress: percent, message, data, attempt: job.attempts, at: view.now_ms() };
        self.0.progress.0.lock().insert(id, progress.clone());
        self.tell(id, || Told::Progress(id, job.kind, progress)).await;
        Ok(())
    }

    /// How far a job is, if its worker has said so.
    pub fn progress_of(&self, id: JobId) -> Option<Progress> {
        self.0.progress.0.lock().get(&id).cloned()
    }
}
