//! What a method answers when it succeeds.

use serde::Serialize;

use super::error::MethodError;
use crate::protocol::{Codec, ErrorCode, Payload};

/// Data that is written already, or none. Handlers that compute a value return the value instead.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Reply(Option<Payload>);

impl Reply {
    /// Success without data.
    pub fn empty() -> Self {
        Self(None)
    }

    /// Bytes that are passed on as they are.
    pub fn raw(payload: impl Into<Option<Payload>>) -> Self {
        Self(payload.into())
    }

    /// The data.
    pub fn into_payload(self) -> Option<Payload> {
        self.0
    }
}

/// Whatever a handler may return.
pub trait IntoReply {
    /// Writes the value in the codec of the caller.
    ///
    /// # Errors
    /// If the codec cannot carry it.
    fn into_reply(self, codec: Codec) -> Result<Reply, MethodError>;
}

impl IntoReply for Reply {
    fn into_reply(self, _: Codec) -> Result<Reply, MethodError> {
        Ok(self)
    }
}

impl<T: Serialize> IntoReply for T {
    fn into_reply(self, codec: Codec) -> Result<Reply, MethodError> {
        match Payload::write(codec, &self) {
            Ok(payload) => Ok(Reply(Some(payload))),
            Err(error) => {
                tracing::error!(%error, "the answer of a method cannot be written");
                Err(ErrorCode::InternalError.into())
            }
        }
    }
}
