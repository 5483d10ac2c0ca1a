//! `topic:subscribe` and `topic:unsubscribe`.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::errors;
use super::TopicDesk;
use super::access::{self, Action};
use crate::dispatch::{Context, MethodError};
use crate::hub::{By, Filter, Position};
use crate::starling::{Session, Terms, Unsubscribed, about_replay};

/// Parameters of `topic:subscribe`: one topic, or several at once.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubscribeParams {
    /// The topic, or a pattern where the namespace allows it: * is one segment, ** one or more.
    topic: Option<String>,
    /// Several, all of them or none.
    topics: Option<Vec<String>>,
    /// The position of the last publication that was had; what came after it is sent again.
    since: Option<String>,
    /// Tags that publications must have: {"tag": "text"} or {"tag": ["text", ...]}.
    filter: Option<Value>,
    /// Whether to be told who comes and leaves.
    #[serde(default)]
    presence: bool,
}

/// Parameters of `topic:unsubscribe`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UnsubscribeParams {
    /// The topic or pattern.
    topic: Option<String>,
    /// Several.
    topics: Option<Vec<String>>,
}

fn names(topic: Option<String>, topics: Option<Vec<String>>) -> Result<Vec<String>, MethodError> {
    match (topic, topics) {
        (Some(topic), None) => Ok(vec![topic]),
        (None, Some(topics)) if !topics.is_empty() => Ok(topics),
        _ => Err(MethodError::invalid(["payload: give either topic or topics"])),
    }
}

/// Subscribes; what was missed comes behind the answer.
pub(super) async fn subscribe(
    ctx: Context,
    desk: TopicDesk,
    params: SubscribeParams,
) -> Result<Value, MethodError> {
    let single = params.topic.is_some();
    let names = names(params.topic, params.topics)?;
    if params.since.is_some() && !single {
        return Err(MethodError::invalid(["/since: a position belongs to one topic"]));
    }
    let since = params.since.as_deref().map(str::parse::<Position>).transpose();
    let since = since.map_err(|text| MethodError::invalid([format!("/since: {text}")]))?;
    let filter = params.filter.map(Filter::try_from).transpose();
    let filter = filter.map_err(|text| MethodError::invalid([format!("/filter{text}")]))?;
    let limit = desk.hub.options().subscriptions_max;
    if names.len() > limit {
        return Err(errors::unsubscribed(&Unsubscribed::TooMany(limit)));
    }
    let terms = Terms { filter: filter.unwrap_or_default(), presence: params.presence };
    let asked_as = ctx.principal();
    check_all(&ctx, &desk, &names).await?;
    let session = desk.session(&ctx)?;
    let begun = begin(&desk, &session, &names, since, &terms)?;
    // Rights may have been lost between the question and the subscription.
    if !Arc::ptr_eq(&asked_as, &ctx.principal())
        && let Err(error) = check_all(&ctx, &desk, &names).await
    {
        names.iter().for_each(|name| {
            session.unsubscribe(name);
        });
        return Err(error);
    }
    // Whatever the answer will be, nothing is held longer than until it is sent.
    confirm_later(ctx.clone(), session, names);
    // What the peer knows of must be known to the next process too.
    if ctx.starling().is_kept() && !ctx.starling().saved().await {
        tracing::warn!(starling = %ctx.starling().id(), "subscriptions are not written down");
    }
    Ok(match single {
        true => begun.into_iter().next().map(|(_, told)| told).unwrap_or_default(),
        false => json!({ "subscriptions": begun }),
    })
}

async fn check_all(ctx: &Context, desk: &TopicDesk, names: &[String]) -> Result<(), MethodError> {
    for name in names {
        access::check(ctx.starling(), desk, name, Action::Subscribe).await?;
    }
    Ok(())
}

/// All of them, or none.
fn begin(
    desk: &TopicDesk,
    session: &Arc<Session>,
    names: &[String],
    since: Option<Position>,
    terms: &Terms,
) -> Result<Map<String, Value>, MethodError> {
    let before = session.subscriptions();
    let mut told = Map::new();
    for name in names {
        match session.subscribe(name, since, terms) {
            Ok(begun) => {
                let mut about = match begun.replay {
                    Some(replay) => about_replay(begun.position, replay),
                    None => json!({ "position": begun.position.to_string() }),
                };
                about["topic"] = name.as_str().into();
                if terms.presence {
                    let here = desk.hub.presence(name, By::Session, None, 0).ok().flatten();
                    about["presence"] = here.map_or(Value::Null, |page| {
                        json!({ "sessions": page.sessions, "users": page.users, "anonymous": page.anonymous, "version": page.version })
                    });
                }
                told.insert(name.clone(), about);
            }
            Err(error) => {
                for name in told.keys() {
                    // What there was before goes on.
                    if before.contains(name) {
                        session.confirm(name);
                    } else {
                        session.unsubscribe(name);
                    }
                }
                return Err(errors::unsubscribed(&error));
            }
        }
    }
    Ok(told)
}

/// What was missed, and what comes from now on, goes out behind the answer.
pub(in super::super) fn confirm_later(ctx: Context, session: Arc<Session>, names: Vec<String>) {
    actix_rt::spawn(async move {
        ctx.answer_sent().await;
        names.iter().for_each(|name| session.confirm(name));
    });
}

/// Ends subscriptions.
pub(super) async fn unsubscribe(
    ctx: Context,
    desk: TopicDesk,
    params: UnsubscribeParams,
) -> Result<Value, MethodError> {
    let single = params.topic.is_some();
    let names = names(params.topic, params.topics)?;
    let session = desk.session(&ctx)?;
    let ended = names.iter().filter(|name| session.unsubscribe(name)).count();
    Ok(if single { json!({ "ended": ended == 1 }) } else { json!({ "ended": ended }) })
}
