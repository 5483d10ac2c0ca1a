//! What one read of a connection asks for: answers in the order of the questions, and one flush for all writes.

use std::sync::Arc;
use std::time::Instant;

use super::answer::Answers;
use super::commands::{Planned, Render, Seen};
use super::port::Port;
use super::request::Args;
use crate::store::{Command, CommitOutcome, Done, Keyspace, Outcome, Reader, Refusal, StoreError, Work};

/// Work of more weight than this is brought to the store before more is read.
const WORK_MAX: usize = 1_024;

/// Looks at the store that may wait for the writes before them.
const READS_MAX: usize = 16;

/// Answers beyond this are sent before more is worked on.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Questions whose answers are not sent yet.
#[derive(Debug)]
pub(super) struct Batch {
    port: Arc<Port>,
    /// Answers in order; those of the slots come behind.
    pub(super) answers: Answers,
    /// Which keys the peer sees.
    pub(super) keyspace: Keyspace,
    work: Vec<Work>,
    /// Looks at the store that wait for the writes before them.
    reads: usize,
    /// How much room the work takes in the store's queue.
    weight: usize,
    slots: Vec<Slot>,
    /// The commands that were answered, and whether with success.
    answered: Vec<(usize, bool)>,
    began: Instant,
}

/// One answer that has to wait.
#[derive(Debug)]
enum Slot {
    /// For its turn alone.
    Ready { command: usize, bytes: Vec<u8> },
    /// For the outcome of the next work.
    Work { command: usize, tell: Tell },
}

/// How the outcome of some work is told.
#[derive(Debug)]
pub(super) enum Tell {
    /// As one answer.
    Plan(Render),
    /// As a transaction: for each of its commands how many outcomes it takes, and how they are told.
    Exec(Vec<(usize, Render)>),
    /// As a JSON line.
    Line(super::lines::Tell),
}

impl Batch {
    pub(super) fn new(port: Arc<Port>) -> Self {
        Self {
            keyspace: port.keyspace,
            port,
            answers: Answers::new(false),
            work: Vec::new(),
            reads: 0,
            weight: 0,
            slots: Vec::new(),
            answered: Vec::new(),
            began: Instant::now(),
        }
    }

    /// Something has arrived.
    pub(super) fn begin(&mut self) {
        self.began = Instant::now();
    }

    /// Whether what was asked so far should be brought to an end before more is worked on.
    pub(super) fn is_full(&self) -> bool {
        self.weight >= WORK_MAX || self.reads >= READS_MAX || self.answers.bytes.len() >= ANSWER_BYTES_MAX
    }

    /// Whether a look at the store should not wait with the writes before it: what it sees would be written
    /// down by the writer, and kept until all is answered.
    pub(super) fn should_finish_first(&self, wide: bool) -> bool {
        wide && !self.work.is_empty()
    }

    /// Whether nothing waits for the store.
    pub(super) fn is_idle(&self) -> bool {
        self.work.is_empty()
    }

    /// Answers at its turn.
    pub(super) fn answer(&mut self, command: usize, write: impl FnOnce(&mut Answers)) {
        if self.work.is_empty() {
            let start = self.answers.bytes.len();
            write(&mut self.answers);
            self.answered.push((command, succeeded(&self.answers.bytes[start..])));
        } else {
            let mut answers = Answers::new(self.answers.resp3);
            write(&mut answers);
            self.slots.push(Slot::Ready { command, bytes: answers.bytes });
        }
    }

    /// Looks at the store: now, or after the writes before it.
    pub(super) fn read(
        &mut self,
        command: usize,
        run: fn(&Seen<'_>, Args<'_>, &mut Answers),
        args: Args<'_>,
    ) {
        if self.work.is_empty() {
            let view = self.port.store.view();
            let start = self.answers.bytes.len();
            run(&Seen { view: &view, keyspace: self.keyspace, port: &self.port }, args, &mut self.answers);
            self.answered.push((command, succeeded(&self.answers.bytes[start..])));
        } else {
            let reader = self.reader(run, args);
            self.plan(command, Planned::one(Command::Read(reader), Render::Read));
        }
    }

    /// A reader that looks when its turn comes.
    pub(super) fn reader(&self, run: fn(&Seen<'_>, Args<'_>, &mut Answers), args: Args<'_>) -> Reader {
        let (port, keyspace) = (Arc::clone(&self.port), self.keyspace);
        let (args, mut to) = (args.to_owned(), Answers::new(self.answers.resp3));
        Reader::new(move |view| {
            run(&Seen { view, keyspace, port: &port }, args.as_args(), &mut to);
            to.bytes
        })
    }

    /// Asks the store.
    pub(super) fn plan(&mut self, command: usize, planned: Planned) {
        self.ask(command, planned.work, Tell::Plan(planned.render));
    }

    /// Asks the store, and tells the outcome in a way of its own.
    pub(super) fn ask(&mut self, command: usize, work: Work, tell: Tell) {
        self.weight += work.weight();
        self.reads += usize::from(matches!(work, Work::One(Command::Read(_))));
        self.work.push(work);
        self.slots.push(Slot::Work { command, tell });
    }

    /// Brings what was asked to the store and writes the answers, in order.
    pub(super) async fn finish(&mut self) {
        if !self.work.is_empty() {
            let work = std::mem::take(&mut self.work);
            (self.weight, self.reads) = (0, 0);
            match self.port.store.run_all(work).await {
                Ok(done) => self.tell(done.into_iter().map(Ok)),
                Err(error) => self.tell(std::iter::repeat_with(|| Err(error.clone()))),
            }
        }
        if !self.answered.is_empty() {
            self.port.count(&self.answered, self.began.elapsed());
            self.answered.clear();
        }
    }

    fn tell(&mut self, mut done: impl Iterator<Item = Result<Done, StoreError>>) {
        for slot in self.slots.drain(..) {
            let start = self.answers.bytes.len();
            let command = match slot {
                Slot::Ready { command, bytes } => {
                    self.answers.bytes.extend_from_slice(&bytes);
                    command
                }
                Slot::Work { command, tell } => {
                    let done = done.next().unwrap_or(Err(StoreError::Closed));
                    tell.write(done, &mut self.answers);
                    command
                }
            };
            self.answered.push((command, succeeded(&self.answers.bytes[start..])));
        }
    }
}

/// Whether an answer is none of an error, in either protocol.
fn succeeded(answer: &[u8]) -> bool {
    !answer.starts_with(b"-") && !answer.starts_with(b"{\"ok\":false")
}

impl Tell {
    fn write(self, done: Result<Done, StoreError>, to: &mut Answers) {
        match (self, done) {
            (Self::Line(tell), done) => tell.write(done, &mut to.bytes),
            (_, Err(error)) => to.store_error(&error),
            (Self::Plan(render), Ok(Done::One(outcome))) => render.write([outcome], to),
            (Self::Plan(render), Ok(Done::Commit(CommitOutcome::Done { outcomes, .. }))) => {
                render.write(outcomes, to);
            }
            (Self::Exec(plans), Ok(Done::Commit(CommitOutcome::Done { outcomes, .. }))) => {
                exec(plans, outcomes, to);
            }
            (Self::Exec(_), Ok(Done::Commit(CommitOutcome::Conflict { .. }))) => to.nil_array(),
            (_, Ok(Done::Commit(CommitOutcome::Refused { refusal, .. }))) => to.refusal(&refusal),
            (_, Ok(Done::Failed(error))) => to.store_error(&error),
            (_, Ok(_)) => to.error("ERR internal error"),
        }
    }
}

fn exec(plans: Vec<(usize, Render)>, outcomes: Vec<Result<Outcome, Refusal>>, to: &mut Answers) {
    to.array(plans.len());
    let mut outcomes = outcomes.into_iter();
    for (count, render) in plans {
        render.write(outcomes.by_ref().take(count), to);
    }
}
