//! No secret gets into a log, however much is logged.

use std::io::Read;
use std::process::{Command, Stdio};

use helios::peer::{Credential, Peer, PeerOptions};
use serde_json::{Value, json};

const PASSWORD: &str = "a very secret password";

#[tokio::test]
async fn the_logs_of_a_whole_story_hold_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut child = Command::new(env!("CARGO_BIN_EXE_helios"))
        .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data-dir"])
        .arg(directory.path().join("data"))
        .env("HELIOS__TELEMETRY__LOG_LEVEL", "trace")
        .env("HELIOS__GATEWAY__ACCESS_LOG", "true")
        .env("HELIOS__AUTH__BCRYPT_COST", "4")
        .env("HELIOS_ADMIN_USER", "root")
        .env("HELIOS_ADMIN_PASSWORD", "another secret password")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut logs = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        logs.read_to_string(&mut text).unwrap();
        text
    });
    let url = format!("ws://127.0.0.1:{port}/ws");
    let began = std::time::Instant::now();
    let mut peer = loop {
        match Peer::connect(&url, &PeerOptions::default()).await {
            Ok(peer) => break peer,
            Err(error) => assert!(began.elapsed().as_secs() < 20, "{error}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let credentials = json!({ "username": "ann", "password": PASSWORD });
    peer.request("auth:register", &credentials).await.unwrap();
    let given = peer.request("auth:login", &credentials).await.unwrap();
    let wrong = json!({ "username": "ann", "password": "a wrong secret guess" });
    assert!(peer.request("auth:login", &wrong).await.is_err());
    let refreshed = json!({ "refreshToken": given["refreshToken"] });
    let again = peer.request("auth:refresh", &refreshed).await.unwrap();
    let state = peer.request("starling:state", &Value::Null).await.unwrap();
    let wish = json!({ "name": "k", "scopes": ["*"] });
    let key = peer.request("auth:createKey", &wish).await.unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let credential = Some(Credential(text(&key["key"])));
    let mut other = Peer::connect(&url, &PeerOptions { credential, ..PeerOptions::default() }).await.unwrap();
    other.request("auth:me", &json!({})).await.unwrap();
    let bad = Some(Credential(format!("{}x", text(&again["accessToken"]))));
    assert!(Peer::connect(&url, &PeerOptions { credential: bad, ..PeerOptions::default() }).await.is_err());
    let change = json!({ "currentPassword": PASSWORD, "newPassword": "the next secret password" });
    peer.request("auth:changePassword", &change).await.unwrap();
    let by_key = text(&key["key"]);
    let asked = tokio::task::spawn_blocking(move || {
        let url = format!("http://127.0.0.1:{port}/api/v1/auth/me?recover={by_key}");
        ureq::get(url).header("x-api-key", by_key).call().unwrap().status().as_u16()
    });
    assert_eq!(asked.await.unwrap(), 200);
    drop((peer, other));
    child.kill().unwrap();
    child.wait().unwrap();
    let logs = reader.join().unwrap();
    assert!(logs.lines().count() > 20, "at trace level there is much");
    let access = logs.lines().find(|line| line.contains("\"access\"") && line.contains("/api/v1/auth/me"));
    let access: Value = serde_json::from_str(access.expect("the access log has the request")).unwrap();
    let extra = &access["extra"];
    assert_eq!((&extra["user"], &extra["address"]), (&json!("ann"), &json!("127.0.0.1")), "{access}");
    assert_eq!((&extra["method"], &extra["status"]), (&json!("GET"), &json!(200)), "{access}");
    assert!(access["request_id"].is_string() && extra["path"] == "/api/v1/auth/me", "{access}");
    // Of tokens, the end of the part that makes them good. It may have any of their letters.
    let tail = |token: &Value| text(token).split_off(text(token).len() - 24);
    let secrets = [
        PASSWORD.to_owned(),
        "another secret password".to_owned(),
        "a wrong secret guess".to_owned(),
        "the next secret password".to_owned(),
        tail(&given["accessToken"]),
        tail(&given["refreshToken"]),
        tail(&again["accessToken"]),
        tail(&again["refreshToken"]),
        tail(&state["token"]),
        tail(&key["key"]),
        "$2b$04$".to_owned(),
    ];
    for secret in secrets {
        assert!(!logs.contains(&secret), "{secret} is in the logs");
    }
}
