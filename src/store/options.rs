//! Options of durable data.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Durable data.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreOptions {
    /// The directory of everything that outlives the process. Made if it is missing.
    pub data_dir: PathBuf,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { data_dir: "data".into() }
    }
}
