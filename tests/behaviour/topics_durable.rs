//! Histories that outlive the process, and commits that publish.

use std::path::Path;

use helios::hub::NamespaceOptions;
use helios::peer::{Peer, PeerError, PeerOptions, Received};
use helios::testing::{MockStarling, TestServer};
use serde_json::{Value, json};

use crate::restarts::Server;

/// `helios serve` with a durable namespace.
fn start(directory: &Path) -> Server {
    let rules =
        [("SUBSCRIBE", "everyone"), ("PUBLISH", "everyone"), ("DURABLE", "true"), ("HISTORY_SIZE", "5")];
    let named: Vec<_> =
        rules.map(|(key, value)| (format!("HELIOS__TOPICS__NAMESPACES__CHAT__{key}"), value)).into();
    let environment: Vec<(&str, &str)> = named.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    Server::start_with(directory, &environment)
}

async fn peer(url: &str) -> Peer {
    let mut peer = Peer::connect(url, &PeerOptions::default()).await.unwrap();
    peer.receive().await.unwrap();
    peer
}

async fn publish(peer: &mut Peer, data: Value) -> Value {
    peer.request("topic:publish", &json!({ "topic": "chat:a", "data": data })).await.unwrap()
}

async fn expect_data(peer: &mut Peer, wanted: &[i64]) {
    for number in wanted {
        let fits = |it: &Received| matches!(it, Received::Notification { published: Some(_), .. });
        let Received::Notification { data, .. } = peer.expect(fits).await.unwrap() else { unreachable!() };
        assert_eq!(data, json!(number));
    }
}

#[tokio::test]
async fn a_durable_history_survives_a_kill_and_subscribers_go_on_where_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let mut ann = peer(&server.url).await;
    let mut bob = MockStarling::connect(&server.url).await;
    bob.subscribe("chat:a").await;
    assert_eq!(publish(&mut ann, json!(1)).await["delivered"], 1);
    assert_eq!(bob.expect_publication("chat:a").await, 1);
    bob.cut();
    let third = {
        publish(&mut ann, json!(2)).await;
        publish(&mut ann, json!(3)).await["position"].clone()
    };
    server.kill();
    let server = start(directory.path());
    let mut ann = peer(&server.url).await;
    publish(&mut ann, json!(4)).await;
    bob.move_to(&server.url);
    let resumed = bob.resume().await;
    assert_eq!(
        (&resumed.topics["chat:a"]["recovered"], &resumed.topics["chat:a"]["replayed"]),
        (&json!(true), &json!(3)),
        "{resumed:?}"
    );
    for number in 2..=4 {
        assert_eq!(bob.expect_publication("chat:a").await, number);
    }
    // Without the session too: the position is all that is needed.
    let mut cat = peer(&server.url).await;
    let since = json!({ "topic": "chat:a", "since": third });
    assert_eq!(cat.request("topic:subscribe", &since).await.unwrap()["replayed"], 1);
    publish(&mut ann, json!(5)).await;
    expect_data(&mut cat, &[4, 5]).await;
    for number in 6..=8 {
        publish(&mut ann, json!(number)).await;
    }
    server.kill();
    let server = start(directory.path());
    let mut ann = peer(&server.url).await;
    let history = ann.request("topic:history", &json!({ "topic": "chat:a" })).await.unwrap();
    let data: Vec<i64> =
        history["publications"].as_array().unwrap().iter().map(|it| it["data"].as_i64().unwrap()).collect();
    assert_eq!(data, [4, 5, 6, 7, 8], "no more than the namespace keeps");
    let told = ann.request("topic:subscribe", &since).await.unwrap();
    assert_eq!((&told["recovered"], &told["replayed"]), (&json!(true), &json!(5)));
}

#[tokio::test]
async fn one_commit_writes_keys_and_publishes() {
    let server = TestServer::start_with(
        |config| {
            config
                .topics
                .namespaces
                .insert("chat".into(), NamespaceOptions { durable: true, ..NamespaceOptions::open() });
        },
        |builder| builder,
    );
    let (mut ann, mut bob) = (server.peer().await, server.peer().await);
    bob.request("topic:subscribe", &json!({ "topic": "chat:a" })).await.unwrap();
    let commit = |version: u64, topic: &str| {
        json!({
            "checks": [{ "key": "a", "version": version }],
            "operations": [
                { "op": "set", "key": "a", "value": 1 },
                { "op": "publish", "topic": topic, "data": version, "tags": { "x": "y" } },
                { "op": "publish", "topic": topic, "data": version + 1 },
            ],
        })
    };
    assert_eq!(ann.request("kv:commit", &commit(0, "chat:a")).await.unwrap()["committed"], true);
    expect_data(&mut bob, &[0, 1]).await;
    assert_eq!(ann.request("kv:commit", &commit(0, "chat:a")).await.unwrap()["committed"], false);
    for topic in ["demo:a", "none:a"] {
        assert!(
            matches!(ann.request("kv:commit", &commit(0, topic)).await, Err(PeerError::Failed(_))),
            "{topic}"
        );
    }
    assert_eq!(publish(&mut ann, json!(7)).await["delivered"], 1, "neither was published");
    expect_data(&mut bob, &[7]).await;
    let listed = ann.request("topic:history", &json!({ "topic": "chat:a" })).await.unwrap();
    assert_eq!(
        (listed["publications"].as_array().unwrap().len(), &listed["publications"][0]["tags"]["x"]),
        (3, &json!("y"))
    );
}

#[tokio::test]
async fn durable_publications_keep_their_order_under_load() {
    let server = TestServer::start_with(
        |config| {
            let rules = NamespaceOptions { durable: true, history_size: 2_000, ..NamespaceOptions::open() };
            config.topics.namespaces.insert("chat".into(), rules);
        },
        |builder| builder,
    );
    let mut bob = server.peer().await;
    bob.request("topic:subscribe", &json!({ "topic": "chat:a" })).await.unwrap();
    let mut ann = server.peer().await;
    let mut last = None;
    for number in 0..500 {
        last = Some(
            ann.send_request("topic:publish", Some(&json!({ "topic": "chat:a", "data": number })))
                .await
                .unwrap(),
        );
    }
    ann.answer(&last.unwrap()).await.unwrap();
    let wanted: Vec<i64> = (0..500).collect();
    expect_data(&mut bob, &wanted).await;
    // Whoever clears the store clears the histories too: subscribers are told, and old positions mean nothing.
    let old = publish(&mut ann, json!(500)).await["position"].clone();
    expect_data(&mut bob, &[500]).await;
    server.store().run(helios::store::Command::Clear { keep: [].into() }).await.unwrap().unwrap();
    let fits = |it: &Received| matches!(it, Received::Notification { topic, .. } if topic == "topic:gap");
    bob.expect(fits).await.unwrap();
    publish(&mut ann, json!(1)).await;
    expect_data(&mut bob, &[1]).await;
    let since = json!({ "topic": "chat:a", "since": old });
    assert_eq!(ann.request("topic:subscribe", &since).await.unwrap()["reason"], "other_history");
}
