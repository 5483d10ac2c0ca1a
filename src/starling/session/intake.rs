//! Counts what a peer has sent, for one connection at a time. Pure.
//!
//! A peer that knows our extensions counts too, and sends again after a resume what we have not counted. So the
//! moment at which a connection takes a session over decides for each message of the old one whether it counts:
//! not both, not neither.

use std::sync::atomic::{AtomicU64, Ordering};

/// The messages of a session so far, and which connection may add to them.
#[derive(Debug, Default)]
pub(in crate::starling) struct Intake(AtomicU64);

/// A connection's right to speak for the session, until the next connection takes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::starling) struct Turn(u16);

const TURN_BITS: u32 = 16;

impl Intake {
    /// Counts a message; `false` if another connection speaks for the session now.
    pub(in crate::starling) fn count(&self, turn: Turn) -> bool {
        self.add(turn, 1)
    }

    /// Whether a message of this connection is to be looked at, without counting it.
    pub(in crate::starling) fn admits(&self, turn: Turn) -> bool {
        self.add(turn, 0)
    }

    fn add(&self, turn: Turn, messages: u64) -> bool {
        let added = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
            (now as u16 == turn.0).then_some(now.wrapping_add(messages << TURN_BITS))
        });
        added.is_ok()
    }

    /// Gives the right to a new connection, and how many messages came before.
    pub(in crate::starling) fn take_over(&self) -> (Turn, u64) {
        let next = |now: u64| (now & !0xffff) | u64::from((now as u16).wrapping_add(1));
        let before = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| Some(next(now)));
        let before = before.unwrap_or_default();
        (Turn((before as u16).wrapping_add(1)), before >> TURN_BITS)
    }

    /// How many messages have come.
    pub(in crate::starling) fn counted(&self) -> u64 {
        self.0.load(Ordering::Acquire) >> TURN_BITS
    }

    /// Counts on from what a process before this one has counted.
    pub(in crate::starling) fn go_on_from(&self, counted: u64) {
        let next = |now: u64| (now & 0xffff) | (counted << TURN_BITS);
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| Some(next(now)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_counts_for_the_connection_that_has_the_turn() {
        let intake = Intake::default();
        let (first, before) = intake.take_over();
        assert_eq!(before, 0);
        assert!(intake.count(first) && intake.count(first) && intake.admits(first));
        let (second, before) = intake.take_over();
        assert_eq!(before, 2);
        assert!(!intake.count(first) && !intake.admits(first), "the old one is not listened to");
        assert!(intake.count(second));
        assert_eq!(intake.counted(), 3);
        intake.go_on_from(10);
        assert!(intake.count(second));
        assert_eq!(intake.counted(), 11);
    }
}
