//! Whether nobody has touched the audit log.

use serde::Serialize;
use thiserror::Error;

use super::chain::Head;
use super::record::{AuditRecord, hash, no_hash};
use super::{HEAD, LOG, key_of};
use crate::store::View;

/// The log is whole.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Verified {
    /// Records that are kept.
    pub records: u64,
    /// The number of the first; those before have gone for their age.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
    /// The hash of the last, in hexadecimal digits. Whoever has written it down elsewhere sees that all up to it is
    /// as it was.
    pub hash: String,
}

/// The log is not whole.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum VerifyError {
    /// The end of the log is unreadable.
    #[error("the end of the audit log, audit:head, is missing or unreadable")]
    Head,
    /// A record is not there.
    #[error("record {0} of the audit log is missing")]
    Missing(u64),
    /// A record is not as it was written.
    #[error("record {0} of the audit log is unreadable or has another number")]
    Unreadable(u64),
    /// A record does not follow from the one before.
    #[error("record {0} of the audit log was changed: the one after it has another hash of it")]
    Changed(u64),
    /// There is a record that does not belong there.
    #[error("the audit log has a record beyond its ends: {0}")]
    Stray(String),
}

/// Verifies the log in a version of the store.
///
/// # Errors
/// With the first thing that is wrong.
pub fn verify(view: &View) -> Result<Verified, VerifyError> {
    let mut keys = view.prefix(LOG).map(|(key, _)| key);
    if view.get(HEAD).is_none() && keys.next().is_none() {
        return Ok(Verified { records: 0, first: 1, last: 0, hash: no_hash() });
    }
    let (head, version) = Head::of(view);
    if version == 0 || head.number == 0 || head.first == 0 || head.first > head.number {
        return Err(VerifyError::Head);
    }
    let (first, last) = (key_of(head.first), key_of(head.number));
    let stray = view.prefix(LOG).map(|(key, _)| key).find(|key| **key < *first || **key > *last);
    if let Some(stray) = stray {
        return Err(VerifyError::Stray(String::from_utf8_lossy(stray).into_owned()));
    }
    let mut previous = (head.first == 1).then(no_hash);
    for number in head.first..=head.number {
        let entry = view.get(&key_of(number)).ok_or(VerifyError::Missing(number))?;
        let bytes = entry.value.as_bytes();
        let record: AuditRecord =
            serde_json::from_slice(bytes).map_err(|_| VerifyError::Unreadable(number))?;
        if record.number != number {
            return Err(VerifyError::Unreadable(number));
        }
        if previous.is_some_and(|previous| previous != record.previous) {
            return Err(VerifyError::Changed(number.saturating_sub(1).max(1)));
        }
        previous = Some(hash(bytes));
    }
    if previous.as_deref() != Some(&head.hash) {
        return Err(VerifyError::Changed(head.number));
    }
    let records = head.number - head.first + 1;
    Ok(Verified { records, first: head.first, last: head.number, hash: head.hash })
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
