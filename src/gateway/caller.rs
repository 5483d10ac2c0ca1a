//! A caller over HTTP: asks a method as a peer does, on the one path that all calls take, and is gone once it has
//! its answer.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::serve::Surroundings;
use crate::auth::{Issued, Principal};
use crate::base::StarlingId;
use crate::dispatch::{
    Answer, BoxFuture, Call, CallError, Extensions, MethodError, Peer, Refused, SendError, SessionData,
    Starling, Told,
};
use crate::protocol::{CloseCode, Codec, Dialect, ErrorCode, MethodName, Outgoing, Payload, RequestId};
use crate::starling::{DrainPhase, Handshake};
use crate::telemetry::Metrics;

/// Whoever sent an HTTP request. There is nothing behind it but the answer: no session, no messages.
struct HttpPeer {
    id: StarlingId,
    principal: Arc<Principal>,
    extensions: Extensions,
    data: SessionData,
    /// Cancelled when nobody waits for the answer any more.
    ended: CancellationToken,
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

    fn send(&self, _: &Outgoing<'_>) -> Result<(), SendError> {
        Err(SendError::Closed)
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

    fn publish(&self, _: &str, _: Payload) -> BoxFuture<Result<Told, MethodError>> {
        Box::pin(async { Err(no_session()) })
    }

    fn is_connected(&self) -> bool {
        false
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

/// A request that is not answered yet.
struct Counted(Arc<Metrics>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

fn no_session() -> MethodError {
    MethodError::of(ErrorCode::MethodError, "This needs a session, and HTTP has none")
}

/// Who sends an HTTP request.
fn principal(around: &Surroundings, request: &HttpRequest) -> Principal {
    let header = |name: &str| Some(request.headers().get(name)?.to_str().ok()?.to_owned());
    around.shared.hooks.principal_of(&Handshake::new(request.query_string(), &header))
}

/// Whether a request may go on to its method, before its body is read.
///
/// # Errors
/// If the server stops, or the caller may not call the method.
pub(super) fn check(around: &Surroundings, request: &HttpRequest, method: &str) -> Result<(), MethodError> {
    if around.shared.drain_phase() == DrainPhase::Refusing {
        return Err(ErrorCode::ServerDraining.into());
    }
    let needed = around.shared.registry.get(method).and_then(|method| method.options().permission.as_ref());
    match needed {
        Some(permission) if !principal(around, request).may(permission) => {
            Err(MethodError::permission(permission))
        }
        _ => Ok(()),
    }
}

/// Calls a method for an HTTP request.
///
/// # Errors
/// What the gate or the method says.
pub(super) async fn call(
    around: &Surroundings,
    request: &HttpRequest,
    method: &str,
    payload: &serde_json::Value,
) -> Result<serde_json::Value, MethodError> {
    let shared = &around.shared;
    if shared.drain_phase() == DrainPhase::Refusing {
        return Err(ErrorCode::ServerDraining.into());
    }
    let principal = principal(around, request);
    let ended = CancellationToken::new();
    // Whoever hangs up drops this.
    let _gone = ended.clone().drop_guard();
    let peer = HttpPeer {
        id: StarlingId::generate(),
        principal: Arc::new(principal),
        extensions: Extensions::default(),
        data: SessionData::new(shared.session_options.data_bytes_max.0),
        ended,
    };
    let payload = Payload::json(payload).map_err(|error| MethodError::invalid([error]))?;
    let starling = Starling::new(Arc::new(peer));
    let admitted = Call::admit(&shared.registry, &shared.metrics, &starling, RequestId::generate(), method);
    let call = admitted.map_err(|Refused(error)| error)?;
    // A server that drains waits for it.
    shared.metrics.in_flight.inc();
    let _counted = Counted(Arc::clone(&shared.metrics));
    let (answer, answered) = oneshot::channel::<Answer>();
    // If nobody waits any more, nobody wants it.
    call.run(Some(payload.as_raw()), |result, _| drop(answer.send(result)));
    let reply = answered.await.unwrap_or_else(|_| Err(ErrorCode::InternalError.into()))?;
    let Some(payload) = reply.into_payload() else { return Ok(serde_json::Value::Null) };
    payload.read().map_err(|error| {
        tracing::error!(%error, method, "the answer of a method is not JSON");
        ErrorCode::InternalError.into()
    })
}
