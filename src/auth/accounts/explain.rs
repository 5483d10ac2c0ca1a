//! Why somebody may something, or why not.

use serde::Serialize;

use super::Accounts;
use super::error::AccountError;
use super::records::User;
use crate::auth::permission::grants;

/// Why a user may something, or why not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// Whether it may.
    pub allowed: bool,
    /// The permission that is needed; null if none is.
    pub permission: Option<String>,
    /// The roles of the user.
    pub roles: Vec<String>,
    /// What grants it: a role, or "anonymous" for what everybody is granted; and the grant.
    pub granted_by: Vec<GrantedBy>,
    /// The same in words.
    pub reason: String,
}

/// What grants a permission.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct GrantedBy {
    /// The role.
    pub role: String,
    /// What it grants.
    pub grant: String,
}

impl Accounts {
    /// Why a user has a permission, or why not. `None` is what everybody may.
    ///
    /// # Errors
    /// If what lies in the store is unreadable.
    pub fn explain(&self, user: &User, permission: Option<&str>) -> Result<Explained, AccountError> {
        let (view, name) = (self.view(), &user.username);
        let roles = self.roles_in(&view, user.id)?;
        let mut granted_by = Vec::new();
        let mut look = |role: &str, granted: &[String]| {
            let wanted = granted.iter().filter(|grant| permission.is_some_and(|it| grants(grant, it)));
            granted_by.extend(wanted.map(|grant| GrantedBy { role: role.to_owned(), grant: grant.clone() }));
        };
        look("anonymous", self.everybody().permissions());
        for role in &roles {
            look(role, &self.role_in(&view, role)?.map(|role| role.permissions).unwrap_or_default());
        }
        let reason = match (permission, granted_by.first()) {
            _ if user.disabled => format!("{name} is disabled"),
            (None, _) => "it needs no permission".to_owned(),
            (Some(permission), Some(by)) if by.grant == permission => format!("{} grants it", by.role),
            (Some(permission), Some(by)) => {
                format!("{} grants {}, which includes {permission}", by.role, by.grant)
            }
            (Some(permission), None) if roles.is_empty() => {
                format!("{name} has no role, and {permission} is needed")
            }
            (Some(permission), None) => format!("none of its roles grants {permission}"),
        };
        let allowed = !user.disabled && (permission.is_none() || !granted_by.is_empty());
        let permission = permission.map(str::to_owned);
        Ok(Explained { allowed, permission, roles, granted_by, reason })
    }
}
