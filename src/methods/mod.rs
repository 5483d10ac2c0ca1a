//! The methods that come with the server, one file for each namespace.
//!
//! This is the joint of the house: a method turns a request into calls on the rooms below. A namespace is
//! described in `protocol-spec/methods/`, and a test holds the two together.

mod accounts;
mod demo;
mod errors;
mod jobs;
mod kv;
mod limits;
mod namespace;
mod options;
mod people;
mod sessions;
mod system;
mod token;
mod topics;
mod universes;

pub use jobs::tell_jobs;
pub use kv::{KvAccess, KvNamespaceOptions};
pub use limits::RateKeeper;
pub use options::{DemoOptions, KvOptions};
pub use sessions::SessionArchive;
pub use topics::{StoreLedger, TopicDesk, measure};

use std::sync::{Arc, OnceLock};

use crate::auth::{Accounts, KeyRing};
use crate::base::Clock;
use crate::dispatch::{Limits, RegistryBuilder};
use crate::queue::Queue;
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::universes::Universes;

/// What the methods of `system` tell, known once the server is put together.
#[derive(Debug, Default)]
pub struct About {
    /// The answer of `system:methods`.
    pub methods: OnceLock<Vec<serde_json::Value>>,
    /// Whether there is a proxy hook.
    pub proxy: OnceLock<bool>,
}

/// Adds the namespace `system`.
pub fn add_system(to: &mut RegistryBuilder, clock: &Clock, metrics: &Arc<Metrics>, about: &Arc<About>) {
    system::add(to, clock, metrics, about);
}

/// Adds the namespace `demo`, which is for trying things out and for tests.
pub fn add_demo(to: &mut RegistryBuilder) {
    demo::add(to);
}

/// Adds the namespace `kv`.
pub fn add_kv(
    to: &mut RegistryBuilder,
    places: (&Store, Option<&Universes>),
    options: &KvOptions,
    topics: &TopicDesk,
    queue: Option<&Queue>,
) {
    let jobs = queue.map(|queue| job_desk(queue, topics, options));
    kv::add(to, places, options, (topics, jobs.as_ref()));
}

fn job_desk(queue: &Queue, topics: &TopicDesk, kv: &KvOptions) -> jobs::Desk {
    jobs::Desk {
        queue: queue.clone(),
        topics: topics.clone(),
        kv_everyone: kv.everyone && kv.enabled,
        kv_rules: Arc::new(kv::KeyRules::new(kv)),
    }
}

/// Adds the namespace `jobs`.
pub fn add_jobs(to: &mut RegistryBuilder, queue: &Queue, topics: &TopicDesk, kv: &KvOptions) {
    jobs::add(to, &job_desk(queue, topics, kv));
}

/// The method that says who may hear of jobs.
pub const MAY_HEAR_OF_JOBS: &str = jobs::MAY_HEAR;

/// Adds the namespace `starling`.
pub fn add_sessions(to: &mut RegistryBuilder) {
    sessions::add(to);
}

/// Adds the namespace `topic`, and the numbers of the server.
pub fn add_topics(to: &mut RegistryBuilder, topics: &TopicDesk) {
    topics::add(to, topics);
}

/// Adds the namespaces `universe` and `universes`.
pub fn add_universes(to: &mut RegistryBuilder, all: &Universes, kv: &KvOptions, topics: &TopicDesk) {
    universes::add(to, all, kv, topics);
}

/// Adds the namespaces of accounts: `auth`, `users`, `roles`, `audit`.
pub fn add_accounts(to: &mut RegistryBuilder, accounts: &Accounts, about: &Arc<About>) {
    accounts::add(to, accounts, about);
}

/// Adds the namespace `limits`.
pub fn add_limits(to: &mut RegistryBuilder, limits: &Limits, accounts: Option<&Accounts>) {
    limits::add(to, limits, accounts);
}

/// Adds the namespaces `sessions` and `config`. The configuration is told as it is: without secrets.
pub fn add_people(
    to: &mut RegistryBuilder,
    topics: &TopicDesk,
    accounts: Option<&Accounts>,
    config: serde_json::Value,
) {
    people::add(to, topics, accounts, config);
}

/// Adds the namespace `token`.
pub fn add_token(to: &mut RegistryBuilder, ring: &KeyRing, accounts: Option<&Accounts>) {
    token::add(to, ring, accounts);
}
