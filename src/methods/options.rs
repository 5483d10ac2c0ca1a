//! Options of the methods that come with the server.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kv::{KvAccess, KvNamespaceOptions};

/// The namespace `demo`.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DemoOptions {
    /// Whether there are methods to try things out with. Not for production.
    pub enabled: bool,
}

/// The namespace `kv`: keys and values for peers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KvOptions {
    /// Whether there are these methods.
    pub enabled: bool,
    /// Whether everybody may do everything with all keys. Otherwise a caller needs the permission kv:get, kv:set or
    /// kv:delete, and the rules of the namespaces hold.
    pub everyone: bool,
    /// Rules by namespace: what keys begin with, up to a colon; the longest name that fits counts. Keys that none fits are
    /// everybody's who has the permission. In "user" each user has keys of its own: user:NAME and user:NAME:...
    pub namespaces: BTreeMap<String, KvNamespaceOptions>,
    /// Watches that one session may have.
    pub watches_max: usize,
}

impl Default for KvOptions {
    fn default() -> Self {
        let own = KvNamespaceOptions { read: KvAccess::Owner, write: KvAccess::Owner };
        let namespaces = BTreeMap::from([("user".to_owned(), own)]);
        Self { enabled: true, everyone: false, namespaces, watches_max: 100 }
    }
}
