//! The rules of a namespace, looked up once for each topic.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use foldhash::fast::RandomState;

use super::options::{NamespaceOptions, TopicOptions};
use super::patterns::Patterns;

/// A namespace: the first segment of the names of its topics, and their rules.
#[derive(Debug)]
pub struct Namespace {
    name: Box<str>,
    options: NamespaceOptions,
    /// Tells positions of one history from those of another one.
    epoch: AtomicU32,
    /// Where topics begin that were forgotten: no offset of any of them was higher.
    pub(super) floor: AtomicU64,
    /// Patterns that somebody has subscribed to.
    pub(super) patterns: Patterns,
}

impl Namespace {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its rules.
    pub fn options(&self) -> &NamespaceOptions {
        &self.options
    }

    /// Tells positions of its histories from those of others.
    pub(super) fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Its histories begin anew.
    pub(super) fn begin_anew(&self, epoch: u32) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    /// Whether anything is kept of what is published.
    pub(super) fn keeps(&self) -> bool {
        self.options.history_size > 0 && !self.options.history_age.is_zero()
    }
}

/// All that are configured.
#[derive(Debug)]
pub(super) struct Namespaces(HashMap<Box<str>, Arc<Namespace>, RandomState>);

impl Namespaces {
    pub(super) fn new(options: &TopicOptions, epoch: u32, ledger_epoch: u32) -> Self {
        let namespace = |(name, options): (&String, &NamespaceOptions)| {
            let namespace = Namespace {
                name: name.as_str().into(),
                options: options.clone(),
                epoch: AtomicU32::new(if options.durable { ledger_epoch } else { epoch }),
                floor: AtomicU64::new(0),
                patterns: Patterns::default(),
            };
            (name.as_str().into(), Arc::new(namespace))
        };
        Self(options.namespaces.iter().map(namespace).collect())
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Namespace>> {
        self.0.values()
    }

    /// The one of a topic.
    pub(super) fn of(&self, topic: &str) -> Option<&Arc<Namespace>> {
        self.0.get(topic.split(':').next()?)
    }
}
