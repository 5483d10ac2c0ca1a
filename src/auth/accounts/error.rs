//! Why something about accounts is not done.

use thiserror::Error;

use super::hasher::HashError;
use crate::auth::TokenRefusal;
use crate::auth::error::RingError;
use crate::store::StoreError;

/// Why something about accounts is not done.
#[derive(Debug, Error)]
pub enum AccountError {
    /// Something is not as it has to be: which member, and why. Never quotes a secret.
    #[error("{0}: {1}")]
    Invalid(&'static str, String),
    /// The name is taken, be it in other letters.
    #[error("the name is taken")]
    NameTaken,
    /// The name or the password is wrong. Which is not told.
    #[error("the name or the password is wrong")]
    WrongCredentials,
    /// Too many tries were in vain.
    #[error("there were too many failed logins; try again later")]
    Throttled {
        /// Milliseconds until one more is allowed.
        retry_after_ms: u64,
        /// How many are allowed at a time.
        limit: u64,
    },
    /// Not everybody may register here.
    #[error("registration is closed")]
    RegistrationClosed,
    /// The refresh token or the key is not good.
    #[error("the credentials are not good: {}", .0.as_str())]
    Refused(Unauthenticated),
    /// There is no such user, role or key.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// It cannot be done as things are.
    #[error("{0}")]
    Conflict(&'static str),
    /// The caller may have no more.
    #[error("there may be at most {limit} {what}")]
    TooMany {
        /// What of.
        what: &'static str,
        /// How many.
        limit: usize,
    },
    /// Too many passwords wait to be hashed.
    #[error("too many logins wait; try again in a moment")]
    Busy,
    /// The disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// The store does not take it.
    #[error("the store does not take it")]
    Store(#[source] StoreError),
    /// A limit of the store is met.
    #[error("the store does not take it: {0}")]
    Limit(String),
    /// What lies in the store is not readable.
    #[error("what lies under {0} is not readable")]
    Damaged(String),
    /// No token can be signed, or nothing hashed.
    #[error("no token can be made, or no password hashed")]
    Internal,
}

/// Why a caller is not who it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unauthenticated {
    /// A token that is none, or not any more.
    Token(TokenRefusal),
    /// It was declared void: by logging out, by a change of the password, by an administrator.
    Revoked,
    /// A refresh token that was used before. Its login is void now.
    Reused,
    /// An API key that is none, or not any more.
    Key,
    /// What the header has is no credential: `Bearer <token>` is.
    Header,
}

impl Unauthenticated {
    /// The word for it on the wire and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token(refusal) => refusal.reason(),
            Self::Revoked => "revoked",
            Self::Reused => "reused",
            Self::Key => "invalid_key",
            Self::Header => "invalid_header",
        }
    }
}

impl From<Unauthenticated> for AccountError {
    fn from(refusal: Unauthenticated) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for AccountError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DiskFull(_) => Self::DiskFull,
            other => Self::Store(other),
        }
    }
}

impl From<HashError> for AccountError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Busy,
            HashError::Failed => Self::Internal,
        }
    }
}

/// Why accounts cannot be opened.
#[derive(Debug, Error)]
pub enum OpenAccountsError {
    /// The threads that hash passwords do not start.
    #[error("the threads that hash passwords cannot be started")]
    Threads(#[source] std::io::Error),
    /// The roles that every server has cannot be written.
    #[error("the roles of accounts cannot be written")]
    Roles(#[source] AccountError),
    /// The keys of tokens cannot be had.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The first administrator cannot be made.
    #[error("the administrator of HELIOS_ADMIN_USER cannot be made")]
    Admin(#[source] AccountError),
}
