//! What the messages of a peer mean: each is answered, handed on, or ignored as the protocol says.

use std::sync::Arc;

use tracing::debug;

use super::answer::{Accepted, too_many};
use super::gate::Gate;
use super::hooks::guarded;
use super::link::Link;
use super::manager::Starlings;
use super::proxy;
use super::recovery::Opened;
use super::repeats::Repeats;
use super::service::Frame;
use super::session::{Session, Turn};
use super::shared::DrainPhase;
use crate::base::Random;
use crate::dispatch::{Call, MethodError, Peer, Starling, TopicEvent};
use crate::protocol::{
    CloseCode, Codec, Decoded, ErrorCode, Foreign, Incoming, Notification, Outgoing, Refusal, Request,
    Response, Severity, TOPIC_ACK, Violations, is_about_connection, json, msgpack,
};

/// A session that listens on a socket.
#[derive(Clone, Debug)]
pub(super) struct Ears {
    pub(super) session: Arc<Session>,
    pub(super) starling: Starling,
    starlings: Starlings,
    pub(super) link: Arc<Link>,
    /// The right to speak for the session, which another socket may take.
    turn: Turn,
    pub(super) gate: Gate,
}

impl Ears {
    /// Links a socket to its session.
    pub(super) fn open(opened: &Opened, starlings: &Starlings, link: &Arc<Link>) -> Self {
        let session = Arc::clone(&opened.session);
        let turn = session.attach(link, opened.recovery.as_ref());
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

    pub(super) fn text(&self, text: &str) {
        let decoded = self.session.dialect().decode_text(text);
        if self.must_wait(&decoded) {
            return self.wait(Frame::Text(text.to_owned()));
        }
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
        if self.must_wait(&decoded) {
            return self.wait(Frame::Binary(bytes.to_owned()));
        }
        if let (Decoded::Foreign(_), Some(hook)) = (&decoded, &self.session.shared.hooks.on_binary) {
            guarded("onBinary", || hook(&self.starling, bytes));
        }
        self.message(decoded);
    }

    pub(super) fn too_long(&self, bytes: u64, prefix: &[u8]) {
        if self.gate.is_shut() {
            return self.wait(Frame::TooLong(bytes, prefix.to_owned()));
        }
        let request_id = match self.session.dialect().codec {
            Codec::Json => json::request_id_of_prefix(prefix),
            // An array that ends early is refused, but its first elements were read.
            Codec::MsgPack => match msgpack::decode(prefix) {
                Decoded::Refused(refusal) => refusal.request_id,
                _ => None,
            },
        };
        if self.session.intake.count(self.turn) {
            self.refuse(&Refusal { violations: Violations::too_large(bytes), request_id });
        }
    }

    /// Whether a message has to wait until calls before it have begun. Calls that are written down first find
    /// their own place in the row.
    fn must_wait(&self, decoded: &Decoded<'_>) -> bool {
        self.gate.is_shut()
            && !matches!(decoded, Decoded::Message(Incoming::Request(request)) if self.is_written_down(request))
    }

    fn wait(&self, frame: Frame) {
        let (ears, length) = (self.clone(), frame.len());
        if !self.gate.follow(length, Box::new(move || ears.frame(&frame))) {
            self.link.close(CloseCode::Policy, "too much is sent while calls wait to be written down");
        }
    }

    fn message(&self, decoded: Decoded<'_>) {
        let kinds = &self.session.shared.kinds;
        // Another socket that has taken the session over gets what we do not count.
        let counted = match &decoded {
            Decoded::Foreign(_) => true,
            Decoded::Message(Incoming::Notification(notification))
                if is_about_connection(&notification.topic) =>
            {
                self.session.intake.admits(self.turn)
            }
            _ => self.session.intake.count(self.turn),
        };
        if !counted {
            return;
        }
        match decoded {
            Decoded::Message(Incoming::Request(request)) => {
                kinds.request.inc();
                self.request(&request);
            }
            Decoded::Message(Incoming::Response(response)) => {
                kinds.response.inc();
                self.response(&response);
            }
            Decoded::Message(Incoming::Notification(notification)) => {
                kinds.notification.inc();
                self.notification(&notification);
            }
            Decoded::Message(Incoming::Error(error)) => {
                kinds.error.inc();
                debug!(starling = %self.session.id(), code = %error.failure.code, "a peer complains");
                if let Some(peer) = error.peer {
                    proxy::error(&self.session, &self.starlings, &error.failure, peer);
                }
            }
            Decoded::Message(Incoming::Ack) => kinds.ack.inc(),
            Decoded::Foreign(Foreign::Binary) => kinds.binary.inc(),
            Decoded::Foreign(Foreign::Json) => kinds.json.inc(),
            Decoded::Foreign(Foreign::Text) => kinds.text.inc(),
            Decoded::Refused(refusal) => self.refuse(&refusal),
        }
    }

    fn request(&self, request: &Request<'_>) {
        let Request { id, payload, .. } = *request;
        let shared = &self.session.shared;
        let repeats = match self.is_remembered(request) {
            true => match self.repeats(request) {
                Some(repeats) => Some(repeats),
                None => return,
            },
            false => None,
        };
        let Some(accepted) = Accepted::new(&self.session, payload.map_or(0, |payload| payload.bytes.len()))
        else {
            self.never_ran(repeats);
            return self.session.refuse_request(&id, too_many(&self.session));
        };
        // Only now that the request counts: whoever waits for the last one to end must not miss it.
        if shared.drain_phase() == DrainPhase::Refusing {
            self.never_ran(repeats);
            return self.session.refuse_request(&id, ErrorCode::ServerDraining.into());
        }
        if let Some(peer) = request.peer {
            return proxy::request(accepted, &self.starlings, request, peer);
        }
        let admitted = Call::admit(&shared.registry, &shared.metrics, &self.starling, id, &request.method);
        match (admitted, repeats) {
            (Ok(call), Some(repeats)) => self.run_once(call, payload, accepted, repeats),
            (Ok(call), None) => call.run(payload, move |answer| accepted.session.respond(&id, answer)),
            (Err(refused), repeats) => {
                self.never_ran(repeats);
                accepted.session.respond(&id, Err(refused.0));
            }
        }
    }

    fn never_ran(&self, repeats: Option<Repeats>) {
        if let Some(Repeats { id, .. }) = repeats {
            self.session.undo_call(&id);
        }
    }

    fn response(&self, response: &Response<'_>) {
        if self.session.pending.answer(response) || proxy::response(&self.session, response) {
            return;
        }
        debug!(starling = %self.session.id(), id = %response.id, "a response to nothing");
        if response.peer.is_some() && self.session.shared.hooks.proxy.is_none() {
            self.session.forbid_proxy("responses");
        }
    }

    fn notification(&self, notification: &Notification<'_>) {
        if notification.topic == TOPIC_ACK && self.session.dialect().extensions {
            // Whoever acknowledges with something else than a number has acknowledged nothing.
            if let Some(number) = notification.data.and_then(|data| data.read().ok()) {
                self.session.acknowledge(number);
            }
            return;
        }
        if proxy::bound_notification(&self.session, notification) {
            return;
        }
        if let Some(peer) = notification.peer {
            return proxy::notification(&self.session, &self.starlings, notification, peer);
        }
        let event =
            TopicEvent { starling: &self.starling, topic: &notification.topic, data: notification.data };
        guarded("topic", || self.session.shared.registry.topics().handle(&event));
        self.acknowledge_some();
    }

    /// Tells a peer that counts how many of its messages have come, now and then: an answer says it too, but
    /// who only notifies gets none.
    fn acknowledge_some(&self) {
        let dialect = self.session.dialect();
        if dialect.extensions && self.session.is_resumable() {
            let counted = self.session.intake.counted();
            if counted.is_multiple_of(ACKNOWLEDGE_EACH) {
                // A peer that is gone learns it when it comes back.
                let _ = self.starling.notify(TOPIC_ACK, &counted);
            }
        }
    }

    /// Says what was wrong, to the connection and to the request if one waits.
    fn refuse(&self, refusal: &Refusal) {
        self.session.shared.kinds.refused.inc();
        let metrics = &self.session.shared.metrics;
        metrics.violations.inc();
        metrics.errors.with_label_values(&[ErrorCode::ProtocolViolation.as_str()]).inc();
        let list: Vec<&str> = refusal.violations.iter().collect();
        debug!(starling = %self.session.id(), violations = ?list, "a message breaks the protocol");
        let error = MethodError::from(ErrorCode::ProtocolViolation)
            .with_details(&serde_json::json!({ "violations": list }));
        let failure = error.as_failure();
        let _ = self.session.send(&Outgoing::Error {
            severity: Severity::Protocol,
            failure: failure.clone(),
            peer: None,
        });
        if let Some(id) = &refusal.request_id {
            let _ = self.session.send(&Outgoing::Response { id, result: Err(failure), peer: None });
        }
    }

    /// The socket is gone.
    pub(super) fn closed(&self, code: u16) {
        debug!(starling = %self.session.id(), code, "disconnected");
        self.session.detach(&self.link, code);
    }
}

/// Notifications of a peer that may be unacknowledged.
const ACKNOWLEDGE_EACH: u64 = 64;

type TextHook = Box<dyn Fn(&Starling, &str) + Send + Sync>;

fn call_hook(name: &'static str, hook: Option<&TextHook>, starling: &Starling, text: &str) {
    if let Some(hook) = hook {
        guarded(name, || hook(starling, text));
    }
}
