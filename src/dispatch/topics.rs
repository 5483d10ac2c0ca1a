//! Handlers of notifications from peers, by topic pattern.

use std::fmt;

use super::peer::Starling;
use crate::protocol::{InvalidPattern, Raw, TopicPattern};

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
