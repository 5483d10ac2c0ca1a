//! Ten thousand subscribers of one topic are cut off at once, miss something, and come back at once.
//!
//! `HELIOS_STORM` says how many sessions; goal P6 asks for 10,000 (`make storm`).

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use helios::peer::{Peer, PeerOptions};
use helios::testing::MockStarling;
use serde_json::json;

use crate::server::Server;
use crate::session_storm::all;

const TOPIC: &str = "demo:storm";

/// Publications that each session misses.
const MISSED: u64 = 5;

async fn begin(url: String) -> MockStarling {
    let mut starling = MockStarling::connect(&url).await;
    starling.subscribe(TOPIC).await;
    starling
}

/// Comes back and gets what it missed, once and in order, and then what is new.
async fn come_back(mut starling: MockStarling) -> MockStarling {
    let resumed = starling.resume().await;
    assert!(resumed.recovered && resumed.same_session, "{resumed:?}");
    let told = &resumed.topics[TOPIC];
    assert_eq!((&told["recovered"], &told["replayed"]), (&json!(true), &json!(MISSED)), "{resumed:?}");
    for number in 0..MISSED {
        assert_eq!(starling.expect_publication(TOPIC).await, number);
    }
    starling
}

#[tokio::test]
async fn every_subscriber_of_a_topic_is_cut_off_at_once_and_misses_nothing() {
    let count: usize = std::env::var("HELIOS_STORM").ok().and_then(|it| it.parse().ok()).unwrap_or(300);
    let server = Server::start("");
    let mut starlings = all((0..count).map(|_| begin(server.url.clone())).collect(), 200).await;
    let (before, _) = server.memory();
    starlings.iter_mut().for_each(MockStarling::cut);
    while server.metric("helios_topic_subscribers").await > 0.0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut somebody = Peer::connect(&server.url, &PeerOptions::default()).await.unwrap();
    let wish = |number: u64| json!({ "topic": TOPIC, "data": number });
    for number in 0..MISSED {
        let told = somebody.request("topic:publish", &wish(number)).await.unwrap();
        assert_eq!(told["delivered"], 0);
    }
    let storm = Instant::now();
    let back = join_all(starlings.into_iter().map(come_back));
    let mut back = tokio::time::timeout(Duration::from_secs(60), back).await.expect("all are back");
    let (took, (_, peak)) = (storm.elapsed(), server.memory());
    println!(
        "{count} subscribers: back in {took:.2?}; memory {before} KiB connected, {peak} KiB at most ({:.2}x)",
        peak as f64 / before as f64
    );
    assert!(took < Duration::from_secs(10), "{took:?}");
    let told = somebody.request("topic:publish", &wish(MISSED)).await.unwrap();
    assert_eq!(told["delivered"], count);
    for starling in &mut back {
        assert_eq!(starling.expect_publication(TOPIC).await, MISSED);
    }
}

/// A million topics with a subscriber each are to fit into a gibibyte. `HELIOS_TOPICS` says how many there are.
#[tokio::test]
async fn topics_with_one_subscriber_are_small() {
    const EACH: usize = 1_000;
    let count: usize = std::env::var("HELIOS_TOPICS").ok().and_then(|it| it.parse().ok()).unwrap_or(20_000);
    let server =
        Server::start("[topics.namespaces.inbox]\nsubscribe = \"everyone\"\npublish = \"everyone\"\n");
    let connect = |_| async {
        let mut peer = Peer::connect(&server.url, &PeerOptions::default()).await.unwrap();
        peer.receive().await.unwrap();
        peer
    };
    let mut peers = all((0..count / EACH).map(connect).collect(), 100).await;
    let (before, _) = server.memory();
    for (at, peer) in peers.iter_mut().enumerate() {
        let topics: Vec<String> = (0..EACH).map(|n| format!("inbox:u{}", at * EACH + n)).collect();
        peer.request("topic:subscribe", &json!({ "topics": topics })).await.unwrap();
    }
    let (after, _) = server.memory();
    assert_eq!(server.metric("helios_topic_subscribers").await, count as f64);
    let each = (after - before) as f64 * 1024.0 / count as f64;
    println!("{count} topics with one subscriber each: {each:.0} bytes each");
    assert!(each < 1_073.0, "{each}");
    let mut somebody = Peer::connect(&server.url, &PeerOptions::default()).await.unwrap();
    let wish = json!({ "topic": format!("inbox:u{}", count - 1), "data": 1 });
    assert_eq!(somebody.request("topic:publish", &wish).await.unwrap()["delivered"], 1);
}
