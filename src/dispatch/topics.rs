//! Handlers of notifications from peers, by topic pattern.

use std::fmt;

use thiserror::Error;

use super::peer::Starling;
use crate::protocol::{Raw, is_topic_name};

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

/// A notification that a peer sent.
#[derive(Clone, Debug)]
pub struct TopicEvent<'a> {
    /// Who sent it.
    pub starling: &'a Starling,
    /// What it is about.
    pub topic: &'a str,
    /// Its content.
    pub data: Option<Raw<'a>>,
}

type Handler = Box<dyn Fn(TopicEvent<'_>) + Send + Sync>;

/// Patterns and their handlers, called in the order in which they were added.
#[derive(Default)]
pub struct TopicHandlers(Vec<(TopicPattern, Handler)>);

impl TopicHandlers {
    pub(super) fn add<F>(&mut self, pattern: &str, handler: F) -> Result<(), InvalidPattern>
    where
        F: Fn(TopicEvent<'_>) + Send + Sync + 'static,
    {
        self.0.push((TopicPattern::new(pattern)?, Box::new(handler)));
        Ok(())
    }

    /// Calls every handler whose pattern fits. Says how many there were.
    pub fn handle(&self, event: &TopicEvent<'_>) -> usize {
        let fitting = self.0.iter().filter(|(pattern, _)| pattern.matches(event.topic));
        fitting.map(|(_, handler)| handler(event.clone())).count()
    }
}

impl fmt::Debug for TopicHandlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(pattern, _)| pattern)).finish()
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
