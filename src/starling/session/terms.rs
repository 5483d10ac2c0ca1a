//! What a subscription is to be, and what became of it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;

use crate::dispatch::{BoxFuture, MethodError, Told};
use crate::hub::{Filter, Hub, Lost, Position, PublishError, SubscribeError, Tags, Wish};
use crate::protocol::{ErrorCode, Payload};

/// What a subscription is to be, besides its topic.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// Which publications are wanted.
    #[serde(skip_serializing_if = "Filter::is_empty")]
    pub filter: Filter,
    /// Whether the peer is told who comes and leaves.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub presence: bool,
}

/// A subscription as it is written down.
#[derive(Serialize, Deserialize)]
pub(super) struct Written {
    pub(super) position: String,
    #[serde(flatten)]
    pub(super) terms: Terms,
}

/// Why a session does not get a subscription.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Unsubscribed {
    /// The topic cannot be had.
    #[error(transparent)]
    Topic(#[from] SubscribeError),
    /// The session has as many as it may.
    #[error("a session has at most {0} subscriptions")]
    TooMany(usize),
}

/// How a subscription has begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Begun {
    /// Where it stands, before what is sent again.
    pub position: Position,
    /// If it was to go on from a position: how many publications are sent again, or why not.
    pub replay: Option<Result<usize, Lost>>,
}

/// What a peer is told of a subscription that was to go on from a position.
pub fn about(position: Position, replay: Result<usize, Lost>) -> Value {
    let mut told = json!({ "position": position.to_string(), "recovered": replay.is_ok() });
    match replay {
        Ok(count) => told["replayed"] = count.into(),
        Err(lost) => told["reason"] = lost.as_str().into(),
    }
    told
}

/// Publishes in the name of the server.
pub(in crate::starling) fn publish(
    hub: &Hub,
    topic: &str,
    data: Payload,
) -> BoxFuture<Result<Told, MethodError>> {
    let (hub, wish) = (hub.clone(), Wish { topic: topic.to_owned(), data, tags: Tags::new() });
    Box::pin(async move {
        match hub.publish(wish).await {
            Ok(published) => {
                Ok(Told { position: published.position.to_string(), delivered: published.delivered })
            }
            Err(PublishError::NotKept(_)) => Err(ErrorCode::StoreUnavailable.into()),
            Err(PublishError::Stopped) => Err(ErrorCode::ServerDraining.into()),
            // The program has asked for something that cannot be: no fault of the caller.
            Err(error) => {
                tracing::error!(%error, "nothing was published");
                Err(MethodError::of(ErrorCode::MethodError, error.to_string()))
            }
        }
    })
}
