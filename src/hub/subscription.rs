//! The right to get the publications of a topic.

use std::fmt;
use std::sync::Arc;

use super::Hub;
use super::position::Position;
use super::presence::Changed;
use super::shard::Shard;
use super::topic::Topic;
use crate::base::StarlingId;

/// The right to get the publications of a topic, until it is dropped.
pub struct Subscription {
    pub(super) hub: Hub,
    pub(super) topic: Arc<Topic>,
    pub(super) shard: Arc<Shard>,
    pub(super) slot: usize,
    pub(super) session: StarlingId,
}

impl Subscription {
    /// The name of the topic, or the pattern.
    pub fn topic(&self) -> &str {
        &self.topic.name
    }

    /// It was confirmed: what waits goes out, and from now on everything as it comes.
    pub fn release(&self) {
        self.shard.release(self.topic.id, self.slot);
    }

    /// Ends it because the subscriber said so.
    pub fn leave(self) {
        let mut state = self.topic.state.lock();
        let changed = state.presence.as_mut().map(|here| here.leave(self.session));
        self.hub.plan_difference(&self.topic, &mut state, changed.unwrap_or(Changed::No));
    }

    /// The subscriber has lost its connection. It still counts as present for a while.
    pub fn away(&self) {
        self.hub.away(&self.topic, self.session);
    }

    /// It is back, by this name. If it had left meanwhile, it comes anew.
    pub fn back(&self, user: Option<&str>) {
        let present = self.topic.pattern.is_none() && self.topic.namespace.options().presence;
        let mut state = self.topic.state.lock();
        if present {
            let now_ms = self.hub.0.seams.clock.now_ms();
            let changed = state.presence.get_or_insert_default().come(self.session, user, now_ms);
            self.hub.plan_difference(&self.topic, &mut state, changed);
        }
    }

    /// Where the topic stands now.
    pub fn position(&self) -> Position {
        self.topic.position(self.topic.state.lock().history.offset())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.topic.state.lock();
        self.shard.remove(self.topic.id, self.slot);
        state.leave(&self.shard);
        self.hub.0.seams.metrics.topics.subscribers.dec();
        let unused = state.shards.is_empty();
        self.hub.plan_idle(&self.topic, &mut state);
        drop(state);
        if unused && self.topic.pattern.is_some() {
            self.topic.namespace.patterns.forget(&self.topic);
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("topic", &self.topic.name).finish_non_exhaustive()
    }
}
