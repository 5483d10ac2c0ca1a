//! JSON lines: one object in, one object out. `docs/atlas.md` has the commands.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::answer::Answers;
use super::batch::{Batch, Tell as BatchTell};
use super::commands::COMMANDS;
use super::http;
use super::lookups;
use super::request::Args;
use super::session::Session;
use crate::store::{
    Command, Commit, CommitOutcome, Condition, Done, Expiry, Health, Key, Keyspace, Outcome, Reader, Refusal,
    StoreError, Value, View, Work,
};

/// The longest line.
pub(super) const LINE_BYTES_MAX: usize = 24 << 20;

/// One request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    cmd: Option<String>,
    key: Option<String>,
    /// How `key` is written: `utf8`, or `b64` for one that is no text.
    kenc: Option<String>,
    #[serde(default)]
    value: String,
    /// How `value` is written, and how one in the answer shall be: `utf8` or `b64`.
    enc: Option<String>,
    #[serde(default)]
    ttl: i64,
    #[serde(default)]
    pub(super) prefix: String,
    #[serde(default)]
    pub(super) cursor: String,
    pub(super) limit: Option<usize>,
    #[serde(default)]
    ops: Vec<Self>,
    // For peers of a cluster; a single server sees its own writes anyway.
    #[serde(rename = "session_id")]
    _session_id: Option<Json>,
    #[serde(rename = "extra")]
    _extra: Option<Json>,
}

/// How an outcome is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tell {
    /// `{"ok":true}`.
    Ok,
    /// With `extra.deleted` or `extra.updated`: how many.
    Count(&'static str),
    /// As the reader has written it.
    Read,
    /// With `extra.revision`.
    Revision,
}

/// Works on one line.
pub(super) fn line(bytes: &[u8], session: &mut Session, batch: &mut Batch) {
    let place = COMMANDS.len();
    if http::is_http_line(bytes) {
        let begin = 0..bytes.len().min(64);
        return session.leave_http(Args::new(bytes, std::slice::from_ref(&begin)));
    }
    session.look_again();
    let asked = serde_json::from_slice::<Line>(bytes).map_err(|error| match bytes.trim_ascii() {
        [] => "the line is empty: write a JSON object such as {\"cmd\":\"PING\"}".to_owned(),
        _ => format!("the line is not a request: {error}"),
    });
    let planned = asked.and_then(|line| {
        let cmd = line.cmd.clone().ok_or("cmd is missing")?;
        if cmd == "AUTH" {
            session.check(None, line.value.as_bytes())?;
            return Ok(Planned::Ready(json!({ "ok": true })));
        }
        if !session.authenticated {
            return Err("AUTH comes first: {\"cmd\":\"AUTH\",\"value\":\"<password>\"}".to_owned());
        }
        plan(&cmd, line, session)
    });
    match planned {
        Ok(Planned::Read(read)) if batch.is_idle() => {
            let view = session.store().view();
            batch.answer(place, |to| write(&read(&view), &mut to.bytes));
        }
        Ok(Planned::Read(read)) => {
            let reader = Reader::new(move |view| {
                let mut bytes = Vec::new();
                write(&read(view), &mut bytes);
                bytes
            });
            batch.ask(place, Work::One(Command::Read(reader)), BatchTell::Line(Tell::Read));
        }
        Ok(Planned::Work(work, tell)) => batch.ask(place, work, BatchTell::Line(tell)),
        Ok(Planned::Ready(answer)) => batch.answer(place, |to| write(&answer, &mut to.bytes)),
        Err(text) => batch.answer(place, |to: &mut Answers| error(&text, &mut to.bytes)),
    }
}

enum Planned {
    Work(Work, Tell),
    Read(Box<ReadFn>),
    Ready(Json),
}

type ReadFn = dyn FnOnce(&View) -> Json + Send;

fn plan(cmd: &str, line: Line, session: &Session) -> Result<Planned, String> {
    let (now, keyspace) = (session.store().now_ms(), session.keyspace());
    let one = |command, tell| Ok(Planned::Work(Work::One(command), tell));
    match cmd {
        "SET" | "DEL" | "EXPIRE" => {
            let (command, tell) = change(cmd, &line, now, keyspace)?;
            one(command, tell)
        }
        "MULTI" | "LOAD" => {
            let commands = line.ops.iter().enumerate().map(|(index, op)| {
                let cmd = op.cmd.as_deref().unwrap_or("SET");
                change(cmd, op, now, keyspace)
                    .map(|(command, _)| command)
                    .map_err(|text| format!("ops[{index}]: {text}"))
            });
            let commands = commands.collect::<Result<_, _>>()?;
            Ok(Planned::Work(Work::Commit(Commit { commands, ..Commit::default() }), Tell::Revision))
        }
        "GET" => {
            let (key, text) = (key(&line, keyspace)?, wants_text(&line)?);
            read(move |view| lookups::get(view, &key, text))
        }
        "TTL" => {
            let key = key(&line, keyspace)?;
            read(move |view| json!({ "ok": true, "ttl": lookups::ttl(view, &key) }))
        }
        "SCAN" | "KEYS" => read(move |view| lookups::scan(view, keyspace, &line)),
        "DUMP" => read(move |view| lookups::dump(view, keyspace, &line)),
        "STATS" => {
            let writable = session.store().health() == Health::Writable;
            read(move |view| lookups::stats(view, keyspace, writable))
        }
        "PING" => read(|_| json!({ "ok": true, "extra": { "pong": true } })),
        "SNAPSHOT" => {
            let store = session.store().clone();
            tokio::spawn(async move { drop(store.snapshot().await) });
            Ok(Planned::Ready(json!({ "ok": true, "extra": { "started": true } })))
        }
        "LISTPEERS" => Ok(Planned::Ready(json!({ "ok": true, "extra": { "peers": {} } }))),
        "ADDPEER" | "REMOVEPEER" | "ADDNODE" | "REMOVENODE" | "LISTNODES" | "NODEFORKEY" | "MIGRATE"
        | "CLUSTERSTATS" | "REBALANCE" | "ACTIVEMIGRATIONS" | "ALLMIGRATIONS" | "CANCELMIGRATION" => {
            Err(format!("{cmd} needs a cluster, and this server is none"))
        }
        other => Err(format!("unknown command: {other:?}")),
    }
}

fn read(run: impl FnOnce(&View) -> Json + Send + 'static) -> Result<Planned, String> {
    Ok(Planned::Read(Box::new(run)))
}

/// The key of a line, if the peer may reach it.
fn key(line: &Line, keyspace: Keyspace) -> Result<Key, String> {
    let text = line.key.as_deref().ok_or_else(|| "key is missing".to_owned())?;
    let key: Key = match line.kenc.as_deref() {
        None | Some("utf8") => text.as_bytes().into(),
        Some("b64") => STANDARD.decode(text).map_err(|error| format!("key is not base64: {error}"))?.into(),
        Some(other) => return Err(format!("unknown kenc {other:?}: write utf8 or b64")),
    };
    match keyspace.has(&key) {
        true => Ok(key),
        false => {
            Err("this key is the server's own: only an account with the permission atlas:access reaches it"
                .to_owned())
        }
    }
}

fn change(cmd: &str, line: &Line, now: u64, keyspace: Keyspace) -> Result<(Command, Tell), String> {
    let key = key(line, keyspace)?;
    let ends = |ttl: i64| now.saturating_add(u64::try_from(ttl).unwrap_or(0).saturating_mul(1_000));
    match cmd {
        "SET" if line.ttl < 0 => Err("ttl must not be negative".to_owned()),
        "SET" => {
            let value = match line.enc.as_deref() {
                None | Some("utf8") => Value::bytes(line.value.as_bytes()),
                Some("b64") => {
                    let decoded = STANDARD.decode(&line.value);
                    Value::bytes(decoded.map_err(|error| format!("value is not base64: {error}"))?)
                }
                Some("json") => {
                    serde_json::from_str::<&serde_json::value::RawValue>(&line.value)
                        .map_err(|error| format!("value is not JSON: {error}"))?;
                    Value::json(line.value.as_bytes())
                }
                Some(other) => return Err(format!("unknown enc {other:?}: write utf8, b64 or json")),
            };
            let expiry = if line.ttl == 0 { Expiry::Never } else { Expiry::At(ends(line.ttl)) };
            Ok((Command::Set { key, value, condition: Condition::Always, expiry }, Tell::Ok))
        }
        "DEL" => Ok((Command::delete(key), Tell::Count("deleted"))),
        "EXPIRE" => {
            let at = (line.ttl > 0).then(|| ends(line.ttl));
            Ok((Command::Expire { key, at }, Tell::Count("updated")))
        }
        other => Err(format!("{other:?} cannot be part of a commit")),
    }
}

fn wants_text(line: &Line) -> Result<bool, String> {
    match line.enc.as_deref() {
        None | Some("b64") => Ok(false),
        Some("utf8" | "json") => Ok(true),
        Some(other) => Err(format!("unknown enc {other:?}: write utf8 or b64")),
    }
}

fn write(answer: &Json, to: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = serde_json::to_writer(&mut *to, answer);
    to.push(b'\n');
}

/// An error. `ok` comes first, so that a failure can be told by the first bytes.
pub(super) fn error(text: &str, to: &mut Vec<u8>) {
    to.extend_from_slice(b"{\"ok\":false,\"error\":");
    let _ = serde_json::to_writer(&mut *to, text);
    to.extend_from_slice(b"}\n");
}

impl Tell {
    /// Tells what came of it.
    pub(super) fn write(self, done: Result<Done, StoreError>, to: &mut Vec<u8>) {
        let refused = |refusal: Refusal, to: &mut Vec<u8>| error(&refusal.to_string(), to);
        match (self, done) {
            (_, Err(problem) | Ok(Done::Failed(problem))) => error(&problem.to_string(), to),
            (_, Ok(Done::One(Err(refusal)))) => refused(refusal, to),
            (_, Ok(Done::Commit(CommitOutcome::Refused { refusal, command }))) => {
                error(&format!("ops[{command}]: {refusal}"), to);
            }
            (Self::Read, Ok(Done::One(Ok(Outcome::Read(bytes))))) => to.extend_from_slice(&bytes),
            (Self::Count(name), Ok(Done::One(Ok(Outcome::Written { done, .. })))) => {
                let extra: Map<String, Json> =
                    [(name.to_owned(), u8::from(done).into())].into_iter().collect();
                write(&json!({ "ok": true, "extra": extra }), to);
            }
            (_, Ok(Done::Commit(CommitOutcome::Done { revision, .. }))) => {
                write(&json!({ "ok": true, "extra": { "revision": revision } }), to);
            }
            (_, Ok(_)) => to.extend_from_slice(b"{\"ok\":true}\n"),
        }
    }
}
