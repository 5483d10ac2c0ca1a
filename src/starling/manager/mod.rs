//! Everybody who is connected: the table, its limits, and what is said to all.

mod actor;
mod messages;
mod places;
mod table;

use std::net::IpAddr;
use std::sync::Arc;

use actix::{Actor, Addr};
use bytes::Bytes;
use serde::Serialize;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

pub use actor::StarlingsManager;
pub use places::Place;
pub(super) use table::Table;

use self::messages::Admit;
use self::places::Places;
use super::online;
use super::options::ConnectionOptions;
use super::recovery::{Ended, SessionEvent, emit};
use super::session::{Session, opcode_of};
use super::shared::Shared;
use super::websocket::write_frame;
use crate::auth::{AccountError, Principal};
use crate::base::{Random, StarlingId};
use crate::dispatch::{Peer, SendError, Starling};
use crate::protocol::{CloseCode, Codec, Dialect, Outgoing, Payload, is_topic_name};

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

/// The handle of everybody: those who are connected, and those who may come back.
#[derive(Clone, Debug)]
pub struct Starlings {
    manager: Addr<StarlingsManager>,
    places: Arc<Places>,
    gone: CancellationToken,
    shared: Arc<Shared>,
}

impl Starlings {
    /// Starts the actor on this thread.
    pub fn start(options: &ConnectionOptions, shared: &Arc<Shared>) -> Self {
        let (places, gone) = (Arc::default(), CancellationToken::new());
        let manager =
            StarlingsManager::new(options, Arc::clone(shared), Arc::clone(&places), gone.clone()).start();
        actix_rt::spawn(shared.journal.clone().run());
        let starlings = Self { manager, places, gone, shared: Arc::clone(shared) };
        starlings.remember();
        online::tend(shared);
        starlings
    }

    /// Ends when the actor has ended, which it never does while all is well.
    pub async fn gone(&self) {
        self.gone.cancelled().await;
    }

    /// Sessions of the process before this one wait for their peers.
    fn remember(&self) {
        let Some(archive) = self.shared.journal.archive() else { return };
        for (id, record) in archive.sessions() {
            let session = Session::of_record(&self.shared, id, record);
            self.shared.table.write().insert(Arc::clone(&session));
            if !session.wait_for_return() {
                session.end(Ended::Crowded);
            }
        }
        for (id, topic, written) in archive.subscriptions() {
            if let Some(session) = self.get(id) {
                session.remember_subscription(&topic, written);
            }
        }
    }

    /// Asks for a place for a connection.
    ///
    /// # Errors
    /// If a limit is reached, or the server is stopping.
    pub async fn admit(&self, address: Option<IpAddr>) -> Result<Result<Place, Refusal>, ManagerGone> {
        self.manager.send(Admit { address }).await.map_err(|_| ManagerGone)
    }

    /// A new session, in the table.
    pub(super) fn begin(&self, dialect: Dialect, principal: Principal) -> Arc<Session> {
        // It may have lost its account since it has shown it.
        let known = match &self.shared.accounts {
            Some(accounts) if principal.account().is_some() => {
                let renewed = accounts.renewed(&principal, accounts.options().grace.as_ms());
                renewed.unwrap_or_else(|_| accounts.everybody())
            }
            _ => principal,
        };
        let session = Session::new(&self.shared, dialect, known);
        self.shared.table.write().insert(Arc::clone(&session));
        self.shared.online.enter(session.id(), &session.principal());
        // A change in this very moment was told to nobody.
        if session.principal().account().is_some() {
            session.renew_principal();
        }
        emit(&self.shared, &session.starling(), &SessionEvent::New);
        session
    }

    /// Who shows an access token; whoever it was before, and the reason, if it is not good.
    pub(super) fn principal_of(&self, token: &str, known: Principal) -> (Principal, Option<&'static str>) {
        let Some(accounts) = &self.shared.accounts else { return (known, None) };
        match accounts.principal_of_token(token) {
            Ok(principal) => (principal, None),
            Err(AccountError::Refused(reason)) => (known, Some(reason.as_str())),
            Err(error) => {
                tracing::error!(%error, "an access token cannot be looked at");
                (known, Some("unknown"))
            }
        }
    }

    /// How many accounts have sessions.
    pub fn accounts_online(&self) -> usize {
        self.shared.online.count()
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// How many are connected.
    pub fn count(&self) -> usize {
        self.places.count()
    }

    /// The session with this id, be it connected or not.
    pub fn get(&self, id: StarlingId) -> Option<Arc<Session>> {
        self.shared.table.read().get(id)
    }

    pub(super) fn is_revoked(&self, id: StarlingId) -> bool {
        self.shared.table.read().is_revoked(id)
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
            session.send_frame(&frame.0, &frame.1).is_ok()
        });
        Ok(told.count())
    }

    /// A whole frame with a notification, and the notification.
    fn frame<T: Serialize + ?Sized>(
        &self,
        codec: Codec,
        topic: &str,
        data: &T,
    ) -> Result<(Bytes, Vec<u8>), SendError> {
        let data = Payload::write(codec, data)?;
        let data = Some(data.as_raw());
        let message = Outgoing::Notification { request_id: None, topic, progress: false, data, peer: None };
        let (mut payload, mut frame) = (Vec::new(), Vec::new());
        codec.encode(&message, self.shared.clock.now_ms(), &mut payload)?;
        write_frame(opcode_of(codec), &payload, &mut frame);
        Ok((frame.into(), payload))
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
            session.close_link(code, reason);
        }
    }

    /// Writes down where every session stands, for the next process. Without an archive they all end here.
    pub async fn rest(&self) {
        let sessions = self.shared.table.write().clear();
        let journal = &self.shared.journal;
        if journal.is_kept() {
            sessions.iter().flat_map(|session| session.collect(true)).for_each(|note| journal.note(note));
            if journal.write(None).await.is_err() {
                tracing::error!("the sessions could not be written down; their peers have to begin anew");
            }
        } else {
            sessions.iter().for_each(|session| session.end(Ended::Stopped));
        }
        journal.close();
    }

    fn sessions(&self) -> Vec<Arc<Session>> {
        self.shared.table.read().sessions()
    }
}
