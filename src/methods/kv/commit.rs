//! `kv:commit`: several changes at once, or none.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::errors;
use super::super::topics::{Announcement, TopicDesk};
use super::place::{Place, Places, WRITE};
use super::values::Encoding;
use super::write::{Delete, Increment, Set, written};
use super::{DELETE, stored};
use crate::dispatch::{Context, MethodError};
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
enum Operation {
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
}

/// A change of when a key ends.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Expire {
    /// The key.
    key: String,
    /// Milliseconds from now; without it the key has no end.
    ttl_ms: Option<u64>,
}

/// Something to be told.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Emit {
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
            Self::Expire(_) | Self::Emit(_) | Self::Publish(_) => false,
        };
        let tells = matches!(self, Self::Emit(_) | Self::Publish(_));
        match place {
            _ if named => Some("/universe: is said for the whole commit"),
            Place::Universe(..) if tells => Some("/op: nobody hears of what happens in a universe"),
            _ => None,
        }
    }

    /// The command that it becomes; an error names its place in the operation.
    async fn command(self, ctx: &Context, topics: &TopicDesk, now_ms: u64) -> Result<Command, Wrong> {
        Ok(match self {
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
            Self::Publish(publish) => publish.command(ctx, topics, now_ms).await.map_err(Wrong::Refused)?,
        })
    }
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
    topics: TopicDesk,
    params: CommitParams,
) -> Result<Json, MethodError> {
    let place = places.get(&ctx, params.universe.as_deref(), WRITE)?;
    let deletes = params.operations.iter().any(|operation| matches!(operation, Operation::Delete(_)));
    if deletes && !places.may(&ctx.principal(), DELETE) {
        return Err(MethodError::permission(DELETE));
    }
    let now_ms = place.now_ms();
    let mut commands = Vec::with_capacity(params.operations.len());
    for (index, operation) in params.operations.into_iter().enumerate() {
        if let Some(text) = operation.misplaced(&place) {
            return Err(MethodError::invalid([format!("/operations/{index}{text}")]));
        }
        let wrong = |wrong: Wrong| match wrong {
            Wrong::Value(text) => MethodError::invalid([format!("/operations/{index}{text}")]),
            Wrong::Refused(error) => error,
        };
        commands.push(operation.command(&ctx, &topics, now_ms).await.map_err(wrong)?);
    }
    let check = |check: &CheckParams| Check {
        key: stored(&check.key),
        condition: Condition::IfVersion(check.version),
    };
    let checks = params.checks.iter().map(check).collect();
    let commit = Commit { checks, commands, keep_going: false };
    match place.commit(commit).await? {
        CommitOutcome::Done { revision, outcomes } => {
            let results = outcomes.iter().flatten().map(|outcome| written(outcome, "done"));
            Ok(json!({ "committed": true, "revision": revision, "results": results.collect::<Vec<_>>() }))
        }
        CommitOutcome::Conflict { check, version } => {
            let key = &params.checks[check].key;
            Ok(json!({ "committed": false, "check": check, "key": key, "version": version }))
        }
        CommitOutcome::Refused { command, refusal } => {
            Err(errors::refusal(&format!("/operations/{command}"), &refusal))
        }
    }
}
