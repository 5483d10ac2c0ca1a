//! Places in the history of a topic.

use std::fmt;
use std::str::FromStr;

/// A place in the history of a topic: to a reader an opaque text, such as `9f86d081-2a`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// Which history: it changes when a server starts without the one before.
    pub(super) epoch: u32,
    /// How many publications came before, this one included.
    pub(super) offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:x}", self.epoch, self.offset)
    }
}

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('-').filter(|(epoch, _)| epoch.len() == 8);
        let hex = |text: &str| text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
        let read = |(epoch, offset): (&str, &str)| {
            let fine = hex(epoch) && hex(offset);
            let epoch = u32::from_str_radix(epoch, 16).ok().filter(|_| fine)?;
            Some(Self { epoch, offset: u64::from_str_radix(offset, 16).ok()? })
        };
        parts.and_then(read).ok_or_else(|| format!("\"{text}\" is not a position"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_and_print_the_same() {
        let position = Position { epoch: 42, offset: 255 };
        assert_eq!(position.to_string(), "0000002a-ff");
        assert_eq!(position.to_string().parse(), Ok(position));
        for text in ["", "7", "2a-7", "0000002a-", "0000002a-x", "zzzzzzzz-1", "0000002a-+1", "0000002a--1"] {
            assert_eq!(text.parse::<Position>(), Err(format!("\"{text}\" is not a position")));
        }
    }
}
