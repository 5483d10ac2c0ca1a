//! One connection: reads, works on what has come, and answers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::commands::{COMMANDS, Kind};
use super::lines::{self, LINE_BYTES_MAX};
use super::port::Port;
use super::request::{self, Args, Parsed, Progress, ProtocolError, RequestLimits};
use super::session::Session;

/// How long a peer has to take its last answers when the port closes.
const GRACE: Duration = Duration::from_secs(2);

/// Bytes of an empty buffer that are kept; what a large request has taken is given back.
const IDLE_BYTES: usize = 16 * 1024;

/// One request of someone who has not said the password: no more than that takes.
const STRANGER: RequestLimits = RequestLimits { args: 10, arg_bytes: 16 * 1024, bytes: 64 * 1024 };

/// One request of others. Values that are too long are refused by name; what is longer than this by closing.
const KNOWN: RequestLimits = RequestLimits { args: 1 << 20, arg_bytes: 24 << 20, bytes: 64 << 20 };

/// What kind of peer it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Protocol {
    Redis,
    Lines,
}

/// A connection at work.
pub(super) struct Connection<S> {
    stream: S,
    port: Arc<Port>,
    /// What the peer speaks, once it is known.
    protocol: Option<Protocol>,
    buffer: BytesMut,
    progress: Progress,
    /// Bytes of the buffer that are known to hold no end of a line.
    searched: usize,
    batch: Batch,
    session: Session,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S, port: Arc<Port>, id: u64, address: SocketAddr) -> Self {
        Self {
            stream,
            protocol: None,
            buffer: BytesMut::new(),
            progress: Progress::default(),
            searched: 0,
            batch: Batch::new(Arc::clone(&port)),
            session: Session::new(&port, id, address),
            port,
        }
    }

    /// Serves until the peer goes, is sent away, or the port closes.
    pub(super) async fn serve(mut self, closing: CancellationToken) -> io::Result<()> {
        if !self.receive(&closing).await? {
            return Ok(());
        }
        loop {
            self.batch.begin();
            while self.work().await {
                self.send(&closing).await?;
            }
            self.send(&closing).await?;
            if self.session.leaving || !self.receive(&closing).await? {
                // The peer reads to the end of what was sent before it sees the close.
                return tokio::time::timeout(GRACE, self.stream.shutdown()).await?;
            }
        }
    }

    /// More bytes; `false` if there are none, or it is time to go.
    async fn receive(&mut self, closing: &CancellationToken) -> io::Result<bool> {
        if self.buffer.is_empty() && self.buffer.capacity() > IDLE_BYTES {
            self.buffer = BytesMut::new();
        }
        self.buffer.reserve(IDLE_BYTES / 2);
        let idle = self.port.options.idle_timeout;
        let timeout = async {
            if idle.is_zero() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(idle.get()).await;
        };
        tokio::select! {
            biased;
            () = closing.cancelled() => Ok(false),
            read = self.stream.read_buf(&mut self.buffer) => Ok(read? > 0),
            () = timeout => {
                self.refused("idle");
                Ok(false)
            }
        }
    }

    /// Sends the answers. A peer that does not take them is not waited for when the port closes, nor for
    /// longer than it may be idle.
    async fn send(&mut self, closing: &CancellationToken) -> io::Result<()> {
        let answers = &mut self.batch.answers.bytes;
        if answers.is_empty() {
            return Ok(());
        }
        let idle = self.port.options.idle_timeout;
        let write = async {
            self.stream.write_all(answers).await?;
            self.stream.flush().await
        };
        tokio::select! {
            sent = write => sent?,
            () = async { closing.cancelled().await; tokio::time::sleep(GRACE).await } => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            () = tokio::time::sleep(idle.get()), if !idle.is_zero() => {
                self.refused("idle");
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        answers.clear();
        answers.shrink_to(IDLE_BYTES);
        Ok(())
    }

    /// Works on what has come. `true` if there is more to work on once the answers are sent.
    async fn work(&mut self) -> bool {
        let mut more = true;
        while more && !self.session.leaving && !self.batch.is_full() {
            more = match self.protocol() {
                Some(Protocol::Redis) => self.request().await,
                Some(Protocol::Lines) => self.line(),
                None => {
                    // Nothing but blanks: they need not be kept for ever.
                    if self.buffer.len() > IDLE_BYTES {
                        self.buffer.clear();
                    }
                    false
                }
            };
        }
        self.batch.finish().await;
        more && !self.session.leaving
    }

    /// Which protocol it is. A blank line says nothing, nor does a line that is no command of Redis: a peer of JSON lines
    /// may begin with either, and is known by the first `{` or `[` at the beginning of a line.
    fn protocol(&mut self) -> Option<Protocol> {
        let begins = |byte: &u8| matches!(byte, b'{' | b'[');
        match self.protocol {
            Some(Protocol::Redis) if self.session.understood => {}
            Some(Protocol::Lines) => {}
            _ => {
                self.protocol = self
                    .buffer
                    .iter()
                    .find(|byte| !byte.is_ascii_whitespace())
                    .map(|byte| if begins(byte) { Protocol::Lines } else { Protocol::Redis });
            }
        }
        self.protocol
    }

    /// Works on one request of the Redis protocol. `false` if none is whole.
    async fn request(&mut self) -> bool {
        if self.buffer.is_empty() {
            return false;
        }
        let limits = if self.session.authenticated { KNOWN } else { STRANGER };
        match request::parse(&self.buffer, &mut self.progress, limits) {
            Ok(Parsed::More(bytes)) => {
                self.buffer.reserve(bytes.saturating_sub(self.buffer.len()));
                false
            }
            Ok(Parsed::Whole(bytes)) => {
                let args = Args::new(&self.buffer, self.progress.places());
                if args.len() > 0 {
                    self.session.command(args, &mut self.batch).await;
                }
                request::consume(&mut self.buffer, bytes);
                self.progress.restart();
                true
            }
            Err(ProtocolError(text)) => {
                self.refused("protocol");
                self.batch.answer(COMMANDS.len(), |to| to.error(&format!("ERR Protocol error: {text}")));
                self.session.leaving = true;
                false
            }
        }
    }

    /// Works on one JSON line. `false` if none is whole.
    fn line(&mut self) -> bool {
        let limit = if self.session.authenticated { LINE_BYTES_MAX } else { STRANGER.bytes };
        let Some(end) = memchr::memchr(b'\n', &self.buffer[self.searched..]) else {
            self.searched = self.buffer.len();
            if self.buffer.len() > limit {
                self.refused("line");
                let text = format!("a line has at most {limit} bytes");
                self.batch.answer(COMMANDS.len(), |to| lines::error(&text, &mut to.bytes));
                self.session.leaving = true;
            }
            return false;
        };
        let end = self.searched + end;
        self.searched = 0;
        if end > limit {
            self.refused("line");
            let text = format!("a line has at most {limit} bytes");
            self.batch.answer(COMMANDS.len(), |to| lines::error(&text, &mut to.bytes));
        } else {
            lines::line(&self.buffer[..end], &mut self.session, &mut self.batch);
        }
        request::consume(&mut self.buffer, end + 1);
        true
    }

    fn refused(&self, reason: &str) {
        self.port.store.metrics().atlas.connections_refused.with_label_values(&[reason]).inc();
    }
}

/// Whether a command is allowed before the password is said.
pub(super) fn is_for_strangers(kind: Kind) -> bool {
    use super::commands::Session as Command;
    matches!(kind, Kind::Session(Command::Auth | Command::Hello | Command::Quit | Command::Reset))
}
