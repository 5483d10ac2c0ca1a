//! `universe:merge`.

use std::collections::BTreeMap;
use std::time::Instant;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::create::MAIN;
use super::{UniverseDesk, id};
use crate::dispatch::{Context, MethodError};
use crate::universes::{MergeSide, MergeWish, Merged, Note, Resolution, Strategy, UniverseId};

/// Parameters of `universe:merge`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Merge {
    /// The universe that changes; "main" are the keys of the application.
    target: String,
    /// The universes whose states it gets, one after the other.
    sources: Vec<String>,
    /// What is done where they differ; "three-way" if nothing is said.
    strategy: Option<Strategy>,
    /// Whose state stays where both have changed the same.
    on_conflict: Option<MergeSide>,
    /// How single conflicts end, by their paths.
    #[serde(default)]
    resolutions: BTreeMap<String, Resolution>,
    /// Why.
    message: Option<String>,
}

pub(super) async fn merge(ctx: Context, desk: UniverseDesk, params: Merge) -> Result<Json, MethodError> {
    if params.target == MAIN {
        return merge_into_main(&ctx, &desk, params).await;
    }
    let (began, target) = (Instant::now(), id("target", &params.target)?);
    let wish = MergeWish {
        target,
        sources: ids(&params.sources)?,
        strategy: params.strategy.unwrap_or(Strategy::ThreeWay),
        on_conflict: params.on_conflict,
        resolutions: params.resolutions,
        note: note(&ctx, params.message, &params.sources),
    };
    let strategy = wish.strategy;
    let merged = desk.universes.merge(wish).await.map_err(|error| desk.failed(&ctx, error))?;
    let told = told(target, &params.sources, strategy);
    desk.tell_operation(target, "merge", &told, began.elapsed()).await;
    Ok(result(&merged))
}

/// Brings what a universe has changed of the application's keys back to them.
async fn merge_into_main(ctx: &Context, desk: &UniverseDesk, params: Merge) -> Result<Json, MethodError> {
    // What is gone in the universe goes from the keys too.
    desk.check_keys(ctx, "kv:set")?;
    desk.check_keys(ctx, "kv:delete")?;
    let began = Instant::now();
    let [source] = ids(&params.sources)?[..] else {
        return Err(MethodError::invalid(["/sources: one universe at a time is merged into main"]));
    };
    let strategy = params.strategy.unwrap_or(Strategy::ThreeWay);
    let Merge { on_conflict, resolutions, .. } = params;
    let merged = desk.universes.merge_into_main(source, strategy, on_conflict, resolutions).await;
    let changes = merged.map_err(|error| desk.failed(ctx, error))?;
    let told = json!({ "type": "merge", "operation": "merge_universes", "target": MAIN, "changes": changes });
    desk.tell_operation(source, "merge", &told, began.elapsed()).await;
    Ok(json!({ "changes": changes }))
}

pub(super) fn ids(texts: &[String]) -> Result<Vec<UniverseId>, MethodError> {
    texts.iter().map(|text| id("sources", text)).collect()
}

pub(super) fn note(ctx: &Context, message: Option<String>, sources: &[String]) -> Note {
    let message = message.unwrap_or_else(|| format!("merge of {}", sources.join(", ")));
    Note { author: ctx.principal().name().map(str::to_owned), ..Note::message(message) }
}

pub(super) fn told(target: UniverseId, sources: &[String], strategy: Strategy) -> Json {
    json!({
        "type": "merge",
        "operation": "merge_universes",
        "universeId": target,
        "sourceIds": sources,
        "mergeStrategy": strategy,
    })
}

pub(super) fn result(merged: &Merged) -> Json {
    json!({
        "changes": merged.changes,
        "sizeChange": merged.size_change,
        "commitId": merged.commit.to_string(),
        "snapshotId": merged.snapshot.to_string(),
    })
}
