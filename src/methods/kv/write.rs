//! `kv:set`, `kv:delete`, `kv:increment`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::place::{Places, WRITE};
use super::values::Encoding;
use super::{KeyAction, stored};
use crate::dispatch::{Context, MethodError};
use crate::store::{Command, Condition, Expiry, Outcome};

/// Parameters of `kv:set`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::methods) struct Set {
    /// The key.
    key: String,
    /// The value: any JSON, or a string if `encoding` says so.
    value: Json,
    /// How the value is written.
    #[serde(default)]
    encoding: Encoding,
    /// Milliseconds until the key ends; without it the key has no end.
    ttl_ms: Option<u64>,
    /// Whether the key ends when it did before.
    #[serde(default)]
    keep_ttl: bool,
    /// Only if the key has this version; 0 is no key.
    if_version: Option<u64>,
    /// The universe whose key it is; "main" or nothing are the keys themselves.
    pub(super) universe: Option<String>,
}

impl Set {
    /// The key that it changes.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn command(self, now_ms: u64) -> Result<Command, String> {
        let value = self.encoding.read(&self.value).map_err(|text| format!("/value: {text}"))?;
        let expiry = match (self.ttl_ms, self.keep_ttl) {
            (Some(_), true) => return Err("/keepTtl: contradicts ttlMs".to_owned()),
            (Some(0), _) => return Err("/ttlMs: must be more than 0".to_owned()),
            (Some(ms), false) => Expiry::At(now_ms.saturating_add(ms)),
            (None, true) => Expiry::Keep,
            (None, false) => Expiry::Never,
        };
        let condition = self.if_version.map_or(Condition::Always, Condition::IfVersion);
        Ok(Command::Set { key: stored(&self.key), value, condition, expiry })
    }
}

/// Whether it was done, and the version that the key has.
pub(super) async fn set(ctx: Context, places: Places, params: Set) -> Result<Json, MethodError> {
    places.check(&ctx, params.key(), KeyAction::Write)?;
    let place = places.get(&ctx, params.universe.as_deref(), WRITE)?;
    let command = params.command(place.now_ms()).map_err(|text| MethodError::invalid([text]))?;
    place.run(command).await.map(|outcome| written(&outcome, "done"))
}

/// Parameters of `kv:delete`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::methods) struct Delete {
    /// The key.
    key: String,
    /// Only if the key has this version.
    if_version: Option<u64>,
    /// The universe whose key it is; "main" or nothing are the keys themselves.
    pub(super) universe: Option<String>,
}

impl Delete {
    /// The key that it changes.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn command(self) -> Command {
        let condition = self.if_version.map_or(Condition::Always, Condition::IfVersion);
        Command::Delete { key: stored(&self.key), condition }
    }
}

/// Whether the key was there and is gone.
pub(super) async fn delete(ctx: Context, places: Places, params: Delete) -> Result<Json, MethodError> {
    places.check(&ctx, params.key(), KeyAction::Write)?;
    let place = places.get(&ctx, params.universe.as_deref(), WRITE)?;
    place.run(params.command()).await.map(|outcome| written(&outcome, "deleted"))
}

/// Parameters of `kv:increment`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::methods) struct Increment {
    /// The key.
    key: String,
    /// What to add, 1 if nothing is said.
    by: Option<i64>,
    /// The universe whose key it is; "main" or nothing are the keys themselves.
    pub(super) universe: Option<String>,
}

impl Increment {
    /// The key that it changes.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn command(self) -> Command {
        Command::Increment { key: stored(&self.key), by: self.by.unwrap_or(1), json: true }
    }
}

/// The sum.
pub(super) async fn increment(ctx: Context, places: Places, params: Increment) -> Result<Json, MethodError> {
    places.check(&ctx, params.key(), KeyAction::Write)?;
    let place = places.get(&ctx, params.universe.as_deref(), WRITE)?;
    place.run(params.command()).await.map(|outcome| written(&outcome, "done"))
}

/// An outcome as peers see it.
pub(super) fn written(outcome: &Outcome, done_is: &str) -> Json {
    match outcome {
        Outcome::Written { done, version, .. } => json!({ done_is: done, "version": version }),
        Outcome::Number(number) => json!({ "value": number }),
        Outcome::Read(_) => Json::Null,
    }
}
