//! Turns wishes into changes. Pure and deterministic: the same state, command and time give the same
//! changes on every machine and in every test.

use std::sync::Arc;

use super::change::{Change, Committed};
use super::command::{Command, Commit, CommitOutcome, Condition, Done, Expiry, Outcome, Refusal, Work};
use super::options::StoreOptions;
use super::state::{State, View};
use super::value::{Entry, Key, Value};

/// Commands that one commit may have.
pub(super) const COMMIT_COMMANDS_MAX: usize = 10_000;

/// What may be written, by size.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    key_bytes: usize,
    value_bytes: usize,
    data_bytes: usize,
}

/// A state that is about to be the next version, and the commits that lead there.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) state: State,
    limits: Limits,
    /// Changes of the commit that is being made.
    pending: Vec<Change>,
}

impl Limits {
    pub(super) fn of(options: &StoreOptions) -> Self {
        Self {
            key_bytes: options.key_bytes_max.0,
            value_bytes: options.value_bytes_max.0,
            data_bytes: match options.data_bytes_max.0 {
                0 => usize::MAX,
                bytes => bytes,
            },
        }
    }

    fn check(&self, state: &State, command: &Command) -> Result<(), Refusal> {
        let (key, grows) = match command {
            Command::Set { key, value, .. } => (key, value.len()),
            Command::Append { key, tail } => (key, tail.len()),
            Command::Emit { channel, data } => (channel, data.len()),
            Command::Increment { key, .. } => (key, 0),
            Command::Delete { .. } | Command::Expire { .. } | Command::Clear | Command::Read(_) => {
                return Ok(());
            }
        };
        if key.len() > self.key_bytes {
            return Err(Refusal::KeyLength { bytes: key.len(), limit: self.key_bytes });
        }
        let there = state.raw(key).map(|entry| entry.value.len());
        let value = match command {
            Command::Append { .. } => there.unwrap_or(0) + grows,
            _ => grows,
        };
        if value > self.value_bytes {
            return Err(Refusal::ValueLength { bytes: value, limit: self.value_bytes });
        }
        let grows = value + if there.is_none() { key.len() } else { 0 };
        let after = (state.bytes() + grows).saturating_sub(there.unwrap_or(0));
        let kept = !matches!(command, Command::Emit { .. });
        // What makes the data smaller is allowed even beyond the limit.
        if kept && after > self.data_bytes && after > state.bytes() {
            return Err(Refusal::Quota { limit: self.data_bytes });
        }
        Ok(())
    }
}

impl Engine {
    pub(super) fn new(state: State, limits: Limits) -> Self {
        Self { state, limits, pending: Vec::new() }
    }

    /// Carries out some work at a time. Gives its result, and the commit if anything changed.
    pub(super) fn apply(&mut self, work: Work, at: u64) -> (Done, Option<Committed>) {
        // Time never goes back, whatever the clock does: what was over stays over.
        let at = at.max(self.state.at);
        match work {
            Work::One(command) => {
                let outcome = self.command(command, at);
                (Done::One(outcome), self.seal(at))
            }
            Work::Commit(commit) => {
                let (outcome, committed) = self.commit(commit, at);
                (Done::Commit(outcome), committed)
            }
        }
    }

    /// Takes keys away whose time is over, at most `limit`.
    pub(super) fn sweep(&mut self, now_ms: u64, limit: usize) -> Option<Committed> {
        let at = now_ms.max(self.state.at);
        let keys: Vec<Key> = self.state.overdue(at).take(limit).collect();
        for key in keys {
            self.change(Change::Delete { key, expired: true });
        }
        self.seal(at)
    }

    /// A commit of what is pending.
    fn seal(&mut self, at: u64) -> Option<Committed> {
        if self.pending.is_empty() {
            return None;
        }
        let revision = self.next();
        self.state.finish(revision, at);
        let changes: Arc<[Change]> = self.pending.drain(..).collect();
        Some(Committed { revision, at, changes })
    }

    fn next(&self) -> u64 {
        self.state.revision + 1
    }

    fn commit(&mut self, commit: Commit, at: u64) -> (CommitOutcome, Option<Committed>) {
        let commands = commit.commands.len();
        if commands > COMMIT_COMMANDS_MAX {
            let refusal = Refusal::CommitLength { commands, limit: COMMIT_COMMANDS_MAX };
            return (CommitOutcome::Refused { command: 0, refusal }, None);
        }
        let failed = commit.checks.iter().position(|check| !self.holds(&check.key, check.condition, at));
        if let Some(check) = failed {
            let version = self.version(&commit.checks[check].key, at);
            return (CommitOutcome::Conflict { check, version }, None);
        }
        // The state before, in case a command is refused. It costs a pointer.
        let before = self.state.clone();
        let mut outcomes = Vec::with_capacity(commands);
        for (index, command) in commit.commands.into_iter().enumerate() {
            match self.command(command, at) {
                Err(refusal) if !commit.keep_going => {
                    self.pending.clear();
                    self.state = before;
                    return (CommitOutcome::Refused { command: index, refusal }, None);
                }
                outcome => outcomes.push(outcome),
            }
        }
        let committed = self.seal(at);
        (CommitOutcome::Done { revision: self.state.revision, outcomes }, committed)
    }

    fn version(&self, key: &[u8], at: u64) -> u64 {
        self.state.get(key, at).map_or(0, |entry| entry.version)
    }

    fn holds(&self, key: &[u8], condition: Condition, at: u64) -> bool {
        let version = match condition {
            Condition::Always => return true,
            _ => self.version(key, at),
        };
        match condition {
            Condition::Always => true,
            Condition::IfAbsent => version == 0,
            Condition::IfPresent => version != 0,
            Condition::IfVersion(wanted) => version == wanted,
        }
    }

    fn command(&mut self, command: Command, at: u64) -> Result<Outcome, Refusal> {
        self.limits.check(&self.state, &command)?;
        match command {
            Command::Set { key, value, condition, expiry } => Ok(self.set(key, value, condition, expiry, at)),
            Command::Delete { key, condition } => Ok(self.delete(key, condition, at)),
            Command::Expire { key, at: ends } => Ok(self.expire(key, ends, at)),
            Command::Increment { key, by, json } => self.increment(key, by, json, at),
            Command::Append { key, tail } => Ok(self.append(key, tail, at)),
            Command::Clear => {
                let before = View::new(self.state.clone(), at).len();
                if !self.state.entries().is_empty() {
                    self.change(Change::Clear);
                }
                Ok(Outcome::Number(before as i64))
            }
            Command::Emit { channel, data } => {
                self.change(Change::Emit { channel, data });
                Ok(Outcome::Written { done: true, version: 0, previous: None })
            }
            Command::Read(reader) => Ok(Outcome::Read(reader.read(&View::new(self.state.clone(), at)))),
        }
    }

    fn change(&mut self, change: Change) {
        self.state.change(&change, self.state.revision + 1);
        self.pending.push(change);
    }

    fn entry(&self, key: &[u8], at: u64) -> Option<Entry> {
        self.state.get(key, at).cloned()
    }

    fn set(&mut self, key: Key, value: Value, condition: Condition, expiry: Expiry, at: u64) -> Outcome {
        let previous = self.entry(&key, at);
        if !self.holds(&key, condition, at) {
            let version = previous.as_ref().map_or(0, |entry| entry.version);
            return Outcome::Written { done: false, version, previous };
        }
        let expires_at = match expiry {
            Expiry::Never => 0,
            Expiry::Keep => previous.as_ref().map_or(0, |entry| entry.expires_at),
            // It would be over at once.
            Expiry::At(ends) if ends <= at => return self.delete(key, Condition::Always, at),
            Expiry::At(ends) => ends,
        };
        self.change(Change::Put { key, value, expires_at });
        Outcome::Written { done: true, version: self.next(), previous }
    }

    fn delete(&mut self, key: Key, condition: Condition, at: u64) -> Outcome {
        let previous = self.entry(&key, at);
        let holds = self.holds(&key, condition, at);
        let version = previous.as_ref().filter(|_| !holds).map_or(0, |entry| entry.version);
        let done = holds && previous.is_some();
        if done {
            self.change(Change::Delete { key, expired: false });
        }
        Outcome::Written { done, version, previous }
    }

    fn expire(&mut self, key: Key, ends: Option<u64>, at: u64) -> Outcome {
        let Some(previous) = self.entry(&key, at) else {
            return Outcome::Written { done: false, version: 0, previous: None };
        };
        let expires_at = match ends {
            Some(ends) if ends <= at => return self.delete(key, Condition::Always, at),
            ends => ends.unwrap_or(0),
        };
        let mut version = previous.version;
        if expires_at != previous.expires_at {
            self.change(Change::Expire { key, expires_at });
            version = self.next();
        }
        Outcome::Written { done: true, version, previous: Some(previous) }
    }

    fn increment(&mut self, key: Key, by: i64, json: bool, at: u64) -> Result<Outcome, Refusal> {
        let entry = self.entry(&key, at);
        let number = entry.as_ref().map_or(Ok(0), |entry| whole_number(entry.value.as_bytes()))?;
        let sum = number.checked_add(by).ok_or(Refusal::Overflow)?;
        let text = sum.to_string().into_bytes();
        let value = match &entry {
            Some(entry) => entry.value.same_kind(text),
            None if json => Value::json(text),
            None => Value::bytes(text),
        };
        let expires_at = entry.map_or(0, |entry| entry.expires_at);
        self.change(Change::Put { key, value, expires_at });
        Ok(Outcome::Number(sum))
    }

    fn append(&mut self, key: Key, tail: Vec<u8>, at: u64) -> Outcome {
        let entry = self.entry(&key, at);
        let (value, expires_at) = match entry {
            // Text at the end of JSON makes something else of it.
            Some(entry) => (Value::bytes([entry.value.as_bytes(), &tail].concat()), entry.expires_at),
            None => (Value::bytes(tail), 0),
        };
        let length = value.len() as i64;
        self.change(Change::Put { key, value, expires_at });
        Outcome::Number(length)
    }
}

/// A number as it would be printed: no sign before a positive one, no leading zeros, no space.
fn whole_number(text: &[u8]) -> Result<i64, Refusal> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    number.filter(|number| number.to_string().as_bytes() == text).ok_or(Refusal::NotANumber)
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
