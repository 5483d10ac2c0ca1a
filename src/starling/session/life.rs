//! How a session gets a socket, loses it, and ends.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};

use super::intake::Turn;
use super::{Session, out::opcode_of};
use crate::dispatch::Peer;
use crate::protocol::{CloseCode, Codec, Outgoing, Payload, TOPIC_HELLO, TOPIC_RECOVERED};
use crate::starling::link::Link;
use crate::starling::recovery::{Ended, Fact, Opened, Recovery, Refusal, SessionEvent, emit};

/// What a peer is told when it has shown a token.
#[derive(Clone, Copy, Debug, Default)]
struct Greeting {
    recovered: bool,
    replayed: usize,
    /// What it has to count on from.
    position: u64,
    /// How many of its messages have come; unknown after a crash.
    received: Option<u64>,
    restarted: bool,
    refusal: Option<Refusal>,
}

impl Session {
    /// Links a socket. What the peer has missed is sent before anything else can be; a socket that had the session
    /// until now is closed. `None` if the session has ended meanwhile.
    pub(in crate::starling) fn attach(self: &Arc<Self>, link: &Arc<Link>, opened: &Opened) -> Option<Turn> {
        let recovery = opened.recovery.as_ref();
        let mut out = self.out.lock();
        // Whoever ends it takes the same lock, before or behind this.
        if out.over || self.leaving.load(Ordering::SeqCst) {
            return None;
        }
        out.forget_taken(self.dialect);
        let old = out.link.replace(Arc::clone(link));
        self.note_presence(true);
        if std::mem::take(&mut out.away) {
            self.shared.metrics.sessions.disconnected.dec();
        }
        let (turn, received) = self.intake.take_over();
        if let (Some(delivery), false) = (&out.delivery, self.dialect.extensions) {
            out.marked_from = delivery.first() - 1;
            link.mark_from_now();
        }
        let plan = recovery.map(|recovery| (recovery, self.plan(&mut out, recovery, received)));
        let mut greeting = plan.map(|(_, (_, greeting))| greeting);
        if self.dialect.extensions {
            let resumed = recovery.is_some_and(|recovery| recovery.resumed);
            let topics = resumed.then(|| self.resubscribe(link, &opened.places));
            self.greet(link, greeting.as_ref(), topics);
        }
        if let Some((recovery, (from, planned))) = plan
            && recovery.resumed
        {
            let replayed = out.replay(from, self.dialect.codec);
            greeting = Some(Greeting { replayed, ..planned });
            let data = json!({ "timestamp": self.shared.clock.now_ms(), "recoveredFrom": recovery.from_ms });
            self.tell(link, TOPIC_RECOVERED, &data);
        }
        if self.dialect.extensions {
            self.confirm_all();
        }
        drop(out);
        if !self.dialect.extensions {
            self.wake_subscriptions();
        }
        if let Some(old) = old {
            old.close(CloseCode::TakenOver, "another connection has taken the session up");
        }
        self.promise_is_kept();
        self.watch_end();
        self.told(greeting);
        Some(turn)
    }

    /// From which number on messages are sent again, and what the peer is told about it.
    fn plan(&self, out: &mut super::out::Out, recovery: &Recovery, received: u64) -> (u64, Greeting) {
        let mut greeting = Greeting { refusal: recovery.refusal, ..Greeting::default() };
        let Some(delivery) = out.delivery.as_mut().filter(|_| recovery.resumed) else { return (0, greeting) };
        let first = delivery.first() - 1;
        // Who counts nothing has no position to go by.
        let from = recovery.position.filter(|_| self.dialect.extensions).unwrap_or(first);
        // Nor can it be told of a gap: whoever sent what did not fit was.
        let whole = !self.dialect.extensions || delivery.is_whole_after(from);
        let whole = whole && recovery.refusal.is_none();
        if !whole {
            delivery.give_up();
            greeting.refusal = Some(recovery.refusal.unwrap_or(Refusal::MessagesLost));
        }
        let from = if whole { from } else { delivery.sent() };
        greeting.recovered = whole;
        greeting.position = from;
        greeting.replayed = (delivery.sent() - from) as usize;
        greeting.restarted = recovery.restarted;
        greeting.received = (!recovery.restarted || recovery.exact).then_some(received);
        (from, greeting)
    }

    fn greet(&self, link: &Link, greeting: Option<&Greeting>, topics: Option<Map<String, Value>>) {
        let mut hello = self.shared.hello(self.id, self.dialect.codec);
        if let Some(greeting) = greeting {
            let Greeting { recovered, replayed, position, received, restarted, refusal } = *greeting;
            hello["recovery"] = json!({
                "recovered": recovered,
                "replayed": replayed,
                "position": position,
                "received": received,
                "restarted": restarted,
            });
            if let Some(refusal) = refusal {
                hello["recovery"]["reason"] = refusal.as_str().into();
            }
            if let Some(topics) = topics.filter(|topics| !topics.is_empty()) {
                hello["recovery"]["topics"] = topics.into();
            }
        }
        self.tell(link, TOPIC_HELLO, &hello);
    }

    /// Tells something about the connection, past everything that is kept.
    fn tell(&self, link: &Link, topic: &str, data: &Value) {
        let codec: Codec = self.dialect.codec;
        let Ok(data) = Payload::write(codec, data) else { return };
        let data = Some(data.as_raw());
        let message = Outgoing::Notification { request_id: None, topic, progress: false, data, peer: None };
        if let Ok(payload) = self.written(&message) {
            link.announce(opcode_of(codec), &payload);
        }
    }

    fn told(self: &Arc<Self>, greeting: Option<Greeting>) {
        let (shared, starling) = (&self.shared, self.starling());
        emit(shared, &starling, &SessionEvent::Connected);
        let Some(greeting) = greeting else { return };
        let event = match greeting.refusal {
            Some(reason) => SessionEvent::RecoveryFailed { reason },
            None => SessionEvent::Recovered { replayed: greeting.replayed, restarted: greeting.restarted },
        };
        emit(shared, &starling, &event);
    }

    /// The socket is gone. The session waits for another one if its peer has a token, else it is over.
    pub(in crate::starling) fn detach(self: &Arc<Self>, link: &Arc<Link>, code: u16) {
        let mut out = self.out.lock();
        if !out.link.as_ref().is_some_and(|mine| Arc::ptr_eq(mine, link)) {
            // Another socket has the session.
            return;
        }
        out.forget_taken(self.dialect);
        out.link = None;
        self.note_presence(false);
        // Whoever takes the session up next has to find them paused.
        if self.dialect.extensions {
            self.pause_subscriptions();
        }
        drop(out);
        if !self.dialect.extensions {
            // These are delivered to under this very lock; whoever is back already says so again.
            self.pause_subscriptions();
            if !self.is_away() {
                self.wake_subscriptions();
            }
        }
        emit(&self.shared, &self.starling(), &SessionEvent::Disconnected { code });
        if self.leaving.load(Ordering::SeqCst) {
            self.end(Ended::Closed);
        } else if !self.is_resumable() {
            self.end(Ended::Left);
        } else if !self.wait_for_return() {
            self.end(Ended::Crowded);
        }
    }

    /// Says whether there is a socket, to whoever wants to know. Under the lock of `out`.
    fn note_presence(&self, here: bool) {
        if let Some(presence) = self.presence.get() {
            presence.send_replace(here);
        }
    }

    /// Waits for the peer, for as long as the options say. `false` if too many do already.
    pub(in crate::starling) fn wait_for_return(self: &Arc<Self>) -> bool {
        let shared = &self.shared;
        let waiting = &shared.metrics.sessions.disconnected;
        let mut out = self.out.lock();
        if out.link.is_some() || out.over || out.away {
            return true;
        }
        if waiting.get() >= shared.session_options.disconnected_max as i64 {
            return false;
        }
        out.away = true;
        out.absences = out.absences.wrapping_add(1);
        waiting.inc();
        shared.absences.begin(self.id, out.absences);
        true
    }

    /// Nobody came back since this absence began: the session is over.
    pub(in crate::starling) fn give_up_waiting(self: &Arc<Self>, absence: u32) {
        if self.out.lock().absences == absence {
            self.end(Ended::TimedOut);
        }
    }

    /// Whether it waits for its peer.
    pub(in crate::starling) fn is_away(&self) -> bool {
        self.out.lock().link.is_none()
    }

    /// Closes the socket; the session waits for another one.
    pub fn close_link(&self, code: CloseCode, reason: impl Into<Cow<'static, str>>) {
        if let Some(link) = self.link() {
            link.close(code, reason);
        }
    }

    /// The session ends with its socket, or now if it has none. Its tokens are void from now on.
    pub(super) fn leave(&self, code: CloseCode, reason: &'static str) {
        self.void();
        self.close_link(code, reason);
        self.end_if_away();
    }

    /// Nobody comes back to it, also in the next process.
    pub(super) fn void(&self) {
        if !self.leaving.swap(true, Ordering::SeqCst) && self.is_kept() {
            self.note_end();
        }
    }

    fn note_end(&self) {
        let shared = &self.shared;
        let until_ms = shared.clock.now_ms() + shared.tokens.lifetime_ms();
        let revoked_until_ms = self.is_revoked().then_some(until_ms);
        shared.journal.note(self.note(Fact::Ended { revoked_until_ms }));
    }

    pub(super) fn end_if_away(&self) {
        if self.is_away()
            && let Some(me) = self.me()
        {
            me.end(Ended::Closed);
        }
    }

    /// The session is over: nothing is owed to anybody any more. For whoever gives up waiting it only is if nobody
    /// has come back in this moment.
    pub(in crate::starling) fn end(self: &Arc<Self>, reason: Ended) {
        let mut out = self.out.lock();
        let back = out.link.is_some() && matches!(reason, Ended::TimedOut | Ended::Crowded | Ended::Left);
        if back || std::mem::replace(&mut out.over, true) {
            return;
        }
        self.ended.store(true, Ordering::SeqCst);
        let (link, away) = (out.link.take(), std::mem::take(&mut out.away));
        out.delivery = None;
        drop(out);
        let shared = &self.shared;
        if away {
            shared.metrics.sessions.disconnected.dec();
        }
        if let Some(link) = link {
            link.close(CloseCode::Normal, "the session is over");
        }
        *self.past.lock() = None;
        shared.online.leave(self.id, &self.principal());
        shared.table.write().remove(self.id);
        if let Some(token) = self.ended_token.get() {
            token.cancel();
        }
        self.pending.clear();
        self.unsubscribe_all();
        if self.is_kept() && !self.leaving.load(Ordering::SeqCst) {
            self.note_end();
        }
        emit(shared, &self.starling(), &SessionEvent::Closed { reason });
    }

    /// Whether its tokens were declared void.
    pub(in crate::starling) fn is_revoked(&self) -> bool {
        // A session that the application has closed is not to be had again by a token either.
        self.leaving.load(Ordering::SeqCst)
    }
}
