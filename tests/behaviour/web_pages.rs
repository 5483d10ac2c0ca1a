//! What pages of other sites may do: nothing, unless the options say so.

use helios::peer::{ConnectError, Peer, PeerOptions};
use helios::testing::TestServer;
use serde_json::json;

use crate::rest::call;

async fn socket(server: &TestServer, origin: &str) -> Option<u16> {
    let options = PeerOptions { origin: Some(origin.to_owned()), ..PeerOptions::default() };
    match Peer::connect(server.ws_url(), &options).await {
        Ok(_) => None,
        Err(ConnectError::Refused { status, .. }) => Some(status.as_u16()),
        Err(other) => panic!("{origin}: {other}"),
    }
}

#[tokio::test]
async fn pages_of_the_server_itself_may_and_others_may_not() {
    let server = TestServer::start();
    let own = server.http_url().to_owned();
    let change = async |origin: &str| {
        let headers = [("origin", origin)];
        call(&server, "POST", "/api/v1/rpc/demo:echo", "", Some(&json!(1)), &headers).await.status
    };
    assert_eq!(socket(&server, &own).await, None);
    assert_eq!(change(&own).await, 200);
    for other in ["https://evil.example", "http://127.0.0.1:1", "http://localhost", "null"] {
        assert_eq!(socket(&server, other).await, Some(403), "{other}");
        assert_eq!(change(other).await, 403, "{other}");
        let read = call(&server, "GET", "/health", "", None, &[("origin", other)]).await;
        assert!(!read.headers.contains_key("access-control-allow-origin"), "{other}");
    }
    assert_eq!(
        call(&server, "POST", "/api/v1/rpc/demo:echo", "", Some(&json!(1)), &[]).await.status,
        200,
        "no browser"
    );
}

#[tokio::test]
async fn a_name_of_somebody_else_is_no_name_of_the_server() {
    let server = TestServer::start_with(
        |config| {
            config.gateway.hosts = vec!["chat.example".into()];
            config.connections.origins = vec!["https://app.example".into()];
        },
        |builder| builder,
    );
    let asked = async |host: &str| call(&server, "GET", "/health", "", None, &[("host", host)]).await;
    for known in
        ["127.0.0.1:8080", "[::1]:80", "localhost", "a.localhost:1", "CHAT.example", "app.example:443", "box"]
    {
        assert_eq!(asked(known).await.status, 200, "{known}");
    }
    for other in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "chat.example.evil.example"]
    {
        let refused = asked(other).await;
        assert_eq!(refused.status, 421, "{other}");
        assert!(refused.json()["error"]["message"].as_str().unwrap().contains("gateway.hosts"), "{other}");
        let head = crate::raw::handshake("/ws", "").replace("Host: x", &format!("Host: {other}"));
        let answer = crate::raw::RawSocket::refused(server.address(), &head).await;
        assert!(answer.starts_with("HTTP/1.1 421"), "{other}: {answer}");
    }
}

#[tokio::test]
async fn what_can_never_match_is_a_problem_of_the_configuration() {
    let problems = |change: fn(&mut helios::config::Config)| {
        let mut config = helios::config::Config::default();
        change(&mut config);
        config.problems().into_iter().map(|(key, text)| format!("{key}: {text}")).collect::<Vec<_>>()
    };
    assert!(problems(|_| {}).is_empty());
    let fine = problems(|config| {
        config.gateway.cors_origin = "https://x/, https://y:443,same-origin".into();
        config.connections.origins = vec!["HTTPS://X:443/".into()];
        config.gateway.trusted_proxies = vec!["10.0.0.0/8".into(), "::1".into()];
    });
    assert!(fine.is_empty(), "{fine:?}");
    for origin in ["https://a,https://b", "https://*.x", "https://x/path", "x.example", ""] {
        let mut config = helios::config::Config::default();
        config.connections.origins = vec![origin.into()];
        assert_eq!(config.problems().len(), 1, "{origin}");
    }
    assert!(
        problems(|config| config.gateway.trusted_proxies = vec!["10.0.0.0/33".into()])[0]
            .contains("trusted_proxies")
    );
    assert!(problems(|config| config.telemetry.log_level = "inof".into())[0].contains("telemetry.log_level"));
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_counts() {
    let server = TestServer::start_with(
        |config| {
            config.gateway.api_requests_max = 2;
            config.gateway.trusted_proxies = vec!["127.0.0.0/8".into()];
        },
        |builder| builder,
    );
    let from = async |client: &str| {
        call(&server, "GET", "/api/universes", "", None, &[("x-forwarded-for", client)]).await.status
    };
    assert_eq!(
        (from("1.1.1.1").await, from("1.1.1.1").await, from("6.6.6.6, 1.1.1.1").await),
        (200, 200, 429)
    );
    assert_eq!(from("2.2.2.2").await, 200, "another client of the same proxy");
}

#[tokio::test]
async fn noise_of_an_address_keeps_nobody_from_logging_in() {
    let server = crate::accounts::server_with(|config| config.limits.enabled = true);
    for _ in 0..150 {
        call(&server, "GET", "/api/v1/kv/x", "", None, &[]).await;
    }
    assert_eq!(call(&server, "GET", "/api/v1/kv/x", "", None, &[]).await.status, 429);
    let root = json!({ "username": "root", "password": "root password" });
    assert_eq!(call(&server, "POST", "/api/v1/auth/login", "", Some(&root), &[]).await.status, 200);
    let ann = json!({ "username": "ann", "password": "correct horse" });
    assert_eq!(call(&server, "POST", "/api/v1/auth/register", "", Some(&ann), &[]).await.status, 201);
}
