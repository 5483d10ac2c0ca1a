//! Topics: subscribe, publish, history, and going on after a break.

use std::time::Duration;

use helios::auth::Principal;
use helios::base::{ByteSize, Span};
use helios::dispatch::{Context, MethodError};
use helios::hub::{Access, NamespaceOptions, SlowPolicy};
use helios::peer::{Peer, PeerError, PeerOptions, Place, Received};
use helios::testing::{MockStarling, TestServer};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::raw::{RawSocket, frame};
use crate::wait::until;

/// A server with one namespace of its own, whose peers are who their URL says.
fn server_with(name: &str, rules: NamespaceOptions) -> TestServer {
    let name = name.to_owned();
    TestServer::start_with(
        move |config| {
            config.topics.namespaces.insert(name, rules);
        },
        |builder| builder.identify(|handshake| named(handshake.query("user"), handshake.query("may"))),
    )
}

fn named(user: Option<&str>, may: Option<&str>) -> Principal {
    user.map_or_else(Principal::anonymous, |user| Principal::named(user, may.map(str::to_owned)))
}

async fn user(server: &TestServer, name: &str, may: &str) -> Peer {
    let url = format!("{}?user={name}&may={may}", server.ws_url());
    let mut peer = Peer::connect(&url, &PeerOptions::default()).await.unwrap();
    peer.receive().await.unwrap();
    peer
}

fn refusal(answer: Result<Value, PeerError>) -> (String, Value) {
    match answer {
        Err(PeerError::Failed(failure)) => (failure.code, failure.details),
        other => panic!("{other:?}"),
    }
}

async fn subscribe(peer: &mut Peer, topic: &str) -> Value {
    peer.request("topic:subscribe", &json!({ "topic": topic })).await.unwrap()
}

async fn publish(peer: &mut Peer, topic: &str, data: Value) -> Value {
    peer.request("topic:publish", &json!({ "topic": topic, "data": data })).await.unwrap()
}

/// Topic, data and place of the next publication.
async fn publication(peer: &mut Peer) -> (String, Value, Option<Place>) {
    let fits = |it: &Received| matches!(it, Received::Notification { topic, .. } if topic != "hello");
    match peer.expect(fits).await.unwrap() {
        Received::Notification { topic, data, published, .. } => (topic, data, published),
        other => panic!("{other:?}"),
    }
}

async fn expect_data(peer: &mut Peer, wanted: &[i64]) {
    for number in wanted {
        assert_eq!(publication(peer).await.1, json!(number));
    }
}

/// Makes sure that nothing has come: the answer to a request comes behind it.
async fn expect_nothing(peer: &mut Peer) {
    peer.request("demo:echo", &json!(1)).await.unwrap();
    let more = tokio::time::timeout(Duration::from_millis(1), publication(peer)).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn a_publication_gets_to_every_subscriber_and_is_counted() {
    let server = TestServer::start();
    let (mut ann, mut bob) = (server.peer().await, server.peer().await);
    let options = PeerOptions { msgpack: true, ..PeerOptions::default() };
    let mut cat = server.connect(&options).await;
    let mut dan = server.plain_peer().await;
    for peer in [&mut bob, &mut cat, &mut dan] {
        let told = subscribe(peer, "demo:news").await;
        assert!(told["position"].is_string() && told["topic"] == "demo:news", "{told}");
    }
    let data = json!({ "text": "häh", "n": [1, 2.5, null] });
    let answer = publish(&mut ann, "demo:news", data.clone()).await;
    assert_eq!(answer["delivered"], 3);
    for peer in [&mut bob, &mut cat] {
        let (topic, got, place) = publication(peer).await;
        assert_eq!((topic.as_str(), &got), ("demo:news", &data));
        let place = place.expect("a peer with our extensions is told where it belongs");
        assert_eq!(
            (json!(place.position), place.pattern, place.tags),
            (answer["position"].clone(), None, Value::Null)
        );
    }
    let (topic, got, place) = publication(&mut dan).await;
    assert_eq!(
        (topic.as_str(), got, place),
        ("demo:news", data, None),
        "existing clients get what they know"
    );
    let ended = bob.request("topic:unsubscribe", &json!({ "topic": "demo:news" })).await.unwrap();
    assert_eq!(ended["ended"], true);
    drop(cat);
    until("one is left", || server.hub().subscribers("demo:news") == 1).await;
    assert_eq!(publish(&mut ann, "demo:news", json!(2)).await["delivered"], 1);
    assert_eq!(publish(&mut ann, "demo:other", json!(2)).await["delivered"], 0);
    expect_nothing(&mut bob).await;
}

#[tokio::test]
async fn a_plain_notification_to_a_subscriber_is_what_existing_clients_know() {
    let server = TestServer::start();
    let mut raw = RawSocket::open(server.address(), "/ws").await;
    let request = json!({
        "protocol": "helios-starling", "version": "1.0.0", "timestamp": 1, "type": "request",
        "requestId": "e996f0d2-4115-4a64-b77f-e4ae77b0808c", "method": "topic:subscribe",
        "payload": { "topic": "demo:a" },
    });
    raw.write(&frame(0x81, request.to_string().as_bytes())).await;
    let answer: Value = serde_json::from_slice(&raw.frame().await.unwrap().payload).unwrap();
    assert_eq!(answer["success"], true);
    let wish = json!({ "topic": "demo:a", "data": { "x": 1 } });
    server.peer().await.request("topic:publish", &wish).await.unwrap();
    let mut told: Value = serde_json::from_slice(&raw.frame().await.unwrap().payload).unwrap();
    assert!(told["timestamp"].as_u64().unwrap() > 1_700_000_000_000);
    told["timestamp"] = Value::Null;
    let wanted = json!({
        "protocol": "helios-starling", "version": "1.0.0", "timestamp": null, "type": "notification",
        "requestId": null, "notification": { "topic": "demo:a", "data": { "x": 1 } },
    });
    assert_eq!(told, wanted);
}

#[tokio::test]
async fn publications_keep_their_order_for_everybody() {
    let server = TestServer::start();
    let mut peers = Vec::new();
    for _ in 0..8 {
        let mut peer = server.peer().await;
        subscribe(&mut peer, "demo:order").await;
        peers.push(peer);
    }
    let mut ann = server.peer().await;
    let mut last = None;
    for number in 0..500 {
        let wish = json!({ "topic": "demo:order", "data": number });
        last = Some(ann.send_request("topic:publish", Some(&wish)).await.unwrap());
    }
    ann.answer(&last.unwrap()).await.unwrap();
    let wanted: Vec<i64> = (0..500).collect();
    for peer in &mut peers {
        expect_data(peer, &wanted).await;
    }
}

#[tokio::test]
async fn what_came_after_a_position_is_sent_again_behind_the_answer() {
    let server = TestServer::start();
    let (mut ann, mut bob) = (server.peer().await, server.peer().await);
    let positions: Vec<Value> = {
        let mut all = Vec::new();
        for number in 1..=5 {
            all.push(publish(&mut ann, "demo:past", json!(number)).await["position"].clone());
        }
        all
    };
    let since = json!({ "topic": "demo:past", "since": positions[1] });
    let told = bob.request("topic:subscribe", &since).await.unwrap();
    assert_eq!(
        (&told["recovered"], &told["replayed"], &told["position"]),
        (&json!(true), &json!(3), &positions[1])
    );
    publish(&mut ann, "demo:past", json!(6)).await;
    expect_data(&mut bob, &[3, 4, 5, 6]).await;
    // Again from another place: what there was ends.
    let since = json!({ "topic": "demo:past", "since": positions[4] });
    bob.request("topic:subscribe", &since).await.unwrap();
    publish(&mut ann, "demo:past", json!(7)).await;
    expect_data(&mut bob, &[6, 7]).await;
    expect_nothing(&mut bob).await;
    let history = bob.request("topic:history", &json!({ "topic": "demo:past", "limit": 2 })).await.unwrap();
    let data: Vec<_> =
        history["publications"].as_array().unwrap().iter().map(|it| it["data"].clone()).collect();
    assert_eq!(data, [json!(6), json!(7)]);
    let query = json!({ "topic": "demo:past", "since": positions[0], "limit": 3 });
    let history = bob.request("topic:history", &query).await.unwrap();
    assert_eq!((history["publications"][0]["data"].clone(), &history["more"]), (json!(2), &json!(true)));
}

#[tokio::test]
async fn a_position_that_is_not_kept_is_told_by_its_reason() {
    let rules = NamespaceOptions { history_size: 2, ..NamespaceOptions::open() };
    let server = server_with("few", rules);
    let (mut ann, mut bob) = (server.peer().await, server.peer().await);
    let first = publish(&mut ann, "few:a", json!(1)).await["position"].clone();
    for number in 2..=5 {
        publish(&mut ann, "few:a", json!(number)).await;
    }
    let ask = |since: Value| json!({ "topic": "few:a", "since": since });
    let told = bob.request("topic:subscribe", &ask(first.clone())).await.unwrap();
    assert_eq!((&told["recovered"], &told["reason"]), (&json!(false), &json!("history_expired")));
    let epoch = first.as_str().unwrap().split('-').next().unwrap().to_owned();
    let told = bob.request("topic:subscribe", &ask(json!(format!("{epoch}-ff")))).await.unwrap();
    assert_eq!(told["reason"], "position_ahead");
    let told = bob.request("topic:subscribe", &ask(json!("00000000-1"))).await.unwrap();
    assert_eq!(told["reason"], "other_history");
    let (code, details) = refusal(bob.request("topic:subscribe", &ask(json!("x"))).await);
    assert_eq!(
        (code.as_str(), &details["errors"][0]),
        ("VALIDATION_ERROR", &json!("/since: \"x\" is not a position"))
    );
    let (code, details) = refusal(bob.request("topic:history", &ask(first)).await);
    assert_eq!((code.as_str(), &details["reason"]), ("POSITION_LOST", &json!("history_expired")));
}

#[tokio::test]
async fn a_session_that_was_cut_goes_on_exactly_where_it_was() {
    let server = TestServer::start();
    let mut ann = server.peer().await;
    let mut bob = MockStarling::connect(server.ws_url()).await;
    bob.subscribe("demo:a").await;
    bob.subscribe("demo:b").await;
    publish(&mut ann, "demo:a", json!(1)).await;
    publish(&mut ann, "demo:a", json!(2)).await;
    assert_eq!(bob.expect_publication("demo:a").await, 1);
    bob.cut();
    until("nobody listens", || server.hub().subscribers("demo:a") == 0).await;
    for number in 3..=5 {
        publish(&mut ann, "demo:a", json!(number)).await;
    }
    let resumed = bob.resume().await;
    assert!(resumed.recovered && resumed.same_session, "{resumed:?}");
    assert_eq!(
        (&resumed.topics["demo:a"]["replayed"], &resumed.topics["demo:b"]["replayed"]),
        (&json!(4), &json!(0))
    );
    publish(&mut ann, "demo:a", json!(6)).await;
    for number in 2..=6 {
        assert_eq!(bob.expect_publication("demo:a").await, number);
    }
    bob.refute_notification("demo:a").await;
}

#[tokio::test]
async fn a_gap_after_a_break_is_told() {
    let rules = NamespaceOptions { history_size: 0, ..NamespaceOptions::open() };
    let server = server_with("now", rules);
    let mut ann = server.peer().await;
    let mut bob = MockStarling::connect(server.ws_url()).await;
    bob.subscribe("now:a").await;
    publish(&mut ann, "now:a", json!(1)).await;
    assert_eq!(bob.expect_publication("now:a").await, 1);
    bob.cut();
    assert_eq!(bob.resume().await.topics["now:a"]["recovered"], true, "nothing was published meanwhile");
    bob.cut();
    until("nobody listens", || server.hub().subscribers("now:a") == 0).await;
    publish(&mut ann, "now:a", json!(2)).await;
    let told = bob.resume().await.topics["now:a"].clone();
    assert_eq!((&told["recovered"], &told["reason"]), (&json!(false), &json!("history_expired")));
    publish(&mut ann, "now:a", json!(3)).await;
    assert_eq!(bob.expect_publication("now:a").await, 3);
}

#[tokio::test]
async fn an_existing_client_gets_what_it_missed_with_its_other_messages() {
    let server = TestServer::start();
    let plain = PeerOptions { plain: true, ..PeerOptions::default() };
    let mut bob = MockStarling::connect_with(server.ws_url(), plain.clone()).await;
    bob.request("topic:subscribe", json!({ "topic": "demo:a" })).await.unwrap();
    let token = bob.token().to_owned();
    bob.cut();
    until("it is away", || server.starlings().filter(|it| it.is_connected()).is_empty()).await;
    server.peer().await.request("topic:publish", &json!({ "topic": "demo:a", "data": 1 })).await.unwrap();
    let url = format!("{}?recover={token}", server.ws_url());
    let mut bob = Peer::connect(&url, &plain).await.unwrap();
    assert_eq!(publication(&mut bob).await.1, 1);
    let (topic, ..) = publication(&mut bob).await;
    assert_eq!(topic, "connection:recovered");
    server.peer().await.request("topic:publish", &json!({ "topic": "demo:a", "data": 2 })).await.unwrap();
    assert_eq!(publication(&mut bob).await.1, 2);
}

#[tokio::test]
async fn patterns_get_what_fits_where_they_are_allowed() {
    let server = server_with("strict", NamespaceOptions { patterns: false, ..NamespaceOptions::open() });
    let (mut ann, mut bob) = (server.peer().await, server.peer().await);
    subscribe(&mut bob, "demo:*").await;
    subscribe(&mut bob, "demo:a").await;
    publish(&mut ann, "demo:b", json!(1)).await;
    let (topic, data, place) = publication(&mut bob).await;
    assert_eq!(
        (topic.as_str(), data, place.unwrap().pattern.as_deref()),
        ("demo:b", json!(1), Some("demo:*"))
    );
    assert_eq!(publish(&mut ann, "demo:a", json!(2)).await["delivered"], 2, "each subscription gets it");
    let mut patterns = Vec::new();
    for _ in 0..2 {
        patterns.push(publication(&mut bob).await.2.unwrap().pattern);
    }
    assert_eq!(patterns, [None, Some("demo:*".to_owned())]);
    publish(&mut ann, "demo:b:c", json!(3)).await;
    bob.request("topic:unsubscribe", &json!({ "topics": ["demo:*", "demo:x"] })).await.unwrap();
    publish(&mut ann, "demo:b", json!(4)).await;
    expect_nothing(&mut bob).await;
    for (topic, code) in [
        ("strict:*", "VALIDATION_ERROR"),
        ("**", "PERMISSION_DENIED"),
        ("*:a", "PERMISSION_DENIED"),
        ("demo:", "VALIDATION_ERROR"),
        ("demo:a b", "VALIDATION_ERROR"),
        ("", "PERMISSION_DENIED"),
    ] {
        let (found, _) = refusal(bob.request("topic:subscribe", &json!({ "topic": topic })).await);
        assert_eq!(found, code, "{topic}");
    }
    let (code, _) = refusal(bob.request("topic:publish", &json!({ "topic": "demo:*", "data": 1 })).await);
    assert_eq!(code, "VALIDATION_ERROR");
    let long = format!("demo:{}", "a".repeat(300));
    let (_, details) = refusal(bob.request("topic:subscribe", &json!({ "topic": long })).await);
    assert!(details["errors"][0].as_str().unwrap().contains("at most 256"), "{details}");
}

#[tokio::test]
async fn a_pattern_that_was_cut_is_told_of_the_gap() {
    let server = TestServer::start();
    let mut bob = MockStarling::connect(server.ws_url()).await;
    bob.subscribe("demo:*").await;
    bob.cut();
    let told = bob.resume().await.topics["demo:*"].clone();
    assert_eq!((&told["recovered"], &told["reason"]), (&json!(false), &json!("pattern")));
    server.peer().await.request("topic:publish", &json!({ "topic": "demo:x", "data": 1 })).await.unwrap();
    assert_eq!(bob.expect_publication("demo:x").await, 1);
}

#[tokio::test]
async fn filters_choose_by_tags_where_it_is_published() {
    let server = TestServer::start();
    let (mut ann, mut bob) = (server.peer().await, server.peer().await);
    let wish = json!({ "topic": "demo:log", "filter": { "level": ["warn", "error"], "room": "a" } });
    bob.request("topic:subscribe", &wish).await.unwrap();
    let tagged = |number: i64, tags: Value| json!({ "topic": "demo:log", "data": number, "tags": tags });
    let mut delivered = Vec::new();
    let mut first = Value::Null;
    for (number, tags) in [
        (1, json!({ "level": "info", "room": "a" })),
        (2, json!({ "level": "warn", "room": "a" })),
        (3, json!({ "level": "warn", "room": "b" })),
        (4, json!({})),
        (5, json!({ "level": "error", "room": "a", "more": "x" })),
    ] {
        let answer = ann.request("topic:publish", &tagged(number, tags)).await.unwrap();
        delivered.push(answer["delivered"].as_u64().unwrap());
        first = if first.is_null() { answer["position"].clone() } else { first };
    }
    assert_eq!(delivered, [0, 1, 0, 0, 1]);
    let (_, data, place) = publication(&mut bob).await;
    assert_eq!((data, &place.unwrap().tags["level"]), (json!(2), &json!("warn")));
    expect_data(&mut bob, &[5]).await;
    let again = json!({ "topic": "demo:log", "since": first, "filter": { "room": "b" } });
    bob.request("topic:subscribe", &again).await.unwrap();
    expect_data(&mut bob, &[3]).await;
    expect_nothing(&mut bob).await;
    let (_, details) =
        refusal(bob.request("topic:subscribe", &json!({ "topic": "demo:a", "filter": { "x": 1 } })).await);
    assert_eq!(details["errors"][0], "/filter/x: a tag is a text, not 1");
    let (code, _) = refusal(ann.request("topic:publish", &tagged(1, json!({ "x": 1 }))).await);
    assert_eq!(code, "VALIDATION_ERROR");
}

#[derive(Deserialize)]
struct Asked {
    topic: String,
    action: String,
}

#[tokio::test]
async fn only_whom_the_namespace_admits_gets_in() {
    let rules = |subscribe: &str, publish: &str| NamespaceOptions {
        subscribe: subscribe.parse().unwrap(),
        publish: publish.parse().unwrap(),
        ..NamespaceOptions::default()
    };
    let server =
        TestServer::start_with(
            |config| {
                let all = [
                    ("closed", rules("nobody", "nobody")),
                    ("members", rules("users", "permission")),
                    ("inbox", rules("owner", "everyone")),
                    ("asked", rules("method app:mayTopic", "method app:mayTopic")),
                    ("lost", rules("method app:missing", "nobody")),
                ];
                config.topics.namespaces.extend(all.map(|(name, rules)| (name.to_owned(), rules)));
            },
            |builder| {
                let private = helios::dispatch::MethodOptions { private: true, ..Default::default() };
                builder
                    .identify(|handshake| named(handshake.query("user"), handshake.query("may")))
                    .method_with("app:mayTopic", private, |ctx: Context, asked: Asked| async move {
                        let user = ctx.principal().name().map(str::to_owned);
                        Ok::<_, MethodError>(
                            asked.action == "subscribe"
                                && Some(asked.topic) == user.map(|user| format!("asked:{user}")),
                        )
                    })
            },
        );
    let mut nobody = server.peer().await;
    let mut ann = user(&server, "ann", "topic:publish:members").await;
    let mut bob = user(&server, "bob", "none").await;
    for (topic, who) in [
        ("unknown:a", "nobody"),
        ("closed:a", "ann"),
        ("members:a", "nobody"),
        ("inbox:ann", "bob"),
        ("asked:ann", "bob"),
        ("lost:a", "ann"),
    ] {
        let peer = match who {
            "nobody" => &mut nobody,
            "ann" => &mut ann,
            _ => &mut bob,
        };
        for method in ["topic:subscribe", "topic:history", "topic:stats"] {
            let (code, _) = refusal(peer.request(method, &json!({ "topic": topic })).await);
            let wanted = if topic == "lost:a" { "METHOD_NOT_FOUND" } else { "PERMISSION_DENIED" };
            assert_eq!(code, wanted, "{method} {topic} {who}");
        }
    }
    for topic in ["members:a", "inbox:ann", "asked:ann"] {
        subscribe(&mut ann, topic).await;
    }
    let wish = |topic: &str| json!({ "topic": topic, "data": 1 });
    let (code, details) = refusal(bob.request("topic:publish", &wish("members:a")).await);
    assert_eq!(
        (code.as_str(), &details["permission"]),
        ("PERMISSION_DENIED", &json!("topic:publish:members"))
    );
    let (code, details) = refusal(ann.request("topic:publish", &wish("asked:ann")).await);
    assert_eq!((code.as_str(), &details["action"]), ("PERMISSION_DENIED", &json!("publish")));
    assert_eq!(ann.request("topic:publish", &wish("members:a")).await.unwrap()["delivered"], 1);
    assert_eq!(nobody.request("topic:publish", &wish("inbox:ann")).await.unwrap()["delivered"], 1);
    assert!(matches!(Access::Method("a:b".into()).to_string().as_str(), "method a:b"));
    // The program itself may always.
    let wish = helios::hub::Wish {
        topic: "closed:a".into(),
        data: helios::protocol::Payload::json(&1).unwrap(),
        tags: Default::default(),
    };
    server.hub().publish(wish).await.unwrap();
}

#[tokio::test]
async fn a_method_publishes_in_the_name_of_the_server() {
    let server = TestServer::start_with(
        |config| {
            let rules = NamespaceOptions { publish: Access::Nobody, ..NamespaceOptions::open() };
            config.topics.namespaces.insert("news".into(), rules);
        },
        |builder| {
            builder.method("app:say", |ctx: Context, topic: String| async move {
                let told = ctx.publish(&topic, &json!({ "said": true })).await?;
                Ok::<_, MethodError>(json!({ "delivered": told.delivered, "position": told.position }))
            })
        },
    );
    let (mut ann, mut bob) = (server.peer().await, server.peer().await);
    subscribe(&mut bob, "news:a").await;
    let told = ann.request("app:say", &json!("news:a")).await.unwrap();
    let (topic, data, place) = publication(&mut bob).await;
    assert_eq!((topic.as_str(), data), ("news:a", json!({ "said": true })));
    assert_eq!((&told["delivered"], json!(place.unwrap().position)), (&json!(1), told["position"].clone()));
    let (code, _) = refusal(ann.request("topic:publish", &json!({ "topic": "news:a", "data": 1 })).await);
    assert_eq!(code, "PERMISSION_DENIED");
    let (code, _) = refusal(ann.request("app:say", &json!("closed:a")).await);
    assert_eq!(code, "METHOD_ERROR");
}

#[tokio::test]
async fn length_rate_and_number_are_bounded() {
    let rules = NamespaceOptions { max_size: ByteSize(100), rate: 3, ..NamespaceOptions::open() };
    let server = TestServer::start_with(
        |config| {
            config.topics.namespaces.insert("tight".into(), rules);
            config.topics.subscriptions_max = 2;
        },
        |builder| builder,
    );
    let mut ann = server.peer().await;
    let wish = |length: usize| json!({ "topic": "tight:a", "data": "x".repeat(length) });
    let (_, details) = refusal(ann.request("topic:publish", &wish(99)).await);
    assert_eq!(details["errors"][0], "/data: the data of a publication has at most 100 bytes here, not 101");
    publish(&mut ann, "tight:a", json!(1)).await;
    publish(&mut ann, "tight:a", json!(1)).await;
    let (code, details) = refusal(ann.request("topic:publish", &wish(1)).await);
    assert_eq!(code, "RATE_LIMIT_EXCEEDED");
    assert!(details["retryAfterMs"].as_u64().unwrap() > 0 && details["perSecond"] == 3, "{details}");
    subscribe(&mut ann, "demo:a").await;
    let many = json!({ "topics": ["demo:b", "demo:c"] });
    let (code, details) = refusal(ann.request("topic:subscribe", &many).await);
    assert_eq!((code.as_str(), &details["limit"]), ("QUOTA_EXCEEDED", &json!(2)));
    assert_eq!(server.hub().subscribers("demo:b"), 0, "all of them or none");
    let told = ann.request("topic:subscribe", &json!({ "topics": ["demo:a", "demo:b"] })).await.unwrap();
    assert!(told["subscriptions"]["demo:b"]["position"].is_string());
    for wrong in [
        json!({}),
        json!({ "topics": [] }),
        json!({ "topic": "demo:a", "topics": ["demo:b"] }),
        json!(null),
        json!({ "topic": 1 }),
    ] {
        let (code, _) = refusal(ann.request("topic:subscribe", &wrong).await);
        assert_eq!(code, "VALIDATION_ERROR", "{wrong}");
    }
    for wrong in [
        json!({}),
        json!({ "topic": "demo:a" }),
        json!(null),
        json!({ "topic": "demo:a", "data": 1, "x": 1 }),
    ] {
        let (code, _) = refusal(ann.request("topic:publish", &wrong).await);
        assert_eq!(code, "VALIDATION_ERROR", "{wrong}");
    }
}

#[tokio::test]
async fn a_slow_subscriber_is_closed_or_told_of_a_gap_or_gets_the_latest() {
    for (slow, name) in
        [(SlowPolicy::Disconnect, "hard"), (SlowPolicy::DropOldest, "soft"), (SlowPolicy::Latest, "last")]
    {
        let rules = NamespaceOptions {
            slow,
            slow_bytes: ByteSize::kib(64),
            slow_queue: 10,
            history_size: 0,
            ..NamespaceOptions::open()
        };
        let server = TestServer::start_with(
            |config| {
                config.topics.namespaces.insert(name.into(), rules);
                config.connections.outbox_bytes_max = ByteSize::mib(1);
            },
            |builder| builder,
        );
        let (mut ann, mut bob) = (server.peer().await, server.peer().await);
        let topic = format!("{name}:a");
        subscribe(&mut bob, &topic).await;
        // Bob reads nothing meanwhile. Kernels buffer some megabytes.
        for number in 0..400 {
            publish(&mut ann, &topic, json!({ "n": number, "pad": "x".repeat(40_000) })).await;
        }
        let drops = |reason: &str| server.metrics().topics.drops.with_label_values(&[reason]).get();
        if slow == SlowPolicy::Disconnect {
            until("bob is closed", || server.starlings().count() == 1).await;
            assert!(
                server.metrics().slow_consumers.get() == 1 && drops("slow_consumer") + drops("closed") > 0
            );
            continue;
        }
        let (mut last, mut missed, mut seen) = (-1, 0, 0);
        while last < 399 {
            let (topic, data, _) = publication(&mut bob).await;
            if topic == "topic:gap" {
                missed += data["missed"].as_i64().unwrap();
            } else {
                assert!(data["n"].as_i64().unwrap() > last, "in order");
                (last, seen) = (data["n"].as_i64().unwrap(), seen + 1);
            }
        }
        assert!(seen < 400, "some were dropped");
        match slow {
            SlowPolicy::DropOldest => assert_eq!((missed + seen, drops("drop_oldest") as i64), (400, missed)),
            _ => assert_eq!((missed, drops("latest") as i64), (0, 400 - seen)),
        }
    }
}

#[tokio::test]
async fn a_burst_that_is_longer_than_an_outbox_closes_nobody_who_reads() {
    let server = TestServer::start_with(
        |config| config.connections.outbox_bytes_max = ByteSize::kib(256),
        |builder| builder,
    );
    let (mut ann, mut bob) = (server.peer().await, server.peer().await);
    subscribe(&mut bob, "demo:burst").await;
    let reading = async {
        for number in 0..60 {
            assert_eq!(publication(&mut bob).await.1["n"], number);
        }
    };
    let publishing = async {
        let mut last = None;
        for number in 0..60 {
            let data = json!({ "n": number, "pad": "x".repeat(60_000) });
            let wish = json!({ "topic": "demo:burst", "data": data });
            last = Some(ann.send_request("topic:publish", Some(&wish)).await.unwrap());
        }
        ann.answer(&last.unwrap()).await.unwrap();
    };
    tokio::join!(reading, publishing);
    assert_eq!(server.metrics().slow_consumers.get(), 0);
}

#[tokio::test]
async fn a_subscription_that_fails_leaves_the_others_as_they_were() {
    let server = server_with("strict", NamespaceOptions { patterns: false, ..NamespaceOptions::open() });
    let (mut ann, mut bob) = (server.peer().await, server.peer().await);
    subscribe(&mut bob, "strict:a").await;
    for wrong in ["strict:*", "strict:!", "none:a"] {
        let many = json!({ "topics": ["strict:a", "strict:b", wrong] });
        assert!(bob.request("topic:subscribe", &many).await.is_err(), "{wrong}");
    }
    assert_eq!(publish(&mut ann, "strict:a", json!(1)).await["delivered"], 1);
    assert_eq!(publish(&mut ann, "strict:b", json!(2)).await["delivered"], 0);
    expect_data(&mut bob, &[1]).await;
    expect_nothing(&mut bob).await;
}

#[tokio::test]
async fn looking_at_a_topic_does_not_make_one() {
    let server = TestServer::start();
    let mut ann = server.peer().await;
    for method in ["topic:history", "topic:stats", "topic:presence"] {
        ann.request(method, &json!({ "topic": "demo:never" })).await.unwrap();
        let (code, _) = refusal(ann.request(method, &json!({ "topic": "demo:*" })).await);
        assert_eq!(code, "VALIDATION_ERROR", "{method}");
    }
    assert_eq!(server.metrics().topics.topics.get(), 0);
}

#[tokio::test]
async fn history_ends_with_its_age_and_idle_topics_are_forgotten() {
    let rules = NamespaceOptions { history_age: Span::millis(300), ..NamespaceOptions::open() };
    let server = TestServer::start_with(
        |config| {
            config.topics.namespaces.insert("brief".into(), rules);
            config.topics.linger = Span::millis(100);
        },
        |builder| builder,
    );
    let mut ann = server.peer().await;
    let old = publish(&mut ann, "brief:a", json!(1)).await["position"].clone();
    assert_eq!(server.hub().stats("brief:a").unwrap().history, 1);
    assert!(server.metrics().topics.history_bytes.get() > 0);
    until("it is over", || server.metrics().topics.history_bytes.get() == 0).await;
    until("it is forgotten", || server.metrics().topics.topics.get() == 0).await;
    let new = publish(&mut ann, "brief:a", json!(2)).await["position"].clone();
    assert_ne!(new, old, "no position means two things");
    let told = ann.request("topic:subscribe", &json!({ "topic": "brief:a", "since": old })).await.unwrap();
    assert_eq!((&told["recovered"], &told["replayed"]), (&json!(true), &json!(1)));
}

#[tokio::test]
async fn memory_of_all_histories_is_bounded() {
    let server = TestServer::start_with(
        |config| config.topics.history_bytes_max = ByteSize::kib(64),
        |builder| builder,
    );
    let mut ann = server.peer().await;
    for number in 0..100 {
        publish(&mut ann, &format!("demo:t{}", number % 10), json!("x".repeat(2_000))).await;
    }
    let bytes = server.metrics().topics.history_bytes.get();
    assert!(bytes > 32 * 1024 && bytes <= 64 * 1024, "{bytes}");
}

#[tokio::test]
async fn counts_and_lists_are_true() {
    let server = TestServer::start();
    let (mut ann, mut bob) = (server.peer().await, server.peer().await);
    for topic in ["demo:a", "demo:b", "demo:*"] {
        subscribe(&mut bob, topic).await;
    }
    publish(&mut ann, "demo:a", json!(1)).await;
    let stats = ann.request("topic:stats", &json!({ "topic": "demo:a" })).await.unwrap();
    assert_eq!(
        (&stats["subscribers"], &stats["history"], &stats["sessions"]),
        (&json!(2), &json!(1), &json!(1))
    );
    let totals = ann.request("topic:stats", &Value::Null).await.unwrap();
    assert_eq!(
        (&totals["subscribers"], &totals["publications"], &totals["deliveries"]),
        (&json!(3), &json!(1), &json!(2))
    );
    let query = json!({ "namespace": "demo", "limit": 1 });
    let listed = ann.request("topic:list", &query).await.unwrap();
    assert_eq!(listed["topics"][0]["topic"], "demo:a");
    let query = json!({ "namespace": "demo", "after": "demo:a" });
    let listed = ann.request("topic:list", &query).await.unwrap();
    assert_eq!(
        (listed["topics"].as_array().unwrap().len(), &listed["topics"][0]["topic"]),
        (1, &json!("demo:b"))
    );
    let (code, _) = refusal(ann.request("topic:list", &json!({ "namespace": "metrics" })).await);
    assert_eq!(code, "PERMISSION_DENIED");
}

#[tokio::test]
async fn the_numbers_of_the_server_are_told_each_second() {
    let server = TestServer::start();
    let mut ann = server.peer().await;
    let first = ann.request("metrics:subscribe", &Value::Null).await.unwrap();
    let mut before = first["timestamp"].as_u64().unwrap();
    for _ in 0..2 {
        let (topic, data, _) = publication(&mut ann).await;
        assert_eq!(topic, "metrics:update");
        for key in ["totalRequests", "activeConnections", "averageResponseTime", "systemHealth", "topics"] {
            assert!(!data[key].is_null(), "{key} of {data}");
        }
        assert!(data["timestamp"].as_u64().unwrap() > before && data["activeConnections"] == 1);
        before = data["timestamp"].as_u64().unwrap();
    }
    assert_eq!(ann.request("metrics:unsubscribe", &Value::Null).await.unwrap()["ended"], true);
    assert_eq!(server.hub().subscribers("metrics:update"), 0);
}

#[tokio::test]
async fn a_broadcast_chooses_by_role_and_groups() {
    let server = TestServer::start();
    let (mut ann, mut bob, mut cat) = (server.peer().await, server.peer().await, server.peer().await);
    for (peer, role, groups) in [
        (&mut ann, "admin", json!(["eu"])),
        (&mut bob, "admin", json!(["us"])),
        (&mut cat, "guest", json!(["eu"])),
    ] {
        peer.request("starling:set", &json!({ "name": "role", "value": role })).await.unwrap();
        peer.request("starling:set", &json!({ "name": "groups", "value": groups })).await.unwrap();
    }
    let told = server.starlings().broadcast("system:notice", &json!("hello"), |starling| {
        let groups: Vec<String> = starling.get("groups").unwrap_or_default();
        starling.get::<String>("role").as_deref() == Some("admin") && groups.iter().any(|group| group == "eu")
    });
    assert_eq!(told.unwrap(), 1);
    assert_eq!(publication(&mut ann).await.0, "system:notice");
    expect_nothing(&mut bob).await;
    expect_nothing(&mut cat).await;
}
