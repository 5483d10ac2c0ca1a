//! What a connection knows about its peer, and the commands that change it.

use std::net::SocketAddr;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::answer::Answers;
use super::batch::Batch;
use super::commands::{self, COMMANDS, Kind, Session as Local, about};
use super::connection::is_for_strangers;
use super::guest::Guest;
use super::http;
use super::port::Port;
use super::request::Args;
use super::transaction::Transaction;
use crate::store::{Check, Keyspace, Store, is_reserved};

/// As Redis refuses a key that the rules of a user do not cover.
const RESERVED_KEY: &str = "NOPERM this key is the server's own: only an account with the permission atlas:access \
    reaches it (AUTH name key, with atlas.accounts)";

const WRONG: &str = "WRONGPASS invalid username-password pair or user is disabled.";

/// The state of a connection.
#[derive(Debug)]
pub(super) struct Session {
    port: Arc<Port>,
    pub(super) id: u64,
    pub(super) address: SocketAddr,
    pub(super) name: String,
    pub(super) authenticated: bool,
    /// Whose account it is, if it has said so.
    guest: Option<Guest>,
    /// Whether the connection ends once its answers are sent.
    pub(super) leaving: bool,
    /// Whether it has named a command of Redis.
    pub(super) understood: bool,
    pub(super) transaction: Option<Transaction>,
    pub(super) watched: Vec<Check>,
}

impl Session {
    pub(super) fn new(port: &Arc<Port>, id: u64, address: SocketAddr) -> Self {
        Self {
            authenticated: !port.options.asks(),
            guest: None,
            port: Arc::clone(port),
            id,
            address,
            name: String::new(),
            leaving: false,
            understood: false,
            transaction: None,
            watched: Vec::new(),
        }
    }

    pub(super) fn port(&self) -> Arc<Port> {
        Arc::clone(&self.port)
    }

    pub(super) fn store(&self) -> &Store {
        &self.port.store
    }

    /// Which keys the peer sees: the application's, unless it has shown the key of an account that may everything.
    pub(super) fn keyspace(&self) -> Keyspace {
        if self.guest.is_some() { Keyspace::Everything } else { self.port.keyspace }
    }

    /// Works on one command.
    pub(super) async fn command(&mut self, args: Args<'_>, batch: &mut Batch) {
        if http::is_http(args) {
            return self.leave_http(args);
        }
        let Some(command) = commands::find(args.get(0)) else {
            return self.refuse(COMMANDS.len(), &about::unknown(args), batch);
        };
        self.understood = true;
        let spec = &COMMANDS[command];
        if !spec.takes(args.len()) {
            let text = format!("ERR wrong number of arguments for '{}' command", spec.name);
            return self.refuse(command, &text, batch);
        }
        self.look_again();
        if !self.authenticated && !is_for_strangers(spec.kind) {
            return self.refuse(command, "NOAUTH Authentication required.", batch);
        }
        batch.keyspace = self.keyspace();
        if batch.keyspace == Keyspace::Application && spec.keys(args).any(is_reserved) {
            return self.refuse(command, RESERVED_KEY, batch);
        }
        if self.transaction.is_some() && self.queue(command, spec.kind, args, batch) {
            return;
        }
        match spec.kind {
            Kind::Read(run) => {
                if batch.should_finish_first(spec.is_wide()) {
                    batch.finish().await;
                }
                batch.read(command, run, args);
            }
            Kind::Write(plan) => match plan(args, self.store().now_ms()) {
                Ok(planned) => batch.plan(command, planned),
                Err(text) => batch.answer(command, |to| to.error(&text)),
            },
            Kind::Flush => match commands::flush(args) {
                Ok(planned) => batch.plan(command, planned(&self.port)),
                Err(text) => batch.answer(command, |to| to.error(&text)),
            },
            Kind::Session(local) => self.local(command, local, args, batch).await,
        }
    }

    /// Ends a connection that speaks HTTP: most likely a web page made a browser send it. Nothing that follows is
    /// read, and nothing is answered.
    pub(super) fn leave_http(&mut self, args: Args<'_>) {
        self.leaving = true;
        http::tell(&self.port, self.address, args);
    }

    /// Answers with an error, and spoils a transaction that is being put together.
    pub(super) fn refuse(&mut self, command: usize, text: &str, batch: &mut Batch) {
        if let Some(transaction) = &mut self.transaction {
            transaction.spoil();
        }
        batch.answer(command, |to| to.error(text));
    }

    async fn local(&mut self, command: usize, local: Local, args: Args<'_>, batch: &mut Batch) {
        match local {
            Local::Ping if args.len() > 2 => {
                batch.answer(command, |to| to.error("ERR wrong number of arguments for 'ping' command"));
            }
            Local::Ping if args.len() == 2 => batch.answer(command, |to| to.bulk(args.get(1))),
            Local::Ping => batch.answer(command, |to| to.simple("PONG")),
            Local::Echo => batch.answer(command, |to| to.bulk(args.get(1))),
            Local::Hello => {
                // What waits is written in the version of the protocol in which it was asked.
                batch.finish().await;
                self.hello(command, args, batch);
            }
            Local::Auth => self.auth(command, args, batch),
            Local::Select => batch.answer(command, |to| match args.get(1) {
                b"0" => to.ok(),
                _ => to.error("ERR DB index is out of range"),
            }),
            Local::Quit => {
                self.leaving = true;
                batch.answer(command, Answers::ok);
            }
            Local::Reset => {
                batch.finish().await;
                (self.transaction, self.watched, self.name) = (None, Vec::new(), String::new());
                (self.authenticated, self.guest) = (!self.port.options.asks(), None);
                batch.answers.resp3 = false;
                batch.answer(command, |to| to.simple("RESET"));
            }
            Local::Command => batch.answer(command, |to| about::describe(args, to)),
            Local::Config => batch.answer(command, |to| about::config(self.store(), args, to)),
            Local::Client => self.client(command, args, batch),
            Local::Multi => self.multi(command, batch),
            Local::Exec => self.exec(command, batch),
            Local::Discard => self.discard(command, batch),
            Local::Watch => self.watch(command, args, batch).await,
            Local::Unwatch => {
                self.watched.clear();
                batch.answer(command, Answers::ok);
            }
            Local::Save => {
                // What was asked before belongs into the snapshot.
                batch.finish().await;
                let saved = self.store().snapshot().await;
                batch.answer(command, |to| match saved {
                    Ok(_) => to.ok(),
                    Err(error) => to.store_error(&error),
                });
            }
            Local::BgSave => {
                batch.finish().await;
                let store = self.store().clone();
                // How it went is told by the log, LASTSAVE and INFO, as with Redis.
                tokio::spawn(async move { drop(store.snapshot().await) });
                batch.answer(command, |to| to.simple("Background saving started"));
            }
        }
    }

    /// HELLO [version [AUTH user password] [SETNAME name]].
    fn hello(&mut self, command: usize, args: Args<'_>, batch: &mut Batch) {
        let mut resp3 = batch.answers.resp3;
        match args.get(1) {
            b"" => {}
            b"2" => resp3 = false,
            b"3" => resp3 = true,
            _ => return batch.answer(command, |to| to.error("NOPROTO unsupported protocol version")),
        }
        let mut at = 2;
        while at < args.len() {
            let option = args.get(at).to_ascii_uppercase();
            match option.as_slice() {
                b"AUTH" if at + 2 < args.len() => {
                    if let Err(text) = self.check(Some(args.get(at + 1)), args.get(at + 2)) {
                        return batch.answer(command, |to| to.error(text));
                    }
                    at += 3;
                }
                b"SETNAME" if at + 1 < args.len() => {
                    self.name = String::from_utf8_lossy(args.get(at + 1)).into_owned();
                    at += 2;
                }
                _ => return batch.answer(command, |to| to.error("ERR Syntax error in HELLO option")),
            }
        }
        if !self.authenticated {
            let text = "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
                HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select \
                the RESP protocol version at the same time";
            return batch.answer(command, |to| to.error(text));
        }
        batch.answers.resp3 = resp3;
        let id = self.id as i64;
        batch.answer(command, |to| {
            to.map(7);
            for (name, value) in
                [("server", "redis"), ("version", "7.0.0"), ("mode", "standalone"), ("role", "master")]
            {
                to.bulk(name.as_bytes());
                to.bulk(value.as_bytes());
            }
            to.bulk(b"proto");
            to.integer(if resp3 { 3 } else { 2 });
            to.bulk(b"id");
            to.integer(id);
            to.bulk(b"modules");
            to.array(0);
        });
    }

    /// AUTH [user] password.
    fn auth(&mut self, command: usize, args: Args<'_>, batch: &mut Batch) {
        let checked = match args.len() {
            2 => self.check(None, args.get(1)),
            3 => self.check(Some(args.get(1)), args.get(2)),
            _ => Err("ERR syntax error"),
        };
        batch.answer(command, |to| match checked {
            Ok(()) => to.ok(),
            Err(text) => to.error(text),
        });
    }

    /// Whether this is the password of the default user, or an API key of the one that is named.
    pub(super) fn check(&mut self, user: Option<&[u8]>, password: &[u8]) -> Result<(), &'static str> {
        if let Some(accounts) = &self.port.accounts {
            let guest = Guest::of(accounts, user, password);
            if guest.is_some() || self.port.options.password.is_empty() {
                self.authenticated = guest.is_some();
                self.guest = guest;
                return if self.authenticated { Ok(()) } else { Err(WRONG) };
            }
        }
        let known = self.port.options.password.reveal().as_bytes();
        if known.is_empty() && user.is_none() {
            return Err("ERR AUTH <password> called without any password configured for the default user. \
                Are you sure your configuration is correct?");
        }
        let right = known.is_empty() || bool::from(known.ct_eq(password));
        if user.is_some_and(|user| user != b"default") || !right {
            return Err(WRONG);
        }
        (self.authenticated, self.guest) = (true, None);
        Ok(())
    }

    /// Whether the account may still be here. Asked now and then: whoever has lost its key is out within a second.
    pub(super) fn look_again(&mut self) {
        if let (Some(guest), Some(accounts)) = (&mut self.guest, &self.port.accounts)
            && !guest.may_stay(accounts)
        {
            (self.authenticated, self.guest) = (false, None);
        }
    }
}
