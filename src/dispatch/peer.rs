//! The peer at the other end, as methods see it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::BoxFuture;
use super::data::{DataError, SessionData};
use super::error::MethodError;
use super::extensions::Extensions;
use super::limits::{Face, Left};
use super::send_error::{CallError, SendError};
use crate::auth::{Issued, Principal};
use crate::base::StarlingId;
use crate::protocol::{CloseCode, Dialect, MethodName, Outgoing, Payload, is_topic_name};

/// Something was published.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// Its place in the topic: an opaque text.
    pub position: String,
    /// Subscribers that it was queued for.
    pub delivered: usize,
}

/// What a caller has to offer. Sessions implement it; so may other faces.
pub trait Peer: Send + Sync + 'static {
    /// The id of the session.
    fn id(&self) -> StarlingId;
    /// What was agreed at the handshake.
    fn dialect(&self) -> Dialect;
    /// Who it is.
    fn principal(&self) -> Arc<Principal>;
    /// Takes another principal from now on, if it has `from` until now: somebody has logged in, or out. Says whether it
    /// does.
    fn identify(&self, from: &Arc<Principal>, to: Principal) -> bool;
    /// Where it is, if that is known.
    fn address(&self) -> Option<IpAddr>;
    /// How it came.
    fn face(&self) -> Face;
    /// Is told what a limit leaves to it, of all that have let a call through the one that leaves the least.
    fn limited(&self, _: Left) {}
    /// Queues a message.
    ///
    /// # Errors
    /// If it cannot be written or the peer is gone.
    fn send(&self, message: &Outgoing<'_>) -> Result<(), SendError>;
    /// Calls a method of the peer and waits for its answer, at most for `timeout`.
    fn request(
        &self,
        method: &MethodName,
        payload: Option<Payload>,
        timeout: Duration,
    ) -> BoxFuture<Result<Option<Payload>, CallError>>;
    /// Ends the session.
    fn close(&self, code: CloseCode, reason: &'static str);
    /// Ends the session and makes its tokens void. A socket that it has stays until it is closed.
    fn revoke(&self);
    /// A token to come back to the session with.
    fn state_token(&self) -> BoxFuture<Result<Issued, MethodError>>;
    /// Publishes on a topic, in the name of the server.
    fn publish(&self, topic: &str, data: Payload) -> BoxFuture<Result<Told, MethodError>>;
    /// Whether a socket is linked to it.
    fn is_connected(&self) -> bool;
    /// The same, and from then on what it becomes.
    fn presence(&self) -> watch::Receiver<bool>;
    /// Values of the application.
    fn extensions(&self) -> &Extensions;
    /// What the session keeps by name, also after the server was restarted.
    fn data(&self) -> &SessionData;
    /// What the session keeps has changed and is to be written down.
    fn data_changed(&self);
    /// Whether anything of the session is written down.
    fn is_kept(&self) -> bool;
    /// Ends when everything that was said and kept so far is on the disk; `false` if it cannot be, or nothing
    /// is kept there.
    fn saved(&self) -> BoxFuture<bool>;
    /// Cancelled once the session has ended.
    fn ended(&self) -> CancellationToken;
}

/// A handle of a connected peer. Clones are cheap and mean the same peer.
#[derive(Clone)]
pub struct Starling(Arc<dyn Peer>);

impl Starling {
    /// A handle of a peer.
    pub fn new(peer: Arc<dyn Peer>) -> Self {
        Self(peer)
    }

    /// The id of the session.
    pub fn id(&self) -> StarlingId {
        self.0.id()
    }

    /// What was agreed at the handshake.
    pub fn dialect(&self) -> Dialect {
        self.0.dialect()
    }

    /// Who it is.
    pub fn principal(&self) -> Arc<Principal> {
        self.0.principal()
    }

    /// Takes another principal from now on, if it has `from` until now: somebody has logged in, or out. Says whether it
    /// does.
    pub fn identify(&self, from: &Arc<Principal>, to: Principal) -> bool {
        self.0.identify(from, to)
    }

    /// Where it is, if that is known.
    pub fn address(&self) -> Option<IpAddr> {
        self.0.address()
    }

    /// How it came.
    pub fn face(&self) -> Face {
        self.0.face()
    }

    pub(super) fn limited(&self, left: Left) {
        self.0.limited(left);
    }

    /// Tells the peer something.
    ///
    /// # Errors
    /// If the topic is no topic, the data cannot be written or the peer is gone.
    pub fn notify<T: Serialize + ?Sized>(&self, topic: &str, data: &T) -> Result<(), SendError> {
        if !is_topic_name(topic) {
            return Err(SendError::Topic(topic.to_owned()));
        }
        let data = Payload::write(self.dialect().codec, data)?;
        let data = Some(data.as_raw());
        let message = Outgoing::Notification { request_id: None, topic, progress: false, data, peer: None };
        self.0.send(&message)
    }

    /// Calls a method of the peer. Calls run side by side; answers come in any order.
    ///
    /// # Errors
    /// If the peer answers with an error, not in time, or goes away; if the answer does not fit `R`.
    pub async fn request<P, R>(&self, method: &str, payload: &P, timeout: Duration) -> Result<R, CallError>
    where
        P: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        let payload = Payload::write(self.dialect().codec, payload).map_err(SendError::from)?;
        let data = self.request_raw(method, Some(payload), timeout).await?;
        let null = || Payload::write(self.dialect().codec, &()).map_err(SendError::from);
        let data = data.map_or_else(null, Ok)?;
        Ok(data.read().map_err(SendError::from)?)
    }

    /// Calls a method of the peer with a payload and gets the data as they are.
    ///
    /// # Errors
    /// As [`Starling::request`].
    pub async fn request_raw(
        &self,
        method: &str,
        payload: Option<Payload>,
        timeout: Duration,
    ) -> Result<Option<Payload>, CallError> {
        let method = MethodName::built_in(method).map_err(SendError::from)?;
        self.0.request(&method, payload, timeout).await
    }

    /// Sends any message.
    ///
    /// # Errors
    /// If it cannot be written or the peer is gone.
    pub fn send(&self, message: &Outgoing<'_>) -> Result<(), SendError> {
        self.0.send(message)
    }

    /// What the session keeps under a name.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.0.data().get(name).and_then(|value| serde_json::from_value(value).ok())
    }

    /// Keeps a value with the session. It survives lost connections, and once the session has a token also a
    /// restart of the server; [`Starling::saved`] tells when it is on the disk.
    ///
    /// # Errors
    /// If the name is no name, the value is no JSON, or the session may not keep so much.
    pub fn set<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<(), DataError> {
        self.0.data().set(name, serde_json::to_value(value).map_err(DataError::Json)?)?;
        self.0.data_changed();
        Ok(())
    }

    /// Forgets what the session keeps under a name. Says whether there was anything.
    pub fn unset(&self, name: &str) -> bool {
        let was_there = self.0.data().remove(name);
        if was_there {
            self.0.data_changed();
        }
        was_there
    }

    /// Everything that the session keeps.
    pub fn data(&self) -> &SessionData {
        self.0.data()
    }

    /// Ends when everything that was said and kept so far is on the disk. `false` if the session has no token,
    /// so that nothing of it is written, or the store takes no writes.
    pub async fn saved(&self) -> bool {
        self.0.saved().await
    }

    /// A token to come back to the session with, even after a restart of the server. From now on the session
    /// waits for its peer when the connection is lost.
    ///
    /// # Errors
    /// If a state provider fails, the token would be too long, or the store takes no writes.
    pub async fn state_token(&self) -> Result<Issued, MethodError> {
        self.0.state_token().await
    }

    /// Whether the session is written down, so that it survives a restart of the server.
    pub fn is_kept(&self) -> bool {
        self.0.is_kept()
    }

    /// Makes the tokens of the session void; it ends with its connection.
    pub fn revoke(&self) {
        self.0.revoke();
    }

    /// Ends the session.
    pub fn close(&self, code: CloseCode, reason: &'static str) {
        self.0.close(code, reason);
    }

    /// Whether a socket is linked to it.
    pub fn is_connected(&self) -> bool {
        self.0.is_connected()
    }

    /// Whether a socket is linked to it, now and from now on.
    pub fn presence(&self) -> watch::Receiver<bool> {
        self.0.presence()
    }

    /// Publishes on a topic, in the name of the server: whoever may otherwise. See [`super::Context::publish`].
    ///
    /// # Errors
    /// If the data cannot be written, the namespace of the topic is not configured, or a durable history takes nothing.
    pub async fn publish<T: Serialize + ?Sized>(&self, topic: &str, data: &T) -> Result<Told, MethodError> {
        let data = Payload::json(data).map_err(SendError::from)?;
        self.0.publish(topic, data).await
    }

    /// Values that the application keeps with the session.
    pub fn extensions(&self) -> &Extensions {
        self.0.extensions()
    }

    /// Cancelled once the session has ended.
    pub fn ended(&self) -> CancellationToken {
        self.0.ended()
    }
}

impl fmt::Debug for Starling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Starling({})", self.id())
    }
}
