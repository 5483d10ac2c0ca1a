//! What a commit did. The log, watches and, later, other nodes get exactly this: effects, not wishes, so
//! that replaying them needs no clock and no luck.

use std::sync::Arc;

use super::value::{Key, Value};

/// One effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// The key has this value now.
    Put {
        /// The key.
        key: Key,
        /// Its value.
        value: Value,
        /// When it ends, in milliseconds since the Unix epoch; 0 is never.
        expires_at: u64,
    },
    /// The key is gone.
    Delete {
        /// The key.
        key: Key,
        /// Whether its time was over; otherwise somebody asked.
        expired: bool,
    },
    /// The key ends at another time now.
    Expire {
        /// The key.
        key: Key,
        /// When it ends, in milliseconds since the Unix epoch; 0 is never.
        expires_at: u64,
    },
    /// All keys are gone but those of the families that are kept.
    Clear {
        /// What the keys that stay begin with; none is all keys.
        keep: Arc<[Key]>,
    },
    /// Nothing is stored; whoever watches the channel hears it, in order with everything else.
    Emit {
        /// The channel, in the name space of keys.
        channel: Key,
        /// What is heard.
        data: Value,
    },
}

impl Change {
    /// The key or the channel that it is about; `None` is all of them.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Put { key, .. } | Self::Delete { key, .. } | Self::Expire { key, .. } => Some(key),
            Self::Emit { channel, .. } => Some(channel),
            Self::Clear { .. } => None,
        }
    }

    /// Whether it may change a key or a channel that begins with `prefix`.
    pub(super) fn concerns(&self, prefix: &[u8]) -> bool {
        match self {
            Self::Clear { keep } => !keep.iter().any(|kept| prefix.starts_with(kept)),
            _ => self.key().is_some_and(|key| key.starts_with(prefix)),
        }
    }

    /// Roughly the memory that it holds.
    pub(super) fn bytes(&self) -> usize {
        let value = match self {
            Self::Put { value, .. } | Self::Emit { data: value, .. } => value.len(),
            _ => 0,
        };
        size_of::<Self>() + self.key().map_or(0, |key| key.len()) + value
    }
}

/// A commit: changes that happened at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Committed {
    /// The number of the commit; each is one more than the one before.
    pub revision: u64,
    /// When, in milliseconds since the Unix epoch. Never less than the one before.
    pub at: u64,
    /// What changed, in order.
    pub changes: Changed,
}

/// The changes of a commit. Most commits have one; it needs no memory of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Changed {
    /// A single change.
    One(Change),
    /// Any other number.
    Many(Arc<[Change]>),
}

impl std::ops::Deref for Changed {
    type Target = [Change];

    fn deref(&self) -> &[Change] {
        match self {
            Self::One(change) => std::slice::from_ref(change),
            Self::Many(changes) => changes,
        }
    }
}

impl From<Vec<Change>> for Changed {
    fn from(mut changes: Vec<Change>) -> Self {
        match (changes.len(), changes.pop()) {
            (1, Some(change)) => Self::One(change),
            (_, last) => {
                changes.extend(last);
                Self::Many(changes.into())
            }
        }
    }
}

impl Committed {
    /// Roughly the memory that it holds.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.changes.iter().map(Change::bytes).sum::<usize>()
    }
}
