//! Leasing: which of those that wait goes to whom.

use std::collections::HashMap;
use std::iter::Peekable;

use super::ids::{JobId, JobType, LeaseToken};
use super::job::{Held, Job, Status};
use super::keys;
use super::step::{EventKind, Step, payload_of, read};

/// Somebody who wants jobs.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    /// Which seat it is.
    pub(super) seat: u64,
    pub(super) worker: String,
    /// The name of whoever works.
    pub(super) by: Option<String>,
    /// The types that it takes; none are all.
    pub(super) types: Vec<JobType>,
    /// How many it has room for.
    pub(super) room: usize,
}

/// A job that was leased.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The job, with its payload.
    pub job: Job,
    /// What proves it.
    pub token: LeaseToken,
    /// When it ends, in milliseconds since the Unix epoch.
    pub until: u64,
}

/// Jobs that one step leases at the most.
const LEASES_MAX: usize = 256;

/// Keys that lead nowhere, which one step clears away at the most.
const STRAY_MAX: usize = 1_000;

/// What waits of one type, the next first.
struct Line<'a, I: Iterator<Item = &'a [u8]>> {
    kind: JobType,
    keys: Peekable<I>,
    /// Where the place of a job begins in a key.
    start: usize,
    /// How many may still be leased.
    left: usize,
}

impl Step<'_> {
    /// Leases what waits to those who want it: the highest priority first, the oldest of those; each demand in its turn.
    /// `allowed` is what rates leave of types that have one.
    pub(super) fn lease(
        &mut self,
        mut demands: Vec<Demand>,
        allowed: &HashMap<JobType, u64>,
    ) -> Vec<(u64, Lease)> {
        let view = self.view;
        let wanted = wanted(view, &demands);
        let wanted: Vec<_> = wanted.into_iter().map(|kind| (keys::line(keys::READY, &kind), kind)).collect();
        let mut lines: Vec<_> = wanted
            .iter()
            .map(|(prefix, kind)| {
                let kind = kind.clone();
                let running = self.count(keys::LEASED, &kind);
                let left = self.options.concurrency_of(&kind).saturating_sub(running);
                let left = left.min(allowed.get(&kind).map_or(usize::MAX, |left| *left as usize));
                let start = prefix.len();
                // As far as anybody looks, and no further.
                let found = view.range_from(prefix.as_bytes()).map(|(key, _)| key);
                let found = found.take_while(|key| key.starts_with(prefix.as_bytes())).take(left);
                Line { kind, keys: found.peekable(), start, left }
            })
            .collect();
        let (mut given, mut strays) = (Vec::new(), 0);
        // As long as anybody gets something.
        while given.len() < LEASES_MAX {
            let before = given.len();
            for demand in demands.iter_mut().filter(|demand| demand.room > 0) {
                while let Some(key) = next(&mut lines, &demand.types) {
                    if let Some(lease) = self.lease_one(key, demand) {
                        given.push((demand.seat, lease));
                        demand.room -= 1;
                        break;
                    }
                    strays += 1;
                }
                if given.len() >= LEASES_MAX || strays >= STRAY_MAX {
                    return given;
                }
            }
            if given.len() == before {
                break;
            }
        }
        given
    }

    /// Leases the job that a key of those that wait leads to. One that leads nowhere is cleared away.
    fn lease_one(&mut self, key: &[u8], demand: &Demand) -> Option<Lease> {
        let id: Option<JobId> = keys::id_of(key);
        let job = id.and_then(|id| read(self.view, id)).filter(|job| job.status == Status::Pending);
        let Some(mut job) = job else {
            tracing::error!(key = %String::from_utf8_lossy(key), "a job that waits is not there");
            self.commands.push(crate::store::Command::delete(key));
            return None;
        };
        let Some(payload) = payload_of(self.view, &job) else {
            // Somebody has touched the store; nobody can do anything with it.
            let reason = "its payload is not there any more".to_owned();
            self.leave(&job);
            job.error = Some(reason.clone());
            self.finish(job, Status::Failed, EventKind::Nacked, Some(reason));
            return None;
        };
        self.leave(&job);
        let (token, until) =
            (LeaseToken::generate(), self.now_ms + job.visibility_timeout.saturating_mul(1_000));
        job.status = Status::InProgress;
        job.attempts += 1;
        job.run_at = None;
        job.last_updated = self.now_ms;
        job.lease_until = Some(until);
        job.worker_id = Some(demand.worker.clone());
        job.lease = Some(Held { token, started_at: self.now_ms, by: demand.by.clone() });
        self.enter(job.clone(), EventKind::Dequeued, None);
        (job.payload, job.sequence) = (Some(payload), job.sequence + 1);
        Some(Lease { job, token, until })
    }
}

/// The types that are wanted and of which something waits.
fn wanted(view: &crate::store::View, demands: &[Demand]) -> Vec<JobType> {
    if demands.iter().any(|demand| demand.types.is_empty()) {
        return keys::types(view, keys::READY).collect();
    }
    let mut all: Vec<JobType> = demands.iter().flat_map(|demand| demand.types.iter().cloned()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The key of the next job of these types.
fn next<'a, I: Iterator<Item = &'a [u8]>>(lines: &mut [Line<'a, I>], types: &[JobType]) -> Option<&'a [u8]> {
    let first = lines
        .iter_mut()
        .filter(|line| line.left > 0 && (types.is_empty() || types.contains(&line.kind)))
        .filter_map(|line| line.keys.peek().map(|key| &key[line.start..]).map(|place| (place, &line.kind)))
        .min()
        .map(|(_, kind)| kind.clone())?;
    let line = lines.iter_mut().find(|line| line.kind == first)?;
    line.left -= 1;
    line.keys.next()
}
