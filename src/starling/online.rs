//! Which accounts have sessions, and when what they have shown ends. So a change of an account finds its sessions at
//! once, and one timer serves all ends.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::session::Session;
use super::shared::Shared;
use crate::auth::{AccountChange, Principal};
use crate::base::{StarlingId, UserId};
use crate::dispatch::Peer;

/// Sessions of accounts.
#[derive(Debug, Default)]
pub(super) struct Online(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    users: HashMap<UserId, Vec<StarlingId>, RandomState>,
    /// When to look at a session, and what for.
    ends: BTreeMap<(u64, StarlingId), End>,
}

/// What is to be done at an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// The peer is told.
    Warn,
    /// Its connection is closed.
    Close,
}

/// How late an end may be heeded.
const TICK: Duration = Duration::from_millis(200);

impl Online {
    /// A session belongs to this principal now.
    pub(super) fn enter(&self, session: StarlingId, principal: &Principal) {
        let Some(account) = principal.account() else { return };
        let mut inner = self.0.lock();
        inner.users.entry(account.user).or_default().push(session);
        if let Some(at) = account.proof.expires_at() {
            inner.ends.insert((at, session), End::Warn);
        }
    }

    /// It does not any more.
    pub(super) fn leave(&self, session: StarlingId, principal: &Principal) {
        let Some(account) = principal.account() else { return };
        let mut inner = self.0.lock();
        if let Some(sessions) = inner.users.get_mut(&account.user) {
            sessions.retain(|known| *known != session);
            if sessions.is_empty() {
                inner.users.remove(&account.user);
            }
        }
        // What is left of the second end finds nothing to do.
        if let Some(at) = account.proof.expires_at() {
            inner.ends.remove(&(at, session));
        }
    }

    fn of_user(&self, user: UserId) -> Vec<StarlingId> {
        self.0.lock().users.get(&user).cloned().unwrap_or_default()
    }

    fn all(&self) -> Vec<StarlingId> {
        self.0.lock().users.values().flatten().copied().collect()
    }

    /// How many accounts have sessions.
    pub(super) fn count(&self) -> usize {
        self.0.lock().users.len()
    }

    /// What has ended until now.
    fn due(&self, now_ms: u64) -> Vec<(StarlingId, End)> {
        let mut inner = self.0.lock();
        let mut due = Vec::new();
        while let Some(entry) = inner.ends.first_entry()
            && entry.key().0 <= now_ms
        {
            due.push((entry.key().1, entry.remove()));
        }
        due
    }

    pub(super) fn close_at(&self, at: u64, session: StarlingId) {
        self.0.lock().ends.insert((at, session), End::Close);
    }
}

/// Heeds changes of accounts and ends of tokens, as long as the server lives.
pub(super) fn tend(shared: &Arc<Shared>) {
    let Some(accounts) = shared.accounts.clone() else { return };
    let heeding = Arc::downgrade(shared);
    actix_rt::spawn(accounts.follow(move |change| {
        if let Some(shared) = heeding.upgrade() {
            heed(&shared, &change);
        }
    }));
    let ending = Arc::downgrade(shared);
    actix_rt::spawn(async move {
        while let Some(shared) = ending.upgrade() {
            end_tokens(&shared);
            drop(shared);
            tokio::time::sleep(TICK).await;
        }
    });
}

/// Looks again at everybody whom a change may concern.
fn heed(shared: &Shared, change: &AccountChange) {
    let has = |session: &Arc<Session>, name: &str| {
        session.principal().account().is_some_and(|account| account.roles.iter().any(|role| role == name))
    };
    let concerned = match change {
        AccountChange::User(user) => shared.online.of_user(*user),
        AccountChange::Role(_) | AccountChange::All => shared.online.all(),
    };
    for session in concerned.into_iter().filter_map(|id| shared.session(id)) {
        if !matches!(change, AccountChange::Role(name) if !has(&session, name)) {
            session.renew_principal();
        }
    }
}

/// Tells those whose tokens have ended, and closes those who have been told long enough ago.
fn end_tokens(shared: &Shared) {
    let Some(accounts) = &shared.accounts else { return };
    let (now_ms, grace_ms) = (shared.clock.now_ms(), accounts.options().grace.as_ms());
    for (id, end) in shared.online.due(now_ms) {
        let Some(session) = shared.session(id) else { continue };
        let principal = session.principal();
        let Some(at) = principal.account().and_then(|account| account.proof.expires_at()) else { continue };
        match end {
            // It has shown another one since.
            _ if at > now_ms => {}
            End::Warn if grace_ms > 0 => {
                session.warn_of_expiry(grace_ms);
                shared.online.close_at(at + grace_ms, id);
            }
            // One that was shown later has its whole grace too.
            End::Close if at + grace_ms > now_ms => shared.online.close_at(at + grace_ms, id),
            _ => session.close_expired(),
        }
    }
}
