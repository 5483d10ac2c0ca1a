//! Values as peers write and read them: any JSON, text, or bytes in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::SPACE;
use crate::store::{Change, Entry, Value, ValueKind};

/// How a value is written.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Encoding {
    /// Any JSON value.
    #[default]
    Json,
    /// A string, stored as its bytes.
    Utf8,
    /// A string in base64, stored as the bytes that it stands for.
    Base64,
}

impl Encoding {
    /// The stored form of a value.
    pub(super) fn read(self, value: &Json) -> Result<Value, String> {
        let text = || value.as_str().ok_or("must be a string with this encoding");
        match self {
            Self::Json => Ok(Value::json(value.to_string().into_bytes())),
            Self::Utf8 => Ok(Value::bytes(text()?.as_bytes())),
            Self::Base64 => {
                let bytes = STANDARD.decode(text()?);
                Ok(Value::bytes(bytes.map_err(|error| format!("is not base64: {error}"))?))
            }
        }
    }
}

/// Puts a value into an object: `value` and `encoding`.
fn put_value(value: &Value, object: &mut Map<String, Json>) {
    let bytes = value.as_bytes();
    let json = || serde_json::from_slice(bytes).ok().filter(|_| value.kind() == ValueKind::Json);
    let text = || std::str::from_utf8(bytes).ok().map(Json::from);
    let (value, encoding) = match (json(), text()) {
        (Some(json), _) => (json, "json"),
        (None, Some(text)) => (text, "utf8"),
        (None, None) => (STANDARD.encode(bytes).into(), "base64"),
    };
    object.insert("value".into(), value);
    object.insert("encoding".into(), encoding.into());
}

/// Puts a key into an object, without the prefix of the name space. One that is no text is written as well as
/// it can be, and exactly in `keyBase64`.
fn put_key(key: &[u8], object: &mut Map<String, Json>) {
    let key = key.strip_prefix(SPACE.as_bytes()).unwrap_or(key);
    if std::str::from_utf8(key).is_err() {
        object.insert("keyBase64".into(), STANDARD.encode(key).into());
    }
    object.insert("key".into(), String::from_utf8_lossy(key).into());
}

/// Takes the value out of an entry or a change that would be too long with it.
pub(super) fn omit_value(shown: &mut Json) {
    if let Some(object) = shown.as_object_mut()
        && object.remove("value").is_some()
    {
        object.insert("valueOmitted".into(), true.into());
    }
}

/// An entry as peers see it.
pub(super) fn entry(key: &[u8], entry: &Entry, now_ms: u64, with_value: bool) -> Json {
    let mut object = Map::new();
    put_key(key, &mut object);
    if with_value {
        put_value(&entry.value, &mut object);
    }
    object.insert("version".into(), entry.version.into());
    if entry.expires_at != 0 {
        object.insert("ttlMs".into(), entry.expires_at.saturating_sub(now_ms).into());
    }
    object.into()
}

/// A change as peers see it.
pub(super) fn change(change: &Change) -> Json {
    let mut object = Map::new();
    if let Some(key) = change.key() {
        put_key(key, &mut object);
    }
    let (op, ends) = match change {
        Change::Put { value, expires_at, .. } => {
            put_value(value, &mut object);
            ("set", Some(*expires_at).filter(|at| *at != 0))
        }
        Change::Delete { expired, .. } => {
            object.insert("expired".into(), (*expired).into());
            ("delete", None)
        }
        Change::Expire { expires_at, .. } => ("expire", Some(*expires_at)),
        Change::Clear { .. } => ("clear", None),
        Change::Emit { data, .. } => {
            put_value(data, &mut object);
            ("emit", None)
        }
    };
    object.insert("op".into(), op.into());
    match ends {
        None => {}
        Some(0) => drop(object.insert("expiresAt".into(), Json::Null)),
        Some(at) => drop(object.insert("expiresAt".into(), at.into())),
    }
    object.into()
}
