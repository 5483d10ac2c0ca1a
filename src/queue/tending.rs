//! Minds the time: does what is due, and measures what there is.

use std::time::Duration;

use super::{Queue, QueueError, tick};

/// How often it is looked whether something is due, if nothing is known to be: the clock may be moved by hand.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How often what there is is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

impl Queue {
    /// Gives leases and keeps times until the store is closed.
    pub async fn tend(self) {
        tokio::join!(self.dispatch(), self.keep_times(), self.measure());
    }

    async fn keep_times(&self) {
        loop {
            let view = self.store().view();
            let now_ms = self.store().now_ms();
            let due = tick::next_due(&view, self.options().retention_max);
            if due.is_some_and(|at| at <= now_ms) {
                match self.decide(|step| Ok(step.tick())).await {
                    // What has waited for its time can be leased now.
                    Ok(_) => {
                        self.0.seats.wake();
                        continue;
                    }
                    Err(QueueError::Closed) => return,
                    Err(error) => tracing::error!(%error, "what is due with jobs is not done"),
                }
            }
            // A commit of somebody who has hung up before it was answered has told nobody what it brought.
            self.0.seats.wake();
            let wait = due.map_or(LOOK_EVERY, |at| Duration::from_millis(at.saturating_sub(now_ms)));
            tokio::select! {
                () = tokio::time::sleep(wait.clamp(Duration::from_millis(1), LOOK_EVERY)) => {}
                () = self.0.hurry.notified() => {}
                () = self.store().ended() => return,
            }
        }
    }

    async fn measure(&self) {
        loop {
            self.0.events.measure(&self.counts().0);
            tokio::select! {
                () = tokio::time::sleep(MEASURE_EVERY) => {}
                () = self.store().ended() => return,
            }
        }
    }
}
