//! Turns wishes into changes. Pure and deterministic: the same state, command and time give the same
//! changes on every machine and in every test.

use super::change::{Change, Changed, Committed};
use super::command::{Check, Command, Commit, Condition, Expiry, Work};
use super::found::{Found, whole_number};
use super::limits::Limits;
use super::outcome::{CommitOutcome, Done, Outcome, Refusal};
use super::state::{State, View};
use super::undo::Undo;
use super::value::{Entry, Key, Value};

/// Commands that one commit may have.
pub(super) const COMMIT_COMMANDS_MAX: usize = 100_000;

/// The last moment at which a key may end, in milliseconds since the Unix epoch: some 140 million years.
const EXPIRY_MAX: u64 = i64::MAX as u64 / 2;

/// A state that is about to be the next version, and the commits that lead there.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) state: State,
    limits: Limits,
    /// Changes of the commit that is being made.
    pending: Vec<Change>,
    /// Roughly their bytes.
    pending_bytes: usize,
    /// What was there before them, if the commit may still be refused.
    undo: Option<Undo>,
}

impl Engine {
    pub(super) fn new(state: State, limits: Limits) -> Self {
        Self { state, limits, pending: Vec::new(), pending_bytes: 0, undo: None }
    }

    /// Carries out some work at a time. Gives its result, and the commit if anything changed.
    pub(super) fn apply(&mut self, work: Work, at: u64) -> (Done, Option<Committed>) {
        // Time goes back only by a commit of its own (`set_back`): what was over stays over.
        let at = at.max(self.state.at);
        match work {
            // It may do several things, all or none.
            Work::One(command @ Command::Decide(_)) => {
                let (outcome, committed) =
                    self.commit(Commit { commands: vec![command], ..Commit::default() }, at);
                (Done::One(outcome.single()), committed)
            }
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

    /// A commit of nothing at an earlier time than the one before: from it on, time follows a clock that was put back.
    pub(super) fn set_back(&mut self, now_ms: u64) -> Committed {
        let revision = self.next();
        self.state.finish(revision, now_ms);
        Committed { revision, at: now_ms, changes: Vec::new().into() }
    }

    /// A commit of what is pending.
    fn seal(&mut self, at: u64) -> Option<Committed> {
        self.pending_bytes = 0;
        if self.pending.is_empty() {
            return None;
        }
        let revision = self.next();
        self.state.finish(revision, at);
        let changes = match self.pending.len() {
            1 => self.pending.pop().map(Changed::One)?,
            _ => Changed::Many(self.pending.drain(..).collect()),
        };
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
        let holds = |check: &Check| check.condition.holds(self.version(&check.key, at));
        let failed = commit.checks.iter().position(|check| !holds(check));
        if let Some(check) = failed {
            let version = self.version(&commit.checks[check].key, at);
            return (CommitOutcome::Conflict { check, version }, None);
        }
        self.undo = Some(Undo::default());
        let mut outcomes = Vec::with_capacity(commands);
        for (index, command) in commit.commands.into_iter().enumerate() {
            let outcome = self.command(command, at);
            let refusal = match (outcome, self.limits.check_commit(self.pending_bytes)) {
                (_, Err(refusal)) => refusal,
                (Err(refusal), Ok(())) if !commit.keep_going || refusal.undoes_all() => refusal,
                (outcome, Ok(())) => {
                    outcomes.push(outcome);
                    continue;
                }
            };
            self.take_back();
            return (CommitOutcome::Refused { command: index, refusal }, None);
        }
        self.undo = None;
        let committed = self.seal(at);
        (CommitOutcome::Done { revision: self.state.revision, outcomes }, committed)
    }

    fn take_back(&mut self) {
        if let Some(undo) = self.undo.take() {
            undo.take_back(&mut self.state);
        }
        self.pending.clear();
        self.pending_bytes = 0;
    }

    fn version(&self, key: &[u8], at: u64) -> u64 {
        self.state.get(key, at).map_or(0, |entry| entry.version)
    }

    fn command(&mut self, command: Command, at: u64) -> Result<Outcome, Refusal> {
        // One look under the key is all that any command needs.
        let there = command.key().and_then(|key| self.state.raw(key)).cloned();
        self.limits.check(&self.state, &command, there.as_ref())?;
        let found = Found { alive: there.as_ref().is_some_and(|entry| !entry.expired(at)), there };
        match command {
            Command::Set { key, value, condition, expiry } => {
                Ok(self.set(key, value, condition, expiry, found, at))
            }
            Command::Delete { key, condition } => Ok(self.delete(key, condition, found)),
            Command::Expire { key, at: ends } => Ok(self.expire(key, ends, found, at)),
            Command::Increment { key, by, json } => self.increment(key, by, json, found),
            Command::Append { key, tail } => Ok(self.append(key, tail, found)),
            Command::Record { counter, prefix, value, keep, expiry } => {
                self.record(counter, &prefix, value, keep, expiry, found, at)
            }
            Command::Clear { keep } => {
                let before = View::new(self.state.clone(), at).len();
                if self.state.clears(&keep) {
                    self.change(Change::Clear { keep });
                }
                let after = View::new(self.state.clone(), at).len();
                Ok(Outcome::Number((before - after) as i64))
            }
            Command::Emit { channel, data } => {
                self.change(Change::Emit { channel, data });
                Ok(Outcome::Written { done: true, version: 0, previous: None })
            }
            Command::Read(reader) => Ok(Outcome::Read(reader.read(&View::new(self.state.clone(), at)))),
            Command::Decide(decision) => {
                let commands = decision.decide(&View::new(self.state.clone(), at))?;
                let count = commands.len() as i64;
                for command in commands {
                    self.command(command, at)?;
                }
                Ok(Outcome::Number(count))
            }
        }
    }

    pub(super) fn change(&mut self, change: Change) {
        let version = self.next();
        if let Some(undo) = &mut self.undo {
            undo.note(&change, &self.state);
        }
        self.state.change(&change, version);
        self.push(change);
    }

    /// Puts a value over what was found.
    fn put(&mut self, key: Key, value: Value, expires_at: u64, found: &Found) {
        let entry = Entry { value: value.clone(), version: self.next(), expires_at };
        if let Some(undo) = &mut self.undo {
            undo.note_key(&key, found.there.clone());
        }
        self.state.put_over(&key, entry, found.there.as_ref());
        self.push(Change::Put { key, value, expires_at });
    }

    fn push(&mut self, change: Change) {
        self.pending_bytes += change.bytes();
        self.pending.push(change);
    }

    pub(super) fn set(
        &mut self,
        key: Key,
        value: Value,
        condition: Condition,
        expiry: Expiry,
        found: Found,
        at: u64,
    ) -> Outcome {
        if !condition.holds(found.version()) {
            return Outcome::Written { done: false, version: found.version(), previous: found.entry() };
        }
        let expires_at = match expiry {
            Expiry::Never => 0,
            Expiry::Keep => found.expires_at(),
            Expiry::At(ends) if ends <= at => {
                // It was set, and was over at once.
                if found.alive {
                    self.change(Change::Delete { key, expired: true });
                }
                return Outcome::Written { done: true, version: 0, previous: found.entry() };
            }
            Expiry::At(ends) => ends.min(EXPIRY_MAX),
        };
        self.put(key, value, expires_at, &found);
        Outcome::Written { done: true, version: self.next(), previous: found.entry() }
    }

    fn delete(&mut self, key: Key, condition: Condition, found: Found) -> Outcome {
        let holds = condition.holds(found.version());
        let done = holds && found.alive;
        let version = if holds { 0 } else { found.version() };
        if let (true, Some(there)) = (done, &found.there) {
            if let Some(undo) = &mut self.undo {
                undo.note_key(&key, Some(there.clone()));
            }
            self.state.take_out(&key, there);
            self.push(Change::Delete { key, expired: false });
        }
        Outcome::Written { done, version, previous: found.entry() }
    }

    fn expire(&mut self, key: Key, ends: Option<u64>, found: Found, at: u64) -> Outcome {
        if !found.alive {
            return Outcome::Written { done: false, version: 0, previous: None };
        }
        let expires_at = match ends {
            Some(ends) if ends <= at => return self.delete(key, Condition::Always, found),
            ends => ends.map_or(0, |ends| ends.min(EXPIRY_MAX)),
        };
        let mut version = found.version();
        if expires_at != found.expires_at() {
            version = self.next();
            self.change(Change::Expire { key, expires_at });
        }
        Outcome::Written { done: true, version, previous: found.entry() }
    }

    pub(super) fn increment(
        &mut self,
        key: Key,
        by: i64,
        json: bool,
        found: Found,
    ) -> Result<Outcome, Refusal> {
        let number = found.alive().map_or(Ok(0), |entry| whole_number(entry.value.as_bytes()))?;
        let sum = number.checked_add(by).ok_or(Refusal::Overflow)?;
        let text = sum.to_string().into_bytes();
        let value = match found.alive() {
            Some(entry) => entry.value.same_kind(text),
            None if json => Value::json(text),
            None => Value::bytes(text),
        };
        self.put(key, value, found.expires_at(), &found);
        Ok(Outcome::Number(sum))
    }

    fn append(&mut self, key: Key, tail: Vec<u8>, found: Found) -> Outcome {
        let value = match found.alive() {
            // Text at the end of JSON makes something else of it.
            Some(entry) => Value::bytes([entry.value.as_bytes(), &tail].concat()),
            None => Value::bytes(tail),
        };
        let length = value.len() as i64;
        self.put(key, value, found.expires_at(), &found);
        Outcome::Number(length)
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
