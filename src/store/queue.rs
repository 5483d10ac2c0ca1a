//! The way to the writer: bounded, in order, taken a whole batch at a time.

use std::mem;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Semaphore, oneshot};

use super::command::Work;
use super::error::StoreError;
use super::homes::Waiting;

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Carry out some work and say what it gave. `permits` is the room that it takes.
    Work { work: Vec<Work>, permits: u32, answer: Waiting },
    /// Bring everything that was answered to the disk, whatever the mode.
    Sync { answer: oneshot::Sender<Result<(), StoreError>> },
    /// Write a snapshot and say its revision.
    Snapshot { answer: oneshot::Sender<Result<u64, StoreError>> },
    /// A snapshot is written, or could not be.
    SnapshotDone { revision: u64, written: Result<u64, String>, took: Duration },
    /// Write what waits, and end.
    Close { answer: oneshot::Sender<Result<(), StoreError>> },
}

/// Orders that wait for the writer.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Line>,
    arrived: Condvar,
    /// Room for commands. Who finds none waits at the door.
    room: Semaphore,
    room_max: usize,
}

#[derive(Debug, Default)]
struct Line {
    orders: Vec<Order>,
    closed: bool,
}

impl Queue {
    pub(super) fn new(room_max: usize) -> Self {
        let room_max = room_max.clamp(1, Semaphore::MAX_PERMITS);
        let room = Semaphore::new(room_max);
        Self { waiting: Mutex::default(), arrived: Condvar::new(), room, room_max }
    }

    /// Puts work at the end, once there is room.
    pub(super) async fn push_work(&self, work: Vec<Work>, answer: Waiting) -> Result<(), StoreError> {
        // More than all the room would wait for ever.
        let weight: usize = work.iter().map(Work::weight).sum();
        let permits = u32::try_from(weight.min(self.room_max)).unwrap_or(u32::MAX);
        let permit = self.room.acquire_many(permits).await.map_err(|_| StoreError::Closed)?;
        permit.forget();
        self.push(Order::Work { work, permits, answer })
    }

    /// Puts an order at the end, whether or not there is room.
    pub(super) fn push(&self, order: Order) -> Result<(), StoreError> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(StoreError::Closed);
        }
        waiting.orders.push(order);
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// All orders that wait; none if none comes in time.
    pub(super) fn take(&self, patience: Duration) -> Vec<Order> {
        let mut waiting = self.waiting.lock();
        if waiting.orders.is_empty() && !patience.is_zero() {
            self.arrived.wait_for(&mut waiting, patience);
        }
        let orders = mem::take(&mut waiting.orders);
        drop(waiting);
        let room = orders.iter().map(|order| match order {
            Order::Work { permits, .. } => *permits as usize,
            _ => 0,
        });
        self.room.add_permits(room.sum());
        orders
    }

    /// Refuses whatever comes, and forgets what waits: those who asked are told that it is closed.
    pub(super) fn close(&self) {
        self.room.close();
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        let forgotten = mem::take(&mut waiting.orders);
        drop(waiting);
        drop(forgotten);
    }
}
