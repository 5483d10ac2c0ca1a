//! Sessions of a process before this one: they wait as those do whose connection is lost, and what was written of
//! them is fetched when somebody wants it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Session;
use super::delivery::Delivery;
use super::kept::Past;
use crate::base::StarlingId;
use crate::dispatch::Peer;
use crate::starling::recovery::{Contents, SessionRecord};
use crate::starling::shared::Shared;

/// What is known of a session that was taken up after a restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::starling) struct Restarted {
    /// The process before has ended in order, so that the counts of both sides are known.
    pub(in crate::starling) exact: bool,
    /// Its states were restored, or there was nothing to restore.
    pub(in crate::starling) restored: bool,
    /// This claim is the first one: somebody has to restore.
    pub(in crate::starling) first: bool,
    /// Messages that had come then.
    counted: u64,
}

/// No peer can have got so far.
const POSITION_MAX: u64 = 1 << 53;

impl Restarted {
    /// Whether the counts of both sides are known, after so many messages of the peer.
    pub(super) fn is_exact_at(&self, counted: u64) -> bool {
        self.exact || counted != self.counted
    }
}

impl Session {
    /// A session of a process before this one. It waits for its peer; its contents stay in the archive.
    pub(in crate::starling) fn of_record(
        shared: &Arc<Shared>,
        id: StarlingId,
        record: SessionRecord,
    ) -> Arc<Self> {
        let (dialect, principal) = (record.dialect(), record.principal.clone());
        let session = Self::with_id(id, shared, dialect, principal, record.created_at);
        session.resumable.store(true, Ordering::Release);
        let past = Past { used: record.used, dormant: Some(record), ..Past::default() };
        *session.past.lock() = Some(Box::new(past));
        shared.online.enter(id, &session.principal());
        session.out.lock().dormant = true;
        session.data_dormant.store(true, Ordering::Release);
        session
    }

    /// Fetches from the archive what a process before this one has written, for a peer that has everything up to
    /// `position`. `None` if the session is of this process, or its peer was heard since. As long as it was not, a
    /// claim that comes to nothing changes nothing for the next one.
    pub(in crate::starling) fn wake(&self, position: Option<u64>) -> Option<Restarted> {
        let mut past = self.past.lock();
        let past = past.as_mut()?;
        if let Some(record) = past.dormant.take() {
            past.restarted = Some(self.fetch(past, &record, position.map(|number| number.min(POSITION_MAX))));
            past.unwritten = true;
        } else if let Some(restarted) = &mut past.restarted {
            restarted.first = false;
            if self.intake.counted() != restarted.counted {
                past.restarted = None;
            }
        }
        past.restarted
    }

    fn fetch(&self, past: &mut Past, record: &SessionRecord, position: Option<u64>) -> Restarted {
        self.wake_data();
        let Contents { messages, calls, .. } = self.contents();
        let exact = record.rest.filter(|rest| {
            position.is_none_or(|position| position <= rest.sent && rest.first <= position + 1)
        });
        let start = position.unwrap_or_else(|| messages.first().map_or(0, |(number, _)| number - 1));
        let mut delivery = Delivery::restored(start, messages);
        let mut out = self.out.lock();
        if let Some(later) = &out.delivery {
            delivery.append_all(later);
        }
        (out.delivery, out.dormant) = (Some(Box::new(delivery)), false);
        drop(out);
        if let Some(rest) = exact {
            self.intake.go_on_from(rest.received);
        }
        for (id, answer, until_ms) in calls {
            let at_ms = until_ms.saturating_sub(self.window().span_ms);
            past.calls.answered(&id, answer.as_deref(), at_ms);
        }
        Restarted { exact: exact.is_some(), restored: true, first: true, counted: self.intake.counted() }
    }

    fn contents(&self) -> Contents {
        let archive = self.shared.journal.archive();
        archive.map(|archive| archive.contents(self.id())).unwrap_or_default()
    }

    /// Fetches what the session keeps, the first time that anybody asks.
    pub(super) fn wake_data(&self) {
        if self.data_dormant.load(Ordering::Acquire) {
            let data = self.contents().data;
            // Whoever is first restores; the others find it done, or the very same.
            if self.data_dormant.swap(false, Ordering::AcqRel) {
                self.data.restore(data);
            }
        }
    }

    /// The states of a session from before a restart could not be restored.
    pub(in crate::starling) fn not_restored(&self) {
        if let Some(restarted) = self.past.lock().as_mut().and_then(|past| past.restarted.as_mut()) {
            restarted.restored = false;
        }
    }
}
