//! Which sessions wait for their peers, and since when: one timer wheel for all of them.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::base::{Span, StarlingId, TimerWheel};

/// The resolution.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// Slots of the wheel; what lies further ahead is looked at once for each turn.
const WIDTH: usize = 512;

/// A session that waits.
#[derive(Clone, Copy, Debug)]
struct Absence {
    session: StarlingId,
    /// Tells it from other absences of the same session.
    number: u32,
    due: u64,
}

/// All that wait.
#[derive(Debug)]
pub(super) struct Absences {
    ttl_ticks: u64,
    started: Instant,
    wheel: Mutex<TimerWheel<Absence>>,
}

impl Absences {
    /// Sessions wait for `ttl`.
    pub(super) fn new(ttl: Span) -> Self {
        let ttl_ticks = ttl.as_ms().div_ceil(TICK.as_millis() as u64);
        Self { ttl_ticks, started: Instant::now(), wheel: Mutex::new(TimerWheel::new(WIDTH, 0)) }
    }

    fn tick(&self) -> u64 {
        (self.started.elapsed().as_millis() / TICK.as_millis()) as u64
    }

    /// A session begins to wait.
    pub(super) fn begin(&self, session: StarlingId, number: u32) {
        // One more, for the tick that is under way.
        let due = self.tick() + self.ttl_ticks + 1;
        self.wheel.lock().insert(due, Absence { session, number, due });
    }

    /// Sessions that have waited for long enough, each with the number of its absence.
    pub(super) fn over(&self) -> Vec<(StarlingId, u32)> {
        let now = self.tick();
        let (mut handed, mut over) = (Vec::new(), Vec::new());
        let mut wheel = self.wheel.lock();
        wheel.advance(now, &mut handed);
        for absence in handed {
            if absence.due <= now {
                over.push((absence.session, absence.number));
            } else {
                wheel.insert(absence.due, absence);
            }
        }
        over
    }
}
