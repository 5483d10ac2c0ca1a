//! How somebody gets in: registers, logs in, changes the password, stays logged in.

use serde_json::json;
use uuid::Uuid;

use super::error::AccountError;
use super::names::{folded, name_problem, password_problem};
use super::records::{Login, User, put, read, role_key, roles_of_key, user_key, username_key};
use super::{Accounts, CHANGED_MEANWHILE, NewUser, secret};
use crate::auth::access_token::AccessClaims;
use crate::auth::audit::{AuditCaller, AuditEntry};
use crate::auth::principal::{Principal, Proof};
use crate::base::UserId;
use crate::store::{Check, Commit, Condition};

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
        let view = self.view();
        for role in &roles {
            self.role_in(&view, role)?.ok_or(AccountError::NotFound("role"))?;
        }
        let name_key = username_key(&name);
        if view.get(&name_key).is_some() {
            return Err(AccountError::NameTaken);
        }
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
        let mut checks = vec![Check { key: name_key.clone().into(), condition: Condition::IfAbsent }];
        let role_keys = roles.iter().map(|role| role_key(role).into());
        checks.extend(role_keys.map(|key| Check { key, condition: Condition::IfPresent }));
        let commands =
            vec![put(user_key(user.id), &user), put(name_key, &user.id), put(roles_of_key(user.id), &roles)];
        let after = json!({ "username": user.username, "roles": roles });
        let entry = AuditEntry::done(action, target(&user)).changing(None, Some(after));
        let commit = Commit { checks, commands, keep_going: false };
        let done = self.change(caller, &entry, commit).await?;
        match done {
            true => Ok(user),
            false if self.view().get(&username_key(&user.username)).is_some() => Err(AccountError::NameTaken),
            false => Err(CHANGED_MEANWHILE),
        }
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
        let (logged_in, sid, login) = self.new_login(user)?;
        let entry = AuditEntry::done("auth.login", target(&logged_in.user));
        let commit = Commit { commands: vec![self.login_record(sid, &login)], ..Commit::default() };
        match self.change(&caller, &entry, commit).await? {
            true => Ok(logged_in),
            false => Err(CHANGED_MEANWHILE),
        }
    }

    /// Changes the password of whoever knows the one before. All logins of the user end but the new one. `adopt` gets
    /// its principal before the others end, so that the session that asks goes on.
    ///
    /// # Errors
    /// If the password is wrong, or the new one is none.
    pub async fn change_password(
        &self,
        caller: &AuditCaller,
        user: UserId,
        (current, new): (&str, &str),
        adopt: impl FnOnce(&Principal),
    ) -> Result<LoggedIn, AccountError> {
        let name = self.user(user)?.username;
        if let Some(problem) = password_problem(new, &name) {
            return Err(AccountError::Invalid("newPassword", problem.to_owned()));
        }
        let mut user = self.check_password(caller, "user.password", &name, current).await?;
        user.password_hash = self.0.hasher.hash(new.to_owned()).await?;
        user.generation += 1;
        let key = user_key(user.id);
        let (kept, version) = read::<User>(&self.view(), &key)?;
        if kept.is_none_or(|kept| kept.generation + 1 != user.generation) {
            return Err(CHANGED_MEANWHILE);
        }
        let (logged_in, sid, login) = self.new_login(user)?;
        adopt(&logged_in.principal);
        let checks = vec![Check { key: key.clone().into(), condition: Condition::IfVersion(version) }];
        let commands = vec![put(key, &logged_in.user), self.login_record(sid, &login)];
        let entry = AuditEntry::done("user.password", target(&logged_in.user));
        match self.change(caller, &entry, Commit { checks, commands, keep_going: false }).await? {
            true => Ok(logged_in),
            false => Err(CHANGED_MEANWHILE),
        }
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
                self.0.audit.note(caller, &AuditEntry::failed(action, format!("user:{tried}"))).await?;
                return Err(AccountError::WrongCredentials);
            }
        };
        self.0.throttle.forgive(&attempt);
        if self.0.hasher.is_weak(&user.password_hash) {
            self.strengthen(&user, password).await?;
        }
        Ok(user)
    }

    /// Hashes a password anew, for more is asked of hashes now than when it was set.
    async fn strengthen(&self, user: &User, password: &str) -> Result<(), AccountError> {
        let password_hash = self.0.hasher.hash(password.to_owned()).await?;
        let entry = AuditEntry::done("user.rehash", target(user));
        let server = AuditCaller::server();
        let strengthened = self.edit_user(&server, user.id, entry, |kept| {
            // Unless it was changed meanwhile.
            if kept.password_hash == user.password_hash {
                kept.password_hash.clone_from(&password_hash);
            }
        });
        strengthened.await.map(drop)
    }

    /// A login that is to be written: its tokens, its id, its record.
    fn new_login(&self, user: User) -> Result<(LoggedIn, Uuid, Login), AccountError> {
        let sid = Uuid::new_v4();
        let (refresh_token, hash) = secret::generate(secret::REFRESH, sid).ok_or(AccountError::Internal)?;
        let (generation, created_at) = (user.generation, self.now_ms());
        let login = Login { user: user.id, hash, generation, created_at };
        Ok((self.logged_in(user, sid, refresh_token)?, sid, login))
    }

    pub(super) fn logged_in(
        &self,
        user: User,
        sid: Uuid,
        refresh_token: String,
    ) -> Result<LoggedIn, AccountError> {
        let view = self.view();
        let roles = self.roles_in(&view, user.id)?;
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
        let principal = self.principal_in(&view, &user, roles, proof, None)?;
        let refresh_expires_in_s = options.refresh_lifetime.as_ms() / 1_000;
        Ok(LoggedIn { user, principal, access_token, expires_in_s, refresh_token, refresh_expires_in_s })
    }
}

/// How the audit log calls a user.
pub(super) fn target(user: &User) -> String {
    format!("user:{}", user.username)
}
