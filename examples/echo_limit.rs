//! The limit that requests are measured against: text goes back as it came, on the same connection actor
//! that sessions use. Whatever a request costs beyond this is the price of the protocol.
//!
//! `cargo run --release --example echo_limit -- 127.0.0.1:9000 [workers]`

use std::sync::Arc;

use actix_codec::Framed;
use actix_http::body::BodySize;
use actix_http::h1::{Codec, Message};
use actix_http::{HttpService, Request, Response, ws};
use actix_server::Server;
use actix_service::fn_service;
use bytes::BytesMut;
use futures_util::SinkExt;
use helios::starling::websocket::Opcode;
use helios::starling::{Connection, ConnectionOptions, Link, Service};
use helios::telemetry::Metrics;
use tokio::net::TcpStream;

#[derive(Default)]
struct Echo {
    link: Option<Arc<Link>>,
}

impl Echo {
    fn send(&self, opcode: Opcode, bytes: &[u8]) {
        if let Some(link) = &self.link {
            // A peer that is gone or does not read needs no echo.
            let _ = link.send(opcode, bytes);
        }
    }
}

impl Service for Echo {
    fn opened(&mut self, link: &Arc<Link>) {
        self.link = Some(Arc::clone(link));
    }

    fn text(&mut self, text: &str) {
        self.send(Opcode::Text, text.as_bytes());
    }

    fn binary(&mut self, bytes: &[u8]) {
        self.send(Opcode::Binary, bytes);
    }

    fn too_long(&mut self, _: u64, _: &[u8]) {}

    fn closed(&mut self, _: u16) {}
}

async fn upgrade(
    metrics: Arc<Metrics>,
    request: Request,
    mut framed: Framed<TcpStream, Codec>,
) -> Result<(), actix_http::Error> {
    let Ok(mut response) = ws::handshake(request.head()) else { return Ok(()) };
    let head = Message::Item((response.finish().drop_body(), BodySize::None));
    if framed.send(head).await.is_ok() {
        let parts = framed.into_parts();
        let early = BytesMut::from(&parts.read_buf[..]);
        Connection::start_on(
            (parts.io, None),
            early,
            Echo::default(),
            &ConnectionOptions::default(),
            &metrics,
        );
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9000".into());
    let workers = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(1);
    let metrics = Arc::new(Metrics::new());
    actix_rt::System::new().block_on(async move {
        let server = Server::build().workers(workers).bind("echo", &address, move || {
            let metrics = Arc::clone(&metrics);
            HttpService::build()
                .tcp_nodelay(true)
                .upgrade(fn_service(move |(request, framed)| upgrade(Arc::clone(&metrics), request, framed)))
                .finish(fn_service(async |_: Request| Ok::<_, actix_http::Error>(Response::ok())))
                .tcp()
        })?;
        eprintln!("echo on {address}");
        server.run().await
    })
}
