//! A worker over a socket: takes what is brought, runs handlers, and says what came of it, over breaks too.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::handlers::{Done, Failed, Handlers};
use crate::cli::server::ServerArgs;
use crate::cli::signals::Signals;
use crate::peer::{Peer, PeerError, Received};

/// A server may have no jobs for as long as it likes.
const SILENCE: Duration = Duration::from_secs(365 * 86_400);

/// How often it is looked whether leases are to be extended.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A job that is at work.
struct Running {
    token: String,
    every: Duration,
    extended: Instant,
    task: AbortHandle,
}

type Ended = (String, Result<Done, Failed>);

pub(super) struct Hand {
    name: String,
    types: Vec<String>,
    concurrency: usize,
    handlers: Handlers,
    server: ServerArgs,
    running: HashMap<String, Running>,
    ended: (mpsc::Sender<Ended>, mpsc::Receiver<Ended>),
    /// What came of jobs and is not said yet, for want of a connection.
    unsaid: Vec<Ended>,
}

impl Hand {
    pub(super) fn new(
        name: String,
        types: Vec<String>,
        concurrency: usize,
        handlers: Handlers,
        server: ServerArgs,
    ) -> Self {
        let (running, ended) = (HashMap::new(), mpsc::channel(1_024));
        Self { name, types, concurrency, handlers, server, running, ended, unsaid: Vec::new() }
    }

    /// Works until it is told to stop.
    pub(super) async fn work(mut self, retry: Duration, grace: Duration) -> anyhow::Result<()> {
        let mut signals = Signals::new()?;
        loop {
            let connected = tokio::select! {
                connected = self.connect() => connected,
                signal = signals.next() => { say!("{signal}: stopping"); return Ok(()) }
            };
            match connected {
                Ok(mut peer) => match self.serve(&mut peer, &mut signals).await {
                    Ok(signal) => {
                        say!("{signal}: stopping");
                        return self.stop(peer, grace).await;
                    }
                    Err(error) => say!("the connection is lost: {error}"),
                },
                Err(error) => match error.downcast::<PeerError>() {
                    // It will not be otherwise the next time.
                    Ok(error @ PeerError::Failed(_)) => {
                        return Err(error).context("the server lets nobody work so");
                    }
                    Ok(error) => say!("the server is not there: {error}"),
                    Err(error) => say!("the server is not there: {error:#}"),
                },
            }
            tokio::select! {
                () = tokio::time::sleep(retry) => {}
                signal = signals.next() => { say!("{signal}: stopping"); return Ok(()) }
            }
        }
    }

    async fn connect(&mut self) -> anyhow::Result<Peer> {
        let mut peer = Peer::connect(&self.server.url, &self.server.options(SILENCE)).await?;
        let held: Vec<Value> =
            self.running.iter().map(|(id, it)| json!({ "id": id, "leaseToken": it.token })).collect();
        let wish = json!({ "worker": self.name, "types": self.types, "concurrency": self.concurrency, "held": held });
        let told = peer.request("jobs:work", &wish).await?;
        for id in told["lost"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            self.give_up(id);
        }
        Ok(peer)
    }

    /// Works over a connection until it is lost; or until a signal, which it gives.
    async fn serve(&mut self, peer: &mut Peer, signals: &mut Signals) -> Result<&'static str, PeerError> {
        for ended in std::mem::take(&mut self.unsaid) {
            self.say(peer, ended).await?;
        }
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                received = peer.receive() => self.heard(received?),
                Some(ended) = self.ended.1.recv() => self.say(peer, ended).await?,
                _ = look.tick() => self.extend(peer).await?,
                signal = signals.next() => return Ok(signal),
            }
        }
    }

    fn heard(&mut self, received: Received) {
        match received {
            Received::Notification { topic, data, .. } if topic == "jobs:lease" => self.begin(data),
            Received::Notification { topic, data, .. } if topic == "jobs:lost" => {
                self.give_up(data["id"].as_str().unwrap_or_default());
            }
            Received::Response { result: Err(error), .. } => say!("{error}"),
            _ => {}
        }
    }

    fn begin(&mut self, mut job: Value) {
        let text = |name: &str| job[name].as_str().unwrap_or_default().to_owned();
        let (id, kind, token) = (text("id"), text("type"), text("leaseToken"));
        let (handlers, ended, payload) = (self.handlers.clone(), self.ended.0.clone(), job["payload"].take());
        let of = id.clone();
        let task = tokio::spawn(async move {
            let done = handlers.run(&of, &kind, payload).await;
            // Whoever has stopped listening has given the job back.
            let _ = ended.send((of, done)).await;
        });
        let every = Duration::from_secs(job["visibilityTimeout"].as_u64().unwrap_or(3)) / 3;
        let running = Running { token, every, extended: Instant::now(), task: task.abort_handle() };
        self.running.insert(id, running);
    }

    fn give_up(&mut self, id: &str) {
        if let Some(running) = self.running.remove(id) {
            running.task.abort();
            say!("{id} is not ours any more");
        }
    }

    /// Says what came of a job.
    async fn say(&mut self, peer: &mut Peer, (id, done): Ended) -> Result<(), PeerError> {
        let Some(token) = self.running.get(&id).map(|running| running.token.clone()) else { return Ok(()) };
        let mut wish = json!({ "id": id, "leaseToken": token });
        let said = match &done {
            Ok(Done { result, effects, call }) => {
                wish["effects"] = effects.clone().into();
                let result = match call {
                    Some((method, payload)) => peer.request(method, payload).await,
                    None => Ok(result.clone()),
                };
                match result {
                    Ok(result) => {
                        wish["result"] = result;
                        peer.request("jobs:ack", &wish).await
                    }
                    Err(PeerError::Failed(failure)) => {
                        wish["reason"] = failure.to_string().into();
                        wish.as_object_mut().map(|wish| wish.remove("effects"));
                        peer.request("jobs:nack", &wish).await
                    }
                    Err(error) => Err(error),
                }
            }
            Err(Failed { reason, permanent }) => {
                (wish["reason"], wish["permanent"]) = (reason.as_str().into(), (*permanent).into());
                peer.request("jobs:nack", &wish).await
            }
        };
        match said {
            Ok(_) => {}
            // The lease is over, or what it gave is refused: it says so, and is tried again elsewhere.
            Err(PeerError::Failed(failure)) => say!("{id}: {failure}"),
            Err(error) => {
                self.unsaid.push((id, done));
                return Err(error);
            }
        }
        self.running.remove(&id);
        Ok(())
    }

    async fn extend(&mut self, peer: &mut Peer) -> Result<(), PeerError> {
        let now = Instant::now();
        for (id, running) in &mut self.running {
            if now.duration_since(running.extended) >= running.every {
                running.extended = now;
                let wish = json!({ "id": id, "leaseToken": running.token });
                peer.send_request("jobs:extend", Some(&wish)).await?;
            }
        }
        Ok(())
    }

    /// Takes no more, lets what runs come to its end, and gives back what is left.
    async fn stop(mut self, mut peer: Peer, grace: Duration) -> anyhow::Result<()> {
        peer.request("jobs:rest", &json!({ "worker": self.name, "finish": true })).await?;
        let until = tokio::time::Instant::now() + grace;
        let mut look = tokio::time::interval(LOOK_EVERY);
        while !self.running.is_empty() {
            tokio::select! {
                received = peer.receive() => self.heard(received?),
                Some(ended) = self.ended.1.recv() => self.say(&mut peer, ended).await?,
                _ = look.tick() => self.extend(&mut peer).await?,
                () = tokio::time::sleep_until(until) => break,
            }
        }
        let left = self.running.len();
        peer.request("jobs:rest", &json!({ "worker": self.name })).await?;
        if left > 0 {
            say!("{left} jobs were given back");
        }
        Ok(())
    }
}
