//! What the messages of a peer mean: each is answered, handed on, or ignored as the protocol says.

use tracing::debug;

use super::answer::{Accepted, too_many};
use super::ears::{Ears, is_about};
use super::hooks::guarded;
use super::proxy;
use super::repeats::Repeats;
use super::shared::DrainPhase;
use crate::dispatch::{Call, MethodError, Peer, TopicEvent};
use crate::protocol::{
    Decoded, ErrorCode, Foreign, Incoming, Notification, Outgoing, Refusal, Request, Response, Severity,
    TOPIC_ACK,
};

impl Ears {
    pub(super) fn message(&self, decoded: Decoded<'_>) {
        let kinds = &self.session.shared.kinds;
        match decoded {
            Decoded::Message(Incoming::Request(request)) => {
                kinds.request.inc();
                self.request(&request);
            }
            Decoded::Message(Incoming::Response(response)) => {
                kinds.response.inc();
                self.response(&response);
                self.acknowledge_some();
            }
            Decoded::Message(Incoming::Notification(notification)) => {
                kinds.notification.inc();
                self.notification(&notification);
                self.acknowledge_some();
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
            (Ok(call), None) => call.run(payload, move |answer, context| {
                accepted.session.respond(&id, answer);
                context.mark_sent();
            }),
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
        if notification.topic == TOPIC_ACK && is_about(notification) && self.session.dialect().extensions {
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
    }

    /// Tells a peer that counts how many of its messages have come, now and then: an answer says it too, but
    /// who asks nothing gets none.
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
    pub(super) fn refuse(&self, refusal: &Refusal) {
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

/// Notifications of a peer that may be unacknowledged.
const ACKNOWLEDGE_EACH: u64 = 64;
