//! `kv:get`, `kv:ttl`, `kv:scan`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::place::{Places, READ};
use super::{KeyAction, stored, values};
use crate::dispatch::{Context, MethodError};
use crate::store::Page;

/// Entries of a page if nobody says how many, and at most.
pub(super) const LIMIT: usize = 100;
pub(super) const LIMIT_MAX: usize = 1_000;

/// Bytes of a page as it is written. It must fit into a message.
const PAGE_BYTES_MAX: usize = 512 * 1024;

/// Parameters of `kv:get` and `kv:ttl`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OneKey {
    /// The key.
    key: String,
    /// The universe whose key it is; "main" or nothing are the keys themselves.
    universe: Option<String>,
}

/// The entry, or null.
pub(super) async fn get(ctx: Context, places: Places, params: OneKey) -> Result<Json, MethodError> {
    let place = places.get(&ctx, params.universe.as_deref(), READ)?;
    places.check(&ctx, &params.key, KeyAction::Read)?;
    let (view, key) = (place.view().await?, stored(&params.key));
    Ok(view.get(&key).map_or(Json::Null, |entry| values::entry(&key, entry, view.now_ms(), true)))
}

/// The time that is left, in milliseconds.
pub(super) async fn ttl(ctx: Context, places: Places, params: OneKey) -> Result<Json, MethodError> {
    let view = places.get(&ctx, params.universe.as_deref(), READ)?.view().await?;
    places.check(&ctx, &params.key, KeyAction::Read)?;
    Ok(match view.get(&stored(&params.key)) {
        None => json!({ "exists": false, "ttlMs": null }),
        Some(entry) if entry.expires_at == 0 => json!({ "exists": true, "ttlMs": null }),
        Some(entry) => {
            json!({ "exists": true, "ttlMs": entry.expires_at.saturating_sub(view.now_ms()) })
        }
    })
}

/// Parameters of `kv:scan`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Scan {
    /// What the keys begin with.
    prefix: String,
    /// Where to go on, by an earlier answer.
    cursor: Option<String>,
    /// The most entries to give, at most 1000.
    limit: Option<usize>,
    /// Whether the values are left out.
    keys_only: bool,
    /// The universe whose keys they are; "main" or nothing are the keys themselves.
    universe: Option<String>,
}

/// A page of entries.
pub(super) async fn scan(ctx: Context, places: Places, params: Scan) -> Result<Json, MethodError> {
    let view = places.get(&ctx, params.universe.as_deref(), READ)?.view().await?;
    let start = match &params.cursor {
        None => Vec::new(),
        Some(cursor) => URL_SAFE_NO_PAD
            .decode(cursor)
            .map_err(|_| MethodError::invalid(["/cursor: is none of an earlier answer"]))?,
    };
    let limit = params.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let page = view.page(stored(&params.prefix).as_ref(), &start, limit, usize::MAX);
    // Keys of others are passed over: a page may be short, and there is a cursor as long as more may come.
    let page = places.rules.readable(&ctx.principal(), page);
    let (entries, cursor) = written(page, view.now_ms(), !params.keys_only);
    Ok(json!({ "entries": entries, "cursor": cursor, "revision": view.revision() }))
}

/// As much of a page as fits into a message, and where to go on. A value that fits into none is left out, and
/// its entry says so.
pub(super) fn written(page: Page, now_ms: u64, with_values: bool) -> (Vec<Json>, Option<String>) {
    let (mut entries, mut bytes, mut next) = (Vec::new(), 0, page.next);
    for (key, entry) in page.entries {
        let mut shown = values::entry(&key, &entry, now_ms, with_values);
        let mut length = shown.to_string().len();
        if length > PAGE_BYTES_MAX {
            values::omit_value(&mut shown);
            length = shown.to_string().len();
        }
        bytes += length;
        if bytes > PAGE_BYTES_MAX && !entries.is_empty() {
            next = Some(key);
            break;
        }
        entries.push(shown);
    }
    (entries, next.map(|key| URL_SAFE_NO_PAD.encode(key)))
}
