//! How somebody gets in: registers, logs in, changes the password, stays logged in.

use serde_json::json;
use uuid::Uuid;

use super::error::AccountError;
use super::names::{folded, name_problem, password_problem};
use super::records::{Login, User, put, read, roles_of_key, user_key, username_key};
use super::{Accounts, NewUser, Planned, secret};
use crate::auth::access_token::AccessClaims;
use crate::auth::audit::{AuditCaller, AuditEntry};
use crate::auth::principal::{Principal, Proof};
use crate::base::UserId;
use crate::store::View;

/// Who has just logged in, and the tokens for it.
#[derive(Clone)]
pub struct LoggedIn {
    /// The user.
    pub user: User,
    /// The principal for what is asked from now on.
    pub principal: Principal,
    /// The access token.
    pub access_token: String,
    /// Seconds that it is good for.
    pub expires_in_s: u64,
    /// What the next access token is had for, once.
    pub refresh_token: String,
    /// Seconds that it is good for.
    pub refresh_expires_in_s: u64,
}

impl std::fmt::Debug for LoggedIn {
    /// Tokens are as good as passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoggedIn").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What a failed login is recorded under is chosen by whoever tries.
const TRIED_NAME_MAX: usize = 64;

impl Accounts {
    /// Makes an account for whoever asks, with the role that everybody gets.
    ///
    /// # Errors
    /// If nobody may, the name or the password is none, or the name is taken.
    pub async fn register(
        &self,
        caller: &AuditCaller,
        name: &str,
        password: &str,
    ) -> Result<User, AccountError> {
        if !self.0.options.registration {
            return Err(AccountError::RegistrationClosed);
        }
        let role = &self.0.options.default_role;
        let roles = Some(role.clone()).filter(|role| !role.is_empty()).into_iter().collect();
        let new = NewUser { name: name.to_owned(), password: password.to_owned(), roles };
        self.make_user(caller, "auth.register", new).await
    }

    /// Makes an account: user, name and roles in one commit.
    pub(super) async fn make_user(
        &self,
        caller: &AuditCaller,
        action: &'static str,
        new: NewUser,
    ) -> Result<User, AccountError> {
        let NewUser { name, password, roles } = new;
        if let Some(problem) = name_problem(&name) {
            return Err(AccountError::Invalid("username", problem.to_owned()));
        }
        if let Some(problem) = password_problem(&password, &name) {
            return Err(AccountError::Invalid("password", problem.to_owned()));
        }
        // Before it takes time, and once more when it is written.
        self.check_new(&self.view(), &name, &roles)?;
        let password_hash = self.0.hasher.hash(password).await?;
        let user = User {
            id: UserId::generate(),
            username: name,
            password_hash,
            salt: String::new(),
            created_at: self.now_ms(),
            metadata: serde_json::Map::new(),
            generation: 0,
            disabled: false,
        };
        self.change(caller, move |me, view| {
            me.check_new(view, &user.username, &roles)?;
            let commands = vec![
                put(user_key(user.id), &user),
                put(username_key(&user.username), &user.id),
                put(roles_of_key(user.id), &roles),
            ];
            let after = json!({ "username": user.username, "roles": roles });
            let entry = AuditEntry::done(action, target(&user)).changing(None, Some(after));
            Ok(Planned { entry, commands, gives: user })
        })
        .await
    }

    /// Whether there may be a user of this name with these roles.
    fn check_new(&self, view: &View, name: &str, roles: &[String]) -> Result<(), AccountError> {
        for role in roles {
            self.role_in(view, role)?.ok_or(AccountError::NotFound("role"))?;
        }
        if view.get(&username_key(name)).is_some() {
            return Err(AccountError::NameTaken);
        }
        Ok(())
    }

    /// Logs somebody in.
    ///
    /// # Errors
    /// If name or password is wrong, which is not told; if that was so too often.
    pub async fn login(
        &self,
        caller: &AuditCaller,
        name: &str,
        password: &str,
    ) -> Result<LoggedIn, AccountError> {
        let user = self.check_password(caller, "auth.login", name, password).await?;
        let caller = caller.named(&user.username, user.id);
        self.change(&caller, move |me, view| {
            // As it is now: it may have been disabled while the password was looked at.
            let user = me.unchanged(view, &user)?;
            let entry = AuditEntry::done("auth.login", target(&user));
            let (logged_in, sid, login) = me.new_login(view, user)?;
            Ok(Planned { entry, commands: vec![me.login_record(sid, &login)], gives: logged_in })
        })
        .await
    }

    /// A user whose password was right, as it is now; unless that may not log in any more.
    fn unchanged(&self, view: &View, checked: &User) -> Result<User, AccountError> {
        let user = read::<User>(view, &user_key(checked.id))?.0;
        let user = user.filter(|user| !user.disabled && user.password_hash == checked.password_hash);
        user.ok_or(AccountError::WrongCredentials)
    }

    /// Changes the password of whoever knows the one before. All logins of the user end but the new one. `adopt` gets
    /// its principal just before the others end, so that the session that asks goes on; `false` gives up.
    ///
    /// # Errors
    /// If the password is wrong, or the new one is none.
    pub async fn change_password(
        &self,
        caller: &AuditCaller,
        user: UserId,
        (current, new): (&str, &str),
        adopt: impl FnOnce(&Principal) -> bool + Send + 'static,
    ) -> Result<LoggedIn, AccountError> {
        let name = self.user(user)?.username;
        if let Some(problem) = password_problem(new, &name) {
            return Err(AccountError::Invalid("newPassword", problem.to_owned()));
        }
        let checked = self.check_password(caller, "user.password", &name, current).await?;
        let password_hash = self.0.hasher.hash(new.to_owned()).await?;
        self.change(caller, move |me, view| {
            let mut user = me.unchanged(view, &checked)?;
            user.password_hash = password_hash;
            user.generation += 1;
            let record = put(user_key(user.id), &user);
            let entry = AuditEntry::done("user.password", target(&user));
            let (logged_in, sid, login) = me.new_login(view, user)?;
            if !adopt(&logged_in.principal) {
                return Err(AccountError::Conflict("the session belongs to somebody else by now"));
            }
            Ok(Planned { entry, commands: vec![record, me.login_record(sid, &login)], gives: logged_in })
        })
        .await
    }

    /// The user of a name and a password.
    async fn check_password(
        &self,
        caller: &AuditCaller,
        action: &'static str,
        name: &str,
        password: &str,
    ) -> Result<User, AccountError> {
        let attempt = self.0.throttle.attempt(&folded(name), caller.address, self.now_ms())?;
        let user = self.user_named(name)?;
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let fits = self.0.hasher.verify(password.to_owned(), hash).await.inspect_err(|_| {
            // Nobody has looked at it.
            self.0.throttle.forgive(&attempt);
        })?;
        let user = match user {
            Some(user) if fits && !user.disabled => user,
            _ => {
                let tried: String = name.chars().take(TRIED_NAME_MAX).collect();
                self.0.audit.note(caller, AuditEntry::failed(action, format!("user:{tried}"))).await?;
                return Err(AccountError::WrongCredentials);
            }
        };
        self.0.throttle.succeeded(&attempt, self.now_ms());
        match self.0.hasher.is_weak(&user.password_hash) {
            true => self.strengthen(&user, password).await,
            false => Ok(user),
        }
    }

    /// Hashes a password anew, for more is asked of hashes now than when it was set.
    async fn strengthen(&self, user: &User, password: &str) -> Result<User, AccountError> {
        let password_hash = self.0.hasher.hash(password.to_owned()).await?;
        let (server, user) = (AuditCaller::server(), user.clone());
        let strengthened = self.change(&server, move |me, view| {
            // Unless it was changed meanwhile.
            let mut kept = me.unchanged(view, &user)?;
            kept.password_hash = password_hash;
            let entry = AuditEntry::done("user.rehash", target(&kept));
            Ok(Planned { entry, commands: vec![put(user_key(kept.id), &kept)], gives: kept })
        });
        strengthened.await
    }

    /// A login that is to be written: its tokens, its id, its record.
    fn new_login(&self, view: &View, user: User) -> Result<(LoggedIn, Uuid, Login), AccountError> {
        let sid = Uuid::new_v4();
        let mac_key = secret::mac_key().ok_or(AccountError::Internal)?;
        let (refresh_token, hash) = secret::refresh(sid, &mac_key).ok_or(AccountError::Internal)?;
        let (generation, created_at) = (user.generation, self.now_ms());
        let login = Login { user: user.id, hash, mac_key, generation, created_at };
        Ok((self.logged_in(view, user, sid, refresh_token)?, sid, login))
    }

    pub(super) fn logged_in(
        &self,
        view: &View,
        user: User,
        sid: Uuid,
        refresh_token: String,
    ) -> Result<LoggedIn, AccountError> {
        let roles = self.roles_in(view, user.id)?;
        let (now_s, options) = (self.now_ms() / 1_000, &self.0.options);
        let expires_in_s = options.access_lifetime.as_ms() / 1_000;
        let claims = AccessClaims {
            sub: user.id,
            name: user.username.clone(),
            jti: Uuid::new_v4(),
            sid,
            generation: user.generation,
            roles: roles.clone(),
            iat: now_s,
            exp: now_s + expires_in_s,
        };
        let access_token = self.0.ring.issue_access(&claims).ok_or(AccountError::Internal)?;
        let proof = Proof::Token {
            jti: claims.jti,
            sid,
            generation: claims.generation,
            expires_at: claims.exp * 1_000,
        };
        let principal = self.principal_in(view, &user, roles, proof, None)?;
        let refresh_expires_in_s = options.refresh_lifetime.as_ms() / 1_000;
        Ok(LoggedIn { user, principal, access_token, expires_in_s, refresh_token, refresh_expires_in_s })
    }
}

/// How the audit log calls a user.
pub(super) fn target(user: &User) -> String {
    format!("user:{}", user.username)
}
