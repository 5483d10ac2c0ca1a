//! From a step of the state machine to a commit of the store, and to those who are to know of it.

use tokio::sync::oneshot;

use super::error::QueueError;
use super::job::Status;
use super::step::{EventKind, JobEvent, Step};
use super::surely::surely;
use super::{Queue, Told};
use crate::store::{Command, Decision, Done, Refusal, Work};

impl Queue {
    /// Makes one step of the state machine, in a commit of its own.
    pub(super) async fn decide<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&mut Step<'_>) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.decide_each([decide]).await.pop().unwrap_or(Err(QueueError::Closed))
    }

    /// Makes several steps, one behind the other, each in a commit of its own, with one flush for all of them.
    pub(super) async fn decide_each<T: Send + 'static>(
        &self,
        steps: impl IntoIterator<Item = impl FnOnce(&mut Step<'_>) -> Result<T, QueueError> + Send + 'static>,
    ) -> Vec<Result<T, QueueError>> {
        let steps = steps.into_iter().map(|decide| self.deciding(decide));
        let (commands, made): (Vec<_>, Vec<_>) = steps.unzip();
        let queue = self.clone();
        surely(async move {
            let done = queue.run(commands).await;
            let (given, events) = came_of(made, done);
            queue.heed(events).await;
            given
        })
        .await
    }

    /// Carries out commands, one behind the other.
    pub(super) async fn run(&self, commands: Vec<Command>) -> Vec<Done> {
        let asked = commands.len();
        let done = self.store().run_all(commands.into_iter().map(Work::One).collect()).await;
        done.unwrap_or_else(|error| (0..asked).map(|_| Done::Failed(error.clone())).collect())
    }

    pub(super) fn deciding<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&mut Step<'_>) -> Result<T, QueueError> + Send + 'static,
    ) -> (Command, Deciding<T>) {
        let (sender, given) = oneshot::channel();
        let queue = self.clone();
        let decision = Decision::new(move |view| {
            let mut random = queue.0.random.lock();
            let mut step = Step::new(view, &queue.0.options, &mut random);
            let decided = decide(&mut step);
            let Step { commands, events, .. } = step;
            let commands = decided.is_ok().then_some(commands);
            // Whoever has hung up needs no answer; it is done all the same.
            let _ = sender.send(decided.map(|gives| (gives, events)));
            commands
        });
        (Command::Decide(decision), Deciding { queue: self.clone(), given })
    }

    /// What has happened is counted, told and heeded.
    pub(super) async fn heed(&self, events: Vec<JobEvent>) {
        for event in &events {
            self.0.events.emit(event);
            if event.kind != EventKind::Enqueued && event.kind != EventKind::Dequeued {
                self.0.progress.forget(event.job.id);
                self.0.seats.settled(event);
            }
        }
        let delayed = |event: &JobEvent| event.job.status == Status::Pending && event.job.run_at.is_some();
        if events.iter().any(delayed) {
            self.0.hurry.notify_one();
        }
        // Something waits, or somebody has room again.
        if events.iter().any(|event| event.kind != EventKind::Dequeued) {
            self.0.seats.wake();
        }
        for event in events {
            self.tell(event.job.id, || Told::Event(Box::new(event))).await;
        }
    }
}

/// A step that is a part of a commit: what is to be done once the commit has happened, or has not.
#[must_use]
#[derive(Debug)]
pub struct Deciding<T> {
    queue: Queue,
    given: oneshot::Receiver<Result<(T, Vec<JobEvent>), QueueError>>,
}

impl<T> Deciding<T> {
    /// The commit has happened: gives what the step has given. Workers and listeners are told.
    ///
    /// # Errors
    /// If the step was never made.
    pub async fn happened(mut self) -> Result<T, QueueError> {
        // A step that declines undoes its commit, so it has given something.
        let (gives, events) = self.given.try_recv().map_err(|_| QueueError::Closed)??;
        self.queue.heed(events).await;
        Ok(gives)
    }

    /// The commit was refused: gives the reason of the step, if it was that.
    pub fn declined(mut self) -> Option<QueueError> {
        self.given.try_recv().ok().and_then(Result::err)
    }

    /// What came of it.
    pub(super) fn done(mut self, done: Done) -> Result<(T, Vec<JobEvent>), QueueError> {
        match done {
            Done::One(Ok(_)) => self.given.try_recv().map_err(|_| QueueError::Closed)?,
            Done::One(Err(refusal)) => Err(self.declined().unwrap_or(match refusal {
                Refusal::Declined => QueueError::Closed,
                refusal => QueueError::Refused(refusal),
            })),
            Done::Failed(error) => Err(error.into()),
            // That is asked for elsewhere.
            Done::Commit(_) => Err(QueueError::Closed),
        }
    }
}

/// What steps have given, and what has happened with them.
pub(super) fn came_of<T>(
    made: Vec<Deciding<T>>,
    done: Vec<Done>,
) -> (Vec<Result<T, QueueError>>, Vec<JobEvent>) {
    let mut events = Vec::with_capacity(made.len());
    let given = made.into_iter().zip(done).map(|(step, done)| {
        let (gives, its) = step.done(done)?;
        events.extend(its);
        Ok(gives)
    });
    (given.collect(), events)
}
