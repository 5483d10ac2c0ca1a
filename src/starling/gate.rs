//! Keeps the order of what a peer sends while some calls wait to be written down: what comes behind such a call
//! begins after it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

/// What is done when its turn has come.
type Work = Box<dyn FnOnce()>;

/// The row of one connection. Clones mean the same one.
#[derive(Clone, Default)]
pub(super) struct Gate(Rc<RefCell<Row>>);

#[derive(Default)]
struct Row {
    places: VecDeque<Place>,
    next: u64,
    /// Bytes of messages that wait behind calls.
    bytes: usize,
}

struct Place {
    number: u64,
    /// Nothing as long as the call is being written down.
    work: Option<Work>,
    bytes: usize,
}

/// What may wait behind calls: messages, and their bytes.
const MESSAGES_MAX: usize = 10_000;
const BYTES_MAX: usize = 16 << 20;

impl Gate {
    /// Whether anything waits.
    pub(super) fn is_shut(&self) -> bool {
        !self.0.borrow().places.is_empty()
    }

    /// Takes a place for a call that is being written down; [`Gate::ready`] says when it is.
    pub(super) fn enter(&self) -> u64 {
        let mut row = self.0.borrow_mut();
        row.next += 1;
        let number = row.next;
        row.places.push_back(Place { number, work: None, bytes: 0 });
        number
    }

    /// Whether so many bytes more may wait.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let row = self.0.borrow();
        row.places.len() < MESSAGES_MAX && row.bytes + bytes <= BYTES_MAX
    }

    /// Does something once all calls before have begun.
    pub(super) fn follow(&self, bytes: usize, work: Work) {
        let mut row = self.0.borrow_mut();
        row.bytes += bytes;
        row.places.push_back(Place { number: 0, work: Some(work), bytes });
    }

    /// The call with this place may begin when its turn comes.
    pub(super) fn ready(&self, number: u64, work: Work) {
        if let Some(place) = self.0.borrow_mut().places.iter_mut().find(|place| place.number == number) {
            place.work = Some(work);
        }
        self.go_on();
    }

    /// Does what is at the head of the row, as far as it may begin.
    fn go_on(&self) {
        while let Some((work, bytes)) = self.first_that_may() {
            // Meanwhile nothing is in the row: a frame that had to wait must not wait behind itself.
            let behind = std::mem::take(&mut self.0.borrow_mut().places);
            work();
            let mut row = self.0.borrow_mut();
            row.bytes -= bytes;
            let entered = std::mem::replace(&mut row.places, behind);
            row.places.extend(entered);
        }
    }

    fn first_that_may(&self) -> Option<(Work, usize)> {
        let mut row = self.0.borrow_mut();
        let work = row.places.front_mut()?.work.take()?;
        let place = row.places.pop_front()?;
        Some((work, place.bytes))
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate({})", self.0.borrow().places.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_behind_a_call_begins_after_it() {
        let gate = Gate::default();
        let seen = Rc::new(RefCell::new(Vec::new()));
        let note = |what: &'static str| {
            let seen = Rc::clone(&seen);
            Box::new(move || seen.borrow_mut().push(what)) as Work
        };
        let first = gate.enter();
        gate.follow(1, note("behind first"));
        let second = gate.enter();
        gate.follow(1, note("behind second"));
        gate.ready(second, note("second"));
        assert!(seen.borrow().is_empty() && gate.is_shut());
        gate.ready(first, note("first"));
        assert_eq!(*seen.borrow(), ["first", "behind first", "second", "behind second"]);
        assert!(!gate.is_shut());
    }

    #[test]
    fn what_waits_is_bounded() {
        let gate = Gate::default();
        gate.enter();
        assert!(gate.has_room(BYTES_MAX));
        gate.follow(BYTES_MAX, Box::new(|| {}));
        assert!(!gate.has_room(1));
    }
}
