//! What a session with a token remembers, and what of it is written down for the next process.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Session;
use super::calls::{Calls, Known, Window};
use super::delivery::Delivery;
use super::wake::Restarted;
use crate::dispatch::Peer;
use crate::protocol::{Codec, Outgoing, RequestId};
use crate::starling::recovery::{Fact, NotKept, Note, Refusal, Rest, SessionRecord};

/// What a peer with a token has, others not.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) calls: Calls,
    /// The time of the newest token that was used.
    pub(super) used: u64,
    /// The client that has the session, by a name of its own choice.
    pub(super) instance: Option<Box<str>>,
    /// Its last attempt to take the session up.
    pub(super) attempt: u64,
    /// A client was promised the session and has not taken it up yet.
    pub(super) promised: Option<Instant>,
    /// It is of a process before this one, and its contents are still in the archive.
    pub(super) dormant: Option<SessionRecord>,
    /// The record itself is to be written.
    pub(super) unwritten: bool,
    /// It is of a process before this one, and its peer has not been heard since.
    pub(super) restarted: Option<Restarted>,
}

/// Longer answers are not written down; a repeat after a restart is told that it has run.
const ANSWER_BYTES_MAX: usize = 32 * 1024;

/// Who wants the session.
#[derive(Clone, Copy, Debug)]
pub(in crate::starling) struct Claimant<'a> {
    /// The time of its token.
    pub(in crate::starling) token_ms: u64,
    /// Its own name, if it has one.
    pub(in crate::starling) instance: Option<&'a str>,
    /// Which attempt of its own this is.
    pub(in crate::starling) attempt: u64,
}

impl Session {
    /// A token is given out: from now on the peer can come back.
    pub(in crate::starling) fn make_resumable(&self) {
        let mut out = self.out.lock();
        if out.delivery.is_none() {
            out.delivery = Some(Box::new(Delivery::after(out.sent)));
            out.marked_from = out.sent;
            if let (false, Some(link)) = (self.dialect().extensions, &out.link) {
                link.mark_from_now();
            }
        }
        drop(out);
        let mut past = self.past.lock();
        if past.is_none() {
            *past = Some(Box::new(Past { unwritten: true, ..Past::default() }));
        }
        drop(past);
        if !self.resumable.swap(true, Ordering::AcqRel) {
            self.note_subscriptions();
        }
        self.note_change();
    }

    /// Whether notes of it go to the archive.
    pub(in crate::starling) fn is_kept(&self) -> bool {
        self.shared.journal.is_kept() && self.is_resumable()
    }

    /// There is something to write down.
    pub(in crate::starling) fn note_change(&self) {
        if self.is_kept()
            && let Some(me) = self.me()
        {
            self.shared.journal.changed(me);
        }
    }

    /// Notes that the journal knows of a change. `false` if it did already.
    pub(in crate::starling) fn changes(&self) -> bool {
        !self.changed.swap(true, Ordering::AcqRel)
    }

    /// What has changed since the last time. `all` also has what only the end of the process makes worth it.
    pub(in crate::starling) fn collect(&self, all: bool) -> Vec<Note> {
        self.changed.store(false, Ordering::Release);
        if self.has_ended() || self.is_revoked() || !self.is_resumable() {
            return Vec::new();
        }
        // What was sent to a session whose peer did not come in the whole life of this process is not to be lost.
        if all && self.out.lock().has_waited_for() {
            self.wake(None);
        }
        let mut facts = Vec::new();
        let mut out = self.out.lock();
        // Its numbers are not known yet.
        if out.dormant {
            return Vec::new();
        }
        out.forget_taken(self.dialect());
        let Some(delivery) = &mut out.delivery else { return Vec::new() };
        let rest = Rest { sent: delivery.sent(), first: delivery.first(), received: self.intake.counted() };
        let collected = delivery.collect(all);
        drop(out);
        facts.extend(collected.done.into_iter().map(|number| Fact::Delivered { number }));
        let withheld = |payload: Arc<[u8]>| if payload.is_empty() { self.withheld() } else { payload };
        let new = collected.new.into_iter().map(|(number, payload)| (number, withheld(payload)));
        facts.extend(new.map(|(number, payload)| Fact::Message { number, payload }));
        facts.extend(self.data().take_changed().into_iter().map(|(name, value)| Fact::Data { name, value }));
        facts.extend(self.changed_subscriptions());
        if let Some(past) = self.past.lock().as_mut() {
            facts.extend(past.calls.take_dropped().into_iter().map(|id| Fact::CallForgotten { id }));
            if std::mem::take(&mut past.unwritten) || all {
                // What is under way ends with the process, so its peer has to ask again. And what a kill before has
                // made unknown stays so until the peer was heard.
                let unknown = past.restarted.is_some_and(|restarted| !restarted.is_exact_at(rest.received));
                let rest = Some(rest).filter(|_| all && self.requests.is_empty() && !unknown);
                facts.push(Fact::Session(self.record(past.used, rest)));
            }
        }
        facts.into_iter().map(|fact| self.note(fact)).collect()
    }

    /// What takes the place of an answer that is on no disk: the numbers of all others stay as they are.
    fn withheld(&self) -> Arc<[u8]> {
        let (topic, data) = ("starling:withheld", None);
        let message = Outgoing::Notification { request_id: None, topic, progress: false, data, peer: None };
        self.written(&message).unwrap_or_default().into()
    }

    /// A note was not written: it is to be noted again.
    pub(in crate::starling) fn take_back(&self, fact: &Fact) {
        match fact {
            Fact::Message { number, .. } | Fact::Delivered { number } => {
                if let Some(delivery) = &mut self.out.lock().delivery {
                    delivery.take_back(*number);
                }
            }
            Fact::Data { name, .. } => self.data.change_again(name),
            Fact::Subscription { topic, .. } => self.subscription_changed(topic),
            Fact::Session(_) => self.take_back_record(),
            Fact::Call { .. } | Fact::CallForgotten { .. } | Fact::Ended { .. } => {}
        }
    }

    /// The record itself may not have been written.
    pub(in crate::starling) fn take_back_record(&self) {
        if let Some(past) = self.past.lock().as_mut() {
            past.unwritten = true;
        }
    }

    fn record(&self, used: u64, rest: Option<Rest>) -> SessionRecord {
        let dialect = self.dialect();
        SessionRecord {
            principal: (*self.principal()).clone(),
            created_at: self.created_at,
            msgpack: dialect.codec == Codec::MsgPack,
            extensions: dialect.extensions,
            used,
            rest,
        }
    }

    pub(in crate::starling) fn note(&self, fact: Fact) -> Note {
        Note { session: self.id(), fact }
    }

    /// Promises the session to whoever has shown its token, or says why not.
    pub(in crate::starling) fn promise(&self, to: Claimant<'_>) -> Result<(), Refusal> {
        let connected = self.link().is_some_and(|link| link.is_open());
        let mut past = self.past.lock();
        let Some(past) = past.as_mut() else { return Err(Refusal::Ended) };
        if to.token_ms < past.used {
            return Err(Refusal::Superseded);
        }
        let other = to.instance.is_some() && past.instance.as_deref() != to.instance;
        if to.instance.is_some() && !other && to.attempt < past.attempt {
            return Err(Refusal::Superseded);
        }
        let limit = self.shared.options.handshake_timeout.get();
        let taken = connected || past.promised.is_some_and(|at| at.elapsed() < limit);
        if taken && other && past.instance.is_some() {
            return Err(Refusal::InUse);
        }
        past.unwritten |= past.used != to.token_ms;
        past.used = to.token_ms;
        (past.instance, past.attempt) = (to.instance.map(Into::into), to.attempt);
        past.promised = Some(Instant::now());
        if past.unwritten {
            self.note_change();
        }
        Ok(())
    }

    /// Whether the client that has the session gives a sign of life.
    pub(in crate::starling) async fn client_answers(&self) -> bool {
        let limit = self.shared.session_options.takeover_timeout.get();
        match self.link() {
            Some(link) => link.answers_within(limit).await,
            // It was promised to somebody who is about to come.
            None => true,
        }
    }

    /// Nobody is the client of the session any more: the one that was does not answer.
    pub(in crate::starling) fn forget_client(&self) {
        if let Some(past) = self.past.lock().as_mut() {
            (past.instance, past.promised) = (None, None);
        }
    }

    /// Whoever the session was promised to has taken it up, or never will.
    pub(in crate::starling) fn promise_is_kept(&self) {
        if let Some(past) = self.past.lock().as_mut() {
            past.promised = None;
        }
    }

    pub(super) fn window(&self) -> Window {
        let options = &self.shared.session_options;
        Window {
            count: options.calls_max,
            bytes: options.calls_bytes_max.0,
            span_ms: options.calls_window.as_ms(),
        }
    }

    /// A call has come that must not run twice. Without a token nobody can repeat it.
    pub(in crate::starling) fn begin_call(&self, id: RequestId) -> Known {
        let mut past = self.past.lock();
        let now_ms = self.shared.clock.now_ms();
        let known = past.as_mut().map_or(Known::New, |past| past.calls.begin(id, now_ms, self.window()));
        let outcome = match known {
            Known::New => return known,
            Known::Running => "joined",
            Known::Answered(_) => "replayed",
            Known::Forgotten => "forgotten",
        };
        self.shared.metrics.sessions.repeats.with_label_values(&[outcome]).inc();
        known
    }

    /// Such a call has not run after all.
    pub(in crate::starling) fn undo_call(&self, id: &RequestId) {
        if let Some(past) = self.past.lock().as_mut() {
            past.calls.undone(id);
        }
    }

    /// Such a call was answered with this message.
    pub(in crate::starling) fn end_call(&self, id: &RequestId, answer: &[u8]) {
        let (now_ms, window) = (self.shared.clock.now_ms(), self.window());
        if let Some(past) = self.past.lock().as_mut() {
            past.calls.answered(id, Some(answer), now_ms);
            past.calls.prune(now_ms, window);
        }
    }

    /// Writes down that a call is about to run, or what it gave, and everything before. Of an answer that is longer
    /// than a session's may be only that there was one.
    pub(in crate::starling) async fn note_call(
        &self,
        id: RequestId,
        answer: Option<Arc<[u8]>>,
    ) -> Result<(), NotKept> {
        let until_ms = self.shared.clock.now_ms() + self.window().span_ms;
        let answer = answer.filter(|answer| answer.len() <= ANSWER_BYTES_MAX.min(self.window().bytes));
        self.note_change();
        self.shared.journal.write(self.note(Fact::Call { id, answer, until_ms })).await
    }
}
