//! How a peer comes back to its session: the token that it is given, what is checked when it shows it, and what
//! is left when the session is gone.

mod archive;
mod events;
mod journal;
mod providers;
mod refusal;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value, json};

pub use archive::{Archive, Contents, Fact, NotKept, Note, Rest, SessionRecord};
pub(super) use events::emit;
pub use events::{Ended, SessionEvent};
pub(super) use journal::Journal;
pub use providers::StateProvider;
pub use refusal::Refusal;

use super::manager::Starlings;
use super::session::{Claimant, Places, Session};
use crate::auth::{IssueError, Issued, Principal, StateClaims, StateToken};
use crate::dispatch::{MethodError, Peer};
use crate::protocol::{Dialect, ErrorCode};

/// What a peer shows to come back.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Claim {
    /// Its token.
    pub token: String,
    /// The number of the last message that its application has handled.
    pub position: Option<u64>,
    /// A name that the peer has given itself, so that two with one token are told apart.
    pub instance: Option<String>,
    /// Which attempt of that peer this is, counted from 1: an older one that was slow to arrive comes too late.
    pub attempt: u64,
    /// Where it stands in the topics that it has subscribed to: the position of each.
    pub topics: Option<BTreeMap<String, String>>,
    /// Whether it wants no other topics than those: others end.
    pub only_topics: bool,
    /// An access token, which says who it is.
    pub access_token: Option<String>,
}

impl fmt::Debug for Claim {
    /// A token is as good as a password: it never gets into a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("position", &self.position).finish_non_exhaustive()
    }
}

/// What became of a claim.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recovery {
    /// The session is the one of the token.
    pub(super) resumed: bool,
    /// What is not as it was.
    pub(super) refusal: Option<Refusal>,
    /// The number of the last message that the peer's application has handled.
    pub(super) position: Option<u64>,
    /// When the token was made.
    pub(super) from_ms: u64,
    /// A process before this one had the session.
    pub(super) restarted: bool,
    /// It ended in order, so that the numbers of both sides are known.
    pub(super) exact: bool,
}

/// A session for a connection.
#[derive(Debug)]
pub struct Opened {
    pub(super) session: Arc<Session>,
    pub(super) recovery: Option<Recovery>,
    /// Where the peer says that it stands in its topics.
    pub(super) places: Places,
    /// Who it has said that it is.
    claimant: Principal,
}

impl Opened {
    /// Nobody takes the session up after all. A new one ends; another waits on.
    pub(super) fn abandon(self) {
        match self.recovery {
            Some(Recovery { resumed: true, .. }) => {
                self.session.promise_is_kept();
                self.session.wait_for_return();
            }
            _ => self.session.end(Ended::Left),
        }
    }
}

impl Starlings {
    /// A new session.
    pub fn fresh(&self, dialect: Dialect, principal: Principal) -> Opened {
        let claimant = principal.clone();
        Opened {
            session: self.begin(dialect, principal),
            recovery: None,
            places: Places::default(),
            claimant,
        }
    }

    /// The session of whoever shows a token: the one of the token, or a new one and the reason why. A token that
    /// is not good is no reason to refuse anybody.
    pub async fn claimed(&self, claim: &Claim, dialect: Dialect, principal: Principal) -> Opened {
        let shared = self.shared();
        let claims = match shared.tokens.verify(&claim.token) {
            Ok(claims) => claims,
            Err(refusal) => return self.refused(Refusal::Token(refusal), 0, dialect, principal),
        };
        let from_ms = claims.timestamp;
        match self.find(&claims, claim, dialect, &principal).await {
            Ok(session) => {
                let (refusal, restarted, exact) = wake(&session, claim.position, &claims).await;
                let position = claim.position;
                let recovery = Recovery { resumed: true, refusal, position, from_ms, restarted, exact };
                Opened {
                    session,
                    recovery: Some(recovery),
                    places: Places { at: claim.topics.clone(), only: claim.only_topics },
                    claimant: principal,
                }
            }
            Err(Refusal::Ended) if claims.principal == principal.subject() => {
                self.restored(&claims, dialect, principal).await
            }
            Err(refusal) => self.refused(refusal, from_ms, dialect, principal),
        }
    }

    /// The session of a token, promised to whoever shows it.
    async fn find(
        &self,
        claims: &StateClaims,
        claim: &Claim,
        dialect: Dialect,
        principal: &Principal,
    ) -> Result<Arc<Session>, Refusal> {
        let shared = self.shared();
        let Some(session) = self.get(claims.starling).filter(|session| !session.has_ended()) else {
            let archive = shared.journal.archive();
            let revoked = self.is_revoked(claims.starling)
                || archive.is_some_and(|archive| archive.is_revoked(claims.starling));
            return Err(if revoked { Refusal::Revoked } else { Refusal::Ended });
        };
        if session.is_revoked() {
            return Err(Refusal::Revoked);
        }
        let owner = session.principal();
        if owner.subject() != claims.principal {
            return Err(Refusal::Principal);
        }
        let owner = session.check_owner(principal)?;
        if session.dialect() != dialect {
            return Err(Refusal::Subprotocol);
        }
        let Claim { instance, attempt, .. } = claim;
        let claimant =
            Claimant { token_ms: claims.timestamp, instance: instance.as_deref(), attempt: *attempt };
        match session.promise(claimant) {
            // The client that has it may be gone without anybody having noticed.
            Err(Refusal::InUse) if !session.client_answers().await => {
                session.forget_client();
                session.promise(claimant)?;
            }
            promised => promised?,
        }
        session.own(&owner);
        Ok(session)
    }

    /// A new session with what the token has saved, for its own is over.
    async fn restored(&self, claims: &StateClaims, dialect: Dialect, principal: Principal) -> Opened {
        let mut opened = self.refused(Refusal::Ended, claims.timestamp, dialect, principal);
        let starling = opened.session.starling();
        if providers::restore(self.shared(), &starling, &claims.states).await.is_err()
            && let Some(recovery) = &mut opened.recovery
        {
            recovery.refusal = Some(Refusal::State);
        }
        opened
    }

    fn refused(&self, refusal: Refusal, from_ms: u64, dialect: Dialect, principal: Principal) -> Opened {
        let (resumed, restarted, exact) = (false, false, false);
        let refusal = Some(refusal);
        let recovery = Recovery { resumed, refusal, position: None, from_ms, restarted, exact };
        let claimant = principal.clone();
        Opened {
            session: self.begin(dialect, principal),
            recovery: Some(recovery),
            places: Places::default(),
            claimant,
        }
    }

    /// A new session instead of one that has ended since it was found.
    pub(super) fn instead_of(&self, opened: &Opened) -> Opened {
        let refusal = if opened.session.is_revoked() { Refusal::Revoked } else { Refusal::Ended };
        let from_ms = opened.recovery.map_or(0, |recovery| recovery.from_ms);
        // Only who it has said that it is: what its session had is over.
        self.refused(refusal, from_ms, opened.session.dialect(), opened.claimant.clone())
    }
}

/// Wakes a session that is of a process before this one. Says what is not as it was, whether the session was
/// restarted, and whether the counts of both sides are known all the same.
async fn wake(
    session: &Arc<Session>,
    position: Option<u64>,
    claims: &StateClaims,
) -> (Option<Refusal>, bool, bool) {
    let shared = &session.shared;
    let Some(mut restarted) = session.wake(position) else { return (None, false, false) };
    if restarted.first {
        if providers::restore(shared, &session.starling(), &claims.states).await.is_err() {
            session.not_restored();
            restarted.restored = false;
        }
        // The numbers are new: they have to be on the disk before the peer hears of them.
        session.note_change();
        if shared.journal.write(None).await.is_err() {
            tracing::warn!(session = %session.id(), "a session goes on and is not written down");
        }
    }
    (Some(Refusal::State).filter(|_| !restarted.restored), true, restarted.exact)
}

/// Makes a token for a session. From now on its peer can come back.
pub(super) async fn issue(session: &Arc<Session>) -> Result<Issued, MethodError> {
    let (shared, starling) = (&session.shared, session.starling());
    let mut states = Map::from_iter([
        ("connection".to_owned(), json!({ "connected": true, "lastConnected": null })),
        ("info".to_owned(), json!({ "id": session.id().to_string(), "createdAt": session.created_at() })),
    ]);
    states.extend(providers::save(shared, &starling).await?);
    let claims = match &shared.hooks.token_claims {
        Some(hook) => super::hooks::guarded("tokenClaims", || hook(&starling)).unwrap_or_default(),
        None => Map::new(),
    };
    let principal = session.principal().subject();
    let token = StateToken { starling: session.id(), principal, states, claims };
    let issued = shared.tokens.issue(&token).map_err(|error| not_issued(&error))?;
    session.make_resumable();
    // A token that a crash makes worthless at once is no token.
    if shared.journal.write(None).await.is_err() {
        return Err(ErrorCode::StoreUnavailable.into());
    }
    shared.metrics.sessions.tokens.inc();
    Ok(issued)
}

fn not_issued(error: &IssueError) -> MethodError {
    match error {
        IssueError::TooLarge { bytes, limit } => {
            let details: Value = json!({ "bytes": bytes, "limit": limit });
            MethodError::of(ErrorCode::StateTooLarge, error.to_string()).with_details(&details)
        }
        IssueError::Reserved(_) | IssueError::Unsigned => {
            tracing::error!(%error, "a state token cannot be made");
            ErrorCode::InternalError.into()
        }
    }
}
