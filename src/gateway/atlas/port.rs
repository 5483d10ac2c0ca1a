//! What all connections of the port have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use prometheus::{Histogram, IntCounter};

use super::commands::COMMANDS;
use super::cursors::Cursors;
use super::options::AtlasOptions;
use crate::auth::Accounts;
use crate::store::{Key, Keyspace, Store, reserved};

/// The port.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) store: Store,
    pub(super) options: AtlasOptions,
    /// The accounts, where the options let clients say who they are.
    pub(super) accounts: Option<Accounts>,
    /// Which keys those see who have not said whose account they are.
    pub(super) keyspace: Keyspace,
    pub(super) cursors: Cursors,
    /// What a FLUSHALL leaves.
    pub(super) spared: Arc<[Key]>,
    /// Whether somebody has spoken HTTP and it was logged.
    pub(super) http_told: AtomicBool,
    pub(super) clients: AtomicUsize,
    pub(super) accepted: AtomicU64,
    pub(super) commands: AtomicU64,
    /// In the order of the table of commands, then one for JSON lines.
    metrics: Vec<CommandMetrics>,
}

#[derive(Debug)]
struct CommandMetrics {
    ok: IntCounter,
    error: IntCounter,
    duration: Histogram,
}

impl Port {
    pub(super) fn new(
        store: Store,
        options: AtlasOptions,
        accounts: Option<Accounts>,
        keyspace: Keyspace,
    ) -> Arc<Self> {
        let atlas = &store.metrics().atlas;
        let metrics =
            COMMANDS.iter().map(|command| command.name).chain(["json"]).map(|name| CommandMetrics {
                ok: atlas.commands.with_label_values(&[name, "ok"]),
                error: atlas.commands.with_label_values(&[name, "error"]),
                duration: atlas.command_duration.with_label_values(&[name]),
            });
        let metrics = metrics.collect();
        Arc::new(Self {
            store,
            accounts: accounts.filter(|_| options.accounts),
            options,
            keyspace,
            cursors: Cursors::default(),
            spared: if keyspace == Keyspace::Application { reserved() } else { Arc::new([]) },
            http_told: AtomicBool::new(false),
            clients: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            metrics,
        })
    }

    /// Counts commands that were answered together: each by its place in the table and whether it succeeded.
    pub(super) fn count(&self, answered: &[(usize, bool)], took: Duration) {
        self.commands.fetch_add(answered.len() as u64, Ordering::Relaxed);
        for (command, ok) in answered {
            let Some(metrics) = self.metrics.get(*command) else { continue };
            if *ok { &metrics.ok } else { &metrics.error }.inc();
            metrics.duration.observe(took.as_secs_f64());
        }
    }
}
