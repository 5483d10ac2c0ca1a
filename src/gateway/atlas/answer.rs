//! Writes answers of the Redis protocol.

use std::io::Write;

use crate::store::{Refusal, StoreError};

/// Answers, and in which version of the protocol they are written.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    pub(super) bytes: Vec<u8>,
    /// Version 3; otherwise 2.
    pub(super) resp3: bool,
}

impl Answers {
    pub(super) fn new(resp3: bool) -> Self {
        Self { bytes: Vec::new(), resp3 }
    }

    pub(super) fn ok(&mut self) {
        self.simple("OK");
    }

    pub(super) fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An error: its code in capitals, a space, and text. Line ends in it become spaces.
    pub(super) fn error(&mut self, text: &str) {
        self.bytes.push(b'-');
        self.bytes.extend(text.bytes().map(|byte| if byte == b'\r' || byte == b'\n' { b' ' } else { byte }));
        self.bytes.extend_from_slice(b"\r\n");
    }

    pub(super) fn integer(&mut self, number: i64) {
        self.number(b':', number);
    }

    pub(super) fn bulk(&mut self, bytes: &[u8]) {
        self.number(b'$', bytes.len() as i64);
        self.bytes.extend_from_slice(bytes);
        self.bytes.extend_from_slice(b"\r\n");
    }

    pub(super) fn nil(&mut self) {
        self.bytes.extend_from_slice(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    pub(super) fn nil_array(&mut self) {
        self.bytes.extend_from_slice(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    pub(super) fn bulk_or_nil(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.nil(),
        }
    }

    /// The beginning of an array; `length` answers must follow.
    pub(super) fn array(&mut self, length: usize) {
        self.number(b'*', length as i64);
    }

    /// The beginning of a map; `length` pairs must follow. An array of both in version 2.
    pub(super) fn map(&mut self, length: usize) {
        if self.resp3 {
            self.number(b'%', length as i64);
        } else {
            self.array(2 * length);
        }
    }

    /// Why the store did not do it.
    pub(super) fn store_error(&mut self, error: &StoreError) {
        match error {
            StoreError::DiskFull(_) | StoreError::Broken(_) => self.error(&format!("MISCONF {error}")),
            StoreError::Closed | StoreError::Snapshot(_) => self.error(&format!("ERR {error}")),
        }
    }

    /// Why a command was refused.
    pub(super) fn refusal(&mut self, refusal: &Refusal) {
        match refusal {
            Refusal::NotANumber => self.error("ERR value is not an integer or out of range"),
            Refusal::Overflow => self.error("ERR increment or decrement would overflow"),
            Refusal::Quota { .. } => self.error(&format!("OOM {refusal}")),
            Refusal::KeyLength { .. }
            | Refusal::ValueLength { .. }
            | Refusal::CommitLength { .. }
            | Refusal::CommitBytes { .. }
            | Refusal::Declined => {
                self.error(&format!("ERR {refusal}"));
            }
        }
    }

    fn number(&mut self, kind: u8, number: i64) {
        // Most are short; a formatter costs more than the rest of the answer.
        if let Ok(digit @ 0..=9) = u8::try_from(number) {
            self.bytes.extend_from_slice(&[kind, b'0' + digit, b'\r', b'\n']);
        } else {
            self.bytes.push(kind);
            // Writing to memory cannot fail.
            let _ = write!(self.bytes, "{number}\r\n");
        }
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(b"\r\n");
    }
}
