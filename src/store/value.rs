//! What lies under a key.

use std::fmt;
use std::sync::Arc;

use crate::universe::{Content, Stored};

/// A key: any bytes.
pub type Key = Arc<[u8]>;

/// A value: bytes that are shared and never change, and whether they were written as JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct Value {
    bytes: Arc<[u8]>,
    kind: ValueKind,
}

/// What the bytes of a value are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ValueKind {
    /// Bytes, or text; nobody looks inside.
    Bytes,
    /// The text of one JSON value.
    Json,
}

impl Value {
    /// Any bytes.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { bytes: bytes.into(), kind: ValueKind::Bytes }
    }

    /// The text of a JSON value. The caller has checked that it is one.
    pub fn json(text: impl Into<Arc<[u8]>>) -> Self {
        Self { bytes: text.into(), kind: ValueKind::Json }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What the bytes are.
    pub fn kind(&self) -> ValueKind {
        self.kind
    }

    /// Other bytes of the same kind.
    pub(super) fn same_kind(&self, bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), kind: self.kind }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.bytes[..self.bytes.len().min(64)];
        write!(f, "{:?}({:?}, {} B)", self.kind, String::from_utf8_lossy(shown), self.bytes.len())
    }
}

/// A value with what the store knows about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The value.
    pub value: Value,
    /// The revision of the commit that changed it last. No two states of a key have the same.
    pub version: u64,
    /// When it ends, in milliseconds since the Unix epoch; 0 is never.
    pub expires_at: u64,
}

impl Entry {
    /// Whether it is over.
    pub fn expired(&self, now_ms: u64) -> bool {
        self.expires_at != 0 && self.expires_at <= now_ms
    }
}

impl Content for Entry {
    /// Kind, end and value. The version is history, not content.
    fn write_content(&self, to: &mut dyn FnMut(&[u8])) {
        let kind = match self.value.kind {
            ValueKind::Bytes => BYTES,
            ValueKind::Json => JSON,
        };
        to(&[kind]);
        to(&self.expires_at.to_le_bytes());
        to(&self.value.bytes);
    }
}

/// Kinds as they are written down.
const BYTES: u8 = 0;
const JSON: u8 = 1;

impl Stored for Entry {
    /// The version is not written down: it is made of the content, and larger than any revision. So two contents have
    /// two versions, though those that were handed out before do not hold any more.
    fn read_content(content: &[u8]) -> Option<Self> {
        let (kind, rest) = content.split_first()?;
        let (end, bytes) = rest.split_first_chunk()?;
        let value = match *kind {
            BYTES => Value::bytes(bytes),
            JSON => Value::json(bytes),
            _ => return None,
        };
        let hash = blake3::hash(content);
        let number = hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        // As long as a number in JavaScript can be, with its first bit.
        let version = (1 << 52) | (number >> 12);
        Some(Self { value, version, expires_at: u64::from_le_bytes(*end) })
    }
}
