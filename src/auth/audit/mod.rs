//! The audit log: who has changed what, in records that cannot be changed afterwards without being noticed.
//!
//! A record lies under `audit:log:` and its number, and holds the SHA-256 of the bytes of the one before. `audit:head`
//! holds the last number and hash. A record is written in the same commit as what it tells of, so neither is there
//! without the other. Secrets are in none: callers say what is told.

mod chain;
mod record;
mod verify;

pub use chain::Audit;
pub use record::{AuditCaller, AuditEntry, AuditRecord};
pub use verify::{Verified, VerifyError, verify};

/// Where records lie; their number follows in 20 digits.
const LOG: &[u8] = b"audit:log:";
/// The last number, its hash, and the first number that is kept.
const HEAD: &[u8] = b"audit:head";

/// The key of a record.
fn key_of(number: u64) -> Vec<u8> {
    [LOG, format!("{number:020}").as_bytes()].concat()
}
