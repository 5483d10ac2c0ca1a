//! What can be asked of the store.

use std::fmt;

use super::state::View;
use super::value::{Entry, Key, Value};

/// One wish. Times are absolute, so that carrying it out needs no clock.
#[derive(Debug)]
pub enum Command {
    /// Sets a value. Gives [`Outcome::Written`].
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
    /// Takes a key away. Gives [`Outcome::Written`].
    Delete {
        /// The key.
        key: Key,
        /// When to do it at all.
        condition: Condition,
    },
    /// Changes when a key ends. Gives [`Outcome::Written`], done if the key was there.
    Expire {
        /// The key.
        key: Key,
        /// When it ends, in milliseconds since the Unix epoch; `None` is never.
        at: Option<u64>,
    },
    /// Adds to a whole number; a missing key counts as 0. Gives [`Outcome::Number`].
    Increment {
        /// The key.
        key: Key,
        /// What to add.
        by: i64,
        /// Whether a new number is JSON; otherwise it is text.
        json: bool,
    },
    /// Adds bytes at the end; a missing key counts as empty. Gives [`Outcome::Number`], the new length.
    Append {
        /// The key.
        key: Key,
        /// What to add.
        tail: Vec<u8>,
    },
    /// Takes all keys away. Gives [`Outcome::Number`], how many there were.
    Clear,
    /// Tells whoever watches the channel. Gives [`Outcome::Written`].
    Emit {
        /// The channel.
        channel: Key,
        /// What they are told.
        data: Value,
    },
    /// Looks at the state between the commands before and after. Gives [`Outcome::Read`].
    Read(Reader),
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
    /// Whether a refused command leaves the others in force, as Redis has it. Otherwise it undoes them.
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

/// What a command has given.
#[derive(Debug)]
pub enum Outcome {
    /// A key was written, or its condition did not hold.
    Written {
        /// Whether it was done.
        done: bool,
        /// The version that the key has now; 0 if there is no such key.
        version: u64,
        /// What was there before.
        previous: Option<Entry>,
    },
    /// A number or a length.
    Number(i64),
    /// What a reader has written.
    Read(Vec<u8>),
}

/// What a commit of several commands has given.
#[derive(Debug)]
pub enum CommitOutcome {
    /// It happened.
    Done {
        /// Its revision; that of the last commit if nothing changed.
        revision: u64,
        /// What each command has given.
        outcomes: Vec<Result<Outcome, Refusal>>,
    },
    /// A check did not hold; nothing happened.
    Conflict {
        /// Which one, counted from 0.
        check: usize,
        /// The version that its key has; 0 if there is no such key.
        version: u64,
    },
    /// A command was refused; nothing happened.
    Refused {
        /// Which one, counted from 0.
        command: usize,
        /// Why.
        refusal: Refusal,
    },
}

/// What some work has given.
#[derive(Debug)]
pub enum Done {
    /// Of one command.
    One(Result<Outcome, Refusal>),
    /// Of several at once.
    Commit(CommitOutcome),
}

/// Why a command cannot be carried out, whoever asks.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The key is too long.
    #[error("a key has at most {limit} bytes, not {bytes}")]
    KeyLength {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The value is too long.
    #[error("a value has at most {limit} bytes, not {bytes}")]
    ValueLength {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// All values together would be too much.
    #[error("the store may hold {limit} bytes of keys and values")]
    Quota {
        /// How much it may hold.
        limit: usize,
    },
    /// The commit is too long.
    #[error("a commit has at most {limit} commands, not {commands}")]
    CommitLength {
        /// How many there are.
        commands: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The value is no whole number.
    #[error("the value is not a whole number between -2^63 and 2^63-1")]
    NotANumber,
    /// The sum is too large.
    #[error("the sum is not between -2^63 and 2^63-1")]
    Overflow,
}

/// Looks at a version of the store and writes down what it has seen.
pub struct Reader(Box<ReadFn>);

type ReadFn = dyn FnOnce(&View) -> Vec<u8> + Send;

impl Reader {
    /// A reader that calls `read`. It runs on the writer's thread: it must be short.
    pub fn new(read: impl FnOnce(&View) -> Vec<u8> + Send + 'static) -> Self {
        Self(Box::new(read))
    }

    pub(super) fn read(self, view: &View) -> Vec<u8> {
        (self.0)(view)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

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
            | Self::Append { key, .. } => Some(key),
            Self::Clear | Self::Emit { .. } | Self::Read(_) => None,
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
    /// Whether it only looks.
    pub(super) fn is_read(&self) -> bool {
        match self {
            Self::One(command) => command.is_read(),
            Self::Commit(commit) => commit.commands.iter().all(Command::is_read),
        }
    }
}
