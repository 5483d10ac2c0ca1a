//! The table of sessions.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::base::StarlingId;
use crate::dispatch::Peer;
use crate::starling::session::Session;

/// Sessions by id, and how many there are from each address.
#[derive(Debug, Default)]
pub(super) struct Table {
    sessions: HashMap<StarlingId, (Arc<Session>, Option<IpAddr>), RandomState>,
    addresses: HashMap<IpAddr, usize, RandomState>,
}

/// A table this much larger than its content is made smaller.
const SLACK: usize = 4;

impl Table {
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn get(&self, id: StarlingId) -> Option<Arc<Session>> {
        self.sessions.get(&id).map(|(session, _)| Arc::clone(session))
    }

    pub(super) fn sessions(&self) -> Vec<Arc<Session>> {
        self.sessions.values().map(|(session, _)| Arc::clone(session)).collect()
    }

    pub(super) fn count_of_address(&self, address: IpAddr) -> usize {
        self.addresses.get(&address).copied().unwrap_or(0)
    }

    /// Adds a session, counted for `address` if there is one.
    pub(super) fn insert(&mut self, session: Arc<Session>, address: Option<IpAddr>) {
        if let Some(address) = address {
            *self.addresses.entry(address).or_default() += 1;
        }
        self.sessions.insert(session.id(), (session, address));
    }

    pub(super) fn remove(&mut self, id: StarlingId) {
        let Some((_, address)) = self.sessions.remove(&id) else { return };
        if let Some(address) = address
            && let Some(count) = self.addresses.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(&address);
            }
        }
        if self.sessions.capacity() > 1024 && self.sessions.len() * SLACK < self.sessions.capacity() {
            self.sessions.shrink_to(self.sessions.len() * 2);
        }
    }
}
