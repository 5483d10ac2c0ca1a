//! `kv:commit`: several changes at once, or none.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::errors;
use super::super::jobs::{self, EnqueueParams};
use super::super::topics::{Announcement, TopicDesk};
use super::place::{Place, Places, WRITE};
use super::values::Encoding;
use super::write::{Delete, Increment, Set, written};
use super::{DELETE, KeyAction, WRITE as WRITE_KEYS, stored};
use crate::dispatch::{Context, MethodError};
use crate::queue::{Deciding, Enqueued};
use crate::store::{Check, Command, Commit, CommitOutcome, Condition};

/// Parameters of `kv:commit`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CommitParams {
    /// What must hold; otherwise nothing is changed.
    #[serde(default)]
    checks: Vec<CheckParams>,
    /// What to change, in order.
    operations: Vec<Operation>,
    /// The universe whose keys they are; "main" or nothing are the keys themselves.
    universe: Option<String>,
}

/// Something that must hold.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CheckParams {
    /// The key.
    key: String,
    /// The version that it must have; 0 is no key.
    version: u64,
}

/// One change.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(in crate::methods) enum Operation {
    /// As `kv:set`.
    Set(Set),
    /// As `kv:delete`.
    Delete(Delete),
    /// As `kv:increment`.
    Increment(Increment),
    /// Changes when a key ends.
    Expire(Expire),
    /// Tells whoever watches the key, and stores nothing.
    Emit(Emit),
    /// As `topic:publish`, on a topic with a durable history.
    Publish(Announcement),
    /// As `jobs:enqueue`.
    Enqueue(Box<EnqueueParams>),
}

/// A change of when a key ends.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::methods) struct Expire {
    /// The key.
    key: String,
    /// Milliseconds from now; without it the key has no end.
    ttl_ms: Option<u64>,
}

/// Something to be told.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::methods) struct Emit {
    /// The key that it is told under.
    key: String,
    /// What is told.
    value: Json,
}

impl Operation {
    /// What does not belong into a commit of this place.
    fn misplaced(&self, place: &Place) -> Option<&'static str> {
        let named = match self {
            Self::Set(set) => set.universe.is_some(),
            Self::Delete(delete) => delete.universe.is_some(),
            Self::Increment(increment) => increment.universe.is_some(),
            Self::Expire(_) | Self::Emit(_) | Self::Publish(_) | Self::Enqueue(_) => false,
        };
        let tells = matches!(self, Self::Emit(_) | Self::Publish(_) | Self::Enqueue(_));
        match place {
            _ if named => Some("/universe: is said for the whole commit"),
            Place::Universe(..) if tells => Some("/op: nobody hears of what happens in a universe"),
            _ => None,
        }
    }

    /// The key that it changes, or tells something under.
    fn key(&self) -> Option<&str> {
        match self {
            Self::Set(set) => Some(set.key()),
            Self::Delete(delete) => Some(delete.key()),
            Self::Increment(increment) => Some(increment.key()),
            Self::Expire(expire) => Some(&expire.key),
            Self::Emit(emit) => Some(&emit.key),
            Self::Publish(_) | Self::Enqueue(_) => None,
        }
    }

    /// The permission that it needs beside that to write.
    fn permission(&self) -> &'static str {
        match self {
            Self::Delete(_) => DELETE,
            Self::Enqueue(_) => jobs::CREATE,
            Self::Publish(_) | Self::Set(_) | Self::Increment(_) | Self::Expire(_) | Self::Emit(_) => {
                WRITE_KEYS
            }
        }
    }

    /// The command that it becomes; an error names its place in the operation.
    async fn command(self, ctx: &Context, desk: &Joint<'_>, now_ms: u64) -> Result<Part, Wrong> {
        let command = match self {
            Self::Set(set) => set.command(now_ms).map_err(Wrong::Value)?,
            Self::Delete(delete) => delete.command(),
            Self::Increment(increment) => increment.command(),
            Self::Expire(Expire { key, ttl_ms }) => {
                Command::Expire { key: stored(&key), at: ttl_ms.map(|ms| now_ms.saturating_add(ms)) }
            }
            Self::Emit(Emit { key, value }) => {
                let data = Encoding::Json.read(&value).map_err(Wrong::Value)?;
                Command::Emit { channel: stored(&key), data }
            }
            Self::Publish(publish) => {
                publish.command(ctx, desk.topics, now_ms).await.map_err(Wrong::Refused)?
            }
            Self::Enqueue(wish) => {
                let Some(jobs) = desk.jobs else {
                    return Err(Wrong::Value("/op: there are no jobs here".to_owned()));
                };
                let job = wish.job(ctx, jobs).map_err(Wrong::Refused)?;
                let made = jobs.queue.enqueueing(job);
                let (command, deciding) = made.map_err(|error| Wrong::Refused(errors::queue(&error)))?;
                return Ok((command, Some(deciding)));
            }
        };
        Ok((command, None))
    }
}

/// What operations need beside the keys.
struct Joint<'a> {
    topics: &'a TopicDesk,
    jobs: Option<&'a jobs::Desk>,
}

/// A command, and what is to be done once it has happened.
type Part = (Command, Option<Deciding<Enqueued>>);

/// Operations as commands, and jobs that are enqueued with them: which operation it was, and what is to be done then.
#[derive(Debug)]
pub(in crate::methods) struct Effects {
    pub(in crate::methods) commands: Vec<Command>,
    pub(in crate::methods) deciding: Vec<(usize, Deciding<Enqueued>)>,
}

/// What a caller wants to have written with something else, once it was found to be allowed to.
///
/// # Errors
/// If it may not, or an operation is wrong.
pub(in crate::methods) async fn effects(
    ctx: &Context,
    desk: &jobs::Desk,
    operations: Vec<Operation>,
) -> Result<Effects, MethodError> {
    for operation in &operations {
        let permission = operation.permission();
        let open = match operation {
            Operation::Enqueue(_) => desk.may(&ctx.principal(), permission),
            _ => desk.kv_everyone || ctx.principal().may(permission),
        };
        if !open {
            return Err(MethodError::permission(permission));
        }
        if let Some(key) = operation.key() {
            desk.kv_rules.check(&ctx.principal(), key, KeyAction::Write)?;
        }
    }
    let place = Place::Main(desk.queue.store().clone());
    let joint = Joint { topics: &desk.topics, jobs: Some(desk) };
    commands(ctx, &place, &joint, operations, "/effects").await
}

/// The commands of operations. `at` is where they stand.
async fn commands(
    ctx: &Context,
    place: &Place,
    joint: &Joint<'_>,
    operations: Vec<Operation>,
    at: &str,
) -> Result<Effects, MethodError> {
    let now_ms = place.now_ms();
    let mut effects = Effects { commands: Vec::with_capacity(operations.len()), deciding: Vec::new() };
    for (index, operation) in operations.into_iter().enumerate() {
        if let Some(text) = operation.misplaced(place) {
            return Err(MethodError::invalid([format!("{at}/{index}{text}")]));
        }
        let wrong = |wrong: Wrong| match wrong {
            Wrong::Value(text) => MethodError::invalid([format!("{at}/{index}{text}")]),
            Wrong::Refused(error) => error,
        };
        let (command, deciding) = operation.command(ctx, joint, now_ms).await.map_err(wrong)?;
        effects.commands.push(command);
        effects.deciding.extend(deciding.map(|deciding| (index, deciding)));
    }
    Ok(effects)
}

/// Why an operation is no command.
enum Wrong {
    /// Something in it, at its place.
    Value(String),
    /// The caller is told this.
    Refused(MethodError),
}

/// Whether it was done, and what each operation gave.
pub(super) async fn commit(
    ctx: Context,
    places: Places,
    (topics, jobs): (TopicDesk, Option<jobs::Desk>),
    params: CommitParams,
) -> Result<Json, MethodError> {
    let place = places.get(&ctx, params.universe.as_deref(), WRITE)?;
    for operation in &params.operations {
        let may = match operation {
            Operation::Delete(_) => places.may(&ctx.principal(), DELETE),
            Operation::Enqueue(_) => {
                jobs.as_ref().is_none_or(|jobs| jobs.may(&ctx.principal(), jobs::CREATE))
            }
            _ => true,
        };
        if !may {
            return Err(MethodError::permission(operation.permission()));
        }
        if let Some(key) = operation.key() {
            places.check(&ctx, key, KeyAction::Write)?;
        }
    }
    for check in &params.checks {
        // Whether a key has a version tells something of it.
        places.check(&ctx, &check.key, KeyAction::Read)?;
    }
    let joint = Joint { topics: &topics, jobs: jobs.as_ref() };
    let Effects { commands, deciding } =
        commands(&ctx, &place, &joint, params.operations, "/operations").await?;
    let check = |check: &CheckParams| Check {
        key: stored(&check.key),
        condition: Condition::IfVersion(check.version),
    };
    let checks = params.checks.iter().map(check).collect();
    let commit = Commit { checks, commands, keep_going: false };
    match place.commit(commit).await? {
        CommitOutcome::Done { revision, outcomes } => {
            let results = outcomes.iter().flatten().map(|outcome| written(outcome, "done"));
            let mut results: Vec<Json> = results.collect();
            for (index, deciding) in deciding {
                let made = deciding.happened().await.map_err(|error| errors::queue(&error))?;
                results[index] = jobs::enqueued(&made);
            }
            Ok(json!({ "committed": true, "revision": revision, "results": results }))
        }
        CommitOutcome::Conflict { check, version } => {
            let key = &params.checks[check].key;
            Ok(json!({ "committed": false, "check": check, "key": key, "version": version }))
        }
        CommitOutcome::Refused { command, refusal } => {
            let declined = deciding.into_iter().find(|(index, _)| *index == command);
            match declined.and_then(|(_, deciding)| deciding.declined()) {
                Some(error) => Err(errors::queue(&error)),
                None => Err(errors::refusal(&format!("/operations/{command}"), &refusal)),
            }
        }
    }
}
