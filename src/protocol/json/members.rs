//! Members of an object, and texts, without a tree of values.

use std::borrow::Cow;

use super::scan::Scanner;

/// Calls `each` with every member of an object. `None` if the text is not exactly one object.
pub(super) fn each_member<'a>(text: &'a str, mut each: impl FnMut(&str, &'a str)) -> Option<()> {
    let mut scanner = Scanner::new(text);
    if !scanner.enter_object() {
        return None;
    }
    let mut first = true;
    while let Some((key, value)) = scanner.member(first).ok()? {
        first = false;
        if key.contains('\\') {
            // No name of ours has an escape in it, but it may be written with some.
            if let Ok(key) = serde_json::from_str::<String>(&format!("\"{key}\"")) {
                each(&key, value);
            }
        } else {
            each(key, value);
        }
    }
    scanner.end().ok()
}

/// The text of a JSON string. `None` for other values and for text with lone surrogates.
pub(super) fn string(value: &str) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(value).ok().map(Cow::Owned)
}
