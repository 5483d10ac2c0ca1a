//! A caller over HTTP: asks a method as a peer does, on the one path that all calls take, and is gone once it has
//! its answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use parking_lot::Mutex;
use serde_json::Value as Json;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::serve::Surroundings;
use super::{identity, observe};
use crate::auth::{Accounts, Issued, Principal};
use crate::base::StarlingId;
use crate::dispatch::{
    self, Answer, BoxFuture, Call, CallError, Extensions, Face, Left, MethodError, Peer, Refused, SendError,
    SessionData, Starling,
};
use crate::protocol::{CloseCode, Codec, Dialect, ErrorCode, MethodName, Outgoing, Payload, Raw, RequestId};
use crate::starling::{DrainPhase, Shared};
use crate::telemetry::Metrics;

/// Whoever sent an HTTP request. There is nothing behind it but the answer: no session, no messages.
struct HttpPeer {
    id: StarlingId,
    face: Face,
    address: Option<IpAddr>,
    principal: Arc<Principal>,
    /// What the limit that lets it through leaves.
    left: Mutex<Option<Left>>,
    shared: Arc<Shared>,
    /// Where what the method says goes, if anybody wants it.
    told: Option<Told>,
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

/// An HTTP request on its way to a method.
#[derive(Debug)]
pub(super) struct Caller<'a> {
    around: &'a Surroundings,
    face: Face,
    id: RequestId,
    address: Option<IpAddr>,
    principal: Arc<Principal>,
}

/// What a method gave, and what a limit leaves.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) result: Result<Json, MethodError>,
    pub(super) left: Option<Left>,
}

/// Is told what a method says while it works: topic and data.
pub(super) type Told = mpsc::Sender<(String, Json)>;

impl<'a> Caller<'a> {
    /// Who sends a request.
    ///
    /// # Errors
    /// If the server stops, or what the request shows is not good.
    pub(super) fn of(
        around: &'a Surroundings,
        request: &HttpRequest,
        face: Face,
    ) -> Result<Self, MethodError> {
        if around.shared.drain_phase() == DrainPhase::Refusing {
            return Err(ErrorCode::ServerDraining.into());
        }
        let (query, headers) = (request.query_string(), request.headers());
        let header =
            |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default().to_owned());
        let principal = identity::principal(&around.shared, query, &header, true)?;
        let address = request.peer_addr().map(|address| address.ip());
        let id = observe::request_id_of(request);
        Ok(Self { around, face, id, address, principal: Arc::new(principal) })
    }

    /// Somebody, whatever the request shows: for what is there to get something to show.
    ///
    /// # Errors
    /// If the server stops.
    pub(super) fn nobody(
        around: &'a Surroundings,
        request: &HttpRequest,
        face: Face,
    ) -> Result<Self, MethodError> {
        if around.shared.drain_phase() == DrainPhase::Refusing {
            return Err(ErrorCode::ServerDraining.into());
        }
        let everybody = around.shared.accounts.as_ref().map(Accounts::everybody);
        let address = request.peer_addr().map(|address| address.ip());
        let (id, principal) = (observe::request_id_of(request), Arc::new(everybody.unwrap_or_default()));
        Ok(Self { around, face, id, address, principal })
    }

    /// Who it is.
    pub(super) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Whether it may go on to a method, before its body is read.
    ///
    /// # Errors
    /// If it may not call the method.
    pub(super) fn check(&self, method: &str) -> Result<(), MethodError> {
        let needed = self.around.shared.registry.get(method).filter(|method| !method.options().private);
        match needed.and_then(|method| method.options().permission.as_ref()) {
            Some(permission) if !self.principal.may(permission) => Err(MethodError::permission(permission)),
            _ => Ok(()),
        }
    }

    /// Calls a method, and tells what it says while it works.
    pub(super) async fn call(&self, method: &str, payload: &Json, told: Option<Told>) -> Answered {
        let shared = &self.around.shared;
        let ended = CancellationToken::new();
        // Whoever hangs up drops this.
        let _gone = ended.clone().drop_guard();
        let peer = Arc::new(HttpPeer {
            id: StarlingId::generate(),
            face: self.face,
            address: self.address,
            principal: Arc::clone(&self.principal),
            left: Mutex::default(),
            shared: Arc::clone(shared),
            extensions: Extensions::default(),
            data: SessionData::new(shared.session_options.data_bytes_max.0),
            told,
            ended,
        });
        let result = self.ask(Starling::new(Arc::clone(&peer) as Arc<dyn Peer>), method, payload).await;
        let left = *peer.left.lock();
        Answered { result, left }
    }

    async fn ask(&self, starling: Starling, method: &str, payload: &Json) -> Result<Json, MethodError> {
        let shared = &self.around.shared;
        // Nothing is what a socket sends that has nothing to say.
        let payload = Some(payload).filter(|payload| !payload.is_null()).map(Payload::json);
        let payload = payload.transpose().map_err(|error| MethodError::invalid([error]))?;
        let admitted = Call::admit(&shared.registry, &shared.metrics, &starling, self.id, method);
        let call = admitted.map_err(|Refused(error)| error)?;
        // A server that drains waits for it.
        shared.metrics.in_flight.inc();
        let _counted = Counted(Arc::clone(&shared.metrics));
        let (answer, answered) = oneshot::channel::<Answer>();
        // If nobody waits any more, nobody wants it.
        call.run(payload.as_ref().map(Payload::as_raw), |result, context| {
            drop(answer.send(result));
            context.mark_sent();
        });
        let reply = answered.await.unwrap_or_else(|_| Err(ErrorCode::InternalError.into()))?;
        let Some(payload) = reply.into_payload() else { return Ok(Json::Null) };
        payload.read().map_err(|error| {
            tracing::error!(%error, method, "the answer of a method is not JSON");
            ErrorCode::InternalError.into()
        })
    }
}

/// Whether a request below `/api` may go on to its method, before its body is read.
///
/// # Errors
/// If the server stops, or the caller may not call the method.
pub(super) fn check(around: &Surroundings, request: &HttpRequest, method: &str) -> Result<(), MethodError> {
    Caller::of(around, request, Face::Demo)?.check(method)
}

/// Calls a method for a request below `/api`.
///
/// # Errors
/// What the gate or the method says.
pub(super) async fn call(
    around: &Surroundings,
    request: &HttpRequest,
    method: &str,
    payload: &Json,
) -> Result<Json, MethodError> {
    Caller::of(around, request, Face::Demo)?.call(method, payload, None).await.result
}
