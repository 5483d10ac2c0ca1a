//! A session: what a peer is to the server, behind whichever socket it has.
//!
//! `out` is what it sends, with `delivery` for what may have to be sent again; `intake` counts what comes;
//! `calls` remembers requests; `life` is how it gets a socket, loses it, and ends; `kept` is what is written down, and `wake` how it is
//! fetched again. `subscriptions` are its topics.

mod calls;
mod delivery;
mod entries;
mod identity;
mod intake;
mod kept;
mod life;
mod listening;
mod load;
mod options;
mod out;
mod subscriptions;
mod terms;
mod wake;

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(super) use calls::Known;
pub(super) use intake::{Intake, Turn};
pub(super) use kept::Claimant;
pub use options::SessionOptions;
pub use out::write_message_frame;
pub(super) use out::{Sort, opcode_of};
pub(super) use subscriptions::Places;
pub(super) use terms::publish;
pub use terms::{Begun, Terms, Unsubscribed, about};

use self::kept::Past;
use self::load::Load;
use self::out::Out;
use self::subscriptions::Subscriptions;
use super::pending::{self, Pending};
use super::recovery;
use super::shared::Shared;
use crate::auth::{Issued, Principal};
use crate::base::{Random, StarlingId};
use crate::dispatch::{
    BoxFuture, CallError, Extensions, Face, MethodError, Peer, SendError, SessionData, Starling, Told,
};
use crate::protocol::{
    CloseCode, Dialect, EncodeError, ErrorCode, MethodName, Outgoing, Payload, TOPIC_DRAINING,
};

/// One peer.
#[derive(Debug)]
pub struct Session {
    id: StarlingId,
    dialect: Dialect,
    principal: ArcSwap<Principal>,
    /// Held while it is exchanged.
    identity: Mutex<()>,
    created_at: u64,
    me: Weak<Self>,
    out: Mutex<Out>,
    pub(super) intake: Intake,
    /// What a peer with a token has, others not.
    past: Mutex<Option<Box<Past>>>,
    subscriptions: Subscriptions,
    extensions: Extensions,
    data: SessionData,
    /// A token was given out: the peer can come back.
    resumable: AtomicBool,
    /// What it keeps is still in the archive.
    data_dormant: AtomicBool,
    /// The journal knows that there is something to ask for.
    changed: AtomicBool,
    /// It ends with its connection, whatever tokens there are.
    leaving: AtomicBool,
    ended: AtomicBool,
    ended_token: OnceLock<CancellationToken>,
    /// Whether it has a socket, for whoever wants to know.
    presence: OnceLock<watch::Sender<bool>>,
    pub(super) shared: Arc<Shared>,
    pub(super) pending: Pending,
    pub(super) requests: Load,
}

impl Session {
    /// A new session without a socket.
    pub(super) fn new(shared: &Arc<Shared>, dialect: Dialect, principal: Principal) -> Arc<Self> {
        Self::with_id(StarlingId::generate(), shared, dialect, principal, shared.clock.now_ms())
    }

    fn with_id(
        id: StarlingId,
        shared: &Arc<Shared>,
        dialect: Dialect,
        principal: Principal,
        created_at: u64,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            id,
            dialect,
            principal: ArcSwap::from_pointee(principal),
            identity: Mutex::default(),
            created_at,
            me: me.clone(),
            out: Mutex::default(),
            intake: Intake::default(),
            past: Mutex::default(),
            subscriptions: Subscriptions::default(),
            extensions: Extensions::default(),
            data: SessionData::new(shared.session_options.data_bytes_max.0),
            resumable: AtomicBool::new(false),
            data_dormant: AtomicBool::new(false),
            changed: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            ended_token: OnceLock::new(),
            presence: OnceLock::new(),
            shared: Arc::clone(shared),
            pending: Pending::default(),
            requests: Load::default(),
        })
    }

    /// The handle that methods get.
    pub fn starling(self: &Arc<Self>) -> Starling {
        Starling::new(Arc::clone(self) as Arc<dyn Peer>)
    }

    /// When it was made, in milliseconds since the Unix epoch.
    pub fn created_at(&self) -> u64 {
        self.created_at
    }

    pub(super) fn is_resumable(&self) -> bool {
        self.resumable.load(Ordering::Acquire)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Tells the peer that the server stops, if it understands that.
    pub(super) fn announce_drain(self: &Arc<Self>, shared: &Shared, random: &mut Random) {
        if self.dialect.extensions {
            // A peer that is gone or not there yet needs no advice; whoever opens later is told then.
            let _ = self.starling().notify(TOPIC_DRAINING, &shared.drain_advice(random));
        }
    }

    /// A message as it is written for this peer.
    pub(super) fn written(&self, message: &Outgoing<'_>) -> Result<Vec<u8>, EncodeError> {
        let mut payload = Vec::new();
        self.dialect.codec.encode(message, self.shared.clock.now_ms(), &mut payload)?;
        Ok(payload)
    }

    /// Sends a message that is written already.
    pub(super) fn send_written(&self, payload: &[u8], sort: Sort) -> Result<(), SendError> {
        let lasts = self.out.lock().send(payload, sort, self.dialect, &self.shared)?;
        if lasts {
            self.note_change();
        }
        Ok(())
    }

    fn me(&self) -> Option<Arc<Self>> {
        self.me.upgrade()
    }
}

thread_local! {
    /// Messages are written here before they are queued, so that queues hold exact lengths.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A scratch buffer that grew beyond this is given back.
const SCRATCH_KEEP: usize = 64 * 1024;

impl Peer for Session {
    fn id(&self) -> StarlingId {
        self.id
    }

    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn principal(&self) -> Arc<Principal> {
        self.principal.load_full()
    }

    fn identify(&self, from: &Arc<Principal>, to: Principal) -> bool {
        self.me().is_some_and(|me| me.exchange_principal(from, to))
    }

    fn address(&self) -> Option<IpAddr> {
        self.link().and_then(|link| link.address())
    }

    fn face(&self) -> Face {
        Face::Socket
    }

    fn send(&self, message: &Outgoing<'_>) -> Result<(), SendError> {
        let mut payload = SCRATCH.take();
        payload.clear();
        let written = self.dialect.codec.encode(message, self.shared.clock.now_ms(), &mut payload);
        let sent =
            written.map_err(SendError::from).and_then(|()| self.send_written(&payload, Sort::of(message)));
        if payload.capacity() <= SCRATCH_KEEP {
            SCRATCH.set(payload);
        }
        sent
    }

    fn request(
        &self,
        method: &MethodName,
        payload: Option<Payload>,
        timeout: Duration,
    ) -> BoxFuture<Result<Option<Payload>, CallError>> {
        let (me, method) = (self.me(), method.clone());
        Box::pin(async move { pending::request(me.ok_or(CallError::Lost)?, method, payload, timeout).await })
    }

    fn close(&self, code: CloseCode, reason: &'static str) {
        self.leave(code, reason);
    }

    fn revoke(&self) {
        self.void();
        self.end_if_away();
    }

    fn publish(&self, topic: &str, data: Payload) -> BoxFuture<Result<Told, MethodError>> {
        publish(&self.shared.hub, topic, data)
    }

    fn is_connected(&self) -> bool {
        self.link().is_some_and(|link| link.is_open())
    }

    fn presence(&self) -> watch::Receiver<bool> {
        // Whoever changes that has the same lock.
        let out = self.out.lock();
        self.presence.get_or_init(|| watch::Sender::new(out.link.is_some())).subscribe()
    }

    fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    fn data(&self) -> &SessionData {
        self.wake_data();
        &self.data
    }

    fn data_changed(&self) {
        self.note_change();
    }

    fn is_kept(&self) -> bool {
        Session::is_kept(self)
    }

    fn saved(&self) -> BoxFuture<bool> {
        let (journal, kept) = (self.shared.journal.clone(), self.is_kept());
        Box::pin(async move { kept && journal.write(None).await.is_ok() })
    }

    fn state_token(&self) -> BoxFuture<Result<Issued, MethodError>> {
        let me = self.me();
        Box::pin(async move { recovery::issue(&me.ok_or(ErrorCode::InternalError)?).await })
    }

    fn ended(&self) -> CancellationToken {
        let token = self.ended_token.get_or_init(CancellationToken::new);
        if self.ended.load(Ordering::SeqCst) {
            token.cancel();
        }
        token.clone()
    }
}

/// Whether a message failed for its length, and which.
pub(super) fn too_large(error: &SendError) -> Option<(usize, usize)> {
    match error {
        SendError::Encode(EncodeError::TooLarge { bytes, limit }) => Some((*bytes, *limit)),
        _ => None,
    }
}
