//! Writes frames of a server: never masked, never fragmented.

/// What a frame carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opcode {
    /// UTF-8 text.
    Text,
    /// Bytes.
    Binary,
    /// The end of the connection.
    Close,
    /// A question whether the peer lives.
    Ping,
    /// The answer to it.
    Pong,
}

impl Opcode {
    fn bits(self) -> u8 {
        match self {
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }
}

/// The head of a final frame with `len` bytes, and how many of its bytes count.
pub fn frame_head(opcode: Opcode, len: usize) -> ([u8; 10], usize) {
    let mut head = [0; 10];
    head[0] = 0x80 | opcode.bits();
    if let Ok(short) = u8::try_from(len)
        && short < 126
    {
        head[1] = short;
        (head, 2)
    } else if let Ok(medium) = u16::try_from(len) {
        head[1] = 126;
        head[2..4].copy_from_slice(&medium.to_be_bytes());
        (head, 4)
    } else {
        head[1] = 127;
        head[2..10].copy_from_slice(&(len as u64).to_be_bytes());
        (head, 10)
    }
}

/// Appends a whole frame to `out`.
pub fn write_frame(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    let (head, used) = frame_head(opcode, payload.len());
    out.reserve(used + payload.len());
    out.extend_from_slice(&head[..used]);
    out.extend_from_slice(payload);
}

/// The payload of a close frame. Control frames hold 125 bytes, so a longer reason is cut.
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_length_form_is_used() {
        for (len, used) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            assert_eq!(frame_head(Opcode::Text, len).1, used, "{len}");
        }
    }

    #[test]
    fn long_reasons_are_cut_between_characters() {
        assert_eq!(close_payload(1000, &"é".repeat(100)).len(), 2 + 122);
    }
}
