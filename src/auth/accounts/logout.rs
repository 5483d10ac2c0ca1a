//! How somebody gets out: of one login, or of all.

use uuid::Uuid;

use super::error::AccountError;
use super::login::target;
use super::records::{User, login_key, put, user_key};
use super::{Accounts, Planned};
use crate::auth::audit::{AuditCaller, AuditEntry};
use crate::auth::principal::{Account, Proof};
use crate::base::UserId;
use crate::store::Command;

impl Accounts {
    /// Ends the login that somebody has shown a token of. An API key has none to end.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn logout(&self, caller: &AuditCaller, account: &Account) -> Result<(), AccountError> {
        let Proof::Token { jti, sid, .. } = account.proof else {
            return Err(AccountError::Conflict("an API key does not log out; revoke it instead"));
        };
        let id = account.user;
        self.change(caller, move |me, view| {
            let user = me.user_in(view, id)?;
            let mut commands = vec![Command::delete(login_key(sid))];
            commands.extend([sid, jti].map(|id| me.revocation(id, user.id)));
            Ok(Planned { entry: AuditEntry::done("auth.logout", target(&user)), commands, gives: () })
        })
        .await
    }

    /// Ends all logins of a user.
    ///
    /// # Errors
    /// If there is no such user, or it cannot be written.
    pub async fn logout_everywhere(&self, caller: &AuditCaller, user: UserId) -> Result<(), AccountError> {
        self.edit_user(caller, user, |user| {
            user.generation += 1;
            Ok(AuditEntry::done("auth.logout_everywhere", target(user)))
        })
        .await
        .map(drop)
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
        self.change(caller, move |me, view| {
            let user = me.user_in(view, user)?;
            let commands = vec![me.revocation(jti, user.id)];
            let entry = AuditEntry::done("auth.token.revoke", format!("{} token:{jti}", target(&user)));
            Ok(Planned { entry, commands, gives: () })
        })
        .await
    }

    /// Changes a user as it is in the store, and says what that was.
    pub(super) async fn edit_user(
        &self,
        caller: &AuditCaller,
        id: UserId,
        edit: impl FnOnce(&mut User) -> Result<AuditEntry, AccountError> + Send + 'static,
    ) -> Result<User, AccountError> {
        self.change(caller, move |me, view| {
            let mut user = me.user_in(view, id)?;
            let entry = edit(&mut user)?;
            Ok(Planned { entry, commands: vec![put(user_key(id), &user)], gives: user })
        })
        .await
    }
}
