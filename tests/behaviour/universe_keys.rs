//! The keys of the application in universes: forked from `main`, changed apart, merged back in one commit.

use helios::peer::{Peer, PeerError};
use helios::testing::TestServer;
use serde_json::{Value, json};

use crate::universes::ask;

async fn refused(peer: &mut Peer, method: &str, payload: Value) -> (String, Value) {
    match peer.request(method, &payload).await {
        Err(PeerError::Failed(failure)) => (failure.code, failure.details),
        other => panic!("{method} {payload}: {other:?}"),
    }
}

async fn set(peer: &mut Peer, universe: &str, key: &str, value: Value) -> Value {
    ask(peer, "kv:set", json!({ "key": key, "value": value, "universe": universe })).await["version"].take()
}

async fn get(peer: &mut Peer, universe: &str, key: &str) -> Value {
    ask(peer, "kv:get", json!({ "key": key, "universe": universe })).await["value"].take()
}

async fn fork(peer: &mut Peer) -> String {
    let made = ask(peer, "universe:fork", json!({ "from": "main", "name": "try" })).await;
    assert_eq!(made["universes"][0]["type"], "main");
    made["universes"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn keys_go_their_own_way_in_a_fork_and_come_back_in_one_commit() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    for number in 0..50 {
        set(&mut peer, "main", &format!("n{number}"), json!(number)).await;
    }
    let id = fork(&mut peer).await;
    assert_eq!(get(&mut peer, &id, "n7").await, 7);
    let first = set(&mut peer, &id, "n7", json!("changed")).await;
    let guarded = json!({ "key": "n7", "value": 8, "universe": id, "ifVersion": first });
    assert_eq!(ask(&mut peer, "kv:set", guarded.clone()).await["done"], true);
    assert_eq!(ask(&mut peer, "kv:set", guarded).await["done"], false, "versions guard in a universe too");
    ask(&mut peer, "kv:delete", json!({ "key": "n8", "universe": id })).await;
    assert_eq!(
        ask(&mut peer, "kv:increment", json!({ "key": "n9", "by": 10, "universe": id })).await["value"],
        19
    );
    let commit = json!({
        "universe": id,
        "checks": [{ "key": "new", "version": 0 }],
        "operations": [{ "op": "set", "key": "new", "value": 1, "ttlMs": 3_600_000 }, { "op": "delete", "key": "n10" }],
    });
    assert_eq!(ask(&mut peer, "kv:commit", commit.clone()).await["committed"], true);
    assert_eq!(
        ask(&mut peer, "kv:commit", commit).await["committed"],
        false,
        "the check does not hold any more"
    );
    assert_eq!(ask(&mut peer, "kv:ttl", json!({ "key": "new", "universe": id })).await["exists"], true);
    let page = ask(&mut peer, "kv:scan", json!({ "prefix": "n", "limit": 1000, "universe": id })).await;
    assert_eq!(page["entries"].as_array().unwrap().len(), 49);
    for (key, value) in [("n7", json!(7)), ("n8", json!(8)), ("n9", json!(9)), ("new", Value::Null)] {
        assert_eq!(get(&mut peer, "main", key).await, value, "{key} is as it was");
    }
    set(&mut peer, "main", "n20", json!("meanwhile")).await;
    let later = fork(&mut peer).await;
    let diff = ask(&mut peer, "universe:diff", json!({ "from": later, "to": id })).await;
    assert_eq!(diff["stats"], json!({ "added": 1, "changed": 3, "deleted": 2, "truncated": false }));

    let watched = ask(&mut peer, "kv:watch", json!({ "prefix": "n" })).await;
    let merged = ask(&mut peer, "universe:merge", json!({ "target": "main", "sources": [id] })).await;
    assert_eq!(merged["changes"], 5);
    let told = peer.expect(
        |it| matches!(it, helios::peer::Received::Notification { topic, .. } if topic == "kv:changes"),
    );
    let helios::peer::Received::Notification { data, .. } = told.await.unwrap() else { unreachable!() };
    assert_eq!(
        (&data["watch"], data["changes"].as_array().unwrap().len()),
        (&watched["watch"], 5),
        "it is one commit"
    );
    for (key, value) in [
        ("n7", json!(8)),
        ("n8", Value::Null),
        ("n9", json!(19)),
        ("new", json!(1)),
        ("n20", json!("meanwhile")),
    ] {
        assert_eq!(get(&mut peer, "main", key).await, value, "{key} after the merge");
    }
    assert!(ask(&mut peer, "kv:ttl", json!({ "key": "new" })).await["ttlMs"].is_u64());
    let again = ask(&mut peer, "universe:merge", json!({ "target": "main", "sources": [id] })).await;
    assert_eq!(again["changes"], 0, "what is merged is merged");
}

#[tokio::test]
async fn keys_that_both_have_changed_are_a_conflict() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    for key in ["a", "b", "c"] {
        set(&mut peer, "main", key, json!(0)).await;
    }
    let id = fork(&mut peer).await;
    for (universe, value) in [("main", 1), (id.as_str(), 2)] {
        set(&mut peer, universe, "a", json!(value)).await;
        set(&mut peer, universe, "same", json!("both")).await;
    }
    set(&mut peer, &id, "b", json!(2)).await;
    let wish = json!({ "target": "main", "sources": [id] });
    let (code, details) = refused(&mut peer, "universe:merge", wish.clone()).await;
    let conflict = json!([{ "path": "kv:a", "base": 0, "ours": 1, "theirs": 2 }]);
    assert_eq!((code.as_str(), &details["conflicts"]), ("MERGE_CONFLICT", &conflict));
    assert_eq!(get(&mut peer, "main", "b").await, 0, "nothing has happened");
    let mut resolved = wish.clone();
    resolved["resolutions"] = json!({ "kv:a": { "value": 3 } });
    assert_eq!(ask(&mut peer, "universe:merge", resolved).await["changes"], 2);
    assert_eq!((get(&mut peer, "main", "a").await, get(&mut peer, "main", "b").await), (json!(3), json!(2)));
}

#[tokio::test]
async fn merges_beside_writers_lose_nothing() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    ask(&mut peer, "kv:set", json!({ "key": "count", "value": 0 })).await;
    let id = fork(&mut peer).await;
    let mut writer = server.peer().await;
    let writing = tokio::spawn(async move {
        for _ in 0..200 {
            ask(&mut writer, "kv:increment", json!({ "key": "count" })).await;
        }
    });
    for round in 0..40 {
        set(&mut peer, &id, "mine", json!(round)).await;
        ask(&mut peer, "universe:merge", json!({ "target": "main", "sources": [id] })).await;
        assert_eq!(get(&mut peer, "main", "mine").await, round);
    }
    writing.await.unwrap();
    assert_eq!(get(&mut peer, "main", "count").await, 200);
}

#[tokio::test]
async fn what_does_not_fit_is_named() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    let id = fork(&mut peer).await;
    let plain = crate::universes::create(&mut peer, json!({})).await;
    for (method, payload, text) in [
        ("kv:get", json!({ "key": "a", "universe": "x" }), "/universe: \"x\" is no id"),
        ("universe:fork", json!({ "from": "main", "at": "v1" }), "main has no commits"),
        ("universe:fork", json!({ "from": "main", "universe": id }), "one of /universe and /from"),
        ("universe:merge", json!({ "target": "main", "sources": [plain] }), "was not forked from main"),
        ("universe:merge", json!({ "target": "main", "sources": [id, plain] }), "one universe at a time"),
        ("universe:merge", json!({ "target": "main", "sources": [id], "strategy": "union" }), "/strategy"),
        (
            "kv:commit",
            json!({ "universe": id, "operations": [{ "op": "emit", "key": "a", "value": 1 }] }),
            "/operations/0/op",
        ),
        (
            "kv:commit",
            json!({ "operations": [{ "op": "delete", "key": "a", "universe": id }] }),
            "/operations/0/universe",
        ),
    ] {
        let (code, details) = refused(&mut peer, method, payload.clone()).await;
        let told = details.to_string().replace("\\\"", "\"");
        assert!(code == "VALIDATION_ERROR" && told.contains(text), "{method} {payload}: {code} {told}");
    }
    let closed = TestServer::start_with(|config| config.universes.everyone = false, |builder| builder);
    let mut peer = closed.peer().await;
    let (code, details) =
        refused(&mut peer, "kv:set", json!({ "key": "a", "value": 1, "universe": id })).await;
    assert_eq!((code.as_str(), &details["permission"]), ("PERMISSION_DENIED", &json!("universe:write")));
    let kept = TestServer::start_with(|config| config.kv.everyone = false, |builder| builder);
    let mut peer = kept.peer().await;
    let (code, details) = refused(&mut peer, "universe:fork", json!({ "from": "main" })).await;
    assert_eq!((code.as_str(), &details["permission"]), ("PERMISSION_DENIED", &json!("kv:get")));
}

#[tokio::test]
async fn who_may_not_read_keys_sees_their_names_only() {
    let server = TestServer::start_with(
        |config| config.kv.everyone = false,
        |builder| {
            builder.identify(|handshake| match handshake.query("as") {
                Some("ann") => helios::auth::Principal::named("ann", ["kv:*".to_owned()]),
                _ => helios::auth::Principal::anonymous(),
            })
        },
    );
    let mut ann = Peer::connect(&format!("{}?as=ann", server.ws_url()), &Default::default()).await.unwrap();
    ask(&mut ann, "kv:set", json!({ "key": "secret", "value": "word" })).await;
    let id = fork(&mut ann).await;
    let empty = crate::universes::create(&mut ann, json!({})).await;
    let wish = json!({ "from": empty, "to": id, "values": true });
    let seen = ask(&mut ann, "universe:diff", wish.clone()).await;
    assert_eq!(seen["added"], json!([{ "path": "kv:secret", "after": "word" }]));
    let mut other = server.peer().await;
    let seen = ask(&mut other, "universe:diff", wish).await;
    assert_eq!(seen["added"], json!([{ "path": "kv:secret" }]));
    ask(&mut ann, "kv:set", json!({ "key": "secret", "value": "other", "universe": id })).await;
    let apart = ask(&mut ann, "universe:fork", json!({ "universe": empty })).await;
    let apart = apart["universes"][0]["id"].clone();
    ask(&mut ann, "kv:set", json!({ "key": "secret", "value": "third", "universe": apart })).await;
    let merge = json!({ "target": id, "sources": [apart], "strategy": "three-way" });
    let (code, details) = refused(&mut other, "universe:merge", merge).await;
    let hidden = json!([{ "path": "kv:secret", "base": null, "ours": null, "theirs": null }]);
    assert_eq!((code.as_str(), &details["conflicts"]), ("MERGE_CONFLICT", &hidden));
}
