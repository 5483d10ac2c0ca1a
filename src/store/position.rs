//! Places in the history of the store.

use std::fmt;
use std::str::FromStr;

/// A place in the history of the store: to a reader an opaque text, such as `9f86d081884c7d65-42`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    pub(super) epoch: u64,
    pub(super) revision: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.epoch, self.revision)
    }
}

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('-').filter(|(epoch, _)| epoch.len() == 16);
        let read = |(epoch, revision): (&str, &str)| {
            Some(Self { epoch: u64::from_str_radix(epoch, 16).ok()?, revision: revision.parse().ok()? })
        };
        parts.and_then(read).ok_or_else(|| format!("\"{text}\" is not a position"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_and_print_the_same() {
        let position = Position { epoch: 0x2a, revision: 7 };
        assert_eq!(position.to_string(), "000000000000002a-7");
        assert_eq!(position.to_string().parse(), Ok(position));
        for text in ["", "7", "2a-7", "000000000000002a-", "000000000000002a-x", "zzzzzzzzzzzzzzzz-1"] {
            assert_eq!(text.parse::<Position>(), Err(format!("\"{text}\" is not a position")));
        }
    }
}
