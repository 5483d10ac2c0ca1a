//! Why a session is not taken up again, or not without a gap.

use crate::auth::TokenRefusal;

/// The reason that a peer is told in `hello`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The token is not good.
    Token(TokenRefusal),
    /// The session is over.
    Ended,
    /// The session was revoked, and its tokens with it.
    Revoked,
    /// The session was taken up with a newer token.
    Superseded,
    /// The session belongs to somebody else than who asks.
    Principal,
    /// The session has another subprotocol.
    Subprotocol,
    /// Another client has the session, and is there.
    InUse,
    /// The session goes on, but some messages for the peer are gone.
    MessagesLost,
    /// The session is over and its states could not be restored in a new one.
    State,
}

impl Refusal {
    /// The word on the wire and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token(refusal) => refusal.reason(),
            Self::Ended => "session_ended",
            Self::Revoked => "revoked",
            Self::Superseded => "superseded",
            Self::Principal => "other_principal",
            Self::Subprotocol => "other_subprotocol",
            Self::InUse => "in_use",
            Self::MessagesLost => "messages_lost",
            Self::State => "state_not_restored",
        }
    }
}
