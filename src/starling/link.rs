//! The side of a connection that others hold: whoever has it can write to the socket or close it, from any
//! thread, without a message through a mailbox.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use bytes::Bytes;
use parking_lot::Mutex;
use thiserror::Error;

use super::heartbeat::{Pulse, Verdict};
use super::outbox::Outbox;
use super::websocket::{Opcode, close_payload, write_frame};
use crate::base::ConnectionId;
use crate::protocol::CloseCode;
use crate::telemetry::Metrics;

/// A connection as others see it.
#[derive(Debug)]
pub struct Link {
    id: ConnectionId,
    outbox_bytes_max: usize,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    pulse: AtomicU64,
}

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
pub(super) enum Next {
    /// These bytes.
    Bytes(Bytes),
    /// The close frame; nothing comes after it.
    Close(Bytes),
    /// Nothing now.
    Nothing,
}

impl Link {
    /// A link without an actor yet.
    pub(super) fn new(outbox_bytes_max: usize, metrics: Arc<Metrics>, now: Pulse) -> Self {
        let state = Mutex::default();
        let pulse = AtomicU64::new(now.pack());
        Self { id: ConnectionId::next(), outbox_bytes_max, metrics, state, pulse }
    }

    /// The number of the connection, for logs.
    pub fn id(&self) -> ConnectionId {
        self.id
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

    /// Queues a whole frame that goes to other connections too.
    ///
    /// # Errors
    /// As [`Link::send`].
    pub fn send_shared(&self, frame: &Bytes) -> Result<(), Unsent> {
        self.push(|outbox, limit| outbox.push_shared(frame, limit).is_ok())
    }

    /// Writes what is queued, then closes. Later calls change nothing.
    pub fn close(&self, code: CloseCode, reason: impl Into<Cow<'static, str>>) {
        self.close_with(code.code(), reason.into());
    }

    /// The same with a code that the other side chose.
    pub(super) fn close_with(&self, code: u16, reason: Cow<'static, str>) {
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

    // For the actor.

    /// The actor runs: pushes need not wake it.
    pub(super) fn arm(&self, waker: &Waker) {
        let mut state = self.state.lock();
        state.awake = true;
        if !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
    }

    /// What to write next, `written` bytes after the last call.
    pub(super) fn next(&self, written: usize) -> Next {
        let mut state = self.state.lock();
        state.outbox.written(written);
        if let Some(bytes) = state.outbox.take() {
            return Next::Bytes(bytes);
        }
        match std::mem::take(&mut state.closing) {
            Closing::Asked { code, reason } => {
                state.closing = Closing::Sent { code };
                let mut frame = Vec::new();
                // 1005 stands for "no code" and is never written.
                let payload = if code == 1005 { Vec::new() } else { close_payload(code, &reason) };
                write_frame(Opcode::Close, &payload, &mut frame);
                Next::Close(frame.into())
            }
            other => {
                state.closing = other;
                Next::Nothing
            }
        }
    }

    /// The actor is about to wait. `false` if there is something to write after all. While the socket is
    /// `blocked`, it wakes the actor and pushes need not.
    pub(super) fn rest(&self, blocked: bool, written: usize) -> bool {
        let mut state = self.state.lock();
        state.outbox.written(written);
        let more = !state.outbox.is_empty() || matches!(state.closing, Closing::Asked { .. });
        if more && !blocked {
            return false;
        }
        let waiting = state.outbox.waiting();
        if waiting != state.reported {
            self.metrics.outbox_bytes.add(waiting as i64 - state.reported as i64);
            state.reported = waiting;
        }
        state.awake = blocked;
        true
    }

    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.state.lock().outbox.waiting()
    }

    /// Whether a close was asked for, by whomever.
    pub(super) fn is_closing(&self) -> bool {
        !self.is_open()
    }

    /// Whether the actor is to give up on the socket.
    pub(super) fn is_expired(&self) -> bool {
        matches!(self.state.lock().closing, Closing::Expired { .. })
    }

    /// The actor is gone. Gives the code that the connection ended with: 1006 without a close frame.
    pub(super) fn gone(&self) -> u16 {
        let mut state = self.state.lock();
        let code = match state.closing {
            Closing::Open | Closing::Asked { .. } => 1006,
            Closing::Sent { code } | Closing::Expired { code } | Closing::Gone { code } => code,
        };
        state.closing = Closing::Gone { code };
        state.outbox.clear();
        self.metrics.outbox_bytes.sub(std::mem::take(&mut state.reported) as i64);
        state.waker = None;
        code
    }

    /// Something was heard of the peer; `spoken` if it was a message for the application.
    pub(super) fn heard(&self, spoken: bool, tick: u32) {
        let pulse = Pulse::unpack(self.pulse.load(Ordering::Relaxed)).heard(spoken, tick);
        self.pulse.store(pulse.pack(), Ordering::Relaxed);
    }

    /// The timer wheel asks what to do. Gives the tick of its next question, none if there is none.
    pub(super) fn on_tick(&self, now: u32, timing: &super::heartbeat::Timing) -> Option<u32> {
        {
            let mut state = self.state.lock();
            match state.closing {
                Closing::Open => {}
                Closing::Asked { code, .. } | Closing::Sent { code } => {
                    let pulse = Pulse::unpack(self.pulse.load(Ordering::Relaxed));
                    let Some(due) = pulse.close_due(now, timing) else {
                        state.closing = Closing::Expired { code };
                        wake(state);
                        return None;
                    };
                    return Some(due);
                }
                Closing::Expired { .. } | Closing::Gone { .. } => return None,
            }
        }
        let (verdict, pulse) = Pulse::unpack(self.pulse.load(Ordering::Relaxed)).judge(now, timing);
        self.pulse.store(pulse.pack(), Ordering::Relaxed);
        match verdict {
            Verdict::Wait(due) => Some(due),
            Verdict::Ping(due) => self.send(Opcode::Ping, b"").ok().map(|()| due),
            Verdict::Idle => {
                self.close(CloseCode::IdleTimeout, "idle");
                Some(now + timing.close)
            }
            Verdict::Dead(due) => {
                self.close(CloseCode::PingTimeout, "ping timeout");
                Some(due)
            }
        }
    }

    /// Notes when the closing began, so that the wheel can end it.
    pub(super) fn closing_since(&self, tick: u32) {
        let pulse = Pulse::unpack(self.pulse.load(Ordering::Relaxed)).closing(tick);
        self.pulse.store(pulse.pack(), Ordering::Relaxed);
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
