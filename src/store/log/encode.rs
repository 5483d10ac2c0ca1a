//! Writes records.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::store::change::{Change, Committed};
use crate::store::value::{Key, Value, ValueKind};

/// Appends the record of a commit. It ends with a line feed and holds no other.
pub(crate) fn encode(committed: &Committed, to: &mut Vec<u8>) {
    let start = to.len();
    to.extend_from_slice(b"{\"seq\":");
    number(committed.revision, to);
    to.extend_from_slice(b",\"at\":");
    number(committed.at, to);
    match &*committed.changes {
        [] => to.extend_from_slice(b",\"cmd\":\"NOOP\""),
        [change] => {
            to.push(b',');
            fields(change, to);
        }
        changes => {
            to.extend_from_slice(b",\"cmd\":\"MULTI\",\"ops\":[");
            for (index, change) in changes.iter().enumerate() {
                to.extend_from_slice(if index == 0 { b"{" } else { b",{" });
                fields(change, to);
                to.push(b'}');
            }
            to.push(b']');
        }
    }
    super::seal(to, start);
}

fn fields(change: &Change, to: &mut Vec<u8>) {
    match change {
        Change::Put { key, value, expires_at } => {
            keyed(b"\"cmd\":\"SET\"", key, to);
            with_value(value, to);
            if *expires_at != 0 {
                expiry(*expires_at, to);
            }
        }
        Change::Delete { key, expired } => {
            keyed(b"\"cmd\":\"DEL\"", key, to);
            if *expired {
                to.extend_from_slice(b",\"expired\":true");
            }
        }
        Change::Expire { key, expires_at } => {
            keyed(b"\"cmd\":\"EXPIRE\"", key, to);
            expiry(*expires_at, to);
        }
        Change::Clear { keep } => {
            to.extend_from_slice(b"\"cmd\":\"CLEAR\"");
            kept(keep, to);
        }
        Change::Emit { channel, data } => {
            keyed(b"\"cmd\":\"EMIT\"", channel, to);
            with_value(data, to);
        }
    }
}

fn keyed(command: &[u8], key: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(command);
    to.extend_from_slice(b",\"key\":");
    match std::str::from_utf8(key) {
        Ok(text) => string(text, to),
        Err(_) => {
            base64(key, to);
            to.extend_from_slice(b",\"kenc\":\"b64\"");
        }
    }
}

/// The families that a CLEAR keeps. They are names that programs chose, so they are text.
fn kept(keep: &[Key], to: &mut Vec<u8>) {
    for (index, family) in keep.iter().enumerate() {
        to.extend_from_slice(if index == 0 { b",\"keep\":[" } else { b"," });
        string(&String::from_utf8_lossy(family), to);
    }
    if !keep.is_empty() {
        to.push(b']');
    }
}

fn with_value(value: &Value, to: &mut Vec<u8>) {
    to.extend_from_slice(b",\"value\":");
    let text = simdutf8::basic::from_utf8(value.as_bytes());
    match (value.kind(), text) {
        (ValueKind::Json, Ok(text)) => {
            string(text, to);
            to.extend_from_slice(b",\"enc\":\"json\"");
        }
        (ValueKind::Bytes, Ok(text)) if is_plain(text) => {
            string(text, to);
            to.extend_from_slice(b",\"enc\":\"utf8\"");
        }
        _ => {
            base64(value.as_bytes(), to);
            to.extend_from_slice(b",\"enc\":\"b64\"");
        }
    }
}

/// Whether text stays about as long when it is written as a JSON string. What is full of control characters
/// would grow to six times its size; base64 is shorter then.
fn is_plain(text: &str) -> bool {
    let controls = text.bytes().filter(|byte| *byte < 0x20).count();
    controls <= 4 || controls * 8 <= text.len()
}

fn expiry(at: u64, to: &mut Vec<u8>) {
    to.extend_from_slice(b",\"exp\":");
    number(at, to);
}

fn string(text: &str, to: &mut Vec<u8>) {
    // Writing text to memory cannot fail.
    let _ = serde_json::to_writer(to, text);
}

fn base64(bytes: &[u8], to: &mut Vec<u8>) {
    to.push(b'"');
    to.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    to.push(b'"');
}

fn number(number: u64, to: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = write!(to, "{number}");
}
