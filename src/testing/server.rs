//! A server on a thread of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::logs;
use crate::app::{Drained, Helios, HeliosBuilder, Running};
use crate::config::Config;
use crate::hub::Hub;
use crate::peer::{Peer, PeerOptions};
use crate::starling::Starlings;
use crate::store::Store;
use crate::telemetry::Metrics;

/// A server that listens on a free port of loopback until it is dropped. The test fails then if a secret was logged.
#[derive(Debug)]
pub struct TestServer {
    http_url: String,
    ws_url: String,
    starlings: Starlings,
    hub: Hub,
    metrics: Arc<Metrics>,
    stop: Option<oneshot::Sender<Stop>>,
    thread: Option<JoinHandle<()>>,
    store: Store,
    atlas: Option<SocketAddr>,
    /// Taken away at the end.
    directory: PathBuf,
}

#[derive(Debug)]
enum Stop {
    AtOnce,
    InOrder(mpsc::Sender<Drained>),
}

impl TestServer {
    /// A server with the demo methods and the playground.
    pub fn start() -> Self {
        Self::start_with(|_| {}, |builder| builder)
    }

    /// A server with options and methods of its own. `build` runs on the server's thread.
    ///
    /// # Panics
    /// If the server does not start: there is nothing to test then.
    pub fn start_with(
        configure: impl FnOnce(&mut Config),
        build: impl FnOnce(HeliosBuilder) -> HeliosBuilder + Send + 'static,
    ) -> Self {
        logs::watch();
        let mut config = Config::default();
        config.gateway.listen.set_port(0);
        config.gateway.workers = 2;
        config.gateway.playground = true;
        config.demo.enabled = true;
        config.kv.everyone = true;
        config.universes.everyone = true;
        config.jobs.everyone = true;
        let directory = unused_directory();
        config.store.data_dir.clone_from(&directory);
        configure(&mut config);
        let (started, ready) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                let server = build(Helios::builder().config(config)).start().await.expect("it starts");
                let urls = (server.http_url(), server.ws_url(), server.atlas_address());
                let metrics = Arc::clone(server.metrics());
                let handles =
                    (server.starlings().clone(), server.hub().clone(), metrics, server.store().clone());
                let _ = started.send((urls, handles));
                finish(server, stopped.await.unwrap_or(Stop::AtOnce)).await;
            });
        });
        let ((http_url, ws_url, atlas), (starlings, hub, metrics, store)) =
            ready.recv().expect("the server starts");
        let (stop, thread) = (Some(stop), Some(thread));
        Self { http_url, ws_url, starlings, hub, metrics, stop, thread, store, atlas, directory }
    }

    /// Such as `http://127.0.0.1:40000`.
    pub fn http_url(&self) -> &str {
        &self.http_url
    }

    /// Such as `ws://127.0.0.1:40000/ws`.
    pub fn ws_url(&self) -> &str {
        &self.ws_url
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        self.http_url.split("//").nth(1).unwrap_or_default()
    }

    /// Everybody who is connected.
    pub fn starlings(&self) -> &Starlings {
        &self.starlings
    }

    /// The topics.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Where the TCP port of the store listens, if the options gave it one.
    pub fn atlas_address(&self) -> Option<SocketAddr> {
        self.atlas
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The metric table.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// A connected peer that knows our extensions and has read the `hello`.
    ///
    /// # Panics
    /// If the server refuses it.
    pub async fn peer(&self) -> Peer {
        let mut peer = self.connect(&PeerOptions::default()).await;
        peer.receive().await.expect("hello");
        peer
    }

    /// A connected peer as existing clients are: no subprotocol.
    ///
    /// # Panics
    /// If the server refuses it.
    pub async fn plain_peer(&self) -> Peer {
        self.connect(&PeerOptions { plain: true, ..PeerOptions::default() }).await
    }

    /// A connected peer with options of its own.
    ///
    /// # Panics
    /// If the server refuses it.
    pub async fn connect(&self, options: &PeerOptions) -> Peer {
        Peer::connect(&self.ws_url, options).await.expect("the server accepts")
    }

    /// Stops in order and says how it went. It begins at once; `recv` waits for the end.
    ///
    /// # Panics
    /// If called twice.
    pub fn drain(&mut self) -> mpsc::Receiver<Drained> {
        let (done, drained) = mpsc::channel();
        let stop = self.stop.take().expect("a server stops once");
        let _ = stop.send(Stop::InOrder(done));
        drained
    }
}

async fn finish(server: Running, stop: Stop) {
    match stop {
        Stop::AtOnce => server.stop().await,
        Stop::InOrder(done) => {
            let _ = done.send(server.drain().await);
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // A test that chose a directory of its own has none to lose here.
        let _ = std::fs::remove_dir_all(&self.directory);
        let lines = logs::found();
        // A test that fails already tells its own story.
        if !std::thread::panicking() {
            assert!(lines.is_empty(), "secrets were logged: {lines:#?}");
        }
    }
}

/// A directory that no other server of any test has.
fn unused_directory() -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("helios-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    std::env::temp_dir().join(name)
}
