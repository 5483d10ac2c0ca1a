//! The id of a request: the text of a UUID, kept byte for byte.

use std::fmt;

use uuid::Uuid;

/// 36 ASCII characters in the shape of a UUID, in the case that the caller wrote.
///
/// Clients match answers by comparing text, so the text is the identity: an upper-cased id is another id.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 36]);

impl RequestId {
    /// A new random id (UUID version 4).
    pub fn generate() -> Self {
        Self::from_uuid(Uuid::new_v4())
    }

    /// The id that a text is, if it has the shape 8-4-4-4-12 of hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: &[u8; 36] = text.as_bytes().try_into().ok()?;
        let shaped = bytes.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
        shaped.then_some(Self(*bytes))
    }

    /// The lower-case text of 16 bytes, as the compact codec carries them.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self::from_uuid(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes that the text stands for.
    pub fn to_bytes(self) -> [u8; 16] {
        Uuid::try_parse_ascii(&self.0).map_or([0; 16], Uuid::into_bytes)
    }

    /// Whether the 16 bytes give the same text back.
    pub fn is_canonical(self) -> bool {
        !self.0.iter().any(u8::is_ascii_uppercase)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // All bytes are ASCII: every constructor makes sure of it.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The text as bytes.
    pub fn as_ascii(&self) -> [u8; 36] {
        self.0
    }

    fn from_uuid(uuid: Uuid) -> Self {
        let mut text = [0; 36];
        uuid.hyphenated().encode_lower(&mut text);
        Self(text)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_uuid_shape_is_kept_as_written() {
        for text in [
            "e996f0d2-4115-4a64-b77f-e4ae77b0808c",
            "00000000-0000-0000-0000-000000000000",
            "E996F0D2-4115-4A64-B77F-E4AE77B0808C",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ] {
            assert_eq!(RequestId::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "1", "e996f0d2-4115-4a64-b77f-e4ae77b0808", "e996f0d24-115-4a64-b77f-e4ae77b0808c"] {
            assert_eq!(RequestId::parse(text), None, "{text}");
        }
        assert_eq!(RequestId::parse("g996f0d2-4115-4a64-b77f-e4ae77b0808c"), None);
        assert_eq!(RequestId::parse("é96f0d2-4115-4a64-b77f-e4ae77b0808c"), None);
    }

    #[test]
    fn bytes_and_text_agree() {
        let id = RequestId::generate();
        assert_eq!(RequestId::from_bytes(id.to_bytes()), id);
        assert!(id.is_canonical());
        assert!(!RequestId::parse("E996F0D2-4115-4A64-B77F-E4AE77B0808C").unwrap().is_canonical());
    }
}
