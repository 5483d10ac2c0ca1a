//! Options of the methods that come with the server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Whether everybody may call them. Otherwise a caller needs the permission kv:get, kv:set or kv:delete.
    pub everyone: bool,
    /// Watches that one session may have.
    pub watches_max: usize,
}

impl Default for KvOptions {
    fn default() -> Self {
        Self { enabled: true, everyone: false, watches_max: 100 }
    }
}
