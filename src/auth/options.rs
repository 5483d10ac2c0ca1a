//! Options of tokens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{ByteSize, Span};

/// State tokens: what a client takes its session up again with.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokenOptions {
    /// How long a token is good for. Clients ask for a new one before that.
    pub lifetime: Span,
    /// The longest token. Existing clients send it in a URL, so everything on the way must take that much.
    pub bytes_max: ByteSize,
    /// Age at which the key that signs is replaced; the one before stays good for tokens that it has signed.
    /// "0s" is never.
    pub key_rotation: Span,
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self {
            lifetime: Span::secs(3_600),
            bytes_max: ByteSize::kib(16),
            key_rotation: Span::secs(30 * 86_400),
        }
    }
}

impl TokenOptions {
    /// What is wrong with the values, each with its key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut check = |key, fine: bool, text: &str| {
            if !fine {
                problems.push((key, text.to_owned()));
            }
        };
        check("lifetime", self.lifetime >= Span::secs(1), "must be at least 1s");
        check("lifetime", self.lifetime <= Span::secs(30 * 86_400), "must be at most 720h");
        check("bytes_max", self.bytes_max.0 >= 512, "must be at least 512B");
        check("bytes_max", self.bytes_max <= ByteSize::kib(64), "must be at most 64KiB: a URL carries it");
        problems
    }
}
