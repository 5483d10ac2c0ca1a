//! UTF-8 that arrives in pieces.

/// Checks text as it grows, so that a bad byte is found when it comes and nothing is checked twice.
#[derive(Debug, Default)]
pub(super) struct TextCheck {
    checked: usize,
}

impl TextCheck {
    /// Checks what was added to `message` since the last call. A character may still be incomplete.
    pub(super) fn more(&mut self, message: &[u8]) -> bool {
        match simdutf8::compat::from_utf8(message.get(self.checked..).unwrap_or_default()) {
            Ok(text) => self.checked += text.len(),
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return false,
        }
        true
    }

    /// Whether all of `message` was checked, so that no character is left incomplete.
    pub(super) fn complete(&self, message: &[u8]) -> bool {
        self.checked == message.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_are_the_same_as_the_whole(text in ".{0,20}", noise in prop::collection::vec(any::<u8>(), 0..3), step in 1usize..5) {
            let mut bytes = text.into_bytes();
            bytes.extend(noise);
            let mut check = TextCheck::default();
            let mut grown = Vec::new();
            let fine = bytes.chunks(step).all(|piece| {
                grown.extend_from_slice(piece);
                check.more(&grown)
            });
            prop_assert_eq!(fine && check.complete(&bytes), std::str::from_utf8(&bytes).is_ok());
        }
    }
}
