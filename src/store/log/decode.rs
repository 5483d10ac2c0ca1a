//! Reads records.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use thiserror::Error;

use super::{FORMAT, VERSION};
use crate::store::change::{Change, Committed};
use crate::store::value::{Key, Value};

/// Why a line with a right checksum makes no record: another program wrote it, or another version.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub(crate) enum DecodeError {
    /// The line is not JSON of the known shape.
    #[error("the line is no record: {0}")]
    Shape(String),
    /// The first line does not say what file this is.
    #[error("the file does not begin as a segment of {FORMAT}")]
    Format,
    /// The file is of another version.
    #[error("the file has version {0} of the format; this program reads version {VERSION}")]
    Version(u32),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    format: &'a str,
    version: u32,
    first: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    seq: u64,
    at: u64,
    cmd: &'a str,
    #[serde(borrow, default)]
    key: Cow<'a, str>,
    #[serde(default)]
    kenc: Option<&'a str>,
    #[serde(borrow, default)]
    value: Cow<'a, str>,
    #[serde(default)]
    enc: Option<&'a str>,
    #[serde(default)]
    exp: u64,
    #[serde(default)]
    expired: bool,
    #[serde(borrow, default)]
    keep: Vec<Cow<'a, str>>,
    #[serde(borrow, default)]
    ops: Vec<Op<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Op<'a> {
    cmd: &'a str,
    #[serde(borrow, default)]
    key: Cow<'a, str>,
    #[serde(default)]
    kenc: Option<&'a str>,
    #[serde(borrow, default)]
    value: Cow<'a, str>,
    #[serde(default)]
    enc: Option<&'a str>,
    #[serde(default)]
    exp: u64,
    #[serde(default)]
    expired: bool,
    #[serde(borrow, default)]
    keep: Vec<Cow<'a, str>>,
}

/// The number of the first record, by the first line of a segment.
pub(super) fn header(json: &[u8]) -> Result<u64, DecodeError> {
    let header: Header<'_> = serde_json::from_slice(json).map_err(|_| DecodeError::Format)?;
    match header {
        Header { format: FORMAT, version: VERSION, first } => Ok(first),
        Header { format: FORMAT, version, .. } => Err(DecodeError::Version(version)),
        _ => Err(DecodeError::Format),
    }
}

/// A record.
pub(super) fn record(json: &[u8]) -> Result<Committed, DecodeError> {
    let line: Line<'_> =
        serde_json::from_slice(json).map_err(|error| DecodeError::Shape(error.to_string()))?;
    let Line { seq, at, cmd, key, kenc, value, enc, exp, expired, keep, ops } = line;
    let changes = match cmd {
        "MULTI" => ops.into_iter().map(change).collect::<Result<Vec<_>, _>>()?,
        "NOOP" => Vec::new(),
        _ => vec![change(Op { cmd, key, kenc, value, enc, exp, expired, keep })?],
    };
    Ok(Committed { revision: seq, at, changes: changes.into() })
}

fn change(op: Op<'_>) -> Result<Change, DecodeError> {
    let key: Key = match op.kenc {
        None => op.key.as_bytes().into(),
        Some("b64") => from_base64(&op.key)?.into(),
        Some(other) => return Err(DecodeError::Shape(format!("unknown kenc {other:?}"))),
    };
    Ok(match op.cmd {
        "SET" => Change::Put { key, value: value(&op.value, op.enc)?, expires_at: op.exp },
        "DEL" => Change::Delete { key, expired: op.expired },
        "EXPIRE" => Change::Expire { key, expires_at: op.exp },
        "CLEAR" => {
            Change::Clear { keep: op.keep.iter().map(|family| Key::from(family.as_bytes())).collect() }
        }
        "EMIT" => Change::Emit { channel: key, data: value(&op.value, op.enc)? },
        other => return Err(DecodeError::Shape(format!("unknown cmd {other:?}"))),
    })
}

fn value(text: &str, encoding: Option<&str>) -> Result<Value, DecodeError> {
    match encoding {
        Some("utf8") => Ok(Value::bytes(text.as_bytes())),
        Some("json") => Ok(Value::json(text.as_bytes())),
        Some("b64") => Ok(Value::bytes(from_base64(text)?)),
        other => Err(DecodeError::Shape(format!("unknown enc {other:?}"))),
    }
}

fn from_base64(text: &str) -> Result<Vec<u8>, DecodeError> {
    STANDARD.decode(text).map_err(|error| DecodeError::Shape(error.to_string()))
}
