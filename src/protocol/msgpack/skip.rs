//! Finds the end of a MessagePack value without building it and without recursion.

use thiserror::Error;

/// The bytes are no whole MessagePack value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("malformed MessagePack")]
pub struct Broken;

/// The first whole value of `bytes`, and what follows it.
///
/// # Errors
/// If the bytes end early, use the reserved marker, or hold text that is not UTF-8.
pub fn skip_value(bytes: &[u8]) -> Result<(&[u8], &[u8]), Broken> {
    let mut at = 0;
    // Every value takes at least one byte, so the work is bounded by the length, whatever counts are claimed.
    let mut expected = 1_u64;
    while expected > 0 {
        let head = Head::read(bytes, at)?;
        let end = head.start.checked_add(head.len).ok_or(Broken)?;
        let body = bytes.get(head.start..end).ok_or(Broken)?;
        if head.text && simdutf8::basic::from_utf8(body).is_err() {
            return Err(Broken);
        }
        at = end;
        expected = (expected - 1).saturating_add(head.children);
    }
    Ok(bytes.split_at(at))
}

/// What the first bytes of a value say.
pub(super) struct Head {
    /// Where its body begins.
    pub(super) start: usize,
    /// Length of the body, without children.
    pub(super) len: usize,
    /// Values that follow and belong to it.
    pub(super) children: u64,
    /// Whether the body is text.
    pub(super) text: bool,
}

impl Head {
    pub(super) fn read(bytes: &[u8], at: usize) -> Result<Self, Broken> {
        let marker = *bytes.get(at).ok_or(Broken)?;
        let number = |width: usize| {
            let digits = bytes.get(at + 1..at + 1 + width).ok_or(Broken)?;
            Ok(digits.iter().fold(0_usize, |value, byte| value << 8 | usize::from(*byte)))
        };
        let scalar = |len| Ok(Self { start: at + 1, len, children: 0, text: false });
        let body = |width, extra, text| {
            Ok(Self { start: at + 1 + width, len: number(width)? + extra, children: 0, text })
        };
        let group = |width, each| {
            Ok(Self { start: at + 1 + width, len: 0, children: number(width)? as u64 * each, text: false })
        };
        let low = u64::from(marker & 0x0f);
        match marker {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => scalar(0),
            0x80..=0x8f => Ok(Self { start: at + 1, len: 0, children: low * 2, text: false }),
            0x90..=0x9f => Ok(Self { start: at + 1, len: 0, children: low, text: false }),
            0xa0..=0xbf => {
                Ok(Self { start: at + 1, len: usize::from(marker & 0x1f), children: 0, text: true })
            }
            0xc1 => Err(Broken),
            0xc4..=0xc6 => body(1 << (marker - 0xc4), 0, false),
            0xc7..=0xc9 => body(1 << (marker - 0xc7), 1, false),
            0xca => scalar(4),
            0xcb => scalar(8),
            0xcc..=0xcf => scalar(1 << (marker - 0xcc)),
            0xd0..=0xd3 => scalar(1 << (marker - 0xd0)),
            0xd4..=0xd8 => scalar((1 << (marker - 0xd4)) + 1),
            0xd9..=0xdb => body(1 << (marker - 0xd9), 0, true),
            0xdc..=0xdd => group(2 << (marker - 0xdc), 1),
            0xde..=0xdf => group(2 << (marker - 0xde), 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn values_end_where_they_end() {
        let value =
            json!({"a": [1, -1, 300, 70000, -70000, 1.5, null, true, "x".repeat(300)], "b": {"c": []}});
        let mut bytes = rmp_serde::to_vec(&value).unwrap();
        let len = bytes.len();
        bytes.push(0xc0);
        let (first, rest) = skip_value(&bytes).unwrap();
        assert_eq!((first.len(), rest), (len, &[0xc0][..]));
        for end in 0..len {
            assert_eq!(skip_value(&bytes[..end]), Err(Broken), "{end}");
        }
    }

    #[test]
    fn claims_are_not_believed() {
        for bytes in [
            &[0xdf, 0xff, 0xff, 0xff, 0xff][..],
            &[0xdb, 0xff, 0xff, 0xff, 0xff],
            &[0xc1],
            &[],
            &[0xa1, 0xff],
        ] {
            assert_eq!(skip_value(bytes), Err(Broken));
        }
        assert!(skip_value(&[0x91; 100_000]).is_err(), "deep, without an end");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mine = skip_value(&bytes).is_ok();
            let theirs = rmp_serde::from_slice::<Value>(&bytes).is_ok();
            prop_assert!(mine || !theirs, "what serde reads is a value");
        }
    }
}
