//! What a commit has changed, as long as it may still be refused.
//!
//! A copy of the state from before would cost nothing either, but as long as it is there each change copies the nodes on the way
//! to its key, in each commit anew. Notes of what was there need no copy.

use super::change::Change;
use super::state::State;
use super::value::{Entry, Key};

/// What was there before, in the order of the changes.
#[derive(Debug, Default)]
pub(super) struct Undo(Vec<Before>);

#[derive(Debug)]
enum Before {
    /// Under one key.
    Key(Key, Option<Entry>),
    /// Under all of them.
    All(State),
}

impl Undo {
    /// Notes what is there before a change.
    pub(super) fn note(&mut self, change: &Change, state: &State) {
        match change {
            Change::Put { key, .. } | Change::Delete { key, .. } | Change::Expire { key, .. } => {
                self.note_key(key, state.raw(key).cloned());
            }
            Change::Clear { .. } => self.0.push(Before::All(state.clone())),
            Change::Emit { .. } => {}
        }
    }

    /// Notes what is there under a key.
    pub(super) fn note_key(&mut self, key: &Key, there: Option<Entry>) {
        self.0.push(Before::Key(Key::clone(key), there));
    }

    /// Makes a state what it was, the last change first.
    pub(super) fn take_back(self, state: &mut State) {
        for before in self.0.into_iter().rev() {
            match before {
                Before::Key(key, Some(entry)) => state.put(&key, entry),
                Before::Key(key, None) => state.delete(&key),
                Before::All(before) => *state = before,
            }
        }
    }
}
