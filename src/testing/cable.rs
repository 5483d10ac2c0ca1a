//! A cable between client and server that can be cut, at any byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A TCP proxy on loopback. What goes through it is not touched, until it is cut: then both sides lose their
/// connections at once, and new ones are taken again.
#[derive(Debug)]
pub struct Cable {
    address: SocketAddr,
    strands: Arc<Strands>,
    listening: JoinHandle<()>,
}

#[derive(Debug)]
struct Strands {
    server: Mutex<String>,
    cut: Mutex<CancellationToken>,
    /// Bytes that still go through to the server and to the client.
    up: AtomicU64,
    down: AtomicU64,
    /// Bytes that have gone through.
    carried_up: AtomicU64,
    carried_down: AtomicU64,
}

const ENDLESS: u64 = u64::MAX / 2;

impl Cable {
    /// A cable to `server`, a host and a port. Needs a tokio runtime.
    ///
    /// # Panics
    /// If loopback cannot be listened on: there is nothing to test then.
    pub async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be listened on");
        let address = listener.local_addr().expect("it has an address");
        let strands = Arc::new(Strands {
            server: Mutex::new(server.to_owned()),
            cut: Mutex::default(),
            up: AtomicU64::new(ENDLESS),
            down: AtomicU64::new(ENDLESS),
            carried_up: AtomicU64::new(0),
            carried_down: AtomicU64::new(0),
        });
        let listening = tokio::spawn(listen(listener, Arc::clone(&strands)));
        Self { address, strands, listening }
    }

    /// Such as `ws://127.0.0.1:40000/ws`.
    pub fn ws_url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    /// Where the other end goes from now on, for a server that comes back at another port.
    pub fn lead_to(&self, server: &str) {
        server.clone_into(&mut self.strands.server.lock());
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        self.strands.cut();
    }

    /// Cuts all connections once so many more bytes have gone to the server.
    pub fn cut_after_up(&self, bytes: u64) {
        self.strands.up.store(bytes, Ordering::SeqCst);
    }

    /// Cuts all connections once so many more bytes have gone to the client.
    pub fn cut_after_down(&self, bytes: u64) {
        self.strands.down.store(bytes, Ordering::SeqCst);
    }

    /// Bytes that have gone to the server and to the client.
    pub fn carried(&self) -> (u64, u64) {
        (self.strands.carried_up.load(Ordering::SeqCst), self.strands.carried_down.load(Ordering::SeqCst))
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

impl Strands {
    fn cut(&self) {
        std::mem::take(&mut *self.cut.lock()).cancel();
        self.up.store(ENDLESS, Ordering::SeqCst);
        self.down.store(ENDLESS, Ordering::SeqCst);
    }
}

async fn listen(listener: TcpListener, strands: Arc<Strands>) {
    while let Ok((client, _)) = listener.accept().await {
        let server = strands.server.lock().clone();
        let strands = Arc::clone(&strands);
        let cut = strands.cut.lock().clone();
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(server).await else { return };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            let up = carry(&mut from_client, &mut to_server, &strands.up, &strands.carried_up);
            let down = carry(&mut from_server, &mut to_client, &strands.down, &strands.carried_down);
            tokio::select! {
                () = cut.cancelled() => {}
                whole = up => if !whole { strands.cut() },
                whole = down => if !whole { strands.cut() },
            }
        });
    }
}

/// Carries bytes until an end. `false` if that was the cut.
async fn carry(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    left: &AtomicU64,
    carried: &AtomicU64,
) -> bool {
    let mut buffer = [0; 16 * 1024];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return true };
        let may = left.load(Ordering::SeqCst).min(count as u64) as usize;
        if to.write_all(&buffer[..may]).await.is_err() {
            return true;
        }
        carried.fetch_add(may as u64, Ordering::SeqCst);
        if left.fetch_sub(may as u64, Ordering::SeqCst) < ENDLESS / 2 && left.load(Ordering::SeqCst) == 0 {
            return false;
        }
    }
}
