//! Where jobs lie in the store.
//!
//! | key | value |
//! |---|---|
//! | `job:{id}` | the job, JSON; ends with its retention once it is over |
//! | `job:dedup:{dedup id}` | the id of the job; ends with its lifetime |
//! | `queue:payload:{id}` | a payload that is too long to be written with each change of its job |
//! | `queue:ready:{type}/{priority}{order}{id}` | nothing: it may be leased. 100 - priority in 3 digits, order in 20 |
//! | `queue:delayed:{type}/{time}{id}` | nothing: it may be leased at that time. 20 digits, as all times here |
//! | `queue:leased:{type}/{time}{id}` | nothing: its lease ends at that time |
//! | `queue:done:`, `queue:failed:`, `queue:dlq:`, `queue:cancelled:` + `{type}/{time}{id}` | nothing: it was over at that time |
//! | `queue:schedule:{name}` | a schedule, JSON |
//! | `queue:due:{time}{name}` | nothing: when a schedule fires next |
//!
//! Keys are sorted, so the first below a prefix is the next; counting what lies below one visits nothing.

use std::fmt::Write;

use super::ids::{JobId, JobType};
use super::job::{Job, Status};
use crate::store::View;

pub(super) const JOBS: &str = "job:";
pub(super) const READY: &str = "queue:ready:";
pub(super) const DELAYED: &str = "queue:delayed:";
pub(super) const LEASED: &str = "queue:leased:";
pub(super) const SCHEDULES: &str = "queue:schedule:";
pub(super) const DUE: &str = "queue:due:";

/// Letters of an id in a key.
const ID_LEN: usize = 33;

/// Digits of a time.
const TIME_LEN: usize = 20;

pub(super) fn job(id: JobId) -> String {
    format!("{JOBS}{id}")
}

pub(super) fn payload(id: JobId) -> String {
    format!("queue:payload:{id}")
}

/// The job of a type and owner with a dedup id: nobody takes another's ids.
pub(super) fn dedup(kind: &JobType, owner: Option<&str>, id: &str) -> String {
    let owner = owner.unwrap_or_default();
    // The length, because an owner's name may have colons.
    format!("job:dedup:{kind}:{}:{owner}:{id}", owner.len())
}

pub(super) fn schedule(name: &str) -> String {
    format!("{SCHEDULES}{name}")
}

pub(super) fn due(at: u64, name: &str) -> String {
    format!("{DUE}{at:020}{name}")
}

/// What the keys of jobs of one type begin with, in a family.
pub(super) fn line(family: &str, kind: &JobType) -> String {
    format!("{family}{kind}/")
}

/// The family in which jobs lie that are over.
pub(super) fn over(status: Status) -> &'static str {
    match status {
        Status::Failed => "queue:failed:",
        Status::Dlq => "queue:dlq:",
        Status::Cancelled => "queue:cancelled:",
        Status::Done | Status::Pending | Status::InProgress => "queue:done:",
    }
}

/// The families in which jobs of a status lie.
pub(super) fn families(status: Status) -> &'static [&'static str] {
    match status {
        Status::Pending => &[READY, DELAYED],
        Status::InProgress => &[LEASED],
        Status::Done => &["queue:done:"],
        Status::Failed => &["queue:failed:"],
        Status::Dlq => &["queue:dlq:"],
        Status::Cancelled => &["queue:cancelled:"],
    }
}

pub(super) fn ready(job: &Job) -> String {
    let before = (100 - i16::from(job.priority)).max(0) as u64;
    let mut key = begun(READY, job);
    digits(&mut key, before, 3);
    digits(&mut key, job.order, TIME_LEN);
    ended(key, job)
}

pub(super) fn timed(family: &str, job: &Job, at: u64) -> String {
    let mut key = begun(family, job);
    digits(&mut key, at, TIME_LEN);
    ended(key, job)
}

// There are eight of these keys for each job that runs.

fn begun(family: &str, job: &Job) -> String {
    let mut key = String::with_capacity(128);
    key.push_str(family);
    key.push_str(job.kind.as_str());
    key.push('/');
    key
}

fn ended(mut key: String, job: &Job) -> String {
    // Writing to a text does not fail.
    let _ = write!(key, "{}", job.id);
    key
}

/// A number with leading zeros.
fn digits(key: &mut String, mut number: u64, count: usize) {
    let mut text = [b'0'; TIME_LEN];
    for digit in text[..count].iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    key.push_str(str::from_utf8(&text[..count]).unwrap_or_default());
}

/// The id at the end of a key.
pub(super) fn id_of(key: &[u8]) -> Option<JobId> {
    let id = key.len().checked_sub(ID_LEN).map(|start| &key[start..])?;
    std::str::from_utf8(id).ok()?.parse().ok()
}

/// The time in a key of a family whose keys have one.
pub(super) fn time_of(key: &[u8]) -> Option<u64> {
    let start = key.iter().position(|byte| *byte == b'/')? + 1;
    std::str::from_utf8(key.get(start..start + TIME_LEN)?).ok()?.parse().ok()
}

/// Time and name in the key of what is due.
pub(super) fn due_of(key: &[u8]) -> Option<(u64, &str)> {
    let (time, name) =
        std::str::from_utf8(key.strip_prefix(DUE.as_bytes())?).ok()?.split_at_checked(TIME_LEN)?;
    Some((time.parse().ok()?, name))
}

/// The types of which something lies in a family, in their order. One look for each of them.
pub(super) fn types<'a>(view: &'a View, family: &'a str) -> impl Iterator<Item = JobType> + 'a {
    let mut from = family.as_bytes().to_vec();
    std::iter::from_fn(move || {
        loop {
            let (key, _) =
                view.range_from(&from).next().filter(|(key, _)| key.starts_with(family.as_bytes()))?;
            let name = &key[family.len()..];
            let end = name.iter().position(|byte| *byte == b'/').unwrap_or(name.len());
            // Behind all that begin with this name and a slash.
            from = [family.as_bytes(), &name[..end], b"0"].concat();
            let kind = std::str::from_utf8(&name[..end]).ok().and_then(|name| name.parse().ok());
            if kind.is_some() {
                return kind;
            }
        }
    })
}
