//! How somebody stays logged in: each refresh token gives the next, once.

use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::error::{AccountError, Unauthenticated};
use super::login::{LoggedIn, target};
use super::records::{Login, User, login_key, put_until, read, revoked_key, user_key};
use super::{Accounts, secret};
use crate::auth::TokenRefusal;
use crate::auth::audit::{AuditCaller, AuditEntry};
use crate::base::UserId;
use crate::store::{Check, Command, Commit, CommitOutcome, Condition, Expiry};

impl Accounts {
    /// Gives new tokens for a refresh token, which is used up by that. One that was used before ends its login: two
    /// have it, and one of them has stolen it.
    ///
    /// # Errors
    /// If it is not good.
    pub async fn refresh(&self, caller: &AuditCaller, token: &str) -> Result<LoggedIn, AccountError> {
        let invalid = Unauthenticated::Token(TokenRefusal::Invalid);
        let (sid, shown) = secret::parse(secret::REFRESH, token).ok_or(invalid)?;
        let view = self.view();
        let (login, version) = read::<Login>(&view, &login_key(sid))?;
        let login = login.ok_or(invalid)?;
        let user = read::<User>(&view, &user_key(login.user))?.0;
        let user = user.filter(|user| !user.disabled && user.generation == login.generation);
        let user = user.ok_or(Unauthenticated::Revoked)?;
        if !secret::fits(shown, &login.hash) {
            return Err(self.reused(caller, sid, &user).await?.into());
        }
        let (refresh_token, hash) = secret::generate(secret::REFRESH, sid).ok_or(AccountError::Internal)?;
        let key = login_key(sid).into();
        let commit = Commit {
            checks: vec![Check { key, condition: Condition::IfVersion(version) }],
            commands: vec![self.login_record(sid, &Login { hash, ..login })],
            keep_going: false,
        };
        match self.0.store.commit(commit).await? {
            CommitOutcome::Done { .. } => self.logged_in(user, sid, refresh_token),
            CommitOutcome::Conflict { .. } => Err(self.reused(caller, sid, &user).await?.into()),
            CommitOutcome::Refused { refusal, .. } => Err(AccountError::Limit(refusal.to_string())),
        }
    }

    /// Ends a login whose refresh token was shown twice.
    async fn reused(
        &self,
        caller: &AuditCaller,
        sid: Uuid,
        user: &User,
    ) -> Result<Unauthenticated, AccountError> {
        let commands = vec![Command::delete(login_key(sid)), self.revocation(sid, user.id)];
        let entry = AuditEntry::failed("auth.refresh.reused", target(user));
        self.change(caller, &entry, Commit { commands, ..Commit::default() }).await?;
        tracing::warn!(user = %user.id, "a refresh token was used twice; its login has ended");
        Ok(Unauthenticated::Reused)
    }

    pub(super) fn login_record(&self, sid: Uuid, login: &Login) -> Command {
        let until = self.now_ms() + self.0.options.refresh_lifetime.as_ms();
        put_until(login_key(sid), login, Expiry::At(until))
    }

    /// Declares a token or a login void, for as long as anything that it has given may be shown.
    pub(super) fn revocation(&self, id: Uuid, user: UserId) -> Command {
        let options = &self.0.options;
        let until = self.now_ms() + options.access_lifetime.as_ms() + options.grace.as_ms() + 60_000;
        let whose: Json = json!({ "user": user });
        put_until(revoked_key(id), &whose, Expiry::At(until))
    }
}
