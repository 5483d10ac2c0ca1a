//! The caller of a request.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::permission::{covers, grants};
use crate::base::UserId;

/// Who asks, and what it may do.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Principal {
    name: Option<Box<str>>,
    /// What it was granted.
    permissions: Arc<[String]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<Box<Account>>,
}

/// The account of a principal, and how it has shown that it is its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The user.
    pub user: UserId,
    /// Its roles. What they grant is in the principal.
    pub roles: Arc<[String]>,
    /// What it may do at most, whatever its roles grant; `None` is no limit.
    pub scopes: Option<Arc<[String]>>,
    /// What it has shown.
    pub proof: Proof,
}

/// What an account was shown to be one's own with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Proof {
    /// An access token.
    Token {
        /// The id of the token.
        jti: Uuid,
        /// The id of the login that it goes back to.
        sid: Uuid,
        /// The generation of the user at that time; logging out everywhere begins another.
        generation: u64,
        /// When the token ends, in milliseconds since the Unix epoch.
        expires_at: u64,
    },
    /// An API key.
    Key {
        /// The id of the key.
        id: Uuid,
        /// When the key ends, in milliseconds since the Unix epoch; 0 is never.
        expires_at: u64,
    },
}

impl Proof {
    /// When it ends, in milliseconds since the Unix epoch; `None` is never.
    pub fn expires_at(&self) -> Option<u64> {
        match self {
            Self::Token { expires_at, .. } | Self::Key { expires_at, .. } => {
                Some(*expires_at).filter(|at| *at != 0)
            }
        }
    }
}

impl Principal {
    /// Nobody in particular: no permission.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// Nobody in particular, with what everybody is granted.
    pub fn everybody(permissions: Arc<[String]>) -> Self {
        Self { permissions, ..Self::default() }
    }

    /// Somebody with permissions: names like `chat:send`, `chat:*` for a namespace, `*` for all.
    pub fn named(name: impl Into<String>, permissions: impl IntoIterator<Item = String>) -> Self {
        Self { name: Some(name.into().into()), permissions: permissions.into_iter().collect(), account: None }
    }

    /// Somebody with an account.
    pub fn of_account(name: &str, permissions: Arc<[String]>, account: Account) -> Self {
        Self { name: Some(name.into()), permissions, account: Some(Box::new(account)) }
    }

    /// The name, unless anonymous.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The account, if it has one.
    pub fn account(&self) -> Option<&Account> {
        self.account.as_deref()
    }

    /// The user of the account, if it has one.
    pub fn user(&self) -> Option<UserId> {
        self.account.as_ref().map(|account| account.user)
    }

    /// What tokens call it: the id of its account, or its name.
    pub fn subject(&self) -> Option<String> {
        self.user().map(|user| user.to_string()).or_else(|| self.name.as_deref().map(str::to_owned))
    }

    /// What it was granted.
    pub fn permissions(&self) -> &[String] {
        &self.permissions
    }

    /// Whether it is the same caller, whatever it may do now: two accounts of one name, one after the other, are
    /// not.
    pub fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.user() == other.user()
    }

    /// Whether it has a permission.
    pub fn may(&self, permission: &str) -> bool {
        let scopes = self.account.as_ref().and_then(|account| account.scopes.as_deref());
        let within = |grant: &String| grants(grant, permission);
        self.permissions.iter().any(within) && scopes.is_none_or(|scopes| scopes.iter().any(within))
    }
}

impl Principal {
    /// Whether whoever is granted this may no more than the caller: what it may hand out.
    pub fn covers(&self, grant: &str) -> bool {
        let scopes = self.account.as_ref().and_then(|account| account.scopes.as_deref());
        let within = |mine: &String| covers(mine, grant);
        self.permissions.iter().any(within) && scopes.is_none_or(|scopes| scopes.iter().any(within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_may_what_was_granted() {
        let ann = Principal::named("ann", ["chat:*".to_owned(), "kv:get".to_owned()]);
        assert!(ann.may("chat:send") && ann.may("kv:get") && !ann.may("kv:set"));
        assert!(!Principal::anonymous().may("chat:send"));
        assert!(Principal::everybody(["demo:*".to_owned()].into()).may("demo:echo"));
    }

    #[test]
    fn scopes_take_away_and_never_add() {
        let of = |scopes: &[&str]| {
            let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            let account = Account {
                user: UserId::generate(),
                roles: ["user".to_owned()].into(),
                scopes: Some(scopes.into()),
                proof: Proof::Key { id: Uuid::nil(), expires_at: 0 },
            };
            Principal::of_account("ann", ["kv:*".to_owned()].into(), account)
        };
        assert!(of(&["kv:get"]).may("kv:get") && !of(&["kv:get"]).may("kv:set"));
        assert!(!of(&["admin:*"]).may("job:create"), "what the roles do not grant");
        assert!(of(&["admin:*"]).may("kv:set") && !of(&[]).may("kv:get"));
    }

    #[test]
    fn it_is_read_back_as_it_was_written() {
        let account = Account {
            user: UserId::generate(),
            roles: ["user".to_owned()].into(),
            scopes: None,
            proof: Proof::Token { jti: Uuid::nil(), sid: Uuid::nil(), generation: 3, expires_at: 9 },
        };
        let ann = Principal::of_account("ann", ["kv:get".to_owned()].into(), account);
        for principal in [ann, Principal::anonymous()] {
            let text = serde_json::to_string(&principal).unwrap();
            assert_eq!(serde_json::from_str::<Principal>(&text).unwrap(), principal);
        }
    }
}
