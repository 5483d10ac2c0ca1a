//! The end of the audit log, to which records are added one at a time.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tokio::sync::Mutex;

use super::record::{AuditCaller, AuditEntry, AuditRecord, hash, no_hash};
use super::{HEAD, key_of};
use crate::store::{Check, Command, Commit, CommitOutcome, Condition, Store, StoreError, Value, View};

/// Writes what is to be audited. Clones mean the same log.
#[derive(Clone, Debug)]
pub struct Audit {
    store: Store,
    keep: u64,
    /// Held while a record is written, for the next one needs its hash.
    turn: Arc<Mutex<()>>,
}

/// The end of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// The number of the last record.
    pub(super) number: u64,
    /// Its hash.
    pub(super) hash: String,
    /// The number of the first record that is kept.
    pub(super) first: u64,
}

impl Head {
    /// The end of the log in a version of the store, and the version of its entry. What is unreadable counts as
    /// nothing here, and is found when the log is verified.
    pub(super) fn of(view: &View) -> (Self, u64) {
        let entry = view.get(HEAD);
        let head = entry.and_then(|entry| serde_json::from_slice(entry.value.as_bytes()).ok());
        let head = head.unwrap_or_else(|| Self { number: 0, hash: no_hash(), first: 1 });
        (head, entry.map_or(0, |entry| entry.version))
    }
}

impl Audit {
    /// The log of a store, of which the last `keep` records stay.
    pub fn new(store: &Store, keep: u64) -> Self {
        Self { store: store.clone(), keep, turn: Arc::default() }
    }

    /// The store as it is.
    pub fn view(&self) -> View {
        self.store.view()
    }

    /// Records something that changes nothing else.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn note(&self, caller: &AuditCaller, entry: AuditEntry) -> Result<(), StoreError> {
        let plan = |_: &View| Ok((entry, Commit::default()));
        match self.commit(caller, plan).await {
            Ok(CommitOutcome::Done { .. }) => Ok(()),
            Ok(_) => Err(StoreError::Broken("the audit log is written from outside".to_owned())),
            Err(error) => Err(error),
        }
    }

    /// Records what has changed in what the server was told since it was last started, if anything has. `told` is without
    /// secrets.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn note_config(&self, told: Json) -> Result<(), StoreError> {
        let read = |view: &View| view.value(CONFIG).and_then(|it| serde_json::from_slice(it.as_bytes()).ok());
        let before: Option<Json> = read(&self.view());
        if before.as_ref() == Some(&told) {
            return Ok(());
        }
        let plan = move |_: &View| {
            let (was, is) = match &before {
                Some(before) => (changed(before, &told), changed(&told, before)),
                None => (Json::Null, told.clone()),
            };
            let entry = AuditEntry::done("config.change", "config").changing(Some(was), Some(is));
            let command = Command::set(CONFIG, Value::json(told.to_string().into_bytes()));
            Ok::<_, StoreError>((entry, Commit { commands: vec![command], ..Commit::default() }))
        };
        self.commit(&AuditCaller::server(), plan).await.map(drop)
    }

    /// Carries out a commit and records it, or does neither. `plan` says what is to be done, by the store as it is when
    /// everything that was audited before is done; one comes after the other, so what it has seen holds. Once begun it
    /// is carried through, whether anybody waits or not.
    ///
    /// # Errors
    /// With what `plan` says, or if it cannot be written.
    pub async fn commit<E: From<StoreError> + Send + 'static>(
        &self,
        caller: &AuditCaller,
        plan: impl FnOnce(&View) -> Result<(AuditEntry, Commit), E> + Send + 'static,
    ) -> Result<CommitOutcome, E> {
        let (audit, caller) = (self.clone(), caller.clone());
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let carried = tokio::spawn(async move {
            let _turn = turn;
            let view = audit.store.view();
            let (entry, commit) = plan(&view)?;
            let commit = audit.with_record(&view, &caller, entry, commit);
            audit.store.commit(commit).await.map_err(E::from)
        });
        carried.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    fn with_record(
        &self,
        view: &View,
        caller: &AuditCaller,
        entry: AuditEntry,
        mut commit: Commit,
    ) -> Commit {
        let (head, version) = Head::of(view);
        let number = head.number + 1;
        let AuditEntry { action, target, before, after, done } = entry;
        let record = AuditRecord {
            number,
            at: self.store.now_ms(),
            caller: caller.clone(),
            action: Cow::Borrowed(action),
            target,
            done,
            before,
            after,
            previous: head.hash,
        };
        let bytes = serde_json::to_vec(&record).unwrap_or_default();
        // One goes for each that comes; two if less is to be kept than before.
        let keep_from = (number + 1).saturating_sub(self.keep);
        let first = keep_from.clamp(head.first, head.first + 2);
        commit.commands.extend((head.first..first).map(|number| Command::delete(key_of(number))));
        let head = Head { number, hash: hash(&bytes), first };
        let head = serde_json::to_vec(&head).unwrap_or_default();
        commit.checks.push(Check { key: HEAD.into(), condition: Condition::IfVersion(version) });
        commit.commands.push(Command::set(key_of(number), Value::json(bytes)));
        commit.commands.push(Command::set(HEAD, Value::json(head)));
        commit
    }

    /// Records, the newest first, before this number; those for which `fits` holds. And where to go on.
    pub fn page(
        &self,
        before: Option<u64>,
        limit: usize,
        fits: impl Fn(&AuditRecord) -> bool,
    ) -> (Vec<AuditRecord>, Option<u64>) {
        let view = self.store.view();
        let (head, _) = Head::of(&view);
        let mut found = Vec::new();
        let mut number = before.unwrap_or(u64::MAX).min(head.number + 1);
        for _ in 0..LOOKED_AT_MAX {
            if number <= head.first {
                return (found, None);
            }
            if found.len() >= limit {
                break;
            }
            number -= 1;
            let entry = view.get(&key_of(number));
            let record: Option<AuditRecord> =
                entry.and_then(|entry| serde_json::from_slice(entry.value.as_bytes()).ok());
            found.extend(record.filter(&fits));
        }
        (found, Some(number))
    }
}

/// What the server was told when it was last started, without secrets.
const CONFIG: &[u8] = b"audit:config";

/// What of one tree is not so in another.
fn changed(of: &Json, other: &Json) -> Json {
    match (of, other) {
        (Json::Object(of), Json::Object(other)) => {
            let differs = of.iter().filter(|(name, value)| other.get(*name) != Some(value));
            let there = |name: &String| other.get(name).unwrap_or(&Json::Null);
            differs.map(|(name, value)| (name.clone(), changed(value, there(name)))).collect()
        }
        (of, _) => of.clone(),
    }
}

/// Records that one page looks at; who filters for what is rare goes on from there.
const LOOKED_AT_MAX: usize = 20_000;
