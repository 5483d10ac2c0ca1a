//! Numbered logs: a key that counts, and the last entries by their numbers.

use super::change::Change;
use super::command::{Condition, Expiry};
use super::engine::Engine;
use super::found::{Found, whole_number};
use super::outcome::{Outcome, Refusal};
use super::value::{Key, Value};

/// Entries that one more may push out, so that a log that was made shorter gets there by and by.
const DROPS: usize = 2;

impl Engine {
    #[allow(clippy::too_many_arguments, reason = "the fields of one command")]
    pub(super) fn record(
        &mut self,
        counter: Key,
        prefix: &Key,
        value: Value,
        keep: u64,
        expiry: Expiry,
        found: Found,
        at: u64,
    ) -> Result<Outcome, Refusal> {
        let before = found.alive().map_or(Ok(0), |entry| whole_number(entry.value.as_bytes()))?;
        let last = u64::try_from(before).map_err(|_| Refusal::NotANumber)?.saturating_add(1);
        let outcome = self.increment(counter, 1, false, found)?;
        let entry = |number: u64| -> Key { [prefix, format!("{number:020}").as_bytes()].concat().into() };
        let first_kept = entry(last.saturating_sub(keep) + 1);
        let old: Vec<Key> = self
            .state
            .entries()
            .prefix(prefix)
            .map(|(key, _)| key)
            .take_while(|key| *key < &*first_kept)
            .take(DROPS)
            .map(Key::from)
            .collect();
        for key in old {
            self.change(Change::Delete { key, expired: false });
        }
        let key = entry(last);
        let there = self.state.raw(&key).cloned();
        self.set(key, value, Condition::Always, expiry, Found { alive: there.is_some(), there }, at);
        Ok(outcome)
    }
}
