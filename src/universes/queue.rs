//! What waits for the thread that changes universes.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::engine::Engine;
use super::error::UniverseError;
use super::gc::{Retention, Swept};

/// An operation: carries itself out, and gives what answers it.
pub(super) type Job = Box<dyn FnOnce(&mut Engine) -> Ran + Send>;

/// An operation that was carried out.
pub(super) struct Ran {
    /// Whether it failed: then nothing of it stays.
    pub(super) failed: bool,
    /// Tells how it ended, once it is written or cannot be.
    pub(super) answer: Box<dyn FnOnce(Result<(), UniverseError>) + Send>,
}

/// What the thread is told.
pub(super) enum Order {
    /// An operation. One that is alone is not written together with others.
    Work { job: Job, alone: bool },
    /// A checkpoint is done, or has failed.
    Checkpointed(Result<u64, UniverseError>),
    /// Takes away what nothing refers to any more.
    Sweep { retention: Retention, answer: oneshot::Sender<Result<Swept, UniverseError>> },
    /// Writes what is left, and ends.
    Close,
}

/// What waits for the thread.
#[derive(Default)]
pub(super) struct Queue {
    orders: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    orders: VecDeque<Order>,
    closed: bool,
}

impl Queue {
    /// Adds an order, unless too many operations wait or it is closed.
    pub(super) fn push(&self, order: Order, limit: usize) -> Result<(), UniverseError> {
        let mut waiting = self.orders.lock();
        if waiting.closed {
            return Err(UniverseError::Closed);
        }
        if matches!(order, Order::Work { .. }) && waiting.orders.len() >= limit {
            return Err(UniverseError::Busy);
        }
        waiting.closed = matches!(order, Order::Close);
        waiting.orders.push_back(order);
        self.arrived.notify_one();
        Ok(())
    }

    /// How many orders wait.
    pub(super) fn len(&self) -> usize {
        self.orders.lock().orders.len()
    }

    /// The next order; none if none comes for so long.
    pub(super) fn take(&self, patience: Duration) -> Option<Order> {
        let mut waiting = self.orders.lock();
        if waiting.orders.is_empty() {
            self.arrived.wait_for(&mut waiting, patience);
        }
        waiting.orders.pop_front()
    }

    /// The next operation, if it may be written together with others.
    pub(super) fn take_more(&self) -> Option<Job> {
        let mut waiting = self.orders.lock();
        match waiting.orders.front() {
            Some(Order::Work { alone: false, .. }) => match waiting.orders.pop_front() {
                Some(Order::Work { job, .. }) => Some(job),
                _ => None,
            },
            _ => None,
        }
    }

    /// Nobody may add anything any more; whoever waits for an answer gets none.
    pub(super) fn close(&self) {
        let mut waiting = self.orders.lock();
        waiting.closed = true;
        waiting.orders.clear();
    }
}
