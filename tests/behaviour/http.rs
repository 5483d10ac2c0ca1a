//! The HTTP side.

use std::collections::HashMap;

use helios::testing::TestServer;
use serde_json::Value;

/// Status, headers (names in lower case) and body of an answer.
pub(crate) type Answer = (u16, HashMap<String, String>, String);

/// Asks a server over HTTP.
pub(crate) async fn ask(server: &TestServer, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request =
        ureq::http::Request::builder().method(method).uri(format!("{}{path}", server.http_url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(()).unwrap();
    tokio::task::spawn_blocking(move || {
        let mut answer = agent().run(request).unwrap();
        let headers = answer.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        (answer.status().as_u16(), headers, answer.body_mut().read_to_string().unwrap())
    })
    .await
    .unwrap()
}

/// A client that takes every status for an answer.
pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).allow_non_standard_methods(true).build().into()
}

/// The same with GET and no headers.
pub(crate) async fn get(server: &TestServer, path: &str) -> Answer {
    ask(server, "GET", path, &[]).await
}

#[tokio::test]
async fn health_and_readiness_are_told() {
    let server = TestServer::start();
    let _peer = server.peer().await;
    let (status, headers, body) = get(&server, "/health").await;
    let health: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, headers["cache-control"].as_str()), (200, "no-store"));
    assert_eq!(
        (&health["status"], &health["heliosStatus"]["status"]),
        (&"healthy".into(), &"running".into())
    );
    assert!(health["memory"]["rss"].as_u64() > Some(1_000_000), "{body}");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(health["components"]["sockets"]["connections"], 1);
    assert_eq!(get(&server, "/ready").await.2, r#"{"status":"ready"}"#);
}

#[tokio::test]
async fn the_client_and_the_playground_are_served_from_the_binary() {
    let server = TestServer::start();
    for (path, kind, content) in [
        ("/helios.js", "text/javascript; charset=utf-8", "Helios client"),
        ("/", "text/html; charset=utf-8", "<!doctype html>"),
        ("/playground/playground.js", "text/javascript; charset=utf-8", "Starling"),
        ("/playground/playground.css", "text/css; charset=utf-8", ":root"),
    ] {
        let (status, headers, body) = get(&server, path).await;
        assert_eq!((status, headers["content-type"].as_str()), (200, kind), "{path}");
        assert!(body.contains(content), "{path}");
        let again = ask(&server, "GET", path, &[("if-none-match", &headers["etag"])]).await;
        assert_eq!((again.0, again.2.as_str()), (304, ""), "{path} is not sent twice");
        assert!(headers["content-security-policy"].contains("default-src 'self'"));
    }
    assert_eq!(get(&server, "/playground/../Cargo.toml").await.0, 404);
    assert_eq!(get(&server, "/playground/%2e%2e%2fCargo.toml").await.0, 404);
}

#[tokio::test]
async fn production_has_no_playground() {
    let server = TestServer::start_with(|config| config.gateway.playground = false, |builder| builder);
    assert_eq!(get(&server, "/").await.0, 404);
    assert_eq!(get(&server, "/helios.js").await.0, 200);
}

#[tokio::test]
async fn wrong_paths_and_methods_get_help() {
    let server = TestServer::start();
    let (status, _, body) = get(&server, "/nothing").await;
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, problem["error"]["code"].as_str()), (404, Some("NOT_FOUND")));
    assert!(problem["see"].as_array().unwrap().contains(&"/health".into()), "{body}");
    let (status, headers, _) = ask(&server, "DELETE", "/health", &[]).await;
    assert_eq!((status, headers["allow"].as_str()), (405, "GET, HEAD"));
    assert_eq!(ask(&server, "HEAD", "/health", &[]).await.0, 200);
}

#[tokio::test]
async fn requests_have_ids() {
    let server = TestServer::start();
    let id = "e996f0d2-4115-4a64-b77f-e4ae77b0808c";
    assert_eq!(ask(&server, "GET", "/health", &[("x-request-id", id)]).await.1["x-request-id"], id);
    let made = get(&server, "/health").await.1["x-request-id"].clone();
    assert_eq!(made.len(), 36);
    let (_, headers, _) = ask(&server, "GET", "/health", &[("x-request-id", "<script>")]).await;
    assert_eq!(headers["x-request-id"].len(), 36, "nonsense is not repeated");
}

#[tokio::test]
async fn cross_origin_reads_follow_the_configuration() {
    let own = TestServer::start();
    let (_, headers, _) = ask(&own, "GET", "/health", &[("origin", "https://a.example")]).await;
    assert!(!headers.contains_key("access-control-allow-origin"), "by default, its own pages only");
    let open = TestServer::start_with(|config| config.gateway.cors_origin = "*".into(), |builder| builder);
    let (_, headers, _) = ask(&open, "GET", "/health", &[("origin", "https://a.example")]).await;
    assert_eq!(headers["access-control-allow-origin"], "*");
    assert!(!headers.contains_key("access-control-allow-credentials"));
    let closed = TestServer::start_with(
        |config| config.gateway.cors_origin = "https://a.example".into(),
        |builder| builder,
    );
    let (_, headers, _) = ask(&closed, "GET", "/health", &[("origin", "https://a.example")]).await;
    assert_eq!(headers["access-control-allow-origin"], "https://a.example");
    let (_, headers, _) = ask(&closed, "GET", "/health", &[("origin", "https://b.example")]).await;
    assert!(!headers.contains_key("access-control-allow-origin"));
    assert_eq!(headers["vary"], "origin");
}

#[tokio::test]
async fn a_socket_without_an_upgrade_is_426_and_a_call_counts_once() {
    let server = TestServer::start();
    let (status, headers, body) = get(&server, "/ws").await;
    assert_eq!((status, headers["upgrade"].as_str()), (426, "websocket"), "{body}");
    let body = serde_json::json!({ "some": "thing" });
    crate::rest::call(&server, "POST", "/api/v1/rpc/demo:echo", "", Some(&body), &[]).await;
    let metrics = get(&server, "/metrics").await.2;
    let lines =
        metrics.lines().filter(|line| line.starts_with("helios_requests_total") && line.contains("rpc"));
    assert_eq!(lines.count(), 1);
    let as_socket = r#"helios_requests_total{endpoint="demo:echo",method="WS",status="ok"} 1"#;
    assert!(!metrics.contains(as_socket), "it came by HTTP");
}
