//! The connections that are in HTTP, and who gives way when there are too many.
//!
//! One client could otherwise take all of them: by not reading its answers, by leaving connections idle, by waiting. So
//! each address has a share; a connection on which nothing happens gives way to a new one, the oldest first; an answer
//! that nobody takes ends with a time-out; requests that wait for something to happen (long polls, event streams) are
//! counted apart; and some places are kept for health checks and handshakes.

mod in_http;
mod places;
mod socket;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use slab::Slab;
use tokio::sync::Notify;

pub(super) use self::in_http::InHttp;
pub(super) use self::places::at_work;
pub(super) use self::socket::{AtWork, HttpSocket};
use super::options::GatewayOptions;
use crate::base::{Cidr, network};

/// A connection on which nothing was read or written for this long, and that has no request at work, may give way.
const QUIET: Duration = Duration::from_secs(2);

/// How often a connection that waits for its turn looks for those that have become quiet.
const LOOK: Duration = Duration::from_millis(200);

/// Places beyond the limit, for health checks and handshakes alone; and how many of them one address may have.
const KEPT: usize = 64;
const KEPT_SHARE: usize = 16;

/// All connections that are in HTTP. Clones mean the same.
#[derive(Clone, Debug)]
pub(super) struct HttpSockets(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    table: Mutex<Table>,
    /// Somebody has left.
    left: Notify,
    began: Instant,
    limit: usize,
    share: usize,
    waiting_limit: usize,
    write_timeout: Duration,
    /// Proxies bring the connections of many.
    proxies: Vec<Cidr>,
}

#[derive(Debug, Default)]
struct Table {
    sockets: Slab<Arc<HttpSocket>>,
    by_address: HashMap<IpAddr, Counts>,
    all: Counts,
    /// When nobody quiet was found last: it is not looked again at once, for each look visits all.
    looked_ms: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// In places of their own.
    placed: usize,
    /// In places that are kept for health checks and handshakes.
    kept: usize,
    /// Waiting for something to happen.
    waiting: usize,
}

impl Counts {
    fn of(&mut self, class: Class) -> &mut usize {
        match class {
            Class::Placed => &mut self.placed,
            Class::Kept => &mut self.kept,
            Class::Waiting => &mut self.waiting,
        }
    }

    fn is_empty(self) -> bool {
        self.placed + self.kept + self.waiting == 0
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Placed,
    Kept,
    Waiting,
}

impl HttpSockets {
    pub(super) fn new(options: &GatewayOptions) -> Self {
        let limit = options.http_connections_max;
        let share = match options.http_connections_per_address {
            0 => (limit / 2).max(8),
            share => share,
        };
        Self(Arc::new(Inner {
            table: Mutex::default(),
            left: Notify::new(),
            began: Instant::now(),
            limit,
            share,
            waiting_limit: options.http_waiting_max,
            write_timeout: options.write_timeout.get(),
            proxies: options.proxies(),
        }))
    }

    /// Connections that may be accepted at once, those among them that wait for a place.
    pub(super) fn accepted_max(options: &GatewayOptions) -> usize {
        2 * options.http_connections_max + options.http_waiting_max + KEPT
    }

    fn now_ms(&self) -> u64 {
        // Never 0, which stands for no time.
        self.0.began.elapsed().as_millis() as u64 + 1
    }

    /// A place for a connection from an address. Waits for one, but not longer than `patience`.
    pub(super) async fn admit(
        &self,
        address: Option<IpAddr>,
        patience: Duration,
    ) -> io::Result<Arc<HttpSocket>> {
        let address = network(address.unwrap_or(IpAddr::from([0, 0, 0, 0])));
        let waiting = async {
            loop {
                let left = self.0.left.notified();
                if let Some(socket) = self.try_admit(address) {
                    return socket;
                }
                // Quiet ones are found by looking, those who leave tell it.
                let _ = tokio::time::timeout(LOOK, left).await;
            }
        };
        tokio::time::timeout(patience, waiting).await.map_err(|_| io::ErrorKind::TimedOut.into())
    }

    fn try_admit(&self, address: IpAddr) -> Option<Arc<HttpSocket>> {
        let now_ms = self.now_ms();
        let mut table = self.0.table.lock();
        let class = match self.has_room(&mut table, address, now_ms) {
            true => Class::Placed,
            false => {
                let mine = table.by_address.get(&address).map_or(0, |counts| counts.kept);
                if mine >= KEPT_SHARE || table.all.kept >= KEPT {
                    return None;
                }
                Class::Kept
            }
        };
        let socket = Arc::new(HttpSocket::new(self, address, class, now_ms));
        *socket.key.lock() = Some(table.sockets.insert(Arc::clone(&socket)));
        table.count(address, class, 1);
        Some(socket)
    }

    /// Whether there is room for one more of an address; a quiet connection may have had to make it.
    fn has_room(&self, table: &mut Table, address: IpAddr, now_ms: u64) -> bool {
        let share = if self.is_proxy(address) { self.0.limit } else { self.0.share };
        let mine = table.by_address.get(&address).map_or(0, |counts| counts.placed);
        if mine >= share {
            table.end_quiet(now_ms, |socket| socket.address == address)
        } else {
            table.all.placed < self.0.limit || table.end_quiet(now_ms, |_| true)
        }
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.0.proxies.iter().any(|block| block.contains(address))
    }

    /// A place like any other for a connection that has one of those that are kept. Waits for it a little.
    pub(super) async fn promote(&self, socket: &HttpSocket) -> bool {
        let waiting = async {
            while !self.try_promote(socket) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(2 * QUIET, waiting).await.is_ok()
    }

    fn try_promote(&self, socket: &HttpSocket) -> bool {
        let now_ms = self.now_ms();
        let mut table = self.0.table.lock();
        if !self.has_room(&mut table, socket.address, now_ms) || socket.key.lock().is_none() {
            return false;
        }
        table.count(socket.address, Class::Kept, -1);
        table.count(socket.address, Class::Placed, 1);
        *socket.class.lock() = Class::Placed;
        true
    }

    /// Ends connections whose peers have not taken their answers for too long, again and again.
    pub(super) async fn tend(self) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let (now_ms, longest) = (self.now_ms(), self.0.write_timeout.as_millis() as u64);
            if longest == 0 {
                continue;
            }
            let mut table = self.0.table.lock();
            let stuck = |socket: &Arc<HttpSocket>| match socket.stuck_ms.load(Ordering::Relaxed) {
                0 => false,
                since => now_ms.saturating_sub(since) > longest,
            };
            let stuck: Vec<_> =
                table.sockets.iter().filter(|(_, it)| stuck(it)).map(|(_, it)| Arc::clone(it)).collect();
            for socket in stuck {
                table.remove(&socket);
                socket.end();
            }
            drop(table);
            self.0.left.notify_waiters();
        }
    }
}

impl Table {
    fn count(&mut self, address: IpAddr, class: Class, by: isize) {
        let mine = self.by_address.entry(address).or_default();
        let add = |count: &mut usize| *count = count.saturating_add_signed(by);
        add(mine.of(class));
        let gone = mine.is_empty();
        add(self.all.of(class));
        if gone {
            self.by_address.remove(&address);
        }
    }

    /// Ends the connection that has been quiet for longest. Says whether there was one.
    fn end_quiet(&mut self, now_ms: u64, fits: impl Fn(&HttpSocket) -> bool) -> bool {
        if now_ms.saturating_sub(self.looked_ms) < LOOK.as_millis() as u64 / 4 {
            return false;
        }
        let placed = |socket: &&Arc<HttpSocket>| *socket.class.lock() == Class::Placed && fits(socket);
        let all =
            self.sockets.iter().map(|(_, socket)| socket).filter(placed).filter(|it| it.is_quiet(now_ms));
        let oldest = all.min_by_key(|socket| socket.active_ms.load(Ordering::Relaxed)).map(Arc::clone);
        let Some(oldest) = oldest else {
            self.looked_ms = now_ms;
            return false;
        };
        self.remove(&oldest);
        oldest.end();
        true
    }

    fn remove(&mut self, socket: &HttpSocket) {
        if let Some(key) = socket.key.lock().take() {
            self.sockets.try_remove(key);
            self.count(socket.address, *socket.class.lock(), -1);
        }
    }
}
