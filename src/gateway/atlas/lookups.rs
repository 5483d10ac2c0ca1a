//! What JSON lines can look at: a key, a stretch of keys, the store.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use super::lines::Line;
use crate::store::{Entry, Keyspace, Page, Value, ValueKind, View};

/// Keys of a SCAN or DUMP if it is not told how many, and at most.
const LIMIT: usize = 1_000;
const LIMIT_MAX: usize = 100_000;

/// Bytes of keys and values in one answer; one entry may be longer.
const PAGE_BYTES_MAX: usize = 8 << 20;

/// A value and how it is written: as text if that was asked for and it is text, otherwise as base64.
fn written(value: &Value, text: bool) -> (String, &'static str) {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(plain) if text && value.kind() == ValueKind::Json => (plain.to_owned(), "json"),
        Ok(plain) if text => (plain.to_owned(), "utf8"),
        _ => (STANDARD.encode(value.as_bytes()), "b64"),
    }
}

pub(super) fn get(view: &View, key: &[u8], text: bool) -> Json {
    match view.value(key) {
        None => json!({ "ok": false, "error": "key not found" }),
        Some(value) => {
            let (value, enc) = written(value, text);
            json!({ "ok": true, "value": value, "enc": enc })
        }
    }
}

/// Whole seconds left, rounded down; -1 without an end, -2 without a key.
pub(super) fn ttl(view: &View, key: &[u8]) -> i64 {
    match view.get(key) {
        None => -2,
        Some(Entry { expires_at: 0, .. }) => -1,
        Some(entry) => (entry.expires_at.saturating_sub(view.now_ms()) / 1_000) as i64,
    }
}

/// The entries that SCAN and DUMP are about, and where to go on.
fn page(view: &View, keyspace: Keyspace, line: &Line) -> Result<Page, Json> {
    let refuse = |text: &str| json!({ "ok": false, "error": text });
    let start = STANDARD.decode(&line.cursor).map_err(|_| refuse("cursor is none of an earlier answer"))?;
    let limit = line.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    Ok(keyspace.page(view, line.prefix.as_bytes(), &start, limit, PAGE_BYTES_MAX))
}

fn next(page: &Page) -> String {
    page.next.as_ref().map_or_else(String::new, |key| STANDARD.encode(key))
}

/// Keys. Those that are no text stand in a list of their own, in base64, if there are any.
pub(super) fn scan(view: &View, keyspace: Keyspace, line: &Line) -> Json {
    let page = match page(view, keyspace, line) {
        Err(refused) => return refused,
        Ok(page) => page,
    };
    let (mut texts, mut binary) = (Vec::new(), Vec::new());
    for (key, _) in &page.entries {
        match std::str::from_utf8(key) {
            Ok(text) => texts.push(text),
            Err(_) => binary.push(STANDARD.encode(key)),
        }
    }
    let mut extra = json!({ "keys": texts, "cursor": next(&page) });
    if !binary.is_empty() {
        extra["keys_b64"] = binary.into();
    }
    json!({ "ok": true, "extra": extra })
}

/// Entries as LOAD takes them. Keys that are no text are written in base64, with `"kenc":"b64"`.
pub(super) fn dump(view: &View, keyspace: Keyspace, line: &Line) -> Json {
    let page = match page(view, keyspace, line) {
        Err(refused) => return refused,
        Ok(page) => page,
    };
    let mut ops = Vec::with_capacity(page.entries.len());
    for (key, entry) in &page.entries {
        let (value, enc) = written(&entry.value, true);
        let mut op = json!({ "cmd": "SET", "value": value, "enc": enc });
        match std::str::from_utf8(key) {
            Ok(text) => op["key"] = text.into(),
            Err(_) => (op["key"], op["kenc"]) = (STANDARD.encode(key).into(), "b64".into()),
        }
        if entry.expires_at != 0 {
            // Rounded up: what is loaded again must not end before its time.
            op["ttl"] = entry.expires_at.saturating_sub(view.now_ms()).div_ceil(1_000).into();
        }
        ops.push(op);
    }
    json!({ "ok": true, "extra": { "ops": ops, "cursor": next(&page), "skipped": 0 } })
}

pub(super) fn stats(view: &View, keyspace: Keyspace, writable: bool) -> Json {
    json!({ "ok": true, "extra": {
        "keys": keyspace.len(view), "bytes": view.bytes(), "expiring": keyspace.ending(view), "revision": view.revision(),
        "writable": writable, "mode": "standalone", "raft_enabled": false,
    } })
}
