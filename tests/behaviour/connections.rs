//! The life of a connection: signs of life, slow readers, memory of those who left.

use std::time::Duration;

use helios::base::{ByteSize, Span};
use helios::peer::{ConnectError, Peer, PeerError, PeerOptions};
use helios::testing::TestServer;
use serde_json::json;

use crate::raw::{Frame, RawSocket, frame};
use crate::wait::until;

fn closed(server: &TestServer, code: &str) -> u64 {
    server.metrics().connections_closed.with_label_values(&[code]).get()
}

#[tokio::test]
async fn a_silent_peer_is_pinged_and_lives_on_if_it_answers() {
    let server = TestServer::start_with(
        |config| {
            config.connections.ping_interval = Span::millis(200);
            config.connections.ping_timeout = Span::millis(400);
        },
        |builder| builder,
    );
    let mut answering = RawSocket::open(server.address(), "/").await;
    for _ in 0..3 {
        assert_eq!(answering.frame().await.unwrap(), Frame { opcode: 9, payload: vec![] });
        answering.write(&frame(0x8A, b"")).await;
    }
    let mut silent = RawSocket::open(server.address(), "/").await;
    assert_eq!(silent.frame().await.unwrap().opcode, 9);
    assert_eq!(silent.close_code().await, 4009);
    until("its place is free", || server.starlings().count() <= 1).await;
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_closed_if_that_is_wanted() {
    let server = TestServer::start_with(
        |config| config.connections.idle_timeout = Span::millis(300),
        |builder| builder,
    );
    let mut peer = server.peer().await;
    let begin = std::time::Instant::now();
    while begin.elapsed() < Duration::from_millis(600) {
        peer.request("demo:slow", &json!({"ms": 50})).await.unwrap();
    }
    let error = peer.receive().await.unwrap_err();
    assert!(matches!(error, PeerError::Closed(Some(4010))), "{error:?}");
}

#[tokio::test]
async fn a_peer_that_reads_too_slowly_is_closed_and_others_do_not_notice() {
    let server = TestServer::start_with(
        |config| config.connections.outbox_bytes_max = ByteSize::kib(64),
        |builder| builder,
    );
    let mut lazy = RawSocket::open(server.address(), "/").await;
    let mut other = server.peer().await;
    let data = "x".repeat(60_000);
    until("both are there", || server.starlings().count() == 2).await;
    // The kernel's buffers take some megabytes first.
    for _ in 0..2_000 {
        server
            .starlings()
            .broadcast("flood", &json!(data), |starling| !starling.dialect().extensions)
            .unwrap();
        if server.metrics().slow_consumers.get() > 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(server.metrics().slow_consumers.get(), 1);
    assert_eq!(other.request("demo:echo", &json!(1)).await.unwrap(), json!(1));
    let last = loop {
        let frame = lazy.frame().await.expect("the reason comes before the end");
        if frame.opcode == 8 {
            break frame;
        }
    };
    assert_eq!(last.payload[..2], 4008_u16.to_be_bytes());
    until("it is counted", || closed(&server, "4008") == 1).await;
    assert_eq!(server.metrics().outbox_bytes.get(), 0, "nothing waits for it any more");
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_not_read_from() {
    let server = TestServer::start();
    let mut peer = RawSocket::open(server.address(), "/").await;
    let text = format!(
        r#"{{"protocol":"helios-starling","version":"1.0.0","timestamp":1,"type":"request","requestId":"00000000-0000-4000-8000-000000000000","method":"demo:echo","payload":"{}"}}"#,
        "x".repeat(50_000)
    );
    let flood: Vec<u8> = (0..2_000).flat_map(|_| frame(0x81, text.as_bytes())).collect();
    let written = peer.write_until_stuck(&flood, Duration::from_millis(700)).await;
    assert!(written < flood.len(), "{written} bytes were taken without an answer being read");
    let waiting = server.metrics().outbox_bytes.get();
    assert!(waiting > 0 && waiting < 1 << 20, "{waiting} bytes wait");
    assert_eq!(server.metrics().slow_consumers.get(), 0);
    for _ in 0..100 {
        assert_eq!(peer.frame().await.unwrap().opcode, 1, "and it goes on where it was");
    }
}

#[tokio::test]
async fn pages_of_other_origins_are_kept_out() {
    let server = TestServer::start_with(
        |config| config.connections.origins = vec!["https://good.example".into()],
        |builder| builder,
    );
    let with =
        |origin: Option<&str>| PeerOptions { origin: origin.map(str::to_owned), ..PeerOptions::default() };
    assert!(Peer::connect(server.ws_url(), &with(None)).await.is_ok(), "no browser");
    assert!(Peer::connect(server.ws_url(), &with(Some("https://good.example"))).await.is_ok());
    for origin in ["https://evil.example", "http://good.example", "null"] {
        match Peer::connect(server.ws_url(), &with(Some(origin))).await {
            Err(ConnectError::Refused { status, .. }) => assert_eq!(status.as_u16(), 403, "{origin}"),
            other => panic!("{origin}: {other:?}"),
        }
    }
    assert_eq!(server.metrics().connections_refused.with_label_values(&["origin"]).get(), 3);
}

#[tokio::test]
async fn those_who_leave_leave_nothing_behind() {
    let server = TestServer::start();
    for round in 0..50 {
        let mut peer = server.plain_peer().await;
        peer.request("demo:echo", &json!(round)).await.unwrap();
        if round % 2 == 0 {
            peer.close().await.unwrap();
        }
    }
    until("everybody is gone", || server.starlings().count() == 0 && server.metrics().connections.get() == 0)
        .await;
    assert_eq!(server.metrics().connections_opened.get(), 50);
    assert_eq!(closed(&server, "1005") + closed(&server, "1006"), 50);
}

#[tokio::test]
async fn a_session_can_be_closed_by_the_server() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    server.starlings().filter(|_| true)[0].close(helios::protocol::CloseCode::Policy, "not you");
    assert!(matches!(peer.receive().await.unwrap_err(), PeerError::Closed(Some(1008))));
}

#[tokio::test]
async fn a_burst_whose_answers_are_larger_than_the_outbox_is_answered_in_full() {
    let server = TestServer::start();
    let mut peer = server.connect(&PeerOptions { msgpack: true, ..PeerOptions::default() }).await;
    peer.receive().await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..1_500 {
        ids.push(peer.send_request("system:methods", None).await.unwrap());
    }
    for id in &ids {
        peer.answer(id).await.unwrap();
    }
    assert_eq!(server.metrics().slow_consumers.get(), 0);
}
