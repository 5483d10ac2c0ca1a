//! How a merge is wanted, and what stands in its way.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::error::UniverseError;
use super::path::hidden;
use super::state::check_value;

/// What is done where both sides differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Everything that the source has takes the place of what the target has. Nothing is taken away.
    #[default]
    Replace,
    /// Everything that either side has. Lists are joined; where values differ otherwise, the source's stays.
    Union,
    /// What has changed on one side only is taken from there; what both have changed is a conflict, and the merge
    /// does not happen unless it is resolved.
    ThreeWay,
    /// As `three-way`; conflicts are resolved for the source.
    Theirs,
    /// As `three-way`; conflicts are resolved for the target.
    Ours,
}

/// Whose state stays where both have changed the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MergeSide {
    /// The target's.
    Ours,
    /// The source's.
    Theirs,
}

/// How one conflict is to end.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Resolution {
    /// As this side has it.
    Take(MergeSide),
    /// With this JSON value.
    Value(Json),
    /// With nothing.
    Delete(bool),
}

/// Both sides have changed the same path.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// The path.
    pub path: String,
    /// What lay there in the common state; null if nothing did. Files and bytes are told by their length.
    pub base: Json,
    /// What the target has there.
    pub ours: Json,
    /// What the source has there.
    pub theirs: Json,
}

/// How conflicts end: all of them, or by their paths.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) side: Option<MergeSide>,
    pub(super) by_path: BTreeMap<String, Resolution>,
}

/// Resolutions as they were asked for, with their paths checked.
pub(super) fn rules(
    strategy: Strategy,
    on_conflict: Option<MergeSide>,
    by_path: BTreeMap<String, Resolution>,
) -> Result<Rules, UniverseError> {
    for (path, resolution) in &by_path {
        hidden(path, usize::MAX)?;
        if *resolution == Resolution::Delete(false) {
            let text = format!("{path}: delete is true, or not said");
            return Err(UniverseError::Invalid { place: "resolutions", text });
        }
        if let Resolution::Value(value) = resolution {
            check_value(value, 0)?;
        }
    }
    let side = match strategy {
        Strategy::Theirs => Some(MergeSide::Theirs),
        Strategy::Ours => Some(MergeSide::Ours),
        _ => on_conflict,
    };
    Ok(Rules { side, by_path })
}
