//! Bringing leases to a worker over its session.

use serde::Serialize;
use serde_json::{json, to_value};

use super::shape::LeaseShape;
use super::work::Workers;
use super::{Desk, WORK};
use crate::dispatch::{Context, SendError};
use crate::protocol::Codec;
use crate::queue::{Lease, Seat, SeatMessage};

/// Notifications to workers.
const LEASE: &str = "jobs:lease";
const LEASES: &str = "jobs:leases";
const LOST: &str = "jobs:lost";

/// Leases that are told together, and roughly the bytes of their payloads.
const TOGETHER_MAX: usize = 100;
const TOGETHER_BYTES: usize = 64 * 1024;

/// Whoever brings leases to one worker.
pub(super) struct Porter {
    pub(super) ctx: Context,
    pub(super) desk: Desk,
    pub(super) worker: String,
    /// Whether it takes several in one message.
    pub(super) together: bool,
}

/// Leases that come together.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Leases<'a> {
    worker_id: &'a str,
    jobs: Vec<LeaseShape<'a>>,
}

impl Porter {
    /// Brings leases as long as the session is there and may work.
    pub(super) async fn bring(self, mut seat: Seat) {
        // What is told comes behind the answer.
        self.ctx.answer_sent().await;
        let starling = self.ctx.starling();
        let (ended, mut presence) = (starling.ended(), starling.presence());
        // It may have been cut off before it had its answer.
        seat.set_away(!*presence.borrow_and_update());
        let gone = loop {
            tokio::select! {
                Ok(()) = presence.changed() => seat.set_away(!*presence.borrow_and_update()),
                message = seat.next() => match message {
                    // Somebody has taken the seat over, or it was given up.
                    None => break false,
                    Some(_) if !self.desk.may(&starling.principal(), WORK) => break true,
                    Some(message) => if self.tell(message, &mut seat).await.is_err() { break true },
                },
                () = ended.cancelled() => break true,
            }
        };
        if gone {
            starling.extensions().with(|workers: &mut Workers| workers.0.remove(&self.worker));
            // Whatever it had may have been begun.
            if let Err(error) = seat.leave(false).await {
                let worker = self.worker;
                tracing::warn!(%error, worker, "the leases of a worker that is gone end with their time");
            }
        }
    }

    /// Tells a worker what there is for it by now.
    async fn tell(&self, first: SeatMessage, seat: &mut Seat) -> Result<(), SendError> {
        let (mut leases, mut bytes) = (Vec::new(), 0);
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                SeatMessage::Lost { id, kind } => {
                    self.hand_over(std::mem::take(&mut leases), seat).await?;
                    let lost = json!({ "id": id, "reason": kind.as_str() });
                    self.ctx.starling().notify(LOST, &lost)?;
                }
                SeatMessage::Lease(lease) => {
                    bytes += lease.job.payload.as_ref().map_or(0, |payload| payload.get().len());
                    leases.push(*lease);
                    if !self.together || leases.len() == TOGETHER_MAX || bytes > TOGETHER_BYTES {
                        self.hand_over(std::mem::take(&mut leases), seat).await?;
                        bytes = 0;
                    }
                }
            }
            next = seat.next_now();
        }
        self.hand_over(leases, seat).await
    }

    async fn hand_over(&self, leases: Vec<Lease>, seat: &Seat) -> Result<(), SendError> {
        if leases.is_empty() {
            return Ok(());
        }
        let sent = match &*leases {
            [lease] if !self.together => self.notify(LEASE, &LeaseShape::of(lease)),
            _ => {
                let jobs = leases.iter().map(LeaseShape::of).collect();
                self.notify(LEASES, &Leases { worker_id: &self.worker, jobs })
            }
        };
        match (sent, &*leases) {
            (Err(error @ (SendError::Payload(_) | SendError::Encode(_))), [lease]) => {
                self.fail(lease, &error).await;
                Ok(())
            }
            (Err(SendError::Payload(_) | SendError::Encode(_)), _) => {
                // Together they are too long; or one of them is.
                for lease in leases {
                    Box::pin(self.hand_over(vec![lease], seat)).await?;
                }
                Ok(())
            }
            (Err(SendError::SlowConsumer | SendError::Full), _) => {
                // Its socket is being closed; the session may come back, and work on.
                seat.set_away(true);
                self.give_back(leases).await;
                Ok(())
            }
            (sent, _) => {
                // The socket is offered what is there before more is.
                tokio::task::yield_now().await;
                sent
            }
        }
    }

    /// Leases that their worker has not heard of are others'.
    async fn give_back(&self, leases: Vec<Lease>) {
        for lease in leases {
            if let Err(error) = self.desk.queue.release(lease.job.id, lease.token).await {
                tracing::debug!(%error, job = %lease.job.id, "a lease that was not told ends with its time");
            }
        }
    }

    fn notify<T: Serialize>(&self, topic: &str, data: &T) -> Result<(), SendError> {
        let starling = self.ctx.starling();
        match starling.dialect().codec {
            Codec::Json => starling.notify(topic, data),
            // Payloads are JSON, and have to be read to be written otherwise.
            _ => starling.notify(topic, &to_value(data).unwrap_or_default()),
        }
    }

    /// A lease that does not fit into a message never will: its job has failed.
    async fn fail(&self, lease: &Lease, error: &SendError) {
        let (id, reason) = (lease.job.id, Some(format!("the job cannot be told: {error}")));
        if let Err(error) = self.desk.queue.nack(id, lease.token, reason, true, None).await {
            tracing::error!(%error, job = %id, "a job is not failed");
        }
    }
}
