//! Frames that are no calls, and notifications from peers.

use std::sync::Arc;

use helios::testing::TestServer;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::wait::until;

#[tokio::test]
async fn foreign_frames_reach_their_hooks_and_a_panic_in_one_harms_nobody() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let (texts, jsons, binaries) = (Arc::clone(&seen), Arc::clone(&seen), Arc::clone(&seen));
    let server = TestServer::start_with(
        |_| {},
        move |builder| {
            builder
                .on_text(move |_, text| {
                    assert_ne!(text, "bomb");
                    texts.lock().push(format!("text {text}"));
                })
                .on_json(move |starling, text| {
                    starling.notify("json:seen", &1).unwrap();
                    jsons.lock().push(format!("json {text}"));
                })
                .on_binary(move |_, bytes| binaries.lock().push(format!("binary {bytes:?}")))
        },
    );
    let mut peer = server.plain_peer().await;
    for text in ["hello", "bomb", r#"{"some":"json"}"#, "[1]"] {
        peer.send_text(text).await.unwrap();
    }
    peer.send_binary(vec![1, 2]).await.unwrap();
    until("all were seen", || seen.lock().len() == 4).await;
    assert_eq!(*seen.lock(), ["text hello", r#"json {"some":"json"}"#, "json [1]", "binary [1, 2]"]);
    assert_eq!(peer.request("demo:echo", &json!(1)).await.unwrap(), json!(1));
}

#[tokio::test]
async fn notifications_reach_the_handlers_whose_pattern_fits() {
    type Seen = (&'static str, String, Value);
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let server = TestServer::start_with(
        |_| {},
        move |mut builder| {
            for pattern in ["chat:typing", "chat:*", "chat:**", "**"] {
                let sink = Arc::clone(&sink);
                builder = builder.topic(pattern, move |event| {
                    let data = event.data.map_or(Value::Null, |data| data.read().unwrap());
                    sink.lock().push((pattern, event.topic.to_owned(), data));
                });
            }
            builder
        },
    );
    let mut peer = server.plain_peer().await;
    peer.notify("chat:typing", &json!({"on": true})).await.unwrap();
    peer.notify("chat:room:first", &json!(1)).await.unwrap();
    peer.notify("other", &json!(null)).await.unwrap();
    peer.request("demo:echo", &json!(1)).await.unwrap();
    let all = seen.lock().clone();
    assert_eq!(all.len(), 7, "{all:?}");
    let seen: Vec<_> = seen.lock().iter().map(|(pattern, topic, _)| (*pattern, topic.clone())).collect();
    let fits = |pattern, topic: &str| (pattern, topic.to_owned());
    assert_eq!(
        seen,
        [
            fits("chat:typing", "chat:typing"),
            fits("chat:*", "chat:typing"),
            fits("chat:**", "chat:typing"),
            fits("**", "chat:typing"),
            fits("chat:**", "chat:room:first"),
            fits("**", "chat:room:first"),
            fits("**", "other"),
        ]
    );
}

#[tokio::test]
async fn a_broadcast_reaches_those_for_whom_the_filter_holds() {
    let server = TestServer::start();
    let (mut json_peer, mut plain) = (server.peer().await, server.plain_peer().await);
    let options = helios::peer::PeerOptions { msgpack: true, ..Default::default() };
    let mut msgpack = server.connect(&options).await;
    msgpack.receive().await.unwrap();
    let starlings = server.starlings();
    until("all are there", || starlings.count() == 3).await;
    assert_eq!(starlings.broadcast("news", &json!({"n": 1}), |_| true).unwrap(), 3);
    assert_eq!(starlings.broadcast("ours", &json!(2), |starling| starling.dialect().extensions).unwrap(), 2);
    assert!(starlings.broadcast("not a topic", &json!(1), |_| true).is_err());
    assert_eq!(starlings.broadcast("last", &json!(3), |_| true).unwrap(), 3);
    for (peer, expected) in [
        (&mut json_peer, &["news", "ours", "last"][..]),
        (&mut msgpack, &["news", "ours", "last"]),
        (&mut plain, &["news", "last"]),
    ] {
        for wanted in expected {
            let helios::peer::Received::Notification { topic, .. } = peer.receive().await.unwrap() else {
                panic!()
            };
            assert_eq!(topic, *wanted);
        }
    }
}

#[tokio::test]
async fn a_second_hook_comes_after_the_first_and_replaces_nothing() {
    let seen: Arc<Mutex<Vec<&str>>> = Arc::default();
    let (one, two) = (Arc::clone(&seen), Arc::clone(&seen));
    let (begun, again) = (Arc::clone(&seen), Arc::clone(&seen));
    let server = TestServer::start_with(
        |_| {},
        move |builder| {
            builder
                .on_text(move |_, _| one.lock().push("first"))
                .on_text(move |_, _| two.lock().push("second"))
                .on_session(move |_, _| begun.lock().push("session"))
                .on_session(move |_, _| again.lock().push("session again"))
        },
    );
    server.plain_peer().await.send_text("hello").await.unwrap();
    let called = |wanted: &str| seen.lock().contains(&wanted);
    until("all were called", || called("second") && called("session again")).await;
    let order = |wanted: &str| seen.lock().iter().position(|it| *it == wanted).unwrap();
    assert!(order("first") < order("second") && order("session") < order("session again"));
}
