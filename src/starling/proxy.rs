//! Messages from peer to peer. A hook decides who gets them; answers come back by the request's id, only
//! from the peer that was asked, and in time or not at all.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use foldhash::fast::RandomState;
use futures_util::FutureExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tracing::debug;

use super::answer::{Accepted, too_many};
use super::hooks::{ProxyHook, ProxyKind, ProxyRequest};
use super::manager::Starlings;
use super::session::Session;
use crate::base::StarlingId;
use crate::dispatch::{Answer, MethodError, Peer, Reply};
use crate::protocol::{
    ErrorCode, Failure, Notification, Outgoing, Payload, Raw, Request, RequestId, Response, Severity,
    is_about_connection,
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
pub(super) fn request(accepted: Accepted, starlings: &Starlings, request: &Request<'_>, peer: Raw<'_>) {
    let caller = &accepted.session;
    let (id, original) = (request.id, peer.to_owned());
    let message = proxied(caller, ProxyKind::Request, peer, &request.method, request.payload);
    let (message, hook) = match (message, &caller.shared.hooks.proxy) {
        (Ok(message), Some(hook)) => (message, Arc::clone(hook)),
        (Ok(_), None) => {
            let text = "Proxy is disabled for requests by the server";
            return refuse(caller, &id, MethodError::of(ErrorCode::ProxyForbidden, text), &original);
        }
        (Err(error), _) => return refuse(caller, &id, error, &original),
    };
    let starlings = starlings.clone();
    actix_rt::spawn(async move {
        let caller = &accepted.session;
        let asked = Asked {
            caller,
            id,
            method: &message.name,
            payload: message.payload.clone(),
            peer: &message.peer,
        };
        match chosen(&hook, message.clone(), caller, &starlings).await {
            Ok(target) => {
                let answer = asked.ask(&target).await;
                if let Err(error) = &answer {
                    caller.shared.metrics.observe_failure("peer", error.label());
                }
                let back = nested(target.id(), &nested(caller.id(), &message.peer));
                caller.respond_from(&id, answer, Payload::json(&back).ok().as_ref());
            }
            Err(error) => refuse(caller, &id, error, &original),
        }
    });
}

/// Answers a call that goes to nobody; what the caller wrote as `peer` comes back.
fn refuse(caller: &Session, id: &RequestId, error: MethodError, peer: &Payload) {
    caller.shared.metrics.proxied.with_label_values(&["refused"]).inc();
    caller.shared.metrics.observe_failure("peer", error.label());
    caller.respond_from(id, Err(error), Some(peer));
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
    if is_about_connection(&topic) {
        let text = format!("{topic} is between a peer and its server");
        return caller.complain(&MethodError::of(ErrorCode::ProxyForbidden, text));
    }
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
    let Some(hook) = caller.shared.hooks.proxy.clone() else { return caller.forbid_proxy(what) };
    let bytes = message.as_ref().ok().and_then(|message| message.payload.as_ref()).map_or(0, Payload::len);
    // What waits for the hook counts like a request, so that it is bounded.
    let Some(accepted) = Accepted::new(caller, bytes) else {
        return caller.complain(&too_many(caller));
    };
    let starlings = starlings.clone();
    actix_rt::spawn(async move {
        let caller = &accepted.session;
        let forwarded = async {
            let message = message?;
            let target = chosen(&hook, message.clone(), caller, &starlings).await?;
            let peer = Payload::json(&nested(caller.id(), &message.peer)).ok();
            send(&target, &message, peer.as_ref().map(Payload::as_raw))
                .map_err(|_| MethodError::from(ErrorCode::ProxyError))
        };
        match forwarded.await {
            Ok(()) => caller.shared.metrics.proxied.with_label_values(&["forwarded"]).inc(),
            Err(error) => {
                caller.shared.metrics.proxied.with_label_values(&["refused"]).inc();
                caller.complain(&error);
            }
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

/// The receiver that the hook chooses: in time, and whatever the hook does.
async fn chosen(
    hook: &ProxyHook,
    message: ProxyRequest,
    caller: &Session,
    starlings: &Starlings,
) -> Result<Arc<Session>, MethodError> {
    let route = AssertUnwindSafe(async { hook(message).await }).catch_unwind();
    let ended = caller.ended();
    let id = tokio::select! {
        biased;
        chosen = route => chosen.unwrap_or_else(|_| {
            tracing::error!(hook = "proxy", "a hook panicked");
            Err(ErrorCode::ProxyError.into())
        })?,
        () = tokio::time::sleep(caller.shared.options.proxy_timeout.get()) => {
            return Err(ErrorCode::ProxyTimeout.into());
        }
        () = ended.cancelled() => return Err(ErrorCode::ConnectionLost.into()),
    };
    let target = id.and_then(|id| starlings.get(id));
    target.ok_or_else(|| MethodError::of(ErrorCode::ProxyForbidden, "Invalid proxy target returned"))
}

/// The `peer` of a forwarded message: who it is from, and what that one wrote.
fn nested(source: StarlingId, peer: &Value) -> Value {
    json!({ "source": source.to_string(), "_peer": peer })
}
