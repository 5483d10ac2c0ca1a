//! Names of methods and topics.

use std::fmt;

use thiserror::Error;

/// The longest name of a method, in characters.
pub const METHOD_NAME_MAX: usize = 128;

/// First segments that applications may not register: they belong to the protocol. `starling` is not among
/// them (wire document, section 3), though methods of ours live there too.
const RESERVED: [&str; 4] = ["system", "internal", "stream", "helios"];

/// Whether `name` is two or more segments joined by `:`, at most 128 characters.
///
/// A segment is an ASCII letter, then letters, digits or underscores.
pub fn is_method_name(name: &str) -> bool {
    name.len() <= METHOD_NAME_MAX && segments(name.as_bytes()) > 1
}

/// Whether `name` is one or more such segments. Topics have no length of their own.
pub fn is_topic_name(name: &str) -> bool {
    segments(name.as_bytes()) > 0
}

/// The number of segments; 0 if one of them is malformed.
fn segments(name: &[u8]) -> usize {
    let (mut count, mut at_start) = (1, true);
    for byte in name {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => at_start = false,
            b'0'..=b'9' | b'_' if !at_start => {}
            b':' if !at_start => {
                count += 1;
                at_start = true;
            }
            _ => return 0,
        }
    }
    if at_start { 0 } else { count }
}

/// Whether the first segment belongs to the protocol. Such methods can be called, not registered.
pub fn is_reserved(name: &str) -> bool {
    name.split(':').next().is_some_and(|first| RESERVED.contains(&first))
}

/// The name of a method that can exist.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MethodName(Box<str>);

/// Why a method cannot have a name.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum InvalidName {
    /// Not `namespace:action`.
    #[error(
        "\"{0}\" is not a method name: write namespace:action, letters, digits and underscores, at most 128 characters"
    )]
    Format(String),
    /// The namespace belongs to the protocol.
    #[error("the namespace of \"{0}\" is reserved")]
    Reserved(String),
}

impl MethodName {
    /// A name for a method of an application.
    ///
    /// # Errors
    /// If it has the wrong form or a reserved namespace.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        match Self::built_in(name) {
            Ok(_) if is_reserved(name) => Err(InvalidName::Reserved(name.to_owned())),
            other => other,
        }
    }

    /// A name for a method that comes with the server; reserved namespaces are open to it.
    ///
    /// # Errors
    /// If it has the wrong form.
    pub fn built_in(name: &str) -> Result<Self, InvalidName> {
        if is_method_name(name) { Ok(Self(name.into())) } else { Err(InvalidName::Format(name.to_owned())) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_names_have_two_segments_or_more() {
        for name in ["x:y", "a:b:c", "demo:echo", "Demo:echo_2", "System:x"] {
            assert!(MethodName::new(name).is_ok(), "{name}");
        }
        let long = format!("a:{}", "b".repeat(126));
        assert!(is_method_name(&long));
        assert!(!is_method_name(&format!("{long}b")));
        for name in ["", "echo", "a:", ":a", "a::b", "a-b:c", "1a:b", "a:1b", "é:a", "a:b\n", "a b:c", "_a:b"]
        {
            assert!(matches!(MethodName::new(name), Err(InvalidName::Format(_))), "{name:?}");
        }
    }

    #[test]
    fn reserved_names_can_be_built_in_only() {
        for name in ["system:ping", "internal:a", "stream:a", "helios:a"] {
            assert!(matches!(MethodName::new(name), Err(InvalidName::Reserved(_))), "{name}");
            assert!(MethodName::built_in(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn topics_may_have_one_segment_and_any_length() {
        assert!(is_topic_name("news"));
        assert!(is_topic_name(&"a".repeat(200)));
        assert!(!is_topic_name(""));
        assert!(!is_topic_name("news:"));
    }
}
