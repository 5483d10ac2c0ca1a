//! Acknowledging, and getting the next in the same moment: a worker that is done with a job has room for another one, and what
//! waits is leased to it in the same flush. To wait for the answer first would cost a flush more for each job.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::deciding::{Deciding, came_of};
use super::dispatcher::waiting;
use super::lease::{Demand, Lease};
use super::rates::Claimed;
use super::settle::{Ack, Settled};
use super::step::Step;
use super::surely::surely;
use super::{Queue, QueueError};
use crate::store::Command;

/// How many of its jobs are over, for each who has demanded the next ones.
type Freed = Arc<[AtomicUsize]>;

/// Leases, with the seats that they are for.
type Leased = Vec<(u64, Lease)>;

impl Queue {
    /// A job is done. Its effects happen with it, once, however often this is said.
    ///
    /// # Errors
    /// If the lease is over, the result is too long, or it cannot be written.
    pub async fn ack(&self, ack: Ack) -> Result<Settled, QueueError> {
        self.ack_each(vec![ack]).await.pop().unwrap_or(Err(QueueError::Closed))
    }

    /// Several jobs are done, each for itself. With one flush for all.
    pub async fn ack_each(&self, all: Vec<Ack>) -> Vec<Result<Settled, QueueError>> {
        let ids: Vec<_> = all.iter().map(|ack| ack.id).collect();
        let (demands, whose) = self.0.seats.demands_after(&ids);
        let freed: Freed = demands.iter().map(|_| AtomicUsize::new(0)).collect();
        let steps = all.into_iter().zip(whose).map(|(ack, whose)| self.acking(ack, whose, &freed));
        let (mut commands, made): (Vec<_>, Vec<_>) = steps.map(|step| self.deciding(step)).unzip();
        let next = self.following(demands, freed);
        let (next, claimed) = next.map_or((None, Claimed::default()), |(command, next, claimed)| {
            commands.push(command);
            (Some(next), claimed)
        });
        let queue = self.clone();
        surely(async move {
            let mut done = queue.run(commands).await;
            let leased = next.and_then(|next| Some((next, done.pop()?)));
            let (given, mut events) = came_of(made, done);
            if let Some((next, leased)) = leased {
                // If they cannot be written, what was acknowledged could not be either, and has said so.
                let (leases, its) = next.done(leased).unwrap_or_default();
                queue.0.rates.settle(claimed, &leases);
                events.extend(its);
                // Before the room of those that are over is seen by anybody else.
                queue.hand_over(leases).await;
            }
            queue.heed(events).await;
            given
        })
        .await
    }

    /// The step that leases the next ones, if any wait, and what was taken from the rates for it.
    fn following(&self, demands: Vec<Demand>, freed: Freed) -> Option<(Command, Deciding<Leased>, Claimed)> {
        if self.0.draining.is_cancelled() || waiting(&self.store().view(), &demands).is_empty() {
            return None;
        }
        let most = demands.iter().map(|demand| demand.room).sum();
        let claimed = self.0.rates.claim(self.options(), most, self.store().now_ms());
        let allowed = claimed.clone();
        let step = move |step: &mut Step<'_>| Ok(step.lease(with_room(demands, &freed), &allowed));
        let (command, next) = self.deciding(step);
        Some((command, next, claimed))
    }

    fn acking(
        &self,
        ack: Ack,
        whose: Option<usize>,
        freed: &Freed,
    ) -> impl FnOnce(&mut Step<'_>) -> Result<Settled, QueueError> + Send + 'static {
        let (checked, freed) = (self.check_result(ack.result.as_deref()), Arc::clone(freed));
        move |step| {
            checked?;
            let Ack { id, token, result, effects } = ack;
            let settled = step.ack(id, token, result, effects)?;
            if let (Some(whose), false) = (whose, settled.repeated) {
                freed[whose].fetch_add(1, Ordering::Relaxed);
            }
            Ok(settled)
        }
    }
}

/// The demands with the room that there is after all.
fn with_room(mut demands: Vec<Demand>, freed: &Freed) -> Vec<Demand> {
    for (demand, freed) in demands.iter_mut().zip(&**freed) {
        demand.room = freed.load(Ordering::Relaxed);
    }
    demands
}
