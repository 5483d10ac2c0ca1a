//! Writes sessions down: what has changed in all of them goes to the archive together, so that a message costs
//! no flush of its own.
//!
//! A session that has changed is noted as such and asked for the difference when its turn comes; what its peer
//! has acknowledged by then was never worth writing. Whoever must know that something is on the disk waits, and
//! then nothing is put off: what others had to say before is in the same write.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::archive::{Archive, NotKept, Note};
use crate::base::StarlingId;
use crate::dispatch::Peer;
use crate::starling::session::Session;

/// Notes on their way to the archive. Without one, nothing is written and nobody waits.
#[derive(Clone, Debug, Default)]
pub(in crate::starling) struct Journal(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    archive: Arc<dyn Archive>,
    delay: Duration,
    waiting: Mutex<Waiting>,
    /// Something waits.
    some: Notify,
    /// Somebody waits.
    urgent: Notify,
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    sessions: Vec<Arc<Session>>,
    notes: Vec<Note>,
    asked: Vec<oneshot::Sender<Result<(), NotKept>>>,
}

/// How long to wait after the archive has failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Notes that are written at once; the rest comes right behind.
const BATCH: usize = 4_000;

impl Journal {
    /// A journal that writes to `archive`, at the latest `delay` after something was said.
    pub(in crate::starling) fn new(archive: Option<Arc<dyn Archive>>, delay: Duration) -> Self {
        let inner = |archive| Inner {
            archive,
            delay,
            waiting: Mutex::default(),
            some: Notify::new(),
            urgent: Notify::new(),
            closed: AtomicBool::new(false),
        };
        Self(archive.map(|archive| Arc::new(inner(archive))))
    }

    /// The archive behind it.
    pub(in crate::starling) fn archive(&self) -> Option<&Arc<dyn Archive>> {
        self.0.as_ref().map(|inner| &inner.archive)
    }

    /// Whether anything is written down.
    pub(in crate::starling) fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// The session has changed. It says so once until it is asked.
    pub(in crate::starling) fn changed(&self, session: Arc<Session>) {
        let Some(inner) = &self.0 else { return };
        // Under the lock: whoever waits for a write right after this has the change in it.
        let mut waiting = inner.waiting.lock();
        if !session.changes() {
            return;
        }
        waiting.sessions.push(session);
        if waiting.sessions.len() == 1 {
            inner.some.notify_one();
        }
    }

    /// Something to be written with the next turn.
    pub(in crate::starling) fn note(&self, note: Note) {
        let Some(inner) = &self.0 else { return };
        inner.waiting.lock().notes.push(note);
        inner.some.notify_one();
    }

    /// Writes a note and everything that was said before. Ends when it is durable.
    pub(in crate::starling) async fn write(&self, note: impl Into<Option<Note>>) -> Result<(), NotKept> {
        let Some(inner) = &self.0 else { return Ok(()) };
        let (sender, written) = oneshot::channel();
        {
            let mut waiting = inner.waiting.lock();
            if inner.closed.load(Ordering::SeqCst) {
                return Err(NotKept::Unavailable);
            }
            waiting.notes.extend(note.into());
            waiting.asked.push(sender);
        }
        inner.some.notify_one();
        inner.urgent.notify_one();
        written.await.unwrap_or(Err(NotKept::Unavailable))
    }

    /// Works until [`Journal::close`].
    pub(in crate::starling) async fn run(self) {
        let Some(inner) = self.0 else { return };
        let working = Working(inner);
        let inner = &working.0;
        while !inner.closed.load(Ordering::SeqCst) {
            inner.some.notified().await;
            if !inner.somebody_waits() {
                tokio::select! {
                    () = tokio::time::sleep(inner.delay) => {}
                    () = inner.urgent.notified() => {}
                }
            }
            if inner.turn().await == Err(NotKept::Unavailable) {
                tokio::time::sleep(PAUSE).await;
                inner.some.notify_one();
            }
        }
    }

    /// Ends the work. What waits is written by whoever calls [`Journal::write`] before.
    pub(in crate::starling) fn close(&self) {
        if let Some(inner) = &self.0 {
            inner.closed.store(true, Ordering::SeqCst);
            inner.some.notify_one();
            inner.urgent.notify_one();
        }
    }
}

/// The journal at work. However that ends, nobody waits for it in vain.
struct Working(Arc<Inner>);

impl Drop for Working {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting.lock();
        self.0.closed.store(true, Ordering::SeqCst);
        waiting.asked.clear();
    }
}

impl Inner {
    fn somebody_waits(&self) -> bool {
        !self.waiting.lock().asked.is_empty() || self.closed.load(Ordering::SeqCst)
    }

    /// Writes what waits. What could not be written is asked for again; who waited for it is told.
    async fn turn(&self) -> Result<(), NotKept> {
        let Waiting { sessions, notes, asked } = std::mem::take(&mut *self.waiting.lock());
        // First what sessions have to say: a note that somebody waits for may only be true behind it.
        let mut all: Vec<Note> = sessions.iter().flat_map(|session| session.collect(false)).collect();
        all.extend(notes);
        // Of a session that is over nothing else is worth a note, and nothing may be left.
        let over: HashSet<StarlingId> =
            all.iter().filter(|note| note.is_end()).map(|note| note.session).collect();
        all.retain(|note| note.is_end() || !over.contains(&note.session));
        let mut written = Ok(());
        let mut rest = all.into_iter();
        while written != Err(NotKept::Unavailable) {
            let batch: Arc<[Note]> = rest.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            if let Err(failed) = self.archive.write(Arc::clone(&batch)).await {
                written = Err(failed);
                match failed {
                    NotKept::Unavailable => {
                        self.take_back(&sessions, batch.iter().cloned().chain(rest.by_ref()));
                    }
                    // Nobody knows which; whoever asks for a token next tries the record again.
                    NotKept::Refused => sessions.iter().for_each(|session| session.take_back_record()),
                }
            }
        }
        for asked in asked {
            // Whoever asked may have stopped waiting.
            let _ = asked.send(written);
        }
        written
    }

    /// Notes that were not written: sessions say them again, as they are then. So nothing piles up here but that
    /// sessions are over. A call that could not be noted is refused.
    fn take_back(&self, sessions: &[Arc<Session>], notes: impl Iterator<Item = Note>) {
        let by_id: HashMap<StarlingId, &Arc<Session>> =
            sessions.iter().map(|session| (session.id(), session)).collect();
        let mut ends = Vec::new();
        for note in notes {
            match by_id.get(&note.session) {
                _ if note.is_end() => ends.push(note),
                Some(session) => session.take_back(&note.fact),
                None => {}
            }
        }
        let mut waiting = self.waiting.lock();
        waiting.notes.splice(0..0, ends);
        for session in sessions {
            if session.changes() {
                waiting.sessions.push(Arc::clone(session));
            }
        }
    }
}
