//! What a record of the audit log says.

use std::borrow::Cow;
use std::net::IpAddr;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::auth::Principal;
use crate::base::UserId;

/// Who does something, and from where.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditCaller {
    /// Its name; null for whoever has none.
    pub name: Option<String>,
    /// Its account.
    pub user: Option<UserId>,
    /// Its address.
    pub address: Option<IpAddr>,
    /// How it came: "socket", "http", "cli" or "server".
    pub face: Cow<'static, str>,
    /// The request.
    pub request_id: Option<String>,
}

impl AuditCaller {
    /// Whoever sits at the machine of the server.
    pub fn cli() -> Self {
        Self { face: Cow::Borrowed("cli"), ..Self::default() }
    }

    /// The server itself.
    pub fn server() -> Self {
        Self { face: Cow::Borrowed("server"), ..Self::default() }
    }

    /// The same caller as somebody else: who has just logged in.
    #[must_use]
    pub fn named(&self, name: &str, user: UserId) -> Self {
        Self { name: Some(name.to_owned()), user: Some(user), ..self.clone() }
    }

    /// The name and the account of a principal.
    #[must_use]
    pub fn of(principal: &Principal) -> Self {
        Self { name: principal.name().map(str::to_owned), user: principal.user(), ..Self::default() }
    }
}

/// Something that is to be recorded.
#[derive(Clone, PartialEq, Debug)]
pub struct AuditEntry {
    /// What was done, such as "user.create".
    pub action: &'static str,
    /// What it was done to, such as "user:ann".
    pub target: String,
    /// What was there before, without secrets.
    pub before: Option<Value>,
    /// What is there now, without secrets.
    pub after: Option<Value>,
    /// Whether it was done; otherwise somebody has tried.
    pub done: bool,
}

impl AuditEntry {
    /// Something that is done.
    pub fn done(action: &'static str, target: impl Into<String>) -> Self {
        Self { action, target: target.into(), before: None, after: None, done: true }
    }

    /// Something that was tried in vain.
    pub fn failed(action: &'static str, target: impl Into<String>) -> Self {
        Self { done: false, ..Self::done(action, target) }
    }

    /// Says what was there before and what is there now.
    #[must_use]
    pub fn changing(self, before: Option<Value>, after: Option<Value>) -> Self {
        Self { before, after, ..self }
    }
}

/// A record as it is stored and shown.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditRecord {
    /// Its number, counted from 1.
    pub number: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
    /// Who.
    pub caller: AuditCaller,
    /// What.
    pub action: Cow<'static, str>,
    /// To what.
    pub target: String,
    /// Whether it was done.
    pub done: bool,
    /// What was there before.
    pub before: Option<Value>,
    /// What is there now.
    pub after: Option<Value>,
    /// The hash of the record before, in hexadecimal digits; of the first, 64 zeros.
    pub previous: String,
}

/// What the first record says of the one before.
pub(super) fn no_hash() -> String {
    "0".repeat(64)
}

/// The hash of a record as it is stored.
pub(super) fn hash(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
