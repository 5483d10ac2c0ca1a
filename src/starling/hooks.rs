//! What an embedding program may want to do with frames that are no calls.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::recovery::SessionEvent;
use crate::auth::Principal;
use crate::base::StarlingId;
use crate::dispatch::{BoxFuture, MethodError, Starling};
use crate::protocol::Payload;

type TextHook = Box<dyn Fn(&Starling, &str) + Send + Sync>;
type SessionHook = Box<dyn Fn(&Starling, &SessionEvent) + Send + Sync>;
type ClaimsHook = Box<dyn Fn(&Starling) -> Map<String, Value> + Send + Sync>;
type BinaryHook = Box<dyn Fn(&Starling, &[u8]) + Send + Sync>;
type IdentifyHook = Box<dyn Fn(&Handshake<'_>) -> Principal + Send + Sync>;

/// What a peer says of itself before there is a socket.
pub struct Handshake<'a> {
    query: &'a str,
    header: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Handshake<'a> {
    /// A handshake with this query, and a way to look at its headers.
    pub fn new(query: &'a str, header: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { query, header }
    }

    /// The value of a name in the query, as it is written there.
    pub fn query(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// A header, if it is text.
    pub fn header(&self, name: &str) -> Option<String> {
        (self.header)(name)
    }
}

impl fmt::Debug for Handshake<'_> {
    /// Tokens may be in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake")
    }
}

/// Decides who gets a message that a peer addressed to another one. `None` refuses it.
pub type ProxyHook =
    Arc<dyn Fn(ProxyRequest) -> BoxFuture<Result<Option<StarlingId>, MethodError>> + Send + Sync>;

/// Called on the thread of the connection: do little, or hand it on.
#[derive(Default)]
pub struct Hooks {
    /// Text that is not JSON.
    pub on_text: Option<TextHook>,
    /// JSON that does not name the protocol.
    pub on_json: Option<TextHook>,
    /// Bytes.
    pub on_binary: Option<BinaryHook>,
    /// What happens to sessions.
    pub on_session: Option<SessionHook>,
    /// Claims of the application for the tokens of a session. Everybody who has the token can read them.
    pub token_claims: Option<ClaimsHook>,
    /// Messages with `peer`.
    pub proxy: Option<ProxyHook>,
    /// Who connects. Without it everybody is anonymous.
    pub identify: Option<IdentifyHook>,
}

impl Hooks {
    /// Who connects with a handshake.
    pub fn principal_of(&self, handshake: &Handshake<'_>) -> Principal {
        let identified = self.identify.as_ref().and_then(|hook| guarded("identify", || hook(handshake)));
        identified.unwrap_or_else(Principal::anonymous)
    }
}

/// What a peer wants from another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyKind {
    /// A call; its answer is brought back.
    Request,
    /// A notification.
    Notification,
    /// An error message.
    Error,
}

/// A message that a peer addressed to another one.
#[derive(Clone, Debug)]
pub struct ProxyRequest {
    /// What it is.
    pub kind: ProxyKind,
    /// Who sent it.
    pub caller: Starling,
    /// Its `peer` field: `true`, an object or an array.
    pub peer: Value,
    /// The method or the topic; empty for an error message.
    pub name: String,
    /// Payload or data.
    pub payload: Option<Payload>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("proxy", &self.proxy.is_some()).finish_non_exhaustive()
    }
}

/// A panic in a hook of the application must not take the connection with it.
pub(super) fn guarded<T>(hook: &'static str, work: impl FnOnce() -> T) -> Option<T> {
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    done.inspect_err(|_| tracing::error!(hook, "a hook panicked")).ok()
}
