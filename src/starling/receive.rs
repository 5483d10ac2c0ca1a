//! What the messages of a peer mean: each is answered, handed on, or ignored as the protocol says.

use std::borrow::Cow;
use std::sync::Arc;

use tracing::debug;

use super::answer::{Accepted, too_many};
use super::connection::Service;
use super::link::Link;
use super::manager::Starlings;
use super::proxy;
use super::session::Session;
use super::shared::DrainPhase;
use crate::base::Random;
use crate::dispatch::{Answer, Call, MethodError, Peer, Starling, TopicEvent};
use crate::protocol::{
    CloseCode, Codec, Decoded, ErrorCode, Foreign, Incoming, Notification, Outgoing, Refusal, Request,
    Response, Severity, Violations, json, msgpack,
};
use crate::telemetry::Metrics;

/// A session at work on a socket.
#[derive(Debug)]
pub struct SessionService {
    session: Arc<Session>,
    starling: Starling,
    starlings: Starlings,
}

/// Counters of message kinds, looked up once for each server.
#[derive(Debug)]
pub(super) struct Kinds {
    request: prometheus::IntCounter,
    response: prometheus::IntCounter,
    notification: prometheus::IntCounter,
    error: prometheus::IntCounter,
    ack: prometheus::IntCounter,
    text: prometheus::IntCounter,
    json: prometheus::IntCounter,
    binary: prometheus::IntCounter,
    refused: prometheus::IntCounter,
}

impl Kinds {
    pub(super) fn of(metrics: &Metrics) -> Self {
        let kind = |name: &str| metrics.messages_received.with_label_values(&[name]);
        Self {
            request: kind("request"),
            response: kind("response"),
            notification: kind("notification"),
            error: kind("error"),
            ack: kind("ack"),
            text: kind("text"),
            json: kind("json"),
            binary: kind("binary"),
            refused: kind("refused"),
        }
    }
}

impl SessionService {
    /// A session that is about to get a socket. `starlings` has admitted it and is told of its end.
    pub fn new(session: Arc<Session>, starlings: Starlings) -> Self {
        Self { starling: session.starling(), session, starlings }
    }

    /// Gives the place back when the handshake broke off and no socket ever came.
    pub fn abandon(&self) {
        self.session.end();
        self.starlings.left(self.session.id());
    }

    fn message(&self, decoded: Decoded<'_>) {
        let kinds = &self.session.shared.kinds;
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
        let Some(accepted) = Accepted::new(&self.session, payload.map_or(0, |payload| payload.bytes.len()))
        else {
            return self.session.refuse_request(&id, too_many(&self.session));
        };
        // Only now that the request counts: whoever waits for the last one to end must not miss it.
        if shared.drain_phase() == DrainPhase::Refusing {
            return self.session.refuse_request(&id, ErrorCode::ServerDraining.into());
        }
        if let Some(peer) = request.peer {
            return proxy::request(accepted, &self.starlings, request, peer);
        }
        let answer = move |answer: Answer| accepted.session.respond(&id, answer);
        match Call::admit(&shared.registry, &shared.metrics, &self.starling, id, &request.method) {
            Ok(call) => call.run(payload, answer),
            Err(refused) => answer(Err(refused.0)),
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
        if proxy::bound_notification(&self.session, notification) {
            return;
        }
        if let Some(peer) = notification.peer {
            return proxy::notification(&self.session, &self.starlings, notification, peer);
        }
        let event =
            TopicEvent { starling: &self.starling, topic: &notification.topic, data: notification.data };
        guarded("topic", || self.session.shared.registry.topics().handle(&event));
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
}

impl Service for SessionService {
    fn opened(&mut self, link: &Arc<Link>) {
        let shared = &self.session.shared;
        self.session.attach(link);
        shared.metrics.connections.inc();
        shared.metrics.connections_opened.inc();
        debug!(connection = %link.id(), starling = %self.session.id(), "connected");
        let dialect = self.session.dialect();
        if dialect.extensions {
            let hello = shared.hello(self.session.id(), dialect.codec);
            let _ = self.starling.notify("hello", &hello);
        }
        // It was on its way in while everybody else was told or closed.
        if shared.drain_phase() != DrainPhase::Running {
            self.session.announce_drain(shared, &mut Random::from_system());
        }
        if shared.drain_phase() == DrainPhase::Refusing {
            link.close(CloseCode::Restart, "the server restarts");
        }
    }

    fn text(&mut self, text: &str) {
        let decoded = self.session.dialect().decode_text(text);
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

    fn binary(&mut self, bytes: &[u8]) {
        let decoded = self.session.dialect().decode_binary(bytes);
        if let (Decoded::Foreign(_), Some(hook)) = (&decoded, &self.session.shared.hooks.on_binary) {
            guarded("onBinary", || hook(&self.starling, bytes));
        }
        self.message(decoded);
    }

    fn too_long(&mut self, bytes: u64, prefix: &[u8]) {
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

    fn closed(&mut self, code: u16) {
        let shared = &self.session.shared;
        shared.metrics.connections.dec();
        shared.metrics.connections_closed.with_label_values(&[&closed_label(code)]).inc();
        debug!(starling = %self.session.id(), code, "disconnected");
        self.session.end();
        self.starlings.left(self.session.id());
    }
}

type TextHook = Box<dyn Fn(&Starling, &str) + Send + Sync>;

fn call_hook(name: &'static str, hook: Option<&TextHook>, starling: &Starling, text: &str) {
    if let Some(hook) = hook {
        guarded(name, || hook(starling, text));
    }
}

/// A panic in a hook of the application must not take the connection with it.
fn guarded<T>(hook: &'static str, work: impl FnOnce() -> T) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
        tracing::error!(hook, "a hook panicked");
    }
}

/// Codes that peers choose freely share one label.
fn closed_label(code: u16) -> Cow<'static, str> {
    match code {
        1000..=1015 | 4008..=4010 => code.to_string().into(),
        _ => "other".into(),
    }
}
