//! The table of sessions.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::base::StarlingId;
use crate::dispatch::Peer;
use crate::starling::session::Session;

/// Sessions by id, those that wait for their peer among them.
#[derive(Debug, Default)]
pub(in crate::starling) struct Table {
    sessions: HashMap<StarlingId, Arc<Session>, RandomState>,
    /// The last sessions that were revoked, so that their tokens are refused by name. Where sessions are
    /// written down the archive knows them for longer.
    revoked: VecDeque<StarlingId>,
    is_revoked: HashSet<StarlingId, RandomState>,
}

/// A table this much larger than its content is made smaller.
const SLACK: usize = 4;

/// Revoked sessions that are remembered.
const REVOKED_MAX: usize = 100_000;

impl Table {
    pub(in crate::starling) fn get(&self, id: StarlingId) -> Option<Arc<Session>> {
        self.sessions.get(&id).map(Arc::clone)
    }

    pub(in crate::starling) fn sessions(&self) -> Vec<Arc<Session>> {
        self.sessions.values().map(Arc::clone).collect()
    }

    pub(in crate::starling) fn insert(&mut self, session: Arc<Session>) {
        self.sessions.insert(session.id(), session);
    }

    pub(in crate::starling) fn remove(&mut self, id: StarlingId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        if session.is_revoked() && session.is_resumable() {
            self.revoked.push_back(id);
            self.is_revoked.insert(id);
            if self.revoked.len() > REVOKED_MAX
                && let Some(oldest) = self.revoked.pop_front()
            {
                self.is_revoked.remove(&oldest);
            }
        }
        if self.sessions.capacity() > 1024 && self.sessions.len() * SLACK < self.sessions.capacity() {
            self.sessions.shrink_to(self.sessions.len() * 2);
        }
    }

    pub(in crate::starling) fn is_revoked(&self, id: StarlingId) -> bool {
        self.is_revoked.contains(&id)
    }

    /// Forgets all sessions.
    pub(in crate::starling) fn clear(&mut self) -> Vec<Arc<Session>> {
        std::mem::take(&mut self.sessions).into_values().collect()
    }
}
