//! The end in order.

use std::time::{Duration, Instant};

use helios::app::Drained;
use helios::base::Span;
use helios::peer::{ConnectError, Peer, PeerError, PeerOptions, Received};
use helios::testing::TestServer;
use serde_json::json;

use crate::http::get;
use crate::wait::PATIENCE;

#[tokio::test]
async fn peers_are_told_requests_are_finished_and_everybody_is_closed() {
    let mut server =
        TestServer::start_with(|config| config.gateway.drain_window = Span::millis(700), |builder| builder);
    let (mut ours, mut existing) = (server.peer().await, server.plain_peer().await);
    let slow = existing.send_request("demo:slow", Some(&json!({"ms": 600, "value": "done"}))).await.unwrap();
    existing.request("demo:echo", &json!(1)).await.unwrap();
    let drained = server.drain();

    let Received::Notification { topic, data, .. } = ours.receive().await.unwrap() else { panic!() };
    assert_eq!(topic, "system:draining");
    assert!(data["reconnect_after_ms"].as_u64().unwrap() <= 700, "{data}");
    assert_eq!(get(&server, "/ready").await.0, 503);
    assert_eq!(get(&server, "/health").await.0, 200);
    match Peer::connect(server.ws_url(), &PeerOptions::default()).await {
        Err(ConnectError::Refused { status, headers, .. }) => {
            assert_eq!((status.as_u16(), &headers["retry-after"]), (503, &"1".parse().unwrap()));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(ours.request("demo:echo", &json!(2)).await.unwrap(), json!(2), "still served");

    assert_eq!(existing.answer(&slow).await.unwrap(), json!("done"), "an accepted request is answered");
    for peer in [&mut ours, &mut existing] {
        assert!(matches!(peer.receive().await.unwrap_err(), PeerError::Closed(Some(1012))));
    }
    let drained = tokio::task::spawn_blocking(move || drained.recv_timeout(PATIENCE)).await.unwrap();
    assert_eq!(drained.unwrap(), Drained::Completely);
}

#[tokio::test]
async fn a_drain_has_an_end() {
    let mut server =
        TestServer::start_with(|config| config.gateway.drain_timeout = Span::millis(200), |builder| builder);
    let mut peer = server.plain_peer().await;
    peer.send_request("demo:slow", Some(&json!({"ms": 60_000}))).await.unwrap();
    peer.request("demo:echo", &json!(1)).await.unwrap();
    let begin = Instant::now();
    let drained = server.drain();
    assert!(matches!(peer.receive().await.unwrap_err(), PeerError::Closed(Some(1012))));
    let drained = tokio::task::spawn_blocking(move || drained.recv_timeout(PATIENCE)).await.unwrap();
    assert!(matches!(drained.unwrap(), Drained::Partly { requests: 1, peers: 0 }), "{drained:?}");
    assert!(begin.elapsed() < Duration::from_secs(5));
}
