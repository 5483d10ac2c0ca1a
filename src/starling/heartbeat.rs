//! Pings, idle peers and stuck closes, by one timer wheel for each worker thread.
//!
//! A connection costs a weak pointer in the wheel, no timer. The wheel's tick is also the coarse clock that
//! connections stamp what they hear with, so a read never asks the system for the time.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::link::Link;
use super::options::ConnectionOptions;
use crate::base::TimerWheel;

/// The resolution of everything in here.
const TICK: Duration = Duration::from_millis(100);

/// A connection is looked at this often, however far its deadline is: an entry keeps the memory of a
/// connection that has left until its turn comes, and many come and go.
const HOP: u32 = 25;

/// Slots of the wheel; nothing lies further ahead than a hop.
const WIDTH: usize = 32;

/// Waiting times in ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// Silence after which a peer is pinged; 0 is never.
    ping: u32,
    /// Silence after a ping that means death.
    dead: u32,
    /// Time without a message after which a peer is closed; 0 is never.
    idle: u32,
    /// Time that a peer has to answer a close frame.
    pub(super) close: u32,
}

impl Timing {
    pub(super) fn of(options: &ConnectionOptions) -> Self {
        let ticks = |span: crate::base::Span| (span.as_ms().div_ceil(TICK.as_millis() as u64)) as u32;
        Self {
            ping: ticks(options.ping_interval),
            dead: ticks(options.ping_timeout).max(1),
            idle: ticks(options.idle_timeout),
            close: ticks(options.close_timeout).max(1),
        }
    }

    fn first(&self) -> u32 {
        [self.ping, self.idle].into_iter().filter(|ticks| *ticks > 0).min().unwrap_or(u32::MAX / 2)
    }
}

/// What is known of a peer's life, packed into eight bytes: ticks modulo 2^20 (29 hours), compared by
/// distance. Options keep every waiting time under 24 hours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Pulse {
    heard: u32,
    spoken: u32,
    mark: u32,
    state: Life,
}

/// What `mark` is the time of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Life {
    #[default]
    Fine,
    Pinged,
    Closing,
}

const MODULUS: u32 = 1 << 20;

/// What the wheel does with a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Ask again at this tick.
    Wait(u32),
    /// Ping, and ask again at this tick.
    Ping(u32),
    /// Close: no message for too long.
    Idle,
    /// Close without waiting for an answer, and ask again at this tick.
    Dead(u32),
}

fn since(now: u32, then: u32) -> u32 {
    (now.wrapping_sub(then)) & (MODULUS - 1)
}

impl Pulse {
    pub(super) fn starting(now: u32) -> Self {
        Self { heard: now, spoken: now, mark: now, state: Life::Fine }
    }

    pub(super) fn heard(self, spoken: bool, now: u32) -> Self {
        let state = if self.state == Life::Pinged { Life::Fine } else { self.state };
        Self { heard: now, spoken: if spoken { now } else { self.spoken }, state, ..self }
    }

    pub(super) fn closing(self, now: u32) -> Self {
        match self.state {
            Life::Closing => self,
            _ => Self { mark: now, state: Life::Closing, ..self },
        }
    }

    /// When a close that has begun must be over; `None` if that is now.
    pub(super) fn close_due(self, now: u32, timing: &Timing) -> Option<u32> {
        if self.state != Life::Closing {
            return Some(now + timing.close);
        }
        let gone = since(now, self.mark);
        (gone < timing.close).then(|| now + timing.close - gone)
    }

    pub(super) fn judge(self, now: u32, timing: &Timing) -> (Verdict, Self) {
        let mut due = u32::MAX;
        if timing.idle > 0 {
            let gone = since(now, self.spoken);
            if gone >= timing.idle {
                return (Verdict::Idle, self.closing(now));
            }
            due = timing.idle - gone;
        }
        if timing.ping == 0 {
            return (Verdict::Wait(now.saturating_add(due.min(MODULUS / 4))), self);
        }
        if self.state == Life::Pinged {
            let gone = since(now, self.mark);
            if gone >= timing.dead {
                // As if the close had been asked for long ago: it is only tried.
                let mark = now.wrapping_sub(timing.close).wrapping_add(2);
                return (Verdict::Dead(now + 2), Self { mark, state: Life::Closing, ..self });
            }
            return (Verdict::Wait(now + due.min(timing.dead - gone)), self);
        }
        let gone = since(now, self.heard);
        if gone >= timing.ping {
            let pinged = Self { mark: now, state: Life::Pinged, ..self };
            return (Verdict::Ping(now + due.min(timing.dead)), pinged);
        }
        (Verdict::Wait(now + due.min(timing.ping - gone)), self)
    }

    pub(super) fn pack(self) -> u64 {
        let part = |tick: u32| u64::from(tick & (MODULUS - 1));
        part(self.heard) | part(self.spoken) << 20 | part(self.mark) << 40 | (self.state as u64) << 60
    }

    pub(super) fn unpack(packed: u64) -> Self {
        let part = |shift: u32| (packed >> shift) as u32 & (MODULUS - 1);
        let state = match packed >> 60 {
            0 => Life::Fine,
            1 => Life::Pinged,
            _ => Life::Closing,
        };
        Self { heard: part(0), spoken: part(20), mark: part(40), state }
    }
}

struct Worker {
    started: Instant,
    now: Cell<u32>,
    wheel: RefCell<TimerWheel<(Weak<Link>, Timing)>>,
    turning: Cell<bool>,
}

thread_local! {
    static WORKER: Worker = Worker {
        started: Instant::now(),
        now: Cell::new(0),
        wheel: RefCell::new(TimerWheel::new(WIDTH, 0)),
        turning: Cell::new(false),
    };
}

/// The coarse time of this thread. Stands still while no connection is watched.
pub(super) fn now() -> u32 {
    WORKER.with(|worker| worker.now.get())
}

/// Watches a connection of this thread from now on.
pub(super) fn watch(link: &Arc<Link>, timing: Timing) {
    start_turning();
    insert(now().saturating_add(timing.first()), Arc::downgrade(link), timing);
}

/// A close has begun: the peer gets `timing.close` to answer.
pub(super) fn watch_close(link: &Arc<Link>, timing: Timing) {
    start_turning();
    link.closing_since(now());
    insert(now() + timing.close, Arc::downgrade(link), timing);
}

fn insert(due: u32, link: Weak<Link>, timing: Timing) {
    let due = due.min(now() + HOP);
    WORKER.with(|worker| worker.wheel.borrow_mut().insert(u64::from(due), (link, timing)));
}

fn start_turning() {
    WORKER.with(|worker| {
        if !worker.turning.replace(true) {
            worker.turn_to_now();
            actix_rt::spawn(turn());
        }
    });
}

impl Worker {
    /// Moves the coarse clock, and gives what became due.
    fn turn_to_now(&self) -> Vec<(Weak<Link>, Timing)> {
        let tick = self.started.elapsed().as_millis() / TICK.as_millis();
        self.now.set(tick as u32);
        let mut due = Vec::new();
        self.wheel.borrow_mut().advance(tick as u64, &mut due);
        due
    }
}

/// Turns the wheel until nobody is watched any more.
async fn turn() {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let due = WORKER.with(Worker::turn_to_now);
        for (link, timing) in due {
            let next = link.upgrade().and_then(|link| link.on_tick(now(), &timing));
            if let Some(next) = next {
                insert(next, link, timing);
            }
        }
        let idle = WORKER.with(|worker| {
            let empty = worker.wheel.borrow().is_empty();
            worker.turning.set(!empty);
            empty
        });
        if idle {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing { ping: 250, dead: 100, idle: 0, close: 50 };

    #[test]
    fn a_silent_peer_is_pinged_then_given_up() {
        let pulse = Pulse::starting(1_000);
        assert_eq!(pulse.judge(1_100, &TIMING).0, Verdict::Wait(1_250));
        let (verdict, pinged) = pulse.judge(1_250, &TIMING);
        assert_eq!(verdict, Verdict::Ping(1_350));
        assert_eq!(pinged.judge(1_350, &TIMING).0, Verdict::Dead(1_352));
        let answered = pinged.heard(false, 1_300);
        assert_eq!(answered.judge(1_350, &TIMING).0, Verdict::Wait(1_550));
    }

    #[test]
    fn pongs_do_not_count_against_idleness() {
        let timing = Timing { idle: 600, ..TIMING };
        let pulse = Pulse::starting(0).heard(false, 500);
        assert_eq!(pulse.judge(600, &timing).0, Verdict::Idle);
        assert_eq!(pulse.heard(true, 500).judge(600, &timing).0, Verdict::Wait(750));
    }

    #[test]
    fn packing_keeps_everything_across_the_turn_of_the_clock() {
        let pulse = Pulse::starting(MODULUS - 10).closing(MODULUS - 5);
        assert_eq!(Pulse::unpack(pulse.pack()), pulse);
        assert_eq!(pulse.close_due(MODULUS + 5, &TIMING), Some(MODULUS + 45));
        assert_eq!(pulse.close_due(MODULUS + 45, &TIMING), None);
    }
}
