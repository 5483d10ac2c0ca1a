//! A peer in Rust: connects, calls, listens. What `helios call` and the tests talk with.
//!
//! Its framing is `tungstenite`'s, not ours, so that the two check each other. It does not reconnect; that is
//! the JavaScript client's work.

mod connect;
mod received;

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{self, Message};

pub use connect::{ConnectError, Credential, PeerOptions, Resume, ResumeWay};
pub use received::{CallFailure, Place, Received};

use self::connect::Socket;
use crate::base::Clock;
use crate::protocol::{
    Codec, Dialect, EncodeError, Outgoing, Payload, PayloadError, RequestId, TOPIC_ACK, TOPIC_RESUME,
    is_about_connection,
};

/// A connection to a server.
#[derive(Debug)]
pub struct Peer {
    socket: Socket,
    dialect: Dialect,
    clock: Clock,
    /// What came while something else was waited for.
    waiting: VecDeque<Received>,
    limit: Duration,
    /// Messages for the application that have come over this connection.
    received: u64,
    /// Messages of the application that were sent over it.
    sent: u64,
}

/// Why something did not work out.
#[derive(Debug, Error)]
pub enum PeerError {
    /// The server answered with an error.
    #[error("{0}")]
    Failed(CallFailure),
    /// The connection is closed, with this code if there was one.
    #[error("the connection is closed ({0:?})")]
    Closed(Option<u16>),
    /// Nothing came in time.
    #[error("nothing came within {0:?}")]
    Timeout(Duration),
    /// The socket failed.
    #[error("the connection failed")]
    Socket(#[source] Box<tungstenite::Error>),
    /// A value cannot be written.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A message cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl From<tungstenite::Error> for PeerError {
    fn from(error: tungstenite::Error) -> Self {
        Self::Socket(Box::new(error))
    }
}

impl Peer {
    /// Connects to a `ws:` or `wss:` address.
    ///
    /// # Errors
    /// If there is no server, or it refuses.
    pub async fn connect(url: &str, options: &PeerOptions) -> Result<Self, ConnectError> {
        let (socket, dialect) = connect::connect(url, options).await?;
        let (clock, limit) = (Clock::default(), options.timeout);
        let mut peer = Self { socket, dialect, clock, waiting: VecDeque::new(), limit, received: 0, sent: 0 };
        if let Some(resume) = options.resume.as_ref().filter(|resume| resume.way == ResumeWay::Message) {
            let Resume { token, position, instance, attempt, topics, access_token, .. } = resume;
            let data = json!({
                "token": token, "position": position, "instance": instance, "attempt": attempt,
                "topics": topics, "accessToken": access_token,
            });
            let sent = peer.notify(TOPIC_RESUME, &data).await;
            sent.map_err(|error| ConnectError::Resume(Box::new(error)))?;
        }
        Ok(peer)
    }

    /// Calls a method and waits for its answer. What else comes is kept for [`Peer::receive`].
    ///
    /// # Errors
    /// If the server answers with an error, or not at all.
    pub async fn request(&mut self, method: &str, payload: &Value) -> Result<Value, PeerError> {
        let id = self.send_request(method, Some(payload)).await?;
        self.answer(&id).await
    }

    /// Sends a request without waiting.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn send_request(
        &mut self,
        method: &str,
        payload: Option<&Value>,
    ) -> Result<RequestId, PeerError> {
        let id = RequestId::generate();
        let payload = payload.map(|value| Payload::write(self.dialect.codec, value)).transpose()?;
        let payload = payload.as_ref().map(Payload::as_raw);
        self.send(&Outgoing::Request { id: &id, method, payload, peer: None }).await?;
        Ok(id)
    }

    /// Waits for the answer to a request. What else comes is kept for [`Peer::receive`].
    ///
    /// # Errors
    /// If the server answers with an error, or not at all.
    pub async fn answer(&mut self, wanted: &RequestId) -> Result<Value, PeerError> {
        let wanted = wanted.to_string();
        let fits = |received: &Received| matches!(received, Received::Response { id, .. } if *id == wanted);
        match self.expect(fits).await? {
            Received::Response { result, .. } => result.map_err(PeerError::Failed),
            _ => Err(PeerError::Closed(None)),
        }
    }

    /// Waits for a message that fits; what else comes is kept.
    ///
    /// # Errors
    /// If none comes in time or the connection ends.
    pub async fn expect(&mut self, fits: impl Fn(&Received) -> bool) -> Result<Received, PeerError> {
        if let Some(at) = self.waiting.iter().position(&fits) {
            return self.waiting.remove(at).ok_or(PeerError::Closed(None));
        }
        loop {
            let received = self.next().await?;
            if fits(&received) {
                return Ok(received);
            }
            self.waiting.push_back(received);
        }
    }

    /// The next message, whatever it is.
    ///
    /// # Errors
    /// If none comes in time or the connection ends.
    pub async fn receive(&mut self) -> Result<Received, PeerError> {
        match self.waiting.pop_front() {
            Some(received) => Ok(received),
            None => self.next().await,
        }
    }

    /// Sends a notification.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn notify(&mut self, topic: &str, data: &Value) -> Result<(), PeerError> {
        let data = Payload::write(self.dialect.codec, data)?;
        let data = Some(data.as_raw());
        self.send(&Outgoing::Notification { request_id: None, topic, progress: false, data, peer: None })
            .await
    }

    /// Answers a request of the server.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn respond(&mut self, id: &str, data: &Value) -> Result<(), PeerError> {
        let data = Payload::write(self.dialect.codec, data)?;
        let Some(id) = RequestId::parse(id) else { return Err(PeerError::Closed(None)) };
        self.send(&Outgoing::Response { id: &id, result: Ok(Some(data.as_raw())), peer: None }).await
    }

    /// Sends any message.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn send(&mut self, message: &Outgoing<'_>) -> Result<(), PeerError> {
        let mut bytes = Vec::new();
        self.dialect.codec.encode(message, self.clock.now_ms(), &mut bytes)?;
        if !matches!(message, Outgoing::Notification { topic, .. } if is_about_connection(topic)) {
            self.sent += 1;
        }
        match (self.dialect.codec, String::from_utf8(bytes)) {
            (Codec::Json, Ok(text)) => self.send_text(text).await,
            (_, Ok(text)) => self.send_binary(text.into_bytes()).await,
            (_, Err(error)) => self.send_binary(error.into_bytes()).await,
        }
    }

    /// Acknowledges everything up to a number.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn acknowledge(&mut self, number: u64) -> Result<(), PeerError> {
        self.notify(TOPIC_ACK, &json!(number)).await
    }

    /// Messages for the application that have come over this connection: with the position at which it began,
    /// the position now.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Messages of the application that were sent over this connection.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Sends text as it is.
    ///
    /// # Errors
    /// If the connection is closed.
    pub async fn send_text(&mut self, text: impl Into<String>) -> Result<(), PeerError> {
        Ok(self.socket.send(Message::text(text.into())).await?)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// If the connection is closed.
    pub async fn send_binary(&mut self, bytes: Vec<u8>) -> Result<(), PeerError> {
        Ok(self.socket.send(Message::binary(bytes)).await?)
    }

    /// Closes the connection and waits for the server to agree.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn close(mut self) -> Result<(), PeerError> {
        self.socket.close(None).await?;
        loop {
            match self.next().await {
                Ok(_) => {}
                Err(PeerError::Closed(_)) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn counted(&mut self, received: Received) -> Received {
        let about = match &received {
            Received::Notification { topic, published, .. } => {
                published.is_some() || is_about_connection(topic)
            }
            Received::Other(_) => true,
            _ => false,
        };
        self.received += u64::from(!about);
        received
    }

    async fn next(&mut self) -> Result<Received, PeerError> {
        loop {
            let message = timeout(self.limit, self.socket.next())
                .await
                .map_err(|_| PeerError::Timeout(self.limit))?
                .ok_or(PeerError::Closed(None))??;
            match message {
                Message::Text(text) => {
                    let received = Received::of(self.dialect.decode_text(&text), text.as_bytes());
                    return Ok(self.counted(received));
                }
                Message::Binary(bytes) => {
                    let received = Received::of(self.dialect.decode_binary(&bytes), &bytes);
                    return Ok(self.counted(received));
                }
                Message::Close(frame) => {
                    // Lets the closing handshake finish, so that the server sees it.
                    let _ = self.socket.flush().await;
                    return Err(PeerError::Closed(frame.map(|frame| frame.code.into())));
                }
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }
}
