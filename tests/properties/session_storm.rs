//! A reconnect storm: everybody is cut off at once, misses something, and comes back at once.
//!
//! `HELIOS_STORM` says how many sessions; goal P6 asks for 10,000 (`make storm`).

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use helios::peer::{Peer, PeerOptions, Received};
use helios::testing::MockStarling;
use serde_json::json;

use crate::server::Server;

/// Messages that each session misses.
const MISSED: u64 = 3;

/// Runs something for everybody, some at a time: a thundering herd is the server's trouble, not the test's.
pub(crate) async fn all<T, F: Future<Output = T>>(work: Vec<F>, at_once: usize) -> Vec<T> {
    futures_util::StreamExt::collect(futures_util::StreamExt::buffer_unordered(
        futures_util::stream::iter(work),
        at_once,
    ))
    .await
}

async fn begin(url: String) -> MockStarling {
    let mut starling = MockStarling::connect(&url).await;
    starling.request("kv:watch", json!({"prefix": "storm:"})).await.unwrap();
    starling
}

/// Comes back, and looks at everything that is there: all that was missed, once, in order, and nothing else.
async fn come_back(mut starling: MockStarling) -> MockStarling {
    starling.cut();
    let resumed = starling.resume().await;
    assert!(resumed.recovered && resumed.same_session, "{resumed:?}");
    // What is still on its way to the session when it is back comes behind what was sent again.
    assert!(resumed.replayed <= MISSED, "{resumed:?}");
    assert_eq!(starling.request("demo:echo", json!("there")).await.unwrap(), "there");
    for n in 0..MISSED {
        let told = starling.expect_notification("kv:changes").await;
        assert_eq!(told["changes"][0]["value"], n, "{told}");
    }
    starling
}

#[tokio::test]
async fn everybody_is_cut_off_at_once_and_comes_back() {
    let count: usize = std::env::var("HELIOS_STORM").ok().and_then(|it| it.parse().ok()).unwrap_or(300);
    let server = Server::start("");
    let mut starlings = Vec::new();
    let begun = Instant::now();
    starlings.extend(all((0..count).map(|_| begin(server.url.clone())).collect(), 200).await);
    let connecting = begun.elapsed();
    let (before, _) = server.memory();
    starlings.iter_mut().for_each(MockStarling::cut);
    while server.metric("helios_sessions_disconnected").await < count as f64 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut somebody = Peer::connect(&server.url, &PeerOptions::default()).await.unwrap();
    for n in 0..MISSED {
        somebody.request("kv:set", &json!({"key": "storm:n", "value": n})).await.unwrap();
    }
    drop(somebody);
    let (waiting, _) = server.memory();
    let storm = Instant::now();
    let back =
        tokio::time::timeout(Duration::from_secs(60), join_all(starlings.into_iter().map(come_back))).await;
    let mut back = back.expect("all are back");
    let took = storm.elapsed();
    let (_, peak) = server.memory();
    println!(
        "{count} sessions: connected in {connecting:.1?}, back in {took:.2?}; memory {before} KiB connected, \
         {waiting} KiB cut off, {peak} KiB at most ({:.2}x)",
        peak as f64 / before as f64
    );
    assert!(took < Duration::from_secs(10), "{took:?}");
    for starling in back.iter_mut().take(20) {
        let more = tokio::time::timeout(
            Duration::from_millis(20),
            starling
                .peer()
                .expect(|it| matches!(it, Received::Notification { topic, .. } if topic == "kv:changes")),
        );
        assert!(more.await.is_err(), "something comes twice");
    }
    assert_eq!(server.metric("helios_sessions_disconnected").await, 0.0);
}
