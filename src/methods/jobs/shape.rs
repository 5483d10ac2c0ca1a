//! Jobs as peers see them.

use serde_json::{Map, Value as Json, json};

use crate::queue::{Job, Lease, Progress};

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
    let bytes =
        |raw: &Option<Box<serde_json::value::RawValue>>| raw.as_ref().map_or(0, |raw| raw.get().len());
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

/// A lease: the job, and what proves it.
pub(super) fn lease(lease: &Lease) -> Json {
    let mut shown = job(&lease.job);
    shown["leaseToken"] = lease.token.to_string().into();
    shown
}

/// A schedule.
pub(super) fn schedule(schedule: &crate::queue::Schedule) -> Json {
    renamed(json!(schedule))
}

#[cfg(test)]
mod tests {
    use super::*;

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
