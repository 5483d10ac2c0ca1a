//! `universe:operate`: operations by their names, with the parameters and the answers that existing front ends
//! know. `docs/universes.md` lists them.

use std::time::Instant;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};

use super::super::errors;
use super::create::make;
use super::history::side;
use super::params::{Analyze, Branch, Clone, Commit, Diff, Materialize, Merge, Restore, Snapshot, Update};
use super::{ADMIN, UniverseDesk, analyze, id, merge, shapes, state, waiting};
use crate::dispatch::{Context, MethodError};
use crate::protocol::ErrorCode;
use crate::universes::{Creation, MergeWish, Note, Selection, UniverseError, UniverseId};

/// Paths of a difference that are listed.
const PATHS_MAX: usize = 10_000;

/// Parameters of `universe:operate`, and an operation of `universe:batch`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Operate {
    /// The universe.
    universe: String,
    /// snapshot, clone, update, branch, merge, analyze, commit, restore, diff or materialize.
    operation: String,
    /// As the operation has them.
    #[serde(default)]
    params: Map<String, Json>,
}

pub(super) async fn operate(ctx: Context, desk: UniverseDesk, params: Operate) -> Result<Json, MethodError> {
    let began = Instant::now();
    let universe = id("universe", &params.universe)?;
    let known = desk.universes.get(universe).map_err(|error| errors::universe(&error))?;
    let work = Work { ctx: &ctx, desk: &desk, universe };
    let (result, told) = work.run(&params.operation, params.params).await?;
    let took = began.elapsed();
    desk.tell_operation(universe, &params.operation, &told, took).await;
    let index = desk.universes.get(universe).map_or(known.head.operations, |now| now.head.operations);
    Ok(json!({
        "operationId": uuid::Uuid::new_v4(),
        "operation": params.operation,
        "result": result,
        "performance": shapes::performance(took),
        "metadata": {
            "universeId": universe,
            "timestamp": desk.universes.now_ms(),
            "operationIndex": index,
        },
    }))
}

/// What an operation gives, and what everybody is told of it.
type Done = (Json, Json);

struct Work<'a> {
    ctx: &'a Context,
    desk: &'a UniverseDesk,
    universe: UniverseId,
}

/// The parameters of an operation; what is wrong with them is named.
fn read<P: DeserializeOwned>(params: Map<String, Json>) -> Result<P, MethodError> {
    let wrong = |error| MethodError::invalid([format!("/params: {error}")]);
    serde_json::from_value(params.into()).map_err(wrong)
}

fn told(error: &UniverseError) -> MethodError {
    errors::universe(error)
}

const OPERATIONS: &str =
    "snapshot, clone, update, branch, merge, analyze, commit, restore, diff or materialize";

impl Work<'_> {
    async fn run(&self, operation: &str, params: Map<String, Json>) -> Result<Done, MethodError> {
        match operation {
            "snapshot" => self.snapshot(read(params)?).await,
            "clone" => self.fork(read(params)?).await,
            "branch" => self.branch(read(params)?).await,
            "update" => self.update(read(params)?).await,
            "merge" => self.merge(read(params)?).await,
            "analyze" => self.analyze(&read(params)?).await,
            "commit" => self.commit(read(params)?).await,
            "restore" => self.restore(read(params)?).await,
            "diff" => self.diff(read(params)?).await,
            "materialize" => self.materialize(read(params)?).await,
            other => {
                Err(MethodError::invalid([format!("/operation: \"{other}\" is unknown; it is {OPERATIONS}")]))
            }
        }
    }

    async fn snapshot(&self, params: Snapshot) -> Result<Done, MethodError> {
        let Snapshot { name, description, tags, .. } = params;
        let author = self.ctx.principal().name().map(str::to_owned);
        let message = description.clone().or_else(|| name.clone()).unwrap_or_default();
        let note = Note { message, author, name, description, tags, automatic: false };
        let kept = self.desk.universes.commit(self.universe, note).await.map_err(|error| told(&error))?;
        let (id, universes) = (kept.commit.to_string(), self.desk.universes.clone());
        let (commit_id, commit) = waiting(move || universes.commit_called(&id)).await?;
        let metadata = json!({
            "type": "snapshot",
            "universeId": self.universe,
            "snapshotId": kept.snapshot.to_string(),
            "operation": "create_snapshot",
        });
        let mut snapshot = shapes::snapshot(self.universe, commit_id, &commit);
        if let (Json::Object(about), more) = (&mut snapshot["metadata"], params.metadata) {
            for (name, value) in more {
                about.entry(name).or_insert(value);
            }
        }
        Ok((json!({ "snapshot": snapshot, "metadata": metadata }), metadata))
    }

    async fn fork(&self, params: Clone) -> Result<Done, MethodError> {
        let wish = Creation {
            count: 1,
            parent: Some(self.universe),
            empty: !params.copy_state,
            name: params.name,
            metadata: params.metadata,
            inherit_metadata: params.inherit_metadata,
            ..Creation::default()
        };
        let (id, clone) = self.made(wish).await?;
        let metadata = json!({
            "type": "clone",
            "sourceId": self.universe,
            "cloneId": id,
            "operation": "clone_universe",
        });
        Ok((json!({ "clone": clone, "metadata": metadata }), metadata))
    }

    async fn branch(&self, params: Branch) -> Result<Done, MethodError> {
        let mut metadata = params.metadata;
        metadata.insert("branchType".to_owned(), params.branch_type.as_str().into());
        let wish = Creation {
            count: 1,
            parent: Some(self.universe),
            state: params.modifications,
            name: params.name,
            metadata,
            inherit_metadata: true,
            ..Creation::default()
        };
        let (id, branch) = self.made(wish).await?;
        let metadata = json!({
            "type": "branch",
            "sourceId": self.universe,
            "branchId": id,
            "branchType": params.branch_type,
            "operation": "branch_universe",
        });
        Ok((json!({ "branch": branch, "metadata": metadata }), metadata))
    }

    /// Makes one universe, and tells everybody.
    async fn made(&self, wish: Creation) -> Result<(UniverseId, Json), MethodError> {
        let began = Instant::now();
        let made = make(self.desk, wish).await?;
        let universe = made.first().ok_or_else(|| MethodError::from(ErrorCode::UniverseNotFound))?;
        let about = shapes::metadata(&self.desk.universes, universe);
        self.desk.tell_created(std::slice::from_ref(&about), began.elapsed()).await;
        let id = universe.head.id;
        Ok((id, json!({ "id": id, "metadata": about })))
    }

    async fn update(&self, params: Update) -> Result<Done, MethodError> {
        let fields: Vec<String> = params.updates.keys().cloned().collect();
        let updated = self.desk.universes.update(self.universe, params.updates, params.merge).await;
        let updated = updated.map_err(|error| told(&error))?;
        let metadata = state::updated_told(self.universe, &updated, &fields);
        let result =
            json!({ "success": true, "sizeChange": updated.size_change, "cowTriggered": updated.shared });
        Ok((json!({ "updateResult": result, "metadata": metadata }), metadata))
    }

    async fn merge(&self, params: Merge) -> Result<Done, MethodError> {
        let (strategy, sources) = (params.merge_strategy, params.source_ids);
        let wish = MergeWish {
            target: self.universe,
            sources: merge::ids(&sources)?,
            strategy,
            on_conflict: params.on_conflict,
            resolutions: params.resolutions,
            note: merge::note(self.ctx, None, &sources),
        };
        let merged = self.desk.universes.merge(wish).await;
        let merged = merged.map_err(|error| self.desk.failed(self.ctx, error))?;
        let metadata = merge::told(self.universe, &sources, strategy);
        let mut result = merge::result(&merged);
        result["success"] = true.into();
        result["cowTriggered"] = (merged.changes > 0).into();
        result["sourceIds"] = sources.into();
        result["mergeStrategy"] = json!(strategy);
        Ok((json!({ "mergeResult": result, "metadata": metadata }), metadata))
    }

    async fn analyze(&self, params: &Analyze) -> Result<Done, MethodError> {
        let analysis = analyze::analysis(self.desk, self.universe).await?;
        let metadata =
            json!({ "type": "analysis", "universeId": self.universe, "analysisType": params.kind });
        Ok((json!({ "analysis": analysis, "metadata": metadata }), metadata))
    }

    async fn commit(&self, params: Commit) -> Result<Done, MethodError> {
        let began = Instant::now();
        let author = self.ctx.principal().name().map(str::to_owned);
        let note = Note { author, ..Note::message(params.message) };
        let kept = self.desk.universes.commit(self.universe, note).await.map_err(|error| told(&error))?;
        let took = began.elapsed();
        let metadata =
            json!({ "type": "commit", "universeId": self.universe, "snapshotId": kept.snapshot.to_string() });
        let result = json!({
            "success": true,
            "snapshotId": kept.snapshot.to_string(),
            "commitId": kept.commit.to_string(),
            "insight": kept.insight,
            "metrics": {
                "commitTime": took.as_micros() as u64,
                "executionTime": took.as_secs_f64() * 1_000.0,
                "vstLatency": took.as_micros() as u64,
            },
        });
        Ok((result, metadata))
    }

    async fn restore(&self, params: Restore) -> Result<Done, MethodError> {
        let began = Instant::now();
        let restored = self.desk.universes.restore(self.universe, params.snapshot_id).await;
        let snapshot = restored.map_err(|error| told(&error))?.to_string();
        let metadata = json!({ "type": "restore", "universeId": self.universe, "snapshotId": snapshot });
        let restore_us = began.elapsed().as_micros() as u64;
        let result =
            json!({ "success": true, "snapshotId": snapshot, "metrics": { "restoreTime": restore_us } });
        Ok((result, metadata))
    }

    async fn diff(&self, params: Diff) -> Result<Done, MethodError> {
        let (from, to) = (params.from_snapshot, params.to_snapshot);
        let (universes, sides, values) =
            (self.desk.universes.clone(), (side(&from), side(&to)), params.values);
        let diff = waiting(move || universes.diff(&sides.0, &sides.1, PATHS_MAX, values)).await?;
        let diff = self.desk.shown(self.ctx, diff);
        let metadata = json!({ "type": "diff", "universeId": self.universe });
        let result = json!({
            "fromSnapshot": from,
            "toSnapshot": to,
            "diffStats": diff.stats,
            "added": diff.added,
            "changed": diff.changed,
            "deleted": diff.deleted,
        });
        Ok((result, metadata))
    }

    async fn materialize(&self, params: Materialize) -> Result<Done, MethodError> {
        if !self.ctx.principal().may(ADMIN) {
            return Err(MethodError::permission(ADMIN));
        }
        let Materialize { snapshot_id, output_dir, include, exclude } = params;
        let from = snapshot_id.unwrap_or_else(|| self.universe.to_string());
        let (universes, selection) = (self.desk.universes.clone(), Selection { include, exclude });
        let written = waiting(move || universes.materialize(&side(&from), &output_dir, &selection)).await?;
        let metadata = json!({ "type": "materialize", "universeId": self.universe });
        let metrics = json!({ "files": written.files, "bytes": written.bytes });
        let result = json!({
            "snapshotId": written.snapshot_id,
            "outputDir": written.output_dir,
            "metrics": metrics,
        });
        Ok((result, metadata))
    }
}
