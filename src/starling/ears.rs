//! A session that listens on a socket: frames are counted, kept while they have to wait, and handed on.

use std::sync::Arc;

use tracing::debug;

use super::gate::Gate;
use super::hooks::guarded;
use super::link::Link;
use super::manager::Starlings;
use super::recovery::Opened;
use super::service::Frame;
use super::session::{Session, Turn};
use super::shared::DrainPhase;
use crate::base::Random;
use crate::dispatch::{Peer, Starling};
use crate::protocol::{
    CloseCode, Codec, Decoded, Foreign, Incoming, Notification, Refusal, Violations, is_about_connection,
    json, msgpack,
};

/// A session that listens on a socket.
#[derive(Clone, Debug)]
pub(super) struct Ears {
    pub(super) session: Arc<Session>,
    pub(super) starling: Starling,
    pub(super) starlings: Starlings,
    pub(super) link: Arc<Link>,
    /// The right to speak for the session, which another socket may take.
    turn: Turn,
    pub(super) gate: Gate,
}

impl Ears {
    /// Links a socket to its session.
    pub(super) fn open(opened: &Opened, starlings: &Starlings, link: &Arc<Link>) -> Self {
        let session = Arc::clone(&opened.session);
        let Some(turn) = session.attach(link, opened) else {
            // It ended between the claim and this; a new one has not.
            return Self::open(&starlings.instead_of(opened), starlings, link);
        };
        debug!(connection = %link.id(), starling = %session.id(), "connected");
        let (starlings, link) = (starlings.clone(), Arc::clone(link));
        let ears =
            Self { starling: session.starling(), session, starlings, link, turn, gate: Gate::default() };
        ears.tell_of_drain();
        ears
    }

    /// It was on its way in while everybody else was told or closed.
    fn tell_of_drain(&self) {
        let shared = &self.session.shared;
        if shared.drain_phase() != DrainPhase::Running {
            self.session.announce_drain(shared, &mut Random::from_system());
        }
        if shared.drain_phase() == DrainPhase::Refusing {
            self.link.close(CloseCode::Restart, "the server restarts");
        }
    }

    /// A frame that was kept.
    pub(super) fn frame(&self, frame: &Frame) {
        match frame {
            Frame::Text(text) => self.text(text),
            Frame::Binary(bytes) => self.binary(bytes),
            Frame::TooLong(bytes, prefix) => self.too_long(*bytes, prefix),
        }
    }

    /// A frame that was counted when it came, and has waited.
    fn waited(&self, frame: &Frame) {
        match frame {
            Frame::Text(text) => self.heed_text(text, self.session.dialect().decode_text(text)),
            Frame::Binary(bytes) => self.heed_binary(bytes, self.session.dialect().decode_binary(bytes)),
            Frame::TooLong(bytes, prefix) => self.refuse_too_long(*bytes, prefix),
        }
    }

    pub(super) fn text(&self, text: &str) {
        let decoded = self.session.dialect().decode_text(text);
        let waits = self.must_wait(&decoded);
        if !self.has_room(waits, text.len()) || !self.counts(&decoded) {
            return;
        }
        if waits {
            return self.wait(Frame::Text(text.to_owned()));
        }
        self.heed_text(text, decoded);
    }

    fn heed_text(&self, text: &str, decoded: Decoded<'_>) {
        let hooks = &self.session.shared.hooks;
        match &decoded {
            Decoded::Foreign(Foreign::Text) => {
                call_hook("onText", hooks.on_text.as_ref(), &self.starling, text)
            }
            Decoded::Foreign(Foreign::Json) => {
                call_hook("onJson", hooks.on_json.as_ref(), &self.starling, text)
            }
            _ => {}
        }
        self.message(decoded);
    }

    pub(super) fn binary(&self, bytes: &[u8]) {
        let decoded = self.session.dialect().decode_binary(bytes);
        let waits = self.must_wait(&decoded);
        if !self.has_room(waits, bytes.len()) || !self.counts(&decoded) {
            return;
        }
        if waits {
            return self.wait(Frame::Binary(bytes.to_owned()));
        }
        self.heed_binary(bytes, decoded);
    }

    fn heed_binary(&self, bytes: &[u8], decoded: Decoded<'_>) {
        if let (Decoded::Foreign(_), Some(hook)) = (&decoded, &self.session.shared.hooks.on_binary) {
            guarded("onBinary", || hook(&self.starling, bytes));
        }
        self.message(decoded);
    }

    pub(super) fn too_long(&self, bytes: u64, prefix: &[u8]) {
        let waits = self.gate.is_shut();
        if !self.has_room(waits, prefix.len()) || !self.session.intake.count(self.turn) {
            return;
        }
        if waits {
            return self.wait(Frame::TooLong(bytes, prefix.to_owned()));
        }
        self.refuse_too_long(bytes, prefix);
    }

    fn refuse_too_long(&self, bytes: u64, prefix: &[u8]) {
        let request_id = match self.session.dialect().codec {
            Codec::Json => json::request_id_of_prefix(prefix),
            // An array that ends early is refused, but its first elements were read.
            Codec::MsgPack => match msgpack::decode(prefix) {
                Decoded::Refused(refusal) => refusal.request_id,
                _ => None,
            },
        };
        self.refuse(&Refusal { violations: Violations::too_large(bytes), request_id });
    }

    /// Counts a message as it comes. Another socket that has taken the session over gets what is not counted here.
    fn counts(&self, decoded: &Decoded<'_>) -> bool {
        match decoded {
            Decoded::Foreign(_) => true,
            Decoded::Message(Incoming::Notification(notification)) if is_about(notification) => {
                self.session.intake.admits(self.turn)
            }
            _ => self.session.intake.count(self.turn),
        }
    }

    /// Whether a message has to wait until calls before it have begun. Calls that are written down first find
    /// their own place in the row.
    fn must_wait(&self, decoded: &Decoded<'_>) -> bool {
        self.gate.is_shut()
            && !matches!(decoded, Decoded::Message(Incoming::Request(request)) if self.is_written_down(request))
    }

    /// Whether a message may wait, if it has to. One that may not is not counted either: the connection ends.
    fn has_room(&self, waits: bool, bytes: usize) -> bool {
        let room = !waits || self.gate.has_room(bytes);
        if !room {
            self.link.close(CloseCode::Policy, "too much is sent while calls wait to be written down");
        }
        room
    }

    fn wait(&self, frame: Frame) {
        let (ears, length) = (self.clone(), frame.len());
        self.gate.follow(length, Box::new(move || ears.waited(&frame)));
    }

    /// The socket is gone.
    pub(super) fn closed(&self, code: u16) {
        debug!(starling = %self.session.id(), code, "disconnected");
        self.session.detach(&self.link, code);
    }
}

/// Whether a notification is about the connection itself: then it is not counted, and nobody else's.
pub(super) fn is_about(notification: &Notification<'_>) -> bool {
    notification.request_id.is_none()
        && notification.peer.is_none()
        && is_about_connection(&notification.topic)
}

type TextHook = Box<dyn Fn(&Starling, &str) + Send + Sync>;

fn call_hook(name: &'static str, hook: Option<&TextHook>, starling: &Starling, text: &str) {
    if let Some(hook) = hook {
        guarded(name, || hook(starling, text));
    }
}
