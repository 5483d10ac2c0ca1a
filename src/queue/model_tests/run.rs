//! What must be, and whether it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::*;
use crate::base::{Clock, Span};
use crate::store::{Seams, StoreOptions};
use crate::testing::MemoryDisk;

/// What a job must be like.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Model {
    pub(super) status: Status,
    pub(super) attempts: u32,
    pub(super) max_attempts: u32,
    pub(super) priority: i8,
    pub(super) kind: &'static str,
    /// Its place: as many were enqueued before.
    pub(super) order: usize,
    /// When it may be leased, or its lease ends.
    pub(super) at: u64,
    pub(super) token: Option<LeaseToken>,
}

impl Model {
    pub(super) fn is_live(&self, now: u64) -> bool {
        self.status == Status::InProgress && self.at > now
    }
}

pub(super) struct Run {
    pub(super) seed: u64,
    pub(super) random: Random,
    pub(super) clock: Clock,
    pub(super) disk: MemoryDisk,
    pub(super) options: QueueOptions,
    pub(super) jobs: BTreeMap<JobId, Model>,
    /// Tokens of leases that are over: nobody can do anything with them.
    pub(super) stale: Vec<(JobId, LeaseToken)>,
    pub(super) rt: tokio::runtime::Runtime,
    /// Acknowledged, so that nothing happens to it any more.
    pub(super) acknowledged: HashMap<JobId, u32>,
}

pub(super) const KINDS: [&str; 3] = ["a", "b.c", "b:d"];

impl Run {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::seeded(seed);
        let disk = MemoryDisk::new(random.next_u64());
        let mut options = QueueOptions {
            backoff: Span::secs(2),
            backoff_max: Span::secs(8),
            retention: Span::secs(86_400 * 365),
            retention_failed: Span::millis(0),
            ..QueueOptions::default()
        };
        options.types.insert("a".into(), TypeOptions { concurrency: 4, ..TypeOptions::default() });
        Self {
            seed,
            random,
            clock: Clock::manual(1_763_712_000_000),
            disk,
            options,
            jobs: BTreeMap::new(),
            stale: Vec::new(),
            rt: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            acknowledged: HashMap::new(),
        }
    }

    pub(super) fn open(&mut self) -> Queue {
        let options = StoreOptions {
            data_dir: "/store".into(),
            snapshot_interval_time: Span::millis(0),
            ..StoreOptions::default()
        };
        let seams =
            Seams { disk: Arc::new(self.disk.clone()), clock: self.clock.clone(), ..Seams::default() };
        let store = Store::open(&options, seams).expect("it opens");
        Queue::new(&store, &self.options, Random::seeded(self.random.next_u64()))
    }

    pub(super) fn pick(&mut self, fits: impl Fn(&Model) -> bool) -> Option<JobId> {
        let fitting: Vec<JobId> = self.jobs.iter().filter(|(_, job)| fits(job)).map(|(id, _)| *id).collect();
        (!fitting.is_empty()).then(|| fitting[self.random.next_u64() as usize % fitting.len()])
    }

    pub(super) fn now(&self) -> u64 {
        self.clock.now_ms()
    }

    /// The store shows what the model says: jobs, and the places where they are found.
    pub(super) fn compare(&self, queue: &Queue) {
        let seed = self.seed;
        let view = queue.store().view();
        let mut places: HashMap<JobId, Vec<String>> = HashMap::new();
        for (key, _) in view.prefix(b"queue:").filter(|(key, _)| !key.starts_with(b"queue:payload:")) {
            let id = keys::id_of(key).unwrap_or_else(|| panic!("seed {seed}: a key of a job"));
            places.entry(id).or_default().push(String::from_utf8_lossy(key).into_owned());
        }
        let stored = view.prefix(b"job:j").count();
        assert_eq!(stored, self.jobs.len(), "seed {seed}: no job is lost, and none is made up");
        for (id, model) in &self.jobs {
            let job = queue.job(*id).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            let told = (job.status, job.attempts, job.priority, job.lease_until.unwrap_or(model.at));
            let wanted = (model.status, model.attempts, model.priority, model.at);
            let lease_end = model.status == Status::InProgress;
            assert_eq!((told.0, told.1, told.2), (wanted.0, wanted.1, wanted.2), "seed {seed}: {id}");
            assert!(!lease_end || told.3 == wanted.3, "seed {seed}: {id} {told:?} {wanted:?}");
            let place = &places[id];
            assert_eq!(place.len(), 1, "seed {seed}: {id} lies in one place: {place:?}");
            let families = keys::families(model.status);
            assert!(families.iter().any(|family| place[0].starts_with(family)), "seed {seed}: {place:?}");
            let effects = view.value(format!("kv:{id}").as_bytes()).map(|value| value.as_bytes().to_vec());
            let acked = self.acknowledged.contains_key(id);
            assert_eq!(
                effects.as_deref(),
                acked.then_some(&b"1"[..]),
                "seed {seed}: {id}: once, with its end"
            );
        }
    }

    /// What was asked last and not answered has happened or not: the model takes over what is there, if either is legal.
    pub(super) fn adopt(&mut self, queue: &Queue) {
        let view = queue.store().view();
        for (key, _) in view.prefix(b"job:j") {
            let Some(job) = keys::id_of(key).and_then(|id| step::read(&view, id)) else { continue };
            let order = self.jobs.len();
            let kind = KINDS.into_iter().find(|kind| *kind == job.kind.as_str()).unwrap();
            let at = job.lease_until.or(job.run_at).or(job.completed_at).unwrap_or(job.created_at);
            let found = Model {
                status: job.status,
                attempts: job.attempts,
                max_attempts: job.max_attempts,
                priority: job.priority,
                kind,
                order,
                at,
                token: job
                    .lease
                    .as_ref()
                    .map(|lease| lease.token)
                    .filter(|_| job.status == Status::InProgress),
            };
            match self.jobs.get_mut(&job.id) {
                None => {
                    assert_eq!(
                        (found.status, found.attempts),
                        (Status::Pending, 0),
                        "seed {}: new",
                        self.seed
                    );
                    self.jobs.insert(job.id, found);
                }
                Some(known) => {
                    assert!(
                        known.status != Status::Done || found.status == Status::Done,
                        "seed {}: what was acknowledged stays so",
                        self.seed
                    );
                    *known = Model { order: known.order, ..found };
                }
            }
            if job.status == Status::Done {
                self.acknowledged.insert(job.id, 1);
            }
        }
    }
}

pub(super) fn effects_key(effects: &[Command]) -> crate::store::Key {
    match &effects[0] {
        Command::Increment { key, .. } => Arc::clone(key),
        _ => unreachable!(),
    }
}

/// Whether a job lay among the ready before a lease was given: those that were given are not there any more.
pub(super) fn queue_ready(queue: &Queue, id: JobId, given: &[(u64, Lease)]) -> bool {
    if given.iter().any(|(_, lease)| lease.job.id == id) {
        return true;
    }
    let view = queue.store().view();
    step::read(&view, id).is_some_and(|job| view.get(keys::ready(&job).as_bytes()).is_some())
}
