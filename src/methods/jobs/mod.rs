//! `jobs:*`: work in the background. Whoever enqueues, looks, works and looks after it needs a permission for each.

mod batch;
mod bring;
mod enqueue;
mod look;
mod manage;
mod schedules;
mod settle;
mod shape;
mod tell;
mod work;

use std::sync::Arc;

use schemars::JsonSchema;

pub(super) use self::enqueue::{EnqueueParams, enqueued};
pub use self::tell::tell_jobs;
use super::kv::KeyRules;
use super::namespace::Namespace;
use super::topics::TopicDesk;
use crate::auth::Principal;
use crate::dispatch::{Anything, Context, MethodError, MethodOptions, RegistryBuilder};
use crate::queue::{JobId, Queue};

/// What callers need.
pub(super) const CREATE: &str = "job:create";
const VIEW: &str = "job:view";
const CANCEL: &str = "job:cancel";
const WORK: &str = "job:work";
const ADMIN: &str = "job:admin";

/// Whether somebody may hear of jobs: what the rules of their topics ask.
pub(super) const MAY_HEAR: &str = "jobs:mayHear";

/// What the methods work with.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub(super) queue: Queue,
    pub(super) topics: TopicDesk,
    /// Whether everybody may use the keys, for what comes with an acknowledgement.
    pub(super) kv_everyone: bool,
    /// Who reaches which keys, for the same.
    pub(super) kv_rules: Arc<KeyRules>,
}

impl Desk {
    /// Whether a caller may do something with jobs.
    pub(super) fn may(&self, principal: &Principal, permission: &str) -> bool {
        self.queue.options().everyone || principal.may(permission)
    }
}

/// Nothing, however it is written.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoParams {}

/// Parameters of methods about one job.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OneJob {
    /// The id of the job.
    id: JobId,
}

pub(super) fn add(to: &mut RegistryBuilder, desk: &Desk) {
    let about = MethodOptions::described;
    let mut jobs = Namespace { to, desk, everyone: desk.queue.options().everyone };
    let text = "Enqueues a job: work in the background that survives the server.";
    jobs.method("jobs:enqueue", CREATE, about(text), enqueue::enqueue);
    let text = "Enqueues several jobs. Each is enqueued for itself, and has its own answer.";
    jobs.method("jobs:enqueueEach", CREATE, about(text), enqueue::enqueue_each);
    jobs.method("jobs:get", VIEW, about("A job, and how far it is.").idempotent(), look::get);
    jobs.method("jobs:list", VIEW, about("Jobs, by where they stand.").idempotent(), look::list);
    jobs.method(
        "jobs:stats",
        VIEW,
        about("How many jobs there are, and who works.").idempotent(),
        look::stats,
    );
    jobs.method("jobs:cancel", CANCEL, about("Calls a job off.").idempotent(), manage::cancel);
    let text = "Tries a job again that has failed or was called off.";
    jobs.method("jobs:retry", CANCEL, about(text).idempotent(), manage::retry);
    jobs.method(
        "jobs:replay",
        ADMIN,
        about("Tries again all jobs that are over in one way."),
        manage::replay,
    );
    let text = "Clears away all jobs that are over in one way.";
    jobs.method("jobs:purge", ADMIN, about(text).idempotent(), manage::purge);
    let text = "Makes a schedule, or replaces the one of its name.";
    jobs.method("jobs:schedule", ADMIN, about(text).idempotent(), schedules::set);
    jobs.method("jobs:unschedule", ADMIN, about("Takes a schedule away."), schedules::remove);
    jobs.method("jobs:schedules", VIEW, about("Schedules, by their names.").idempotent(), schedules::list);
    work::add(&mut jobs);
    settle::add(&mut jobs);
    let mut options = about("Whether somebody may hear of jobs.");
    options.private = true;
    if !desk.queue.options().everyone {
        options.permission = Some(VIEW.to_owned());
    }
    to.built_in(MAY_HEAR, options, |_: Context, _: Anything| async { Ok::<_, MethodError>(true) });
}
