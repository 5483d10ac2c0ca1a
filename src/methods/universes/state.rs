//! `universe:get`, `list`, `update`, `write`, `files`, `read`.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::super::errors;
use super::{UniverseDesk, id, shapes, waiting};
use crate::dispatch::{Context, MethodError};
use crate::protocol::ErrorCode;
use crate::universes::{FileChange, UniverseId, Updated};

/// Universes or files of a page if nobody says how many, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// States up to this size are written where the request is; larger ones hold up nobody else.
const INLINE_BYTES_MAX: u64 = 64 * 1024;

/// Parameters of `universe:get`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Get {
    /// The universe.
    universe: String,
    /// A JSON Pointer to the part of the state that is wanted; all of it if nothing is said.
    #[serde(default)]
    pointer: String,
    /// A snapshot, commit, alias or tag whose state is wanted instead.
    at: Option<String>,
    /// Whether the state is left out.
    #[serde(default, rename = "withoutState")]
    without_state: bool,
}

pub(super) async fn get(_: Context, desk: UniverseDesk, params: Get) -> Result<Json, MethodError> {
    let id = id("universe", &params.universe)?;
    let universe = desk.universes.get(id).map_err(|error| errors::universe(&error))?;
    let (children, _) = desk.universes.children(id, LIMIT_MAX);
    let mut told = json!({
        "id": id,
        "metadata": shapes::metadata(&desk.universes, &universe),
        "children": children,
    });
    if !params.without_state {
        told["state"] = state(&desk, id, params.at, params.pointer).await?;
    }
    Ok(told)
}

/// What lies at a pointer; an error if nothing does.
async fn state(
    desk: &UniverseDesk,
    id: UniverseId,
    at: Option<String>,
    pointer: String,
) -> Result<Json, MethodError> {
    let small =
        desk.universes.get(id).is_ok_and(|universe| universe.head.sizes.json_bytes < INLINE_BYTES_MAX);
    let found = if small && at.is_none() && desk.universes.is_resident(id) {
        desk.universes.state(id, &pointer).map_err(|error| errors::universe(&error))?
    } else {
        let (universes, pointer) = (desk.universes.clone(), pointer.clone());
        waiting(move || universes.state_at(id, at.as_deref(), &pointer)).await?
    };
    found.ok_or_else(|| MethodError::invalid([format!("/pointer: nothing lies at \"{pointer}\"")]))
}

/// Parameters of `universe:list`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct List {
    /// Where to go on, by an earlier answer.
    cursor: Option<String>,
    /// The most universes to give, at most 1000.
    limit: Option<usize>,
}

pub(super) async fn list(_: Context, desk: UniverseDesk, params: List) -> Result<Json, MethodError> {
    let from = params.cursor.as_deref().map_or(Ok(0), str::parse::<u64>);
    let from = from.map_err(|_| MethodError::invalid(["/cursor: is none of an earlier answer"]))?;
    let limit = params.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let mut found = desk.universes.list(from, limit + 1);
    let next = found.get(limit).map(|universe| universe.head.index.to_string());
    found.truncate(limit);
    let told: Vec<_> = found.iter().map(|universe| shapes::metadata(&desk.universes, universe)).collect();
    Ok(json!({ "universes": told, "cursor": next, "total": desk.universes.count() }))
}

/// Parameters of `universe:update`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Update {
    /// The universe.
    universe: String,
    /// What changes: a JSON Merge Patch, or the whole state.
    updates: Map<String, Json>,
    /// Whether the updates are a patch; otherwise they are the whole state.
    #[serde(default = "yes")]
    merge: bool,
}

fn yes() -> bool {
    true
}

pub(super) async fn update(_: Context, desk: UniverseDesk, params: Update) -> Result<Json, MethodError> {
    let (began, id) = (Instant::now(), id("universe", &params.universe)?);
    let fields: Vec<String> = params.updates.keys().cloned().collect();
    let updated = desk.universes.update(id, params.updates, params.merge).await;
    let updated = updated.map_err(|error| errors::universe(&error))?;
    let told = updated_told(id, &updated, &fields);
    desk.tell_operation(id, "update", &told, began.elapsed()).await;
    Ok(json!({ "changes": updated.changes, "sizeChange": updated.size_change }))
}

/// What everybody is told of an update.
pub(super) fn updated_told(id: UniverseId, updated: &Updated, fields: &[String]) -> Json {
    json!({
        "type": "update",
        "operation": "update_universe",
        "universeId": id,
        "updatedFields": fields,
        "changes": updated.changes,
    })
}

/// Parameters of `universe:write`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Write {
    /// The universe.
    universe: String,
    /// The files.
    files: Vec<WriteFile>,
}

/// A file that is written or taken away.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WriteFile {
    /// Its path: names between slashes.
    path: String,
    /// What is in it, as text.
    text: Option<String>,
    /// What is in it, in base64.
    base64: Option<String>,
    /// Whether it goes behind what is in the file already.
    #[serde(default)]
    append: bool,
    /// Whether it is taken away.
    #[serde(default)]
    delete: bool,
}

impl WriteFile {
    fn change(self, index: usize) -> Result<FileChange, MethodError> {
        let Self { path, text, base64, append, delete } = self;
        let invalid = |text: String| MethodError::invalid([format!("/files/{index}{text}")]);
        let content = match (text, base64, delete) {
            (Some(text), None, false) => Some(text.into_bytes()),
            (None, Some(base64), false) => {
                let bytes = STANDARD.decode(base64);
                Some(bytes.map_err(|error| invalid(format!("/base64: is not base64: {error}")))?)
            }
            (None, None, true) => None,
            _ => return Err(invalid(": has one of text, base64 and delete".to_owned())),
        };
        Ok(FileChange { path, content, append })
    }
}

pub(super) async fn write(_: Context, desk: UniverseDesk, params: Write) -> Result<Json, MethodError> {
    let (began, id) = (Instant::now(), id("universe", &params.universe)?);
    let files = params.files.into_iter().enumerate().map(|(index, file)| file.change(index));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    let updated = desk.universes.write_files(id, files).await.map_err(|error| errors::universe(&error))?;
    let told = json!({ "type": "write", "universeId": id, "changes": updated.changes });
    desk.tell_operation(id, "write", &told, began.elapsed()).await;
    Ok(json!({ "changes": updated.changes }))
}

/// Parameters of `universe:files`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Files {
    /// The universe.
    universe: String,
    /// What the paths begin with.
    #[serde(default)]
    prefix: String,
    /// The path behind which to go on.
    #[serde(default)]
    after: String,
    /// A snapshot, commit, alias or tag whose files are wanted instead.
    at: Option<String>,
    /// The most files to give, at most 1000.
    limit: Option<usize>,
}

pub(super) async fn files(_: Context, desk: UniverseDesk, params: Files) -> Result<Json, MethodError> {
    let id = id("universe", &params.universe)?;
    let limit = params.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let universes = desk.universes.clone();
    let Files { prefix, after, at, .. } = params;
    let files = waiting(move || universes.files(id, at.as_deref(), [&prefix, &after], limit)).await?;
    let next = files.last().filter(|_| files.len() == limit).map(|file| file.path.clone());
    Ok(json!({ "files": files, "after": next }))
}

/// Parameters of `universe:read`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    /// The universe.
    universe: String,
    /// The path of the file.
    path: String,
    /// A snapshot, commit, alias or tag whose file is wanted instead.
    at: Option<String>,
    /// The byte to begin with.
    #[serde(default)]
    offset: usize,
}

/// Bytes of a file in one answer: in base64 they must fit into a message.
const PIECE_BYTES: usize = 512 * 1024;

pub(super) async fn read(_: Context, desk: UniverseDesk, params: Read) -> Result<Json, MethodError> {
    let (universes, id) = (desk.universes.clone(), id("universe", &params.universe)?);
    let Read { path, at, offset, .. } = params;
    let wanted = path.clone();
    let found = waiting(move || universes.file(id, at.as_deref(), &wanted)).await?;
    let Some(bytes) = found else {
        return Err(MethodError::of(ErrorCode::UniverseNotFound, format!("there is no file \"{path}\"")));
    };
    let piece = &bytes[offset.min(bytes.len())..];
    let piece = &piece[..piece.len().min(PIECE_BYTES)];
    let end = offset + piece.len();
    let mut told = json!({ "path": path, "bytes": bytes.len(), "next": (end < bytes.len()).then_some(end) });
    match std::str::from_utf8(piece) {
        Ok(text) if !text.chars().any(|it| it.is_control() && !matches!(it, '\n' | '\r' | '\t')) => {
            told["text"] = text.into();
        }
        _ => told["base64"] = STANDARD.encode(piece).into(),
    }
    Ok(told)
}
