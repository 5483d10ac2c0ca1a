//! Who is let in.

use helios::config::Config;
use helios::peer::{ConnectError, Peer, PeerOptions};
use helios::testing::TestServer;

use crate::wait::{found, until};

fn limited(configure: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::start_with(configure, |builder| builder)
}

/// Tries to connect and gives status, `Retry-After` and text of the refusal.
async fn refused(server: &TestServer) -> (u16, Option<String>, String) {
    match Peer::connect(server.ws_url(), &PeerOptions::default()).await {
        Err(ConnectError::Refused { status, headers, text }) => {
            let after = headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned());
            (status.as_u16(), after, text)
        }
        other => panic!("{other:?}"),
    }
}

fn count(server: &TestServer, reason: &str) -> u64 {
    server.metrics().connections_refused.with_label_values(&[reason]).get()
}

#[tokio::test]
async fn a_full_server_says_so_and_has_room_again() {
    let server = limited(|config| config.connections.max = 2);
    let (first, _second) = (server.peer().await, server.peer().await);
    let (status, after, text) = refused(&server).await;
    assert_eq!((status, after.as_deref()), (503, Some("5")));
    assert!(text.contains("as many connections as it may"), "{text}");
    assert_eq!(count(&server, "full"), 1);
    drop(first);
    until("a place is free", || server.starlings().count() == 1).await;
    server.peer().await;
}

#[tokio::test]
async fn one_address_takes_no_more_than_its_share() {
    let server = limited(|config| config.connections.max_per_address = 1);
    let peer = server.peer().await;
    let (status, _, text) = refused(&server).await;
    assert_eq!(status, 429);
    assert!(text.contains("from your address"), "{text}");
    assert_eq!(count(&server, "address"), 1);
    drop(peer);
    until("the place is free", || server.starlings().count() == 0).await;
    server.peer().await;
}

#[tokio::test]
async fn connections_come_no_faster_than_allowed() {
    let server = limited(|config| config.connections.per_second = 2);
    let mut peers = vec![server.peer().await, server.peer().await];
    let mut refusals = 0;
    let third = async || match Peer::connect(server.ws_url(), &PeerOptions::default()).await {
        Ok(peer) => Some(peer),
        Err(ConnectError::Refused { status, headers, .. }) => {
            assert_eq!(status.as_u16(), 429);
            assert_eq!(headers["retry-after"], "1");
            refusals += 1;
            None
        }
        Err(other) => panic!("{other:?}"),
    };
    peers.push(found("there is room again", third).await);
    assert!(refusals > 0);
    assert_eq!(count(&server, "rate"), refusals);
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_given_up() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = limited(|config| config.connections.handshake_timeout = helios::base::Span::millis(300));
    let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: web").await.unwrap();
    let begin = std::time::Instant::now();
    let mut answer = Vec::new();
    tokio::time::timeout(crate::wait::PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 408"), "{text}");
    assert!(begin.elapsed() >= std::time::Duration::from_millis(250));
    assert_eq!(server.starlings().count(), 0);
}
