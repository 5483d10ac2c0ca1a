//! Users, as administrators see them.

use serde_json::{Value as Json, json};

use super::error::AccountError;
use super::login::target;
use super::names::password_problem;
use super::records::{
    ROLES_OF, USERS, User, api_key_key, api_keys_of, put, read, roles_of_key, user_key, username_key,
};
use super::roles::ADMIN;
use super::{Accounts, Planned, Role};
use crate::auth::audit::{AuditCaller, AuditEntry};
use crate::auth::permission::EVERYTHING;
use crate::base::UserId;
use crate::store::{Command, View};

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

/// Which roles a user would still have; `None` if there would be no such user.
type Kept<'a> = dyn Fn(UserId, &[String]) -> Option<Vec<String>> + 'a;

impl Accounts {
    /// The user with this id.
    ///
    /// # Errors
    /// If there is none.
    pub fn user(&self, id: UserId) -> Result<User, AccountError> {
        self.user_in(&self.view(), id)
    }

    pub(super) fn user_in(&self, view: &View, id: UserId) -> Result<User, AccountError> {
        read(view, &user_key(id))?.0.ok_or(AccountError::NotFound("user"))
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
        if let Some(user) = self.user_named(name)? {
            if !self.is_admin(&self.view(), &self.roles_of(user.id)?, &Role::clone)? {
                tracing::warn!(user = name, "there is a user of the administrator's name, who is none");
            }
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
        self.update_user(caller, id, None, Some(password)).await
    }

    /// Sets a password, whether the user may log in, or both: all of it or nothing. All logins of the user end with a new
    /// password.
    ///
    /// # Errors
    /// If there is no such user, the password is none, or nobody would be left to administrate.
    pub async fn update_user(
        &self,
        caller: &AuditCaller,
        id: UserId,
        disabled: Option<bool>,
        password: Option<&str>,
    ) -> Result<User, AccountError> {
        let user = self.user(id)?;
        let mut hash = None;
        if let Some(password) = password {
            if let Some(problem) = password_problem(password, &user.username) {
                return Err(AccountError::Invalid("password", problem.to_owned()));
            }
            hash = Some(self.0.hasher.hash(password.to_owned()).await?);
        }
        self.change(caller, move |me, view| {
            let mut user = me.user_in(view, id)?;
            let was_disabled = user.disabled;
            user.disabled = disabled.unwrap_or(was_disabled);
            if user.disabled && disabled.is_some() {
                let others = |other, roles: &[String]| (other != id).then(|| roles.to_vec());
                me.check_admin_left(view, &others, &Role::clone)?;
            }
            let action = match (disabled, &hash) {
                (_, Some(_)) => "user.password",
                (Some(true), None) => "user.disable",
                _ => "user.enable",
            };
            if let Some(hash) = hash {
                user.password_hash = hash;
                user.generation += 1;
            }
            let told = |disabled| Some(json!({ "disabled": disabled }));
            let entry = AuditEntry::done(action, target(&user));
            let entry = match disabled {
                Some(disabled) => entry.changing(told(was_disabled), told(disabled)),
                None => entry,
            };
            Ok(Planned { entry, commands: vec![put(user_key(id), &user)], gives: user })
        })
        .await
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
        self.update_user(caller, id, Some(disabled), None).await
    }

    /// Deletes a user with its roles and keys. Its name is free again.
    ///
    /// # Errors
    /// If there is no such user, or nobody would be left to administrate.
    pub async fn delete_user(&self, caller: &AuditCaller, id: UserId) -> Result<(), AccountError> {
        self.change(caller, move |me, view| {
            let user = me.user_in(view, id)?;
            me.check_admin_left(view, &|other, roles| (other != id).then(|| roles.to_vec()), &Role::clone)?;
            let before = me.about_user(&user)?;
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
            let entry = AuditEntry::done("user.delete", target(&user)).changing(Some(before), None);
            Ok(Planned { entry, commands, gives: () })
        })
        .await
    }

    /// Somebody who may do everything has to be left, if there is one. `kept` says which roles a user would still have,
    /// `changed` what a role would grant.
    pub(super) fn check_admin_left(
        &self,
        view: &View,
        kept: &Kept<'_>,
        changed: &dyn Fn(&Role) -> Role,
    ) -> Result<(), AccountError> {
        let mut was_there = false;
        for (key, entry) in view.prefix(ROLES_OF.as_bytes()) {
            let user: Option<UserId> = String::from_utf8_lossy(&key[ROLES_OF.len()..]).parse().ok();
            let roles: Vec<String> = serde_json::from_slice(entry.value.as_bytes()).unwrap_or_default();
            let Some(user) = user.filter(|_| !roles.is_empty()) else { continue };
            if !self.is_admin(view, &roles, &Role::clone)? {
                continue;
            }
            if read::<User>(view, &user_key(user))?.0.is_none_or(|user| user.disabled) {
                continue;
            }
            was_there = true;
            let left = kept(user, &roles).unwrap_or_default();
            if self.is_admin(view, &left, changed)? {
                return Ok(());
            }
        }
        match was_there {
            true => Err(AccountError::Conflict("nobody would be left who may do everything")),
            false => Ok(()),
        }
    }

    fn is_admin(
        &self,
        view: &View,
        roles: &[String],
        changed: &dyn Fn(&Role) -> Role,
    ) -> Result<bool, AccountError> {
        let grants =
            |role: Role| changed(&role).permissions.iter().any(|grant| grant == EVERYTHING || grant == "*");
        for role in roles {
            if self.role_in(view, role)?.is_some_and(grants) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
