//! `/api/*` over HTTP, in the shapes that existing front ends know: `tests/behaviour/api_shapes.json` has them.

use std::collections::HashMap;
use std::io::Read;

use helios::testing::TestServer;
use serde_json::{Value, json};

use crate::http::{Answer, agent, ask, get};

/// Sends a body. The answer is not decompressed.
async fn send(
    server: &TestServer,
    method: &str,
    path: &str,
    body: &str,
    headers: &[(&str, &str)],
) -> (u16, HashMap<String, String>, Vec<u8>) {
    let mut request =
        ureq::http::Request::builder().method(method).uri(format!("{}{path}", server.http_url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.header("content-type", "application/json").body(body.to_owned()).unwrap();
    tokio::task::spawn_blocking(move || {
        let mut answer = agent().run(request).unwrap();
        let headers = answer.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        (
            answer.status().as_u16(),
            headers,
            answer.body_mut().with_config().limit(50 << 20).read_to_vec().unwrap(),
        )
    })
    .await
    .unwrap()
}

async fn post(server: &TestServer, path: &str, body: Value) -> (u16, Value) {
    let (status, _, body) = send(server, "POST", path, &body.to_string(), &[]).await;
    (status, serde_json::from_slice(&body).unwrap())
}

fn read((status, _, body): &Answer) -> (u16, Value) {
    (*status, serde_json::from_str(body).unwrap_or_else(|_| panic!("{body}")))
}

/// Whether a value has the shape of an example: at least the same members, of the same kinds. An array in the example
/// has one element, which all must be like; null fits anything.
fn same_shape(found: &Value, example: &Value, at: &str) {
    match (found, example) {
        (_, Value::Null) => {}
        (Value::Object(found), Value::Object(example)) => {
            for (name, wanted) in example {
                let member = found.get(name).unwrap_or_else(|| panic!("{at}/{name} is missing in {found:?}"));
                same_shape(member, wanted, &format!("{at}/{name}"));
            }
        }
        (Value::Array(found), Value::Array(example)) => {
            let Some(wanted) = example.first() else { return };
            found.iter().enumerate().for_each(|(index, it)| same_shape(it, wanted, &format!("{at}/{index}")));
        }
        (Value::String(found), Value::String(example)) => {
            // A text that ends with its unit ends with it everywhere.
            for unit in ["ms", "universes/second"] {
                assert!(!example.ends_with(unit) || found.ends_with(unit), "{at}: {found}");
            }
        }
        (Value::Number(_), Value::Number(_)) | (Value::Bool(_), Value::Bool(_)) => {}
        _ => panic!("{at}: {found} is not like {example}"),
    }
}

fn example(name: &str) -> Value {
    let path = format!("{}/tests/behaviour/api_shapes.json", env!("CARGO_MANIFEST_DIR"));
    let read: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let found = &read["answers"][name];
    assert!(found.is_object(), "there is an example of {name}");
    found.clone()
}

#[tokio::test]
async fn universes_are_made_looked_at_and_deleted() {
    let server = TestServer::start();
    let wish = json!({ "count": 3, "config": { "initialState": { "a": { "b": 1 } }, "metadata": { "owner": "ann" }, "type": "test" } });
    let (status, made) = post(&server, "/api/universes/create", wish).await;
    assert_eq!(status, 200, "{made}");
    same_shape(&made, &example("create"), "create");
    let universes = made["data"]["universes"].as_array().unwrap();
    assert_eq!(universes.len(), 3);
    for (index, universe) in universes.iter().enumerate() {
        let metadata = &universe["metadata"];
        assert_eq!((&metadata["creationIndex"], &metadata["owner"]), (&json!(index), &json!("ann")));
        assert_eq!(metadata["batchId"], universes[0]["metadata"]["batchId"]);
    }
    let id = universes[0]["id"].as_str().unwrap();
    let answer = get(&server, &format!("/api/universes/{id}")).await;
    let (status, found) = read(&answer);
    assert_eq!(found["requestId"], answer.1["x-request-id"].as_str(), "one id in body and header");
    assert_eq!((status, &found["data"]["state"]), (200, &json!({ "a": { "b": 1 } })));
    same_shape(&found, &example("get"), "get");
    let (_, forked) = post(&server, "/api/universes/create", json!({ "config": { "parentId": id } })).await;
    assert_eq!(forked["data"]["universes"][0]["metadata"]["parentId"], id);
    // What a front end sends without `config`.
    let (status, flat) =
        post(&server, "/api/universes/create", json!({ "type": "flat", "initialState": { "x": 1 } })).await;
    assert_eq!((status, &flat["data"]["universes"][0]["metadata"]["type"]), (200, &json!("flat")));
    let (_, list) = read(&get(&server, "/api/universes?limit=2").await);
    assert_eq!((list["data"]["universes"].as_array().unwrap().len(), &list["data"]["total"]), (2, &json!(5)));
    let (status, gone) = read(&ask(&server, "DELETE", &format!("/api/universes/{id}"), &[]).await);
    assert_eq!((status, &gone["removedCount"]), (200, &json!(2)), "with its descendant");
    assert_eq!(get(&server, &format!("/api/universes/{id}")).await.0, 404);
}

#[tokio::test]
async fn every_operation_answers_in_its_shape() {
    let server = TestServer::start();
    let (_, made) = post(
        &server,
        "/api/universes/create",
        json!({ "count": 2, "config": { "initialState": { "n": 1 } } }),
    )
    .await;
    let ids: Vec<_> =
        (0..2).map(|at| made["data"]["universes"][at]["id"].as_str().unwrap().to_owned()).collect();
    let path = format!("/api/universes/{}/operations", ids[0]);
    let mut snapshots = Vec::new();
    for (operation, params) in [
        (
            "snapshot",
            json!({ "name": "first", "description": "text", "tags": ["a"], "metadata": { "own": 1 } }),
        ),
        ("update", json!({ "updates": { "n": 2, "deep": { "x": [1] } } })),
        ("commit", json!({ "message": "second" })),
        ("clone", json!({ "name": "copy", "metadata": { "own": 1 } })),
        ("branch", json!({ "name": "idea", "modifications": { "n": 3 } })),
        ("merge", json!({ "sourceIds": [ids[1]] })),
        ("analyze", json!({})),
    ] {
        let (status, done) = post(&server, &path, json!({ "operation": operation, "params": params })).await;
        assert_eq!(status, 200, "{operation}: {done}");
        same_shape(&done, &example("operation"), operation);
        same_shape(&done["data"]["result"], &example(operation), operation);
        let result = &done["data"]["result"];
        snapshots.extend(
            [&result["snapshot"]["id"], &result["snapshotId"]]
                .into_iter()
                .filter(|it| it.is_string())
                .cloned(),
        );
        assert_eq!(
            (&done["data"]["operation"], &done["data"]["metadata"]["universeId"]),
            (&json!(operation), &json!(ids[0]))
        );
    }
    let diff = json!({ "operation": "diff", "params": { "fromSnapshot": snapshots[0], "toSnapshot": snapshots[1], "values": true } });
    let (_, done) = post(&server, &path, diff).await;
    same_shape(&done["data"]["result"], &example("diff"), "diff");
    assert_eq!(done["data"]["result"]["changed"], json!([{ "path": "/n", "before": 1, "after": 2 }]));
    let (_, done) =
        post(&server, &path, json!({ "operation": "restore", "params": { "snapshotId": snapshots[0] } }))
            .await;
    same_shape(&done["data"]["result"], &example("restore"), "restore");
    let (_, found) = read(&get(&server, &format!("/api/universes/{}", ids[0])).await);
    assert_eq!(found["data"]["state"], json!({ "n": 1 }));
    assert_eq!(found["data"]["snapshots"][1]["id"], snapshots[1]);

    let wish = json!([
        { "universeId": ids[0], "operation": "update", "params": { "updates": { "b": 1 } } },
        { "universeId": ids[0], "operation": "fly", "params": {} },
    ]);
    let (status, batch) = post(&server, "/api/universes/batch", wish).await;
    assert_eq!(status, 200);
    let results = batch["data"]["results"].as_array().unwrap();
    assert_eq!((&results[0]["success"], &results[1]["success"]), (&json!(true), &json!(false)));
}

#[tokio::test]
async fn mistakes_have_the_right_status_and_say_what_was_wrong() {
    let server = TestServer::start_with(|config| config.universes.universes_max = 4, |builder| builder);
    let (_, made) = post(
        &server,
        "/api/universes/create",
        json!({ "count": 2, "config": { "initialState": { "n": 1 } } }),
    )
    .await;
    let [a, b] = [0, 1].map(|at| made["data"]["universes"][at]["id"].as_str().unwrap().to_owned());
    let operations = format!("/api/universes/{a}/operations");
    let operate = |operation: &str, params: Value| json!({ "operation": operation, "params": params });
    for (id, n) in [(&a, 2), (&b, 3)] {
        let update = operate("update", json!({ "updates": { "n": n } }));
        assert_eq!(post(&server, &format!("/api/universes/{id}/operations"), update).await.0, 200);
    }
    let nobody = "/api/universes/00000000-0000-4000-8000-000000000000/operations";
    let merge = |strategy: &str| operate("merge", json!({ "sourceIds": [b], "mergeStrategy": strategy }));
    for (path, body, status, text) in [
        ("/api/universes/create", json!({ "count": 1001 }), 400, "maximum is 1000"),
        ("/api/universes/create", json!({ "count": 0 }), 400, "/count"),
        ("/api/universes/create", json!({ "count": "many" }), 400, "/count"),
        ("/api/universes/create", json!({ "config": 7 }), 400, "/config"),
        ("/api/universes/create", json!({ "config": { "initialState": [1] } }), 400, "/state"),
        ("/api/universes/create", json!({ "count": 3 }), 429, "4 universes"),
        (&operations, operate("fly", json!({})), 400, "unknown"),
        (&operations, operate("update", json!({})), 400, "updates"),
        (&operations, json!({}), 400, "/operation"),
        (&operations, operate("restore", json!({ "snapshotId": "v9" })), 404, "v9"),
        (&operations, merge("three-way"), 409, "/n"),
        (&operations, merge("strange"), 400, "strange"),
        (&operations, operate("update", json!({ "updates": { "x": "y".repeat(9 << 20) } })), 413, "at most"),
        (&operations, operate("materialize", json!({ "outputDir": "x" })), 403, "universe:admin"),
        (nobody, operate("update", json!({ "updates": {} })), 404, "no universe"),
        (
            "/api/universes/x/operations",
            operate("update", json!({ "updates": {} })),
            400,
            "no id of a universe",
        ),
    ] {
        let (found, told) = post(&server, path, body).await;
        let said = told["error"].as_str().unwrap_or_default();
        assert!(found == status && said.contains(text), "{path}: {found} {told}");
        assert_eq!((&told["success"], told["requestId"].is_string()), (&json!(false), true));
    }
    let (status, _, body) = send(&server, "POST", "/api/universes/create", "{not json", &[]).await;
    assert_eq!((status, String::from_utf8_lossy(&body).contains("is not JSON")), (400, true));
    let url = server.http_url().trim_start_matches("http://").to_owned();
    let head = "POST /api/universes/create HTTP/1.1\r\nhost: x\r\ncontent-length: 11000000\r\n\r\n";
    let (head, body) = tokio::task::spawn_blocking(move || raw(&url, head)).await.unwrap();
    assert!(head.contains("413 payload too large"), "{head}");
    assert!(String::from_utf8_lossy(&body).contains("at most 10485760 bytes"), "{head}");
    let (status, told) = read(&get(&server, "/api/nothing").await);
    assert_eq!((status, &told["error"]), (404, &json!("Endpoint not found")));
    assert!(told["availableEndpoints"].as_array().unwrap().len() >= 6);
    let (status, headers, _) = ask(&server, "GET", "/api/universes/create", &[]).await;
    assert_eq!((status, headers["allow"].as_str()), (405, "POST"));
}

#[tokio::test]
async fn numbers_are_measured_or_null() {
    let server = TestServer::start();
    let (status, before) = read(&get(&server, "/api/metrics").await);
    assert_eq!(status, 200, "{before}");
    same_shape(&before, &example("metrics"), "metrics");
    assert_eq!(
        (&before["data"]["helios"]["cacheHitRate"], &before["data"]["performance"]["throughput"]),
        (&Value::Null, &Value::Null)
    );
    let (status, measured) = read(&get(&server, "/api/benchmarks").await);
    assert_eq!(status, 200, "{measured}");
    same_shape(&measured, &example("benchmarks"), "benchmarks");
    let (_, again) = read(&get(&server, "/api/benchmarks").await);
    assert_eq!(again["data"], measured["data"], "what was measured a moment ago is given again");
    let (_, after) = read(&get(&server, "/api/metrics").await);
    assert_eq!(after["data"]["performance"]["throughput"], measured["data"]["throughputTest"]);
    let (_, health) = read(&get(&server, "/health").await);
    assert_eq!(health["heliosStatus"]["performance"]["grade"], measured["data"]["grade"]);
    same_shape(&health, &example("health"), "health");
    let (_, stats) = read(&get(&server, "/api/stats").await);
    same_shape(&stats["data"], &example("counters"), "stats");
}

#[tokio::test]
async fn requests_are_counted_by_address_and_told_in_headers() {
    let server = TestServer::start_with(|config| config.gateway.api_requests_max = 3, |builder| builder);
    for left in ["2", "1", "0"] {
        let (status, headers, _) = get(&server, "/api/universes").await;
        assert_eq!((status, headers["ratelimit-remaining"].as_str()), (200, left));
        assert_eq!(
            (headers["ratelimit-limit"].as_str(), headers["ratelimit-policy"].as_str()),
            ("3", "3;w=900")
        );
        let reset: u64 = headers["ratelimit-reset"].parse().unwrap();
        assert!((1..=900).contains(&reset));
    }
    let (status, headers, body) = get(&server, "/api/universes").await;
    assert_eq!((status, headers["retry-after"] == headers["ratelimit-reset"]), (429, true));
    assert!(body.contains("RATE_LIMIT_EXCEEDED"), "{body}");
    assert_eq!(get(&server, "/health").await.0, 200, "only below /api");
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_take_it_and_guarded_for_browsers() {
    let server = TestServer::start_with(
        |config| config.gateway.cors_origin = "https://a.example".to_owned(),
        |builder| builder,
    );
    let state: serde_json::Map<_, _> =
        (0..200).map(|n| (format!("name {n}"), json!("the same text"))).collect();
    let (_, made) =
        post(&server, "/api/universes/create", json!({ "config": { "initialState": state } })).await;
    let path = format!("/api/universes/{}", made["data"]["universes"][0]["id"].as_str().unwrap());
    let (_, plain, whole) = send(&server, "GET", &path, "", &[("accept-encoding", "identity")]).await;
    assert!(!plain.contains_key("content-encoding") && whole.len() > 4_000);
    let packed = {
        let (url, path) = (server.http_url().trim_start_matches("http://").to_owned(), path.clone());
        tokio::task::spawn_blocking(move || {
            raw(
                &url,
                &format!(
                    "GET {path} HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n"
                ),
            )
        })
        .await
        .unwrap()
    };
    let (head, body) = packed;
    assert!(head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"), "{head}");
    assert!(
        body.starts_with(&[0x1f, 0x8b]) && body.len() < whole.len() / 4,
        "{} of {}",
        body.len(),
        whole.len()
    );
    let small = get(&server, "/ready").await;
    assert!(!small.1.contains_key("content-encoding"), "what is short goes as it is");

    let (_, headers, _) = ask(&server, "GET", &path, &[("origin", "https://a.example")]).await;
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("origin-agent-cluster", "?1"),
        ("referrer-policy", "no-referrer"),
        ("strict-transport-security", "max-age=15552000; includeSubDomains"),
        ("x-content-type-options", "nosniff"),
        ("x-dns-prefetch-control", "off"),
        ("x-download-options", "noopen"),
        ("x-frame-options", "SAMEORIGIN"),
        ("x-permitted-cross-domain-policies", "none"),
        ("x-xss-protection", "0"),
        ("access-control-allow-origin", "https://a.example"),
    ] {
        assert_eq!(headers.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(
        headers["content-security-policy"].contains("object-src 'none'")
            && !headers.contains_key("x-powered-by")
    );
    let (status, headers, _) =
        ask(&server, "OPTIONS", "/api/universes/create", &[("origin", "https://a.example")]).await;
    assert_eq!(
        (status, headers["access-control-allow-methods"].as_str()),
        (204, "GET, POST, PUT, PATCH, DELETE")
    );
}

/// Head and body of an answer as they come over the wire.
fn raw(address: &str, request: &str) -> (String, Vec<u8>) {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    let (mut all, mut part) = (Vec::new(), [0; 4_096]);
    loop {
        let read = stream.read(&mut part).unwrap();
        assert!(read > 0, "the answer is cut off");
        all.extend_from_slice(&part[..read]);
        let Some(end) = all.windows(4).position(|at| at == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&all[..end]).to_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
        if all.len() >= end + 4 + length.parse::<usize>().unwrap() {
            return (head, all.split_off(end + 4));
        }
    }
}

#[tokio::test]
async fn without_everyone_nothing_is_open() {
    let server = TestServer::start_with(|config| config.universes.everyone = false, |builder| builder);
    for path in ["/api/universes", "/api/metrics", "/api/benchmarks"] {
        let (status, told) = read(&get(&server, path).await);
        assert_eq!((status, &told["code"]), (403, &json!("PERMISSION_DENIED")), "{path}");
    }
    let (status, told) = post(&server, "/api/universes/create", json!({})).await;
    assert_eq!((status, &told["details"]["permission"]), (403, &json!("universe:write")));
    let off = TestServer::start_with(|config| config.universes.enabled = false, |builder| builder);
    assert_eq!(get(&off, "/api/universes").await.0, 404);
}
