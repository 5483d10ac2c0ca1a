//! The actor of one socket: reads frames, hands messages to its service, writes the outbox.
//!
//! It owns the raw socket that an HTTP upgrade left behind. All connections of a worker thread read into one
//! buffer, so an idle connection has none. It has no mailbox messages: others reach it through its [`Link`],
//! which saves a queue per connection and a message per publication. The actor decides when to read: while
//! its outbox does not drain, it does not, so a peer that does not read is not read from.

use std::cell::RefCell;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};
use std::{net::IpAddr, pin::Pin};

use actix::fut::ActorFuture;
use actix::{Actor, ActorContext, AsyncContext, Context};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::heartbeat::{self, Pulse, Timing};
use super::link::{Link, Next};
use super::options::ConnectionOptions;
use super::websocket::{Decoder, Event, FrameLimits, Opcode};
use crate::telemetry::Metrics;

/// A socket that an HTTP upgrade can leave behind.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Transport for T {}

/// What is done with the messages of a connection.
pub trait Service: Unpin + 'static {
    /// The socket is ready. Called once, before anything else.
    fn opened(&mut self, link: &Arc<Link>);
    /// A text message came.
    fn text(&mut self, text: &str);
    /// A binary message came.
    fn binary(&mut self, bytes: &[u8]);
    /// A message came that was too long to keep: its length and its beginning.
    fn too_long(&mut self, bytes: u64, prefix: &[u8]);
    /// The socket is gone. Called once, after everything else.
    fn closed(&mut self, code: u16);
}

/// The actor of one socket.
pub struct Connection<T: Transport, S: Service> {
    socket: T,
    service: S,
    link: Arc<Link>,
    decoder: Decoder,
    /// Bytes that came with the handshake.
    early: BytesMut,
    writing: Bytes,
    /// Bytes written since the link was told.
    written: usize,
    /// The socket took no more at the last try.
    stuck: bool,
    timing: Timing,
    read_pause_bytes: usize,
    phase: Phase,
    /// Our close frame was taken for writing; nothing comes after it.
    close_taken: bool,
    /// The wheel was told that the end has begun.
    close_watched: bool,
    closed: bool,
}

/// How far the life of the socket has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Messages are read.
    Open,
    /// Our close frame is on its way; the peer's is awaited, messages are ignored.
    Closing,
    /// The peer closed, or broke the framing: nothing it says counts any more.
    Deaf {
        /// Whether to wait for its end of the stream, so that our close frame is not lost to a reset.
        linger: bool,
    },
}

/// What to do after a turn.
enum Turn {
    Wait,
    Stop,
}

/// How much writing got done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flushed {
    All,
    Blocked,
    /// The close frame is out.
    Closed,
    Broken,
}

enum Reading {
    Some,
    Nothing,
    Ended,
}

/// One read never takes more; it is also what a thread sets aside for all its connections.
const READ_BYTES: usize = 64 * 1024;

/// Reads in one turn before other connections of the thread get theirs.
const READS_PER_TURN: usize = 8;

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl<T: Transport, S: Service> Connection<T, S> {
    /// Starts the actor on this thread. `early` are bytes that came with the handshake.
    pub fn start_on(
        (socket, address): (T, Option<IpAddr>),
        early: BytesMut,
        service: S,
        options: &ConnectionOptions,
        metrics: &Arc<Metrics>,
    ) {
        let timing = Timing::of(options);
        let pulse = Pulse::starting(heartbeat::now());
        let link = Arc::new(Link::new(address, options.outbox_bytes_max.0, Arc::clone(metrics), pulse));
        let limits = FrameLimits {
            message_bytes_max: options.message_bytes_max.0,
            frame_bytes_max: options.frame_bytes_max.0,
        };
        let connection = Self {
            socket,
            service,
            link,
            decoder: Decoder::new(limits),
            early,
            writing: Bytes::new(),
            written: 0,
            stuck: false,
            timing,
            read_pause_bytes: options.read_pause_bytes.0,
            phase: Phase::Open,
            close_taken: false,
            close_watched: false,
            closed: false,
        };
        connection.start();
    }

    fn turn(&mut self, cx: &mut TaskContext<'_>) -> Turn {
        self.link.arm(cx.waker());
        let mut reads = 0;
        loop {
            let flushed = self.flush(cx);
            if flushed == Flushed::Broken || self.link.is_expired() {
                return Turn::Stop;
            }
            if !self.close_watched && self.link.is_closing() {
                self.close_watched = true;
                heartbeat::watch_close(&self.link, self.timing);
            }
            if flushed == Flushed::Closed && self.after_close_frame(cx) {
                return Turn::Stop;
            }
            let blocked = flushed == Flushed::Blocked;
            if blocked && self.link.waiting() > self.read_pause_bytes && self.phase == Phase::Open {
                return self.wait(true);
            }
            if reads == READS_PER_TURN {
                cx.waker().wake_by_ref();
                return self.wait(blocked);
            }
            match self.read(cx) {
                Reading::Some => reads += 1,
                Reading::Ended => return Turn::Stop,
                Reading::Nothing if blocked || self.link.rest(false, std::mem::take(&mut self.written)) => {
                    return self.wait(blocked);
                }
                Reading::Nothing => {}
            }
        }
    }

    fn wait(&mut self, blocked: bool) -> Turn {
        self.link.rest(blocked, std::mem::take(&mut self.written));
        Turn::Wait
    }

    /// Writes until nothing is left or the socket takes no more.
    fn flush(&mut self, cx: &mut TaskContext<'_>) -> Flushed {
        loop {
            while self.writing.has_remaining() {
                match Pin::new(&mut self.socket).poll_write(cx, &self.writing) {
                    Poll::Ready(Ok(0) | Err(_)) => return Flushed::Broken,
                    Poll::Ready(Ok(count)) => {
                        self.writing.advance(count);
                        self.written += count;
                        self.link.metrics().sent_bytes.inc_by(count as u64);
                        // A full socket that takes bytes again has a peer that lives, even if its pong waits
                        // behind what we do not read.
                        if std::mem::take(&mut self.stuck) {
                            self.link.heard(false, heartbeat::now());
                        }
                    }
                    Poll::Pending => {
                        self.stuck = true;
                        return Flushed::Blocked;
                    }
                }
            }
            match self.link.next(std::mem::take(&mut self.written)) {
                Next::Bytes(bytes) => self.writing = bytes,
                Next::Close(bytes) => {
                    self.writing = bytes;
                    if self.phase == Phase::Open {
                        self.phase = Phase::Closing;
                    }
                    self.close_taken = true;
                }
                Next::Nothing => break,
            }
        }
        match Pin::new(&mut self.socket).poll_flush(cx) {
            Poll::Ready(Ok(())) if self.close_taken => Flushed::Closed,
            Poll::Ready(Ok(())) => Flushed::All,
            Poll::Ready(Err(_)) => Flushed::Broken,
            Poll::Pending => Flushed::Blocked,
        }
    }

    /// Our close frame is out. Says whether that was all.
    fn after_close_frame(&mut self, cx: &mut TaskContext<'_>) -> bool {
        match self.phase {
            Phase::Deaf { linger: false } => {
                let _ = Pin::new(&mut self.socket).poll_shutdown(cx);
                true
            }
            Phase::Deaf { linger: true } => {
                // The peer sees the end of the stream; its own end is awaited by `read`.
                let _ = Pin::new(&mut self.socket).poll_shutdown(cx);
                false
            }
            _ => false,
        }
    }

    fn read(&mut self, cx: &mut TaskContext<'_>) -> Reading {
        let mut buffer = READ_BUFFER.take();
        if buffer.is_empty() {
            buffer.resize(READ_BYTES, 0);
        }
        let reading = match self.fill(cx, &mut buffer) {
            Poll::Pending => Reading::Nothing,
            Poll::Ready(0) => Reading::Ended,
            Poll::Ready(count) => {
                self.link.metrics().received_bytes.inc_by(count as u64);
                self.take_in(&mut buffer[..count]);
                Reading::Some
            }
        };
        READ_BUFFER.set(buffer);
        reading
    }

    /// Reads bytes; 0 is the end, be it in peace or by an error.
    fn fill(&mut self, cx: &mut TaskContext<'_>, buffer: &mut [u8]) -> Poll<usize> {
        if !self.early.is_empty() {
            let count = self.early.len().min(buffer.len());
            self.early.copy_to_slice(&mut buffer[..count]);
            if self.early.is_empty() {
                self.early = BytesMut::new();
            }
            return Poll::Ready(count);
        }
        let mut target = ReadBuf::new(buffer);
        let read = ready!(Pin::new(&mut self.socket).poll_read(cx, &mut target));
        Poll::Ready(read.map_or(0, |()| target.filled().len()))
    }

    fn take_in(&mut self, mut bytes: &mut [u8]) {
        let mut spoken = false;
        while !bytes.is_empty() && !matches!(self.phase, Phase::Deaf { .. }) {
            // Once a close is asked for, nothing new is begun.
            if self.phase == Phase::Open && self.link.is_closing() {
                self.phase = Phase::Closing;
            }
            let (consumed, event) = match self.decoder.decode(bytes) {
                Ok(step) => (step.consumed, step.event),
                Err(violation) => {
                    self.link.close(violation.close_code(), violation.to_string());
                    self.phase = Phase::Deaf { linger: true };
                    break;
                }
            };
            match event {
                None => {}
                Some(Event::Close(code)) => {
                    let code = code.unwrap_or(1005);
                    self.link.close_with(code, "".into());
                    self.phase = Phase::Deaf { linger: false };
                }
                Some(Event::Ping(payload)) => {
                    let _ = self.link.send(Opcode::Pong, payload);
                }
                Some(Event::Pong) => {}
                Some(_) if self.phase != Phase::Open => {}
                Some(message) => {
                    spoken = true;
                    match message {
                        Event::Text(text) => self.service.text(text),
                        Event::Binary(bytes) => self.service.binary(bytes),
                        Event::TooLong { bytes, prefix } => self.service.too_long(bytes, prefix),
                        Event::Close(_) | Event::Ping(_) | Event::Pong => {}
                    }
                }
            }
            bytes = &mut std::mem::take(&mut bytes)[consumed..];
            // Answers first: what is left is handled once the socket was offered what waits.
            if !bytes.is_empty() && self.link.waiting() > self.read_pause_bytes {
                self.put_back(bytes);
                break;
            }
        }
        self.link.heard(spoken, heartbeat::now());
    }

    /// Keeps bytes that were read but not handled; they come before anything else.
    fn put_back(&mut self, bytes: &[u8]) {
        let mut early = BytesMut::with_capacity(bytes.len() + self.early.len());
        early.extend_from_slice(bytes);
        early.extend_from_slice(&self.early);
        self.early = early;
    }

    fn close_service(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            let code = self.link.gone(std::mem::take(&mut self.written));
            self.service.closed(code);
        }
    }
}

impl<T: Transport, S: Service> Actor for Connection<T, S> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.service.opened(&self.link);
        heartbeat::watch(&self.link, self.timing);
        // The clock of an idle thread stood still until now.
        self.link.heard(true, heartbeat::now());
        ctx.spawn(Pump);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.close_service();
    }
}

impl<T: Transport, S: Service> Drop for Connection<T, S> {
    /// Also after a panic the session learns that its socket is gone.
    fn drop(&mut self) {
        self.close_service();
    }
}

/// Drives the socket whenever the actor is woken.
struct Pump;

impl<T: Transport, S: Service> ActorFuture<Connection<T, S>> for Pump {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        connection: &mut Connection<T, S>,
        ctx: &mut Context<Connection<T, S>>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        match connection.turn(task) {
            Turn::Wait => Poll::Pending,
            Turn::Stop => {
                ctx.terminate();
                Poll::Ready(())
            }
        }
    }
}
