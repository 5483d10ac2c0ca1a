//! The caller of a request.

use serde::{Deserialize, Serialize};

/// Who asks, and the permissions that go with it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Principal {
    name: Option<String>,
    permissions: Vec<String>,
}

impl Principal {
    /// Nobody in particular: no permission.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// Somebody with permissions: names like `chat:send`, `chat:*` for a namespace, `*` for all.
    pub fn named(name: impl Into<String>, permissions: impl IntoIterator<Item = String>) -> Self {
        Self { name: Some(name.into()), permissions: permissions.into_iter().collect() }
    }

    /// The name, unless anonymous.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether a permission was given.
    pub fn may(&self, permission: &str) -> bool {
        self.permissions.iter().any(|given| match given.strip_suffix('*') {
            Some(prefix) => prefix.is_empty() || (prefix.ends_with(':') && permission.starts_with(prefix)),
            None => given == permission,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_match_whole_names_and_namespaces() {
        let given = |permission: &str| Principal::named("ann", [permission.to_owned()]);
        assert!(given("chat:send").may("chat:send"));
        assert!(given("chat:*").may("chat:send"));
        assert!(given("*").may("anything"));
        assert!(!given("chat:*").may("chats:send"));
        assert!(!given("ch*").may("chat:send"), "only whole segments");
        assert!(!Principal::anonymous().may("chat:send"));
    }
}
