//! The peer behind an HTTP request, as methods see it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value as Json;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::caller::Told;
use crate::auth::{Issued, Principal};
use crate::base::StarlingId;
use crate::dispatch::{
    self, BoxFuture, CallError, Extensions, Face, Left, MethodError, Peer, SendError, SessionData,
};
use crate::protocol::{CloseCode, Codec, Dialect, ErrorCode, MethodName, Outgoing, Payload, Raw};
use crate::starling::Shared;

/// Whoever sent an HTTP request. There is nothing behind it but the answer: no session, no messages.
pub(super) struct HttpPeer {
    pub(super) id: StarlingId,
    pub(super) face: Face,
    pub(super) address: Option<IpAddr>,
    pub(super) principal: Arc<Principal>,
    /// What the limit that lets it through leaves.
    pub(super) left: Mutex<Option<Left>>,
    pub(super) shared: Arc<Shared>,
    /// Where what the method says goes, if anybody wants it.
    pub(super) told: Option<Told>,
    pub(super) extensions: Extensions,
    pub(super) data: SessionData,
    /// Cancelled when nobody waits for the answer any more.
    pub(super) ended: CancellationToken,
}

impl Peer for HttpPeer {
    fn id(&self) -> StarlingId {
        self.id
    }

    fn dialect(&self) -> Dialect {
        Dialect { codec: Codec::Json, extensions: false }
    }

    fn principal(&self) -> Arc<Principal> {
        Arc::clone(&self.principal)
    }

    /// The answer says who it is now; the next request has to show it.
    fn identify(&self, _: &Arc<Principal>, _: Principal) -> bool {
        true
    }

    fn address(&self) -> Option<IpAddr> {
        self.address
    }

    fn face(&self) -> Face {
        self.face
    }

    fn limited(&self, left: Left) {
        *self.left.lock() = Some(left);
    }

    fn send(&self, message: &Outgoing<'_>) -> Result<(), SendError> {
        let Outgoing::Notification { request_id: Some(_), topic, data, .. } = message else {
            return Err(SendError::Closed);
        };
        // Whoever does not listen has asked for the result alone.
        let Some(told) = &self.told else { return Ok(()) };
        let data = data.map(Raw::read::<Json>).transpose()?.unwrap_or_default();
        told.try_send(((*topic).to_owned(), data)).map_err(|error| match error {
            TrySendError::Full(_) => SendError::SlowConsumer,
            TrySendError::Closed(_) => SendError::Closed,
        })
    }

    fn request(
        &self,
        _: &MethodName,
        _: Option<Payload>,
        _: Duration,
    ) -> BoxFuture<Result<Option<Payload>, CallError>> {
        Box::pin(async { Err(CallError::Lost) })
    }

    fn close(&self, _: CloseCode, _: &'static str) {}

    fn revoke(&self) {}

    fn state_token(&self) -> BoxFuture<Result<Issued, MethodError>> {
        Box::pin(async { Err(no_session()) })
    }

    fn publish(&self, topic: &str, data: Payload) -> BoxFuture<Result<dispatch::Told, MethodError>> {
        self.shared.publish(topic, data)
    }

    fn is_connected(&self) -> bool {
        false
    }

    fn presence(&self) -> watch::Receiver<bool> {
        watch::channel(false).1
    }

    fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    fn data(&self) -> &SessionData {
        &self.data
    }

    fn data_changed(&self) {}

    fn is_kept(&self) -> bool {
        false
    }

    fn saved(&self) -> BoxFuture<bool> {
        Box::pin(async { false })
    }

    fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }
}

fn no_session() -> MethodError {
    MethodError::of(ErrorCode::MethodError, "This needs a session, and HTTP has none")
}
