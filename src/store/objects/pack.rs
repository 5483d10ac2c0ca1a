//! Objects as they lie on the disk and in the cache: one byte in front, 0 for bytes as they are, 1 for LZ4 with the
//! length before it.

use std::sync::Arc;

/// Objects from this length on are compressed, if that makes them shorter.
const COMPRESSED_FROM: usize = 256;

const PLAIN: u8 = 0;
const LZ4: u8 = 1;

/// The longest object that is believed when it says how long it is.
const OBJECT_BYTES_MAX: usize = 1 << 30;

/// An object as it is kept.
pub(super) fn pack(object: &[u8]) -> Vec<u8> {
    if object.len() >= COMPRESSED_FROM {
        let packed = lz4_flex::compress_prepend_size(object);
        if packed.len() < object.len() {
            return [&[LZ4], packed.as_slice()].concat();
        }
    }
    [&[PLAIN], object].concat()
}

/// The object that was kept; `None` for what is none.
pub(super) fn unpack(packed: &[u8]) -> Option<Arc<[u8]>> {
    match packed.split_first()? {
        (&PLAIN, object) => Some(object.into()),
        (&LZ4, packed) => {
            let length = u32::from_le_bytes(*packed.first_chunk()?) as usize;
            let object = (length <= OBJECT_BYTES_MAX).then(|| lz4_flex::decompress_size_prepended(packed));
            object?.ok().map(Into::into)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_no_object() {
        for wrong in [&b""[..], &[9, 1], &[LZ4], &[LZ4, 255, 255, 255, 255, 0]] {
            assert!(unpack(wrong).is_none());
        }
        for bytes in [0, 1, 255, 256, 10_000] {
            let object = vec![7; bytes];
            assert_eq!(unpack(&pack(&object)).as_deref(), Some(object.as_slice()));
        }
    }
}
