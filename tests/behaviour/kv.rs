//! `kv:*` over sockets: values, conditions, pages, commits, and watches through breaks.

use std::time::Duration;

use helios::base::ByteSize;
use helios::peer::{Peer, PeerError, Received};
use helios::testing::TestServer;
use serde_json::{Value, json};

use crate::wait::until;

async fn ask(peer: &mut Peer, method: &str, payload: Value) -> Value {
    peer.request(method, &payload).await.unwrap_or_else(|error| panic!("{method} {payload}: {error}"))
}

async fn refused(peer: &mut Peer, method: &str, payload: Value) -> (String, Value) {
    match peer.request(method, &payload).await {
        Err(PeerError::Failed(failure)) => (failure.code, failure.details),
        other => panic!("{method} {payload}: {other:?}"),
    }
}

#[tokio::test]
async fn values_are_any_json_text_or_bytes_in_both_codecs() {
    let server = TestServer::start();
    for msgpack in [false, true] {
        let options = helios::peer::PeerOptions { msgpack, ..Default::default() };
        let mut peer = server.connect(&options).await;
        for value in [json!(null), json!([1, {"a": "ü\n"}]), json!("text"), json!(-1.5), json!(true)] {
            let set = ask(&mut peer, "kv:set", json!({"key": "a", "value": value})).await;
            assert_eq!(set["done"], true);
            let got = ask(&mut peer, "kv:get", json!({"key": "a"})).await;
            assert_eq!(
                got,
                json!({"key": "a", "value": value, "encoding": "json", "version": set["version"]})
            );
        }
        ask(&mut peer, "kv:set", json!({"key": "b", "value": "data", "encoding": "utf8"})).await;
        let got = ask(&mut peer, "kv:get", json!({"key": "b"})).await;
        assert_eq!((&got["value"], &got["encoding"]), (&json!("data"), &json!("utf8")));
        ask(&mut peer, "kv:set", json!({"key": "c", "value": "AP8=", "encoding": "base64"})).await;
        let got = ask(&mut peer, "kv:get", json!({"key": "c"})).await;
        assert_eq!((&got["value"], &got["encoding"]), (&json!("AP8="), &json!("base64")));
        assert_eq!(ask(&mut peer, "kv:get", json!({"key": "missing"})).await, Value::Null);
    }
}

#[tokio::test]
async fn wrong_parameters_are_named_with_their_place() {
    let server = TestServer::start_with(|config| config.store.data_bytes_max = ByteSize::kib(8), |b| b);
    let mut peer = server.peer().await;
    for (method, payload, text) in [
        ("kv:get", json!({}), "key"),
        ("kv:get", json!({"key": "a", "more": 1}), "more"),
        ("kv:set", json!({"key": "a", "value": 1, "encoding": "utf8"}), "/value: must be a string"),
        ("kv:set", json!({"key": "a", "value": "?", "encoding": "base64"}), "/value: is not base64"),
        ("kv:set", json!({"key": "a", "value": 1, "ttlMs": 0}), "/ttlMs: must be more than 0"),
        ("kv:set", json!({"key": "a", "value": 1, "ttlMs": 1, "keepTtl": true}), "/keepTtl: contradicts"),
        ("kv:set", json!({"key": "k".repeat(5_000), "value": 1}), "a key has at most 4096 bytes"),
        ("kv:scan", json!({"cursor": "?"}), "/cursor"),
        ("kv:watch", json!({"from": "x"}), "/from: \"x\" is not a position"),
        (
            "kv:commit",
            json!({"operations": [{"op": "set", "key": "a", "value": 1, "ttlMs": 0}]}),
            "/operations/0/ttlMs",
        ),
        ("kv:commit", json!({"operations": [{"op": "nope", "key": "a"}]}), "/operations/0"),
    ] {
        let (code, details) = refused(&mut peer, method, payload).await;
        assert_eq!(code, "VALIDATION_ERROR", "{method}");
        assert!(details["errors"].to_string().replace("\\\"", "\"").contains(text), "{method}: {details}");
    }
    ask(&mut peer, "kv:set", json!({"key": "text", "value": "x"})).await;
    let (code, _) = refused(&mut peer, "kv:increment", json!({"key": "text"})).await;
    assert_eq!(code, "VALIDATION_ERROR");
    let long = json!({"key": "long", "value": "x".repeat(9_000)});
    assert_eq!(refused(&mut peer, "kv:set", long).await, ("QUOTA_EXCEEDED".into(), json!({"limit": 8_192})));
}

#[tokio::test]
async fn versions_guard_writes_and_commits_are_whole() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    let new = ask(&mut peer, "kv:set", json!({"key": "a", "value": 1, "ifVersion": 0})).await;
    assert_eq!(new["done"], true);
    let again = ask(&mut peer, "kv:set", json!({"key": "a", "value": 2, "ifVersion": 0})).await;
    assert_eq!(again, json!({"done": false, "version": new["version"]}));
    assert_eq!(ask(&mut peer, "kv:increment", json!({"key": "a", "by": 41})).await, json!({"value": 42}));

    let version = ask(&mut peer, "kv:get", json!({"key": "a"})).await["version"].clone();
    let transfer = |version: &Value| {
        json!({
            "checks": [{"key": "a", "version": version}, {"key": "b", "version": 0}],
            "operations": [
                {"op": "increment", "key": "a", "by": -2},
                {"op": "set", "key": "b", "value": {"n": 2}, "ttlMs": 60_000},
                {"op": "delete", "key": "c"},
            ],
        })
    };
    let done = ask(&mut peer, "kv:commit", transfer(&version)).await;
    assert_eq!(done["committed"], true);
    assert_eq!(done["results"][0], json!({"value": 40}));
    assert_eq!(done["results"][1], json!({"done": true, "version": done["revision"]}));
    assert_eq!(done["results"][2], json!({"done": false, "version": 0}));
    let ttl = ask(&mut peer, "kv:ttl", json!({"key": "b"})).await["ttlMs"].as_u64().unwrap();
    assert!((50_000..=60_000).contains(&ttl));

    let conflict = ask(&mut peer, "kv:commit", transfer(&version)).await;
    assert_eq!(conflict, json!({"committed": false, "check": 0, "key": "a", "version": done["revision"]}));
    let wrong =
        json!({"operations": [{"op": "set", "key": "d", "value": 1}, {"op": "increment", "key": "b"}]});
    let (_, details) = refused(&mut peer, "kv:commit", wrong).await;
    assert!(details["errors"][0].as_str().unwrap().starts_with("/operations/1: "), "{details}");
    assert_eq!(ask(&mut peer, "kv:get", json!({"key": "d"})).await, Value::Null, "nothing of it was done");
    let gone = ask(&mut peer, "kv:delete", json!({"key": "b", "ifVersion": 1})).await;
    assert_eq!(gone, json!({"deleted": false, "version": done["revision"]}));
    assert_eq!(ask(&mut peer, "kv:delete", json!({"key": "b"})).await["deleted"], true);
    assert_eq!(ask(&mut peer, "kv:ttl", json!({"key": "b"})).await, json!({"exists": false, "ttlMs": null}));
}

#[tokio::test]
async fn pages_hold_what_fits_and_together_everything() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    let operations: Vec<Value> =
        (0..250).map(|n| json!({"op": "set", "key": format!("p:{n:03}"), "value": n})).collect();
    ask(&mut peer, "kv:commit", json!({ "operations": operations })).await;
    ask(&mut peer, "kv:set", json!({"key": "q", "value": 1})).await;
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let mut params = json!({"prefix": "p:", "limit": 99});
        if !cursor.is_null() {
            params["cursor"] = cursor;
        }
        let page = ask(&mut peer, "kv:scan", params).await;
        seen.extend(page["entries"].as_array().unwrap().iter().map(|entry| entry["value"].as_u64().unwrap()));
        cursor = page["cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(seen, (0..250).collect::<Vec<_>>());
    let keys = ask(&mut peer, "kv:scan", json!({"prefix": "q", "keysOnly": true})).await;
    assert_eq!(keys["entries"][0]["key"], "q");
    assert!(keys["entries"][0].get("value").is_none());
    for n in 0..4 {
        ask(&mut peer, "kv:set", json!({"key": format!("big:{n}"), "value": "x".repeat(200_000)})).await;
    }
    let page = ask(&mut peer, "kv:scan", json!({"prefix": "big:"})).await;
    assert_eq!(page["entries"].as_array().unwrap().len(), 2, "as much as fits into a message");
    assert!(page["cursor"].is_string());
}

async fn changes(peer: &mut Peer) -> Value {
    let is = |it: &Received| matches!(it, Received::Notification { topic, .. } if topic.starts_with("kv:"));
    match peer.expect(is).await.unwrap() {
        Received::Notification { topic, data, .. } => {
            assert_eq!(topic, "kv:changes", "{data}");
            data
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_watch_goes_on_where_it_was_after_a_break() {
    let server = TestServer::start();
    let mut writer = server.peer().await;
    ask(&mut writer, "kv:set", json!({"key": "room:1", "value": "a"})).await;
    ask(&mut writer, "kv:set", json!({"key": "other", "value": "a"})).await;
    let mut watcher = server.peer().await;
    let begun = ask(&mut watcher, "kv:watch", json!({"prefix": "room:"})).await;
    assert_eq!(begun["entries"].as_array().unwrap().len(), 1);
    assert_eq!((&begun["entries"][0]["value"], &begun["cursor"]), (&json!("a"), &Value::Null));
    ask(&mut writer, "kv:set", json!({"key": "other", "value": "b"})).await;
    ask(&mut writer, "kv:set", json!({"key": "room:2", "value": "b", "ttlMs": 1_000})).await;
    let told = changes(&mut watcher).await;
    assert_eq!(told["changes"][0]["key"], "room:2");
    assert_eq!(told["changes"][0]["op"], "set");
    assert!(told["changes"][0]["expiresAt"].is_u64());
    let told = changes(&mut watcher).await;
    assert_eq!(told["changes"], json!([{"key": "room:2", "op": "delete", "expired": true}]));
    let position = told["position"].clone();
    drop(watcher);

    let operations =
        json!([{"op": "delete", "key": "room:1"}, {"op": "emit", "key": "room:bell", "value": 3}]);
    ask(&mut writer, "kv:commit", json!({ "operations": operations })).await;
    let mut watcher = server.peer().await;
    let again = ask(&mut watcher, "kv:watch", json!({"prefix": "room:", "from": position})).await;
    assert!(again.get("entries").is_none());
    let told = changes(&mut watcher).await;
    assert_eq!(
        told["changes"],
        json!([
            {"key": "room:1", "op": "delete", "expired": false},
            {"key": "room:bell", "op": "emit", "value": 3, "encoding": "json"},
        ])
    );
    let watch = again["watch"].clone();
    assert_eq!(ask(&mut watcher, "kv:unwatch", json!({ "watch": watch })).await, json!({"ended": true}));
    assert_eq!(ask(&mut watcher, "kv:unwatch", json!({ "watch": watch })).await, json!({"ended": false}));
    ask(&mut writer, "kv:set", json!({"key": "room:3", "value": 1})).await;
    let quiet = tokio::time::timeout(Duration::from_millis(50), watcher.receive()).await;
    assert!(quiet.is_err(), "{quiet:?}");

    let (code, details) = refused(&mut watcher, "kv:watch", json!({"from": "0000000000000000-1"})).await;
    assert_eq!((code.as_str(), &details["position"]), ("POSITION_LOST", &json!("0000000000000000-1")));
}

#[tokio::test]
async fn what_is_too_long_for_a_message_is_told_without_its_value() {
    let server = TestServer::start();
    let set = |key: &str, bytes: usize| {
        let key = format!("kv:{key}").into_bytes();
        // Control characters are six times as long in JSON.
        server.store().run(helios::store::Command::set(key, helios::store::Value::bytes(vec![1; bytes])))
    };
    set("w:long", 2_000_000).await.unwrap().unwrap();
    set("w:short", 3).await.unwrap().unwrap();
    let mut peer = server.peer().await;
    let begun = ask(&mut peer, "kv:watch", json!({"prefix": "w:"})).await;
    let shown = |entry: &Value| (entry["key"].clone(), entry["valueOmitted"].clone());
    let entries: Vec<_> = begun["entries"].as_array().unwrap().iter().map(shown).collect();
    assert_eq!(entries, [(json!("w:long"), json!(true)), (json!("w:short"), Value::Null)]);
    for (key, bytes) in [("w:1", 5), ("w:2", 400_000), ("w:3", 5)] {
        set(key, bytes).await.unwrap().unwrap();
        let told = changes(&mut peer).await;
        assert_eq!(told["changes"][0]["key"], key);
        assert_eq!(told["changes"][0]["valueOmitted"] == true, bytes > 100_000, "{key}");
    }
    let page = ask(&mut peer, "kv:scan", json!({"prefix": "w:"})).await;
    assert_eq!(page["entries"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn watches_end_with_their_session_and_are_limited() {
    let server = TestServer::start_with(|config| config.kv.watches_max = 2, |b| b);
    // The server itself watches some keys.
    until("the server watches", || server.metrics().atlas.watches.get() >= 3).await;
    let mut peer = server.peer().await;
    for _ in 0..2 {
        ask(&mut peer, "kv:watch", json!({})).await;
    }
    let (code, details) = refused(&mut peer, "kv:watch", json!({})).await;
    assert_eq!((code.as_str(), details), ("REQUEST_LIMIT_EXCEEDED", json!({"limit": 2})));
    until("it is measured", || server.metrics().atlas.watches.get() >= 5).await;
    drop(peer);
    until("they are gone", || server.metrics().atlas.watches.get() <= 3).await;
}

#[tokio::test]
async fn without_everyone_a_permission_is_needed() {
    let server = TestServer::start_with(|config| config.kv.everyone = false, |b| b);
    let mut peer = server.peer().await;
    for (method, permission) in [("kv:get", "kv:get"), ("kv:set", "kv:set"), ("kv:watch", "kv:get")] {
        let (code, details) = refused(&mut peer, method, json!({"key": "a", "value": 1})).await;
        assert_eq!((code.as_str(), details), ("PERMISSION_DENIED", json!({ "permission": permission })));
    }
}

#[tokio::test]
async fn the_keys_of_the_server_itself_are_out_of_reach() {
    let server = TestServer::start();
    let command =
        helios::store::Command::set(&b"auth:user:1"[..], helios::store::Value::bytes(&b"secret"[..]));
    server.store().run(command).await.unwrap().unwrap();
    let mut peer = server.peer().await;
    assert_eq!(ask(&mut peer, "kv:get", json!({"key": "auth:user:1"})).await, Value::Null);
    assert_eq!(ask(&mut peer, "kv:scan", json!({})).await["entries"], json!([]));
}
