//! Where sessions outlive the process: what is written down of them, and the seam to whoever writes it.

use std::fmt::Debug;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::auth::Principal;
use crate::base::StarlingId;
use crate::dispatch::BoxFuture;
use crate::protocol::{Codec, Dialect, RequestId};

/// Keeps notes of sessions. The room that has a store implements it (`methods/sessions`); this one only knows
/// that notes written are there for the next process.
pub trait Archive: Send + Sync + Debug + 'static {
    /// Writes notes in their order. Done once they are as durable as the store promises.
    fn write(&self, notes: Arc<[Note]>) -> BoxFuture<Result<(), NotKept>>;
    /// All sessions that were written down and not ended.
    fn sessions(&self) -> Vec<(StarlingId, SessionRecord)>;
    /// Subscriptions of all sessions: the topic, and what was written of it.
    fn subscriptions(&self) -> Vec<(StarlingId, String, Value)>;
    /// What was written down of one session.
    fn contents(&self, id: StarlingId) -> Contents;
    /// Whether a session was revoked, not long ago.
    fn is_revoked(&self, id: StarlingId) -> bool;
}

/// Why notes could not be written; the cause is logged where it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum NotKept {
    /// Nothing is taken now: it makes sense to try again.
    #[error("the store takes no notes of sessions now")]
    Unavailable,
    /// Some will never be taken, be it for their length; the others were.
    #[error("the store refuses some notes of sessions")]
    Refused,
}

/// One thing to be remembered of a session.
#[derive(Clone, PartialEq, Debug)]
pub struct Note {
    /// The session.
    pub session: StarlingId,
    /// What it is.
    pub fact: Fact,
}

impl Note {
    /// Whether the session is over.
    pub fn is_end(&self) -> bool {
        matches!(self.fact, Fact::Ended { .. })
    }
}

/// What is remembered.
#[derive(Clone, PartialEq, Debug)]
pub enum Fact {
    /// The session itself.
    Session(SessionRecord),
    /// A message that the peer may not have.
    Message {
        /// Its number.
        number: u64,
        /// Its bytes, in the codec of the session.
        payload: Arc<[u8]>,
    },
    /// A message that it has now.
    Delivered {
        /// Its number.
        number: u64,
    },
    /// A call that may run, or has run.
    Call {
        /// Its id.
        id: RequestId,
        /// The message that answered it, once it has run.
        answer: Option<Arc<[u8]>>,
        /// Until when it is to be remembered, in milliseconds since the Unix epoch.
        until_ms: u64,
    },
    /// A call that is not to be remembered any more.
    CallForgotten {
        /// Its id.
        id: RequestId,
    },
    /// A value that the session keeps, or its end.
    Data {
        /// Its name.
        name: String,
        /// The value.
        value: Option<Value>,
    },
    /// A subscription, or its end.
    Subscription {
        /// The topic or pattern.
        topic: String,
        /// What it is.
        terms: Option<Value>,
    },
    /// The session is over: everything of it goes.
    Ended {
        /// Until when its tokens are to be refused by name, if it was revoked.
        revoked_until_ms: Option<u64>,
    },
}

/// What a session is, apart from its contents.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRecord {
    /// Who it belongs to.
    pub principal: Principal,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// Whether the compact codec is spoken.
    pub msgpack: bool,
    /// Whether the peer knows our extensions.
    pub extensions: bool,
    /// The time of the newest token that it was taken up with; older ones are superseded.
    pub used: u64,
    /// Where the counting stood when the process ended in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Rest>,
}

/// Where the counting of messages stood.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rest {
    /// The number of the last message to the peer.
    pub sent: u64,
    /// The number of the first one that was kept.
    pub first: u64,
    /// Messages of the peer.
    pub received: u64,
}

/// What was written down of a session.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Contents {
    /// Messages with their numbers, the lowest first.
    pub messages: Vec<(u64, Vec<u8>)>,
    /// Calls with the message that answered each, and until when they are remembered.
    pub calls: Vec<(RequestId, Option<Vec<u8>>, u64)>,
    /// Values by name.
    pub data: Vec<(String, Value)>,
}

impl SessionRecord {
    /// What was agreed at the handshake.
    pub fn dialect(&self) -> Dialect {
        let codec = if self.msgpack { Codec::MsgPack } else { Codec::Json };
        Dialect { codec, extensions: self.extensions }
    }
}
