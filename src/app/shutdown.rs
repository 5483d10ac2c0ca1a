//! The end in order, so that no accepted request is lost and not everybody comes back at once.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::gateway::Surroundings;
use crate::protocol::CloseCode;
use crate::starling::DrainPhase;

/// How an orderly stop went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drained {
    /// Every request was answered and every peer has gone.
    Completely,
    /// The time was up before.
    Partly {
        /// Requests that were not answered.
        requests: i64,
        /// Peers that were still there.
        peers: usize,
    },
}

const STEP: Duration = Duration::from_millis(5);

/// How long to wait for a moment without requests before new ones are refused.
const CALM: Duration = Duration::from_secs(1);

/// New peers are refused, peers are told, requests get their time, then everybody is closed with 1012.
pub(super) async fn drain(around: &Surroundings) -> Drained {
    let (shared, starlings) = (&around.shared, &around.starlings);
    let started = Instant::now();
    let limit = started + around.options.drain_timeout.get();
    info!(peers = starlings.count(), "draining");
    shared.begin_drain(around.options.drain_window.get());
    starlings.announce_drain(shared);
    // What comes in between is still answered; what comes once nothing runs is refused with a retry. Peers that never
    // stop asking must not use up the time of what they have asked.
    let calm = (started + CALM).min(limit);
    while shared.metrics.in_flight.get() > 0 && Instant::now() < calm {
        sleep(STEP).await;
    }
    shared.drain(DrainPhase::Refusing);
    while shared.metrics.in_flight.get() > 0 && Instant::now() < limit {
        sleep(STEP).await;
    }
    let requests = shared.metrics.in_flight.get();
    starlings.close_all(CloseCode::Restart, "the server restarts");
    let closing = Instant::now() + shared.options.close_timeout.get() + Duration::from_millis(500);
    while starlings.count() > 0 && Instant::now() < closing {
        sleep(STEP).await;
    }
    let peers = starlings.count();
    if requests == 0 && peers == 0 {
        info!(took_ms = started.elapsed().as_millis() as u64, "drained");
        return Drained::Completely;
    }
    warn!(requests, peers, "stopped before everything was done");
    Drained::Partly { requests, peers }
}
