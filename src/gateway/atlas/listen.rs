//! Listens, and gives each connection to one of the port's threads.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::super::serve::{self, ServeError};
use super::super::tls;
use super::connection::Connection;
use super::options::AtlasOptions;
use super::port::Port;
use crate::auth::Accounts;
use crate::store::{Keyspace, Store};

/// The open port. Dropping it closes it, once each connection has its answers.
#[derive(Debug)]
pub struct AtlasPort {
    address: SocketAddr,
    closing: CancellationToken,
    threads: Vec<JoinHandle<()>>,
}

impl AtlasPort {
    /// Opens the port, if the options have an address. `keyspace` is what those see who do not show the key of an
    /// account that may everything; with [`Keyspace::Application`] a FLUSHALL spares the server's own keys whoever asks.
    ///
    /// # Errors
    /// If the address is taken or TLS cannot be set up.
    pub fn open(
        store: &Store,
        options: &AtlasOptions,
        accounts: Option<&Accounts>,
        keyspace: Keyspace,
    ) -> Result<Option<Self>, ServeError> {
        let Some(address) = options.address() else { return Ok(None) };
        let bind = |source| ServeError::Bind { address, source };
        let tls = if options.tls.enabled() {
            Some(TlsAcceptor::from(Arc::new(tls::server_config(&options.tls)?)))
        } else {
            None
        };
        let listener = serve::bound(address, 1_024).map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let port = Port::new(store.clone(), options.clone(), accounts.cloned(), keyspace);
        let closing = CancellationToken::new();
        let workers = match options.workers {
            0 => thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };
        let mut threads = Vec::new();
        for worker in 0..workers {
            let listener = listener.try_clone().map_err(bind)?;
            let work = Worker { port: Arc::clone(&port), closing: closing.clone(), tls: tls.clone() };
            let named = thread::Builder::new().name(format!("atlas-port-{worker}"));
            threads.push(named.spawn(move || work.run(listener)).map_err(ServeError::Start)?);
        }
        Ok(Some(Self { address, closing, threads }))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for AtlasPort {
    fn drop(&mut self) {
        self.closing.cancel();
        for thread in self.threads.drain(..) {
            // A thread that has died has told so.
            let _ = thread.join();
        }
    }
}

/// One thread. All share the listening socket; who is idle accepts.
struct Worker {
    port: Arc<Port>,
    closing: CancellationToken,
    tls: Option<TlsAcceptor>,
}

impl Worker {
    fn run(self, listener: StdListener) {
        let runtime = match Builder::new_current_thread().enable_io().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "a thread of the port cannot work"),
        };
        let work = LocalSet::new();
        work.block_on(&runtime, async move {
            match TcpListener::from_std(listener) {
                Ok(listener) => self.accept(listener).await,
                Err(error) => tracing::error!(%error, "a thread of the port cannot listen"),
            }
        });
        // Connections finish what they were asked; they know that the port closes.
        runtime.block_on(work);
    }

    async fn accept(&self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.closing.cancelled() => return,
            };
            match accepted {
                Ok((stream, address)) => self.serve(stream, address),
                Err(error) => {
                    // Out of file descriptors, most likely: others must go first.
                    tracing::warn!(%error, "a connection to the port of the store was not accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream, address: SocketAddr) {
        let port = Arc::clone(&self.port);
        let atlas = &port.store.metrics().atlas;
        if port.clients.fetch_add(1, Ordering::Relaxed) >= port.options.connections_max {
            port.clients.fetch_sub(1, Ordering::Relaxed);
            atlas.connections_refused.with_label_values(&["limit"]).inc();
            // It does not wait: whoever does not take it will see the close.
            let _ = stream.try_write(b"-ERR max number of clients reached\r\n");
            return;
        }
        atlas.connections.inc();
        let id = port.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        let (tls, closing) = (self.tls.clone(), self.closing.clone());
        let counted = Counted(Arc::clone(&port));
        tokio::task::spawn_local(async move {
            let served = serve(stream, tls, &counted.0, id, address, closing).await;
            if let Err(error) = served {
                tracing::debug!(%error, %address, "a connection to the port of the store has failed");
            }
        });
    }
}

/// A connection that counts, until it ends in whatever way.
struct Counted(Arc<Port>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Ordering::Relaxed);
        self.0.store.metrics().atlas.connections.dec();
    }
}

async fn serve(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    port: &Arc<Port>,
    id: u64,
    address: SocketAddr,
    closing: CancellationToken,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match tls {
        None => Connection::new(stream, Arc::clone(port), id, address).serve(closing).await,
        Some(acceptor) => {
            let handshake = tokio::time::timeout(std::time::Duration::from_secs(10), acceptor.accept(stream));
            let stream = handshake.await.map_err(|_| io::ErrorKind::TimedOut)??;
            Connection::new(stream, Arc::clone(port), id, address).serve(closing).await
        }
    }
}
