//! What JSON lines can look at: a key, a stretch of keys, the store.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use super::lines::Line;
use crate::store::{Entry, Page, Value, ValueKind, View};

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

pub(super) fn get(view: &View, key: &str, text: bool) -> Json {
    match view.value(key.as_bytes()) {
        None => json!({ "ok": false, "error": "key not found" }),
        Some(value) => {
            let (value, enc) = written(value, text);
            json!({ "ok": true, "value": value, "enc": enc })
        }
    }
}

/// Whole seconds left, rounded down; -1 without an end, -2 without a key.
pub(super) fn ttl(view: &View, key: &str) -> i64 {
    match view.get(key.as_bytes()) {
        None => -2,
        Some(Entry { expires_at: 0, .. }) => -1,
        Some(entry) => (entry.expires_at.saturating_sub(view.now_ms()) / 1_000) as i64,
    }
}

/// The entries that SCAN and DUMP are about, and where to go on. Keys that are no text are written lossily in
/// SCAN; the cursor is always exact.
fn page(view: &View, line: &Line) -> Result<Page, Json> {
    let refuse = |text: &str| json!({ "ok": false, "error": text });
    let start = STANDARD.decode(&line.cursor).map_err(|_| refuse("cursor is none of an earlier answer"))?;
    let limit = line.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    Ok(view.page(line.prefix.as_bytes(), &start, limit, PAGE_BYTES_MAX))
}

fn next(page: &Page) -> String {
    page.next.as_ref().map_or_else(String::new, |key| STANDARD.encode(key))
}

pub(super) fn scan(view: &View, line: &Line) -> Json {
    match page(view, line) {
        Err(refused) => refused,
        Ok(page) => {
            let keys = page.entries.iter().map(|(key, _)| String::from_utf8_lossy(key).into_owned());
            json!({ "ok": true, "extra": { "keys": keys.collect::<Vec<_>>(), "cursor": next(&page) } })
        }
    }
}

/// Entries as LOAD takes them. Keys that are no text cannot be carried by JSON lines and are counted.
pub(super) fn dump(view: &View, line: &Line) -> Json {
    let page = match page(view, line) {
        Err(refused) => return refused,
        Ok(page) => page,
    };
    let (mut ops, mut skipped) = (Vec::new(), 0);
    for (key, entry) in &page.entries {
        let Ok(key) = std::str::from_utf8(key) else {
            skipped += 1;
            continue;
        };
        let (value, enc) = written(&entry.value, true);
        let mut op = json!({ "cmd": "SET", "key": key, "value": value, "enc": enc });
        if entry.expires_at != 0 {
            // Rounded up: what is loaded again must not end before its time.
            op["ttl"] = entry.expires_at.saturating_sub(view.now_ms()).div_ceil(1_000).into();
        }
        ops.push(op);
    }
    json!({ "ok": true, "extra": { "ops": ops, "cursor": next(&page), "skipped": skipped } })
}

pub(super) fn stats(view: &View, writable: bool) -> Json {
    json!({ "ok": true, "extra": {
        "keys": view.len(), "bytes": view.bytes(), "expiring": view.ending(), "revision": view.revision(),
        "writable": writable, "mode": "standalone", "raft_enabled": false,
    } })
}
