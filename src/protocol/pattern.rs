//! Patterns of topic names.

use thiserror::Error;

use super::names::is_topic_name;

/// A topic with wildcards: `*` is exactly one segment, `**` is one or more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicPattern(Vec<Part>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Exactly(Box<str>),
    One,
    Many,
}

/// The pattern has a segment that is neither a name nor a wildcard.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("\"{0}\" is not a topic pattern: each segment is a name, * or **")]
pub struct InvalidPattern(String);

impl TopicPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// If a segment is neither a name nor a wildcard.
    pub fn new(pattern: &str) -> Result<Self, InvalidPattern> {
        let part = |segment: &str| match segment {
            "*" => Some(Part::One),
            "**" => Some(Part::Many),
            name if is_topic_name(name) => Some(Part::Exactly(name.into())),
            _ => None,
        };
        let parts: Option<Vec<_>> = pattern.split(':').map(part).collect();
        parts.map(Self).ok_or_else(|| InvalidPattern(pattern.to_owned()))
    }

    /// Whether a topic fits. Takes time proportional to the topic for each `**`.
    pub fn matches(&self, topic: &str) -> bool {
        let segments: Vec<&str> = topic.split(':').collect();
        let (mut part, mut at) = (0, 0);
        // Where to go on if the segments taken by the last `**` were too few.
        let mut retry: Option<(usize, usize)> = None;
        while at < segments.len() {
            match self.0.get(part) {
                Some(Part::Many) => {
                    retry = Some((part, at + 1));
                    (part, at) = (part + 1, at + 1);
                    continue;
                }
                Some(Part::One) => {
                    (part, at) = (part + 1, at + 1);
                    continue;
                }
                Some(Part::Exactly(name)) if **name == *segments[at] => {
                    (part, at) = (part + 1, at + 1);
                    continue;
                }
                _ => {}
            }
            let Some((many, next)) = retry else { return false };
            retry = Some((many, next + 1));
            (part, at) = (many + 1, next + 1);
            if next >= segments.len() {
                return false;
            }
        }
        part == self.0.len() && at == segments.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, topic: &str) -> bool {
        TopicPattern::new(pattern).unwrap().matches(topic)
    }

    #[test]
    fn one_star_is_one_segment_and_two_are_any() {
        for (pattern, topic) in [
            ("a", "a"),
            ("a:b", "a:b"),
            ("*", "a"),
            ("a:*", "a:b"),
            ("*:b", "a:b"),
            ("**", "a"),
            ("**", "a:b:c"),
            ("a:**", "a:b:c"),
            ("**:c", "a:b:c"),
            ("a:**:c", "a:b:b:c"),
            ("**:b:**", "a:b:b:c"),
            ("a:*:**", "a:b:c"),
            ("**:a:b", "x:a:a:b"),
        ] {
            assert!(fits(pattern, topic), "{pattern} fits {topic}");
        }
        for (pattern, topic) in [
            ("a", "b"),
            ("a", "a:b"),
            ("*", "a:b"),
            ("a:*", "a"),
            ("a:*", "a:b:c"),
            ("a:**", "a"),
            ("**:c", "c"),
            ("a:**:c", "a:c"),
            ("a:b", "a"),
            ("**:a:b", "x:a:c"),
            ("**:b", "a:b:c"),
        ] {
            assert!(!fits(pattern, topic), "{pattern} does not fit {topic}");
        }
        for pattern in ["", "a:", "a:***", "a*", "a b"] {
            assert!(TopicPattern::new(pattern).is_err(), "{pattern}");
        }
    }
}
