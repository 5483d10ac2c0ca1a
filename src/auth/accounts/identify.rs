//! How somebody is known again: by an access token, by an API key. And whether an open session still may what it
//! might.

use std::sync::Arc;

use uuid::Uuid;

use super::Accounts;
use super::error::{AccountError, Unauthenticated};
use super::records::{ApiKey, User, api_key_key, read, revoked_key, user_key};
use super::secret;
use crate::auth::TokenRefusal;
use crate::auth::principal::{Account, Principal, Proof};
use crate::base::UserId;
use crate::store::View;

impl Accounts {
    /// Who shows an access token.
    ///
    /// # Errors
    /// If it is not good, or not any more.
    pub fn principal_of_token(&self, token: &str) -> Result<Principal, AccountError> {
        let claims = self.0.ring.verify_access(token).map_err(Unauthenticated::Token)?;
        let expires_at = claims.exp * 1_000;
        let (jti, sid, generation) = (claims.jti, claims.sid, claims.generation);
        self.known(claims.sub, Proof::Token { jti, sid, generation, expires_at }, 0)
    }

    /// Who shows an API key.
    ///
    /// # Errors
    /// If it is not good, or not any more.
    pub fn principal_of_key(&self, text: &str) -> Result<Principal, AccountError> {
        let (id, shown) = secret::parse(secret::KEY, text).ok_or(Unauthenticated::Key)?;
        let key = read::<ApiKey>(&self.view(), &api_key_key(id))?.0;
        let key = key.filter(|key| secret::fits(shown, &key.hash)).ok_or(Unauthenticated::Key)?;
        self.known(key.user, Proof::Key { id, expires_at: key.expires_at }, 0)
    }

    /// A principal as it is now: with the roles of the moment. What it has shown may have ended up to `grace_ms` ago.
    ///
    /// # Errors
    /// If what it has shown is not good any more.
    pub fn renewed(&self, principal: &Principal, grace_ms: u64) -> Result<Principal, AccountError> {
        match principal.account() {
            Some(account) => self.known(account.user, account.proof, grace_ms),
            // Who it is was said by somebody else, or by nobody.
            None if principal.name().is_some() => Ok(principal.clone()),
            None => Ok(self.everybody()),
        }
    }

    /// The principal of a user, if what was shown is good at this moment.
    fn known(&self, user: UserId, proof: Proof, grace_ms: u64) -> Result<Principal, AccountError> {
        let view = self.view();
        let user = read::<User>(&view, &user_key(user))?.0.filter(|user| !user.disabled);
        let user = user.ok_or(Unauthenticated::Revoked)?;
        let ended = proof.expires_at().is_some_and(|at| at.saturating_add(grace_ms) <= self.now_ms());
        let mut scopes = None;
        match proof {
            Proof::Token { jti, sid, generation, .. } => {
                let void = |id: Uuid| view.get(&revoked_key(id)).is_some();
                // A later one is of whoever changes the password at this moment.
                if generation < user.generation || void(sid) || void(jti) {
                    return Err(Unauthenticated::Revoked.into());
                }
                if ended {
                    return Err(Unauthenticated::Token(TokenRefusal::Expired).into());
                }
            }
            Proof::Key { id, .. } => {
                let key = read::<ApiKey>(&view, &api_key_key(id))?.0.filter(|_| !ended);
                scopes = Some(self.shared(key.ok_or(Unauthenticated::Key)?.scopes));
            }
        }
        let roles = self.roles_in(&view, user.id)?;
        self.principal_in(&view, &user, roles, proof, scopes)
    }

    /// The principal of a user with these roles.
    pub(super) fn principal_in(
        &self,
        view: &View,
        user: &User,
        roles: Vec<String>,
        proof: Proof,
        scopes: Option<Arc<[String]>>,
    ) -> Result<Principal, AccountError> {
        let mut granted = self.0.everybody.permissions().to_vec();
        for role in &roles {
            granted.extend(self.role_in(view, role)?.map(|role| role.permissions).unwrap_or_default());
        }
        granted.sort_unstable();
        granted.dedup();
        let account = Account { user: user.id, roles: self.shared(roles), scopes, proof };
        Ok(Principal::of_account(&user.username, self.shared(granted), account))
    }
}
