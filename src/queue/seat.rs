//! A worker takes a seat, gets leases there, and gets up; or asks once for what there is.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::Queue;
use super::error::QueueError;
use super::ids::{JobId, JobType};
use super::lease::{Demand, Lease};
use super::seats::{Entry, SeatMessage, SeatWish};

/// The seat of a worker: leases come to it. Dropped it is free; leases that it has go on until their time is over, unless
/// they were given back.
#[derive(Debug)]
pub struct Seat {
    number: u64,
    queue: Queue,
    messages: mpsc::UnboundedReceiver<SeatMessage>,
    lost: Vec<JobId>,
}

/// A worker that has a seat.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AtWork {
    /// Its name.
    pub worker: String,
    /// The types that it takes; none are all.
    pub types: Vec<JobType>,
    /// Leases that it has.
    pub running: usize,
    /// Leases that it has at the most.
    pub concurrency: usize,
    /// Whether it cannot be reached at the moment, so that it gets none.
    pub away: bool,
}

/// Letters of a worker's name.
const WORKER_MAX: usize = 128;

/// Leases that one worker has at the most.
const CONCURRENCY_MAX: usize = 1_000;

impl Queue {
    /// A seat for a worker. One that has the same name and is the same caller is taken over with its leases; those that it
    /// names as its own from before go on, if they are not over.
    ///
    /// # Errors
    /// If the wish is wrong, somebody else has this name, or it cannot be written.
    pub async fn seat(&self, wish: SeatWish) -> Result<Seat, QueueError> {
        let invalid = |place, text: &str| Err(QueueError::Invalid { place, text: text.to_owned() });
        if wish.worker.is_empty() || wish.worker.len() > WORKER_MAX {
            return invalid("worker", "must have from 1 to 128 bytes");
        }
        if !(1..=CONCURRENCY_MAX).contains(&wish.concurrency) {
            return invalid("concurrency", "must be from 1 to 1000");
        }
        if wish.held.len() > CONCURRENCY_MAX {
            return invalid("held", "has more than 1000 leases");
        }
        let before = {
            let table = self.0.seats.table.lock();
            let same = table.seats.iter().find(|(_, entry)| entry.wish.worker == wish.worker && !entry.once);
            match same {
                Some((_, entry)) if entry.wish.by != wish.by => {
                    return Err(QueueError::WorkerTaken(wish.worker));
                }
                same => same.map(|(number, entry)| (*number, entry.held.clone())),
            }
        };
        let (number_before, known) = before.map_or((None, HashMap::new()), |(it, held)| (Some(it), held));
        let (worker, by, asked) = (wish.worker.clone(), wish.by.clone(), wish.held.clone());
        let ids: HashSet<JobId> = known.keys().copied().collect();
        let is_new = number_before.is_none();
        let lost =
            self.decide(move |step| Ok(step.resume((&worker, by.as_deref()), &asked, &ids, is_new))).await?;
        let (sink, messages) = mpsc::unbounded_channel();
        let mut table = self.0.seats.table.lock();
        // Those of the seat before, as they are now.
        let mut held = number_before.map(|number| table.leave(number)).unwrap_or_default();
        held.extend(wish.held.iter().copied().filter(|(id, _)| !lost.contains(id)));
        let number = table.sit(Entry { wish, held, away: false, once: false, sink });
        drop(table);
        self.0.seats.wake();
        Ok(Seat { number, queue: self.clone(), messages, lost })
    }

    /// Leases at most `max` jobs, and waits for the first of them. Gives none if none comes in time.
    ///
    /// # Errors
    /// If the wish is wrong.
    pub async fn lease(&self, wish: SeatWish, wait: std::time::Duration) -> Result<Vec<Lease>, QueueError> {
        let invalid = |place, text: &str| Err(QueueError::Invalid { place, text: text.to_owned() });
        if wish.worker.is_empty() || wish.worker.len() > WORKER_MAX {
            return invalid("worker", "must have from 1 to 128 bytes");
        }
        if !(1..=100).contains(&wish.concurrency) {
            return invalid("max", "must be from 1 to 100");
        }
        let (worker, by, types) = (wish.worker.clone(), wish.by.clone(), wish.types.clone());
        let demand = Demand { seat: 0, worker, by, types, room: wish.concurrency };
        let given = self.lease_now(demand).await?;
        if !given.is_empty() || wait.is_zero() {
            return Ok(given);
        }
        let (sink, messages) = mpsc::unbounded_channel();
        let entry = Entry { wish, held: HashMap::new(), away: false, once: true, sink };
        let number = self.0.seats.table.lock().sit(entry);
        self.0.seats.wake();
        let mut seat = Seat { number, queue: self.clone(), messages, lost: Vec::new() };
        let mut leases = Vec::new();
        tokio::select! {
            // The seat is taken away when all that there was is handed over.
            () = async { while let Some(SeatMessage::Lease(lease)) = seat.messages.recv().await { leases.push(*lease); } } => {}
            () = tokio::time::sleep(wait) => {}
            () = self.0.draining.cancelled() => {}
        }
        // Nothing is handed over any more; what was is not lost.
        self.0.seats.table.lock().leave(number);
        while let Ok(SeatMessage::Lease(lease)) = seat.messages.try_recv() {
            leases.push(*lease);
        }
        Ok(leases)
    }

    /// Leases what there is at the moment. What nobody is there to have any more is given back.
    async fn lease_now(&self, demand: Demand) -> Result<Vec<Lease>, QueueError> {
        let (queue, (sender, given)) = (self.clone(), oneshot::channel());
        tokio::spawn(async move {
            let given = queue.lease_for(vec![demand]).await;
            if let Err(Ok(nobodys)) = sender.send(given) {
                for (_, lease) in nobodys {
                    // One whose time is over is the clock's.
                    let _ = queue.release(lease.job.id, lease.token).await;
                }
            }
        });
        let given = given.await.unwrap_or(Err(QueueError::Closed))?;
        Ok(given.into_iter().map(|(_, lease)| lease).collect())
    }

    /// A worker takes no more. It keeps what it has to `finish` it, or that is given back. Gives how many it keeps.
    ///
    /// # Errors
    /// If somebody else works under this name, or it cannot be written.
    pub async fn rest(&self, worker: &str, by: Option<&str>, finish: bool) -> Result<usize, QueueError> {
        let held = {
            let mut table = self.0.seats.table.lock();
            let mut all = table.seats.iter_mut();
            let found = all.find(|(_, entry)| entry.wish.worker == worker && !entry.once);
            let Some((number, entry)) = found else { return Ok(0) };
            if entry.wish.by.as_deref() != by {
                return Err(QueueError::WorkerTaken(worker.to_owned()));
            }
            if finish {
                entry.wish.concurrency = 0;
                return Ok(entry.held.len());
            }
            let number = *number;
            table.leave(number)
        };
        self.decide(move |step| {
            // One whose time is over is the clock's.
            held.iter().for_each(|(id, token)| drop(step.release(*id, *token)));
            Ok(0)
        })
        .await
    }

    /// Workers that have a seat, by their names.
    pub fn workers(&self) -> Vec<AtWork> {
        let table = self.0.seats.table.lock();
        let about = |entry: &Entry| AtWork {
            worker: entry.wish.worker.clone(),
            types: entry.wish.types.clone(),
            running: entry.held.len(),
            concurrency: entry.wish.concurrency,
            away: entry.away,
        };
        let mut all: Vec<_> = table.seats.values().filter(|entry| !entry.once).map(about).collect();
        all.sort_by(|a, b| a.worker.cmp(&b.worker));
        all
    }
}

impl Seat {
    /// The next that there is to know; `None` once somebody else has taken the seat over.
    pub async fn next(&mut self) -> Option<SeatMessage> {
        self.messages.recv().await
    }

    /// The next, if it is there already.
    pub fn next_now(&mut self) -> Option<SeatMessage> {
        self.messages.try_recv().ok()
    }

    /// Of the leases that were named as held, those that are over.
    pub fn lost(&self) -> &[JobId] {
        &self.lost
    }

    /// Whether the worker cannot be reached for the time being: then it gets nothing, and keeps what it has.
    pub fn set_away(&self, away: bool) {
        if let Some(entry) = self.queue.0.seats.table.lock().seats.get_mut(&self.number) {
            entry.away = away;
        }
        if !away {
            self.queue.0.seats.wake();
        }
    }

    /// Takes no more, and keeps what it has.
    pub fn rest(&self) {
        if let Some(entry) = self.queue.0.seats.table.lock().seats.get_mut(&self.number) {
            entry.wish.concurrency = 0;
        }
    }

    /// Gets up. What it has ends now and is tried again, for it was maybe begun; or, `untouched`, was not.
    ///
    /// # Errors
    /// If it cannot be written: then the leases end with their time.
    pub async fn leave(self, untouched: bool) -> Result<(), QueueError> {
        let held = self.queue.0.seats.table.lock().leave(self.number);
        if held.is_empty() {
            return Ok(());
        }
        if !untouched {
            return self.queue.abandon(held.into_iter().collect()).await;
        }
        self.queue
            .decide(move |step| {
                // One whose time is over is the clock's.
                held.iter().for_each(|(id, token)| drop(step.release(*id, *token)));
                Ok(())
            })
            .await
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let held = self.queue.0.seats.table.lock().leave(self.number);
        // Of leases that nobody has been told of nobody will say anything.
        let untold =
            std::iter::from_fn(|| self.messages.try_recv().ok()).filter_map(|message| match message {
                SeatMessage::Lease(lease) if held.contains_key(&lease.job.id) => {
                    Some((lease.job.id, lease.token))
                }
                _ => None,
            });
        let untold: Vec<_> = untold.collect();
        if let (false, Ok(runtime)) = (untold.is_empty(), tokio::runtime::Handle::try_current()) {
            let queue = self.queue.clone();
            runtime.spawn(async move {
                for (id, token) in untold {
                    // One whose time is over is the clock's.
                    let _ = queue.release(id, token).await;
                }
            });
        }
    }
}
