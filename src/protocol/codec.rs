//! The two encodings, and which one a connection speaks.

use serde::Serialize;
use thiserror::Error;

use super::message::{Decoded, Outgoing};
use super::payload::PayloadError;
use super::{SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, json, msgpack};

/// How messages are written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Codec {
    /// The compatible envelope, in text frames.
    Json,
    /// Arrays of MessagePack, in binary frames.
    MsgPack,
}

/// What was agreed at the handshake.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Dialect {
    /// How messages are written.
    pub codec: Codec,
    /// Whether the peer knows our extensions. Others get nothing that they did not ask for.
    pub extensions: bool,
}

/// Why a message could not be written.
#[derive(Debug, Error)]
pub enum EncodeError {
    /// A payload cannot be carried by the codec of the receiver.
    #[error("the payload cannot be written for this peer")]
    Payload(#[from] PayloadError),
    /// The message is longer than peers accept.
    #[error("the message has {bytes} bytes, more than the {limit} that peers accept")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The most that peers accept.
        limit: usize,
    },
}

impl Codec {
    /// Writes a value without an envelope.
    ///
    /// # Errors
    /// If this codec cannot carry the value.
    pub fn write<T: Serialize + ?Sized>(self, value: &T) -> Result<Vec<u8>, PayloadError> {
        Ok(match self {
            Self::Json => serde_json::to_vec(value)?,
            Self::MsgPack => rmp_serde::to_vec_named(value)?,
        })
    }

    /// Appends a message to `out`. Nothing is appended in case of an error.
    ///
    /// # Errors
    /// If a payload cannot be carried or the message is too long.
    pub fn encode(self, message: &Outgoing<'_>, now_ms: u64, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = out.len();
        let limit = super::OUTGOING_BYTES_MAX;
        let written = match self {
            Self::Json => json::encode(message, now_ms, out),
            Self::MsgPack => msgpack::encode(message, out),
        };
        let bytes = out.len() - start;
        let written = written.map_err(EncodeError::from);
        let checked = if bytes > limit { Err(EncodeError::TooLarge { bytes, limit }) } else { written };
        checked.inspect_err(|_| out.truncate(start))
    }
}

impl Dialect {
    /// A number below four, for tables of what is written for each.
    pub fn index(self) -> usize {
        usize::from(self.extensions) + 2 * usize::from(self.codec == Codec::MsgPack)
    }

    /// A peer that asked for no subprotocol: every existing client.
    pub const EXISTING: Self = Self { codec: Codec::Json, extensions: false };

    /// The dialect of a subprotocol, if it is one of ours.
    pub fn of_subprotocol(name: &str) -> Option<Self> {
        match name {
            SUBPROTOCOL_JSON => Some(Self { codec: Codec::Json, extensions: true }),
            SUBPROTOCOL_MSGPACK => Some(Self { codec: Codec::MsgPack, extensions: true }),
            _ => None,
        }
    }

    /// Reads a text frame.
    pub fn decode_text(self, text: &str) -> Decoded<'_> {
        match self.codec {
            Codec::Json => json::decode(text),
            Codec::MsgPack => json::foreign(text),
        }
    }

    /// Reads a binary frame.
    pub fn decode_binary(self, bytes: &[u8]) -> Decoded<'_> {
        match self.codec {
            Codec::Json => Decoded::Foreign(super::Foreign::Binary),
            Codec::MsgPack => msgpack::decode(bytes),
        }
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
