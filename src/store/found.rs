//! What a command finds.

use super::outcome::Refusal;
use super::value::Entry;

/// What lies under the key of a command.
pub(super) struct Found {
    pub(super) there: Option<Entry>,
    /// Whether it is there and not over.
    pub(super) alive: bool,
}

impl Found {
    pub(super) fn alive(&self) -> Option<&Entry> {
        self.there.as_ref().filter(|_| self.alive)
    }

    pub(super) fn entry(self) -> Option<Entry> {
        self.there.filter(|_| self.alive)
    }

    pub(super) fn version(&self) -> u64 {
        self.alive().map_or(0, |entry| entry.version)
    }

    pub(super) fn expires_at(&self) -> u64 {
        self.alive().map_or(0, |entry| entry.expires_at)
    }
}

/// A number as it would be printed: no sign before a positive one, no leading zeros, no space.
pub(super) fn whole_number(text: &[u8]) -> Result<i64, Refusal> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    number.filter(|number| number.to_string().as_bytes() == text).ok_or(Refusal::NotANumber)
}
