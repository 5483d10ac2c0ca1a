//! Who reaches which keys: rules by namespace, on top of the permissions of the methods.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::options::KvOptions;
use super::SPACE;
use crate::auth::Principal;
use crate::dispatch::MethodError;
use crate::protocol::ErrorCode;
use crate::store::Page;

/// The rules of one namespace: the keys that begin with its name and a colon. "Who may" is one of: nobody; everyone (whoever
/// may call the methods); users (whoever has a name); owner (the next part of the key, up to another colon, is the caller's
/// name); or permission (kv:read:NAME or kv:write:NAME). Whoever has the permission kv:any reaches all keys.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KvNamespaceOptions {
    /// Who may read, list and watch.
    pub read: KvAccess,
    /// Who may set, delete and increment.
    pub write: KvAccess,
}

/// Who may do something with keys.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KvAccess {
    /// Nobody, apart from whoever has kv:any.
    #[default]
    Nobody,
    /// Whoever may call the methods.
    Everyone,
    /// Whoever has a name.
    Users,
    /// Whose name is the next part of the key.
    Owner,
    /// Who has the permission for it.
    Permission,
}

/// What somebody wants with a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::methods) enum KeyAction {
    Read,
    Write,
}

impl KeyAction {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// A key as an error shows it.
fn shortened(key: &str) -> String {
    key.chars().take(128).collect()
}

/// Who may reach keys whatever the rules say.
const ANY: &str = "kv:any";

/// The rules by namespace.
#[derive(Clone, Debug)]
pub(in crate::methods) struct KeyRules(BTreeMap<String, KvNamespaceOptions>);

impl KeyRules {
    pub(in crate::methods) fn new(options: &KvOptions) -> Self {
        // Where everybody may do everything, there are no others to be kept apart.
        Self(if options.everyone { BTreeMap::new() } else { options.namespaces.clone() })
    }

    /// The rule of a key, its name, and the rest of the key: that of the longest name.
    fn of<'a>(&'a self, key: &'a str) -> Option<(&'a str, &'a KvNamespaceOptions, &'a str)> {
        let fitting = self.0.iter().filter_map(|(name, rules)| {
            let rest = key.strip_prefix(name.as_str())?.strip_prefix(':')?;
            Some((name.as_str(), rules, rest))
        });
        fitting.max_by_key(|(name, ..)| name.len())
    }

    fn judge(&self, principal: &Principal, key: &str, action: KeyAction) -> Result<(), Option<String>> {
        let Some((name, rules, rest)) = self.of(key) else { return Ok(()) };
        let access = match action {
            KeyAction::Read => rules.read,
            KeyAction::Write => rules.write,
        };
        let permission = || format!("kv:{}:{name}", action.as_str());
        let fits = match access {
            KvAccess::Everyone => true,
            KvAccess::Nobody => false,
            KvAccess::Users => principal.name().is_some(),
            KvAccess::Owner => {
                let owner = rest.split(':').next().unwrap_or_default();
                !owner.is_empty() && principal.name() == Some(owner)
            }
            KvAccess::Permission => principal.may(&permission()),
        };
        match fits || principal.may(ANY) {
            true => Ok(()),
            false => Err((access == KvAccess::Permission).then(permission)),
        }
    }

    /// Whether somebody may do that with a key.
    ///
    /// # Errors
    /// With what it is told if it may not.
    pub(in crate::methods) fn check(
        &self,
        principal: &Principal,
        key: &str,
        action: KeyAction,
    ) -> Result<(), MethodError> {
        self.judge(principal, key, action).map_err(|missing| {
            let text = format!("You may not {} \"{}\": see kv.namespaces", action.as_str(), shortened(key));
            let details = json!({ "key": key, "permission": missing.as_deref().unwrap_or(ANY) });
            MethodError::of(ErrorCode::PermissionDenied, text).with_details(&details)
        })
    }

    /// Whether somebody may read what lies at a key of the store.
    pub(super) fn may_read(&self, principal: &Principal, stored: &[u8]) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let key = stored.strip_prefix(SPACE.as_bytes()).unwrap_or(stored);
        self.judge(principal, &String::from_utf8_lossy(key), KeyAction::Read).is_ok()
    }

    /// Leaves out what somebody may not read.
    pub(super) fn readable(&self, principal: &Principal, mut page: Page) -> Page {
        page.entries.retain(|(key, _)| self.may_read(principal, key));
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_admits_whom_it_says() {
        let rule = |read, write| KvNamespaceOptions { read, write };
        let mut options = KvOptions::default();
        options.namespaces.insert("news".into(), rule(KvAccess::Everyone, KvAccess::Permission));
        options.namespaces.insert("news:inner".into(), rule(KvAccess::Users, KvAccess::Nobody));
        let rules = KeyRules::new(&options);
        let ann = Principal::named("ann", ["kv:write:news".to_owned()]);
        let (root, nobody) = (Principal::named("root", ["*".to_owned()]), Principal::anonymous());
        let may = |principal: &Principal, key: &str| {
            let may = |action| rules.check(principal, key, action).is_ok();
            (may(KeyAction::Read), may(KeyAction::Write))
        };
        assert_eq!(may(&nobody, "anything"), (true, true), "there is no rule for it");
        assert_eq!(may(&nobody, "news:1"), (true, false));
        assert_eq!(may(&ann, "news:1"), (true, true));
        assert_eq!(may(&nobody, "news:inner:1"), (false, false), "the longest name counts");
        assert_eq!(may(&ann, "news:inner:1"), (true, false));
        assert_eq!(may(&root, "news:inner:1"), (true, true));
        for (key, mine) in [
            ("user:ann", true),
            ("user:ann:x", true),
            ("user:bob:x", false),
            ("user:", false),
            ("user:annie", false),
        ] {
            assert_eq!(may(&ann, key), (mine, mine), "{key}");
            assert_eq!(may(&nobody, key), (false, false), "{key}");
            assert_eq!(may(&root, key), (true, true), "{key}");
        }
    }
}
