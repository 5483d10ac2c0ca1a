//! `universe:commit`, `log`, `restore`, `diff`, `tag`, `tags`, `gc`, `materialize`.

use std::time::Instant;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::errors;
use super::{UniverseDesk, id, shapes, waiting};
use crate::base::Span;
use crate::dispatch::{Context, MethodError};
use crate::universes::{Note, Retention, Selection, Side};

/// Commits of a page, or paths of a difference, if nobody says how many, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 10_000;

/// Bytes of commits in one answer. It must fit into a message.
const PAGE_BYTES_MAX: usize = 512 * 1024;

/// Parameters of `universe:commit`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Commit {
    /// The universe.
    universe: String,
    /// Why.
    #[serde(default)]
    message: String,
    /// Who; the caller's name if nothing is said.
    author: Option<String>,
    /// A name for people.
    name: Option<String>,
    /// A text for people.
    description: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    tags: Vec<String>,
}

pub(super) async fn commit(ctx: Context, desk: UniverseDesk, params: Commit) -> Result<Json, MethodError> {
    let (began, universe) = (Instant::now(), id("universe", &params.universe)?);
    let Commit { message, author, name, description, tags, .. } = params;
    let author = author.or_else(|| ctx.principal().name().map(str::to_owned));
    let note = Note { message, author, name, description, tags, automatic: false };
    let committed = desk.universes.commit(universe, note).await.map_err(|error| errors::universe(&error))?;
    let told = json!({
        "type": "commit",
        "universeId": universe,
        "snapshotId": committed.snapshot.to_string(),
        "commitId": committed.commit.to_string(),
    });
    desk.tell_operation(universe, "commit", &told, began.elapsed()).await;
    Ok(json!({
        "snapshotId": committed.snapshot.to_string(),
        "commitId": committed.commit.to_string(),
        "insight": committed.insight,
    }))
}

/// Parameters of `universe:log`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    /// The universe; or, with nothing said, `from`.
    universe: Option<String>,
    /// A snapshot, commit, alias or tag to begin with.
    from: Option<String>,
    /// The most commits to give, at most 10000.
    limit: Option<usize>,
}

pub(super) async fn log(_: Context, desk: UniverseDesk, params: Log) -> Result<Json, MethodError> {
    let limit = params.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let universe = params.universe.as_deref().map(|text| id("universe", text)).transpose()?;
    let (universes, from) = (desk.universes.clone(), params.from);
    if universe.is_none() && from.is_none() {
        return Err(MethodError::invalid(["/universe: is missing, and so is from"]));
    }
    let commits = waiting(move || match (from, universe) {
        (Some(from), _) => universes.history(universes.commit_called(&from)?.0, limit),
        (None, Some(universe)) => universes.log(universe, limit),
        (None, None) => Ok(Vec::new()),
    })
    .await?;
    let mut next = commits.last().filter(|_| commits.len() == limit).and_then(|(_, it)| it.parents.first());
    let (mut told, mut bytes) = (Vec::new(), 0);
    for (id, commit) in &commits {
        let shown = shapes::commit(*id, commit);
        bytes += shown.to_string().len();
        if bytes > PAGE_BYTES_MAX && !told.is_empty() {
            next = Some(id);
            break;
        }
        told.push(shown);
    }
    Ok(json!({ "commits": told, "next": next.map(ToString::to_string) }))
}

/// Parameters of `universe:restore`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Restore {
    /// The universe.
    universe: String,
    /// The snapshot, commit, alias or tag.
    to: String,
}

pub(super) async fn restore(_: Context, desk: UniverseDesk, params: Restore) -> Result<Json, MethodError> {
    let (began, universe) = (Instant::now(), id("universe", &params.universe)?);
    let restored = desk.universes.restore(universe, params.to).await;
    let snapshot = restored.map_err(|error| errors::universe(&error))?.to_string();
    let told = json!({ "type": "restore", "universeId": universe, "snapshotId": snapshot });
    desk.tell_operation(universe, "restore", &told, began.elapsed()).await;
    Ok(json!({ "snapshotId": snapshot }))
}

/// Parameters of `universe:diff`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DiffParams {
    /// A universe, or a snapshot, commit, alias or tag.
    from: String,
    /// Another.
    to: String,
    /// The most paths to list, at most 10000.
    limit: Option<usize>,
    /// Whether what lies there is told too.
    #[serde(default)]
    values: bool,
}

pub(super) async fn diff(ctx: Context, desk: UniverseDesk, params: DiffParams) -> Result<Json, MethodError> {
    let limit = params.limit.unwrap_or(LIMIT_MAX).min(LIMIT_MAX);
    let (universes, values) = (desk.universes.clone(), params.values);
    let diff = waiting(move || universes.diff(&side(&params.from), &side(&params.to), limit, values)).await?;
    Ok(json!(desk.shown(&ctx, diff)))
}

/// A universe, if the text is its id, or a commit.
pub(super) fn side(text: &str) -> Side {
    match text.parse() {
        Ok(side) => side,
    }
}

/// Parameters of `universe:tag`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tag {
    /// The name.
    name: String,
    /// The universe whose last commit gets it.
    universe: Option<String>,
    /// The snapshot, commit, alias or tag that gets it.
    at: Option<String>,
    /// Whether the name is taken away.
    #[serde(default)]
    delete: bool,
}

pub(super) async fn tag(_: Context, desk: UniverseDesk, params: Tag) -> Result<Json, MethodError> {
    let Tag { name, universe, at, delete } = params;
    if delete {
        let deleted = desk.universes.untag(name).await.map_err(|error| errors::universe(&error))?;
        return Ok(json!({ "deleted": deleted }));
    }
    let universe = universe.map(|text| id("universe", &text)).transpose()?;
    let tagged = desk.universes.tag(name.clone(), universe, at).await;
    let commit = tagged.map_err(|error| errors::universe(&error))?;
    Ok(json!({ "name": name, "commitId": commit.to_string() }))
}

/// No parameters.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Nothing {}

pub(super) async fn tags(_: Context, desk: UniverseDesk, _: Option<Nothing>) -> Result<Json, MethodError> {
    let tags = desk.universes.tags().into_iter();
    let told: Vec<_> =
        tags.map(|(name, commit)| json!({ "name": name, "commitId": commit.to_string() })).collect();
    Ok(json!({ "tags": told }))
}

/// Parameters of `universe:gc`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Gc {
    /// The last commits of each universe that stay; all if nothing is said.
    commits: Option<usize>,
    /// Commits that are younger than this stay, such as "7d"; no matter if nothing is said.
    younger_than: Option<String>,
}

pub(super) async fn gc(_: Context, desk: UniverseDesk, params: Option<Gc>) -> Result<Json, MethodError> {
    let params = params.unwrap_or_default();
    let younger = params.younger_than.as_deref().map(str::parse::<Span>).transpose();
    let younger = younger.map_err(|error| MethodError::invalid([format!("/youngerThan: {error}")]))?;
    let younger_than_ms = younger.map_or(0, Span::as_ms);
    let swept = desk.universes.sweep(Retention { commits: params.commits, younger_than_ms }).await;
    Ok(json!(swept.map_err(|error| errors::universe(&error))?))
}

/// Parameters of `universe:materialize`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Materialize {
    /// A universe, or a snapshot, commit, alias or tag.
    from: String,
    /// The directory, below the one that the configuration names.
    output_dir: String,
    /// Patterns of which one must fit; none means all.
    #[serde(default)]
    include: Vec<String>,
    /// Patterns of which none may fit.
    #[serde(default)]
    exclude: Vec<String>,
}

pub(super) async fn materialize(
    _: Context,
    desk: UniverseDesk,
    params: Materialize,
) -> Result<Json, MethodError> {
    let Materialize { from, output_dir, include, exclude } = params;
    let universes = desk.universes.clone();
    let selection = Selection { include, exclude };
    let written = waiting(move || universes.materialize(&side(&from), &output_dir, &selection)).await?;
    Ok(json!(written))
}
