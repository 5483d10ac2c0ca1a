//! Accounts: users with passwords, roles and API keys; tokens for logging in and staying so.
//!
//! `names`, `secret`, `throttle` are rules; `hasher` is the threads that hash; `records` is what lies in the store.
//! `login` is how somebody gets in, `refresh` how somebody stays in, `identify` how somebody is known again, `logout` how somebody gets out; `users`,
//! `roles` and `keys` are for administrators and owners, `explain` for whoever wonders; `changes` tells sessions. Every
//! check reads the store as it is: there is no cache that could be behind.

mod changes;
mod error;
mod explain;
mod hasher;
mod identify;
mod keys;
mod login;
mod logout;
mod names;
mod options;
mod records;
mod refresh;
mod roles;
mod secret;
mod throttle;
mod users;

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

pub use changes::AccountChange;
pub use error::{AccountError, OpenAccountsError, Unauthenticated};
pub use explain::{Explained, GrantedBy};
pub use login::LoggedIn;
pub use options::AccountOptions;
pub use records::{ApiKey, Role, User};
pub use users::NewUser;

use self::hasher::Hasher;
use self::throttle::Throttle;
use super::KeyRing;
use super::audit::{Audit, AuditCaller, AuditEntry};
use super::principal::Principal;
use crate::store::{Commit, CommitOutcome, Store, View};

/// The accounts of a server. Clones mean the same.
#[derive(Clone, Debug)]
pub struct Accounts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    ring: KeyRing,
    options: AccountOptions,
    hasher: Hasher,
    throttle: Throttle,
    audit: Audit,
    everybody: Principal,
    /// Lists of permissions that principals share.
    shared: Mutex<HashSet<Arc<[String]>>>,
}

/// Lists that are shared at most; beyond them, each has its own again.
const SHARED_MAX: usize = 1_024;

impl Accounts {
    /// The accounts of a store. Roles that every server has are written if they are not there.
    ///
    /// # Errors
    /// If what is there is unreadable, or no thread can be started.
    pub async fn open(
        store: &Store,
        ring: &KeyRing,
        options: &AccountOptions,
    ) -> Result<Self, OpenAccountsError> {
        let hasher = Hasher::start(options.hash_threads, options.hash_queue, options.bcrypt_cost);
        ring.also_for_ms(options.access_lifetime.as_ms() + options.grace.as_ms());
        let accounts = Self(Arc::new(Inner {
            store: store.clone(),
            ring: ring.clone(),
            hasher: hasher.map_err(OpenAccountsError::Threads)?,
            throttle: Throttle::new(options.attempts, options.attempt_interval.as_ms()),
            audit: Audit::new(store, options.audit_max),
            everybody: Principal::everybody(options.anonymous.clone().into()),
            options: options.clone(),
            shared: Mutex::default(),
        }));
        match accounts.write_first_roles().await {
            Ok(()) => {}
            // Whoever is there already can go on; the roles come with the next start.
            Err(error @ (AccountError::Store(_) | AccountError::Limit(_))) => {
                tracing::error!(%error, "the roles that every server has cannot be written");
            }
            Err(error) => return Err(OpenAccountsError::Roles(error)),
        }
        Ok(accounts)
    }

    /// The options.
    pub fn options(&self) -> &AccountOptions {
        &self.0.options
    }

    /// The audit log.
    pub fn audit(&self) -> &Audit {
        &self.0.audit
    }

    /// Whoever shows nothing.
    pub fn everybody(&self) -> Principal {
        self.0.everybody.clone()
    }

    fn view(&self) -> View {
        self.0.store.view()
    }

    fn now_ms(&self) -> u64 {
        self.0.store.now_ms()
    }

    /// The same list for all who have the same.
    fn shared(&self, list: Vec<String>) -> Arc<[String]> {
        let mut shared = self.0.shared.lock();
        if let Some(known) = shared.get(&list[..]) {
            return Arc::clone(known);
        }
        if shared.len() >= SHARED_MAX {
            shared.clear();
        }
        let list: Arc<[String]> = list.into();
        shared.insert(Arc::clone(&list));
        list
    }

    /// Carries out a change and records it. `Ok(false)` if one of its checks did not hold.
    async fn change(
        &self,
        caller: &AuditCaller,
        entry: &AuditEntry,
        commit: Commit,
    ) -> Result<bool, AccountError> {
        let mut commit = Some(commit);
        let audit = &self.0.audit;
        // Somebody else has written to the log from outside: the change itself is built once.
        let outcome = audit.commit(caller, entry, |_| commit.take()).await?;
        match outcome {
            Some(CommitOutcome::Done { .. }) => Ok(true),
            Some(CommitOutcome::Conflict { .. }) | None => Ok(false),
            Some(CommitOutcome::Refused { refusal, .. }) => Err(AccountError::Limit(refusal.to_string())),
        }
    }
}

/// How often a change is tried again when what it builds on has changed meanwhile.
const TRIES: usize = 8;

const CHANGED_MEANWHILE: AccountError = AccountError::Conflict("others change the same at this moment");
