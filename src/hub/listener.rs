//! Whoever gets publications.

use bytes::Bytes;
use thiserror::Error;

/// A message as it goes to a socket: written once, shared by all who get it.
#[derive(Clone, Debug)]
pub struct Frame {
    pub(super) bytes: Bytes,
    pub(super) payload_at: usize,
}

impl Frame {
    /// The whole frame.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The message in it.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.payload_at..]
    }
}

/// Several frames in a row, joined: for all who get just these.
#[derive(Debug)]
pub struct Bundle<'a> {
    pub(super) frames: Vec<&'a Frame>,
    pub(super) bytes: Bytes,
}

impl Bundle<'_> {
    /// One after the other.
    pub fn frames(&self) -> &[&Frame] {
        &self.frames
    }

    /// All of them.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Why a publication did not get to a subscriber.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Undelivered {
    /// It is gone.
    #[error("the subscriber is gone")]
    Closed,
    /// It reads too slowly, and is closed for it.
    #[error("the subscriber reads too slowly")]
    SlowConsumer,
    /// It is away, and as much waits for it as may.
    #[error("the subscriber is away, and as much waits for it as may")]
    Full,
}

/// Somebody who gets frames. It is called from whatever thread its subscriptions were made on.
pub trait Listener: Send + Sync + 'static {
    /// Queues a frame.
    ///
    /// # Errors
    /// If it is not to be delivered.
    fn deliver(&self, frame: &Frame) -> Result<(), Undelivered>;

    /// Queues several frames.
    ///
    /// # Errors
    /// If they are not to be delivered, or not all of them.
    fn deliver_all(&self, bundle: &Bundle<'_>) -> Result<(), Undelivered> {
        bundle.frames.iter().try_for_each(|frame| self.deliver(frame))
    }

    /// Bytes that its socket has not taken yet.
    fn waiting(&self) -> usize;

    /// It is to be closed, for it reads too slowly.
    fn close_slow(&self);
}
