//! `universe:analyze` and `universe:stats`: what can be said about universes. Every number is measured; what is not
//! known is null.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::errors;
use super::history::Nothing;
use super::{UniverseDesk, id, waiting};
use crate::dispatch::{Context, MethodError};
use crate::protocol::ErrorCode;
use crate::universes::{Shape, Universe, UniverseError, UniverseId, Universes};

/// Parameters of `universe:analyze`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Analyze {
    /// The universe.
    universe: String,
}

pub(super) async fn analyze(_: Context, desk: UniverseDesk, params: Analyze) -> Result<Json, MethodError> {
    analysis(&desk, id("universe", &params.universe)?).await
}

/// Relatives that are listed.
const LISTED_MAX: usize = 1_000;

pub(super) async fn analysis(desk: &UniverseDesk, id: UniverseId) -> Result<Json, MethodError> {
    let universe = desk.universes.get(id).map_err(|error| errors::universe(&error))?;
    let (universes, counts) = (desk.universes.clone(), desk.counts(id));
    // It reads a whole state from the disk: one at a time.
    let alone = Arc::clone(&desk.alone).acquire_owned().await;
    let alone = alone.map_err(|_| MethodError::from(ErrorCode::ServerDraining))?;
    let examined = move || {
        let _alone = alone;
        let shape = (universes.shape(id)?, universes.compat_id(id)?);
        let issue = match universes.verify(id) {
            Ok(()) => None,
            Err(error @ (UniverseError::Damaged(_) | UniverseError::Objects(_))) => Some(error.to_string()),
            Err(error) => return Err(error),
        };
        Ok((shape, issue))
    };
    let ((shape, compat_id), issue) = waiting(examined).await?;
    let head = &universe.head;
    let mean_ms = desk.universes.stats().mean_seconds.map(|seconds| seconds * 1_000.0);
    let advice = advice(&desk.universes, &universe, shape);
    let own = universe.own_bytes();
    let shared = 1.0 - own.min(head.sizes.bytes()) as f64 / head.sizes.bytes().max(1) as f64;
    let common = counts.iter().max_by_key(|(_, count)| **count).map(|(operation, _)| operation.clone());
    let active_ms = head.last_modified.saturating_sub(head.created_at);
    Ok(json!({
        "basic": {
            "id": id,
            "name": head.name,
            "type": head.kind,
            "createdAt": head.created_at,
            "lastModified": head.last_modified,
            "snapshotCount": head.snapshots,
            "snapshotId": head.root.to_string(),
            "compatId": compat_id.to_string(),
        },
        "performance": {
            "stateComplexity": {
                "size": head.sizes.json_bytes,
                "depth": shape.depth,
                "keys": shape.keys,
                "complexity": complexity(shape.keys),
            },
            "memoryEfficiency": {
                "stateSize": head.sizes.bytes(),
                "baseMemory": own,
                "efficiency": shared,
                "rating": rating(1.0 - shared, [0.1, 0.5]),
            },
            "accessPatterns": {
                "totalOperations": head.operations,
                "operationTypes": counts,
                "averageTimeBetweenOperations": (head.operations > 0).then(|| active_ms / head.operations),
                "mostCommonOperation": common,
            },
            "optimizationOpportunities": advice,
        },
        "relationships": relationships(&desk.universes, &universe),
        "health": {
            "integrity": { "healthy": issue.is_none(), "issues": issue.into_iter().collect::<Vec<_>>() },
            "performance": { "rating": mean_ms.map(|ms| rating(ms, [50.0, 100.0])), "meanOperationMs": mean_ms },
            "recommendations": advice,
        },
    }))
}

fn complexity(keys: usize) -> &'static str {
    match keys {
        0..10 => "simple",
        10..100 => "moderate",
        _ => "complex",
    }
}

/// A word for a number of which less is better.
fn rating(number: f64, [excellent, good]: [f64; 2]) -> &'static str {
    match number {
        _ if number < excellent => "excellent",
        _ if number < good => "good",
        _ => "poor",
    }
}

fn advice(universes: &Universes, universe: &Universe, shape: Shape) -> Vec<String> {
    let (_, children) = universes.children(universe.head.id, 0);
    let all = [
        (
            shape.depth > 5,
            format!("the state is {} levels deep; a flatter one has shorter paths", shape.depth),
        ),
        (
            universe.head.snapshots > 10,
            format!("{} snapshots are kept; universe:gc takes old ones away", universe.head.snapshots),
        ),
        (children > 100, format!("{children} universes were forked from it; delete those that are done")),
    ];
    all.into_iter().filter(|(applies, _)| *applies).map(|(_, text)| text).collect()
}

fn relationships(universes: &Universes, universe: &Universe) -> Json {
    let head = &universe.head;
    let siblings = head.parent.map_or_else(Vec::new, |parent| universes.children(parent, LISTED_MAX).0);
    let siblings: Vec<_> = siblings.into_iter().filter(|id| *id != head.id).collect();
    let (children, children_count) = universes.children(head.id, LISTED_MAX);
    let mut descendants = universes.descendants(head.id);
    let descendants_count = descendants.len();
    descendants.truncate(LISTED_MAX);
    json!({
        "parentId": head.parent,
        "children": children,
        "childrenCount": children_count,
        "siblings": siblings,
        "descendants": descendants,
        "descendantsCount": descendants_count,
    })
}

pub(super) async fn stats(_: Context, desk: UniverseDesk, _: Option<Nothing>) -> Result<Json, MethodError> {
    let universes = desk.universes.clone();
    let (stats, distribution) = waiting(move || Ok((universes.stats(), distribution(&universes)))).await?;
    let uptime = desk.universes.uptime();
    let (cache, objects) = (stats.objects.cache, stats.objects);
    let lookups = cache.hits + cache.misses;
    Ok(json!({
        "universes": stats.universes,
        "universesMax": stats.universes_max,
        "created": stats.created,
        "deleted": stats.deleted,
        "operations": stats.operations,
        "failures": stats.failures,
        "meanOperationMs": stats.mean_seconds.map(|seconds| seconds * 1_000.0),
        "operationsPerSecond": stats.operations as f64 / uptime.as_secs_f64().max(1.0),
        "peak": stats.peak.max(stats.universes as u64),
        "batchOperations": stats.batch_operations,
        "meanCreationMs": stats.mean_creation_seconds.map(|seconds| seconds * 1_000.0),
        "waiting": stats.waiting,
        "bytesPerUniverse": (stats.universes > 0).then(|| stats.own_bytes / stats.universes as u64),
        "commits": stats.snapshots,
        "distribution": distribution,
        "overlayBytes": stats.overlay_bytes,
        "objects": {
            "count": objects.objects,
            "fileBytes": objects.file_bytes,
            "written": objects.written.objects,
            "writtenBytes": objects.written.bytes,
        },
        "cache": {
            "hits": cache.hits,
            "misses": cache.misses,
            "evictions": cache.evictions,
            "items": cache.items,
            "bytes": cache.bytes,
            "hitRate": (lookups > 0).then(|| cache.hits as f64 / lookups as f64),
        },
    }))
}

/// How universes are spread by type, age, size and the number of their values.
fn distribution(universes: &Universes) -> Json {
    let mut by: [BTreeMap<String, u64>; 4] = Default::default();
    let now_ms = universes.now_ms();
    for universe in universes.list(0, usize::MAX) {
        let head = &universe.head;
        let age = match now_ms.saturating_sub(head.created_at) / 60_000 {
            0 => "minute",
            1..60 => "hour",
            60..1_440 => "day",
            _ => "older",
        };
        let size = match head.sizes.bytes() {
            0..1_024 => "under1KiB",
            1_024..1_048_576 => "under1MiB",
            _ => "larger",
        };
        for (by, word) in
            by.iter_mut().zip([head.kind.as_str(), age, size, complexity(head.sizes.entries as usize)])
        {
            *by.entry(word.to_owned()).or_default() += 1;
        }
    }
    let [by_type, by_age, by_size, by_complexity] = by;
    json!({ "byType": by_type, "byAge": by_age, "bySize": by_size, "byComplexity": by_complexity })
}
