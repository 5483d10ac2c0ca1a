//! Where workers sit: who wants jobs of which types, has which, and has room for how many more.

use std::collections::{BTreeMap, HashMap, HashSet};

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::ids::{JobId, JobType, LeaseToken};
use super::job::Ending;
use super::lease::{Demand, Lease};
use super::step::{EventKind, JobEvent};

/// Somebody who wants to work.
#[derive(Clone, Debug, Default)]
pub struct SeatWish {
    /// What it calls itself. Whoever comes with the same name takes over what it has.
    pub worker: String,
    /// The name of who it is, if it has one.
    pub by: Option<String>,
    /// The types that it takes; none are all.
    pub types: Vec<JobType>,
    /// Leases that it has at the same time.
    pub concurrency: usize,
    /// Leases that it has already, from before.
    pub held: Vec<(JobId, LeaseToken)>,
}

/// What a worker is told.
#[derive(Clone, Debug)]
pub enum SeatMessage {
    /// It has a lease.
    Lease(Box<Lease>),
    /// A lease that it had is over: by time, or its job was called off.
    Lost {
        /// The job.
        id: JobId,
        /// What has happened.
        kind: EventKind,
    },
}

/// Which part of its room, as a divisor, is worth a lease of its own.
const NOTABLE: usize = 8;

/// All seats.
#[derive(Debug, Default)]
pub(super) struct Seats {
    pub(super) table: Mutex<Table>,
    woken: Notify,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    last: u64,
    pub(super) seats: BTreeMap<u64, Entry>,
    /// Who has which job.
    holders: HashMap<JobId, u64>,
}

/// One seat that is taken.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) wish: SeatWish,
    pub(super) held: HashMap<JobId, LeaseToken>,
    /// Its worker cannot be reached at the moment: it gets nothing.
    pub(super) away: bool,
    /// It takes what it gets at once, and no more.
    pub(super) once: bool,
    /// Bounded by what it has room for: at most two messages for each lease.
    pub(super) sink: mpsc::UnboundedSender<SeatMessage>,
}

impl Entry {
    fn room(&self) -> usize {
        match self.away {
            true => 0,
            false => self.wish.concurrency.saturating_sub(self.held.len()),
        }
    }

    /// Whether it is to have the next as soon as so many of its jobs are over. One by one, each with a lease of its own, is dear for
    /// whoever works on many: those get theirs a little later, and together.
    fn takes_after(&self, freed: usize) -> bool {
        let reachable = !self.away && self.held.len() <= self.wish.concurrency;
        reachable && freed * NOTABLE >= self.wish.concurrency
    }

    fn demand(&self, seat: u64, room: usize) -> Demand {
        let SeatWish { worker, by, types, .. } = &self.wish;
        Demand { seat, worker: worker.clone(), by: by.clone(), types: types.clone(), room }
    }
}

impl Seats {
    pub(super) fn wake(&self) {
        self.woken.notify_one();
    }

    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }

    /// Who has room.
    pub(super) fn demands(&self) -> Vec<Demand> {
        let table = self.table.lock();
        let with_room = table.seats.iter().filter(|(_, entry)| entry.room() > 0);
        with_room.map(|(number, entry)| entry.demand(*number, entry.room())).collect()
    }

    /// Who would have notably more room if these jobs were over, and for each of them whose it is, as a place in what is demanded.
    pub(super) fn demands_after(&self, over: &[JobId]) -> (Vec<Demand>, Vec<Option<usize>>) {
        let table = self.table.lock();
        let mut freed = BTreeMap::<u64, usize>::new();
        let numbers: Vec<_> = over.iter().map(|id| table.holders.get(id).copied()).collect();
        numbers.iter().flatten().for_each(|number| *freed.entry(*number).or_default() += 1);
        let demand = |(number, freed): (&u64, &usize)| {
            let entry = table.seats.get(number).filter(|entry| entry.takes_after(*freed))?;
            Some(entry.demand(*number, *freed))
        };
        let demands: Vec<_> = freed.iter().filter_map(demand).collect();
        let place = |number: u64| demands.iter().position(|demand| demand.seat == number);
        let whose = numbers.into_iter().map(|number| number.and_then(place)).collect();
        (demands, whose)
    }

    /// Hands a lease over. Says whether there is still somebody to have it.
    pub(super) fn deliver(&self, number: u64, lease: Lease) -> bool {
        let mut table = self.table.lock();
        let Some(entry) = table.seats.get_mut(&number) else { return false };
        // It has gone to rest, or is away, since it was asked for.
        if !entry.once && (entry.away || entry.wish.concurrency == 0) {
            return false;
        }
        let (id, token) = (lease.job.id, lease.token);
        if entry.sink.send(SeatMessage::Lease(Box::new(lease))).is_err() {
            return false;
        }
        entry.held.insert(id, token);
        table.holders.insert(id, number);
        true
    }

    /// All that was to be had at once is handed over.
    pub(super) fn served(&self, numbers: &HashSet<u64>) {
        let mut table = self.table.lock();
        for number in numbers {
            if table.seats.get(number).is_some_and(|entry| entry.once) {
                table.leave(*number);
            }
        }
    }

    /// A job is in nobody's hands any more.
    pub(super) fn settled(&self, event: &JobEvent) {
        let mut table = self.table.lock();
        let id = event.job.id;
        let Some(number) = table.holders.get(&id).copied() else { return };
        let Some(entry) = table.seats.get_mut(&number) else { return };
        // It may have been leased again meanwhile: that is another lease.
        if event.job.lease.as_ref().map(|lease| lease.token) != entry.held.get(&id).copied() {
            return;
        }
        entry.held.remove(&id);
        let expired = event.job.history.last().is_some_and(|attempt| attempt.outcome == Ending::Expired);
        if expired || event.kind == EventKind::Cancelled {
            // Whoever is gone needs not be told.
            let _ = entry.sink.send(SeatMessage::Lost { id, kind: event.kind });
        }
        table.holders.remove(&id);
    }
}

impl Table {
    pub(super) fn leave(&mut self, number: u64) -> HashMap<JobId, LeaseToken> {
        let held = self.seats.remove(&number).map(|entry| entry.held).unwrap_or_default();
        self.holders.retain(|_, holder| *holder != number);
        held
    }

    pub(super) fn sit(&mut self, entry: Entry) -> u64 {
        self.last += 1;
        let number = self.last;
        self.holders.extend(entry.held.keys().map(|id| (*id, number)));
        self.seats.insert(number, entry);
        number
    }
}
