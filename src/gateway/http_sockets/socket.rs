//! One connection that is in HTTP, as the table of all of them knows it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::Waker;

use parking_lot::Mutex;

use super::{Class, HttpSockets, QUIET};

/// What is known of one connection.
#[derive(Debug)]
pub(in super::super) struct HttpSocket {
    pub(super) sockets: HttpSockets,
    pub(super) address: IpAddr,
    pub(super) class: Mutex<Class>,
    pub(super) key: Mutex<Option<usize>>,
    /// Requests that are being worked on.
    pub(super) requests: AtomicU32,
    /// When bytes last went in either direction, in milliseconds since the table began.
    pub(super) active_ms: AtomicU64,
    /// Since when bytes wait to be taken by the peer; 0 if none do.
    pub(super) stuck_ms: AtomicU64,
    pub(super) ended: AtomicBool,
    pub(super) waker: Mutex<Option<Waker>>,
}

/// A request that is being worked on.
#[derive(Debug)]
pub(in super::super) struct AtWork(Arc<HttpSocket>);

impl HttpSocket {
    pub(super) fn new(sockets: &HttpSockets, address: IpAddr, class: Class, now_ms: u64) -> Self {
        Self {
            sockets: sockets.clone(),
            address,
            class: Mutex::new(class),
            key: Mutex::new(None),
            requests: AtomicU32::new(0),
            active_ms: AtomicU64::new(now_ms),
            stuck_ms: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            waker: Mutex::new(None),
        }
    }

    /// Whether it has a place that is kept for health checks and handshakes.
    pub(super) fn is_kept(&self) -> bool {
        *self.class.lock() == Class::Kept
    }

    /// Gives it a place like any other, if there is one soon.
    pub(in super::super) async fn promote(&self) -> bool {
        self.sockets.promote(self).await
    }

    /// A request begins.
    pub(in super::super) fn begin(self: &Arc<Self>) -> AtWork {
        self.requests.fetch_add(1, Ordering::Relaxed);
        AtWork(Arc::clone(self))
    }

    /// The request waits for something to happen: from now on the connection is counted apart. `false` if too many wait.
    pub(in super::super) fn wait_apart(&self) -> bool {
        let inner = &self.sockets.0;
        let mut table = inner.table.lock();
        let mut class = self.class.lock();
        if *class == Class::Waiting {
            return true;
        }
        let mine = table.by_address.get(&self.address).map_or(0, |counts| counts.waiting);
        let share = inner.waiting_limit.div_ceil(2);
        if table.all.waiting >= inner.waiting_limit || (!self.sockets.is_proxy(self.address) && mine >= share)
        {
            return false;
        }
        if self.key.lock().is_some() {
            table.count(self.address, *class, -1);
            table.count(self.address, Class::Waiting, 1);
            *class = Class::Waiting;
        }
        drop((class, table));
        inner.left.notify_one();
        true
    }

    /// It does not wait any more. Its next request needs a place like any other; it has one if there is room.
    fn wait_no_more(&self) {
        let inner = &self.sockets.0;
        let mut table = inner.table.lock();
        let mut class = self.class.lock();
        if *class == Class::Waiting && self.key.lock().is_some() {
            table.count(self.address, Class::Waiting, -1);
            table.count(self.address, Class::Placed, 1);
            *class = Class::Placed;
        }
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(waker) = self.waker.lock().take() {
            waker.wake();
        }
    }

    pub(super) fn leave(&self) {
        self.sockets.0.table.lock().remove(self);
        self.sockets.0.left.notify_one();
    }

    /// Whether it may give way: nothing moves, and no request is being worked on.
    pub(super) fn is_quiet(&self, now_ms: u64) -> bool {
        let long_ago = |since: u64| now_ms.saturating_sub(since) >= QUIET.as_millis() as u64;
        let stuck = self.stuck_ms.load(Ordering::Relaxed);
        self.requests.load(Ordering::Relaxed) == 0
            && (long_ago(self.active_ms.load(Ordering::Relaxed)) || stuck != 0 && long_ago(stuck))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.active_ms.store(self.0.sockets.now_ms(), Ordering::Relaxed);
        if self.0.requests.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.wait_no_more();
        }
    }
}
