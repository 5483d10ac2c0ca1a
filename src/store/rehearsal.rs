//! Carrying commands out on a version that is not the store's: nothing is written, nobody is told.

use super::Store;
use super::command::{Commit, Work};
use super::engine::Engine;
use super::limits::Limits;
use super::outcome::{CommitOutcome, Done};
use super::state::View;

impl Store {
    /// What a commit would do to a version, under the limits of the store. Entries that it changes get the revision
    /// after that of the version.
    pub fn rehearse(&self, view: View, commit: Commit) -> (CommitOutcome, View) {
        let (now_ms, revision) = (view.now_ms(), view.revision());
        let mut engine = Engine::new(view.into_state(), Limits::of(self.options()));
        let outcome = match engine.apply(Work::Commit(commit), now_ms).0 {
            Done::Commit(outcome) => outcome,
            // A commit gives the outcome of a commit.
            Done::One(_) | Done::Failed(_) => CommitOutcome::Done { revision, outcomes: Vec::new() },
        };
        (outcome, View::new(engine.state, now_ms))
    }
}
