//! How somebody gets out: of one login, or of all.

use uuid::Uuid;

use super::error::AccountError;
use super::login::target;
use super::records::{User, login_key, put, read, user_key};
use super::{Accounts, CHANGED_MEANWHILE, TRIES};
use crate::auth::audit::{AuditCaller, AuditEntry};
use crate::auth::principal::{Account, Proof};
use crate::base::UserId;
use crate::store::{Check, Command, Commit, Condition};

impl Accounts {
    /// Ends the login that somebody has shown a token of. An API key has none to end.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn logout(&self, caller: &AuditCaller, account: &Account) -> Result<(), AccountError> {
        let Proof::Token { jti, sid, .. } = account.proof else {
            return Err(AccountError::Conflict("an API key does not log out; revoke it instead"));
        };
        let user = self.user(account.user)?;
        let commands = vec![
            Command::delete(login_key(sid)),
            self.revocation(sid, user.id),
            self.revocation(jti, user.id),
        ];
        let entry = AuditEntry::done("auth.logout", target(&user));
        self.change(caller, &entry, Commit { commands, ..Commit::default() }).await.map(drop)
    }

    /// Ends all logins of a user.
    ///
    /// # Errors
    /// If there is no such user, or it cannot be written.
    pub async fn logout_everywhere(&self, caller: &AuditCaller, user: UserId) -> Result<(), AccountError> {
        let name = target(&self.user(user)?);
        let entry = AuditEntry::done("auth.logout_everywhere", name);
        self.edit_user(caller, user, entry, |user| user.generation += 1).await.map(drop)
    }

    /// Declares one access token void.
    ///
    /// # Errors
    /// If there is no such user, or it cannot be written.
    pub async fn revoke_token(
        &self,
        caller: &AuditCaller,
        user: UserId,
        jti: Uuid,
    ) -> Result<(), AccountError> {
        let user = self.user(user)?;
        let commands = vec![self.revocation(jti, user.id)];
        let entry = AuditEntry::done("auth.token.revoke", format!("{} token:{jti}", target(&user)));
        self.change(caller, &entry, Commit { commands, ..Commit::default() }).await.map(drop)
    }

    /// Changes a user as it is in the store; again if others change it at the same time.
    pub(super) async fn edit_user(
        &self,
        caller: &AuditCaller,
        id: UserId,
        entry: AuditEntry,
        mut edit: impl FnMut(&mut User),
    ) -> Result<User, AccountError> {
        for _ in 0..TRIES {
            let (user, version) = read::<User>(&self.view(), &user_key(id))?;
            let mut user = user.ok_or(AccountError::NotFound("user"))?;
            edit(&mut user);
            let key = user_key(id);
            let check = Check { key: key.clone().into(), condition: Condition::IfVersion(version) };
            let commit = Commit { checks: vec![check], commands: vec![put(key, &user)], keep_going: false };
            if self.change(caller, &entry, commit).await? {
                return Ok(user);
            }
        }
        Err(CHANGED_MEANWHILE)
    }
}
