//! The masking of RFC 6455, section 5.3.

/// Applies `key` to `bytes`, whose first byte stands at `offset` of its frame.
pub(super) fn unmask(bytes: &mut [u8], key: [u8; 4], offset: usize) {
    let mut turned = key;
    turned.rotate_left(offset % 4);
    let [a, b, c, d] = turned;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(turned.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_are_the_same_as_the_whole(bytes in prop::collection::vec(any::<u8>(), 0..50), key: [u8; 4], cut in 0usize..50) {
            let expected: Vec<u8> = bytes.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect();
            let mut actual = bytes.clone();
            let cut = cut.min(actual.len());
            let (left, right) = actual.split_at_mut(cut);
            unmask(left, key, 0);
            unmask(right, key, cut);
            prop_assert_eq!(actual, expected);
        }
    }
}
