//! A scanner that checks JSON and finds its parts without building values.
//!
//! It accepts exactly RFC 8259, to any depth (it does not recurse) and with lone surrogate escapes, because
//! existing peers send both. `docs/decisions/0004-json-scanner.md` says why it is ours.

use thiserror::Error;

/// Where the text stops being JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("malformed JSON at byte {at}")]
pub struct Malformed {
    /// Offset of the first byte that does not fit.
    pub at: usize,
}

/// Whether `text` is one JSON value, with white space around it or not.
pub fn is_json(text: &str) -> bool {
    let mut scanner = Scanner::new(text);
    scanner.value().is_ok() && scanner.end().is_ok()
}

/// A position in a text that is being checked.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

type Scan<T> = Result<T, Malformed>;

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Enters an object if one stands here.
    pub(super) fn enter_object(&mut self) -> bool {
        self.white();
        let here = self.peek() == Some(b'{');
        self.at += usize::from(here);
        here
    }

    /// The next member of the object that was entered: its key without quotes, escapes as written, and
    /// the text of its value. `first` says that no member was read before. `None` at the end.
    pub(super) fn member(&mut self, first: bool) -> Scan<Option<(&'a str, &'a str)>> {
        self.white();
        match self.peek() {
            Some(b'}') => {
                self.at += 1;
                return Ok(None);
            }
            Some(b',') if !first => {
                self.at += 1;
                self.white();
            }
            _ if first => {}
            _ => return self.wrong(),
        }
        let key = self.key()?;
        let value = self.value()?;
        Ok(Some((key, value)))
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a str {
        self.slice(self.at, self.text.len())
    }

    /// Makes sure that nothing follows.
    pub(super) fn end(&mut self) -> Scan<()> {
        self.white();
        if self.at == self.text.len() { Ok(()) } else { self.wrong() }
    }

    /// The text of the value that stands here.
    pub(super) fn value(&mut self) -> Scan<&'a str> {
        self.white();
        let start = self.at;
        match self.peek() {
            Some(b'"') => self.string()?,
            Some(b'{' | b'[') => self.nested()?,
            _ => self.scalar()?,
        }
        Ok(self.slice(start, self.at))
    }

    /// An object or array with all that is in it.
    fn nested(&mut self) -> Scan<()> {
        let mut open = Nesting::default();
        let mut before_value = true;
        loop {
            if before_value {
                self.white();
                match self.peek() {
                    Some(b'{') => {
                        self.at += 1;
                        open.push(true);
                        before_value = self.after_brace()?;
                    }
                    Some(b'[') => {
                        self.at += 1;
                        open.push(false);
                        self.white();
                        before_value = self.peek() != Some(b']');
                    }
                    Some(b'"') => {
                        self.string()?;
                        before_value = false;
                    }
                    _ => {
                        self.scalar()?;
                        before_value = false;
                    }
                }
            } else {
                if open.is_empty() {
                    return Ok(());
                }
                self.white();
                before_value = match (self.peek(), open.in_object()) {
                    (Some(b','), true) => {
                        self.at += 1;
                        self.white();
                        self.key()?;
                        true
                    }
                    (Some(b','), false) => {
                        self.at += 1;
                        true
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.at += 1;
                        open.pop();
                        false
                    }
                    _ => return self.wrong(),
                };
            }
        }
    }

    /// Behind `{`: reads the first key if there is one and says whether a value follows.
    fn after_brace(&mut self) -> Scan<bool> {
        self.white();
        if self.peek() == Some(b'}') {
            return Ok(false);
        }
        self.key()?;
        Ok(true)
    }

    #[inline]
    fn key(&mut self) -> Scan<&'a str> {
        if self.peek() != Some(b'"') {
            return self.wrong();
        }
        let start = self.at + 1;
        self.string()?;
        let key = self.slice(start, self.at - 1);
        self.white();
        if self.peek() != Some(b':') {
            return self.wrong();
        }
        self.at += 1;
        Ok(key)
    }

    /// A string, standing on its opening quote.
    #[inline]
    fn string(&mut self) -> Scan<()> {
        let bytes = self.text.as_bytes();
        self.at += 1;
        loop {
            self.at = plain_end(bytes, self.at);
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return self.wrong(),
            }
        }
    }

    fn escape(&mut self) -> Scan<()> {
        let bytes = self.text.as_bytes();
        match bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = bytes.get(self.at + 2..self.at + 6);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return self.wrong();
                }
                self.at += 6;
            }
            _ => return self.wrong(),
        }
        Ok(())
    }

    fn scalar(&mut self) -> Scan<()> {
        match self.peek() {
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str) -> Scan<()> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return self.wrong();
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Scan<()> {
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Scan<()> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return self.wrong();
        }
        self.at += count;
        Ok(())
    }

    #[inline]
    fn white(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Positions are at ASCII bytes, so they never lie within a character.
    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    fn wrong<T>(&self) -> Scan<T> {
        Err(Malformed { at: self.at })
    }
}

/// The place of the next quote, backslash or control character from `from` on, eight bytes at a time.
#[inline]
fn plain_end(bytes: &[u8], from: usize) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES << 7;
    let rest = bytes.get(from..).unwrap_or_default();
    let (chunks, _) = rest.as_chunks::<8>();
    for (index, chunk) in chunks.iter().enumerate() {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * u64::from(b'"'));
        let slash = word ^ (ONES * u64::from(b'\\'));
        // A byte's top bit is set where the byte was zero; borrows only ever reach higher bytes, and the
        // lowest hit is the one that counts. Bytes of 128 and more are never below a space.
        let hits = (quote.wrapping_sub(ONES) & !quote)
            | (slash.wrapping_sub(ONES) & !slash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        if hits & TOPS != 0 {
            return from + index * 8 + (hits & TOPS).trailing_zeros() as usize / 8;
        }
    }
    let done = chunks.len() * 8;
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    from + done + rest[done..].iter().position(special).unwrap_or(rest.len() - done)
}

/// Which brackets are open: one bit each, and no allocation for the first 64.
#[derive(Default)]
struct Nesting {
    depth: usize,
    first: u64,
    more: Vec<u64>,
}

impl Nesting {
    fn is_empty(&self) -> bool {
        self.depth == 0
    }

    fn word(&mut self, level: usize) -> &mut u64 {
        if level < 64 {
            return &mut self.first;
        }
        let index = level / 64 - 1;
        if index >= self.more.len() {
            self.more.push(0);
        }
        &mut self.more[index]
    }

    fn push(&mut self, object: bool) {
        let bit = 1 << (self.depth % 64);
        let word = self.word(self.depth);
        *word = if object { *word | bit } else { *word & !bit };
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth -= 1;
    }

    fn in_object(&mut self) -> bool {
        let level = self.depth - 1;
        *self.word(level) & (1 << (level % 64)) != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn serde_accepts(text: &str) -> bool {
        serde_json::from_str::<&RawValue>(text.trim_matches([' ', '\t', '\n', '\r'])).is_ok()
    }

    #[test]
    fn odd_but_valid_texts_pass() {
        for text in [
            "1e300",
            "-0",
            "0.0",
            " [ ] ",
            "{}",
            r#""\ud800""#,
            r#"{"a":{"b":[1,2,{}]},"a":null}"#,
            r#""\u00e9\n\/""#,
            "[[],[[]],{}]",
            "\"é\u{10ffff}\u{7f}\"",
            "-1.5E+10",
        ] {
            assert!(is_json(text), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(is_json(&deep));
        let mixed = format!("{}1{}", r#"{"a":["#.repeat(10_000), "]}".repeat(10_000));
        assert!(is_json(&mixed));
    }

    #[test]
    fn broken_texts_fail() {
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{,}",
            "01",
            "1.",
            "1e",
            "+1",
            "nul",
            "truex",
            "\"a",
            "\"\\x\"",
            "\"\\u12g4\"",
            "[1 2]",
            "{\"a\" 1}",
            "{a:1}",
            "[}",
            "{]",
            "\"\n\"",
            "1 2",
            "'a'",
            "[\"a\":1]",
            "--1",
            "\u{feff}1",
            "NaN",
        ] {
            assert!(!is_json(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_serde_on_any_text(text in r#"[\[\]{}:,"\\ u0-9a-f.eE+\-tnl\x01é]{0,24}"#) {
            prop_assert_eq!(is_json(&text), serde_accepts(&text), "{:?}", text);
        }

        #[test]
        fn it_accepts_all_that_serde_writes(texts in prop::collection::vec(any::<String>(), 0..8)) {
            let json = serde_json::to_string(&texts).unwrap();
            prop_assert!(is_json(&json));
            prop_assert!(!is_json(&json[..json.len() - 1]));
        }

        #[test]
        fn the_end_of_a_plain_run_is_found(bytes in prop::collection::vec(any::<u8>(), 0..40), from in 0usize..8) {
            let special = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < 0x20;
            let from = from.min(bytes.len());
            let expected = bytes[from..].iter().position(special).map_or(bytes.len(), |at| from + at);
            prop_assert_eq!(plain_end(&bytes, from), expected);
        }
    }
}
