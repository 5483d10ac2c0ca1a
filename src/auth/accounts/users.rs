//! Users, as administrators see them.

use serde_json::{Value as Json, json};

use super::error::AccountError;
use super::login::target;
use super::names::password_problem;
use super::records::{
    ROLES_OF, USERS, User, api_key_key, api_keys_of, read, roles_of_key, user_key, username_key,
};
use super::roles::ADMIN;
use super::{Accounts, CHANGED_MEANWHILE, Role, TRIES};
use crate::auth::audit::{AuditCaller, AuditEntry};
use crate::auth::permission::EVERYTHING;
use crate::base::UserId;
use crate::store::{Check, Command, Commit, Condition, View};

/// An account that is to be made.
#[derive(Clone)]
pub struct NewUser {
    /// Its name.
    pub name: String,
    /// Its password.
    pub password: String,
    /// Its roles.
    pub roles: Vec<String>,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Accounts {
    /// The user with this id.
    ///
    /// # Errors
    /// If there is none.
    pub fn user(&self, id: UserId) -> Result<User, AccountError> {
        read(&self.view(), &user_key(id))?.0.ok_or(AccountError::NotFound("user"))
    }

    /// The user with this name, in whatever letters.
    ///
    /// # Errors
    /// If what lies in the store is unreadable.
    pub fn user_named(&self, name: &str) -> Result<Option<User>, AccountError> {
        let view = self.view();
        let Some(id) = read::<UserId>(&view, &username_key(name))?.0 else { return Ok(None) };
        Ok(read(&view, &user_key(id))?.0)
    }

    /// The user with this id or name.
    ///
    /// # Errors
    /// If there is none.
    pub fn find_user(&self, text: &str) -> Result<User, AccountError> {
        match text.parse().map(|id| self.user(id)) {
            Ok(Ok(user)) => Ok(user),
            _ => self.user_named(text)?.ok_or(AccountError::NotFound("user")),
        }
    }

    /// What may be told of a user.
    ///
    /// # Errors
    /// If what lies in the store is unreadable.
    pub fn about_user(&self, user: &User) -> Result<Json, AccountError> {
        let roles = self.roles_in(&self.view(), user.id)?;
        Ok(json!({
            "id": user.id, "username": user.username, "roles": roles, "createdAt": user.created_at,
            "disabled": user.disabled, "metadata": user.metadata,
        }))
    }

    /// Users by their ids, after this one; and whether there are more.
    ///
    /// # Errors
    /// If what lies in the store is unreadable.
    pub fn users(&self, after: Option<UserId>, limit: usize) -> Result<(Vec<User>, bool), AccountError> {
        let view = self.view();
        let start = after.map(|id| [&user_key(id)[..], &[0]].concat()).unwrap_or_default();
        let page = view.page(USERS.as_bytes(), &start, limit, usize::MAX);
        let unreadable = |key: &[u8]| AccountError::Damaged(String::from_utf8_lossy(key).into_owned());
        let read = |(key, entry): (Vec<u8>, crate::store::Entry)| {
            serde_json::from_slice(entry.value.as_bytes()).map_err(|_| unreadable(&key))
        };
        let users = page.entries.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok((users, page.next.is_some()))
    }

    /// Makes an account with roles.
    ///
    /// # Errors
    /// If name or password is none, the name is taken, or there is no such role.
    pub async fn create_user(&self, caller: &AuditCaller, new: NewUser) -> Result<User, AccountError> {
        self.make_user(caller, "user.create", new).await
    }

    /// Makes an administrator of this name, unless there is a user of that name already. Says whether there is a new
    /// one.
    ///
    /// # Errors
    /// If name or password is none.
    pub async fn ensure_admin(
        &self,
        caller: &AuditCaller,
        name: &str,
        password: &str,
    ) -> Result<bool, AccountError> {
        if self.user_named(name)?.is_some() {
            return Ok(false);
        }
        let (name, password) = (name.to_owned(), password.to_owned());
        let new = NewUser { name, password, roles: vec![ADMIN.to_owned()] };
        self.make_user(caller, "user.create", new).await.map(|_| true)
    }

    /// Sets a password. All logins of the user end.
    ///
    /// # Errors
    /// If there is no such user, or the password is none.
    pub async fn set_password(
        &self,
        caller: &AuditCaller,
        id: UserId,
        password: &str,
    ) -> Result<User, AccountError> {
        let user = self.user(id)?;
        if let Some(problem) = password_problem(password, &user.username) {
            return Err(AccountError::Invalid("password", problem.to_owned()));
        }
        self.replace_password(caller, id, password).await
    }

    pub(super) async fn replace_password(
        &self,
        caller: &AuditCaller,
        id: UserId,
        password: &str,
    ) -> Result<User, AccountError> {
        let name = target(&self.user(id)?);
        let hash = self.0.hasher.hash(password.to_owned()).await?;
        let entry = AuditEntry::done("user.password", name);
        let replaced = self.edit_user(caller, id, entry, |user| {
            user.password_hash.clone_from(&hash);
            user.generation += 1;
        });
        replaced.await
    }

    /// Lets a user log in or not. Whoever may not any more is out at once.
    ///
    /// # Errors
    /// If there is no such user, or nobody would be left to administrate.
    pub async fn set_disabled(
        &self,
        caller: &AuditCaller,
        id: UserId,
        disabled: bool,
    ) -> Result<User, AccountError> {
        let user = self.user(id)?;
        if disabled {
            self.check_not_last_admin(&self.view(), id)?;
        }
        let action = if disabled { "user.disable" } else { "user.enable" };
        let (before, after) = (json!({ "disabled": user.disabled }), json!({ "disabled": disabled }));
        let entry = AuditEntry::done(action, target(&user)).changing(Some(before), Some(after));
        self.edit_user(caller, id, entry, |user| user.disabled = disabled).await
    }

    /// Deletes a user with its roles and keys. Its name is free again.
    ///
    /// # Errors
    /// If there is no such user, or nobody would be left to administrate.
    pub async fn delete_user(&self, caller: &AuditCaller, id: UserId) -> Result<(), AccountError> {
        for _ in 0..TRIES {
            let view = self.view();
            let (user, version) = read::<User>(&view, &user_key(id))?;
            let user = user.ok_or(AccountError::NotFound("user"))?;
            self.check_not_last_admin(&view, id)?;
            let before = self.about_user(&user)?;
            let list = api_keys_of(id);
            let mut commands = vec![
                Command::delete(user_key(id)),
                Command::delete(username_key(&user.username)),
                Command::delete(roles_of_key(id)),
            ];
            for (key, _) in view.prefix(list.as_bytes()) {
                let of = String::from_utf8_lossy(&key[list.len()..]).parse();
                commands.extend(of.map(|id| Command::delete(api_key_key(id))));
                commands.push(Command::delete(key));
            }
            let checks = vec![Check { key: user_key(id).into(), condition: Condition::IfVersion(version) }];
            let entry = AuditEntry::done("user.delete", target(&user)).changing(Some(before), None);
            if self.change(caller, &entry, Commit { checks, commands, keep_going: false }).await? {
                return Ok(());
            }
        }
        Err(CHANGED_MEANWHILE)
    }

    /// Somebody else has to be left who may do everything.
    pub(super) fn check_not_last_admin(&self, view: &View, id: UserId) -> Result<(), AccountError> {
        if !self.is_admin(view, &self.roles_in(view, id)?)? {
            return Ok(());
        }
        for (key, entry) in view.prefix(ROLES_OF.as_bytes()) {
            let other: Option<UserId> = String::from_utf8_lossy(&key[ROLES_OF.len()..]).parse().ok();
            let Some(other) = other.filter(|other| *other != id) else { continue };
            let roles: Vec<String> = serde_json::from_slice(entry.value.as_bytes()).unwrap_or_default();
            let user = read::<User>(view, &user_key(other))?.0;
            if user.is_some_and(|user| !user.disabled) && self.is_admin(view, &roles)? {
                return Ok(());
            }
        }
        Err(AccountError::Conflict("this is the last account that may do everything"))
    }

    fn is_admin(&self, view: &View, roles: &[String]) -> Result<bool, AccountError> {
        let grants = |role: Role| role.permissions.iter().any(|grant| grant == EVERYTHING || grant == "*");
        for role in roles {
            if self.role_in(view, role)?.is_some_and(grants) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
