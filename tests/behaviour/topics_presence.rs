//! Who is there: joins, leaves, reloads, breaks and restarts.

use helios::auth::Principal;
use helios::base::Span;
use helios::hub::NamespaceOptions;
use helios::peer::{Peer, PeerOptions, Received};
use helios::testing::{MockStarling, TestServer};
use serde_json::{Value, json};

use crate::wait::until;

fn server(grace: Span) -> TestServer {
    TestServer::start_with(
        move |config| {
            let rules = NamespaceOptions { presence_grace: grace, ..NamespaceOptions::open() };
            config.topics.namespaces.insert("room".into(), rules);
            let rules = NamespaceOptions { presence: false, join_leave: false, ..NamespaceOptions::open() };
            config.topics.namespaces.insert("dark".into(), rules);
        },
        |builder| {
            builder.identify(|handshake| match handshake.query("user") {
                Some(user) => Principal::named(user, []),
                None => Principal::anonymous(),
            })
        },
    )
}

fn url(server: &TestServer, user: &str) -> String {
    format!("{}?user={user}", server.ws_url())
}

async fn user(server: &TestServer, name: &str) -> Peer {
    let mut peer = Peer::connect(&url(server, name), &PeerOptions::default()).await.unwrap();
    peer.receive().await.unwrap();
    peer
}

async fn enter(peer: &mut Peer, topic: &str) -> Value {
    peer.request("topic:subscribe", &json!({ "topic": topic, "presence": true })).await.unwrap()
}

/// Who has come and who has left, by the next difference.
async fn difference(peer: &mut Peer) -> (Vec<String>, Vec<String>, Value) {
    let fits =
        |it: &Received| matches!(it, Received::Notification { topic, .. } if topic == "topic:presence");
    let Received::Notification { data, .. } = peer.expect(fits).await.unwrap() else { unreachable!() };
    let names = |key: &str| {
        let all = data[key].as_array().unwrap().iter();
        all.map(|it| it["user"].as_str().or(it["session"].as_str()).unwrap().to_owned()).collect::<Vec<_>>()
    };
    (names("joined"), names("left"), data.clone())
}

async fn here(peer: &mut Peer, by: &str) -> Value {
    peer.request("topic:presence", &json!({ "topic": "room:a", "by": by })).await.unwrap()
}

#[tokio::test]
async fn who_comes_and_leaves_is_told_once_for_each_user() {
    let server = server(Span::millis(100));
    let mut ann = user(&server, "ann").await;
    let told = enter(&mut ann, "room:a").await;
    assert_eq!(told["presence"]["users"], 1);
    assert_eq!(difference(&mut ann).await.0, ["ann"]);
    let (mut bob, mut again) = (user(&server, "bob").await, user(&server, "bob").await);
    enter(&mut bob, "room:a").await;
    enter(&mut again, "room:a").await;
    let (joined, left, told) = difference(&mut ann).await;
    assert_eq!((joined, left.len()), (vec!["bob".to_owned()], 0));
    assert_eq!((&told["users"], &told["topic"]), (&json!(2), &json!("room:a")));
    let page = here(&mut ann, "user").await;
    assert_eq!(
        (&page["users"], &page["sessions"], &page["members"][1]["sessions"]),
        (&json!(2), &json!(3), &json!(2))
    );
    let page = here(&mut ann, "session").await;
    assert_eq!(page["members"].as_array().unwrap().len(), 3);
    drop(again);
    bob.request("topic:unsubscribe", &json!({ "topic": "room:a" })).await.unwrap();
    let (joined, left, _) = difference(&mut ann).await;
    assert_eq!((joined.len(), left), (0, vec!["bob".to_owned()]));
}

#[tokio::test]
async fn a_reload_is_no_leave() {
    let server = server(Span::secs(20));
    let mut ann = user(&server, "ann").await;
    enter(&mut ann, "room:a").await;
    difference(&mut ann).await;
    let mut bob = user(&server, "bob").await;
    enter(&mut bob, "room:a").await;
    assert_eq!(difference(&mut ann).await.0, ["bob"]);
    drop(bob);
    until("bob is away", || server.starlings().count() == 1).await;
    assert_eq!(here(&mut ann, "user").await["users"], 2);
    let mut bob = user(&server, "bob").await;
    enter(&mut bob, "room:a").await;
    let mut cat = user(&server, "cat").await;
    enter(&mut cat, "room:a").await;
    let (joined, left, _) = difference(&mut ann).await;
    assert_eq!((joined, left.len()), (vec!["cat".to_owned()], 0), "bob has not come anew, and has not left");
}

#[tokio::test]
async fn who_was_cut_and_comes_back_was_there_all_the_time() {
    let server = server(Span::millis(500));
    let mut ann = user(&server, "ann").await;
    enter(&mut ann, "room:a").await;
    difference(&mut ann).await;
    let mut bob = MockStarling::connect(&url(&server, "bob")).await;
    bob.subscribe("room:a").await;
    assert_eq!(difference(&mut ann).await.0, ["bob"]);
    for _ in 0..3 {
        bob.cut();
        until("bob is away", || server.starlings().count() == 1).await;
        assert!(bob.resume().await.recovered);
    }
    let page = here(&mut ann, "session").await;
    assert_eq!(page["members"][1]["away"], false);
    bob.cut();
    until("bob is away", || server.starlings().count() == 1).await;
    assert_eq!(here(&mut ann, "session").await["members"][1]["away"], true);
    let (joined, left, _) = difference(&mut ann).await;
    assert_eq!((joined.len(), left), (0, vec!["bob".to_owned()]), "nothing was told of the breaks before");
    assert!(bob.resume().await.recovered);
    assert_eq!(difference(&mut ann).await.0, ["bob"], "who has left and comes back has come");
}

#[tokio::test]
async fn sessions_without_a_name_count_by_themselves() {
    let server = server(Span::millis(50));
    let mut ann = server.peer().await;
    enter(&mut ann, "room:a").await;
    let (joined, _, told) = difference(&mut ann).await;
    assert_eq!((joined.len(), &told["users"], &told["anonymous"]), (1, &json!(0), &json!(1)));
    let mut dan = server.plain_peer().await;
    dan.request("topic:subscribe", &json!({ "topic": "room:a" })).await.unwrap();
    let (joined, _, _) = difference(&mut ann).await;
    drop(dan);
    assert_eq!(difference(&mut ann).await.1, joined);
}

#[tokio::test]
async fn an_existing_client_that_comes_back_late_is_there_again() {
    let server = server(Span::millis(50));
    let mut ann = user(&server, "ann").await;
    enter(&mut ann, "room:a").await;
    difference(&mut ann).await;
    let plain = PeerOptions { plain: true, ..PeerOptions::default() };
    let mut bob = MockStarling::connect_with(&url(&server, "bob"), plain.clone()).await;
    bob.request("topic:subscribe", json!({ "topic": "room:a" })).await.unwrap();
    assert_eq!(difference(&mut ann).await.0, ["bob"]);
    let token = bob.token().to_owned();
    bob.cut();
    assert_eq!(difference(&mut ann).await.1, ["bob"], "the grace is over");
    let back = format!("{}?recover={token}", server.ws_url());
    let _bob = Peer::connect(&back, &plain).await.unwrap();
    assert_eq!(difference(&mut ann).await.0, ["bob"]);
}

#[tokio::test]
async fn pages_and_namespaces_without_presence() {
    let server = server(Span::millis(50));
    let mut peers = Vec::new();
    for number in 0..5 {
        let mut peer = user(&server, &format!("u{number}")).await;
        peer.request("topic:subscribe", &json!({ "topics": ["room:a", "dark:a"] })).await.unwrap();
        peers.push(peer);
    }
    let mut ann = user(&server, "ann").await;
    let (mut cursor, mut names) = (Value::Null, Vec::new());
    loop {
        let query = json!({ "topic": "room:a", "limit": 2, "cursor": cursor });
        let page = ann.request("topic:presence", &query).await.unwrap();
        names.extend(
            page["members"].as_array().unwrap().iter().map(|it| it["user"].as_str().unwrap().to_owned()),
        );
        cursor = page["cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(names, ["u0", "u1", "u2", "u3", "u4"]);
    assert!(ann.request("topic:presence", &json!({ "topic": "dark:a" })).await.is_err());
    assert!(ann.request("topic:presence", &json!({ "topic": "room:a", "cursor": "x" })).await.is_err());
    let counts = ann.request("topic:presence", &json!({ "topic": "room:a", "limit": 0 })).await.unwrap();
    assert_eq!((&counts["sessions"], &counts["members"]), (&json!(5), &json!([])));
}

/// A server on a directory that outlives it.
fn server_on(directory: &std::path::Path, grace: Span) -> TestServer {
    let directory = directory.to_owned();
    TestServer::start_with(
        move |config| {
            config.store.data_dir = directory;
            config.topics.namespaces.insert(
                "room".into(),
                NamespaceOptions { presence_grace: grace, durable: true, ..NamespaceOptions::open() },
            );
        },
        |builder| builder,
    )
}

#[tokio::test]
async fn who_was_there_before_a_restart_is_until_the_grace_is_over() {
    let outer = tempfile::tempdir().unwrap();
    let directory = outer.path().join("data");
    let mut before = server_on(&directory, Span::secs(60));
    let mut bob = MockStarling::connect(before.ws_url()).await;
    bob.subscribe("room:a").await;
    let copy = outer.path().join("kept");
    let _ = before.drain().recv();
    bob.cut();
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(&directory).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    drop(before);
    let after = server_on(&copy, Span::secs(60));
    let mut ann = after.peer().await;
    assert_eq!(here(&mut ann, "session").await["members"][0]["away"], true);
    bob.move_to(after.ws_url());
    let resumed = bob.resume().await;
    assert!(resumed.recovered && resumed.restarted, "{resumed:?}");
    assert_eq!(resumed.topics["room:a"]["recovered"], true, "{resumed:?}");
    assert_eq!(here(&mut ann, "session").await["members"][0]["away"], false);
    ann.request("topic:publish", &json!({ "topic": "room:a", "data": 1 })).await.unwrap();
    assert_eq!(bob.expect_publication("room:a").await, 1);
}
