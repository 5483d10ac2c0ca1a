//! Messages from peer to peer. A hook decides who gets them; answers come back by the request's id, only
//! from the peer that was asked, and in time or not at all.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tracing::debug;

use super::hooks::{ProxyKind, ProxyRequest};
use super::manager::Starlings;
use super::session::Session;
use crate::base::StarlingId;
use crate::dispatch::{Answer, MethodError, Peer, Reply};
use crate::protocol::{
    ErrorCode, Failure, Notification, Outgoing, Payload, Raw, Request, RequestId, Response, Severity,
};

/// Forwarded requests by who was asked and the id.
#[derive(Debug, Default)]
pub(super) struct ProxyTable(Mutex<HashMap<(StarlingId, RequestId), Forwarded, RandomState>>);

#[derive(Debug)]
struct Forwarded {
    caller: Arc<Session>,
    answer: oneshot::Sender<Answer>,
}

/// A call for another peer.
pub(super) fn request(
    caller: &Arc<Session>,
    starlings: &Starlings,
    request: &Request<'_>,
    peer: Raw<'_>,
    bytes: usize,
) {
    let (id, original) = (request.id, peer.to_owned());
    let refuse = |error: MethodError| {
        caller.shared.metrics.proxied.with_label_values(&["refused"]).inc();
        caller.shared.metrics.observe_failure("peer", error.label());
        caller.requests.remove(bytes);
        caller.respond_from(&id, Err(error), Some(&original));
    };
    let message = proxied(caller, ProxyKind::Request, peer, &request.method, request.payload);
    let Some(hook) = &caller.shared.hooks.proxy else {
        let text = "Proxy is disabled for requests by the server";
        return refuse(MethodError::of(ErrorCode::ProxyForbidden, text));
    };
    let message = match message {
        Ok(message) => message,
        Err(error) => return refuse(error),
    };
    let (route, payload) = (hook(message.clone()), message.payload);
    let (caller, starlings) = (Arc::clone(caller), starlings.clone());
    actix_rt::spawn(async move {
        let asked = Asked { caller: &caller, id, method: &message.name, payload, peer: &message.peer };
        let target = chosen(route.await, &starlings);
        let (answer, from) = match target {
            Ok(target) => (asked.ask(&target).await, Some(target.id())),
            Err(error) => (Err(error), None),
        };
        caller.requests.remove(bytes);
        if let Err(error) = &answer {
            caller.shared.metrics.observe_failure("peer", error.label());
        }
        let back = from.map(|from| nested(from, &nested(caller.id(), &message.peer)));
        let back = Payload::json(&back.unwrap_or(message.peer));
        caller.respond_from(&id, answer, back.ok().as_ref());
    });
}

/// A forwarded call.
struct Asked<'a> {
    caller: &'a Arc<Session>,
    id: RequestId,
    method: &'a str,
    payload: Option<Payload>,
    peer: &'a Value,
}

impl Asked<'_> {
    /// Forwards the call and waits for whatever comes first: answer, time-out, or the end of either peer.
    async fn ask(&self, target: &Arc<Session>) -> Answer {
        let shared = &self.caller.shared;
        let outcome = |name: &str| shared.metrics.proxied.with_label_values(&[name]).inc();
        let key = (target.id(), self.id);
        let (sender, answer) = oneshot::channel();
        {
            let mut table = shared.proxied.0.lock();
            if table.contains_key(&key) {
                let text = "The other peer is still working on a request with this id";
                return Err(MethodError::of(ErrorCode::ProxyError, text));
            }
            table.insert(key, Forwarded { caller: Arc::clone(self.caller), answer: sender });
        }
        let _entry = Entry { table: &shared.proxied, key };
        let peer = Payload::json(&nested(self.caller.id(), self.peer)).ok();
        let sent = target.send(&Outgoing::Request {
            id: &self.id,
            method: self.method,
            payload: self.payload.as_ref().map(Payload::as_raw),
            peer: peer.as_ref().map(Payload::as_raw),
        });
        if let Err(error) = sent {
            debug!(%error, "a request cannot be forwarded");
            outcome("undeliverable");
            return Err(ErrorCode::ProxyError.into());
        }
        outcome("forwarded");
        let (theirs, ours) = (target.ended(), self.caller.ended());
        tokio::select! {
            biased;
            Ok(answer) = answer => answer,
            () = tokio::time::sleep(shared.options.proxy_timeout.get()) => {
                outcome("timeout");
                Err(ErrorCode::ProxyTimeout.into())
            }
            () = theirs.cancelled() => Err(ErrorCode::ProxyError.into()),
            () = ours.cancelled() => Err(ErrorCode::ConnectionLost.into()),
        }
    }
}

struct Entry<'a> {
    table: &'a ProxyTable,
    key: (StarlingId, RequestId),
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.table.0.lock().remove(&self.key);
    }
}

/// An answer that may belong to a forwarded call. `false` if this peer was not asked.
pub(super) fn response(from: &Session, response: &Response<'_>) -> bool {
    let forwarded = from.shared.proxied.0.lock().remove(&(from.id(), response.id));
    let Some(forwarded) = forwarded else { return false };
    let answer = match &response.result {
        Ok(data) => Ok(Reply::raw(data.map(Raw::to_owned))),
        Err(failure) => Err(failure.into()),
    };
    // The caller may have stopped waiting just now.
    let _ = forwarded.answer.send(answer);
    true
}

/// Progress of a forwarded call goes back to the caller. `false` if it belongs to none.
pub(super) fn bound_notification(from: &Session, notification: &Notification<'_>) -> bool {
    let Some(id) = notification.request_id else { return false };
    let table = from.shared.proxied.0.lock();
    let caller = table.get(&(from.id(), id)).map(|forwarded| Arc::clone(&forwarded.caller));
    drop(table);
    let Some(caller) = caller else { return false };
    let sent = caller.send(&Outgoing::Notification {
        request_id: Some(&id),
        topic: &notification.topic,
        progress: notification.topic == "progress",
        data: notification.data,
        peer: None,
    });
    if let Err(error) = sent {
        debug!(%error, "progress cannot be forwarded");
    }
    true
}

/// A notification for another peer.
pub(super) fn notification(
    caller: &Arc<Session>,
    starlings: &Starlings,
    notification: &Notification<'_>,
    peer: Raw<'_>,
) {
    let topic = notification.topic.to_string();
    let message = proxied(caller, ProxyKind::Notification, peer, &topic, notification.data);
    forward(caller, starlings, message, "notifications", move |target, message, peer| {
        let data = message.payload.as_ref().map(Payload::as_raw);
        target.send(&Outgoing::Notification { request_id: None, topic: &topic, progress: false, data, peer })
    });
}

/// An error message for another peer.
pub(super) fn error(caller: &Arc<Session>, starlings: &Starlings, failure: &Failure<'_>, peer: Raw<'_>) {
    let error = MethodError::from(failure);
    let message = proxied(caller, ProxyKind::Error, peer, "", None);
    forward(caller, starlings, message, "notifications", move |target, _, peer| {
        let failure = error.as_failure();
        target.send(&Outgoing::Error { severity: Severity::Application, failure, peer })
    });
}

/// Lets the hook choose a receiver and sends to it; whatever goes wrong is told as an error message.
fn forward<F>(
    caller: &Arc<Session>,
    starlings: &Starlings,
    message: Result<ProxyRequest, MethodError>,
    what: &'static str,
    send: F,
) where
    F: FnOnce(&Session, &ProxyRequest, Option<Raw<'_>>) -> Result<(), crate::dispatch::SendError> + 'static,
{
    let Some(hook) = &caller.shared.hooks.proxy else { return caller.forbid_proxy(what) };
    let route = message.as_ref().ok().map(|message| hook(message.clone()));
    let (caller, starlings) = (Arc::clone(caller), starlings.clone());
    actix_rt::spawn(async move {
        let sent = match (message, route) {
            (Ok(message), Some(route)) => chosen(route.await, &starlings).and_then(|target| {
                let peer = Payload::json(&nested(caller.id(), &message.peer)).ok();
                send(&target, &message, peer.as_ref().map(Payload::as_raw))
                    .map_err(|_| MethodError::from(ErrorCode::ProxyError))
            }),
            (Err(error), _) => Err(error),
            (Ok(_), None) => Ok(()),
        };
        let outcome = if sent.is_ok() { "forwarded" } else { "refused" };
        caller.shared.metrics.proxied.with_label_values(&[outcome]).inc();
        if let Err(error) = sent {
            let failure = error.as_failure();
            let _ = caller.send(&Outgoing::Error { severity: Severity::Application, failure, peer: None });
        }
    });
}

fn proxied(
    caller: &Arc<Session>,
    kind: ProxyKind,
    peer: Raw<'_>,
    name: &str,
    payload: Option<Raw<'_>>,
) -> Result<ProxyRequest, MethodError> {
    let peer = peer.read().map_err(|error| MethodError::invalid([format!("peer: {error}")]))?;
    let (name, payload) = (name.to_owned(), payload.map(Raw::to_owned));
    Ok(ProxyRequest { kind, caller: caller.starling(), peer, name, payload })
}

/// The receiver that the hook chose.
fn chosen(
    route: Result<Option<StarlingId>, MethodError>,
    starlings: &Starlings,
) -> Result<Arc<Session>, MethodError> {
    let target = route?.and_then(|id| starlings.get(id));
    target.ok_or_else(|| MethodError::of(ErrorCode::ProxyForbidden, "Invalid proxy target returned"))
}

/// The `peer` of a forwarded message: who it is from, and what that one wrote.
fn nested(source: StarlingId, peer: &Value) -> Value {
    json!({ "source": source.to_string(), "_peer": peer })
}
