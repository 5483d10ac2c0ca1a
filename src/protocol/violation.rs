//! What a message did wrong, in the words that existing clients already know (wire document, section 3).

use std::borrow::Cow;

/// The list of everything wrong with one message, in the order of the rules.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Violations(Vec<Cow<'static, str>>);

impl Violations {
    /// Adds one.
    pub(super) fn add(&mut self, text: impl Into<Cow<'static, str>>) {
        self.0.push(text.into());
    }

    /// Adds `text` unless `holds`.
    pub(super) fn unless(&mut self, holds: bool, text: &'static str) {
        if !holds {
            self.add(text);
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each violation as a sentence.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// The violation of a message longer than the limit. `bytes` is its length.
    pub fn too_large(bytes: u64) -> Self {
        Self(vec![format!("Message size ({bytes} bytes) exceeds maximum allowed size").into()])
    }
}

impl<T: Into<Cow<'static, str>>> From<T> for Violations {
    fn from(text: T) -> Self {
        Self(vec![text.into()])
    }
}
