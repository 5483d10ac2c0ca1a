//! Sessions in the store.
//!
//! | key | value |
//! |---|---|
//! | `session:id:<session>` | the record, JSON |
//! | `session:out:<session>:<number>` | a message that the peer may not have, as it is sent |
//! | `session:call:<session>:<request>` | nothing while a call runs, then the message that answered it; ends by itself |
//! | `session:data:<session>:<name>` | a value that the session keeps, JSON |
//! | `session:topic:<session>:<topic>` | a subscription: position and terms, JSON |
//! | `session:revoked:<session>` | nothing; ends with the last token |
//!
//! Numbers are written with 20 digits, so that the order of keys is theirs.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::base::StarlingId;
use crate::dispatch::BoxFuture;
use crate::protocol::RequestId;
use crate::starling::{Archive, Contents, Fact, NotKept, Note, SessionRecord};
use crate::store::{
    Command, Commit, CommitOutcome, Condition, Done, Entry, Expiry, Key, Store, Value, View, Work,
};

/// Keeps sessions in a store.
#[derive(Clone, Debug)]
pub struct SessionArchive(Store);

/// What is written at once.
const COMMANDS_MAX: usize = 4_000;
const BYTES_MAX: usize = 8 << 20;

const RECORDS: &str = "session:id:";

/// What is below a session, apart from its record.
const PARTS: [&str; 4] = ["session:out:", "session:call:", "session:data:", "session:topic:"];

impl SessionArchive {
    /// An archive in `store`.
    pub fn new(store: &Store) -> Self {
        Self(store.clone())
    }

    /// Writes commands, a bounded number and length of them at once.
    async fn commit(&self, commands: Vec<Command>) -> Result<(), NotKept> {
        let mut written = Ok(());
        let mut rest = commands.into_iter().peekable();
        while rest.peek().is_some() {
            let mut bytes = 0;
            let mut part = Vec::new();
            while part.len() < COMMANDS_MAX && bytes < BYTES_MAX {
                let Some(command) = rest.next() else { break };
                if let Command::Set { value, .. } = &command {
                    bytes += value.len();
                }
                part.push(command);
            }
            match self.commit_part(part).await {
                Err(NotKept::Unavailable) => return Err(NotKept::Unavailable),
                Err(refused) => written = Err(refused),
                Ok(()) => {}
            }
        }
        written
    }

    /// One commit. If the store refuses it for one command, the others are carried out one by one.
    async fn commit_part(&self, commands: Vec<Command>) -> Result<(), NotKept> {
        let again: Vec<Command> = commands.iter().filter_map(copied).collect();
        match self.0.commit(Commit { checks: Vec::new(), commands, keep_going: false }).await {
            Ok(CommitOutcome::Done { .. }) => return Ok(()),
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "notes of sessions cannot be written");
                return Err(NotKept::Unavailable);
            }
        }
        let mut written = Ok(());
        for done in self
            .0
            .run_all(again.into_iter().map(Work::One).collect())
            .await
            .map_err(|_| NotKept::Unavailable)?
        {
            match done {
                Done::One(Ok(_)) | Done::Commit(_) => {}
                Done::One(Err(refusal)) => {
                    tracing::error!(%refusal, "a note of a session is refused");
                    written = Err(NotKept::Refused);
                }
                Done::Failed(_) => return Err(NotKept::Unavailable),
            }
        }
        written
    }
}

/// The commands that notes become, once more.
fn copied(command: &Command) -> Option<Command> {
    match command {
        Command::Set { key, value, condition, expiry } => Some(Command::Set {
            key: Arc::clone(key),
            value: value.clone(),
            condition: *condition,
            expiry: *expiry,
        }),
        Command::Delete { key, condition } => {
            Some(Command::Delete { key: Arc::clone(key), condition: *condition })
        }
        _ => None,
    }
}

impl Archive for SessionArchive {
    fn write(&self, notes: Arc<[Note]>) -> BoxFuture<Result<(), NotKept>> {
        let archive = self.clone();
        Box::pin(async move {
            let view = archive.0.view();
            let mut commands = Vec::new();
            for note in &*notes {
                command(&view, note, &mut commands);
            }
            drop(view);
            archive.commit(commands).await
        })
    }

    fn sessions(&self) -> Vec<(StarlingId, SessionRecord)> {
        let view = self.0.view();
        let record = |(key, entry): (&[u8], &Entry)| {
            let id = std::str::from_utf8(&key[RECORDS.len()..]).ok()?.parse().ok()?;
            match serde_json::from_slice(entry.value.as_bytes()) {
                Ok(record) => Some((id, record)),
                Err(error) => {
                    tracing::error!(session = %id, %error, "the record of a session cannot be read");
                    None
                }
            }
        };
        view.prefix(RECORDS.as_bytes()).filter_map(record).collect()
    }

    fn subscriptions(&self) -> Vec<(StarlingId, String, Json)> {
        let view = self.0.view();
        let one = |(key, entry): (&[u8], &Entry)| {
            let (id, topic) = std::str::from_utf8(&key[PARTS[3].len()..]).ok()?.split_once(':')?;
            let written = serde_json::from_slice(entry.value.as_bytes()).ok()?;
            Some((id.parse().ok()?, topic.to_owned(), written))
        };
        view.prefix(PARTS[3].as_bytes()).filter_map(one).collect()
    }

    fn contents(&self, id: StarlingId) -> Contents {
        let view = self.0.view();
        let mut contents = Contents::default();
        for (tail, entry) in below(&view, PARTS[0], id) {
            if let Ok(number) = tail.parse() {
                contents.messages.push((number, entry.value.as_bytes().to_vec()));
            }
        }
        for (tail, entry) in below(&view, PARTS[1], id) {
            if let Some(request) = RequestId::parse(&tail) {
                let answer = Some(entry.value.as_bytes().to_vec()).filter(|answer| !answer.is_empty());
                contents.calls.push((request, answer, entry.expires_at));
            }
        }
        for (name, entry) in below(&view, PARTS[2], id) {
            if let Ok(value) = serde_json::from_slice(entry.value.as_bytes()) {
                contents.data.push((name, value));
            }
        }
        contents
    }

    fn is_revoked(&self, id: StarlingId) -> bool {
        self.0.view().get(&revoked(id)).is_some()
    }
}

/// Keys below a part of a session, without what they begin with, and what lies there.
fn below(view: &View, part: &str, id: StarlingId) -> Vec<(String, Entry)> {
    let prefix = format!("{part}{id}:");
    let tail = |key: &[u8]| String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
    view.prefix(prefix.as_bytes()).map(|(key, entry)| (tail(key), entry.clone())).collect()
}

fn record(id: StarlingId) -> Key {
    format!("{RECORDS}{id}").into_bytes().into()
}

fn revoked(id: StarlingId) -> Key {
    format!("session:revoked:{id}").into_bytes().into()
}

fn message(id: StarlingId, number: u64) -> Key {
    format!("{}{id}:{number:020}", PARTS[0]).into_bytes().into()
}

fn call(id: StarlingId, request: RequestId) -> Key {
    format!("{}{id}:{request}", PARTS[1]).into_bytes().into()
}

fn set(key: Key, value: Value, expiry: Expiry) -> Command {
    Command::Set { key, value, condition: Condition::Always, expiry }
}

fn delete(key: Key) -> Command {
    Command::Delete { key, condition: Condition::Always }
}

/// Sets what lies under a name, or takes it away.
fn named(part: &str, id: StarlingId, name: &str, value: Option<&Json>) -> Command {
    let key: Key = format!("{part}{id}:{name}").into_bytes().into();
    match value.map(serde_json::to_vec) {
        Some(Ok(text)) => set(key, Value::json(text), Expiry::Never),
        _ => delete(key),
    }
}

/// The commands that a note takes.
fn command(view: &View, note: &Note, to: &mut Vec<Command>) {
    let id = note.session;
    match &note.fact {
        Fact::Session(session) => match serde_json::to_vec(session) {
            Ok(text) => to.push(set(record(id), Value::json(text), Expiry::Never)),
            Err(error) => tracing::error!(%error, "the record of a session cannot be written"),
        },
        Fact::Message { number, payload } => {
            to.push(set(message(id, *number), Value::bytes(Arc::clone(payload)), Expiry::Never));
        }
        Fact::Delivered { number } => to.push(delete(message(id, *number))),
        Fact::Call { id: request, answer, until_ms } => {
            to.push(set(
                call(id, *request),
                Value::bytes(answer.clone().unwrap_or_default()),
                Expiry::At(*until_ms),
            ));
        }
        Fact::CallForgotten { id: request } => to.push(delete(call(id, *request))),
        Fact::Data { name, value } => to.push(named(PARTS[2], id, name, value.as_ref())),
        Fact::Subscription { topic, terms } => to.push(named(PARTS[3], id, topic, terms.as_ref())),
        Fact::Ended { revoked_until_ms } => {
            for part in PARTS {
                let prefix = format!("{part}{id}:");
                to.extend(view.prefix(prefix.as_bytes()).map(|(key, _)| delete(key.into())));
            }
            if let Some(until_ms) = revoked_until_ms {
                to.push(set(revoked(id), Value::bytes([]), Expiry::At(*until_ms)));
            }
            // Last: as long as it is there, the next process ends what is left.
            to.push(delete(record(id)));
        }
    }
}
