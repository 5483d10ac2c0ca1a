//! Brings leases to workers: looks who has room and what waits, leases for all of them in one commit, and hands over.

use std::collections::HashSet;
use std::time::Duration;

use super::ids::JobType;
use super::lease::{Demand, Lease};
use super::{Queue, QueueError, keys, rates};
use crate::store::View;

/// How long to wait when the store takes no writes.
const PAUSE: Duration = Duration::from_secs(1);

impl Queue {
    /// Gives leases until the store is closed.
    pub(super) async fn dispatch(&self) {
        let mut soon = None::<Duration>;
        loop {
            tokio::select! {
                () = self.0.seats.woken() => {}
                () = tokio::time::sleep(soon.unwrap_or_default()), if soon.is_some() => {}
                () = self.store().ended() => return,
            }
            soon = loop {
                match self.give().await {
                    Ok(Given::Some) => {}
                    Ok(Given::Nothing(soon)) => break soon,
                    Err(QueueError::Closed) => return,
                    Err(error) => {
                        tracing::error!(%error, "no leases can be given");
                        break Some(PAUSE);
                    }
                }
            };
        }
    }

    /// Gives what can be given now.
    async fn give(&self) -> Result<Given, QueueError> {
        let given = self.lease_for(self.0.seats.demands()).await?;
        if given.is_empty() {
            let waiting = waiting(&self.store().view(), &self.0.seats.demands());
            let next = waiting.iter().filter_map(|kind| rates::next_in(self.options(), kind)).min();
            return Ok(Given::Nothing(next));
        }
        self.hand_over(given).await;
        Ok(Given::Some)
    }

    /// Hands leases over to those who wanted them.
    pub(super) async fn hand_over(&self, given: Vec<(u64, Lease)>) {
        let seats: HashSet<u64> = given.iter().map(|(seat, _)| *seat).collect();
        let mut nobodys = Vec::new();
        for (seat, lease) in given {
            let (id, token) = (lease.job.id, lease.token);
            if !self.0.seats.deliver(seat, lease) {
                nobodys.push((id, token));
            }
        }
        self.0.seats.served(&seats);
        for (id, token) in nobodys {
            // Whoever wanted it has gone meanwhile.
            if let Err(error) = self.release(id, token).await {
                tracing::debug!(%error, job = %id, "a lease that nobody took is not given back");
            }
        }
    }

    /// Leases for these demands what there is at the moment.
    pub(super) async fn lease_for(&self, demands: Vec<Demand>) -> Result<Vec<(u64, Lease)>, QueueError> {
        if self.0.draining.is_cancelled() || waiting(&self.store().view(), &demands).is_empty() {
            return Ok(Vec::new());
        }
        let room = demands.iter().map(|demand| demand.room).sum();
        let claimed = self.0.rates.claim(self.options(), room, self.store().now_ms());
        let allowed = claimed.clone();
        let given = self.decide(move |step| Ok(step.lease(demands, &allowed))).await;
        self.0.rates.settle(claimed, given.as_deref().unwrap_or_default());
        given
    }
}

enum Given {
    Some,
    /// Nothing, and there is maybe more after so long.
    Nothing(Option<Duration>),
}

/// The types that are wanted and of which something waits.
pub(super) fn waiting(view: &View, demands: &[Demand]) -> Vec<JobType> {
    if demands.is_empty() {
        return Vec::new();
    }
    let wanted =
        |kind: &JobType| demands.iter().any(|demand| demand.types.is_empty() || demand.types.contains(kind));
    keys::types(view, keys::READY).filter(wanted).collect()
}
