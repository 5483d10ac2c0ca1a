//! Why a token is not made or not taken.

use thiserror::Error;

use crate::store::StoreError;

/// Why a token is not taken. Whoever shows it is told [`TokenRefusal::reason`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum TokenRefusal {
    /// It is no token, or somebody changed it, or it is signed by another algorithm.
    #[error("the token is malformed or its signature is wrong")]
    Invalid,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// The key that signed it is not in the ring, or not any more.
    #[error("the key of the token is not known")]
    UnknownKey,
}

impl TokenRefusal {
    /// The word for it on the wire and in metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::UnknownKey => "unknown_key",
        }
    }
}

/// Why a token cannot be made.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum IssueError {
    /// What is to go into it is too long.
    #[error("the token would have {bytes} bytes, more than the {limit} of tokens.bytes_max")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// A claim of the application has a name that the token itself uses.
    #[error("\"{0}\" is a claim of the token itself")]
    Reserved(String),
    /// There is no key, or the system gives no randomness.
    #[error("the token cannot be signed")]
    Unsigned,
}

/// Why the keys cannot be read or changed.
#[derive(Debug, Error)]
pub enum RingError {
    /// What lies in the store is no ring of keys.
    #[error("the keys of tokens in the store are damaged")]
    Damaged(#[source] serde_json::Error),
    /// The store does not take it.
    #[error("the keys of tokens cannot be written")]
    Store(#[from] StoreError),
    /// The store refuses it, or others change the keys all the time.
    #[error("the keys of tokens cannot be written: {0}")]
    Refused(String),
    /// The system gives no randomness.
    #[error("the system gives no random bytes for a key")]
    Random,
}
