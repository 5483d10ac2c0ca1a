//! A caller over HTTP: asks a method as a peer does, on the one path that all calls take, and is gone once it has
//! its answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpMessage, HttpRequest};
use parking_lot::Mutex;
use serde_json::Value as Json;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::http_peer::HttpPeer;
use super::serve::Surroundings;
use super::{identity, observe};
use crate::auth::{Accounts, Principal};
use crate::base::StarlingId;
use crate::dispatch::{
    Answer, Call, Extensions, Face, Left, MethodError, Peer, Refused, SessionData, Starling,
};
use crate::protocol::{ErrorCode, Payload, RequestId};
use crate::starling::DrainPhase;
use crate::telemetry::Metrics;

/// A request that is not answered yet.
struct Counted(Arc<Metrics>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

/// How often it is looked whether somebody who waits may still have what it waits for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

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
        let address = observe::address_of(request);
        let id = observe::request_id_of(request);
        if let Some(name) = principal.name() {
            request.extensions_mut().insert(observe::CallerName(name.to_owned()));
        }
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
        let address = observe::address_of(request);
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

    /// Ends when the caller may not have the answer any more: its login was ended, or its rights are gone.
    async fn lost(&self, method: &str) -> MethodError {
        let Some(accounts) = &self.around.shared.accounts else { return std::future::pending().await };
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let grace_ms = accounts.options().grace.as_ms();
            let renewed = accounts.renewed(&self.principal, grace_ms);
            let still_may = renewed.map_err(MethodError::from).and_then(|principal| {
                let needed = self.around.shared.registry.get(method);
                let needed = needed.and_then(|method| method.options().permission.as_deref());
                match needed.filter(|permission| !principal.may(permission)) {
                    Some(permission) => Err(MethodError::permission(permission)),
                    None => Ok(()),
                }
            });
            if let Err(error) = still_may {
                return error;
            }
        }
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
        let reply = tokio::select! {
            biased;
            answer = answered => answer.unwrap_or_else(|_| Err(ErrorCode::InternalError.into()))?,
            error = self.lost(method) => return Err(error),
        };
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
