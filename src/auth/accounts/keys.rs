//! API keys: what programs show instead of a password.

use serde_json::json;
use uuid::Uuid;

use super::error::AccountError;
use super::login::target;
use super::records::{ApiKey, api_key_key, api_keys_of, put_until, read};
use super::{Accounts, Planned, secret};
use crate::auth::audit::{AuditCaller, AuditEntry};
use crate::auth::permission::is_grant;
use crate::base::UserId;
use crate::store::{Command, Expiry, View};

/// Characters of a name, and scopes of a key.
const NAME_MAX: usize = 64;
const SCOPES_MAX: usize = 64;

impl Accounts {
    /// Makes a key for a user. Gives it with its text, which nobody can be given again.
    ///
    /// # Errors
    /// If name or scopes are none, or the user may have no more.
    pub async fn create_key(
        &self,
        caller: &AuditCaller,
        user: UserId,
        name: &str,
        scopes: Vec<String>,
        lifetime_ms: Option<u64>,
    ) -> Result<(ApiKey, String), AccountError> {
        check(name, &scopes)?;
        let limit = self.0.options.keys_max;
        let (id, name) = (Uuid::new_v4(), name.to_owned());
        let (text, hash) = secret::generate(secret::KEY, id).ok_or(AccountError::Internal)?;
        self.change(caller, move |me, view| {
            let owner = me.user_in(view, user)?;
            if me.keys_in(view, user)?.len() >= limit {
                return Err(AccountError::TooMany { what: "API keys of a user", limit });
            }
            let created_at = me.now_ms();
            let expires_at = lifetime_ms.map_or(0, |ms| created_at.saturating_add(ms));
            let key = ApiKey { id, user, name, hash, scopes, created_at, expires_at };
            let expiry = if expires_at == 0 { Expiry::Never } else { Expiry::At(expires_at) };
            let commands = vec![
                put_until(api_key_key(id), &key, expiry),
                put_until(listed_key(user, id), &json!(key.name), expiry),
            ];
            let entry = AuditEntry::done("key.create", format!("{} key:{}", target(&owner), id.simple()));
            let entry = entry.changing(None, Some(key.about()));
            Ok(Planned { entry, commands, gives: (key, text) })
        })
        .await
    }

    /// The keys of a user.
    ///
    /// # Errors
    /// If what lies in the store is unreadable.
    pub fn keys_of(&self, user: UserId) -> Result<Vec<ApiKey>, AccountError> {
        self.keys_in(&self.view(), user)
    }

    fn keys_in(&self, view: &View, user: UserId) -> Result<Vec<ApiKey>, AccountError> {
        let list = api_keys_of(user);
        let ids = view.prefix(list.as_bytes()).map(|(key, _)| String::from_utf8_lossy(&key[list.len()..]));
        let ids: Vec<Uuid> = ids.filter_map(|id| id.parse().ok()).collect();
        let keys = ids.into_iter().map(|id| Ok(read::<ApiKey>(view, &api_key_key(id))?.0));
        let keys = keys.collect::<Result<Vec<_>, AccountError>>()?;
        Ok(keys.into_iter().flatten().collect())
    }

    /// Takes a key from a user. Whoever uses it is out at once.
    ///
    /// # Errors
    /// If the user has no such key.
    pub async fn revoke_key(&self, caller: &AuditCaller, user: UserId, id: Uuid) -> Result<(), AccountError> {
        self.change(caller, move |me, view| {
            let owner = me.user_in(view, user)?;
            let key = read::<ApiKey>(view, &api_key_key(id))?.0.filter(|key| key.user == user);
            let key = key.ok_or(AccountError::NotFound("API key"))?;
            let commands = vec![Command::delete(api_key_key(id)), Command::delete(listed_key(user, id))];
            let entry = AuditEntry::done("key.revoke", format!("{} key:{}", target(&owner), id.simple()));
            Ok(Planned { entry: entry.changing(Some(key.about()), None), commands, gives: () })
        })
        .await
    }
}

/// The place of a key in the list of its owner's.
fn listed_key(user: UserId, id: Uuid) -> Vec<u8> {
    format!("{}{}", api_keys_of(user), id.simple()).into_bytes()
}

fn check(name: &str, scopes: &[String]) -> Result<(), AccountError> {
    if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        return Err(AccountError::Invalid("name", format!("must have 1 to {NAME_MAX} characters")));
    }
    if scopes.is_empty() || scopes.len() > SCOPES_MAX {
        let text = format!("must be 1 to {SCOPES_MAX} permissions; \"*\" is all that you may");
        return Err(AccountError::Invalid("scopes", text));
    }
    match scopes.iter().find(|scope| !is_grant(scope)) {
        Some(wrong) => {
            let wrong: String = wrong.chars().take(128).collect();
            let text = format!("\"{wrong}\" is no permission: write namespace:action, namespace:* or *");
            Err(AccountError::Invalid("scopes", text))
        }
        None => Ok(()),
    }
}
