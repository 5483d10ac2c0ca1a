//! How much may be written.

use super::command::Command;
use super::options::StoreOptions;
use super::outcome::Refusal;
use super::state::State;
use super::value::Entry;

/// Bytes that one commit may change, unless two of the longest values are longer.
const COMMIT_BYTES_MAX: usize = 64 << 20;

/// What may be written, by size.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    key_bytes: usize,
    value_bytes: usize,
    data_bytes: usize,
}

/// Digits of the number of a log entry, which are part of its key.
const NUMBER_DIGITS: usize = 20;

impl Limits {
    /// Whether one commit may change this much. It is one record of the log and one piece of memory.
    pub(super) fn check_commit(&self, bytes: usize) -> Result<(), Refusal> {
        let limit = COMMIT_BYTES_MAX.max(2 * (self.key_bytes + self.value_bytes));
        if bytes > limit { Err(Refusal::CommitBytes { limit }) } else { Ok(()) }
    }

    pub(super) fn of(options: &StoreOptions) -> Self {
        Self {
            key_bytes: options.key_bytes_max.0,
            value_bytes: options.value_bytes_max.0,
            data_bytes: match options.data_bytes_max.0 {
                0 => usize::MAX,
                bytes => bytes,
            },
        }
    }

    /// Whether a command stays within the limits, given what lies under its key.
    pub(super) fn check(
        &self,
        state: &State,
        command: &Command,
        there: Option<&Entry>,
    ) -> Result<(), Refusal> {
        let (key, grows) = match command {
            Command::Set { key, value, .. } => (key, value.len()),
            Command::Append { key, tail } => (key, tail.len()),
            Command::Emit { channel, data } => (channel, data.len()),
            Command::Increment { key, .. } => (key, 0),
            Command::Record { prefix, value, .. } => (prefix, value.len() + NUMBER_DIGITS),
            Command::Delete { .. }
            | Command::Expire { .. }
            | Command::Clear { .. }
            | Command::Read(_)
            | Command::Decide(_) => return Ok(()),
        };
        if key.len() > self.key_bytes {
            return Err(Refusal::KeyLength { bytes: key.len(), limit: self.key_bytes });
        }
        let there = there.map(|entry| entry.value.len());
        let value = match command {
            Command::Append { .. } => there.unwrap_or(0) + grows,
            _ => grows,
        };
        if value > self.value_bytes {
            return Err(Refusal::ValueLength { bytes: value, limit: self.value_bytes });
        }
        let grows = value + if there.is_none() { key.len() } else { 0 };
        let after = (state.bytes() + grows).saturating_sub(there.unwrap_or(0));
        let kept = !matches!(command, Command::Emit { .. });
        // What makes the data smaller is allowed even beyond the limit.
        if kept && after > self.data_bytes && after > state.bytes() {
            return Err(Refusal::Quota { limit: self.data_bytes });
        }
        Ok(())
    }
}
