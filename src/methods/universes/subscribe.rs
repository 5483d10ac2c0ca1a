//! `universes:subscribe`: what happens to universes, as it happens.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::errors;
use super::super::topics::confirm_later;
use super::{UniverseDesk, id, tell};
use crate::dispatch::{Context, MethodError};

/// Parameters of `universes:subscribe` and `universes:unsubscribe`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Which {
    /// Only this universe; all of them if nothing is said.
    universe: Option<String>,
}

impl Which {
    fn topics(&self) -> Result<Vec<String>, MethodError> {
        Ok(match &self.universe {
            Some(text) => vec![tell::topic_of(id("universe", text)?)],
            None => vec![tell::CREATED.to_owned(), tell::OPERATION.to_owned()],
        })
    }
}

pub(super) async fn subscribe(
    ctx: Context,
    desk: UniverseDesk,
    params: Option<Which>,
) -> Result<Json, MethodError> {
    let topics = params.unwrap_or_default().topics()?;
    let session = desk.topics.session(&ctx)?;
    for topic in &topics {
        let subscribed = session.subscribe(topic, None, &Default::default());
        subscribed.map_err(|error| errors::unsubscribed(&error))?;
    }
    confirm_later(ctx, session, topics.clone());
    Ok(json!({ "topics": topics }))
}

pub(super) async fn unsubscribe(
    ctx: Context,
    desk: UniverseDesk,
    params: Option<Which>,
) -> Result<Json, MethodError> {
    let session = desk.topics.session(&ctx)?;
    let topics = params.unwrap_or_default().topics()?;
    let ended = topics.iter().filter(|topic| session.unsubscribe(topic)).count();
    Ok(json!({ "ended": ended > 0 }))
}
