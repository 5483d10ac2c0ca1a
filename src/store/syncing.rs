//! Bringing everything to the disk at once, whatever the mode.

use tokio::sync::oneshot;

use super::Store;
use super::error::StoreError;
use super::queue::Order;

impl Store {
    /// Returns once everything that was answered is on the disk, whatever the mode promises. For a thread that may wait.
    ///
    /// # Errors
    /// If the disk fails or the store is closed.
    pub fn sync_blocking(&self) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.0.shared.queue.push(Order::Sync { answer })?;
        answered.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }
}
