//! `universe:*`: branchable state. Who may do what is asked at the gate; what a universe is, its room knows.

mod analyze;
mod batch;
mod benchmark;
mod create;
mod history;
mod merge;
mod operate;
mod params;
mod shapes;
mod state;
mod subscribe;
mod tell;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokio::sync::Semaphore;

use super::errors;
use super::options::KvOptions;
use super::topics::TopicDesk;
use crate::dispatch::{Context, MethodError, MethodOptions, RegistryBuilder};
use crate::protocol::ErrorCode;
use crate::universes::{Diff, UniverseError, UniverseId, Universes};

/// What the methods of universes work with.
#[derive(Clone, Debug)]
pub(super) struct UniverseDesk {
    universes: Universes,
    topics: TopicDesk,
    kv: KvOptions,
    counts: Arc<Mutex<HashMap<UniverseId, Counts>>>,
    benchmarks: benchmark::Benchmarks,
    /// For what takes much memory or time: one at a time.
    alone: Arc<Semaphore>,
}

/// How often each operation was done with a universe since the start.
type Counts = BTreeMap<String, u64>;

impl UniverseDesk {
    /// Whether a caller may do something with the keys of the application.
    fn check_keys(&self, ctx: &Context, permission: &str) -> Result<(), MethodError> {
        if !self.kv.enabled {
            return Err(MethodError::invalid(["there are no keys for peers here: kv.enabled is false"]));
        }
        if self.kv.everyone || ctx.principal().may(permission) {
            return Ok(());
        }
        Err(MethodError::permission(permission))
    }

    /// A difference as the caller may see it: whoever may not read keys sees their names only.
    fn shown(&self, ctx: &Context, mut diff: Diff) -> Diff {
        if self.check_keys(ctx, "kv:get").is_err() {
            diff.hide_keys();
        }
        diff
    }

    /// A failure as the caller may see it.
    fn failed(&self, ctx: &Context, mut error: UniverseError) -> MethodError {
        if let UniverseError::Conflicts(conflicts) = &mut error
            && self.check_keys(ctx, "kv:get").is_err()
        {
            let keys = conflicts.iter_mut().filter(|conflict| conflict.path.starts_with("kv:"));
            keys.for_each(|it| (it.base, it.ours, it.theirs) = Default::default());
        }
        errors::universe(&error)
    }

    fn count(&self, id: UniverseId, operation: &str) {
        let mut counts = self.counts.lock();
        if self.universes.get(id).is_err() {
            counts.remove(&id);
            return;
        }
        // Some go without being asked for.
        if counts.len() > 2 * self.universes.count() {
            counts.retain(|id, _| self.universes.get(*id).is_ok());
        }
        *counts.entry(id).or_default().entry(operation.to_owned()).or_default() += 1;
    }

    fn counts(&self, id: UniverseId) -> Counts {
        self.counts.lock().get(&id).cloned().unwrap_or_default()
    }

    /// Universes are gone, and so are their counts.
    fn forget(&self, gone: &[UniverseId]) {
        let mut counts = self.counts.lock();
        gone.iter().for_each(|id| drop(counts.remove(id)));
    }
}

const READ: &str = "universe:read";
const WRITE: &str = "universe:write";

/// Whoever may take history away, or make the server write files.
const ADMIN: &str = "universe:admin";

/// Adds methods with the rules of the namespace.
struct Namespace<'a> {
    to: &'a mut RegistryBuilder,
    desk: &'a UniverseDesk,
}

impl Namespace<'_> {
    fn method<P, F, Fut>(&mut self, name: &str, permission: &str, about: &str, run: F)
    where
        P: DeserializeOwned + JsonSchema + Send + 'static,
        F: Fn(Context, UniverseDesk, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Json, MethodError>> + Send + 'static,
    {
        let mut options = MethodOptions::described(about).with_schema_of::<P>();
        options.idempotent = permission == READ;
        options.needs_session = name.ends_with("subscribe");
        // What everybody may do with universes is not what everybody may do with the server.
        if !self.desk.universes.options().everyone || permission == ADMIN {
            options.permission = Some(permission.to_owned());
        }
        let desk = self.desk.clone();
        self.to.built_in(name, options, move |ctx: Context, params: P| run(ctx, desk.clone(), params));
    }
}

pub(super) fn add(to: &mut RegistryBuilder, universes: &Universes, kv: &KvOptions, topics: &TopicDesk) {
    let desk = UniverseDesk {
        universes: universes.clone(),
        topics: topics.clone(),
        kv: kv.clone(),
        counts: Arc::default(),
        benchmarks: benchmark::Benchmarks::default(),
        alone: Arc::new(Semaphore::new(1)),
    };
    // Whoever has lost the permission hears nothing more.
    let everyone = universes.options().everyone;
    for namespace in ["universe", "universes"] {
        topics.guard(namespace, move |principal| everyone || principal.may(READ));
    }
    let mut on = Namespace { to, desk: &desk };
    on.method("universe:create", WRITE, "Makes universes that begin with a state.", create::create);
    on.method("universe:fork", WRITE, "Makes universes that begin with what another one has.", create::fork);
    on.method(
        "universe:delete",
        WRITE,
        "Deletes a universe with all that were forked from it.",
        create::delete,
    );
    on.method("universe:get", READ, "A universe: what is known of it, and its state.", state::get);
    on.method("universe:list", READ, "Universes in the order in which they were made.", state::list);
    on.method(
        "universe:update",
        WRITE,
        "Changes the state by a JSON Merge Patch, or as a whole.",
        state::update,
    );
    on.method(
        "universe:write",
        WRITE,
        "Writes files and takes files away, all of them or none.",
        state::write,
    );
    on.method("universe:files", READ, "The files of a universe.", state::files);
    on.method("universe:read", READ, "What is in a file.", state::read);
    on.method("universe:commit", WRITE, "Keeps the state as a commit.", history::commit);
    on.method("universe:log", READ, "The last commits of a universe.", history::log);
    on.method("universe:restore", WRITE, "Makes the state that of an earlier commit.", history::restore);
    on.method("universe:diff", READ, "What leads from one state to another.", history::diff);
    on.method("universe:tag", WRITE, "Gives a commit a name, or takes a name away.", history::tag);
    on.method("universe:tags", READ, "All names of commits.", history::tags);
    on.method("universe:merge", WRITE, "Merges the states of universes into one.", merge::merge);
    on.method("universe:analyze", READ, "What can be said about a universe.", analyze::analyze);
    on.method("universe:stats", READ, "What all universes have done and hold.", analyze::stats);
    on.method("universe:benchmark", READ, "Measures what universes promise.", benchmark::benchmark);
    on.method(
        "universe:operate",
        WRITE,
        "An operation by its name, as the REST API has it.",
        operate::operate,
    );
    on.method("universe:batch", WRITE, "Several operations, one after the other.", batch::batch);
    on.method("universe:gc", ADMIN, "Takes away what nothing refers to any more.", history::gc);
    on.method(
        "universe:materialize",
        ADMIN,
        "Writes a state out as files on the server.",
        history::materialize,
    );
    on.method("universes:subscribe", READ, "Tells what happens to universes.", subscribe::subscribe);
    on.method("universes:unsubscribe", READ, "Ends that.", subscribe::unsubscribe);
}

/// The id of a universe, as it was written at a place of the request.
fn id(place: &str, text: &str) -> Result<UniverseId, MethodError> {
    text.parse().map_err(|_| MethodError::invalid([format!("/{place}: \"{text}\" is no id of a universe")]))
}

/// Does something that may wait for the disk, where waiting holds nobody up.
async fn waiting<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, UniverseError> + Send + 'static,
) -> Result<T, MethodError> {
    match actix_rt::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| errors::universe(&error)),
        Err(_) => Err(ErrorCode::InternalError.into()),
    }
}
