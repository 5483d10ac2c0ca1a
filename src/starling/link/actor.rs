//! The side of a link that the actor of its socket uses, and the timer wheel.

use std::sync::atomic::Ordering;
use std::task::Waker;

use super::{Closing, Link, Next, wake};
use crate::protocol::CloseCode;
use crate::starling::heartbeat::{Pulse, Timing, Verdict};
use crate::starling::websocket::{Opcode, close_payload, write_frame};

impl Link {
    /// The actor runs: pushes need not wake it.
    pub(in crate::starling) fn arm(&self, waker: &Waker) {
        let mut state = self.state.lock();
        state.awake = true;
        if !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
    }

    /// What to write next, `written` bytes after the last call.
    pub(in crate::starling) fn next(&self, written: usize) -> Next {
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
    pub(in crate::starling) fn rest(&self, blocked: bool, written: usize) -> bool {
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
    pub(in crate::starling) fn waiting(&self) -> usize {
        self.state.lock().outbox.waiting()
    }

    /// Whether a close was asked for, by whomever.
    pub(in crate::starling) fn is_closing(&self) -> bool {
        !self.is_open()
    }

    /// Whether the actor is to give up on the socket.
    pub(in crate::starling) fn is_expired(&self) -> bool {
        matches!(self.state.lock().closing, Closing::Expired { .. })
    }

    /// The actor is gone. Gives the code that the connection ended with: 1006 without a close frame.
    pub(in crate::starling) fn gone(&self, written: usize) -> u16 {
        let mut state = self.state.lock();
        state.outbox.written(written);
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
    pub(in crate::starling) fn heard(&self, spoken: bool, tick: u32) {
        let pulse = Pulse::unpack(self.pulse.load(Ordering::Relaxed)).heard(spoken, tick);
        self.pulse.store(pulse.pack(), Ordering::Relaxed);
        self.heard_count.fetch_add(1, Ordering::Relaxed);
    }

    /// The timer wheel asks what to do. Gives the tick of its next question, none if there is none.
    pub(in crate::starling) fn on_tick(&self, now: u32, timing: &Timing) -> Option<u32> {
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
    pub(in crate::starling) fn closing_since(&self, tick: u32) {
        let pulse = Pulse::unpack(self.pulse.load(Ordering::Relaxed)).closing(tick);
        self.pulse.store(pulse.pack(), Ordering::Relaxed);
    }
}
