//! A session: what a peer is to the server, behind whichever socket it has.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::link::{Link, Unsent};
use super::pending::{self, Pending};
use super::shared::Shared;
use super::websocket::Opcode;
use crate::auth::Principal;
use crate::base::{Random, StarlingId};
use crate::dispatch::{BoxFuture, CallError, Extensions, Peer, SendError, Starling};
use crate::protocol::{CloseCode, Codec, Dialect, EncodeError, MethodName, Outgoing, Payload};

/// One peer.
#[derive(Debug)]
pub struct Session {
    id: StarlingId,
    dialect: Dialect,
    principal: Arc<Principal>,
    me: Weak<Self>,
    link: Mutex<Option<Arc<Link>>>,
    extensions: Extensions,
    ended: AtomicBool,
    ended_token: OnceLock<CancellationToken>,
    pub(super) shared: Arc<Shared>,
    pub(super) pending: Pending,
    pub(super) requests: Load,
}

/// Requests of a session that are not answered yet: their number in the upper bits, their bytes in the
/// lower ones, so that one addition counts both.
#[derive(Debug, Default)]
pub(super) struct Load(AtomicU64);

const ONE_REQUEST: u64 = 1 << 40;

impl Load {
    /// Adds a request of so many bytes; `false` if that is too much.
    pub(super) fn add(&self, bytes: usize, count_max: usize, bytes_max: usize) -> bool {
        let before = self.0.fetch_add(ONE_REQUEST + bytes as u64, Ordering::Relaxed);
        let (count, held) = (before / ONE_REQUEST, before % ONE_REQUEST);
        // One request passes however large it is.
        let fits = count < count_max as u64 && (count == 0 || held + bytes as u64 <= bytes_max as u64);
        if !fits {
            self.remove(bytes);
        }
        fits
    }

    pub(super) fn remove(&self, bytes: usize) {
        self.0.fetch_sub(ONE_REQUEST + bytes as u64, Ordering::Relaxed);
    }
}

impl Session {
    /// A new session without a socket.
    pub fn new(shared: &Arc<Shared>, dialect: Dialect, principal: Principal) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            id: StarlingId::generate(),
            dialect,
            principal: Arc::new(principal),
            me: me.clone(),
            link: Mutex::new(None),
            extensions: Extensions::default(),
            ended: AtomicBool::new(false),
            ended_token: OnceLock::new(),
            shared: Arc::clone(shared),
            pending: Pending::default(),
            requests: Load::default(),
        })
    }

    /// The handle that methods get.
    pub fn starling(self: &Arc<Self>) -> Starling {
        Starling::new(Arc::clone(self) as Arc<dyn Peer>)
    }

    pub(super) fn attach(&self, link: &Arc<Link>) {
        *self.link.lock() = Some(Arc::clone(link));
    }

    /// The socket is gone and with it the session: nothing is owed to anybody any more.
    pub(super) fn end(&self) {
        self.link.lock().take();
        self.ended.store(true, Ordering::SeqCst);
        if let Some(token) = self.ended_token.get() {
            token.cancel();
        }
        self.pending.clear();
    }

    /// Tells the peer that the server stops, if it understands that.
    pub(super) fn announce_drain(self: &Arc<Self>, shared: &Shared, random: &mut Random) {
        if self.dialect.extensions {
            // A peer that is gone or not there yet needs no advice; whoever opens later is told then.
            let _ = self.starling().notify("system:draining", &shared.drain_advice(random));
        }
    }

    /// Queues a whole frame that others get too.
    pub(super) fn send_frame(&self, frame: &Bytes) -> Result<(), SendError> {
        self.link().ok_or(SendError::Closed)?.send_shared(frame).map_err(why)
    }

    fn link(&self) -> Option<Arc<Link>> {
        self.link.lock().clone()
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
        Arc::clone(&self.principal)
    }

    fn send(&self, message: &Outgoing<'_>) -> Result<(), SendError> {
        let link = self.link.lock();
        let link = link.as_ref().ok_or(SendError::Closed)?;
        let opcode = opcode_of(self.dialect.codec);
        let now_ms = self.shared.clock.now_ms();
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            self.dialect.codec.encode(message, now_ms, scratch)?;
            let sent = link.send(opcode, scratch);
            if scratch.capacity() > SCRATCH_KEEP {
                *scratch = Vec::new();
            }
            sent.map_err(why)
        })
    }

    fn request(
        &self,
        method: &MethodName,
        payload: Option<Payload>,
        timeout: Duration,
    ) -> BoxFuture<Result<Option<Payload>, CallError>> {
        let (me, method) = (self.me.upgrade(), method.clone());
        Box::pin(async move { pending::request(me.ok_or(CallError::Lost)?, method, payload, timeout).await })
    }

    fn close(&self, code: CloseCode, reason: &'static str) {
        if let Some(link) = self.link() {
            link.close(code, reason);
        }
    }

    fn is_connected(&self) -> bool {
        self.link().is_some_and(|link| link.is_open())
    }

    fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    fn ended(&self) -> CancellationToken {
        let token = self.ended_token.get_or_init(CancellationToken::new);
        if self.ended.load(Ordering::SeqCst) {
            token.cancel();
        }
        token.clone()
    }
}

/// Messages are text in JSON, and bytes in the compact codec.
pub(super) fn opcode_of(codec: Codec) -> Opcode {
    match codec {
        Codec::Json => Opcode::Text,
        Codec::MsgPack => Opcode::Binary,
    }
}

fn why(unsent: Unsent) -> SendError {
    match unsent {
        Unsent::Closed => SendError::Closed,
        Unsent::SlowConsumer => SendError::SlowConsumer,
    }
}

/// Whether a message failed for its length, and which.
pub(super) fn too_large(error: &SendError) -> Option<(usize, usize)> {
    match error {
        SendError::Encode(EncodeError::TooLarge { bytes, limit }) => Some((*bytes, *limit)),
        _ => None,
    }
}
