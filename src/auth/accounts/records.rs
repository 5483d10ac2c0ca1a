//! What of accounts lies in the store: users, names, roles, logins, API keys. Under the keys and with the names of
//! members that existing servers have, where they have them.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::error::AccountError;
use super::names::folded;
use crate::base::UserId;
use crate::store::{Command, Condition, Expiry, Value, View};

/// A user, at `auth:user:{id}`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its name, as it was written when it registered.
    pub username: String,
    /// The hash of the password, as bcrypt writes it.
    pub(super) password_hash: String,
    /// Nothing: bcrypt has it in the hash.
    #[serde(default)]
    pub(super) salt: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// What the application keeps with it.
    #[serde(default)]
    pub metadata: Map<String, Json>,
    /// Tokens of an earlier generation are void.
    #[serde(default)]
    pub generation: u64,
    /// Nobody can log in.
    #[serde(default)]
    pub disabled: bool,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("username", &self.username).finish_non_exhaustive()
    }
}

/// A role, at `rbac:role:{name}`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What it grants: permissions such as `kv:get`, `kv:*`.
    pub permissions: Vec<String>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

/// A login, at `auth:refresh:{sid}`. Its one refresh token is only known by its hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Login {
    pub(super) user: UserId,
    /// SHA-256 of the secret, in hexadecimal digits.
    pub(super) hash: String,
    /// What every refresh token of this login is marked with, so that one from before is told from one made up.
    pub(super) mac_key: String,
    pub(super) generation: u64,
    pub(super) created_at: u64,
}

/// An API key, at `auth:key:{id}`. The key itself is only known by its hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub user: UserId,
    /// What its owner calls it.
    pub name: String,
    /// SHA-256 of the secret, in hexadecimal digits.
    pub(super) hash: String,
    /// What it may do at most; what its owner may not, it may not either.
    pub scopes: Vec<String>,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// When it ends, in milliseconds since the Unix epoch; 0 is never.
    pub expires_at: u64,
}

impl ApiKey {
    /// What may be told of it.
    pub fn about(&self) -> Json {
        let Self { id, user, name, scopes, created_at, expires_at, .. } = self;
        let expires_at = Some(*expires_at).filter(|at| *at != 0);
        json!({
            "id": id.simple().to_string(), "userId": user, "name": name, "scopes": scopes,
            "createdAt": created_at, "expiresAt": expires_at,
        })
    }
}

pub(super) fn user_key(id: UserId) -> Vec<u8> {
    format!("{USERS}{id}").into_bytes()
}

pub(super) fn username_key(name: &str) -> Vec<u8> {
    format!("auth:username:{}", folded(name)).into_bytes()
}

pub(super) fn roles_of_key(id: UserId) -> Vec<u8> {
    format!("{ROLES_OF}{id}").into_bytes()
}

pub(super) fn role_key(name: &str) -> Vec<u8> {
    format!("{ROLES}{name}").into_bytes()
}

pub(super) fn login_key(sid: Uuid) -> Vec<u8> {
    format!("auth:refresh:{}", sid.simple()).into_bytes()
}

pub(super) fn api_key_key(id: Uuid) -> Vec<u8> {
    format!("{API_KEYS}{}", id.simple()).into_bytes()
}

/// The list of a user's API keys: their ids follow.
pub(super) fn api_keys_of(user: UserId) -> String {
    format!("auth:keys-of:{user}:")
}

/// What says that a token or a login is void.
pub(super) fn revoked_key(id: Uuid) -> Vec<u8> {
    format!("{REVOKED}{}", id.simple()).into_bytes()
}

pub(super) const USERS: &str = "auth:user:";
pub(super) const ROLES: &str = "rbac:role:";
pub(super) const ROLES_OF: &str = "rbac:user_roles:";
pub(super) const API_KEYS: &str = "auth:key:";
pub(super) const REVOKED: &str = "auth:revoked:";

/// What lies under a key, and its version; `None` and 0 if there is nothing.
pub(super) fn read<T: DeserializeOwned>(view: &View, key: &[u8]) -> Result<(Option<T>, u64), AccountError> {
    let Some(entry) = view.get(key) else { return Ok((None, 0)) };
    let damaged = |_| AccountError::Damaged(String::from_utf8_lossy(key).into_owned());
    Ok((Some(serde_json::from_slice(entry.value.as_bytes()).map_err(damaged)?), entry.version))
}

/// A command that writes a record.
pub(super) fn put<T: Serialize>(key: Vec<u8>, record: &T) -> Command {
    put_until(key, record, Expiry::Never)
}

/// A command that writes a record that ends.
pub(super) fn put_until<T: Serialize>(key: Vec<u8>, record: &T, expiry: Expiry) -> Command {
    // These types are plain; they can always be written.
    let value = Value::json(serde_json::to_vec(record).unwrap_or_default());
    Command::Set { key: key.into(), value, condition: Condition::Always, expiry }
}
