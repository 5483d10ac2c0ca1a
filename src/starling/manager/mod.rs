//! Everybody who is connected: the table, its limits, and what is said to all.

mod actor;
mod messages;
mod table;

use std::net::IpAddr;
use std::sync::Arc;

use actix::prelude::SendError as Mailbox;
use actix::{Actor, Addr};
use bytes::Bytes;
use parking_lot::RwLock;
use serde::Serialize;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

pub use actor::StarlingsManager;

use self::messages::{Admit, Leave};
use self::table::Table;
use super::options::ConnectionOptions;
use super::session::{Session, opcode_of};
use super::shared::Shared;
use super::websocket::write_frame;
use crate::base::{Clock, Random, StarlingId};
use crate::dispatch::{Peer, SendError, Starling};
use crate::protocol::{CloseCode, Codec, Outgoing, Payload, is_topic_name};

/// Why a peer may not connect now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Refusal {
    /// `connections.max` is reached.
    #[error("the server has as many connections as it may")]
    Full,
    /// `connections.max_per_address` is reached.
    #[error("there are too many connections from your address")]
    Address,
    /// `connections.per_second` is exceeded.
    #[error("there are too many new connections; try again in {retry_after_ms} ms")]
    Rate {
        /// When there is room again.
        retry_after_ms: u64,
    },
}

/// The actor that keeps the table is gone; the server is stopping.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the server is stopping")]
pub struct ManagerGone;

/// The handle of everybody who is connected. Only the actor changes the table; everybody reads it.
#[derive(Clone, Debug)]
pub struct Starlings {
    manager: Addr<StarlingsManager>,
    table: Arc<RwLock<Table>>,
    gone: CancellationToken,
    clock: Clock,
}

impl Starlings {
    /// Starts the actor on this thread.
    pub fn start(options: &ConnectionOptions, shared: &Arc<Shared>) -> Self {
        let (table, gone) = (Arc::default(), CancellationToken::new());
        let manager =
            StarlingsManager::new(options, Arc::clone(shared), Arc::clone(&table), gone.clone()).start();
        Self { manager, table, gone, clock: shared.clock.clone() }
    }

    /// Ends when the actor has ended, which it never does while all is well.
    pub async fn gone(&self) {
        self.gone.cancelled().await;
    }

    /// Asks for a place in the table. The session must be told to leave once its socket is gone.
    ///
    /// # Errors
    /// If a limit is reached, or the server is stopping.
    pub async fn admit(
        &self,
        session: &Arc<Session>,
        address: Option<IpAddr>,
    ) -> Result<Result<(), Refusal>, ManagerGone> {
        let order = Admit { session: Arc::clone(session), address };
        self.manager.send(order).await.map_err(|_| ManagerGone)
    }

    /// Gives the place back.
    pub fn left(&self, id: StarlingId) {
        if let Err(Mailbox::Full(order)) = self.manager.try_send(Leave { id }) {
            let manager = self.manager.clone();
            // Waits for room in the mailbox instead of losing the order.
            actix_rt::spawn(async move { manager.send(order).await });
        }
    }

    /// How many are connected.
    pub fn count(&self) -> usize {
        self.table.read().len()
    }

    /// The session with this id.
    pub fn get(&self, id: StarlingId) -> Option<Arc<Session>> {
        self.table.read().get(id)
    }

    /// Handles of everybody for whom `filter` holds.
    pub fn filter(&self, filter: impl Fn(&Starling) -> bool) -> Vec<Starling> {
        let everybody = self.sessions();
        everybody.iter().map(Session::starling).filter(|starling| filter(starling)).collect()
    }

    /// Tells everybody for whom `filter` holds. Gives the number of peers that it was queued for.
    ///
    /// # Errors
    /// If the topic is no topic or the data cannot be written.
    pub fn broadcast<T: Serialize + ?Sized>(
        &self,
        topic: &str,
        data: &T,
        filter: impl Fn(&Starling) -> bool,
    ) -> Result<usize, SendError> {
        if !is_topic_name(topic) {
            return Err(SendError::Topic(topic.to_owned()));
        }
        // Written once for each codec, whoever gets it.
        let (json, msgpack) =
            (self.frame(Codec::Json, topic, data)?, self.frame(Codec::MsgPack, topic, data)?);
        let chosen = self.sessions().into_iter().filter(|session| filter(&session.starling()));
        let told = chosen.filter(|session| {
            let frame = match session.dialect().codec {
                Codec::Json => &json,
                Codec::MsgPack => &msgpack,
            };
            session.send_frame(frame).is_ok()
        });
        Ok(told.count())
    }

    /// A whole frame with a notification.
    fn frame<T: Serialize + ?Sized>(&self, codec: Codec, topic: &str, data: &T) -> Result<Bytes, SendError> {
        let data = Payload::write(codec, data)?;
        let data = Some(data.as_raw());
        let message = Outgoing::Notification { request_id: None, topic, progress: false, data, peer: None };
        let (mut payload, mut frame) = (Vec::new(), Vec::new());
        codec.encode(&message, self.clock.now_ms(), &mut payload)?;
        write_frame(opcode_of(codec), &payload, &mut frame);
        Ok(frame.into())
    }

    /// Tells everybody who understands it that the server stops, and when to come back.
    pub fn announce_drain(&self, shared: &Shared) {
        let mut random = Random::from_system();
        for session in self.sessions() {
            session.announce_drain(shared, &mut random);
        }
    }

    /// Closes everybody, after what is queued for them.
    pub fn close_all(&self, code: CloseCode, reason: &'static str) {
        for session in self.sessions() {
            session.close(code, reason);
        }
    }

    fn sessions(&self) -> Vec<Arc<Session>> {
        self.table.read().sessions()
    }
}
