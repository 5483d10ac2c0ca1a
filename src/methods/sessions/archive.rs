//! Sessions in the store.
//!
//! | key | value |
//! |---|---|
//! | `session:id:<session>` | the record, JSON |
//! | `session:out:<session>:<number>` | a message that the peer may not have, as it is sent |
//! | `session:call:<session>:<request>` | nothing while a call runs, then the message that answered it; ends by itself |
//! | `session:data:<session>:<name>` | a value that the session keeps, JSON |
//! | `session:revoked:<session>` | nothing; ends with the last token |
//!
//! Numbers are written with 20 digits, so that the order of keys is theirs.

use crate::base::StarlingId;
use crate::dispatch::BoxFuture;
use crate::protocol::RequestId;
use crate::starling::{Archive, Contents, Fact, NotKept, Note, SessionRecord};
use crate::store::{Command, Commit, CommitOutcome, Condition, Entry, Expiry, Key, Store, Value, View};

/// Keeps sessions in a store.
#[derive(Clone, Debug)]
pub struct SessionArchive(Store);

const RECORDS: &str = "session:id:";

/// What is below a session, apart from its record.
const PARTS: [&str; 3] = ["session:out:", "session:call:", "session:data:"];

impl SessionArchive {
    /// An archive in `store`.
    pub fn new(store: &Store) -> Self {
        Self(store.clone())
    }

    /// Writes commands at once; the store counts them as one commit.
    async fn commit(store: Store, commands: Vec<Command>) -> Result<(), NotKept> {
        if commands.is_empty() {
            return Ok(());
        }
        match store.commit(Commit { checks: Vec::new(), commands, keep_going: true }).await {
            Ok(CommitOutcome::Done { .. }) => Ok(()),
            Ok(outcome) => {
                tracing::error!(?outcome, "notes of sessions are refused");
                Err(NotKept)
            }
            Err(error) => {
                tracing::error!(%error, "notes of sessions cannot be written");
                Err(NotKept)
            }
        }
    }
}

impl Archive for SessionArchive {
    fn write(&self, notes: Vec<Note>) -> BoxFuture<Result<(), NotKept>> {
        let store = self.0.clone();
        Box::pin(async move {
            let view = store.view();
            let mut commands = Vec::new();
            for note in notes {
                command(&view, note, &mut commands);
            }
            drop(view);
            Self::commit(store, commands).await
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

fn set(key: Key, value: Value, expiry: Expiry) -> Command {
    Command::Set { key, value, condition: Condition::Always, expiry }
}

fn delete(key: Key) -> Command {
    Command::Delete { key, condition: Condition::Always }
}

/// The commands that a note takes.
fn command(view: &View, note: Note, to: &mut Vec<Command>) {
    let Note { session: id, fact } = note;
    match fact {
        Fact::Session(session) => match serde_json::to_vec(&session) {
            Ok(text) => to.push(set(record(id), Value::json(text), Expiry::Never)),
            Err(error) => tracing::error!(%error, "the record of a session cannot be written"),
        },
        Fact::Message { number, payload } => {
            to.push(set(message(id, number), Value::bytes(payload), Expiry::Never));
        }
        Fact::Delivered { number } => to.push(delete(message(id, number))),
        Fact::Call { id: request, answer, until_ms } => {
            let key = format!("{}{id}:{request}", PARTS[1]).into_bytes().into();
            to.push(set(key, Value::bytes(answer.unwrap_or_default()), Expiry::At(until_ms)));
        }
        Fact::Data { name, value } => {
            let key: Key = format!("{}{id}:{name}", PARTS[2]).into_bytes().into();
            match value.map(|value| serde_json::to_vec(&value)) {
                Some(Ok(text)) => to.push(set(key, Value::json(text), Expiry::Never)),
                _ => to.push(delete(key)),
            }
        }
        Fact::Ended { revoked_until_ms } => {
            to.push(delete(record(id)));
            for part in PARTS {
                let prefix = format!("{part}{id}:");
                to.extend(view.prefix(prefix.as_bytes()).map(|(key, _)| delete(key.into())));
            }
            if let Some(until_ms) = revoked_until_ms {
                to.push(set(revoked(id), Value::bytes([]), Expiry::At(until_ms)));
            }
        }
    }
}
