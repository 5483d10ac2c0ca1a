//! Reads requests of the Redis protocol: arrays of strings, and inline commands as people type them.

use std::ops::Range;

use bytes::Buf;

/// The parts of one request: places in the bytes that were received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Args<'a> {
    bytes: &'a [u8],
    places: &'a [Range<usize>],
}

/// A request that is kept for later.
#[derive(Clone, Debug)]
pub(super) struct OwnedArgs {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

/// Why a connection cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ProtocolError(pub(super) &'static str);

/// How large a request may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestLimits {
    pub(super) args: usize,
    /// One argument.
    pub(super) arg_bytes: usize,
    /// All of it.
    pub(super) bytes: usize,
}

/// What was found at the beginning of the bytes.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Parsed {
    /// A whole request of this many bytes. Its parts are in the list; none if the line was empty.
    Whole(usize),
    /// More must come, at least so that there are this many bytes.
    More(usize),
}

/// The longest line with a number, and the longest inline command.
const INLINE_BYTES_MAX: usize = 64 * 1024;

impl<'a> Args<'a> {
    pub(super) fn new(bytes: &'a [u8], places: &'a [Range<usize>]) -> Self {
        Self { bytes, places }
    }

    /// How many there are, the name of the command among them.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// One of them; empty if there are not so many. The table of commands has checked the number.
    pub(super) fn get(&self, index: usize) -> &'a [u8] {
        self.places.get(index).map_or(b"", |place| &self.bytes[place.clone()])
    }

    /// Those from `index` on.
    pub(super) fn from(&self, index: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let bytes = self.bytes;
        self.places.get(index..).unwrap_or_default().iter().map(move |place| &bytes[place.clone()])
    }

    pub(super) fn to_owned(self) -> OwnedArgs {
        let mut owned = OwnedArgs { bytes: Vec::new(), places: Vec::with_capacity(self.places.len()) };
        for arg in self.from(0) {
            let start = owned.bytes.len();
            owned.bytes.extend_from_slice(arg);
            owned.places.push(start..owned.bytes.len());
        }
        owned
    }
}

impl OwnedArgs {
    pub(super) fn as_args(&self) -> Args<'_> {
        Args { bytes: &self.bytes, places: &self.places }
    }

    /// Roughly the memory that it holds.
    pub(super) fn size(&self) -> usize {
        self.bytes.len() + self.places.len() * size_of::<Range<usize>>()
    }
}

/// How far a request was read that has not come whole. It is not begun anew with every byte.
#[derive(Debug, Default)]
pub(super) struct Progress {
    places: Vec<Range<usize>>,
    /// Where to read on; 0 before the beginning.
    at: usize,
    /// Parts that are still to come.
    left: usize,
}

impl Progress {
    /// The parts of a whole request.
    pub(super) fn places(&self) -> &[Range<usize>] {
        &self.places
    }

    /// For the next request.
    pub(super) fn restart(&mut self) {
        self.places.clear();
        (self.at, self.left) = (0, 0);
    }
}

/// Reads one request, or reads on in one. The bytes are the same as the last time, and more.
pub(super) fn parse(
    bytes: &[u8],
    progress: &mut Progress,
    limits: RequestLimits,
) -> Result<Parsed, ProtocolError> {
    if bytes.first() == Some(&b'*') {
        parse_array(bytes, progress, limits)
    } else {
        progress.restart();
        parse_inline(bytes, &mut progress.places)
    }
}

fn parse_array(
    bytes: &[u8],
    progress: &mut Progress,
    limits: RequestLimits,
) -> Result<Parsed, ProtocolError> {
    if progress.at == 0 {
        progress.restart();
        let Some((count, at)) = number(bytes, 1, "invalid multibulk length")? else {
            return Ok(Parsed::More(bytes.len() + 1));
        };
        if count > limits.args as i64 {
            return Err(ProtocolError("invalid multibulk length"));
        }
        (progress.at, progress.left) = (at, count.max(0) as usize);
    }
    while progress.left > 0 {
        let at = progress.at;
        match bytes.get(at) {
            None => return Ok(Parsed::More(at + 1)),
            Some(b'$') => {}
            Some(_) => return Err(ProtocolError("expected '$'")),
        }
        let Some((length, start)) = number(bytes, at + 1, "invalid bulk length")? else {
            return Ok(Parsed::More(bytes.len() + 1));
        };
        let length = usize::try_from(length).ok().filter(|length| *length <= limits.arg_bytes);
        let end = start + length.ok_or(ProtocolError("invalid bulk length"))?;
        if end + 2 > limits.bytes {
            return Err(ProtocolError("too big request"));
        }
        match bytes.get(end..end + 2) {
            None => return Ok(Parsed::More(end + 2)),
            Some(b"\r\n") => {}
            Some(_) => return Err(ProtocolError("invalid bulk length")),
        }
        progress.places.push(start..end);
        (progress.at, progress.left) = (end + 2, progress.left - 1);
    }
    Ok(Parsed::Whole(progress.at))
}

/// A number up to the end of its line, and where the next line begins.
fn number(bytes: &[u8], at: usize, wrong: &'static str) -> Result<Option<(i64, usize)>, ProtocolError> {
    // A number has at most 20 characters; what is longer without an end is none.
    let line = &bytes[at.min(bytes.len())..bytes.len().min(at + 24)];
    let Some(end) = memchr::memchr(b'\n', line) else {
        return if line.len() == 24 { Err(ProtocolError(wrong)) } else { Ok(None) };
    };
    let digits = line[..end].strip_suffix(b"\r").ok_or(ProtocolError(wrong))?;
    Ok(Some((integer(digits).ok_or(ProtocolError(wrong))?, at + end + 1)))
}

/// A whole number as Redis takes it: no sign before a positive one, no zeros in front, no space.
pub(super) fn integer(digits: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let plain = match digits {
        [b'+', ..] | [b'-', b'0', ..] => false,
        [b'0', rest @ ..] => rest.is_empty(),
        _ => true,
    };
    plain.then_some(number)
}

/// Words of a line. Words in double quotes may have escapes only that are themselves: the places are in the
/// bytes as received, so `"a\n"` is refused and not half understood.
fn parse_inline(bytes: &[u8], places: &mut Vec<Range<usize>>) -> Result<Parsed, ProtocolError> {
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        let too_long = bytes.len() > INLINE_BYTES_MAX;
        return if too_long {
            Err(ProtocolError("too big inline request"))
        } else {
            Ok(Parsed::More(bytes.len() + 1))
        };
    };
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            b' ' | b'\t' => at += 1,
            quote @ (b'"' | b'\'') => {
                let rest = &line[at + 1..];
                let close =
                    memchr::memchr(quote, rest).ok_or(ProtocolError("unbalanced quotes in request"))?;
                let after = rest.get(close + 1);
                if after.is_some_and(|after| !matches!(after, b' ' | b'\t')) || rest[..close].contains(&b'\\')
                {
                    return Err(ProtocolError("unbalanced quotes in request"));
                }
                places.push(at + 1..at + 1 + close);
                at += close + 2;
            }
            _ => {
                let word = line[at..].iter().take_while(|byte| !matches!(byte, b' ' | b'\t')).count();
                places.push(at..at + word);
                at += word;
            }
        }
    }
    Ok(Parsed::Whole(end + 1))
}

/// Takes the bytes of a request away.
pub(super) fn consume(buffer: &mut bytes::BytesMut, bytes: usize) {
    buffer.advance(bytes);
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
