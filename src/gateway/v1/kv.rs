//! `/api/v1/kv/*`: keys and values.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use actix_web::web::{self, Path, Payload, ServiceConfig};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::answer::{Failure, bare, no_store};
use super::rest::Rest;
use super::shapes::{Deleted, ErrorAnswer, KeyAndValue, Keys, SetValue};
use super::{at, body, reading};
use crate::dispatch::MethodError;

type Answer = Result<HttpResponse, Failure>;

pub(super) fn routes(config: &mut ServiceConfig) {
    let one = [reading().to(get), web::put().to(set), web::post().to(post), web::delete().to(delete)];
    config.service(at("/kv", "GET", [reading().to(list)])).service(at(
        "/kv/{key:.*}",
        "GET, PUT, POST, DELETE",
        one,
    ));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    prefix: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
    keys_only: Option<bool>,
}

/// Keys and values, by a prefix, in order.
#[utoipa::path(
    get, path = "/api/v1/kv", tag = "kv", security(("bearer" = []), ("key" = [])),
    params(
        ("prefix" = Option<String>, Query, description = "What the keys begin with"),
        ("cursor" = Option<String>, Query, description = "Where to go on, by an earlier answer"),
        ("limit" = Option<u16>, Query, description = "The most keys to give, at most 1000"),
        ("keys_only" = Option<bool>, Query, description = "Whether values are left out"),
    ),
    responses((status = 200, body = Keys), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn list(rest: Rest) -> Answer {
    let ListQuery { prefix, cursor, limit, keys_only } = body::query(&rest.request)?;
    let mut wish = json!({ "keysOnly": keys_only.unwrap_or_default() });
    for (name, value) in [("prefix", prefix.map(Json::from)), ("cursor", cursor.map(Json::from))] {
        if let Some(value) = value {
            wish[name] = value;
        }
    }
    if let Some(limit) = limit {
        wish["limit"] = limit.into();
    }
    let mut page = rest.call("kv:scan", &wish).await?;
    let entries = match page["entries"].take() {
        Json::Array(entries) => entries.into_iter().map(entry).collect(),
        _ => Vec::new(),
    };
    Ok(bare(StatusCode::OK, &json!(Keys { keys: entries, cursor: page["cursor"].take() })))
}

/// The value of a key.
#[utoipa::path(
    get, path = "/api/v1/kv/{key}", tag = "kv", security(("bearer" = []), ("key" = [])),
    params(
        ("key" = String, Path, description = "The key; it may have slashes"),
        ("If-None-Match" = Option<String>, Header, description = "A version: 304 if it is still that"),
    ),
    responses(
        (status = 200, body = KeyAndValue), (status = 304, description = "It has this version"),
        (status = "default", body = ErrorAnswer),
    )
)]
pub(super) async fn get(rest: Rest, key: Path<String>) -> Answer {
    let key = named(&rest, key)?;
    let found = rest.call("kv:get", &json!({ "key": key })).await?;
    if found.is_null() {
        return Err(Failure::plain(404, "NOT_FOUND", "There is no such key"));
    }
    let found = entry(found);
    let tag = format!("\"{}\"", found.version);
    let known = header(&rest, &IF_NONE_MATCH).is_some_and(|known| {
        known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag || known.trim() == "*")
    });
    if known {
        return Ok(no_store(StatusCode::NOT_MODIFIED).insert_header((ETAG, tag)).finish());
    }
    Ok(no_store(StatusCode::OK).insert_header((ETAG, tag)).json(found))
}

/// Sets the value of a key.
#[utoipa::path(
    put, path = "/api/v1/kv/{key}", tag = "kv", request_body = SetValue, security(("bearer" = []), ("key" = [])),
    params(
        ("key" = String, Path, description = "The key; it may have slashes"),
        ("If-Match" = Option<String>, Header, description = "A version: only if the key has it"),
        ("If-None-Match" = Option<String>, Header, description = "\"*\": only if there is no such key"),
    ),
    responses((status = 200, body = KeyAndValue), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn set(rest: Rest, key: Path<String>, payload: Payload) -> Answer {
    let key = named(&rest, key)?;
    rest.check("kv:set")?;
    let wanted = condition(&rest)?;
    let SetValue { value, ttl } = body::read(&rest.request, payload).await?;
    let encoding = if value.is_string() { "utf8" } else { "json" };
    let mut wish = json!({ "key": key, "value": value, "encoding": encoding });
    if let Some(seconds) = ttl {
        wish["ttlMs"] = ttl_ms(&rest, seconds)?.into();
    }
    if let Some(version) = wanted {
        wish["ifVersion"] = version.into();
    }
    let mut written = rest.call("kv:set", &wish).await?;
    if written["done"] != true {
        return Err(changed(&written["version"]));
    }
    let tag = format!("\"{}\"", written["version"]);
    let told = KeyAndValue {
        key,
        ttl,
        key_base64: None,
        value: Some(value),
        value_omitted: None,
        encoding: None,
        version: written["version"].take(),
    };
    Ok(no_store(StatusCode::OK).insert_header((ETAG, tag)).json(told))
}

/// Sets the value of a key, as PUT does.
#[utoipa::path(
    post, path = "/api/v1/kv/{key}", tag = "kv", request_body = SetValue, security(("bearer" = []), ("key" = [])),
    params(("key" = String, Path, description = "The key; it may have slashes")),
    responses((status = 200, body = KeyAndValue), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn post(rest: Rest, key: Path<String>, payload: Payload) -> Answer {
    set(rest, key, payload).await
}

/// Takes a key away.
#[utoipa::path(
    delete, path = "/api/v1/kv/{key}", tag = "kv", security(("bearer" = []), ("key" = [])),
    params(
        ("key" = String, Path, description = "The key; it may have slashes"),
        ("If-Match" = Option<String>, Header, description = "A version: only if the key has it"),
    ),
    responses((status = 200, body = Deleted), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn delete(rest: Rest, key: Path<String>) -> Answer {
    let mut wish = json!({ "key": named(&rest, key)? });
    let wanted = condition(&rest)?;
    if let Some(version) = wanted {
        wish["ifVersion"] = version.into();
    }
    let mut gone = rest.call("kv:delete", &wish).await?;
    if wanted.is_some() && gone["deleted"] != true {
        return Err(changed(&gone["version"]));
    }
    Ok(bare(StatusCode::OK, &json!(Deleted { deleted: gone["deleted"].take() })))
}

fn named(rest: &Rest, key: Path<String>) -> Result<String, Failure> {
    match key.into_inner() {
        key if key.is_empty() => {
            Err(rest.failure(&MethodError::invalid(["/key: is empty; /api/v1/kv lists keys"]), false))
        }
        // What is no UTF-8 in the path has become this; two such keys would be one.
        key if key.contains(char::REPLACEMENT_CHARACTER) => {
            Err(rest.failure(&MethodError::invalid(["/key: is not UTF-8"]), false))
        }
        key => Ok(key),
    }
}

/// Milliseconds of a time to live in seconds.
fn ttl_ms(rest: &Rest, seconds: u64) -> Result<u64, Failure> {
    match seconds {
        0 => Err(rest.failure(&MethodError::invalid(["/ttl: must be at least 1"]), false)),
        seconds => Ok(seconds.saturating_mul(1_000)),
    }
}

fn header(rest: &Rest, name: &HeaderName) -> Option<String> {
    rest.request.headers().get(name).map(|value| value.to_str().unwrap_or_default().trim().to_owned())
}

/// The version that the key must have, by the headers; 0 is none.
fn condition(rest: &Rest) -> Result<Option<u64>, Failure> {
    let wrong =
        |name: &str, text: &str| Err(rest.failure(&MethodError::invalid([format!("{name}: {text}")]), false));
    match (header(rest, &IF_MATCH), header(rest, &IF_NONE_MATCH)) {
        (None, None) => Ok(None),
        (None, Some(any)) if any == "*" => Ok(Some(0)),
        (None, Some(_)) => wrong("If-None-Match", "only \"*\" has a meaning here"),
        (Some(_), Some(_)) => wrong("If-Match", "contradicts If-None-Match"),
        // A weak tag is never the same as any, says RFC 9110; the version of no key.
        (Some(tag), None) if tag.starts_with("W/") => Ok(Some(u64::MAX)),
        (Some(tag), None) => match tag.trim_matches('"').parse() {
            Ok(version) if version > 0 => Ok(Some(version)),
            _ => wrong("If-Match", "is no version, such as \"17\""),
        },
    }
}

/// The key has another version than was said.
fn changed(version: &Json) -> Failure {
    let text = match version.as_u64() {
        Some(0) | None => "There is no such key".to_owned(),
        Some(version) => format!("The key has version {version}"),
    };
    Failure::plain(412, "PRECONDITION_FAILED", text)
}

fn entry(mut entry: Json) -> KeyAndValue {
    let ttl = entry["ttlMs"].as_u64().map(|ms| ms.div_ceil(1_000));
    let key = entry["key"].as_str().unwrap_or_default().to_owned();
    let mut there = |name: &str| entry.get_mut(name).map(Json::take);
    KeyAndValue {
        key,
        ttl,
        key_base64: there("keyBase64"),
        value: there("value"),
        value_omitted: there("valueOmitted"),
        encoding: there("encoding"),
        version: there("version").unwrap_or_default(),
    }
}
