//! Requests that are owed an answer, and how they get one.

use std::sync::Arc;

use tracing::warn;

use super::pending;
use super::session::{Session, Sort, too_large};
use crate::dispatch::{Answer, MethodError, Peer, Reply, SendError};
use crate::protocol::{ErrorCode, Outgoing, Payload, RequestId, Severity};

/// A request that is not answered yet: it counts for its session and for the server until this is dropped.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) session: Arc<Session>,
    bytes: usize,
}

impl Accepted {
    /// Counts a request of so many bytes; `None` if the session has too many.
    pub(super) fn new(session: &Arc<Session>, bytes: usize) -> Option<Self> {
        let options = &session.shared.options;
        if !session.requests.add(bytes, options.requests_max, options.requests_bytes_max.0) {
            return None;
        }
        session.shared.metrics.in_flight.inc();
        Some(Self { session: Arc::clone(session), bytes })
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        self.session.requests.remove(self.bytes);
        self.session.shared.metrics.in_flight.dec();
    }
}

/// What a peer is told that has too many unanswered requests.
pub(super) fn too_many(session: &Session) -> MethodError {
    let limit = serde_json::json!({ "limit": session.shared.options.requests_max });
    MethodError::from(ErrorCode::RequestLimitExceeded).with_details(&limit)
}

impl Session {
    /// Answers a request. Whatever goes wrong on the way, the caller gets one answer if it can get any.
    pub(super) fn respond(&self, id: &RequestId, answer: Answer) {
        self.respond_from(id, answer, None);
    }

    /// The same in the name of another peer.
    pub(super) fn respond_from(&self, id: &RequestId, answer: Answer, peer: Option<&Payload>) {
        let answer = answer.map(Reply::into_payload);
        let sent = self.send(&response(id, &answer, peer));
        if let Some(instead) = sent.err().and_then(|problem| answer_instead(id, &problem)) {
            let _ = self.send(&response(id, &Err(instead), peer));
        }
    }

    /// The message that answers a request, without sending it.
    pub(super) fn answer_message(&self, id: &RequestId, answer: Answer) -> Vec<u8> {
        let answer = answer.map(Reply::into_payload);
        let written = self.written(&response(id, &answer, None)).map_err(SendError::from);
        written.unwrap_or_else(|problem| {
            let instead = answer_instead(id, &problem).unwrap_or_else(|| ErrorCode::InternalError.into());
            // Code, text and details of the public table always fit.
            self.written(&response(id, &Err(instead), None)).unwrap_or_default()
        })
    }

    /// Sends such a message.
    pub(super) fn send_answer(&self, message: &[u8]) {
        // A peer that is gone for good has nobody left to tell.
        let _ = self.send_written(message, Sort::ANSWER);
    }

    /// The same with a message that is on no disk.
    pub(super) fn send_secret(&self, message: &[u8]) {
        let _ = self.send_written(message, Sort::SECRET);
    }

    /// Answers a request that never became a call.
    pub(super) fn refuse_request(&self, id: &RequestId, error: MethodError) {
        self.shared.metrics.observe_failure("refused", error.label());
        self.respond(id, Err(error));
    }

    /// Refuses a message to another peer for which there is no hook.
    pub(super) fn forbid_proxy(&self, what: &str) {
        self.shared.metrics.proxied.with_label_values(&["refused"]).inc();
        let text = format!("Proxy is disabled for {what} by the server");
        self.complain(&MethodError::of(ErrorCode::ProxyForbidden, text));
    }

    /// Tells the peer what became of a message that has no answer.
    pub(super) fn complain(&self, error: &MethodError) {
        self.shared.metrics.errors.with_label_values(&[error.label()]).inc();
        let failure = error.as_failure();
        let _ = self.send(&Outgoing::Error { severity: Severity::Application, failure, peer: None });
    }
}

fn response<'a>(
    id: &'a RequestId,
    answer: &'a Result<Option<Payload>, MethodError>,
    peer: Option<&'a Payload>,
) -> Outgoing<'a> {
    let result = match answer {
        Ok(data) => Ok(data.as_ref().map(Payload::as_raw)),
        Err(error) => Err(error.as_failure()),
    };
    Outgoing::Response { id, result, peer: peer.map(Payload::as_raw) }
}

/// What the caller is told when its answer cannot be sent; nothing if it is not there to be told.
fn answer_instead(id: &RequestId, problem: &SendError) -> Option<MethodError> {
    if let Some((bytes, limit)) = too_large(problem) {
        warn!(request_id = %id, bytes, limit, "an answer is too long to send");
        return Some(pending::too_large(bytes, limit));
    }
    if matches!(problem, SendError::Closed | SendError::SlowConsumer | SendError::Full) {
        return None;
    }
    warn!(request_id = %id, error = %problem, "an answer cannot be sent");
    Some(ErrorCode::InternalError.into())
}
