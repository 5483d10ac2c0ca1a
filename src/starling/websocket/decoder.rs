//! Reads frames of a client, whatever pieces they arrive in.
//!
//! The fast path is a whole unfragmented frame inside one read: it is unmasked where it lies and lent out
//! without a copy. Everything else is collected in one buffer that is given back after each message.

use thiserror::Error;

use super::mask::unmask;
use super::text::TextCheck;
use crate::protocol::CloseCode;

/// How long messages may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameLimits {
    /// Messages up to this many bytes are kept whole.
    pub message_bytes_max: usize,
    /// Up to this many bytes a message is read to its end and reported as too long; beyond, it is refused.
    pub frame_bytes_max: usize,
}

/// Something that arrived whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event<'a> {
    /// A text message, valid UTF-8.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// A message over the limit that was not kept: its length and its beginning.
    TooLong {
        /// How long it was.
        bytes: u64,
        /// Its first bytes, not necessarily whole characters.
        prefix: &'a [u8],
    },
    /// A ping to be answered with the same bytes.
    Ping(&'a [u8]),
    /// A pong.
    Pong,
    /// The peer closes, with a code unless it gave none.
    Close(Option<u16>),
}

/// How the peer broke RFC 6455.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Violation {
    /// Reserved bits or opcodes, bad lengths, wrong order of fragments, no mask, bad close codes.
    #[error("{0}")]
    Framing(&'static str),
    /// Text or a close reason that is not UTF-8.
    #[error("invalid UTF-8")]
    Utf8,
    /// A message beyond `frame_bytes_max`.
    #[error("Received too big message")]
    TooBig,
}

impl Violation {
    /// What the connection is closed with.
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::Framing(_) => CloseCode::ProtocolError,
            Self::Utf8 => CloseCode::InvalidUtf8,
            Self::TooBig => CloseCode::TooBig,
        }
    }
}

/// One step of decoding: how much input was used, and what it completed.
#[derive(Debug)]
pub struct Step<'a> {
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// What became whole, if anything. Without an event, all input was consumed or a frame ended.
    pub event: Option<Event<'a>>,
}

/// The state between reads.
#[derive(Debug)]
pub struct Decoder {
    limits: FrameLimits,
    head: Head,
    head_bytes: [u8; HEAD_MAX],
    head_len: u8,
    /// In the payload of `head`: how far.
    in_payload: bool,
    payload_at: usize,
    message: Option<Message>,
    control: Vec<u8>,
    /// The buffer was lent out with the last event and is to be given back.
    lent: bool,
}

const HEAD_MAX: usize = 14;
const CONTROL_MAX: usize = 125;

/// Capacity of an idle buffer that is worth keeping for the next message: none, connections idle most.
const KEEP_BYTES: usize = 0;

/// How much is set aside for an announced message before any of it has come.
const TRUST_BYTES: usize = 64 * 1024;

/// A message that is being collected.
#[derive(Debug)]
struct Message {
    text: bool,
    bytes: Vec<u8>,
    check: TextCheck,
    /// Total length so far, kept or not.
    len: u64,
    /// A fragment ended without FIN: the next data frame continues.
    fragmented: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Head {
    fin: bool,
    opcode: u8,
    len: usize,
    mask: [u8; 4],
}

impl Head {
    fn control(self) -> bool {
        self.opcode & 0x8 != 0
    }
}

impl Decoder {
    /// A decoder at the beginning of a connection.
    pub fn new(limits: FrameLimits) -> Self {
        Self {
            limits,
            head: Head::default(),
            head_bytes: [0; HEAD_MAX],
            head_len: 0,
            in_payload: false,
            payload_at: 0,
            message: None,
            control: Vec::new(),
            lent: false,
        }
    }

    /// Reads on. Call it until the input is consumed.
    ///
    /// # Errors
    /// If the peer broke the framing; nothing can be read after that.
    pub fn decode<'a>(&'a mut self, input: &'a mut [u8]) -> Result<Step<'a>, Violation> {
        self.give_back();
        let mut at = 0;
        if !self.in_payload {
            at = self.read_head(input)?;
            if !self.in_payload {
                return Ok(Step { consumed: at, event: None });
            }
        }
        let wanted = self.head.len - self.payload_at;
        let here = wanted.min(input.len() - at);
        let piece = &mut input[at..at + here];
        unmask(piece, self.head.mask, self.payload_at);
        self.payload_at += here;
        let complete = here == wanted;
        self.in_payload = !complete;
        let consumed = at + here;
        let event = if self.head.control() {
            self.control_piece(piece, complete)?
        } else {
            self.data_piece(piece, complete)?
        };
        Ok(Step { consumed, event })
    }

    /// Collects head bytes; once there are enough, checks them and enters the payload.
    fn read_head(&mut self, input: &[u8]) -> Result<usize, Violation> {
        let before = usize::from(self.head_len);
        let mut used = 0;
        loop {
            let have = before + used;
            let need = self.head_needs(have);
            if have >= need {
                break;
            }
            let Some(byte) = input.get(used) else {
                self.head_len = have as u8;
                return Ok(used);
            };
            self.head_bytes[have] = *byte;
            used += 1;
            if have == 1 {
                check_start(self.head_bytes[0], self.head_bytes[1])?;
            }
        }
        self.head_len = 0;
        self.head = self.parse_head()?;
        self.in_payload = true;
        self.payload_at = 0;
        Ok(used)
    }

    fn head_needs(&self, have: usize) -> usize {
        if have < 2 {
            return 2;
        }
        match self.head_bytes[1] & 0x7f {
            126 => 8,
            127 => 14,
            _ => 6,
        }
    }

    fn parse_head(&self) -> Result<Head, Violation> {
        let bytes = &self.head_bytes;
        let word = |at: usize, width: usize| {
            bytes[at..at + width].iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte))
        };
        let (len, mask_at) = match bytes[1] & 0x7f {
            126 => (word(2, 2), 4),
            127 => (word(2, 8), 10),
            short => (u64::from(short), 2),
        };
        if len >> 63 != 0 {
            return Err(Violation::Framing("the highest bit of a length is set"));
        }
        let mask = [bytes[mask_at], bytes[mask_at + 1], bytes[mask_at + 2], bytes[mask_at + 3]];
        let head = Head { fin: bytes[0] & 0x80 != 0, opcode: bytes[0] & 0x0f, len: 0, mask };
        if head.control() {
            return Ok(Head { len: len as usize, ..head });
        }
        let collecting = self.message.as_ref().filter(|message| message.fragmented);
        match (head.opcode, collecting) {
            (0, None) => return Err(Violation::Framing("a continuation of nothing")),
            (1 | 2, Some(_)) => return Err(Violation::Framing("a new message inside a fragmented one")),
            _ => {}
        }
        // Refused by its announcement, before anything is set aside for it.
        let before = collecting.map_or(0, |message| message.len);
        if before.saturating_add(len) > self.limits.frame_bytes_max as u64 {
            return Err(Violation::TooBig);
        }
        Ok(Head { len: usize::try_from(len).map_err(|_| Violation::TooBig)?, ..head })
    }

    fn control_piece<'a>(
        &'a mut self,
        piece: &'a [u8],
        complete: bool,
    ) -> Result<Option<Event<'a>>, Violation> {
        let whole = if complete && self.control.is_empty() {
            piece
        } else {
            self.control.extend_from_slice(piece);
            if !complete {
                return Ok(None);
            }
            self.lent = true;
            &self.control
        };
        Ok(Some(match self.head.opcode {
            0x8 => Event::Close(close_code(whole)?),
            0x9 => Event::Ping(whole),
            _ => Event::Pong,
        }))
    }

    fn data_piece<'a>(&'a mut self, piece: &'a [u8], complete: bool) -> Result<Option<Event<'a>>, Violation> {
        let head = self.head;
        let last = complete && head.fin;
        let text = head.opcode == 1;
        if self.message.is_none() && last && piece.len() <= self.limits.message_bytes_max {
            if !text {
                return Ok(Some(Event::Binary(piece)));
            }
            let text = simdutf8::basic::from_utf8(piece).map_err(|_| Violation::Utf8)?;
            return Ok(Some(Event::Text(text)));
        }
        let keep = self.limits.message_bytes_max;
        let message = self.message.get_or_insert_with(|| Message::new(text, head.len.min(TRUST_BYTES)));
        message.add(piece, keep)?;
        message.fragmented = complete && !head.fin;
        if !last {
            return Ok(None);
        }
        self.lent = true;
        self.message.as_ref().map(|message| message.event(keep)).transpose()
    }

    /// Frees what the last event borrowed.
    fn give_back(&mut self) {
        if std::mem::take(&mut self.lent) {
            if self.head.control() {
                self.control.clear();
                self.control.shrink_to(KEEP_BYTES);
            } else {
                self.message = None;
            }
        }
    }
}

impl Message {
    fn new(text: bool, expected: usize) -> Self {
        let bytes = Vec::with_capacity(expected);
        Self { text, bytes, check: TextCheck::default(), len: 0, fragmented: false }
    }

    /// Keeps at most `keep` bytes, counts all, and checks the text that is kept.
    fn add(&mut self, piece: &[u8], keep: usize) -> Result<(), Violation> {
        self.len += piece.len() as u64;
        let room = keep.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
        if self.text && !self.check.more(&self.bytes) {
            return Err(Violation::Utf8);
        }
        Ok(())
    }

    fn event(&self, keep: usize) -> Result<Event<'_>, Violation> {
        if self.len > keep as u64 {
            return Ok(Event::TooLong { bytes: self.len, prefix: &self.bytes });
        }
        if !self.text {
            return Ok(Event::Binary(&self.bytes));
        }
        if !self.check.complete(&self.bytes) {
            return Err(Violation::Utf8);
        }
        std::str::from_utf8(&self.bytes).map(Event::Text).map_err(|_| Violation::Utf8)
    }
}

/// What the first two bytes of a frame may be.
fn check_start(first: u8, second: u8) -> Result<(), Violation> {
    if first & 0x70 != 0 {
        return Err(Violation::Framing("reserved bits are set"));
    }
    let opcode = first & 0x0f;
    if matches!(opcode, 0x3..=0x7 | 0xB..=0xF) {
        return Err(Violation::Framing("reserved opcode"));
    }
    if second & 0x80 == 0 {
        return Err(Violation::Framing("a client's frame is not masked"));
    }
    if opcode & 0x8 != 0 {
        if first & 0x80 == 0 {
            return Err(Violation::Framing("a control frame is fragmented"));
        }
        if usize::from(second & 0x7f) > CONTROL_MAX {
            return Err(Violation::Framing("a control frame is longer than 125 bytes"));
        }
    }
    Ok(())
}

/// The code of a close frame, as far as a peer may send it (RFC 6455, section 7.4).
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    match payload {
        [] => Ok(None),
        [_] => Err(Violation::Framing("a close frame of one byte")),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(Violation::Framing("a close code that may not be sent"));
            }
            simdutf8::basic::from_utf8(reason).map_err(|_| Violation::Utf8)?;
            Ok(Some(code))
        }
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
