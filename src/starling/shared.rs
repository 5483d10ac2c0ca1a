//! What all sessions of a server have in common.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::RwLock;
use serde_json::{Value, json};

use super::absences::Absences;
use super::hooks::Hooks;
use super::kinds::Kinds;
use super::manager::Table;
use super::online::Online;
use super::options::ConnectionOptions;
use super::proxy::ProxyTable;
use super::recovery::{Archive, Journal, StateProvider};
use super::session::{Session, SessionOptions, publish};
use crate::auth::{Accounts, KeyRing};
use crate::base::{Clock, Random, StarlingId};
use crate::dispatch::{BoxFuture, MethodError, Registry, Told};
use crate::hub::Hub;
use crate::protocol::{Codec, OUTGOING_BYTES_MAX, PROTOCOL_NAME, PROTOCOL_VERSION, Payload};
use crate::telemetry::Metrics;

/// The surroundings of a session.
#[derive(Debug)]
pub struct Shared {
    /// The methods.
    pub registry: Registry,
    /// What embedding code does with other frames.
    pub hooks: Hooks,
    /// The topics.
    pub hub: Hub,
    /// The metric table.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
    /// The limits of connections.
    pub options: ConnectionOptions,
    /// The limits of sessions.
    pub session_options: SessionOptions,
    /// What tokens are made with.
    pub tokens: KeyRing,
    /// What of the application goes into them.
    pub providers: Vec<StateProvider>,
    /// The accounts, if there are any.
    pub accounts: Option<Accounts>,
    /// Called when a session has become somebody else, or may something else.
    pub on_identity: OnceLock<IdentityHook>,
    pub(super) online: Online,
    pub(super) journal: Journal,
    pub(super) table: RwLock<Table>,
    pub(super) absences: Absences,
    pub(super) proxied: ProxyTable,
    pub(super) kinds: Kinds,
    drain: AtomicU8,
    drain_window_ms: AtomicU64,
}

/// How far the server is from stopping.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DrainPhase {
    /// Business as usual.
    Running,
    /// No new connections; requests are still answered.
    Draining,
    /// Requests are refused with SERVER_DRAINING.
    Refusing,
}

/// What the surroundings are made of.
#[derive(Debug)]
pub struct Parts {
    /// The methods.
    pub registry: Registry,
    /// What embedding code does with other frames.
    pub hooks: Hooks,
    /// The topics.
    pub hub: Hub,
    /// The metric table.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
    /// The limits of connections.
    pub options: ConnectionOptions,
    /// The limits of sessions.
    pub session_options: SessionOptions,
    /// What tokens are made with.
    pub tokens: KeyRing,
    /// What of the application goes into them.
    pub providers: Vec<StateProvider>,
    /// Where sessions are written down, if they are.
    pub archive: Option<Arc<dyn Archive>>,
    /// The accounts, if there are any.
    pub accounts: Option<Accounts>,
}

/// What is done when a session has become somebody else, or may something else.
pub struct IdentityHook(Recheck);

/// Looks at a session once more.
type Recheck = Box<dyn Fn(&Arc<Session>) + Send + Sync>;

impl IdentityHook {
    /// A hook that calls `recheck` where it happens: it must be short.
    pub fn new(recheck: impl Fn(&Arc<Session>) + Send + Sync + 'static) -> Self {
        Self(Box::new(recheck))
    }

    pub(in crate::starling) fn call(&self, session: &Arc<Session>) {
        (self.0)(session);
    }
}

impl fmt::Debug for IdentityHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityHook")
    }
}

impl Shared {
    /// Surroundings for a server that is about to start.
    pub fn new(parts: Parts) -> Self {
        let Parts {
            registry,
            hooks,
            hub,
            metrics,
            clock,
            options,
            session_options,
            tokens,
            providers,
            archive,
            accounts,
        } = parts;
        Self {
            accounts,
            on_identity: OnceLock::new(),
            online: Online::default(),
            proxied: ProxyTable::default(),
            kinds: Kinds::of(&metrics),
            journal: Journal::new(archive, session_options.write_delay.get()),
            table: RwLock::default(),
            absences: Absences::new(session_options.disconnection_ttl),
            drain: AtomicU8::new(0),
            drain_window_ms: AtomicU64::new(0),
            registry,
            hooks,
            hub,
            metrics,
            clock,
            options,
            session_options,
            tokens,
            providers,
        }
    }

    /// The session with this id, be it connected or not.
    pub fn session(&self, id: StarlingId) -> Option<Arc<Session>> {
        self.table.read().get(id)
    }

    /// All sessions, connected or not.
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        self.table.read().sessions()
    }

    /// Publishes in the name of the server.
    pub fn publish(&self, topic: &str, data: Payload) -> BoxFuture<Result<Told, MethodError>> {
        publish(&self.hub, topic, data)
    }

    /// How far the server is from stopping.
    pub fn drain_phase(&self) -> DrainPhase {
        match self.drain.load(Ordering::SeqCst) {
            0 => DrainPhase::Running,
            1 => DrainPhase::Draining,
            _ => DrainPhase::Refusing,
        }
    }

    /// Goes on to a phase; never back.
    pub fn drain(&self, phase: DrainPhase) {
        self.drain.fetch_max(phase as u8, Ordering::SeqCst);
    }

    /// Begins to drain: peers are to come back within `window`.
    pub fn begin_drain(&self, window: Duration) {
        self.drain_window_ms.store(window.as_millis() as u64, Ordering::SeqCst);
        self.drain(DrainPhase::Draining);
    }

    /// When one peer is to come back: at another time for each, so that not all come at once.
    pub(super) fn drain_advice(&self, random: &mut Random) -> Value {
        let window = Duration::from_millis(self.drain_window_ms.load(Ordering::SeqCst));
        json!({ "reconnect_after_ms": random.up_to(window).as_millis() as u64 })
    }

    /// The first notification to a peer that knows our extensions.
    pub(super) fn hello(&self, session: StarlingId, codec: Codec) -> Value {
        let options = &self.options;
        json!({
            "session": session.to_string(),
            "server": { "name": "helios", "version": env!("CARGO_PKG_VERSION") },
            "protocol": { "name": PROTOCOL_NAME, "version": PROTOCOL_VERSION },
            "codec": match codec { Codec::Json => "json", Codec::MsgPack => "msgpack" },
            "pingIntervalMs": options.ping_interval.as_ms(),
            "limits": {
                "messageBytes": options.message_bytes_max.0,
                "responseBytes": OUTGOING_BYTES_MAX,
                "requests": options.requests_max,
            },
            "capabilities": capabilities(self.clock.now_ms(), self.hooks.proxy.is_some())["features"],
        })
    }
}

/// What a server can do, as `system:capabilities` answers and `hello` tells.
pub fn capabilities(now_ms: u64, proxy: bool) -> Value {
    json!({
        "protocol": { "name": PROTOCOL_NAME, "version": PROTOCOL_VERSION, "timestamp": now_ms },
        "features": {
            "notifications": true,
            "stateRecovery": true,
            "binaryMessages": true,
            "progress": true,
            "codecs": ["json", "msgpack"],
            "proxy": proxy,
        },
    })
}
