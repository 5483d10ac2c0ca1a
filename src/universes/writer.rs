//! The one thread that changes universes: takes what waits, carries it out, writes it to the store in one commit,
//! publishes the next version, and only then answers. As the writer of the store does, one floor higher.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::checkpoint::{Checkpoint, Checkpointer, referred, waiting};
use super::engine::Engine;
use super::error::UniverseError;
use super::journal;
use super::path::shown;
use super::queue::{Job, Order, Ran};
use super::seal::Sealed;
use super::shared::Shared;
use crate::store::{Check, Command, Commit, CommitOutcome, Done, Work};

/// Operations that are written together.
const BATCH_MAX: usize = 64;

/// Once so many universes have changed, what was done is written: a commit of the store has a limit.
const BATCH_HEADS_MAX: usize = 1_000;

/// Journal entries that are forgotten at once.
const FORGOTTEN_MAX: usize = 10_000;

/// New objects beyond this size go to the object store before the commit, and not into the log.
const JOURNAL_BYTES_MAX: usize = 1 << 20;

/// How often it looks whether there is something to tend to, while nothing is asked for.
const TEND_EVERY: Duration = Duration::from_secs(1);

/// The thread.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) engine: Engine,
    pub(super) checkpointer: Checkpointer,
    /// The last journal entry.
    pub(super) number: u64,
    /// The last journal entry that is in the object store and not in the store any more.
    pub(super) moved: u64,
    /// Entries that a checkpoint is moving.
    pub(super) moving: bool,
    /// When the oldest entry was written that no checkpoint has begun to move.
    pub(super) waiting_since: Option<Instant>,
    pub(super) tended: Instant,
}

impl Writer {
    /// Works until it is told to close.
    pub(super) fn run(mut self) {
        loop {
            match self.shared.queue.take(self.patience()) {
                Some(Order::Work { job, alone }) => self.work(job, alone),
                Some(Order::Checkpointed(done)) => self.checkpointed(done),
                Some(Order::Sweep { retention, answer }) => drop(answer.send(self.sweep(&retention))),
                Some(Order::Close) => return self.close(),
                None => {}
            }
            self.tend();
        }
    }

    fn patience(&self) -> Duration {
        let interval = self.shared.options.checkpoint_interval.get();
        match self.waiting_since {
            Some(since) if !self.moving => interval.saturating_sub(since.elapsed()).min(TEND_EVERY),
            _ => TEND_EVERY,
        }
    }

    /// Carries out an operation, and others that wait behind it.
    fn work(&mut self, first: Job, alone: bool) {
        let began = Instant::now();
        let mut answers = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next.take() {
            let ran = self.carry_out(job);
            if ran.failed {
                (ran.answer)(Ok(()));
            } else {
                answers.push(ran.answer);
            }
            if !alone && answers.len() < BATCH_MAX && self.engine.changed() < BATCH_HEADS_MAX {
                next = self.shared.queue.take_more();
            }
        }
        let written = if answers.is_empty() { Ok(()) } else { self.write() };
        if !answers.is_empty() {
            self.shared.events.wrote(answers.len(), began.elapsed(), written.is_ok());
        }
        for answer in answers {
            answer(written.clone());
        }
    }

    fn carry_out(&mut self, job: Job) -> Ran {
        let now_ms = self.shared.store.now_ms();
        self.engine.now_ms = now_ms.max(self.engine.now_ms);
        self.engine.version = (self.engine.version + 1).max(self.shared.store.view().revision() + 1);
        let before = self.engine.checkpoint();
        let ran = catch_unwind(AssertUnwindSafe(|| job(&mut self.engine))).unwrap_or_else(|_| {
            tracing::error!("an operation on universes panicked");
            Ran { failed: true, answer: Box::new(|_| {}) }
        });
        if ran.failed {
            self.engine.back_to(before);
        }
        ran
    }

    /// Writes what was done, and publishes it; if it cannot be written, it did not happen.
    pub(super) fn write(&mut self) -> Result<(), UniverseError> {
        let sealed = self.engine.seal();
        let (commands, checks) =
            (std::mem::take(&mut self.engine.commands), std::mem::take(&mut self.engine.checks));
        let written = self.write_sealed(&sealed, commands, checks);
        match &written {
            Ok(()) => {
                self.shared.publish(self.engine.table.clone());
            }
            Err(_) => self.engine.table = (**self.shared.published()).clone(),
        }
        written
    }

    fn write_sealed(
        &mut self,
        sealed: &Sealed,
        more: Vec<Command>,
        checks: Vec<Check>,
    ) -> Result<(), UniverseError> {
        let number = self.number + 1;
        // An entry is one value of the store, with four bytes before each object.
        let entry_bytes = sealed.bytes + 4 * sealed.objects.len() + 1;
        let limit = self.shared.store.options().value_bytes_max.0.min(JOURNAL_BYTES_MAX);
        let journaled = entry_bytes <= limit;
        if !journaled {
            // What is long is written once, by the store of objects; with what it refers to.
            let below = sealed.objects.iter().flat_map(|(_, object)| referred(object)).collect();
            let below = waiting(&self.shared.archive, below);
            let objects = sealed.objects.iter().chain(&below).map(|(id, object)| (*id, &**object));
            let names = sealed.names.iter().map(|(name, id)| (name.clone(), id.as_bytes().to_vec()));
            self.shared.archive.objects.put(objects, names)?;
        }
        let mut commands = journal::commands(sealed, number, journaled);
        commands.extend(more);
        if commands.is_empty() {
            return Ok(());
        }
        let checked: Vec<_> = checks.iter().map(|check| check.key.clone()).collect();
        let commit = Commit { checks, commands, keep_going: false };
        let mut done = self.shared.store.run_all_blocking(vec![Work::Commit(commit)])?;
        match done.pop() {
            Some(Done::Commit(CommitOutcome::Done { .. })) => {}
            Some(Done::Commit(CommitOutcome::Conflict { check, version })) => {
                let key = checked.get(check).map(|key| shown(key)).unwrap_or_default();
                return Err(UniverseError::Version { check, key, version });
            }
            Some(Done::Commit(CommitOutcome::Refused { refusal, .. }) | Done::One(Err(refusal))) => {
                return Err(refusal.into());
            }
            Some(Done::Failed(error)) => return Err(error.into()),
            Some(Done::One(Ok(_))) | None => return Err(UniverseError::Closed),
        }
        if journaled && !sealed.objects.is_empty() {
            self.number = number;
            self.waiting_since.get_or_insert_with(Instant::now);
            let mut overlay = self.shared.archive.overlay.write();
            for (id, object) in &sealed.objects {
                overlay.insert(number, *id, Arc::clone(object));
            }
            overlay.names.extend(sealed.names.iter().map(|(name, id)| (name.clone(), (number, *id))));
        }
        Ok(())
    }

    /// Begins a checkpoint when it is time, lets go of what was not wanted for long, and deletes what is old.
    fn tend(&mut self) {
        let overlay = self.shared.archive.overlay.read().bytes;
        let due = self.waiting_since.is_some_and(|since| {
            since.elapsed() >= self.shared.options.checkpoint_interval.get()
                || overlay >= self.shared.options.overlay_bytes.0
        });
        if due && !self.moving {
            self.begin_checkpoint();
        }
        if self.tended.elapsed() < TEND_EVERY {
            return;
        }
        self.tended = Instant::now();
        self.shared.evict(&self.engine.table);
        self.shared.events.measure(&self.shared);
        if self.shared.options.ttl.as_ms() > 0 {
            self.expire();
        }
    }

    fn expire(&mut self) {
        self.engine.now_ms = self.shared.store.now_ms().max(self.engine.now_ms);
        let gone = self.engine.expire();
        if gone == 0 {
            return;
        }
        match self.write() {
            Ok(()) => self.shared.events.deleted(gone),
            Err(error) => tracing::warn!(%error, "old universes could not be deleted"),
        }
    }

    fn begin_checkpoint(&mut self) {
        let checkpoint = Checkpoint::of(&self.shared, &self.engine.table, self.number);
        self.waiting_since = None;
        self.moving = self.checkpointer.begin(checkpoint);
    }

    /// What is in the object store leaves the store.
    pub(super) fn checkpointed(&mut self, done: Result<u64, UniverseError>) {
        self.moving = false;
        match done.and_then(|number| self.forget(number)) {
            Ok(()) => {}
            Err(error) => {
                self.shared.events.checkpoint_failed(&error);
                // It is tried again after the interval.
                self.waiting_since = Some(Instant::now());
            }
        }
    }

    fn forget(&mut self, number: u64) -> Result<(), UniverseError> {
        while self.moved < number {
            let last = number.min(self.moved + FORGOTTEN_MAX as u64);
            let commands = (self.moved + 1..=last).map(journal::log_key).map(Command::delete).collect();
            let commit = Commit { commands, ..Commit::default() };
            match self.shared.store.run_all_blocking(vec![Work::Commit(commit)])?.pop() {
                Some(Done::Commit(CommitOutcome::Done { .. })) => self.moved = last,
                Some(Done::Commit(CommitOutcome::Refused { refusal, .. })) => return Err(refusal.into()),
                Some(Done::Failed(error)) => return Err(error.into()),
                _ => return Err(UniverseError::Closed),
            }
        }
        self.shared.archive.overlay.write().forget(number);
        Ok(())
    }

    /// Moves everything to the object store, so that the next start has little to read.
    fn close(mut self) {
        self.checkpointer.end();
        if let Err(error) = self.checkpoint_now() {
            tracing::warn!(%error, "universes stay in the log until the next start");
        }
    }

    /// Moves everything now. One that is going on is waited for.
    pub(super) fn checkpoint_now(&mut self) -> Result<(), UniverseError> {
        let checkpoint = Checkpoint::of(&self.shared, &self.engine.table, self.number);
        let number = checkpoint.carry_out(&self.shared.archive)?;
        self.waiting_since = None;
        self.forget(number)
    }
}

/// Trees may be deep, and so is what walks over them.
const STACK_BYTES: usize = 8 << 20;

/// Runs the writer on a thread of its own. However it ends, nobody waits for it in vain.
pub(super) fn start(writer: Writer) -> std::io::Result<thread::JoinHandle<()>> {
    struct Guard(Arc<Shared>);
    impl Drop for Guard {
        fn drop(&mut self) {
            if thread::panicking() {
                tracing::error!("the thread of the universes has died");
            }
            self.0.queue.close();
            self.0.ended.cancel();
        }
    }
    let guard = Guard(Arc::clone(&writer.shared));
    let work = move || {
        let _guard = guard;
        writer.run();
    };
    thread::Builder::new().name("universes".into()).stack_size(STACK_BYTES).spawn(work)
}
