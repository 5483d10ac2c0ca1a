//! Options of accounts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::names::{name_problem, password_problem};
use crate::auth::permission::is_grant;
use crate::base::{Secret, Span};

/// Accounts: who may log in, and how.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AccountOptions {
    /// Whether there are accounts.
    pub enabled: bool,
    /// Whether everybody may register. Otherwise administrators make accounts.
    pub registration: bool,
    /// The role that whoever registers gets; "" is none.
    pub default_role: String,
    /// Name of an administrator who is made at the start if there is no user of that name; "" is none. The variable
    /// HELIOS_ADMIN_USER sets it too.
    pub admin_user: String,
    /// The password of that administrator, better in HELIOS_ADMIN_PASSWORD.
    pub admin_password: Secret,
    /// What callers may do who have not logged in: permissions such as "kv:get" or "chat:*".
    pub anonymous: Vec<String>,
    /// How long an access token is good for.
    pub access_lifetime: Span,
    /// How long a login lasts without being used. Each refresh begins it anew.
    pub refresh_lifetime: Span,
    /// How long an open socket goes on after its access token has ended, to log in again.
    pub grace: Span,
    /// Cost of the hash of passwords, as bcrypt has it: each step doubles the time.
    pub bcrypt_cost: u32,
    /// Threads that hash passwords; 0 is half of the processors. They give way to everything else.
    pub hash_threads: usize,
    /// Logins that may wait for such a thread. More are told to come back.
    pub hash_queue: usize,
    /// Failed logins that one name may have from one address in a row; ten times as many from all addresses, and from one
    /// address for all names. 0 is no limit.
    pub attempts: u64,
    /// How long it takes until one more is allowed.
    pub attempt_interval: Span,
    /// API keys that one user may have.
    pub keys_max: usize,
    /// Records that the audit log keeps; the oldest go. One takes about half a KiB, also of memory.
    pub audit_max: u64,
}

impl Default for AccountOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            registration: true,
            default_role: "user".into(),
            admin_user: String::new(),
            admin_password: Secret::default(),
            anonymous: Vec::new(),
            access_lifetime: Span::secs(15 * 60),
            refresh_lifetime: Span::secs(7 * 86_400),
            grace: Span::secs(30),
            bcrypt_cost: 10,
            hash_threads: 0,
            hash_queue: 64,
            attempts: 10,
            attempt_interval: Span::secs(30),
            keys_max: 100,
            audit_max: 100_000,
        }
    }
}

/// The longest life of an access token, and the longest grace after it.
pub(super) const ACCESS_LIFETIME_MAX: Span = Span::secs(86_400);
pub(super) const GRACE_MAX: Span = Span::secs(3_600);

impl AccountOptions {
    /// What is wrong with the values, each with its key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut check = |key, fine: bool, text: &str| {
            if !fine {
                problems.push((key, text.to_owned()));
            }
        };
        check("access_lifetime", self.access_lifetime >= Span::secs(1), "must be at least 1s");
        check("access_lifetime", self.access_lifetime <= ACCESS_LIFETIME_MAX, "must be at most 24h");
        let longer = self.refresh_lifetime >= self.access_lifetime;
        check("refresh_lifetime", longer, "must not be less than access_lifetime");
        check("grace", self.grace <= GRACE_MAX, "must be at most 1h");
        check("bcrypt_cost", (4..=16).contains(&self.bcrypt_cost), "must be between 4 and 16");
        check("hash_queue", self.hash_queue > 0, "must be at least 1");
        check("audit_max", self.audit_max >= 1_000, "must be at least 1000");
        check("attempt_interval", self.attempt_interval >= Span::millis(1), "must be at least 1ms");
        if !self.admin_user.is_empty() {
            let name = name_problem(&self.admin_user).map(|text| ("admin_user", text.to_owned()));
            let password = password_problem(self.admin_password.reveal(), &self.admin_user);
            problems.extend(name.into_iter().chain(password.map(|text| ("admin_password", text.to_owned()))));
        }
        for grant in self.anonymous.iter().filter(|grant| !is_grant(grant)) {
            problems.push(("anonymous", format!("\"{grant}\" is no permission: write namespace:action")));
        }
        problems
    }
}
