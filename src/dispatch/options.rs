//! Options of methods.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Span;

/// Methods, unless they say otherwise themselves.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MethodDefaults {
    /// Time that a method has to answer. After it the caller gets REQUEST_TIMEOUT.
    pub timeout: Span,
    /// Calls of one method that may run at the same time; 0 is no limit. More get METHOD_BUSY.
    pub concurrency: usize,
}

impl Default for MethodDefaults {
    fn default() -> Self {
        Self { timeout: Span::secs(30), concurrency: 0 }
    }
}

impl MethodDefaults {
    /// What is wrong with the values, each with its key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.timeout.is_zero() {
            problems.push(("timeout", "must be more than 0s".to_owned()));
        }
        problems
    }
}
