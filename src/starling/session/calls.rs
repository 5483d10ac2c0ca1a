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

/// The requests of a session that must not run twice.
#[derive(Debug, Default)]
pub(in crate::starling) struct Calls {
    known: HashMap<RequestId, Call, RandomState>,
    /// Those that were answered, in the order of that.
    answered: VecDeque<RequestId>,
    /// So many of them, from the front, have no answer any more.
    bare: usize,
    bytes: usize,
    /// What was forgotten since somebody asked.
    dropped: Vec<RequestId>,
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
                Known::New
            }
        }
    }

    /// It was answered; `None` if nobody knows with what.
    pub(in crate::starling) fn answered(&mut self, id: &RequestId, answer: Option<&[u8]>, now_ms: u64) {
        let call = Call::Answered { answer: answer.map(Arc::from), at_ms: now_ms };
        if let Some(Call::Answered { .. }) = self.known.insert(*id, call) {
            // Only what runs is answered, and once.
            return;
        }
        self.bytes += answer.map_or(0, <[u8]>::len);
        self.answered.push_back(*id);
    }

    /// It never ran: a repeat may.
    pub(in crate::starling) fn undone(&mut self, id: &RequestId) {
        if matches!(self.known.get(id), Some(Call::Running)) {
            self.known.remove(id);
        }
    }

    /// Forgets answers that are too old or too many. What runs is never forgotten, and what is forgotten for
    /// its length alone is still known to have run.
    pub(in crate::starling) fn prune(&mut self, now_ms: u64, window: Window) {
        while let Some(first) = self.answered.front() {
            let over = match self.known.get(first) {
                Some(Call::Answered { at_ms, .. }) => now_ms >= at_ms.saturating_add(window.span_ms),
                _ => true,
            };
            if !over && self.answered.len() <= window.count {
                break;
            }
            let Some(first) = self.answered.pop_front() else { break };
            self.bare = self.bare.saturating_sub(1);
            if let Some(Call::Answered { answer: Some(answer), .. }) = self.known.remove(&first) {
                self.bytes -= answer.len();
            }
            self.dropped.push(first);
        }
        while self.bytes > window.bytes {
            let Some(id) = self.answered.get(self.bare) else { break };
            if let Some(Call::Answered { answer, .. }) = self.known.get_mut(id) {
                self.bytes -= answer.take().map_or(0, |answer| answer.len());
            }
            self.bare += 1;
        }
        if self.known.is_empty() && self.dropped.is_empty() {
            *self = Self::default();
        }
    }

    /// What was answered is for nobody any more; that it has run stays known.
    pub(in crate::starling) fn forget_answers(&mut self) {
        for call in self.known.values_mut() {
            if let Call::Answered { answer, .. } = call {
                *answer = None;
            }
        }
        (self.bytes, self.bare) = (0, self.answered.len());
    }

    /// What was forgotten since the last call.
    pub(in crate::starling) fn take_dropped(&mut self) -> Vec<RequestId> {
        std::mem::take(&mut self.dropped)
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
        assert_eq!(calls.begin(ids[1], 1, WINDOW), Known::Forgotten, "so it was with the next");
        assert_eq!(calls.begin(ids[2], 1, WINDOW), Known::Answered(b"sixsix"[..].into()));
        calls.begin(ids[3], 1, WINDOW);
        calls.answered(&ids[3], None, 1);
        calls.prune(1, WINDOW);
        assert_eq!(
            calls.begin(ids[0], 1, WINDOW),
            Known::New,
            "one too many: the oldest is not known any more"
        );
        assert_eq!(calls.take_dropped(), [ids[0]]);
        calls.prune(1_000, WINDOW);
        assert_eq!(calls.begin(ids[0], 1_000, WINDOW), Known::Running, "what runs stays");
    }
}
