//! Tells who has sessions open that something about accounts has changed.

use std::time::Duration;

use serde_json::Value as Json;

use super::Accounts;
use super::records::{REVOKED, ROLES, ROLES_OF, USERS};
use crate::base::UserId;
use crate::store::{Change, Watch, WatchError};

/// Something that may change what open sessions may do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AccountChange {
    /// Something about this user.
    User(UserId),
    /// What a role grants.
    Role(String),
    /// Anything.
    All,
}

/// What follows a key of the list of a user's API keys.
const KEYS_OF: &str = "auth:keys-of:";

/// How long to wait before beginning anew.
const PAUSE: Duration = Duration::from_millis(100);

impl Accounts {
    /// Follows all changes, those of other processes too, until the store is closed.
    pub async fn follow(self, tell: impl Fn(AccountChange)) {
        loop {
            let watches = self
                .0
                .store
                .watch(b"auth:", None)
                .and_then(|auth| Ok((auth, self.0.store.watch(b"rbac:", None)?)));
            let Ok((mut auth, mut rbac)) = watches else { return };
            // What has happened before counts too.
            tell(AccountChange::All);
            if follow(&mut auth, &mut rbac, &tell).await == WatchError::Closed {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn follow(auth: &mut Watch, rbac: &mut Watch, tell: &impl Fn(AccountChange)) -> WatchError {
    loop {
        let next = tokio::select! {
            next = auth.next() => next,
            next = rbac.next() => next,
        };
        match next {
            Ok(changes) => changes.changes.iter().filter_map(about).for_each(tell),
            Err(error) => return error,
        }
    }
}

/// What a change of the store means for sessions.
fn about(change: &Change) -> Option<AccountChange> {
    let Some(key) = change.key() else { return Some(AccountChange::All) };
    let key = std::str::from_utf8(key).ok()?;
    let user = |rest: &str| rest.parse().ok().map(AccountChange::User);
    if let Some(rest) = key.strip_prefix(USERS).or_else(|| key.strip_prefix(ROLES_OF)) {
        return user(rest);
    }
    if let Some(rest) = key.strip_prefix(KEYS_OF) {
        return user(rest.split(':').next()?);
    }
    if let Some(role) = key.strip_prefix(ROLES) {
        return Some(AccountChange::Role(role.to_owned()));
    }
    match change {
        Change::Put { value, .. } if key.starts_with(REVOKED) => {
            let whose: Json = serde_json::from_slice(value.as_bytes()).ok()?;
            user(whose["user"].as_str()?)
        }
        _ => None,
    }
}
