//! How often callers may call: by face, method, principal and address.

use helios::base::Span;
use helios::config::Config;
use helios::dispatch::{LimitBy, PolicyOptions};
use serde_json::{Value, json};

use crate::accounts::{admin, logged_in, peer_of, refused, server_with, text};
use crate::rest::{call, with};

fn policy(face: &str, by: LimitBy, capacity: u64) -> PolicyOptions {
    PolicyOptions {
        face: face.into(),
        by,
        capacity,
        refill: 1,
        per: Span::secs(600),
        ..PolicyOptions::default()
    }
}

fn limited(config: &mut Config, policies: &[(&str, PolicyOptions)]) {
    config.limits.enabled = true;
    config.limits.policies = policies.iter().map(|(name, it)| ((*name).to_owned(), it.clone())).collect();
}

#[tokio::test]
async fn http_is_limited_by_account_and_tells_what_is_left() {
    let server = server_with(|config| limited(config, &[("api", policy("rest", LimitBy::Principal, 5))]));
    let (ann, bob) = (logged_in(&server, "ann").await, logged_in(&server, "bob").await);
    let get = |token: String| {
        let server = &server;
        async move { call(server, "GET", "/api/v1/kv", &token, None, &[]).await }
    };
    for left in (0..5).rev() {
        let answer = get(text(&ann["accessToken"])).await;
        assert_eq!((answer.status, answer.headers["ratelimit-limit"].as_str()), (200, "5"));
        assert_eq!(answer.headers["ratelimit-remaining"], left.to_string());
        assert_eq!(answer.headers["ratelimit-policy"], "5;w=3000");
    }
    let refused = get(text(&ann["accessToken"])).await;
    let error = &refused.json()["error"];
    assert_eq!((refused.status, &error["code"]), (429, &json!("RATE_LIMIT_EXCEEDED")));
    assert_eq!((&error["details"]["limit"], &error["details"]["policy"]), (&json!(5), &json!("api")));
    let reset = error["details"]["reset"].as_u64().unwrap();
    assert!((590..=600).contains(&reset));
    assert_eq!(refused.headers["retry-after"], reset.to_string());
    assert_eq!(get(text(&bob["accessToken"])).await.status, 200, "somebody else");
    let mut peer = peer_of(&server, &text(&ann["accessToken"])).await;
    assert_eq!(peer.request("kv:get", &json!({ "key": "a" })).await.unwrap(), Value::Null, "another face");
    assert_eq!(server.metrics().rate_limited.with_label_values(&["api"]).get(), 1);
}

#[tokio::test]
async fn an_address_is_limited_before_anybody_looks_at_its_tokens() {
    let server = server_with(|config| limited(config, &[("address", policy("rest", LimitBy::Address, 4))]));
    for _ in 0..4 {
        let answer = call(&server, "GET", "/api/v1/auth/me", "a.b.c", None, &[]).await;
        assert!(answer.status == 401 && answer.headers.contains_key("ratelimit-remaining"));
    }
    let answer = call(&server, "GET", "/api/v1/auth/me", "a.b.c", None, &[]).await;
    assert_eq!((answer.status, answer.headers["ratelimit-remaining"].as_str()), (429, "0"));
    assert_eq!(call(&server, "GET", "/health", "", None, &[]).await.status, 200);
}

#[tokio::test]
async fn sockets_are_limited_by_method_and_principal() {
    let server = server_with(|config| {
        let echo =
            PolicyOptions { methods: vec!["demo:*".into()], ..policy("socket", LimitBy::Principal, 3) };
        let all = PolicyOptions { methods: vec!["kv:set".into()], ..policy("any", LimitBy::Everybody, 2) };
        limited(config, &[("echo", echo), ("writes", all)]);
    });
    let token = text(&logged_in(&server, "ann").await["accessToken"]);
    let (mut one, mut other) = (peer_of(&server, &token).await, peer_of(&server, &token).await);
    one.request("demo:echo", &json!(1)).await.unwrap();
    other.request("demo:echo", &json!(1)).await.unwrap();
    one.request("demo:echo", &json!(1)).await.unwrap();
    let (code, details) = refused(&mut other, "demo:echo", json!(1)).await;
    assert_eq!(
        (code.as_str(), &details["limit"], &details["policy"]),
        ("RATE_LIMIT_EXCEEDED", &json!(3), &json!("echo"))
    );
    assert!(details["reset"].as_u64().unwrap() > 500 && details["retryAfterMs"].as_u64().unwrap() > 500_000);
    one.request("system:ping", &Value::Null).await.unwrap();
    // Whoever has no account counts by address.
    let mut nobody = server.peer().await;
    nobody.request("demo:echo", &json!(1)).await.unwrap();
    // One policy for all faces and everybody.
    let set = json!({ "key": "a", "value": 1 });
    one.request("kv:set", &set).await.unwrap();
    assert_eq!(with(&server, &token).put("/api/v1/kv/a", json!({ "value": 2 })).await.0, 200);
    assert_eq!(with(&server, &admin(&server).await).put("/api/v1/kv/a", json!({ "value": 2 })).await.0, 429);
    // An administrator fills it again.
    let root = with(&server, &admin(&server).await);
    let (status, state) = root.get("/admin/limits/writes/all").await;
    assert_eq!((status, &state["tokens"], &state["capacity"]), (200, &json!(0), &json!(2)));
    assert_eq!((&state["rate_num"], &state["rate_den"]), (&json!(1), &json!(600)));
    assert_eq!(root.delete("/admin/limits/writes/all").await, (200, json!({ "reset": true })));
    one.request("kv:set", &set).await.unwrap();
    assert_eq!(root.get("/admin/limits/none/all").await.0, 404);
    assert_eq!(root.get("/admin/limits/writes/x").await.0, 400);
}

#[tokio::test]
async fn what_is_left_outlives_the_server_and_is_not_written_with_each_call() {
    let directory = tempfile::tempdir().unwrap();
    let at = |directory: &std::path::Path| {
        let data = directory.join("data");
        server_with(move |config| {
            config.store.data_dir = data;
            config.limits.checkpoint_interval = Span::secs(3_600);
            limited(config, &[("api", policy("rest", LimitBy::Principal, 50))]);
        })
    };
    let mut first = at(directory.path());
    config_interval_holds(&first);
    let token = text(&logged_in(&first, "ann").await["accessToken"]);
    let before = first.store().view().revision();
    for _ in 0..30 {
        assert_eq!(with(&first, &token).get("/api/v1/kv").await.0, 200);
    }
    assert_eq!(first.store().view().revision(), before, "thirty calls, no write");
    first.drain().recv().unwrap();
    std::fs::rename(directory.path().join("data"), directory.path().join("kept")).unwrap();
    drop(first);
    std::fs::rename(directory.path().join("kept"), directory.path().join("data")).unwrap();
    let second = at(directory.path());
    let answer = call(&second, "GET", "/api/v1/kv", &token, None, &[]).await;
    assert_eq!((answer.status, answer.headers["ratelimit-remaining"].as_str()), (200, "19"));
}

/// The interval is so long that nothing is written by it in this test.
fn config_interval_holds(server: &helios::testing::TestServer) {
    assert!(server.store().view().prefix(b"rate:").next().is_none());
}
