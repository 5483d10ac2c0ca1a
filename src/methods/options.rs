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
