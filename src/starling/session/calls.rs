//! Request ids that a session remembers, so that a repeat joins or replays instead of running twice. Pure.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::protocol::RequestId;

/// How much is remembered.
#[derive(Clone, Copy, Debug)]
pub(in crate::starling) struct Window {
    /// Requests.
    pub(in crate::starling) count: usize,
    /// Bytes of answers.
    pub(in crate::starling) bytes: usize,
    /// Milliseconds after the answer.
    pub(in crate::starling) span_ms: u64,
}

/// What is known of a request that has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::starling) enum Known {
    /// Nothing: it may run, and from now on it is running.
    New,
    /// It is running; its answer will come.
    Running,
    /// It has run, and this was the answer.
    Answered(Arc<[u8]>),
    /// It has run, or has begun to when the server stopped; what it gave is not known any more.
    Forgotten,
}

/// The requests of a session in the order in which they came.
#[derive(Debug, Default)]
pub(in crate::starling) struct Calls {
    known: HashMap<RequestId, Call, RandomState>,
    order: VecDeque<RequestId>,
    bytes: usize,
}

#[derive(Debug)]
enum Call {
    Running,
    Answered { answer: Option<Arc<[u8]>>, at_ms: u64 },
}

impl Calls {
    /// A request has come.
    pub(in crate::starling) fn begin(&mut self, id: RequestId, now_ms: u64, window: Window) -> Known {
        self.prune(now_ms, window);
        match self.known.get(&id) {
            Some(Call::Running) => Known::Running,
            Some(Call::Answered { answer: Some(answer), .. }) => Known::Answered(Arc::clone(answer)),
            Some(Call::Answered { answer: None, .. }) => Known::Forgotten,
            None => {
                self.known.insert(id, Call::Running);
                self.order.push_back(id);
                Known::New
            }
        }
    }

    /// It was answered; `None` if nobody knows with what.
    pub(in crate::starling) fn answered(&mut self, id: &RequestId, answer: Option<&[u8]>, now_ms: u64) {
        if !self.known.contains_key(id) {
            self.order.push_back(*id);
        }
        self.bytes += answer.map_or(0, <[u8]>::len);
        let answer = answer.map(Arc::from);
        self.known.insert(*id, Call::Answered { answer, at_ms: now_ms });
    }

    /// It never ran: a repeat may.
    pub(in crate::starling) fn undone(&mut self, id: &RequestId) {
        if matches!(self.known.get(id), Some(Call::Running)) {
            self.known.remove(id);
            self.order.retain(|known| known != id);
        }
    }

    /// Forgets answers that are too old or too many. What runs is never forgotten, and what is forgotten for
    /// its length alone is still known to have run.
    pub(in crate::starling) fn prune(&mut self, now_ms: u64, window: Window) {
        // What runs longest stands in front, often; behind it others are done.
        while let Some((place, at_ms)) = self.oldest_answer() {
            if self.order.len() <= window.count && now_ms < at_ms.saturating_add(window.span_ms) {
                break;
            }
            let id = self.order.remove(place);
            if let Some(Call::Answered { answer: Some(answer), .. }) =
                id.and_then(|id| self.known.remove(&id))
            {
                self.bytes -= answer.len();
            }
        }
        for id in &self.order {
            if self.bytes <= window.bytes {
                break;
            }
            if let Some(Call::Answered { answer, .. }) = self.known.get_mut(id) {
                self.bytes -= answer.take().map_or(0, |answer| answer.len());
            }
        }
        if self.order.is_empty() {
            *self = Self::default();
        }
    }

    /// The place and the time of the oldest request that was answered.
    fn oldest_answer(&self) -> Option<(usize, u64)> {
        self.order.iter().enumerate().find_map(|(place, id)| match self.known.get(id) {
            Some(Call::Answered { at_ms, .. }) => Some((place, *at_ms)),
            _ => None,
        })
    }

    #[cfg(test)]
    // Whether nothing is remembered.
    pub(in crate::starling) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { count: 3, bytes: 10, span_ms: 100 };

    #[test]
    fn a_repeat_joins_what_runs_and_replays_what_was_answered() {
        let (mut calls, id) = (Calls::default(), RequestId::generate());
        assert_eq!(calls.begin(id, 0, WINDOW), Known::New);
        assert_eq!(calls.begin(id, 0, WINDOW), Known::Running);
        calls.answered(&id, Some(b"four"), 5);
        assert_eq!(calls.begin(id, 104, WINDOW), Known::Answered(b"four"[..].into()));
        assert_eq!(calls.begin(id, 105, WINDOW), Known::New, "after its time it is a new one");
    }

    #[test]
    fn what_never_ran_may_run() {
        let (mut calls, id) = (Calls::default(), RequestId::generate());
        calls.begin(id, 0, WINDOW);
        calls.undone(&id);
        assert!(calls.is_empty());
        assert_eq!(calls.begin(id, 0, WINDOW), Known::New);
        calls.answered(&id, None, 0);
        calls.undone(&id);
        assert_eq!(calls.begin(id, 0, WINDOW), Known::Forgotten, "what has run stays known");
    }

    #[test]
    fn the_window_is_bounded_and_long_answers_go_first() {
        let mut calls = Calls::default();
        let ids: Vec<RequestId> = (0..4).map(|_| RequestId::generate()).collect();
        for id in &ids[..3] {
            calls.begin(*id, 0, WINDOW);
            calls.answered(id, Some(b"sixsix"), 0);
        }
        assert_eq!(calls.begin(ids[0], 1, WINDOW), Known::Forgotten, "it ran, its answer was too much");
        assert_eq!(calls.begin(ids[2], 1, WINDOW), Known::Answered(b"sixsix"[..].into()));
        calls.begin(ids[3], 1, WINDOW);
        calls.answered(&ids[3], None, 1);
        calls.prune(1, WINDOW);
        assert_eq!(
            calls.begin(ids[0], 1, WINDOW),
            Known::New,
            "one too many: the oldest is not known any more"
        );
        calls.prune(1_000, WINDOW);
        assert_eq!(calls.begin(ids[0], 1_000, WINDOW), Known::Running, "what runs stays");
    }
}
