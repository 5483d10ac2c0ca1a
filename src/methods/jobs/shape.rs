//! Jobs as peers see them.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json, json};

use crate::queue::{Backoff, Job, JobId, JobType, Lease, LeaseToken, Progress, Status};

/// Bytes of payload and result that an answer may have together; beyond it the payload is left out.
const ANSWER_BYTES_MAX: usize = 1_000 * 1_024;

/// A name as methods write it.
fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        written.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        written.push_str(letters.as_str());
    }
    written
}

/// The members of an object under the names that methods write. What is in them stays.
fn renamed(object: Json) -> Json {
    match object {
        Json::Object(members) => {
            members.into_iter().map(|(name, value)| (camel(&name), value)).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

/// A job.
pub(super) fn job(job: &Job) -> Json {
    let mut shown = renamed(job.shown());
    if let Some(history) = shown["history"].as_array_mut() {
        history.iter_mut().for_each(|attempt| *attempt = renamed(attempt.take()));
    }
    shown["backoff"] = renamed(shown["backoff"].take());
    shown
}

/// A job with all that there is to know.
pub(super) fn whole(of: &Job, progress: Option<Progress>) -> Json {
    let bytes = |raw: &Option<Box<RawValue>>| raw.as_ref().map_or(0, |raw| raw.get().len());
    let mut shown = match bytes(&of.payload) + bytes(&of.result) > ANSWER_BYTES_MAX {
        true => {
            let mut of = of.clone();
            of.payload = None;
            let mut shown = job(&of);
            shown["payloadOmitted"] = true.into();
            shown
        }
        false => job(of),
    };
    shown["progress"] = progress.map_or(Json::Null, |progress| json!(progress));
    shown
}

/// A lease: the job as [`job`] shows it, and what proves it. Written as it is: there is one for each time that a job runs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeaseShape<'a> {
    id: JobId,
    r#type: &'a JobType,
    payload: Option<&'a RawValue>,
    status: Status,
    priority: i8,
    attempts: u32,
    max_attempts: u32,
    visibility_timeout: u64,
    created_at: u64,
    last_updated: u64,
    lease_until: u64,
    worker_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dedup_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<&'a str>,
    backoff: BackoffShape,
    retention: u64,
    history: Vec<Json>,
    sequence: u64,
    lease_token: LeaseToken,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BackoffShape {
    initial_ms: u64,
    max_ms: u64,
}

impl<'a> LeaseShape<'a> {
    pub(super) fn of(Lease { job, token, until }: &'a Lease) -> Self {
        let Backoff { initial_ms, max_ms } = job.backoff;
        Self {
            id: job.id,
            r#type: &job.kind,
            payload: job.payload.as_deref(),
            status: job.status,
            priority: job.priority,
            attempts: job.attempts,
            max_attempts: job.max_attempts,
            visibility_timeout: job.visibility_timeout,
            created_at: job.created_at,
            last_updated: job.last_updated,
            lease_until: *until,
            worker_id: job.worker_id.as_deref(),
            dedup_id: job.dedup_id.as_deref(),
            error: job.error.as_deref(),
            created_by: job.created_by.as_deref(),
            schedule: job.schedule.as_deref(),
            backoff: BackoffShape { initial_ms, max_ms },
            retention: job.retention,
            history: job.history.iter().map(|attempt| renamed(json!(attempt))).collect(),
            sequence: job.sequence,
            lease_token: *token,
        }
    }
}

/// A lease.
pub(super) fn lease(lease: &Lease) -> Json {
    json!(LeaseShape::of(lease))
}

/// A schedule.
pub(super) fn schedule(schedule: &crate::queue::Schedule) -> Json {
    renamed(json!(schedule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_the_job_and_what_proves_it() {
        let stored = json!({
            "id": JobId::generate(), "type": "a", "payload": { "b_c": 1 }, "status": "IN_PROGRESS", "priority": -3,
            "attempts": 2, "max_attempts": 3, "visibility_timeout": 300, "created_at": 1, "last_updated": 2,
            "lease_until": 3, "worker_id": "w", "dedup_id": "d", "dedup_release": true, "error": "e", "created_by": "c",
            "schedule": "s", "backoff": { "initial_ms": 4, "max_ms": 5 }, "retention": 6, "sequence": 7, "order": 8,
            "history": [{ "attempt": 1, "worker_id": "w", "started_at": 1, "ended_at": 2, "outcome": "failed", "error": "e" }],
        });
        let of: Job = serde_json::from_str(&stored.to_string()).unwrap();
        let token = LeaseToken::generate();
        let mut shown = lease(&Lease { job: of.clone(), token, until: 3 });
        assert_eq!(shown.as_object_mut().unwrap().remove("leaseToken"), Some(json!(token)));
        assert_eq!(shown, job(&of));
    }

    #[test]
    fn names_are_written_as_everywhere() {
        assert_eq!((camel("id").as_str(), camel("max_attempts").as_str()), ("id", "maxAttempts"));
        assert_eq!(
            renamed(json!({"run_at": {"a_b": 1}})),
            json!({"runAt": {"a_b": 1}}),
            "what is inside stays"
        );
    }
}
