//! Looking at jobs. Readers take the published version of the store and never wait.

use std::collections::BTreeMap;

use serde::Serialize;

use super::error::QueueError;
use super::ids::{JobId, JobType};
use super::job::{Job, Status};
use super::schedule::{self, Schedule};
use super::step::{payload_of, read};
use super::{Queue, keys};
use crate::store::View;

/// Which jobs are listed.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Where they stand.
    pub status: Option<Status>,
    /// Of this type alone.
    pub kind: Option<JobType>,
}

/// A page of jobs.
#[derive(Clone, Debug)]
pub struct Page {
    /// The jobs, without their payloads.
    pub jobs: Vec<Job>,
    /// Where the next page begins; `None` if this was the last.
    pub next: Option<String>,
}

/// How many jobs of one type there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Counts {
    /// Those that may be leased.
    pub ready: usize,
    /// Those that wait for their time.
    pub delayed: usize,
    /// Those that are leased.
    #[serde(rename = "inProgress")]
    pub in_progress: usize,
    /// Those that are done and still kept.
    pub done: usize,
    /// Those that have failed for good.
    pub failed: usize,
    /// Those in the dead-letter queue.
    pub dlq: usize,
    /// Those that were called off.
    pub cancelled: usize,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.ready += other.ready;
        self.delayed += other.delayed;
        self.in_progress += other.in_progress;
        self.done += other.done;
        self.failed += other.failed;
        self.dlq += other.dlq;
        self.cancelled += other.cancelled;
    }

    /// How many have a status.
    pub fn of(&self, status: Status) -> usize {
        match status {
            Status::Pending => self.ready + self.delayed,
            Status::InProgress => self.in_progress,
            Status::Done => self.done,
            Status::Failed => self.failed,
            Status::Dlq => self.dlq,
            Status::Cancelled => self.cancelled,
        }
    }
}

/// Keys that one page looks at; who filters for what is rare goes on from there.
const LOOKED_AT_MAX: usize = 10_000;

impl Queue {
    /// A job with its payload.
    ///
    /// # Errors
    /// If there is none.
    pub fn job(&self, id: JobId) -> Result<Job, QueueError> {
        let view = self.store().view();
        let mut job = read(&view, id).ok_or(QueueError::NotFound(id))?;
        job.payload = payload_of(&view, &job);
        Ok(job)
    }

    /// Jobs: with a status the next first, or the first to end; without one by their age. `from` is where an earlier page
    /// has stopped.
    pub fn jobs(&self, filter: &Filter, from: Option<&str>, limit: usize) -> Page {
        let view = self.store().view();
        let prefixes = prefixes(&view, filter);
        let mut page = Page { jobs: Vec::new(), next: None };
        let mut looked_at = 0;
        for prefix in prefixes {
            let start = from.filter(|from| *from > prefix.as_str()).unwrap_or(&prefix).as_bytes();
            for (key, _) in view.range_from(start).take_while(|(key, _)| key.starts_with(prefix.as_bytes())) {
                if page.jobs.len() >= limit || looked_at >= LOOKED_AT_MAX {
                    page.next = Some(String::from_utf8_lossy(key).into_owned());
                    return page;
                }
                looked_at += 1;
                let job = keys::id_of(key).and_then(|id| read(&view, id));
                let fits = |job: &Job| {
                    filter.status.is_none_or(|status| status == job.status)
                        && filter.kind.as_ref().is_none_or(|kind| *kind == job.kind)
                };
                page.jobs.extend(job.filter(fits).map(|job| Job { payload: None, ..job }));
            }
        }
        page
    }

    /// How many jobs there are, by type and together.
    pub fn counts(&self) -> (Counts, BTreeMap<String, Counts>) {
        let view = self.store().view();
        let mut types: BTreeMap<String, Counts> = BTreeMap::new();
        for status in Status::ALL {
            for family in keys::families(status) {
                for kind in keys::types(&view, family) {
                    types.entry(kind.to_string()).or_insert_with(|| of_type(&view, &kind));
                }
            }
        }
        let mut all = Counts::default();
        types.values().for_each(|counts| all.add(*counts));
        (all, types)
    }

    /// Schedules, by their names.
    pub fn schedules(&self) -> Vec<Schedule> {
        let view = self.store().view();
        let names = view.prefix(keys::SCHEDULES.as_bytes()).map(|(key, _)| &key[keys::SCHEDULES.len()..]);
        names.filter_map(|name| schedule::read(&view, std::str::from_utf8(name).ok()?)).collect()
    }

    /// The schedule of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn schedule(&self, name: &str) -> Result<Schedule, QueueError> {
        let found = schedule::read(&self.store().view(), name);
        found.ok_or_else(|| QueueError::NoSchedule(name.to_owned()))
    }
}

/// What the keys begin with that lead to jobs, in their order.
fn prefixes(view: &View, filter: &Filter) -> Vec<String> {
    let Some(status) = filter.status else {
        // A letter more than the keys of dedup ids have.
        return vec![format!("{}j", keys::JOBS)];
    };
    let mut families = keys::families(status).to_vec();
    families.sort_unstable();
    let lines = |family: &&'static str| match &filter.kind {
        Some(kind) => vec![keys::line(family, kind)],
        None => keys::types(view, family).map(|kind| keys::line(family, &kind)).collect(),
    };
    families.iter().flat_map(lines).collect()
}

fn of_type(view: &View, kind: &JobType) -> Counts {
    let count = |family: &str| view.count(keys::line(family, kind).as_bytes());
    Counts {
        ready: count(keys::READY),
        delayed: count(keys::DELAYED),
        in_progress: count(keys::LEASED),
        done: count(keys::over(Status::Done)),
        failed: count(keys::over(Status::Failed)),
        dlq: count(keys::over(Status::Dlq)),
        cancelled: count(keys::over(Status::Cancelled)),
    }
}
