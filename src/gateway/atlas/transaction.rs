//! MULTI, EXEC and WATCH: commands that are kept, and carried out in one commit.

use super::answer::Answers;
use super::batch::{Batch, Tell};
use super::commands::{COMMANDS, Kind, Planned, Render, Session as Local};
use super::port::Port;
use super::request::{Args, OwnedArgs};
use super::session::Session;
use crate::store::{Check, Command, Commit, Condition, Reader, Work};

/// Commands that a transaction may have, and their bytes.
const QUEUED_MAX: usize = 100_000;
const QUEUED_BYTES_MAX: usize = 64 << 20;

/// Keys that a connection may watch.
const WATCHED_MAX: usize = 1_000;

/// Commands that wait for EXEC.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    queued: Vec<(usize, OwnedArgs)>,
    bytes: usize,
    /// Whether one of them was refused, so that none will be carried out.
    spoiled: bool,
}

impl Transaction {
    /// Makes EXEC do nothing.
    pub(super) fn spoil(&mut self) {
        self.spoiled = true;
    }
}

impl Session {
    /// Keeps a command for EXEC. `false` if it is one that works at once all the same.
    pub(super) fn queue(&mut self, command: usize, kind: Kind, args: Args<'_>, batch: &mut Batch) -> bool {
        let at_once = [Local::Exec, Local::Discard, Local::Multi, Local::Watch, Local::Quit, Local::Reset];
        match kind {
            Kind::Session(local) if at_once.contains(&local) => return false,
            Kind::Session(Local::Ping | Local::Echo | Local::Select | Local::Unwatch)
            | Kind::Read(_)
            | Kind::Write(_)
            | Kind::Flush => {}
            Kind::Session(_) => {
                self.refuse(command, "ERR Command not allowed inside a transaction", batch);
                return true;
            }
        }
        let Some(transaction) = &mut self.transaction else { return false };
        let owned = args.to_owned();
        transaction.bytes += owned.size();
        if transaction.queued.len() == QUEUED_MAX || transaction.bytes > QUEUED_BYTES_MAX {
            self.refuse(command, &format!("ERR a transaction has at most {QUEUED_MAX} commands"), batch);
            return true;
        }
        transaction.queued.push((command, owned));
        batch.answer(command, |to| to.simple("QUEUED"));
        true
    }

    pub(super) fn multi(&mut self, command: usize, batch: &mut Batch) {
        if self.transaction.is_some() {
            return batch.answer(command, |to| to.error("ERR MULTI calls can not be nested"));
        }
        self.transaction = Some(Transaction::default());
        batch.answer(command, Answers::ok);
    }

    pub(super) fn discard(&mut self, command: usize, batch: &mut Batch) {
        match self.transaction.take() {
            Some(_) => {
                self.watched.clear();
                batch.answer(command, Answers::ok);
            }
            None => batch.answer(command, |to| to.error("ERR DISCARD without MULTI")),
        }
    }

    pub(super) async fn watch(&mut self, command: usize, args: Args<'_>, batch: &mut Batch) {
        if self.transaction.is_some() {
            return batch.answer(command, |to| to.error("ERR WATCH inside MULTI is not allowed"));
        }
        // The versions that count are those after what was asked before.
        batch.finish().await;
        let view = self.store().view();
        for key in args.from(1) {
            if self.watched.iter().any(|check| *check.key == *key) {
                continue;
            }
            if self.watched.len() == WATCHED_MAX {
                let text = format!("ERR a connection may watch {WATCHED_MAX} keys");
                return batch.answer(command, |to| to.error(&text));
            }
            let version = view.get(key).map_or(0, |entry| entry.version);
            self.watched.push(Check { key: key.into(), condition: Condition::IfVersion(version) });
        }
        batch.answer(command, Answers::ok);
    }

    /// EXEC: all that was queued, in one commit, unless a watched key was changed.
    pub(super) fn exec(&mut self, command: usize, batch: &mut Batch) {
        let checks = std::mem::take(&mut self.watched);
        let Some(transaction) = self.transaction.take() else {
            self.watched = checks;
            return batch.answer(command, |to| to.error("ERR EXEC without MULTI"));
        };
        if transaction.spoiled {
            let text = "EXECABORT Transaction discarded because of previous errors.";
            return batch.answer(command, |to| to.error(text));
        }
        let (now, port) = (self.store().now_ms(), self.port());
        let (mut commands, mut plans) = (Vec::new(), Vec::new());
        for (queued, args) in &transaction.queued {
            let (asked, render) = planned(&port, *queued, args.as_args(), now, batch);
            plans.push((asked.len(), render));
            commands.extend(asked);
        }
        let commit = Commit { checks, commands, keep_going: true };
        batch.ask(command, Work::Commit(commit), Tell::Exec(plans));
    }
}

/// What a command asks that cannot be carried out: its error at its turn.
fn refused(text: &str) -> (Vec<Command>, Render) {
    let mut refused = Answers::new(false);
    refused.error(text);
    (vec![Command::Read(Reader::new(move |_| refused.bytes))], Render::Read)
}

/// What a queued command asks of the store.
fn planned(port: &Port, command: usize, args: Args<'_>, now: u64, batch: &Batch) -> (Vec<Command>, Render) {
    let reader = |run| (vec![Command::Read(batch.reader(run, args))], Render::Read);
    match COMMANDS[command].kind {
        Kind::Read(run) => reader(run),
        Kind::Write(plan) => match plan(args, now) {
            Ok(planned) => {
                let render = planned.render;
                (Planned::into_commands(planned), render)
            }
            Err(text) => refused(&text),
        },
        Kind::Flush => match super::commands::flush(args) {
            Ok(planned) => (planned(port).into_commands(), Render::Ok),
            Err(text) => refused(&text),
        },
        Kind::Session(Local::Ping) if args.len() == 1 => reader(|_, _, to| to.simple("PONG")),
        Kind::Session(Local::Ping | Local::Echo) => reader(|_, args, to| to.bulk(args.get(1))),
        Kind::Session(Local::Select) if args.get(1) != b"0" => {
            reader(|_, _, to| to.error("ERR DB index is out of range"))
        }
        Kind::Session(_) => reader(|_, _, to| to.ok()),
    }
}
