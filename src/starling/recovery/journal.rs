//! Writes sessions down: what has changed in all of them goes to the archive together, so that a message costs
//! no flush of its own.
//!
//! A session that has changed is noted as such and asked for the difference when its turn comes; what its peer
//! has acknowledged by then was never worth writing. Whoever must know that something is on the disk waits, and
//! then nothing is put off: what others had to say before is in the same write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::archive::{Archive, Fact, NotKept, Note};
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
const BATCH: usize = 20_000;

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
        let mut waiting = inner.waiting.lock();
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
            waiting.notes.extend(note.into());
            waiting.asked.push(sender);
        }
        inner.some.notify_one();
        inner.urgent.notify_one();
        written.await.unwrap_or(Err(NotKept))
    }

    /// Works until [`Journal::close`].
    pub(in crate::starling) async fn run(self) {
        let Some(inner) = self.0 else { return };
        loop {
            inner.some.notified().await;
            if !inner.somebody_waits() {
                tokio::select! {
                    () = tokio::time::sleep(inner.delay) => {}
                    () = inner.urgent.notified() => {}
                }
            }
            if inner.turn().await.is_err() {
                tokio::time::sleep(PAUSE).await;
                inner.some.notify_one();
            }
            if inner.closed.load(Ordering::SeqCst) {
                return;
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

impl Inner {
    fn somebody_waits(&self) -> bool {
        !self.waiting.lock().asked.is_empty() || self.closed.load(Ordering::SeqCst)
    }

    /// Writes what waits. What could not be written waits on; who waited for it is told.
    async fn turn(&self) -> Result<(), NotKept> {
        let Waiting { sessions, notes, asked } = std::mem::take(&mut *self.waiting.lock());
        // First what sessions have to say: a note that somebody waits for may only be true behind it.
        let mut all: Vec<Note> = sessions.iter().flat_map(|session| session.collect(false)).collect();
        drop(sessions);
        all.extend(notes);
        let mut written = Ok(());
        let mut rest = all.into_iter();
        while written.is_ok() {
            let batch: Vec<Note> = rest.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            written = self.archive.write(batch.clone()).await;
            if written.is_err() {
                let mut waiting = self.waiting.lock();
                let later = std::mem::take(&mut waiting.notes);
                // A call that could not be noted is refused, so nothing is left to be remembered of it.
                let refused = |note: &Note| matches!(note.fact, Fact::Call { answer: None, .. });
                let kept = batch.into_iter().chain(rest.by_ref()).filter(|note| !refused(note));
                waiting.notes = kept.chain(later).collect();
            }
        }
        for asked in asked {
            // Whoever asked may have stopped waiting.
            let _ = asked.send(written);
        }
        written
    }
}
