//! `universe:create`, `universe:fork`, `universe:delete`.

use std::sync::Arc;
use std::time::Instant;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::super::errors;
use super::{UniverseDesk, id, shapes};
use crate::dispatch::{Context, MethodError};
use crate::universes::{Creation, Universe, UniverseId};

/// Parameters of `universe:create`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Create {
    /// How many, 1 if nothing is said.
    count: Option<usize>,
    /// The JSON state that each begins with.
    state: Map<String, Json>,
    /// A name for people.
    name: Option<String>,
    /// What they are for, in a word; "default" if nothing is said.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// What the application keeps with each.
    metadata: Map<String, Json>,
}

/// Parameters of `universe:fork`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Fork {
    /// The universe that is forked.
    universe: Option<String>,
    /// The same; "main" are the keys of the application.
    from: Option<String>,
    /// A snapshot, commit, alias or tag to begin with, instead of the state as it is.
    at: Option<String>,
    /// How many, 1 if nothing is said.
    count: Option<usize>,
    /// A JSON Merge Patch for what they begin with.
    #[serde(default)]
    changes: Map<String, Json>,
    /// A name for people.
    name: Option<String>,
    /// What they are for, in a word; as the forked one if nothing is said.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// What the application keeps with each, over what the forked one has.
    #[serde(default)]
    metadata: Map<String, Json>,
    /// Whether the metadata of the forked one is left out.
    #[serde(default)]
    fresh_metadata: bool,
}

/// Parameters of `universe:delete`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Delete {
    /// The universe.
    universe: String,
}

pub(super) async fn create(_: Context, desk: UniverseDesk, params: Create) -> Result<Json, MethodError> {
    let Create { count, state, name, kind, metadata } = params;
    let count = count.unwrap_or(1);
    made(&desk, Creation { count, state, name, kind, metadata, ..Creation::default() }).await
}

/// The name of the keys of the application, beside universes.
pub(super) const MAIN: &str = "main";

pub(super) async fn fork(ctx: Context, desk: UniverseDesk, params: Fork) -> Result<Json, MethodError> {
    let (place, source) = match (&params.universe, &params.from) {
        (Some(universe), None) => ("universe", universe),
        (None, Some(from)) => ("from", from),
        _ => return Err(MethodError::invalid(["one of /universe and /from is needed"])),
    };
    if source == MAIN {
        return fork_main(&ctx, &desk, params).await;
    }
    let parent = Some(id(place, source)?);
    let Fork { at, count, changes, name, kind, metadata, fresh_metadata, .. } = params;
    let (count, inherit_metadata) = (count.unwrap_or(1), !fresh_metadata);
    let wish =
        Creation { count, parent, at, empty: false, state: changes, name, kind, metadata, inherit_metadata };
    made(&desk, wish).await
}

async fn fork_main(ctx: &Context, desk: &UniverseDesk, params: Fork) -> Result<Json, MethodError> {
    desk.check_keys(ctx, "kv:get")?;
    let Fork { at, count, changes, name, kind, metadata, .. } = params;
    if at.is_some() || !changes.is_empty() {
        return Err(MethodError::invalid(["/from: main has no commits, and no JSON state to change"]));
    }
    let began = Instant::now();
    let count = count.unwrap_or(1);
    let wish = Creation { count, name, kind, metadata, ..Creation::default() };
    let made = desk.universes.fork_main(wish).await.map_err(|error| errors::universe(&error))?;
    let made = made.into_iter().filter_map(|id| desk.universes.get(id).ok());
    tell(desk, made.collect(), began).await
}

/// Makes universes and tells everybody. The answer is what is known of each, and how long it took.
async fn made(desk: &UniverseDesk, wish: Creation) -> Result<Json, MethodError> {
    let began = Instant::now();
    let made = make(desk, wish).await?;
    tell(desk, made, began).await
}

async fn tell(desk: &UniverseDesk, made: Vec<Arc<Universe>>, began: Instant) -> Result<Json, MethodError> {
    let told: Vec<_> = made.iter().map(|universe| shapes::metadata(&desk.universes, universe)).collect();
    let took = began.elapsed();
    desk.tell_created(&told, took).await;
    Ok(json!({ "universes": told, "performance": shapes::performance(took) }))
}

/// Makes universes. Those that are deleted again at once are not given.
pub(super) async fn make(desk: &UniverseDesk, wish: Creation) -> Result<Vec<Arc<Universe>>, MethodError> {
    let made: Vec<UniverseId> =
        desk.universes.create(wish).await.map_err(|error| errors::universe(&error))?;
    Ok(made.into_iter().filter_map(|id| desk.universes.get(id).ok()).collect())
}

pub(super) async fn delete(_: Context, desk: UniverseDesk, params: Delete) -> Result<Json, MethodError> {
    let (began, id) = (Instant::now(), id("universe", &params.universe)?);
    let gone = desk.universes.delete(id).await.map_err(|error| errors::universe(&error))?;
    desk.forget(&gone);
    let told = json!({ "type": "deletion", "universeId": id, "removedCount": gone.len() });
    desk.tell_operation(id, "delete", &told, began.elapsed()).await;
    Ok(json!({ "removedCount": gone.len(), "removed": gone }))
}
