//! `universe:*` over sockets: branches, history, merges, files, events, and what is refused.

use helios::base::ByteSize;
use helios::peer::{Peer, PeerError};
use helios::testing::{MockStarling, TestServer};
use serde_json::{Value, json};

pub(crate) async fn ask(peer: &mut Peer, method: &str, payload: Value) -> Value {
    peer.request(method, &payload).await.unwrap_or_else(|error| panic!("{method} {payload}: {error}"))
}

async fn refused(peer: &mut Peer, method: &str, payload: Value) -> (String, String, Value) {
    match peer.request(method, &payload).await {
        Err(PeerError::Failed(failure)) => (failure.code, failure.message, failure.details),
        other => panic!("{method} {payload}: {other:?}"),
    }
}

pub(crate) async fn create(peer: &mut Peer, state: Value) -> String {
    let made = ask(peer, "universe:create", json!({ "state": state })).await;
    made["universes"][0]["id"].as_str().unwrap().to_owned()
}

async fn fork(peer: &mut Peer, universe: &str) -> String {
    let made = ask(peer, "universe:fork", json!({ "universe": universe })).await;
    made["universes"][0]["id"].as_str().unwrap().to_owned()
}

async fn state(peer: &mut Peer, universe: &str) -> Value {
    ask(peer, "universe:get", json!({ "universe": universe })).await["state"].take()
}

#[tokio::test]
async fn forks_share_a_beginning_and_go_their_own_ways() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    let base = create(&mut peer, json!({ "a": 1, "deep": { "b": [1, 2], "empty": {} } })).await;
    let made = ask(&mut peer, "universe:fork", json!({
        "universe": base, "count": 3, "changes": { "a": null, "mine": true }, "name": "try", "type": "plan",
        "metadata": { "owner": "ann" },
    }))
    .await;
    let forks = made["universes"].as_array().unwrap();
    assert_eq!(forks.len(), 3);
    assert!(made["performance"]["executionTime"].as_str().unwrap().ends_with("ms"));
    for fork in forks {
        assert_eq!(
            (&fork["parentId"], &fork["type"], &fork["owner"]),
            (&json!(base), &json!("plan"), &json!("ann"))
        );
        let expected = json!({ "deep": { "b": [1, 2], "empty": {} }, "mine": true });
        assert_eq!(state(&mut peer, fork["id"].as_str().unwrap()).await, expected);
        assert_eq!(fork["stateSize"], expected.to_string().len());
        assert_eq!(fork["snapshotId"], forks[0]["snapshotId"], "equal content, equal id");
    }
    let first = forks[0]["id"].as_str().unwrap();
    let updates = json!({ "deep": { "b": [3] } });
    let told = ask(&mut peer, "universe:update", json!({ "universe": first, "updates": updates })).await;
    assert_eq!(told["changes"], 1);
    assert_eq!(state(&mut peer, first).await["deep"], json!({ "b": [3], "empty": {} }));
    assert_eq!(state(&mut peer, &base).await["deep"]["b"], json!([1, 2]));
    let part = ask(&mut peer, "universe:get", json!({ "universe": first, "pointer": "/deep/b" })).await;
    assert_eq!(part["state"], json!([3]));
    let whole = json!({ "universe": first, "updates": { "only": 1 }, "merge": false });
    ask(&mut peer, "universe:update", whole).await;
    assert_eq!(state(&mut peer, first).await, json!({ "only": 1 }));

    let parent = ask(&mut peer, "universe:get", json!({ "universe": base, "withoutState": true })).await;
    assert_eq!((parent["children"].as_array().unwrap().len(), parent.get("state")), (3, None));
    let page = ask(&mut peer, "universe:list", json!({ "limit": 3 })).await;
    assert_eq!((page["total"].as_u64(), page["universes"].as_array().unwrap().len()), (Some(4), 3));
    let rest = ask(&mut peer, "universe:list", json!({ "limit": 3, "cursor": page["cursor"] })).await;
    assert_eq!((rest["universes"].as_array().unwrap().len(), &rest["cursor"]), (1, &Value::Null));
    let gone = ask(&mut peer, "universe:delete", json!({ "universe": base })).await;
    assert_eq!(gone["removedCount"], 4);
    let (code, text, _) = refused(&mut peer, "universe:get", json!({ "universe": base })).await;
    assert_eq!((code.as_str(), text), ("UNIVERSE_NOT_FOUND", format!("there is no universe {base}")));
}

#[tokio::test]
async fn commits_are_kept_and_gone_back_to_by_any_of_their_names() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    let id = create(&mut peer, json!({ "step": 0 })).await;
    let mut kept = Vec::new();
    for step in 1..=3 {
        ask(&mut peer, "universe:update", json!({ "universe": id, "updates": { "step": step } })).await;
        let message = format!("step {step}");
        let wish = json!({ "universe": id, "message": message, "author": "ann", "tags": ["t"] });
        let told = ask(&mut peer, "universe:commit", wish).await;
        assert!(told["insight"]["addedBytes"].as_u64().unwrap() > 0, "{told}");
        assert_eq!(told["insight"]["changed"], 1);
        kept.push(told);
    }
    ask(&mut peer, "universe:tag", json!({ "name": "v1", "at": kept[0]["commitId"] })).await;
    let log = ask(&mut peer, "universe:log", json!({ "universe": id, "limit": 3 })).await;
    let commits = log["commits"].as_array().unwrap();
    let messages: Vec<_> = commits.iter().map(|commit| commit["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["step 3", "step 2", "step 1"]);
    assert_eq!(commits[0]["parents"][0], commits[1]["commitId"]);
    assert_eq!((&commits[0]["author"], &commits[0]["tags"]), (&json!("ann"), &json!(["t"])));
    let rest = ask(&mut peer, "universe:log", json!({ "from": log["next"] })).await;
    assert_eq!(rest["commits"].as_array().unwrap().len(), 1);
    assert_eq!(rest["commits"][0]["message"], "created");

    let names = [&kept[0]["snapshotId"], &kept[0]["commitId"], &commits[2]["alias"], &json!("v1")];
    for name in names {
        ask(&mut peer, "universe:restore", json!({ "universe": id, "to": kept[2]["commitId"] })).await;
        let told = ask(&mut peer, "universe:restore", json!({ "universe": id, "to": name })).await;
        assert_eq!(told["snapshotId"], kept[0]["snapshotId"]);
        assert_eq!(state(&mut peer, &id).await, json!({ "step": 1 }), "{name}");
    }
    let diff =
        ask(&mut peer, "universe:diff", json!({ "from": "v1", "to": kept[2]["snapshotId"], "values": true }))
            .await;
    assert_eq!(diff["changed"], json!([{ "path": "/step", "before": 1, "after": 3 }]));
    assert_eq!(diff["stats"], json!({ "added": 0, "changed": 1, "deleted": 0, "truncated": false }));
    for name in names {
        let none = ask(&mut peer, "universe:diff", json!({ "from": name, "to": kept[0]["commitId"] })).await;
        assert_eq!(none["stats"]["changed"], 0, "{name} is a side of a comparison");
    }
    let same = ask(&mut peer, "universe:diff", json!({ "from": id, "to": "v1" })).await;
    assert_eq!(same["stats"]["changed"], 0);
    let tags = ask(&mut peer, "universe:tags", json!(null)).await;
    assert_eq!(tags["tags"], json!([{ "name": "v1", "commitId": kept[0]["commitId"] }]));
    ask(&mut peer, "universe:tag", json!({ "name": "v1", "delete": true })).await;
    let (code, ..) = refused(&mut peer, "universe:restore", json!({ "universe": id, "to": "v1" })).await;
    assert_eq!(code, "SNAPSHOT_NOT_FOUND");
}

#[tokio::test]
async fn a_merge_takes_what_changed_and_refuses_to_guess() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    let base = create(&mut peer, json!({ "x": 1, "y": 1, "list": [1] })).await;
    let (a, b) = (fork(&mut peer, &base).await, fork(&mut peer, &base).await);
    let update = |id: &str, updates: Value| json!({ "universe": id, "updates": updates });
    ask(&mut peer, "universe:update", update(&a, json!({ "x": 2, "new": { "a": 1 } }))).await;
    ask(&mut peer, "universe:update", update(&b, json!({ "y": 2, "new": { "b": 1 } }))).await;
    let told = ask(&mut peer, "universe:merge", json!({ "target": base, "sources": [a, b] })).await;
    assert_eq!(told["changes"], 4);
    let merged = json!({ "x": 2, "y": 2, "list": [1], "new": { "a": 1, "b": 1 } });
    assert_eq!(state(&mut peer, &base).await, merged);
    let log = ask(&mut peer, "universe:log", json!({ "universe": base, "limit": 1 })).await;
    assert_eq!(log["commits"][0]["parents"].as_array().unwrap().len(), 3, "a merge has several parents");

    ask(&mut peer, "universe:update", update(&a, json!({ "x": 10 }))).await;
    ask(&mut peer, "universe:update", update(&base, json!({ "x": 20 }))).await;
    let wish = json!({ "target": base, "sources": [a] });
    let (code, _, details) = refused(&mut peer, "universe:merge", wish.clone()).await;
    assert_eq!(code, "MERGE_CONFLICT");
    let conflict = json!([{ "path": "/x", "base": 2, "ours": 20, "theirs": 10 }]);
    assert_eq!((&details["conflicts"], &details["count"]), (&conflict, &json!(1)));
    assert_eq!(state(&mut peer, &base).await["x"], 20, "nothing has happened");
    let mut resolved = wish.clone();
    resolved["resolutions"] = json!({ "/x": { "value": 30 } });
    ask(&mut peer, "universe:merge", resolved).await;
    assert_eq!(state(&mut peer, &base).await["x"], 30);

    let mut union = json!({ "target": base, "sources": [b], "strategy": "union" });
    ask(&mut peer, "universe:update", update(&b, json!({ "list": [1, 7] }))).await;
    ask(&mut peer, "universe:update", update(&base, json!({ "list": [5] }))).await;
    ask(&mut peer, "universe:merge", union.clone()).await;
    assert_eq!(state(&mut peer, &base).await["list"], json!([5, 1, 7]));
    union["strategy"] = json!("nonsense");
    let (code, ..) = refused(&mut peer, "universe:merge", union).await;
    assert_eq!(code, "VALIDATION_ERROR");
    for sources in [json!([]), json!([base])] {
        let (code, ..) =
            refused(&mut peer, "universe:merge", json!({ "target": base, "sources": sources })).await;
        assert_eq!(code, "VALIDATION_ERROR", "{sources}");
    }
}

#[tokio::test]
async fn files_lie_beside_the_state_and_stay_where_they_belong() {
    let root = tempfile::tempdir().unwrap();
    let at = root.path().to_owned();
    let server = TestServer::start_with(
        move |config| config.universes.materialize_root = Some(at),
        |builder| builder.identify(|_| helios::auth::Principal::named("root", ["*".to_owned()])),
    );
    let mut peer = server.peer().await;
    let id = create(&mut peer, json!({ "title": "project" })).await;
    let files = json!([
        { "path": "a.txt", "text": "hello" },
        { "path": "src/b.bin", "base64": "AP8=" },
        { "path": "src/lib/c.txt", "text": "x" },
    ]);
    ask(&mut peer, "universe:write", json!({ "universe": id, "files": files })).await;
    assert_eq!(state(&mut peer, &id).await, json!({ "title": "project" }));
    let page = ask(&mut peer, "universe:files", json!({ "universe": id, "limit": 2 })).await;
    assert_eq!(page["files"], json!([{ "path": "a.txt", "bytes": 5 }, { "path": "src/b.bin", "bytes": 2 }]));
    let rest = ask(&mut peer, "universe:files", json!({ "universe": id, "after": page["after"] })).await;
    assert_eq!((&rest["files"][0]["path"], &rest["after"]), (&json!("src/lib/c.txt"), &Value::Null));
    let read = |path: &str| json!({ "universe": id, "path": path });
    assert_eq!(ask(&mut peer, "universe:read", read("a.txt")).await["text"], "hello");
    assert_eq!(ask(&mut peer, "universe:read", read("src/b.bin")).await["base64"], "AP8=");
    assert_eq!(refused(&mut peer, "universe:read", read("none")).await.0, "UNIVERSE_NOT_FOUND");
    for wrong in ["../x", "/etc/passwd", "a//b", "a.txt/below", "src", "x\\y"] {
        let wish = json!({ "universe": id, "files": [{ "path": wrong, "text": "" }] });
        assert_eq!(refused(&mut peer, "universe:write", wish).await.0, "VALIDATION_ERROR", "{wrong}");
    }

    let analysis = ask(&mut peer, "universe:analyze", json!({ "universe": id })).await;
    assert!(analysis["basic"]["compatId"].as_str().unwrap().starts_with("blake3:"), "{analysis}");
    assert_eq!(analysis["health"]["integrity"], json!({ "healthy": true, "issues": [] }));
    let wish = json!({ "from": id, "outputDir": "out", "exclude": ["**/*.bin"] });
    let told = ask(&mut peer, "universe:materialize", wish).await;
    let text = "{\n  \"title\": \"project\"\n}\n";
    assert_eq!((&told["files"], &told["bytes"]), (&json!(3), &json!("hello".len() + "x".len() + text.len())));
    let out = root.path().join("out");
    assert_eq!(std::fs::read_to_string(out.join("src/lib/c.txt")).unwrap(), "x");
    assert_eq!(std::fs::read_to_string(out.join("state.json")).unwrap(), text);
    assert!(!out.join("src/b.bin").exists());
    #[cfg(unix)]
    {
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), root.path().join("link")).unwrap();
        for wrong in ["link", "link/below", "../out", "/tmp", "a/../.."] {
            let wish = json!({ "from": id, "outputDir": wrong });
            assert_eq!(
                refused(&mut peer, "universe:materialize", wish).await.0,
                "VALIDATION_ERROR",
                "{wrong}"
            );
        }
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn what_happens_is_told_to_those_who_want_to_know() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    let mut watcher = MockStarling::connect(server.ws_url()).await;
    let told = watcher.request("universes:subscribe", json!(null)).await.unwrap();
    assert_eq!(told["topics"], json!(["universes:created", "universe:operation"]));
    let id = create(&mut peer, json!({})).await;
    let created = watcher.expect_publication("universes:created").await;
    assert_eq!((&created["count"], &created["universes"][0]["id"]), (&json!(1), &json!(id)));
    ask(&mut peer, "universe:update", json!({ "universe": id, "updates": { "a": 1 } })).await;
    let operation = watcher.expect_publication("universe:operation").await;
    assert_eq!((&operation["universeId"], &operation["operation"]), (&json!(id), &json!("update")));
    assert_eq!(operation["result"]["updatedFields"], json!(["a"]));
    assert!(operation["executionTime"].is_f64() && operation["timestamp"].is_u64());
    watcher.request("universes:unsubscribe", json!(null)).await.unwrap();
    let one = watcher.request("universes:subscribe", json!({ "universe": id })).await.unwrap();
    let other = create(&mut peer, json!({})).await;
    for id in [&other, &id] {
        ask(&mut peer, "universe:commit", json!({ "universe": id })).await;
    }
    let operation = watcher.expect_publication(one["topics"][0].as_str().unwrap()).await;
    assert_eq!((&operation["universeId"], &operation["operation"]), (&json!(id), &json!("commit")));
}

#[tokio::test]
async fn a_thousand_universes_are_told_at_once() {
    let server = TestServer::start();
    let mut watcher = MockStarling::connect(server.ws_url()).await;
    watcher.request("universes:subscribe", json!(null)).await.unwrap();
    let made = ask(&mut server.peer().await, "universe:create", json!({ "count": 1000 })).await;
    assert_eq!(made["universes"].as_array().unwrap().len(), 1000);
    let created = watcher.expect_publication("universes:created").await;
    assert_eq!((&created["count"], created["universes"].as_array().unwrap().len()), (&json!(1000), 1000));
}

#[tokio::test]
async fn limits_and_mistakes_are_named() {
    let server = TestServer::start_with(
        |config| {
            config.universes.universes_max = 5;
            config.universes.create_max = 4;
            config.universes.state_bytes_max = ByteSize(200);
            config.universes.value_bytes_max = ByteSize(50);
        },
        |builder| builder,
    );
    let mut peer = server.peer().await;
    let id = create(&mut peer, json!({})).await;
    let nobody = "00000000-0000-4000-8000-000000000000";
    let update = |updates: Value| json!({ "universe": id, "updates": updates });
    let many: serde_json::Map<_, _> = (0..30).map(|n| (n.to_string(), json!("0123456789"))).collect();
    for (method, payload, code, text) in [
        ("universe:create", json!({ "count": 0 }), "VALIDATION_ERROR", "/count: must be at least 1"),
        (
            "universe:create",
            json!({ "count": 5 }),
            "VALIDATION_ERROR",
            "the maximum is 4 universes per request",
        ),
        ("universe:create", json!({ "state": [] }), "VALIDATION_ERROR", "/state"),
        (
            "universe:create",
            json!({ "metadata": { "a": "x".repeat(20_000) } }),
            "VALUE_TOO_LARGE",
            "metadata has at most",
        ),
        ("universe:create", json!({ "type": "x".repeat(300) }), "VALUE_TOO_LARGE", "a type has at most"),
        ("universe:fork", json!({ "universe": id, "at": "v9" }), "SNAPSHOT_NOT_FOUND", "\"v9\""),
        ("universe:fork", json!({ "universe": id, "count": 4 }), "", ""),
        ("universe:create", json!({}), "UNIVERSE_LIMIT_EXCEEDED", "there may be 5 universes"),
        ("universe:fork", json!({ "universe": "x" }), "VALIDATION_ERROR", "/universe: \"x\" is no id"),
        ("universe:update", json!({ "universe": nobody, "updates": {} }), "UNIVERSE_NOT_FOUND", nobody),
        (
            "universe:update",
            update(json!({ "a": "x".repeat(60) })),
            "VALUE_TOO_LARGE",
            "at most 50 bytes, not 62",
        ),
        ("universe:update", update(many.into()), "VALUE_TOO_LARGE", "a universe has at most 200 bytes"),
        ("universe:get", json!({ "universe": id, "pointer": "a" }), "VALIDATION_ERROR", "no JSON Pointer"),
        ("universe:get", json!({ "universe": id, "pointer": "/a" }), "VALIDATION_ERROR", "nothing lies at"),
        ("universe:diff", json!({ "from": id, "to": "x" }), "SNAPSHOT_NOT_FOUND", "\"x\""),
        ("universe:tag", json!({ "name": "a b", "universe": id }), "VALIDATION_ERROR", "/name"),
        ("universe:gc", json!({}), "PERMISSION_DENIED", "universe:admin"),
        ("universe:operate", json!({ "universe": id, "operation": "fly" }), "VALIDATION_ERROR", "unknown"),
    ] {
        if code.is_empty() {
            ask(&mut peer, method, payload).await;
            continue;
        }
        let (found, message, details) = refused(&mut peer, method, payload.clone()).await;
        let told = format!("{message} {details}").replace("\\\"", "\"");
        assert!(found == code && told.contains(text), "{method} {payload}: {found} {told}");
    }
    assert_eq!(state(&mut peer, &id).await, json!({}), "what was refused has changed nothing");
}

#[tokio::test]
async fn without_everyone_a_permission_is_needed() {
    let server = TestServer::start_with(|config| config.universes.everyone = false, |builder| builder);
    let mut peer = server.peer().await;
    for (method, permission) in [
        ("universe:list", "universe:read"),
        ("universe:create", "universe:write"),
        ("universe:gc", "universe:admin"),
    ] {
        let (code, _, details) = refused(&mut peer, method, json!({})).await;
        assert_eq!((code.as_str(), &details["permission"]), ("PERMISSION_DENIED", &json!(permission)));
    }
}

#[tokio::test]
async fn the_state_of_an_earlier_commit_is_read_without_restoring_it() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    let id = create(&mut peer, json!({ "n": 1 })).await;
    let write = |text: &str| json!({ "universe": id, "files": [{ "path": "a", "text": text }] });
    ask(&mut peer, "universe:write", write("first")).await;
    let kept = ask(&mut peer, "universe:commit", json!({ "universe": id })).await;
    ask(&mut peer, "universe:write", write("second")).await;
    ask(&mut peer, "universe:update", json!({ "universe": id, "updates": { "n": 2 } })).await;
    let at = |at: &Value| json!({ "universe": id, "path": "a", "at": at });
    assert_eq!(ask(&mut peer, "universe:read", at(&kept["commitId"])).await["text"], "first");
    assert_eq!(ask(&mut peer, "universe:read", at(&Value::Null)).await["text"], "second");
    let old = ask(&mut peer, "universe:get", json!({ "universe": id, "at": kept["snapshotId"] })).await;
    assert_eq!(old["state"], json!({ "n": 1 }));
    let files = ask(&mut peer, "universe:files", json!({ "universe": id, "at": kept["snapshotId"] })).await;
    assert_eq!(files["files"], json!([{ "path": "a", "bytes": 5 }]));
}

#[tokio::test]
async fn what_is_too_deep_to_be_read_back_is_refused() {
    let server = TestServer::start();
    let mut peer = server.connect(&helios::peer::PeerOptions { msgpack: true, ..Default::default() }).await;
    let deep = (0..300).fold(json!(1), |inner, _| json!([inner]));
    let id = create(&mut peer, json!({})).await;
    for (method, payload) in [
        ("universe:create", json!({ "metadata": { "deep": deep } })),
        ("universe:create", json!({ "state": { "deep": deep } })),
        ("universe:update", json!({ "universe": id, "updates": { "deep": deep } })),
    ] {
        assert_eq!(refused(&mut peer, method, payload).await.0, "VALIDATION_ERROR", "{method}");
    }
    let fine = (0..90).fold(json!(1), |inner, _| json!([inner]));
    ask(&mut peer, "universe:update", json!({ "universe": id, "updates": { "fine": fine } })).await;
    assert_eq!(state(&mut peer, &id).await["fine"], fine);
}

#[tokio::test]
async fn a_long_history_is_told_page_by_page() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    let id = create(&mut peer, json!({})).await;
    for number in 0..120 {
        let message = format!("{number} {}", "x".repeat(10_000));
        ask(&mut peer, "universe:commit", json!({ "universe": id, "message": message })).await;
    }
    let (mut told, mut from, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let page =
            ask(&mut peer, "universe:log", json!({ "universe": id, "from": from, "limit": 10_000 })).await;
        let messages =
            page["commits"].as_array().unwrap().iter().map(|it| it["message"].as_str().unwrap().to_owned());
        told.extend(messages);
        (from, pages) = (page["next"].clone(), pages + 1);
        if from.is_null() {
            break;
        }
    }
    assert!(pages > 1 && told.len() == 121, "{pages} pages, {} commits", told.len());
    let starts =
        told.iter().zip((0..120).rev()).all(|(text, number)| text.starts_with(&format!("{number} ")));
    assert!(starts && told[120] == "created");
}
