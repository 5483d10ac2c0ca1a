//! Namespaces of topics that come with the server, and their rules.

use super::options::{Access, NamespaceOptions, SlowPolicy, TopicOptions};
use crate::base::ByteSize;

impl TopicOptions {
    /// With the namespace of the server's own numbers.
    #[must_use]
    pub fn with_measures(mut self) -> Self {
        // There is nothing in old numbers that new ones do not tell.
        let rules =
            NamespaceOptions { history_size: 0, slow: SlowPolicy::Latest, ..NamespaceOptions::default() };
        self.namespaces.entry("metrics".to_owned()).or_insert(rules);
        self
    }

    /// With the namespaces on which the server tells what happens to universes.
    #[must_use]
    pub fn with_universes(mut self) -> Self {
        // A thousand universes are told at once.
        let rules = NamespaceOptions { max_size: ByteSize::kib(960), ..NamespaceOptions::default() };
        for name in ["universe", "universes"] {
            self.namespaces.entry(name.to_owned()).or_insert_with(|| rules.clone());
        }
        self
    }

    /// With the namespace on which the server tells what happens to jobs. A private method says who may hear of them.
    #[must_use]
    pub fn with_jobs(mut self, may_hear: &str) -> Self {
        // What has become of a job can be asked for at any time.
        let rules = NamespaceOptions {
            subscribe: Access::Method(may_hear.to_owned()),
            history_size: 0,
            ..NamespaceOptions::default()
        };
        self.namespaces.insert("jobs".to_owned(), rules);
        self
    }

    /// With the namespace `demo` and the numbers of the server open to everybody.
    #[must_use]
    pub fn with_demo(mut self) -> Self {
        self.stats = Access::Everyone;
        self.namespaces.entry("demo".to_owned()).or_insert_with(NamespaceOptions::open);
        self
    }
}
