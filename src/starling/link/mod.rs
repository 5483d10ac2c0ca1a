//! The side of a connection that others hold: whoever has it can write to the socket or close it, from any
//! thread, without a message through a mailbox.

mod actor;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use thiserror::Error;

use super::heartbeat::Pulse;
use super::outbox::Outbox;
use super::websocket::Opcode;
use crate::base::ConnectionId;
use crate::protocol::CloseCode;
use crate::telemetry::Metrics;

/// A connection as others see it.
#[derive(Debug)]
pub struct Link {
    id: ConnectionId,
    address: Option<IpAddr>,
    outbox_bytes_max: usize,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    pulse: AtomicU64,
    /// Moves with everything that is heard of the peer.
    heard_count: AtomicU32,
}

/// How often a probe looks for an answer.
const PROBE_STEP: Duration = Duration::from_millis(10);

/// Why a message was not queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Unsent {
    /// The connection is closed or closing.
    #[error("the connection is closed")]
    Closed,
    /// The outbox is full; the connection is being closed for it.
    #[error("the peer reads too slowly")]
    SlowConsumer,
}

#[derive(Debug, Default)]
struct State {
    outbox: Outbox,
    waker: Option<Waker>,
    /// The actor is running or will be woken by its socket: no need to wake it.
    awake: bool,
    closing: Closing,
    /// What the gauge of waiting bytes was told.
    reported: usize,
}

/// How far the end has come.
#[derive(Debug, Default, PartialEq)]
enum Closing {
    #[default]
    Open,
    /// A close frame is to be written after what is queued.
    Asked { code: u16, reason: Cow<'static, str> },
    /// It was taken for writing.
    Sent { code: u16 },
    /// The actor gives up on the socket now.
    Expired { code: u16 },
    /// The actor is gone.
    Gone { code: u16 },
}

/// What the actor has to write next.
#[derive(Debug, PartialEq)]
pub(in crate::starling) enum Next {
    /// These bytes.
    Bytes(Bytes),
    /// The close frame; nothing comes after it.
    Close(Bytes),
    /// Nothing now.
    Nothing,
}

impl Link {
    /// A link without an actor yet.
    pub(in crate::starling) fn new(
        address: Option<IpAddr>,
        outbox_bytes_max: usize,
        metrics: Arc<Metrics>,
        now: Pulse,
    ) -> Self {
        let state = Mutex::default();
        let pulse = AtomicU64::new(now.pack());
        let heard_count = AtomicU32::new(0);
        Self { id: ConnectionId::next(), address, outbox_bytes_max, metrics, state, pulse, heard_count }
    }

    /// The number of the connection, for logs.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// Where the peer is, if that is known.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The metrics of the server.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Queues one message.
    ///
    /// # Errors
    /// If the connection is closing, or its outbox is full; in that case it is closed as a slow consumer.
    pub fn send(&self, opcode: Opcode, payload: &[u8]) -> Result<(), Unsent> {
        self.push(|outbox, limit| outbox.push(opcode, payload, limit).is_ok())
    }

    /// Queues a message of the application. It counts as one where written messages are counted.
    ///
    /// # Errors
    /// As [`Link::send`].
    pub(in crate::starling) fn send_marked(&self, opcode: Opcode, payload: &[u8]) -> Result<(), Unsent> {
        self.push(|outbox, limit| {
            let pushed = outbox.push(opcode, payload, limit).is_ok();
            if pushed {
                outbox.mark();
            }
            pushed
        })
    }

    /// Queues a message that another connection was to bring, whatever waits already.
    ///
    /// # Errors
    /// If the connection is closing.
    pub(in crate::starling) fn replay(&self, opcode: Opcode, payload: &[u8]) -> Result<(), Unsent> {
        self.push(|outbox, _| {
            outbox.push_again(opcode, payload);
            outbox.mark();
            true
        })
    }

    /// Queues a message about the connection, whatever waits already.
    pub(in crate::starling) fn announce(&self, opcode: Opcode, payload: &[u8]) {
        let queued = self.push(|outbox, _| {
            outbox.push_again(opcode, payload);
            true
        });
        // A connection that is gone has nobody to tell.
        let _ = queued;
    }

    /// Begins to count which messages the socket has taken.
    pub(in crate::starling) fn mark_from_now(&self) {
        self.state.lock().outbox.mark_from_now();
    }

    /// How many of them it has.
    pub(in crate::starling) fn marked_written(&self) -> u64 {
        self.state.lock().outbox.marked_written()
    }

    /// Whether the peer gives a sign of life within `limit`, asked by a ping.
    pub(in crate::starling) async fn answers_within(&self, limit: Duration) -> bool {
        let before = self.heard_count.load(Ordering::Relaxed);
        let asked = self.send(Opcode::Ping, b"").is_ok();
        let end = tokio::time::Instant::now() + limit;
        while asked && self.is_open() && tokio::time::Instant::now() < end {
            tokio::time::sleep(PROBE_STEP).await;
            if self.heard_count.load(Ordering::Relaxed) != before {
                return self.is_open();
            }
        }
        false
    }

    /// Queues a whole frame that goes to other connections too.
    ///
    /// # Errors
    /// As [`Link::send`].
    pub fn send_shared(&self, frame: &Bytes) -> Result<(), Unsent> {
        self.push(|outbox, limit| {
            let pushed = outbox.push_shared(frame, limit).is_ok();
            if pushed {
                outbox.mark();
            }
            pushed
        })
    }

    /// Writes what is queued, then closes. Later calls change nothing.
    pub fn close(&self, code: CloseCode, reason: impl Into<Cow<'static, str>>) {
        self.close_with(code.code(), reason.into());
    }

    /// The same with a code that the other side chose.
    pub(in crate::starling) fn close_with(&self, code: u16, reason: Cow<'static, str>) {
        let mut state = self.state.lock();
        if state.closing == Closing::Open {
            state.closing = Closing::Asked { code, reason };
            wake(state);
        }
    }

    /// Whether the connection takes messages.
    pub fn is_open(&self) -> bool {
        self.state.lock().closing == Closing::Open
    }

    fn push(&self, queue: impl FnOnce(&mut Outbox, usize) -> bool) -> Result<(), Unsent> {
        let mut state = self.state.lock();
        if state.closing != Closing::Open {
            return Err(Unsent::Closed);
        }
        if queue(&mut state.outbox, self.outbox_bytes_max) {
            if !state.awake {
                wake(state);
            }
            return Ok(());
        }
        // What waits will not be read in time by this peer; it gets the reason instead.
        state.outbox.clear();
        let code = CloseCode::SlowConsumer;
        state.closing = Closing::Asked { code: code.code(), reason: "slow consumer".into() };
        wake(state);
        self.metrics.slow_consumers.inc();
        Err(Unsent::SlowConsumer)
    }
}

/// Wakes the actor after the lock was released.
fn wake(mut state: parking_lot::MutexGuard<'_, State>) {
    state.awake = true;
    let waker = state.waker.clone();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}
