//! What commands give, or why they cannot be carried out.

use super::error::StoreError;
use super::value::Entry;

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

impl CommitOutcome {
    /// Of a commit of one command, what that has given. Nothing was checked.
    pub(super) fn single(self) -> Result<Outcome, Refusal> {
        match self {
            Self::Done { mut outcomes, .. } => outcomes.pop().unwrap_or(Ok(Outcome::Number(0))),
            Self::Refused { refusal, .. } => Err(refusal),
            Self::Conflict { .. } => Err(Refusal::Declined),
        }
    }
}

/// What some work has given.
#[derive(Debug)]
pub enum Done {
    /// Of one command.
    One(Result<Outcome, Refusal>),
    /// Of several at once.
    Commit(CommitOutcome),
    /// Of a write while none are taken. Reads beside it were carried out.
    Failed(StoreError),
}

impl Refusal {
    /// Whether all of the commit is undone, whatever it wishes: a limit was met, or it was decided against. Otherwise the
    /// value does not fit the command.
    pub(super) fn undoes_all(&self) -> bool {
        !matches!(self, Self::NotANumber | Self::Overflow)
    }
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
    /// The commit changes too much.
    #[error("a commit may change at most {limit} bytes")]
    CommitBytes {
        /// How much it may change.
        limit: usize,
    },
    /// The value is no whole number.
    #[error("the value is not a whole number between -2^63 and 2^63-1")]
    NotANumber,
    /// Whoever decides was against it.
    #[error("it was decided against")]
    Declined,
    /// The sum is too large.
    #[error("the sum is not between -2^63 and 2^63-1")]
    Overflow,
}
