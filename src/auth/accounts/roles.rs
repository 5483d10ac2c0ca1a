//! Roles: what they grant, and who has them.

use serde_json::{Value as Json, json};

use super::error::AccountError;
use super::login::target;
use super::records::{ROLES, ROLES_OF, Role, put, read, role_key, roles_of_key};
use super::{Accounts, Planned};
use crate::auth::audit::{AuditCaller, AuditEntry};
use crate::auth::permission::{EVERYTHING, is_grant};
use crate::base::UserId;
use crate::store::{Command, View};

/// The role of administrators. It cannot be changed: nobody could change it back.
pub(super) const ADMIN: &str = "admin";

/// Roles that every server has.
const FIRST: [(&str, &[&str], &str); 3] = [
    (ADMIN, &[EVERYTHING], "May do everything"),
    ("user", &["kv:get", "kv:set", "kv:delete", "job:create", "job:view"], "What whoever registers may do"),
    ("readonly", &["kv:get", "job:view"], "May look"),
];

/// Permissions that one role may grant, roles that one user may have, and characters of a description.
const GRANTS_MAX: usize = 256;
const ROLES_MAX: usize = 64;
const DESCRIPTION_MAX: usize = 256;

/// Users that one commit takes a role from.
const TAKEN_AT_ONCE: usize = 500;

impl Accounts {
    /// Writes the roles that every server has, where they are not there.
    pub(super) async fn write_first_roles(&self) -> Result<(), AccountError> {
        for (name, ..) in FIRST {
            if self.view().get(&role_key(name)).is_some() {
                continue;
            }
            let Some(role) = built_in(name) else { continue };
            self.change(&AuditCaller::server(), move |_, _| Ok(setting(None, role))).await?;
        }
        Ok(())
    }

    /// All roles, by their names.
    ///
    /// # Errors
    /// If what lies in the store is unreadable.
    pub fn roles(&self) -> Result<Vec<Role>, AccountError> {
        let view = self.view();
        let all = view.prefix(ROLES.as_bytes());
        let damaged = |key: &[u8]| AccountError::Damaged(String::from_utf8_lossy(key).into_owned());
        let read =
            all.map(|(key, entry)| serde_json::from_slice(entry.value.as_bytes()).map_err(|_| damaged(key)));
        let mut roles = read.collect::<Result<Vec<Role>, _>>()?;
        let mut missing: Vec<Role> = FIRST.into_iter().filter_map(|(name, ..)| built_in(name)).collect();
        missing.retain(|role| roles.iter().all(|known| known.name != role.name));
        roles.extend(missing);
        roles.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(roles)
    }

    /// The role of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn role(&self, name: &str) -> Result<Role, AccountError> {
        self.role_in(&self.view(), name)?.ok_or(AccountError::NotFound("role"))
    }

    pub(super) fn role_in(&self, view: &View, name: &str) -> Result<Option<Role>, AccountError> {
        // Roles that every server has are there even if what lay in the store is not.
        Ok(read(view, &role_key(name))?.0.or_else(|| built_in(name)))
    }

    /// The names of the roles of a user.
    ///
    /// # Errors
    /// If what lies in the store is unreadable.
    pub fn roles_of(&self, user: UserId) -> Result<Vec<String>, AccountError> {
        self.roles_in(&self.view(), user)
    }

    pub(super) fn roles_in(&self, view: &View, user: UserId) -> Result<Vec<String>, AccountError> {
        Ok(read(view, &roles_of_key(user))?.0.unwrap_or_default())
    }

    /// Makes a role, or replaces what it grants. Whoever has it may that at once.
    ///
    /// # Errors
    /// If the name is none, or a permission is none, or it is the role of administrators.
    pub async fn set_role(&self, caller: &AuditCaller, role: Role) -> Result<Role, AccountError> {
        check_role(&role)?;
        self.change(caller, move |me, view| {
            let before = me.role_in(view, &role.name)?;
            let changed = |known: &Role| if known.name == role.name { role.clone() } else { known.clone() };
            me.check_admin_left(view, &|_, roles| Some(roles.to_vec()), &changed)?;
            Ok(setting(before, role))
        })
        .await
    }

    /// Deletes a role, and takes it from everybody who has it: one of that name that is made later grants nothing to
    /// them.
    ///
    /// # Errors
    /// If there is none, or it is the role of administrators.
    pub async fn delete_role(&self, caller: &AuditCaller, name: &str) -> Result<(), AccountError> {
        if name == ADMIN {
            return Err(AccountError::Conflict("the role admin cannot be changed"));
        }
        if name == self.0.options.default_role {
            let text = "this is the role of new accounts: name another in auth.default_role first";
            return Err(AccountError::Conflict(text));
        }
        if built_in(name).is_some() {
            let text = "every server has this role: change what it grants instead";
            return Err(AccountError::Conflict(text));
        }
        // Whoever has it loses it first, some at a time; once nobody has, it goes.
        while !self.take_from_some(caller, name.to_owned()).await? {}
        Ok(())
    }

    /// Takes a role from some who have it, and deletes it if that is all of them. Says whether it is gone.
    async fn take_from_some(&self, caller: &AuditCaller, name: String) -> Result<bool, AccountError> {
        self.change(caller, move |me, view| {
            let before = me.role_in(view, &name)?.ok_or(AccountError::NotFound("role"))?;
            let nothing = |known: &Role| match known.name == name {
                true => Role { permissions: Vec::new(), ..known.clone() },
                false => known.clone(),
            };
            me.check_admin_left(view, &|_, roles| Some(roles.to_vec()), &nothing)?;
            let mut commands = Vec::new();
            for (key, entry) in view.prefix(ROLES_OF.as_bytes()) {
                let roles: Vec<String> = serde_json::from_slice(entry.value.as_bytes()).unwrap_or_default();
                if roles.contains(&name) && commands.len() < TAKEN_AT_ONCE {
                    let left: Vec<_> = roles.into_iter().filter(|role| *role != name).collect();
                    commands.push(put(key.to_vec(), &left));
                }
            }
            let (taken, last) = (commands.len(), commands.len() < TAKEN_AT_ONCE);
            if last {
                commands.push(Command::delete(role_key(&name)));
            }
            let before = json!({ "role": before, "takenFrom": taken });
            let entry = AuditEntry::done("role.delete", format!("role:{name}")).changing(Some(before), None);
            Ok(Planned { entry, commands, gives: last })
        })
        .await
    }

    /// Gives a user a role. Having it already is no error.
    ///
    /// # Errors
    /// If there is no such user or role.
    pub async fn assign_role(
        &self,
        caller: &AuditCaller,
        user: UserId,
        role: &str,
    ) -> Result<Vec<String>, AccountError> {
        let role = role.to_owned();
        self.edit_roles(caller, "role.assign", user, move |me, view, roles| {
            me.role_in(view, &role)?.ok_or(AccountError::NotFound("role"))?;
            if !roles.contains(&role) {
                roles.push(role);
            }
            match roles.len() {
                count if count > ROLES_MAX => {
                    Err(AccountError::TooMany { what: "roles of a user", limit: ROLES_MAX })
                }
                _ => Ok(()),
            }
        })
        .await
    }

    /// Takes a role from a user. Not having it is no error.
    ///
    /// # Errors
    /// If there is no such user, or nobody would be left to administrate.
    pub async fn unassign_role(
        &self,
        caller: &AuditCaller,
        user: UserId,
        role: &str,
    ) -> Result<Vec<String>, AccountError> {
        let role = role.to_owned();
        self.edit_roles(caller, "role.unassign", user, move |me, view, roles| {
            roles.retain(|known| *known != role);
            let left = roles.clone();
            let kept =
                move |other, all: &[String]| Some(if other == user { left.clone() } else { all.to_vec() });
            me.check_admin_left(view, &kept, &Role::clone)
        })
        .await
    }

    /// Changes the roles of a user.
    async fn edit_roles(
        &self,
        caller: &AuditCaller,
        action: &'static str,
        id: UserId,
        edit: impl FnOnce(&Self, &View, &mut Vec<String>) -> Result<(), AccountError> + Send + 'static,
    ) -> Result<Vec<String>, AccountError> {
        self.change(caller, move |me, view| {
            let user = me.user_in(view, id)?;
            let before = me.roles_in(view, id)?;
            let mut roles = before.clone();
            edit(me, view, &mut roles)?;
            let told = |roles: &[String]| Some(json!({ "roles": roles }) as Json);
            let entry = AuditEntry::done(action, target(&user)).changing(told(&before), told(&roles));
            Ok(Planned { entry, commands: vec![put(roles_of_key(id), &roles)], gives: roles })
        })
        .await
    }
}

/// A role that every server has, as it is at first.
fn built_in(name: &str) -> Option<Role> {
    let (name, permissions, description) = FIRST.into_iter().find(|(known, ..)| *known == name)?;
    let permissions = permissions.iter().map(|grant| (*grant).to_owned()).collect();
    Some(Role { name: name.to_owned(), permissions, description: description.to_owned() })
}

/// Writes a role.
fn setting(before: Option<Role>, role: Role) -> Planned<Role> {
    let entry = AuditEntry::done("role.set", format!("role:{}", role.name));
    let entry = entry.changing(before.map(|role| json!(role)), Some(json!(role)));
    Planned { entry, commands: vec![put(role_key(&role.name), &role)], gives: role }
}

fn check_role(role: &Role) -> Result<(), AccountError> {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if role.name.is_empty() || role.name.len() > 64 || !role.name.bytes().all(fine) {
        let text = "must have 1 to 64 letters, digits, \"_\" and \"-\"";
        return Err(AccountError::Invalid("name", text.to_owned()));
    }
    if role.name == ADMIN {
        return Err(AccountError::Conflict("the role admin cannot be changed"));
    }
    if role.permissions.len() > GRANTS_MAX {
        return Err(AccountError::TooMany { what: "permissions of a role", limit: GRANTS_MAX });
    }
    if let Some(wrong) = role.permissions.iter().find(|grant| !is_grant(grant)) {
        let wrong: String = wrong.chars().take(GRANTS_MAX).collect();
        let text = format!("\"{wrong}\" is no permission: write namespace:action, namespace:* or *");
        return Err(AccountError::Invalid("permissions", text));
    }
    if role.description.chars().count() > DESCRIPTION_MAX {
        return Err(AccountError::Invalid(
            "description",
            format!("must have at most {DESCRIPTION_MAX} characters"),
        ));
    }
    Ok(())
}
