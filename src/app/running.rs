//! A server at work.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_server::ServerHandle;
use serde::Serialize;
use tokio::task::JoinHandle;

use super::shutdown::{self, Drained};
use super::workers::Workers;
use crate::auth::{Accounts, KeyRing};
use crate::dispatch::Limits;
use crate::gateway::{AtlasPort, Listening, Surroundings};
use crate::hub::{Hub, PublishError, Published, Tags, Wish};
use crate::methods::RateKeeper;
use crate::protocol::{CloseCode, Payload};
use crate::queue::Queue;
use crate::starling::Starlings;
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::universes::Universes;

/// A server that listens. It stops with [`Running::drain`] or [`Running::stop`], not by being dropped.
#[derive(Debug)]
pub struct Running {
    around: Surroundings,
    address: SocketAddr,
    handle: ServerHandle,
    server: JoinHandle<std::io::Result<()>>,
    port: Option<AtlasPort>,
    universes: Option<Universes>,
    kept: RateKeeper,
    queue: Option<Queue>,
    workers: Workers,
}

impl Running {
    pub(super) fn new(
        around: Surroundings,
        listening: Listening,
        port: Option<AtlasPort>,
        universes: Option<Universes>,
        kept: RateKeeper,
        (queue, workers): (Option<Queue>, Workers),
    ) -> Self {
        let Listening { address, handle, server } = listening;
        let server = actix_rt::spawn(server);
        Self { around, address, handle, server, port, universes, kept, queue, workers }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of its pages, such as `http://127.0.0.1:8080`.
    pub fn http_url(&self) -> String {
        format!("{}://{}", if self.around.options.tls.enabled() { "https" } else { "http" }, self.address)
    }

    /// The address for sockets, such as `ws://127.0.0.1:8080/ws`.
    pub fn ws_url(&self) -> String {
        format!("{}://{}/ws", if self.around.options.tls.enabled() { "wss" } else { "ws" }, self.address)
    }

    /// Where the TCP port of the store listens, if it has one.
    pub fn atlas_address(&self) -> Option<SocketAddr> {
        self.port.as_ref().map(AtlasPort::address)
    }

    /// Everybody who is connected.
    pub fn starlings(&self) -> &Starlings {
        &self.around.starlings
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.around.store
    }

    /// The universes, if there are any.
    pub fn universes(&self) -> Option<&Universes> {
        self.universes.as_ref()
    }

    /// The jobs, if there are any.
    pub fn queue(&self) -> Option<&Queue> {
        self.queue.as_ref()
    }

    /// The topics.
    pub fn hub(&self) -> &Hub {
        &self.around.shared.hub
    }

    /// Publishes on a topic, whoever may otherwise. Done once it is queued for every subscriber, and with a durable
    /// history also on the disk.
    ///
    /// # Errors
    /// If the namespace of the topic is not configured, the data cannot be written or is too long, or the history
    /// cannot be written.
    pub async fn publish<T: Serialize + ?Sized>(
        &self,
        topic: &str,
        data: &T,
    ) -> Result<Published, PublishError> {
        let data = Payload::json(data).map_err(PublishError::Data)?;
        self.hub().publish(Wish { topic: topic.to_owned(), data, tags: Tags::new() }).await
    }

    /// The accounts, if there are any.
    pub fn accounts(&self) -> Option<&Accounts> {
        self.around.shared.accounts.as_ref()
    }

    /// How often callers may call.
    pub fn limits(&self) -> &Limits {
        self.around.shared.registry.limits()
    }

    /// The keys that tokens are signed with.
    pub fn tokens(&self) -> &KeyRing {
        &self.around.shared.tokens
    }

    /// The metric table.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.around.shared.metrics
    }

    /// Ends when the server cannot go on: an actor that it depends on has died, or the thread of its store or of its
    /// universes.
    pub async fn broken(&self) {
        let universes = async {
            match &self.universes {
                Some(universes) => universes.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.around.starlings.gone() => {}
            () = self.around.store.ended() => {}
            () = universes => {}
        }
    }

    /// Stops in order: no new peers, requests are finished, everybody is told, then closed.
    pub async fn drain(self) -> Drained {
        if let Some(queue) = &self.queue {
            queue.drain();
        }
        let drained = shutdown::drain(&self.around).await;
        self.stop().await;
        drained
    }

    /// Stops at once.
    pub async fn stop(self) {
        if let Some(queue) = &self.queue {
            queue.drain();
        }
        self.workers.stop().await;
        // Before the workers end: what they are at work on is not done, and must not look so.
        self.around.starlings.close_all(CloseCode::Restart, "the server restarts");
        self.around.starlings.rest().await;
        self.around.shared.hub.close();
        self.handle.stop(true).await;
        if let Ok(Err(error)) = self.server.await {
            tracing::error!(%error, "the server ended with an error");
        }
        drop(self.port);
        if let Some(universes) = &self.universes {
            universes.close().await;
        }
        self.kept.write().await;
        if let Err(error) = self.around.store.close().await {
            tracing::error!(%error, "the store was not closed in order");
        }
    }
}
