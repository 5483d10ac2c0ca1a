//! What a handler knows about its request and can do for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::error::MethodError;
use super::method::Method;
use super::peer::{Starling, Told};
use super::send_error::SendError;
use crate::auth::Principal;
use crate::protocol::{Outgoing, Payload, RequestId, is_topic_name};

/// The request that a handler works on. Clones mean the same request.
#[derive(Clone, Debug)]
pub struct Context(Arc<Scope>);

#[derive(Debug)]
struct Scope {
    starling: Starling,
    /// Who it was when it began.
    principal: Arc<Principal>,
    request_id: RequestId,
    method: Arc<Method>,
    deadline: Instant,
    answered: AtomicBool,
    cancelled: AtomicBool,
    cancellation: OnceLock<CancellationToken>,
    sent: AtomicBool,
    sent_token: OnceLock<CancellationToken>,
}

/// The answer is not wanted any more: the time is up or the peer is gone for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cancelled;

impl Context {
    pub(super) fn new(
        (starling, principal): (Starling, Arc<Principal>),
        request_id: RequestId,
        method: Arc<Method>,
        started: Instant,
    ) -> Self {
        Self(Arc::new(Scope {
            starling,
            principal,
            request_id,
            deadline: started + method.timeout(),
            method,
            answered: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
            cancellation: OnceLock::new(),
            sent: AtomicBool::new(false),
            sent_token: OnceLock::new(),
        }))
    }

    /// The peer that asks.
    pub fn starling(&self) -> &Starling {
        &self.0.starling
    }

    /// Who asks, with the rights that it had when the call began. What it may at this moment says
    /// [`Starling::principal`].
    pub fn principal(&self) -> Arc<Principal> {
        Arc::clone(&self.0.principal)
    }

    /// The id of the request.
    pub fn request_id(&self) -> RequestId {
        self.0.request_id
    }

    /// The name of the method.
    pub fn method(&self) -> &str {
        self.0.method.name()
    }

    /// When the caller stops waiting.
    pub fn deadline(&self) -> Instant {
        self.0.deadline
    }

    /// How long the caller will still wait.
    pub fn remaining(&self) -> Duration {
        self.0.deadline.saturating_duration_since(Instant::now())
    }

    /// Ends when the answer is not wanted any more.
    pub async fn cancelled(&self) -> Cancelled {
        self.cancellation().cancelled().await;
        Cancelled
    }

    /// A token for work in other tasks; cancelled when the answer is not wanted any more.
    pub fn cancellation(&self) -> CancellationToken {
        let token = self.0.cancellation.get_or_init(CancellationToken::new);
        if self.0.cancelled.load(Ordering::SeqCst) {
            token.cancel();
        }
        token.clone()
    }

    /// Ends when the answer is on its way to the caller: what is told after that comes behind it.
    pub async fn answer_sent(&self) {
        let token = self.0.sent_token.get_or_init(CancellationToken::new);
        if !self.0.sent.load(Ordering::SeqCst) {
            token.cancelled().await;
        }
    }

    /// The answer is on its way. For whoever sends it.
    pub fn mark_sent(&self) {
        self.0.sent.store(true, Ordering::SeqCst);
        if let Some(token) = self.0.sent_token.get() {
            token.cancel();
        }
    }

    /// Tells the caller something that belongs to this request. Only before the answer: after it the caller
    /// would drop it.
    ///
    /// # Errors
    /// If the topic is no topic, the data cannot be written, the peer is gone, or the request was answered.
    pub fn notify<T: Serialize + ?Sized>(&self, topic: &str, data: &T) -> Result<(), SendError> {
        self.tell(topic, data, false)
    }

    /// Publishes on a topic, in the name of the server: whoever may otherwise. Done once it is queued for every
    /// subscriber, and with a durable history also on the disk.
    ///
    /// # Errors
    /// If the data cannot be written, the namespace of the topic is not configured, or a durable history takes nothing.
    pub async fn publish<T: Serialize + ?Sized>(&self, topic: &str, data: &T) -> Result<Told, MethodError> {
        self.0.starling.publish(topic, data).await
    }

    /// Tells the caller how far the work is: `percent` is brought between 0 and 100.
    ///
    /// # Errors
    /// As [`Context::notify`].
    pub fn progress(
        &self,
        percent: f64,
        status: Option<&str>,
        details: Option<&Value>,
    ) -> Result<(), SendError> {
        let percent = if percent.is_nan() { 0.0 } else { percent.clamp(0.0, 100.0) };
        let progress = if percent.fract() == 0.0 { json!(percent as u8) } else { json!(percent) };
        let mut data = json!({ "type": "progress", "progress": progress });
        if let Some(status) = status {
            data["status"] = status.into();
        }
        if let Some(details) = details {
            data["details"] = details.clone();
        }
        self.tell("progress", &data, true)
    }

    /// Tells the caller of something odd that does not stop the work.
    ///
    /// # Errors
    /// As [`Context::notify`].
    pub fn warn(&self, message: &str) -> Result<(), SendError> {
        self.tell("warn", &json!({ "message": message }), false)
    }

    fn tell<T: Serialize + ?Sized>(&self, topic: &str, data: &T, progress: bool) -> Result<(), SendError> {
        if self.0.answered.load(Ordering::SeqCst) {
            return Err(SendError::Answered);
        }
        if !is_topic_name(topic) {
            return Err(SendError::Topic(topic.to_owned()));
        }
        let data = Payload::write(self.0.starling.dialect().codec, data)?;
        self.0.starling.send(&Outgoing::Notification {
            request_id: Some(&self.0.request_id),
            topic,
            progress,
            data: Some(data.as_raw()),
            peer: None,
        })
    }

    /// Takes the right to answer. `false` if somebody did before.
    pub(super) fn take_answer(&self) -> bool {
        !self.0.answered.swap(true, Ordering::SeqCst)
    }

    pub(super) fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        if let Some(token) = self.0.cancellation.get() {
            token.cancel();
        }
    }

    pub(super) fn method_entry(&self) -> &Method {
        &self.0.method
    }
}
