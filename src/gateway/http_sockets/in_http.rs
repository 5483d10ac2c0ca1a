//! A socket as long as it is in HTTP: tells when bytes move, and ends when it has to give way.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use actix_codec::{AsyncRead, AsyncWrite, ReadBuf};

use super::HttpSocket;

/// Which way bytes went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Direction {
    In,
    Out,
    None,
}

/// A socket that is in HTTP.
#[derive(Debug)]
pub(in super::super) struct InHttp<T> {
    io: Option<T>,
    pub(in super::super) socket: Arc<HttpSocket>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> InHttp<T> {
    pub(in super::super) fn new(io: T, socket: Arc<HttpSocket>) -> Self {
        Self { io: Some(io), socket }
    }

    /// The socket itself, which leaves HTTP.
    pub(in super::super) fn into_inner(mut self) -> Option<T> {
        self.io.take()
    }

    fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
        work: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let Some(io) = &mut self.io else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        if self.socket.ended.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let polled = work(Pin::new(io), cx);
        match &polled {
            Poll::Ready(_) => {
                if direction != Direction::None {
                    self.socket.active_ms.store(self.socket.sockets.now_ms(), Ordering::Relaxed);
                }
                if direction == Direction::Out {
                    self.socket.stuck_ms.store(0, Ordering::Relaxed);
                }
            }
            Poll::Pending => {
                let mut waker = self.socket.waker.lock();
                if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                    *waker = Some(cx.waker().clone());
                }
                drop(waker);
                // It may have been ended before it could be woken.
                if self.socket.ended.load(Ordering::Relaxed) {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
            }
        }
        polled
    }

    fn written<R>(&self, polled: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if polled.is_pending() {
            let now_ms = self.socket.sockets.now_ms();
            let _ = self.socket.stuck_ms.compare_exchange(0, now_ms, Ordering::Relaxed, Ordering::Relaxed);
        }
        polled
    }
}

impl<T> Drop for InHttp<T> {
    fn drop(&mut self) {
        self.socket.leave();
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for InHttp<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(cx, Direction::In, |io, cx| io.poll_read(cx, buf))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for InHttp<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = self.poll(cx, Direction::Out, |io, cx| io.poll_write(cx, bytes));
        self.written(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.poll(cx, Direction::None, AsyncWrite::poll_flush);
        self.written(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, Direction::None, AsyncWrite::poll_shutdown)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = self.poll(cx, Direction::Out, |io, cx| io.poll_write_vectored(cx, parts));
        self.written(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }
}
