//! Why a peer is not told something, or does not answer.

use std::time::Duration;

use thiserror::Error;

use super::error::MethodError;
use crate::protocol::{EncodeError, InvalidName, PayloadError};

/// Why a message did not get out.
#[derive(Debug, Error)]
pub enum SendError {
    /// The peer is gone.
    #[error("the peer is not connected")]
    Closed,
    /// The peer reads too slowly and was closed for it.
    #[error("the peer reads too slowly")]
    SlowConsumer,
    /// The peer is away, and as much waits for it as may.
    #[error("the peer is away, and as much waits for it as may")]
    Full,
    /// A topic must be one or more segments of letters, digits and underscores, joined by colons.
    #[error("\"{0}\" is not a topic name")]
    Topic(String),
    /// The method cannot exist.
    #[error(transparent)]
    Method(#[from] InvalidName),
    /// The request was answered; the caller would drop what belongs to it.
    #[error("the request was answered already")]
    Answered,
    /// The value cannot be written.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The message cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Why a call of a peer's method gave no data.
#[derive(Debug, Error)]
pub enum CallError {
    /// The peer answered with an error.
    #[error("{0}")]
    Failed(MethodError),
    /// The peer did not answer in time.
    #[error("Request timed out after {}ms", .0.as_millis())]
    Timeout(Duration),
    /// The peer went away.
    #[error("the connection ended before the answer")]
    Lost,
    /// The request did not get out.
    #[error(transparent)]
    Send(#[from] SendError),
}
