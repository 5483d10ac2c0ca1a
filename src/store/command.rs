//! What can be asked of the store.

use std::fmt;
use std::sync::Arc;

use super::outcome::Refusal;
use super::state::View;
use super::value::{Key, Value};

/// One wish. Times are absolute, so that carrying it out needs no clock.
#[derive(Debug)]
pub enum Command {
    /// Sets a value. Gives [`super::Outcome::Written`].
    Set {
        /// The key.
        key: Key,
        /// Its value.
        value: Value,
        /// When to do it at all.
        condition: Condition,
        /// When the key ends.
        expiry: Expiry,
    },
    /// Takes a key away. Gives [`super::Outcome::Written`].
    Delete {
        /// The key.
        key: Key,
        /// When to do it at all.
        condition: Condition,
    },
    /// Changes when a key ends. Gives [`super::Outcome::Written`], done if the key was there.
    Expire {
        /// The key.
        key: Key,
        /// When it ends, in milliseconds since the Unix epoch; `None` is never.
        at: Option<u64>,
    },
    /// Adds to a whole number; a missing key counts as 0. Gives [`super::Outcome::Number`].
    Increment {
        /// The key.
        key: Key,
        /// What to add.
        by: i64,
        /// Whether a new number is JSON; otherwise it is text.
        json: bool,
    },
    /// Adds bytes at the end; a missing key counts as empty. Gives [`super::Outcome::Number`], the new length.
    Append {
        /// The key.
        key: Key,
        /// What to add.
        tail: Vec<u8>,
    },
    /// Adds an entry to a numbered log: the number after the counter's, which it becomes. The entry lies under the
    /// prefix and the number in 20 digits; entries beyond the last `keep` go. Gives [`super::Outcome::Number`].
    Record {
        /// The key that counts.
        counter: Key,
        /// What the keys of entries begin with.
        prefix: Key,
        /// The entry.
        value: Value,
        /// How many entries stay.
        keep: u64,
        /// When the entry ends.
        expiry: Expiry,
    },
    /// Deletes all keys but those of the families that are kept. Gives [`super::Outcome::Number`], how many were
    /// deleted.
    Clear {
        /// What the keys that stay begin with; none deletes everything.
        keep: Arc<[Key]>,
    },
    /// Tells whoever watches the channel. Gives [`super::Outcome::Written`].
    Emit {
        /// The channel.
        channel: Key,
        /// What they are told.
        data: Value,
    },
    /// Looks at the state between the commands before and after. Gives [`super::Outcome::Read`].
    Read(Reader),
    /// Looks at it and says what to do, or that nothing of the commit is to happen. Gives
    /// [`super::Outcome::Number`], how many commands that was.
    Decide(Decision),
}

/// When a command is to be carried out at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Condition {
    /// Always.
    #[default]
    Always,
    /// If there is no such key.
    IfAbsent,
    /// If there is such a key.
    IfPresent,
    /// If the key has this version; 0 means that there is none.
    IfVersion(u64),
}

/// When a key that is set ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Expiry {
    /// Never.
    #[default]
    Never,
    /// As it was.
    Keep,
    /// At this time, in milliseconds since the Unix epoch.
    At(u64),
}

/// Something that must hold for a commit to happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// The key.
    pub key: Key,
    /// What must hold for it.
    pub condition: Condition,
}

/// Several commands that happen at once, or not at all.
#[derive(Debug, Default)]
pub struct Commit {
    /// What must hold; otherwise nothing happens.
    pub checks: Vec<Check>,
    /// What to do, in order. Each sees what those before have done.
    pub commands: Vec<Command>,
    /// Whether a command that does not fit its value leaves the others in force, as Redis has it. Otherwise it
    /// undoes them, as one that meets a limit always does.
    pub keep_going: bool,
}

/// One command or several at once.
#[derive(Debug)]
pub enum Work {
    /// A commit of one command.
    One(Command),
    /// A commit of several.
    Commit(Commit),
}

/// Looks at a version of the store and writes down what it has seen.
pub struct Reader(Box<ReadFn>);

type ReadFn = dyn FnOnce(&View) -> Vec<u8> + Send;

impl Reader {
    /// A reader that calls `read`. It runs on the writer's thread: it must be short.
    pub fn new(read: impl FnOnce(&View) -> Vec<u8> + Send + 'static) -> Self {
        Self(Box::new(read))
    }

    /// What it has seen; nothing if it panics, which must not take the store along.
    pub(super) fn read(self, view: &View) -> Vec<u8> {
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (self.0)(view)));
        read.unwrap_or_else(|_| {
            tracing::error!("a reader of the store panicked");
            Vec::new()
        })
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

/// Looks at a version of the store and says which commands are to follow from it. So what is read and what is written
/// belong together, whoever writes at the same time; the log has what came of it, not the question.
pub struct Decision(Box<DecideFn>);

type DecideFn = dyn FnOnce(&View) -> Option<Vec<Command>> + Send;

impl Decision {
    /// A decision by `decide`: the commands, or `None` if nothing of the commit is to happen
    /// ([`Refusal::Declined`]). It runs on the writer's thread, so it must be short.
    pub fn new(decide: impl FnOnce(&View) -> Option<Vec<Command>> + Send + 'static) -> Self {
        Self(Box::new(decide))
    }

    /// What is to be done. One that panics declines: it must not take the store along.
    pub(super) fn decide(self, view: &View) -> Result<Vec<Command>, Refusal> {
        let decided = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (self.0)(view)));
        let decided = decided.unwrap_or_else(|_| {
            tracing::error!("a decision of the store panicked");
            None
        });
        decided.ok_or(Refusal::Declined)
    }
}

impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decision")
    }
}

/// Bytes of values that count as one more command in the queue.
const WEIGHT_BYTES: usize = 16 * 1024;

impl Condition {
    /// Whether it holds for a key of this version; 0 means that there is none.
    pub(super) fn holds(self, version: u64) -> bool {
        match self {
            Self::Always => true,
            Self::IfAbsent => version == 0,
            Self::IfPresent => version != 0,
            Self::IfVersion(wanted) => version == wanted,
        }
    }
}

impl Command {
    /// The key that it is about.
    pub(super) fn key(&self) -> Option<&Key> {
        match self {
            Self::Set { key, .. }
            | Self::Delete { key, .. }
            | Self::Expire { key, .. }
            | Self::Increment { key, .. }
            | Self::Append { key, .. }
            | Self::Record { counter: key, .. } => Some(key),
            Self::Clear { .. } | Self::Emit { .. } | Self::Read(_) | Self::Decide(_) => None,
        }
    }

    /// Sets a value, whatever was there, for ever.
    pub fn set(key: impl Into<Key>, value: Value) -> Self {
        let (condition, expiry) = (Condition::Always, Expiry::Never);
        Self::Set { key: key.into(), value, condition, expiry }
    }

    /// Takes a key away, if it is there.
    pub fn delete(key: impl Into<Key>) -> Self {
        Self::Delete { key: key.into(), condition: Condition::Always }
    }

    /// Whether it only looks.
    pub(super) fn is_read(&self) -> bool {
        matches!(self, Self::Read(_))
    }
}

impl Work {
    /// How much room it takes in the queue: once, and once more for every 16 KiB of values.
    pub fn weight(&self) -> usize {
        let bytes = |command: &Command| match command {
            Command::Set { value, .. } | Command::Emit { data: value, .. } => value.len(),
            Command::Append { tail, .. } => tail.len(),
            Command::Record { value, .. } => value.len(),
            _ => 0,
        };
        match self {
            Self::One(command) => 1 + bytes(command) / WEIGHT_BYTES,
            Self::Commit(commit) => {
                commit.commands.len() + commit.commands.iter().map(bytes).sum::<usize>() / WEIGHT_BYTES
            }
        }
    }

    /// Whether it only looks.
    pub(super) fn is_read(&self) -> bool {
        match self {
            Self::One(command) => command.is_read(),
            Self::Commit(commit) => commit.commands.iter().all(Command::is_read),
        }
    }
}
