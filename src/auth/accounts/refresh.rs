//! How somebody stays logged in: each refresh token gives the next, once.

use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::error::{AccountError, Unauthenticated};
use super::login::{LoggedIn, target};
use super::options::{ACCESS_LIFETIME_MAX, GRACE_MAX};
use super::records::{Login, User, login_key, put_until, read, revoked_key, user_key};
use super::{Accounts, Planned, secret};
use crate::auth::TokenRefusal;
use crate::auth::audit::{AuditCaller, AuditEntry};
use crate::base::UserId;
use crate::store::{Check, Command, Commit, CommitOutcome, Condition, Expiry};

/// How often a refresh is tried again when what it builds on has changed meanwhile.
const TRIES: usize = 8;

impl Accounts {
    /// Gives new tokens for a refresh token, which is used up by that. One that was used before ends its login: two
    /// have it, and one of them has stolen it. `owner` is whoever asks, if it has an account: tokens of others are
    /// refused, and stay as they are.
    ///
    /// # Errors
    /// If it is not good.
    pub async fn refresh(
        &self,
        caller: &AuditCaller,
        token: &str,
        owner: Option<UserId>,
    ) -> Result<LoggedIn, AccountError> {
        let invalid = Unauthenticated::Token(TokenRefusal::Invalid);
        let (sid, shown) = secret::parse(secret::REFRESH, token).ok_or(invalid)?;
        for _ in 0..TRIES {
            let view = self.view();
            let (login, version) = read::<Login>(&view, &login_key(sid))?;
            let login = login.ok_or(invalid)?;
            if owner.is_some_and(|owner| owner != login.user) {
                return Err(AccountError::Conflict("the refresh token belongs to somebody else"));
            }
            let (user, seen) = read::<User>(&view, &user_key(login.user))?;
            let user = user.filter(|user| !user.disabled && user.generation == login.generation);
            let user = user.ok_or(Unauthenticated::Revoked)?;
            if !secret::fits(shown, &login.hash) {
                return match secret::is_marked(shown, &login.mac_key) {
                    true => Err(self.reused(caller, sid, &user).await?.into()),
                    // Somebody knows the id of the login, which every access token tells, and nothing else.
                    false => Err(invalid.into()),
                };
            }
            let (token, hash) = secret::refresh(sid, &login.mac_key).ok_or(AccountError::Internal)?;
            let check =
                |key: Vec<u8>, version| Check { key: key.into(), condition: Condition::IfVersion(version) };
            let commit = Commit {
                checks: vec![check(login_key(sid), version), check(user_key(user.id), seen)],
                commands: vec![self.login_record(sid, &Login { hash, ..login })],
                keep_going: false,
            };
            match self.0.store.commit(commit).await? {
                CommitOutcome::Done { .. } => return self.logged_in(&self.view(), user, sid, token),
                // Somebody was faster, or the user has changed: the next look tells.
                CommitOutcome::Conflict { .. } => {}
                CommitOutcome::Refused { refusal, .. } => {
                    return Err(AccountError::Limit(refusal.to_string()));
                }
            }
        }
        Err(AccountError::Busy)
    }

    /// Ends a login whose refresh token was shown twice.
    async fn reused(
        &self,
        caller: &AuditCaller,
        sid: Uuid,
        user: &User,
    ) -> Result<Unauthenticated, AccountError> {
        let (id, target) = (user.id, target(user));
        self.change(caller, move |me, _| {
            let commands = vec![Command::delete(login_key(sid)), me.revocation(sid, id)];
            let entry = AuditEntry::failed("auth.refresh.reused", target);
            Ok(Planned { entry, commands, gives: () })
        })
        .await?;
        tracing::warn!(user = %user.id, "a refresh token was used twice; its login has ended");
        Ok(Unauthenticated::Reused)
    }

    pub(super) fn login_record(&self, sid: Uuid, login: &Login) -> Command {
        let until = self.now_ms() + self.0.options.refresh_lifetime.as_ms();
        put_until(login_key(sid), login, Expiry::At(until))
    }

    /// Declares a token or a login void, for as long as anything that it has given may be shown: it may have been signed
    /// when tokens had a longer life.
    pub(super) fn revocation(&self, id: Uuid, user: UserId) -> Command {
        let until = self.now_ms() + ACCESS_LIFETIME_MAX.as_ms() + GRACE_MAX.as_ms();
        let whose: Json = json!({ "user": user });
        put_until(revoked_key(id), &whose, Expiry::At(until))
    }
}
