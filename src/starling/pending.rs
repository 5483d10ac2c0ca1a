//! Requests from the server to a peer that wait for their answer.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::session::Session;
use crate::dispatch::{CallError, MethodError, Peer};
use crate::protocol::{ErrorCode, MethodName, Outgoing, Payload, Raw, RequestId, Response};

type Answer = Result<Option<Payload>, MethodError>;
type Waiting = HashMap<RequestId, oneshot::Sender<Answer>, RandomState>;

/// Who waits for what. Empty, it takes two words.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<Option<Box<Waiting>>>);

impl Pending {
    fn insert(&self, id: RequestId) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        self.0.lock().get_or_insert_default().insert(id, sender);
        receiver
    }

    fn remove(&self, id: &RequestId) -> Option<oneshot::Sender<Answer>> {
        let mut waiting = self.0.lock();
        let sender = waiting.as_mut()?.remove(id);
        if waiting.as_ref().is_some_and(|waiting| waiting.is_empty()) {
            *waiting = None;
        }
        sender
    }

    /// Hands an answer to whoever waits for it. `false` if nobody does.
    pub(super) fn answer(&self, response: &Response<'_>) -> bool {
        let Some(sender) = self.remove(&response.id) else { return false };
        let answer = match &response.result {
            Ok(data) => Ok(data.map(Raw::to_owned)),
            Err(failure) => Err(failure.into()),
        };
        // Whoever waited may have given up just now.
        let _ = sender.send(answer);
        true
    }

    /// Nobody will answer any more.
    pub(super) fn clear(&self) {
        self.0.lock().take();
    }
}

/// Takes the entry out when whoever waits gives up.
struct Entry {
    session: Weak<Session>,
    id: RequestId,
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(session) = self.session.upgrade() {
            session.pending.remove(&self.id);
        }
    }
}

/// Calls a method of the peer.
pub(super) async fn request(
    session: Arc<Session>,
    method: MethodName,
    payload: Option<Payload>,
    limit: Duration,
) -> Result<Option<Payload>, CallError> {
    let id = RequestId::generate();
    let callbacks = &session.shared.metrics.callbacks.clone();
    let answer = session.pending.insert(id);
    let _entry = Entry { session: Arc::downgrade(&session), id };
    let payload = payload.as_ref().map(Payload::as_raw);
    session.send(&Outgoing::Request { id: &id, method: method.as_str(), payload, peer: None })?;
    callbacks.with_label_values(&["sent"]).inc();
    drop(session);
    let (outcome, result) = match timeout(limit, answer).await {
        Ok(Ok(Ok(data))) => ("answered", Ok(data)),
        Ok(Ok(Err(error))) => ("answered", Err(CallError::Failed(error))),
        Ok(Err(_)) => ("cancelled", Err(CallError::Lost)),
        Err(_) => ("timeout", Err(CallError::Timeout(limit))),
    };
    callbacks.with_label_values(&[outcome]).inc();
    result
}

/// What a peer is told that called with an answer too long to send.
pub(super) fn too_large(bytes: usize, limit: usize) -> MethodError {
    MethodError::from(ErrorCode::ResponseTooLarge)
        .with_details(&serde_json::json!({ "bytes": bytes, "limit": limit }))
}
