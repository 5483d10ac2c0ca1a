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
use tokio::sync::oneshot;

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
use crate::store::{Command, Commit, CommitOutcome, Store, View};

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
            Err(error @ (AccountError::DiskFull | AccountError::Store(_) | AccountError::Limit(_))) => {
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

    /// Carries out a change and records it. `plan` sees the store as it is, and nothing of accounts changes until it is
    /// done.
    async fn change<T: Send + 'static>(
        &self,
        caller: &AuditCaller,
        plan: impl FnOnce(&Self, &View) -> Result<Planned<T>, AccountError> + Send + 'static,
    ) -> Result<T, AccountError> {
        let (me, (sender, given)) = (self.clone(), oneshot::channel());
        let plan = move |view: &View| {
            let Planned { entry, commands, gives } = plan(&me, view)?;
            // Whoever has hung up gets nothing; it is done all the same.
            let _ = sender.send(gives);
            let commit = Commit { commands, ..Commit::default() };
            Ok::<_, AccountError>((entry, commit))
        };
        match self.0.audit.commit(caller, plan).await? {
            CommitOutcome::Done { .. } => given.await.map_err(|_| AccountError::Internal),
            // Only the end of the log is checked, and only who writes from outside moves it.
            CommitOutcome::Conflict { .. } => {
                Err(AccountError::Conflict("somebody writes to the audit log from outside"))
            }
            CommitOutcome::Refused { refusal, .. } => Err(AccountError::Limit(refusal.to_string())),
        }
    }
}

/// What is to be done.
struct Planned<T> {
    entry: AuditEntry,
    commands: Vec<Command>,
    /// What whoever asks is given then.
    gives: T,
}
