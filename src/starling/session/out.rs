//! What a session sends: to its socket, and into the keeping for a peer that may not get it.

use std::sync::Arc;

use bytes::Bytes;

use super::Session;
use super::delivery::{Delivery, Kind, Limits};
use crate::dispatch::SendError;
use crate::protocol::{Codec, Dialect, Outgoing, is_about_connection};
use crate::starling::link::{Link, Unsent};
use crate::starling::shared::Shared;
use crate::starling::websocket::{Opcode, write_frame};

/// How a message is treated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::starling) enum Sort {
    /// It is about the connection: of no use on another one, and not numbered.
    About,
    /// It is for the application.
    Application(Kind),
}

impl Sort {
    /// Answers and what belongs to a request are made again or remembered with it; what nobody asked for is not.
    pub(in crate::starling) const ANSWER: Self = Self::Application(Kind::Passing);

    /// An answer that is on no disk.
    pub(in crate::starling) const SECRET: Self = Self::Application(Kind::Secret);

    pub(super) fn of(message: &Outgoing<'_>) -> Self {
        match message {
            Outgoing::Notification { request_id: None, topic, .. } if is_about_connection(topic) => {
                Self::About
            }
            Outgoing::Notification { request_id: None, .. } => Self::Application(Kind::Lasting),
            _ => Self::ANSWER,
        }
    }
}

/// The sending side.
#[derive(Debug, Default)]
pub(in crate::starling) struct Out {
    pub(super) link: Option<Arc<Link>>,
    /// Messages for the application so far, as long as none is kept.
    pub(super) sent: u64,
    /// What the peer may not have, once it can come back.
    pub(super) delivery: Option<Box<Delivery>>,
    /// The number before the first message that is counted as written on this link.
    pub(super) marked_from: u64,
    /// The session is over: no link is taken any more.
    pub(super) over: bool,
    /// It is of a process before this one, and the place of its peer is not known yet.
    pub(super) dormant: bool,
    /// The session is counted among those that wait for their peer.
    pub(super) away: bool,
    /// How often the peer has left: tells one absence from the next.
    pub(super) absences: u32,
}

impl Out {
    /// Whether something waits for a peer of a process before this one.
    pub(super) fn has_waited_for(&self) -> bool {
        self.dormant && self.delivery.is_some()
    }

    /// Sends or keeps a message. Says whether there is something new to write down.
    pub(super) fn send(
        &mut self,
        payload: &[u8],
        sort: Sort,
        dialect: Dialect,
        shared: &Shared,
    ) -> Result<bool, SendError> {
        let opcode = opcode_of(dialect.codec);
        let Sort::Application(kind) = sort else {
            let link = self.link.as_ref().ok_or(SendError::Closed)?;
            return link.send(opcode, payload).map(|()| false).map_err(why);
        };
        self.keep_or_send(payload, kind, dialect, shared, |link| link.send_marked(opcode, payload))
    }

    /// The same with a whole frame that others get too.
    pub(super) fn send_frame(
        &mut self,
        frame: &Bytes,
        payload: &[u8],
        dialect: Dialect,
        shared: &Shared,
    ) -> Result<bool, SendError> {
        self.keep_or_send(payload, Kind::Lasting, dialect, shared, |link| link.send_shared(frame))
    }

    fn keep_or_send(
        &mut self,
        payload: &[u8],
        kind: Kind,
        dialect: Dialect,
        shared: &Shared,
        send: impl FnOnce(&Link) -> Result<(), Unsent>,
    ) -> Result<bool, SendError> {
        self.forget_taken(dialect);
        if self.dormant && self.delivery.is_none() {
            self.delivery = Some(Box::new(Delivery::after(0)));
        }
        let Self { link, delivery, .. } = self;
        let sent = link.as_ref().map_or(Err(Unsent::Closed), |link| send(link));
        let Some(delivery) = delivery else {
            self.sent += u64::from(sent.is_ok());
            return sent.map(|()| false).map_err(why);
        };
        let limits = limits(shared);
        if sent.is_ok() {
            delivery.push(payload, kind, limits);
        } else if delivery.hold(payload, kind, limits).is_err() {
            shared.metrics.sessions.turned_away.inc();
            return Err(SendError::Full);
        }
        Ok(kind == Kind::Lasting)
    }

    /// Sends several frames at once, unless messages are kept.
    pub(super) fn send_unkept(&mut self, frames: &Bytes, count: usize) -> Option<Result<(), SendError>> {
        if self.delivery.is_some() || self.dormant {
            return None;
        }
        let sent = self.link.as_ref().map_or(Err(Unsent::Closed), |link| link.send_shared(frames));
        if sent.is_ok() {
            self.sent += count as u64;
        }
        Some(sent.map_err(why))
    }

    /// A peer that acknowledges nothing has what its socket has taken, as far as anybody can know.
    pub(super) fn forget_taken(&mut self, dialect: Dialect) {
        if let (false, Some(link), Some(delivery)) = (dialect.extensions, &self.link, &mut self.delivery) {
            delivery.acknowledge(self.marked_from + link.marked_written());
        }
    }

    /// Sends again what comes after `number`. Gives how many messages that were.
    pub(super) fn replay(&self, number: u64, codec: Codec) -> usize {
        let (Some(link), Some(delivery)) = (&self.link, &self.delivery) else { return 0 };
        // A socket that is gone already has this to be done once more.
        delivery.after_number(number).filter(|payload| link.replay(opcode_of(codec), payload).is_ok()).count()
    }
}

impl Session {
    /// The link that it has now.
    pub(super) fn link(&self) -> Option<Arc<Link>> {
        self.out.lock().link.clone()
    }

    /// Queues a whole frame that others get too, whose message is `payload`.
    pub(in crate::starling) fn send_frame(&self, frame: &Bytes, payload: &[u8]) -> Result<(), SendError> {
        let lasts = self.out.lock().send_frame(frame, payload, self.dialect, &self.shared)?;
        if lasts {
            self.note_change();
        }
        Ok(())
    }

    /// Queues several frames at once that others get too, unless messages are kept for this session.
    pub(super) fn send_unkept(&self, frames: &Bytes, count: usize) -> Option<Result<(), SendError>> {
        self.out.lock().send_unkept(frames, count)
    }

    /// The peer's application has handled everything up to `number`.
    pub(in crate::starling) fn acknowledge(&self, number: u64) {
        let written = match &mut self.out.lock().delivery {
            Some(delivery) => {
                delivery.acknowledge(number);
                delivery.has_written_ones_done()
            }
            None => false,
        };
        if written {
            self.note_change();
        }
    }
}

pub(super) fn limits(shared: &Shared) -> Limits {
    let options = &shared.session_options;
    Limits { messages_max: options.buffer_messages_max, bytes_max: options.buffer_bytes_max.0 }
}

/// Messages are text in JSON, and bytes in the compact codec.
pub(in crate::starling) fn opcode_of(codec: Codec) -> Opcode {
    match codec {
        Codec::Json => Opcode::Text,
        Codec::MsgPack => Opcode::Binary,
    }
}

/// Writes a whole frame around a message of this codec.
pub fn write_message_frame(codec: Codec, payload: &[u8], out: &mut Vec<u8>) {
    write_frame(opcode_of(codec), payload, out);
}

fn why(unsent: Unsent) -> SendError {
    match unsent {
        Unsent::Closed => SendError::Closed,
        Unsent::SlowConsumer => SendError::SlowConsumer,
    }
}
