//! Subscriptions to patterns. A pattern is a topic of its own, whose publications are those of the topics that fit.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use parking_lot::RwLock;

use super::namespace::Namespace;
use super::table::Table;
use super::topic::Topic;
use crate::protocol::TopicPattern;

/// Patterns of a namespace that somebody has subscribed to.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    all: RwLock<HashMap<Arc<str>, Arc<Topic>, RandomState>>,
    /// Where there are none, nobody looks.
    count: AtomicUsize,
}

impl Patterns {
    /// The pattern of this text, made if there is none. `None` if there are as many as there may be.
    pub(super) fn get_or_make(
        &self,
        text: &str,
        pattern: TopicPattern,
        namespace: &Arc<Namespace>,
        (table, max): (&Table, usize),
    ) -> Option<Arc<Topic>> {
        let mut all = self.all.write();
        if let Some(topic) = all.get(text) {
            return Some(Arc::clone(topic));
        }
        if all.len() >= max {
            return None;
        }
        let name: Arc<str> = text.into();
        let (id, namespace) = (table.id(), Arc::clone(namespace));
        let topic = Arc::new(Topic::new(Arc::clone(&name), id, namespace, Some(pattern), 0));
        all.insert(name, Arc::clone(&topic));
        self.count.store(all.len(), Ordering::SeqCst);
        Some(topic)
    }

    /// Takes a pattern out that nobody has subscribed to any more.
    pub(super) fn forget(&self, topic: &Topic) {
        let mut all = self.all.write();
        let mut state = topic.state.lock();
        if !state.shards.is_empty() || state.gone {
            return;
        }
        state.gone = true;
        all.remove(&topic.name);
        self.count.store(all.len(), Ordering::SeqCst);
    }

    /// Patterns that a topic fits.
    pub(super) fn of(&self, topic: &Topic) -> Vec<Arc<Topic>> {
        if self.count.load(Ordering::SeqCst) == 0 {
            return Vec::new();
        }
        let fits = |it: &&Arc<Topic>| it.pattern.as_ref().is_some_and(|it| it.matches(&topic.name));
        self.all.read().values().filter(fits).cloned().collect()
    }
}
