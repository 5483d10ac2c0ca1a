//! A topic, and the lock that orders what happens to it.

use std::sync::Arc;

use parking_lot::Mutex;

use super::history::History;
use super::namespace::Namespace;
use super::position::Position;
use super::presence::Presence;
use super::shard::Shard;
use crate::protocol::TopicPattern;

/// A topic, or a pattern that somebody has subscribed to.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    /// Its number, for the tables of shards.
    pub(super) id: u64,
    pub(super) namespace: Arc<Namespace>,
    pub(super) pattern: Option<TopicPattern>,
    pub(super) state: Mutex<State>,
}

/// What changes.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) history: History,
    /// Where its subscribers are, and how many.
    pub(super) shards: Vec<(Arc<Shard>, usize)>,
    pub(super) presence: Option<Box<Presence>>,
    /// What a ledger has of it was fetched.
    pub(super) loaded: bool,
    /// It was taken out of the table: whoever holds it looks again.
    pub(super) gone: bool,
    /// Something will look at it: when its oldest publication is over, or whether it is of use at all.
    pub(super) expiry_planned: bool,
    pub(super) idle_planned: bool,
    /// Moves when the topic is used, so that one that is is not forgotten.
    pub(super) used: u32,
}

impl Topic {
    pub(super) fn new(
        name: Arc<str>,
        id: u64,
        namespace: Arc<Namespace>,
        pattern: Option<TopicPattern>,
        offset: u64,
    ) -> Self {
        let state = State { history: History::after(offset), ..State::default() };
        Self { name, id, namespace, pattern, state: Mutex::new(state) }
    }

    /// The position of an offset.
    pub(super) fn position(&self, offset: u64) -> Position {
        Position { epoch: self.namespace.epoch(), offset }
    }
}

impl State {
    /// How many subscribers there are.
    pub(super) fn subscribers(&self) -> usize {
        self.shards.iter().map(|(_, count)| count).sum()
    }

    /// One more subscriber in a shard.
    pub(super) fn enter(&mut self, shard: &Arc<Shard>) {
        match self.shards.iter_mut().find(|(known, _)| Arc::ptr_eq(known, shard)) {
            Some((_, count)) => *count += 1,
            None => {
                self.shards.reserve_exact(1);
                self.shards.push((Arc::clone(shard), 1));
            }
        }
    }

    /// One less.
    pub(super) fn leave(&mut self, shard: &Arc<Shard>) {
        let Some(at) = self.shards.iter().position(|(known, _)| Arc::ptr_eq(known, shard)) else { return };
        self.shards[at].1 -= 1;
        if self.shards[at].1 == 0 {
            self.shards.swap_remove(at);
        }
    }

    /// Whether forgetting it would lose something.
    pub(super) fn is_of_use(&self) -> bool {
        !self.shards.is_empty()
            || self.history.len() > 0
            || self.presence.as_ref().is_some_and(|it| !it.is_empty())
    }
}
