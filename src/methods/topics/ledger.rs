//! Durable histories in the store.
//!
//! | key | value |
//! |---|---|
//! | `topic:epoch` | tells the histories of this store from those of another one |
//! | `topic:last:<topic>` | the offset of the last publication |
//! | `topic:log:<topic>/<offset>` | a publication, JSON; offsets have 20 digits; ends with its age |
//!
//! What is written here, in whichever commit, is told to subscribers once it is on the disk: a watch follows the
//! log and hands each entry to the hub.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::hub::{Appended, Hub, Kept, Ledger, NotKept};
use crate::store::{
    Change, Command, Commit, CommitOutcome, Condition, Entry, Expiry, Key, Outcome, Store, StoreError, Value,
    WatchError,
};

/// Keeps histories in a store.
#[derive(Clone, Debug)]
pub struct StoreLedger {
    store: Store,
    epoch: Arc<AtomicU32>,
}

const EPOCH: &str = "topic:epoch";
const LOG: &str = "topic:log:";

impl StoreLedger {
    /// A ledger in `store`, with its own epoch the first time.
    ///
    /// # Errors
    /// If the store takes no writes.
    pub async fn open(store: &Store) -> Result<Self, StoreError> {
        let fresh = format!("{:08x}", crate::base::Random::from_system().next_u64() as u32);
        let set = Command::Set {
            key: EPOCH.as_bytes().into(),
            value: Value::bytes(fresh.as_bytes()),
            condition: Condition::IfAbsent,
            expiry: Expiry::Never,
        };
        store.commit(Commit { commands: vec![set], ..Commit::default() }).await?;
        let found = store.view().get(EPOCH.as_bytes()).and_then(|entry| {
            let text = String::from_utf8_lossy(entry.value.as_bytes()).into_owned();
            u32::from_str_radix(&text, 16).ok()
        });
        // Somebody has written something else there: positions of before mean nothing then.
        let epoch = found.unwrap_or_else(|| crate::base::Random::from_system().next_u64() as u32);
        Ok(Self { store: store.clone(), epoch: Arc::new(AtomicU32::new(epoch)) })
    }

    /// Hands what is written to the hub, until the store is closed.
    pub async fn follow(self, hub: Hub) {
        loop {
            let Ok(mut watch) = self.store.watch(LOG.as_bytes(), None) else { return };
            // What has come before the watch began.
            hub.catch_up();
            loop {
                match watch.next().await {
                    Ok(changes) => {
                        for change in &changes.changes {
                            self.told(&hub, change).await;
                        }
                    }
                    Err(WatchError::Closed) => return,
                    Err(_) => break,
                }
            }
            tracing::warn!("publications were written faster than they were told; catching up");
        }
    }

    async fn told(&self, hub: &Hub, change: &Change) {
        match change {
            Change::Put { key, value, .. } => {
                let place = std::str::from_utf8(&key[LOG.len()..]).ok().and_then(|key| key.split_once('/'));
                let Some((topic, Ok(offset))) = place.map(|(topic, offset)| (topic, offset.parse())) else {
                    return;
                };
                hub.came(topic, offset, value.as_bytes());
            }
            Change::Clear { .. } => self.begin_anew(hub).await,
            Change::Delete { .. } | Change::Expire { .. } | Change::Emit { .. } => {}
        }
    }

    /// Somebody has cleared the store: what comes is another history.
    async fn begin_anew(&self, hub: &Hub) {
        let epoch = crate::base::Random::from_system().next_u64() as u32;
        self.epoch.store(epoch, Ordering::Relaxed);
        hub.cleared(epoch);
        let set = Command::set(EPOCH.as_bytes(), Value::bytes(format!("{epoch:08x}").into_bytes()));
        if let Err(error) = self.store.run(set).await {
            tracing::error!(%error, "the epoch of topics is not written down");
        }
    }
}

fn log(topic: &str) -> String {
    // No name has this in it, so that no topic lies in the log of another.
    format!("{LOG}{topic}/")
}

/// The command that adds a publication.
pub(super) fn record(topic: &str, line: Vec<u8>, keep: u64, until_ms: u64) -> Command {
    Command::Record {
        counter: last(topic),
        prefix: log(topic).into_bytes().into(),
        value: Value::json(line),
        keep,
        expiry: Expiry::At(until_ms),
    }
}

fn last(topic: &str) -> Key {
    format!("topic:last:{topic}").into_bytes().into()
}

impl Ledger for StoreLedger {
    fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Relaxed)
    }

    fn append(&self, topic: &str, entry: Vec<u8>, keep: u64, age_ms: u64) -> Appended {
        // By the clock of the store, which never goes back.
        let command = record(topic, entry, keep, self.store.now_ms().saturating_add(age_ms));
        let (store, commit) = (self.store.clone(), Commit { commands: vec![command], ..Commit::default() });
        Box::pin(async move {
            match store.commit(commit).await {
                Ok(CommitOutcome::Done { outcomes, .. }) => match outcomes.first() {
                    Some(Ok(Outcome::Number(offset))) => Ok(offset.unsigned_abs()),
                    _ => Err(NotKept),
                },
                Ok(CommitOutcome::Refused { refusal, .. }) => {
                    tracing::error!(%refusal, "a publication is refused by the store");
                    Err(NotKept)
                }
                Ok(CommitOutcome::Conflict { .. }) => Err(NotKept),
                Err(error) => {
                    tracing::error!(%error, "a publication cannot be written");
                    Err(NotKept)
                }
            }
        })
    }

    fn load(&self, topic: &str) -> Kept {
        let view = self.store.view();
        let offset = view.get(&last(topic)).and_then(|entry| {
            std::str::from_utf8(entry.value.as_bytes()).ok().and_then(|text| text.parse().ok())
        });
        let prefix = log(topic);
        let entry = |(key, entry): (&[u8], &Entry)| {
            let number = std::str::from_utf8(&key[prefix.len()..]).ok()?.parse().ok()?;
            Some((number, entry.value.as_bytes().to_vec()))
        };
        let entries = view.prefix(prefix.as_bytes()).filter_map(entry).collect();
        Kept { offset: offset.unwrap_or(0), entries }
    }
}
