//! Messages as a peer gets them, owned.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use crate::protocol::{Decoded, Failure, Incoming, Raw, RequestId};

/// What came.
#[derive(Clone, PartialEq, Debug)]
pub enum Received {
    /// The answer to a request.
    Response {
        /// The id of the request.
        id: String,
        /// Data (null if there was none) or an error.
        result: Result<Value, CallFailure>,
        /// The `peer` field.
        peer: Option<Value>,
    },
    /// A notification.
    Notification {
        /// The request that it belongs to.
        request_id: Option<String>,
        /// What it is about.
        topic: String,
        /// Its content, null if there was none.
        data: Value,
        /// The `peer` field.
        peer: Option<Value>,
        /// Where it belongs, if it was published on a topic.
        published: Option<Place>,
    },
    /// The server calls a method of ours.
    Request {
        /// To be sent back with the answer.
        id: String,
        /// The method.
        method: String,
        /// Its parameters, null if there were none.
        payload: Value,
        /// The `peer` field.
        peer: Option<Value>,
    },
    /// The server complains.
    Error(CallFailure),
    /// Something that is no message of the protocol.
    Other(Vec<u8>),
}

/// Where a publication belongs.
#[derive(Clone, PartialEq, Debug)]
pub struct Place {
    /// Its position in the topic.
    pub position: String,
    /// The pattern that it came by.
    pub pattern: Option<String>,
    /// Its tags, null without any.
    pub tags: Value,
}

/// An error that the other side gave.
#[derive(Clone, PartialEq, Debug)]
pub struct CallFailure {
    /// The code.
    pub code: String,
    /// For people.
    pub message: String,
    /// For programs; null if there were none.
    pub details: Value,
}

impl CallFailure {
    fn of(failure: &Failure<'_>) -> Self {
        let (code, message) = (failure.code.to_string(), failure.message.to_string());
        Self { code, message, details: value(failure.details) }
    }
}

impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if self.details.is_null() { Ok(()) } else { write!(f, " {}", self.details) }
    }
}

impl Received {
    pub(super) fn of(decoded: Decoded<'_>, bytes: &[u8]) -> Self {
        let Decoded::Message(message) = decoded else { return Self::Other(bytes.to_vec()) };
        match message {
            Incoming::Response(response) => Self::Response {
                id: response.id.to_string(),
                result: match &response.result {
                    Ok(data) => Ok(value(*data)),
                    Err(failure) => Err(CallFailure::of(failure)),
                },
                peer: response.peer.map(|peer| value(Some(peer))),
            },
            Incoming::Notification(notification) => Self::Notification {
                request_id: notification.request_id.map(|id: RequestId| id.to_string()),
                topic: notification.topic.into_owned(),
                data: value(notification.data),
                peer: notification.peer.map(|peer| value(Some(peer))),
                published: notification.published.map(|published| Place {
                    position: published.position.into_owned(),
                    pattern: published.pattern.map(Cow::into_owned),
                    tags: value(published.tags),
                }),
            },
            Incoming::Request(request) => Self::Request {
                id: request.id.to_string(),
                method: request.method.into_owned(),
                payload: value(request.payload),
                peer: request.peer.map(|peer| value(Some(peer))),
            },
            Incoming::Error(error) => Self::Error(CallFailure::of(&error.failure)),
            Incoming::Ack => Self::Other(bytes.to_vec()),
        }
    }
}

fn value(raw: Option<Raw<'_>>) -> Value {
    raw.and_then(|raw| raw.read().ok()).unwrap_or(Value::Null)
}
