//! The rules of a namespace, looked up once for each topic.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use foldhash::fast::RandomState;

use super::options::{NamespaceOptions, TopicOptions};

/// A namespace: the first segment of the names of its topics, and their rules.
#[derive(Debug)]
pub struct Namespace {
    name: Box<str>,
    options: NamespaceOptions,
    /// Tells positions of one history from those of another one.
    pub(super) epoch: u32,
    /// Where topics begin that were forgotten: no offset of any of them was higher.
    pub(super) floor: AtomicU64,
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
                epoch: if options.durable { ledger_epoch } else { epoch },
                floor: AtomicU64::new(0),
            };
            (name.as_str().into(), Arc::new(namespace))
        };
        Self(options.namespaces.iter().map(namespace).collect())
    }

    /// The one of a topic.
    pub(super) fn of(&self, topic: &str) -> Option<&Arc<Namespace>> {
        self.0.get(topic.split(':').next()?)
    }
}
