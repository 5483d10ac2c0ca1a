//! `topic:history`, `topic:presence`, `topic:stats` and `topic:list`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::errors;
use super::TopicDesk;
use super::access::{self, Action};
use crate::base::StarlingId;
use crate::dispatch::{Context, MethodError};
use crate::hub::{Access, By, Page, Past, Position};
use crate::protocol::{Codec, ErrorCode};

/// Parameters of `topic:history`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryParams {
    /// The topic.
    topic: String,
    /// A position: what came after it, the oldest first. Without one, the last publications.
    since: Option<String>,
    /// How many at most: 100 unless told, up to 1000.
    limit: Option<usize>,
}

/// Parameters of `topic:presence`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PresenceParams {
    /// The topic.
    topic: String,
    /// What is listed: each session, or each user once.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("enum" = ["session", "user"]))]
    by: By,
    /// Where the page before ended.
    cursor: Option<String>,
    /// How many sessions a page looks at, at most: 100 unless told, up to 1000; 0 gives the counts alone.
    limit: Option<usize>,
}

/// Parameters of `topic:stats`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct StatsParams {
    /// The topic; without one, all together.
    topic: Option<String>,
}

/// Parameters of `topic:list`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    /// The namespace.
    namespace: String,
    /// What the names begin with.
    #[serde(default)]
    prefix: String,
    /// The last name of the page before.
    #[serde(default)]
    after: String,
    /// How many at most: 100 unless told, up to 1000.
    limit: Option<usize>,
}

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// What an answer may hold: it has to fit into a message.
const BYTES_MAX: usize = 768 * 1024;

/// A publication in an answer.
#[derive(Serialize)]
struct Told {
    position: String,
    data: Data,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<crate::hub::Tags>,
    at: u64,
}

/// Data as it was published, where the codec can carry it.
#[derive(Serialize)]
#[serde(untagged)]
enum Data {
    Raw(Box<RawValue>),
    Value(Value),
}

/// The answer of `topic:history`.
#[derive(Serialize)]
pub(super) struct HistoryAnswer {
    position: String,
    publications: Vec<Told>,
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<bool>,
}

fn told(past: Past, codec: Codec) -> Told {
    let raw = past.data.as_raw();
    let data = match codec {
        Codec::Json => raw.read().map(Data::Raw),
        Codec::MsgPack => raw.read().map(Data::Value),
    };
    let data = data.unwrap_or(Data::Value(Value::Null));
    Told { position: past.position.to_string(), data, tags: past.tags, at: past.at_ms }
}

/// What was published.
pub(super) async fn history(
    ctx: Context,
    desk: TopicDesk,
    params: HistoryParams,
) -> Result<HistoryAnswer, MethodError> {
    access::check(ctx.starling(), &desk, &params.topic, Action::Subscribe).await?;
    let since = params.since.as_deref().map(str::parse::<Position>).transpose();
    let since = since.map_err(|text| MethodError::invalid([format!("/since: {text}")]))?;
    let limit = params.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let (position, past) =
        desk.hub.history(&params.topic, since, limit).map_err(|error| errors::topic(&error))?;
    let past = past.map_err(|lost| {
        let details = json!({ "position": position.to_string(), "reason": lost.as_str() });
        MethodError::of(ErrorCode::PositionLost, lost.to_string()).with_details(&details)
    })?;
    let all = past.len();
    let mut chosen = fitting(past, since.is_some());
    let last = chosen.last().map_or(position, |last| last.position);
    let more = (chosen.len() < all || (since.is_some() && last != position)).then_some(true);
    let codec = ctx.starling().dialect().codec;
    let publications = chosen.drain(..).map(|past| told(past, codec)).collect();
    Ok(HistoryAnswer { position: position.to_string(), publications, more })
}

/// As many as an answer can hold: the first ones behind a position, otherwise the last ones.
fn fitting(mut past: Vec<Past>, first: bool) -> Vec<Past> {
    let mut bytes = 0;
    let mut fits = |past: &Past| {
        let tags = past.tags.iter().flatten().map(|(name, text)| name.len() + text.len() + 8).sum::<usize>();
        // One always fits: no publication is longer than a message.
        let first = bytes == 0;
        bytes += past.data.len() + tags + 128;
        first || bytes <= BYTES_MAX
    };
    if first {
        let count = past.iter().take_while(|past| fits(past)).count();
        past.truncate(count);
    } else {
        let count = past.iter().rev().take_while(|past| fits(past)).count();
        past.drain(..past.len() - count);
    }
    past
}

/// Who is there.
pub(super) async fn presence(
    ctx: Context,
    desk: TopicDesk,
    params: PresenceParams,
) -> Result<Page, MethodError> {
    access::check(ctx.starling(), &desk, &params.topic, Action::Subscribe).await?;
    let cursor = params.cursor.as_deref().map(str::parse::<StarlingId>).transpose();
    let cursor = cursor.map_err(|_| MethodError::invalid(["/cursor: it is not one that a page gave"]))?;
    let limit = params.limit.unwrap_or(LIMIT).min(LIMIT_MAX);
    let page = desk.hub.presence(&params.topic, params.by, cursor, limit);
    page.map_err(|error| errors::topic(&error))?.ok_or_else(|| {
        MethodError::invalid([format!("/topic: the namespace of \"{}\" has no presence", params.topic)])
    })
}

/// Counts.
pub(super) async fn stats(
    ctx: Context,
    desk: TopicDesk,
    params: Option<StatsParams>,
) -> Result<Value, MethodError> {
    let internal = |_| MethodError::from(ErrorCode::InternalError);
    let Some(topic) = params.unwrap_or_default().topic else {
        access::check_stats(&ctx.principal(), &desk)?;
        return serde_json::to_value(desk.hub.totals()).map_err(internal);
    };
    access::check(ctx.starling(), &desk, &topic, Action::Subscribe).await?;
    let stats = desk.hub.stats(&topic).map_err(|error| errors::topic(&error))?;
    serde_json::to_value(stats).map_err(internal)
}

/// Topics of a namespace.
pub(super) async fn list(ctx: Context, desk: TopicDesk, params: ListParams) -> Result<Value, MethodError> {
    access::check(ctx.starling(), &desk, &params.namespace, Action::Subscribe).await?;
    // Where each topic has its own rule, nobody may know of all.
    let listed = desk.hub.namespace(&params.namespace).is_some_and(|namespace| {
        let rules = namespace.options();
        rules.list && !matches!(rules.subscribe, Access::Owner | Access::Method(_))
    });
    if !listed {
        let text = format!("The topics of \"{}\" are not listed", params.namespace);
        return Err(MethodError::of(ErrorCode::PermissionDenied, text));
    }
    let limit = params.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let topics = desk.hub.list(&params.namespace, &params.prefix, &params.after, limit);
    Ok(json!({ "topics": topics }))
}
