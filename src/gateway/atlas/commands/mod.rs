//! The commands of the Redis protocol: one table, and one file for each kind.

pub(super) mod about;
mod keys;
mod strings;

pub(super) use keys::flush;

use std::collections::HashMap;
use std::sync::OnceLock;

use super::answer::Answers;
use super::info;
use super::port::Port;
use super::request::{self, Args};
use crate::store::{Command, Commit, Entry, Keyspace, Outcome, Refusal, View, Work};

/// A command as clients know it.
pub(super) struct Spec {
    /// In lower case.
    pub(super) name: &'static str,
    /// Parts with the name: exactly this many, or at least as many if it is negative.
    pub(super) arity: i64,
    pub(super) kind: Kind,
    /// The first key, the last (negative counts from the end) and the step between keys; 0 is none.
    pub(super) keys: (i64, i64, i64),
}

/// How a command is worked on.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Looks at a version and answers.
    Read(fn(&Seen<'_>, Args<'_>, &mut Answers)),
    /// Asks something of the store. Times are counted from the second argument, in milliseconds since the
    /// Unix epoch.
    Write(fn(Args<'_>, u64) -> Result<Planned, String>),
    /// Deletes all keys that the port may delete.
    Flush,
    /// Has to do with the connection.
    Session(Session),
}

/// Commands that have to do with the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Session {
    Ping,
    Echo,
    Hello,
    Auth,
    Select,
    Quit,
    Reset,
    Command,
    Config,
    Client,
    Multi,
    Exec,
    Discard,
    Watch,
    Unwatch,
    Save,
    BgSave,
}

/// What a reading command sees.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) view: &'a View,
    /// Which of its keys the peer sees.
    pub(super) keyspace: Keyspace,
    pub(super) port: &'a Port,
}

/// What is asked of the store, and how its outcome is told.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) work: Work,
    pub(super) render: Render,
}

/// How outcomes become an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Render {
    /// OK.
    Ok,
    /// OK, or nil if the condition did not hold.
    OkOrNil,
    /// The value that was there before, or nil.
    Previous,
    /// How many were done.
    Count,
    /// 1 if the key had an end, 0 otherwise.
    Persisted,
    /// The number that came out.
    Number,
    /// As the reader has written it.
    Read,
}

impl Planned {
    pub(super) fn one(command: Command, render: Render) -> Self {
        Self { work: Work::One(command), render }
    }

    pub(super) fn all(commands: Vec<Command>, render: Render) -> Self {
        Self { work: Work::Commit(Commit { commands, ..Commit::default() }), render }
    }

    /// The commands alone, to be part of a transaction.
    pub(super) fn into_commands(self) -> Vec<Command> {
        match self.work {
            Work::One(command) => vec![command],
            Work::Commit(commit) => commit.commands,
        }
    }
}

impl Render {
    /// Tells what came of the commands of one plan.
    pub(super) fn write(
        self,
        outcomes: impl IntoIterator<Item = Result<Outcome, Refusal>>,
        to: &mut Answers,
    ) {
        let (mut count, mut last, mut refused) = (0, None, None);
        // All of them, so that the next plan of a transaction finds its own.
        for outcome in outcomes {
            match outcome {
                Err(refusal) => refused = refused.or(Some(refusal)),
                Ok(outcome) => {
                    count += i64::from(matches!(outcome, Outcome::Written { done: true, .. }));
                    last = Some(outcome);
                }
            }
        }
        if let Some(refusal) = refused {
            return to.refusal(&refusal);
        }
        match (self, last) {
            (Self::Count, _) => to.integer(count),
            (Self::Persisted, Some(Outcome::Written { previous, .. })) => {
                to.integer(i64::from(previous.is_some_and(|entry| entry.expires_at != 0)));
            }
            (Self::OkOrNil, Some(Outcome::Written { done: false, .. })) => to.nil(),
            (Self::Previous, Some(Outcome::Written { previous, .. })) => {
                to.bulk_or_nil(previous.as_ref().map(|Entry { value, .. }| value.as_bytes()));
            }
            (Self::Number, Some(Outcome::Number(number))) => to.integer(number),
            // A reader that has nothing to say has found nothing.
            (Self::Read, Some(Outcome::Read(bytes))) if bytes.is_empty() => to.nil(),
            (Self::Read, Some(Outcome::Read(bytes))) => to.bytes.extend_from_slice(&bytes),
            _ => to.ok(),
        }
    }
}

const fn read(
    name: &'static str,
    arity: i64,
    keys: (i64, i64, i64),
    run: fn(&Seen<'_>, Args<'_>, &mut Answers),
) -> Spec {
    Spec { name, arity, kind: Kind::Read(run), keys }
}

const fn write(
    name: &'static str,
    arity: i64,
    keys: (i64, i64, i64),
    plan: fn(Args<'_>, u64) -> Result<Planned, String>,
) -> Spec {
    Spec { name, arity, kind: Kind::Write(plan), keys }
}

const fn session(name: &'static str, arity: i64, kind: Session) -> Spec {
    Spec { name, arity, kind: Kind::Session(kind), keys: (0, 0, 0) }
}

/// No key, one key, and keys to the end.
const NONE: (i64, i64, i64) = (0, 0, 0);
const ONE: (i64, i64, i64) = (1, 1, 1);
const ALL: (i64, i64, i64) = (1, -1, 1);

/// All commands.
pub(super) const COMMANDS: &[Spec] = &[
    session("ping", -1, Session::Ping),
    session("echo", 2, Session::Echo),
    session("hello", -1, Session::Hello),
    session("auth", -2, Session::Auth),
    session("select", 2, Session::Select),
    session("quit", -1, Session::Quit),
    session("reset", 1, Session::Reset),
    session("command", -1, Session::Command),
    session("config", -2, Session::Config),
    session("client", -2, Session::Client),
    session("multi", 1, Session::Multi),
    session("exec", 1, Session::Exec),
    session("discard", 1, Session::Discard),
    Spec { name: "watch", arity: -2, kind: Kind::Session(Session::Watch), keys: ALL },
    session("unwatch", 1, Session::Unwatch),
    session("save", 1, Session::Save),
    session("bgsave", -1, Session::BgSave),
    read("lastsave", 1, NONE, info::last_save),
    read("info", -1, NONE, info::info),
    read("dbsize", 1, NONE, keys::dbsize),
    read("get", 2, ONE, strings::get),
    read("mget", -2, ALL, strings::mget),
    read("strlen", 2, ONE, strings::strlen),
    read("exists", -2, ALL, keys::exists),
    read("ttl", 2, ONE, keys::ttl),
    read("pttl", 2, ONE, keys::pttl),
    read("type", 2, ONE, keys::kind),
    read("keys", 2, NONE, keys::keys),
    read("scan", -2, NONE, keys::scan),
    write("set", -3, ONE, strings::set),
    write("setex", 4, ONE, strings::setex),
    write("psetex", 4, ONE, strings::psetex),
    write("setnx", 3, ONE, strings::setnx),
    write("getset", 3, ONE, strings::getset),
    write("getdel", 2, ONE, strings::getdel),
    write("getex", -2, ONE, strings::getex),
    write("mset", -3, (1, -1, 2), strings::mset),
    write("append", 3, ONE, strings::append),
    write("incr", 2, ONE, strings::incr),
    write("decr", 2, ONE, strings::decr),
    write("incrby", 3, ONE, strings::incrby),
    write("decrby", 3, ONE, strings::decrby),
    write("del", -2, ALL, keys::del),
    write("unlink", -2, ALL, keys::del),
    write("expire", -3, ONE, keys::expire),
    write("pexpire", -3, ONE, keys::pexpire),
    write("expireat", -3, ONE, keys::expireat),
    write("pexpireat", -3, ONE, keys::pexpireat),
    write("persist", 2, ONE, keys::persist),
    Spec { name: "flushdb", arity: -1, kind: Kind::Flush, keys: NONE },
    Spec { name: "flushall", arity: -1, kind: Kind::Flush, keys: NONE },
];

/// The longest name of a command.
const NAME_BYTES_MAX: usize = 16;

/// The place of a command in the table, whatever the case of its name.
pub(super) fn find(name: &[u8]) -> Option<usize> {
    static PLACES: OnceLock<HashMap<&[u8], usize, foldhash::fast::RandomState>> = OnceLock::new();
    let places =
        PLACES.get_or_init(|| COMMANDS.iter().enumerate().map(|(at, it)| (it.name.as_bytes(), at)).collect());
    let mut lower = [0; NAME_BYTES_MAX];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    places.get(&*lower).copied()
}

impl Spec {
    /// Whether its answer may be as long as all that is stored.
    pub(super) fn is_wide(&self) -> bool {
        matches!(self.name, "keys" | "mget" | "scan" | "info")
    }

    /// The keys among the parts of a request.
    pub(super) fn keys<'a>(&self, args: Args<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (first, last, step) = self.keys;
        // A negative last counts from the end.
        let end = if last < 0 { args.len() as i64 + last } else { last };
        (first..=end)
            .step_by(step.max(1) as usize)
            .filter(move |_| step > 0)
            .map(move |at| args.get(at as usize))
    }

    /// Whether it may have this many parts.
    pub(super) fn takes(&self, parts: usize) -> bool {
        let parts = parts as i64;
        if self.arity < 0 { parts >= -self.arity } else { parts == self.arity }
    }

    /// As COMMAND tells it.
    pub(super) fn describe(&self, to: &mut Answers) {
        let flag = match self.kind {
            Kind::Read(_) => "readonly",
            Kind::Write(_) | Kind::Flush => "write",
            Kind::Session(_) => "fast",
        };
        let (first, last, step) = self.keys;
        to.array(10);
        to.bulk(self.name.as_bytes());
        to.integer(self.arity);
        to.array(1);
        to.simple(flag);
        [first, last, step].into_iter().for_each(|number| to.integer(number));
        // Categories, hints, key specifications, subcommands: there are none to tell.
        (0..4).for_each(|_| to.array(0));
    }
}

/// A whole number as Redis takes it.
fn integer(bytes: &[u8]) -> Result<i64, String> {
    request::integer(bytes).ok_or_else(|| "ERR value is not an integer or out of range".to_owned())
}
