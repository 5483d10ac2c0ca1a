//! Roles: what they grant, and who has them.

use serde_json::{Value as Json, json};

use super::error::AccountError;
use super::login::target;
use super::records::{ROLES, ROLES_OF, Role, User, put, read, role_key, roles_of_key, user_key};
use super::{Accounts, CHANGED_MEANWHILE, TRIES};
use crate::auth::audit::{AuditCaller, AuditEntry};
use crate::auth::permission::{EVERYTHING, is_grant};
use crate::base::UserId;
use crate::store::{Check, Command, Commit, Condition, View};

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
        for (name, permissions, description) in FIRST {
            if self.view().get(&role_key(name)).is_some() {
                continue;
            }
            let permissions = permissions.iter().map(|grant| (*grant).to_owned()).collect();
            let (name, description) = (name.to_owned(), description.to_owned());
            let role = Role { name, permissions, description };
            let key = role_key(&role.name);
            let checks = vec![Check { key: key.clone().into(), condition: Condition::IfAbsent }];
            let entry = AuditEntry::done("role.set", format!("role:{}", role.name));
            let entry = entry.changing(None, Some(json!(role)));
            let commit = Commit { checks, commands: vec![put(key, &role)], keep_going: false };
            self.change(&AuditCaller::server(), &entry, commit).await?;
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
        all.map(|(key, entry)| serde_json::from_slice(entry.value.as_bytes()).map_err(|_| damaged(key)))
            .collect()
    }

    /// The role of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn role(&self, name: &str) -> Result<Role, AccountError> {
        self.role_in(&self.view(), name)?.ok_or(AccountError::NotFound("role"))
    }

    pub(super) fn role_in(&self, view: &View, name: &str) -> Result<Option<Role>, AccountError> {
        Ok(read(view, &role_key(name))?.0)
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
        let key = role_key(&role.name);
        for _ in 0..TRIES {
            let (before, version) = read::<Role>(&self.view(), &key)?;
            let entry = AuditEntry::done("role.set", format!("role:{}", role.name));
            let entry = entry.changing(before.map(|role| json!(role)), Some(json!(role)));
            let checks = vec![Check { key: key.clone().into(), condition: Condition::IfVersion(version) }];
            let commit = Commit { checks, commands: vec![put(key.clone(), &role)], keep_going: false };
            if self.change(caller, &entry, commit).await? {
                return Ok(role);
            }
        }
        Err(CHANGED_MEANWHILE)
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
        let before = self.role(name)?;
        loop {
            let view = self.view();
            let (mut checks, mut commands) = (Vec::new(), Vec::new());
            for (key, entry) in view.prefix(ROLES_OF.as_bytes()) {
                let roles: Vec<String> = serde_json::from_slice(entry.value.as_bytes()).unwrap_or_default();
                if !roles.iter().any(|role| role == name) || commands.len() >= TAKEN_AT_ONCE {
                    continue;
                }
                let left: Vec<_> = roles.into_iter().filter(|role| role != name).collect();
                checks.push(Check { key: key.into(), condition: Condition::IfVersion(entry.version) });
                commands.push(put(key.to_vec(), &left));
            }
            let last = commands.len() < TAKEN_AT_ONCE;
            let count = commands.len();
            if last {
                commands.push(Command::delete(role_key(name)));
            }
            let before = json!({ "role": before, "takenFrom": count });
            let entry = AuditEntry::done("role.delete", format!("role:{name}")).changing(Some(before), None);
            let done = self.change(caller, &entry, Commit { checks, commands, keep_going: false }).await?;
            if done && last {
                return Ok(());
            }
        }
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
        self.edit_roles(caller, "role.assign", user, |roles| {
            if !roles.iter().any(|known| known == role) {
                roles.push(role.to_owned());
            }
            Some(role.to_owned())
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
        self.edit_roles(caller, "role.unassign", user, |roles| {
            roles.retain(|known| known != role);
            None
        })
        .await
    }

    /// Changes the roles of a user; `edit` names the role that has to exist.
    async fn edit_roles(
        &self,
        caller: &AuditCaller,
        action: &'static str,
        id: UserId,
        edit: impl Fn(&mut Vec<String>) -> Option<String>,
    ) -> Result<Vec<String>, AccountError> {
        for _ in 0..TRIES {
            let view = self.view();
            let user = read::<User>(&view, &user_key(id))?.0.ok_or(AccountError::NotFound("user"))?;
            let (before, version) = read::<Vec<String>>(&view, &roles_of_key(id))?;
            let (before, mut roles) = (before.clone().unwrap_or_default(), before.unwrap_or_default());
            let mut checks =
                vec![Check { key: roles_of_key(id).into(), condition: Condition::IfVersion(version) }];
            // The user and the role must still be there when it is written.
            checks.push(Check { key: user_key(id).into(), condition: Condition::IfPresent });
            if let Some(role) = edit(&mut roles) {
                self.role_in(&view, &role)?.ok_or(AccountError::NotFound("role"))?;
                checks.push(Check { key: role_key(&role).into(), condition: Condition::IfPresent });
            } else if before.iter().any(|role| role == ADMIN) && !roles.iter().any(|role| role == ADMIN) {
                self.check_not_last_admin(&view, id)?;
            }
            if roles == before {
                return Ok(roles);
            }
            if roles.len() > ROLES_MAX {
                return Err(AccountError::TooMany { what: "roles of a user", limit: ROLES_MAX });
            }
            let told = |roles: &[String]| Some(json!({ "roles": roles }) as Json);
            let entry = AuditEntry::done(action, target(&user)).changing(told(&before), told(&roles));
            let commands = vec![put(roles_of_key(id), &roles)];
            if self.change(caller, &entry, Commit { checks, commands, keep_going: false }).await? {
                return Ok(roles);
            }
        }
        Err(CHANGED_MEANWHILE)
    }
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
