//! Accounts and open sockets: who a session belongs to, what becomes of it when that changes.

use std::time::Duration;

use helios::base::Span;
use helios::hub::{Access, NamespaceOptions};
use helios::peer::{ConnectError, Credential, Peer, PeerError, PeerOptions, Received, Resume};
use helios::testing::TestServer;
use serde_json::{Value, json};

use crate::accounts::{PASSWORD, admin, logged_in, peer_of, refused, server, server_with, text};
use crate::rest::with;

/// Waits for the end of a connection. Gives its close code.
pub(crate) async fn closed(peer: &mut Peer) -> u16 {
    loop {
        match peer.receive().await {
            Ok(_) => {}
            Err(PeerError::Closed(code)) => return code.unwrap_or(1005),
            Err(error) => panic!("{error}"),
        }
    }
}

async fn told(peer: &mut Peer, wanted: &str) -> Value {
    let fits =
        |received: &Received| matches!(received, Received::Notification { topic, .. } if topic == wanted);
    match peer.expect(fits).await.unwrap() {
        Received::Notification { data, .. } => data,
        other => panic!("{other:?}"),
    }
}

fn topics(access: &str) -> NamespaceOptions {
    let access: Access = access.parse().unwrap();
    NamespaceOptions { subscribe: access.clone(), publish: access, ..NamespaceOptions::default() }
}

#[tokio::test]
async fn a_socket_says_who_it_is_in_three_ways() {
    let server = server();
    let token = text(&logged_in(&server, "ann").await["accessToken"]);
    // In the header.
    let mut peer = peer_of(&server, &token).await;
    assert_eq!(peer.request("auth:me", &json!({})).await.unwrap()["username"], "ann");
    // In the first message.
    let resume = Some(Resume { access_token: Some(token.clone()), ..Resume::default() });
    let mut peer = server.connect(&PeerOptions { resume, ..PeerOptions::default() }).await;
    assert_eq!(peer.request("auth:me", &json!({})).await.unwrap()["username"], "ann");
    // By a call, with either codec and without our extensions too.
    for options in [
        PeerOptions { msgpack: true, ..PeerOptions::default() },
        PeerOptions { plain: true, ..PeerOptions::default() },
    ] {
        let mut peer = server.connect(&options).await;
        peer.request("auth:authenticate", &json!({ "accessToken": token })).await.unwrap();
        assert_eq!(peer.request("auth:me", &json!({})).await.unwrap()["username"], "ann");
    }
    // What is no good is refused in the handshake, and told in the first message.
    let credential = Some(Credential(format!("{token}x")));
    let refused = Peer::connect(server.ws_url(), &PeerOptions { credential, ..PeerOptions::default() }).await;
    assert!(
        matches!(refused, Err(ConnectError::Refused { status, .. }) if status.as_u16() == 401),
        "{refused:?}"
    );
    let resume = Some(Resume { access_token: Some("x.y.z".into()), ..Resume::default() });
    let mut peer = server.connect(&PeerOptions { resume, ..PeerOptions::default() }).await;
    assert_eq!(told(&mut peer, "auth:expired").await["reason"], "invalid");
    assert_eq!(peer.request("demo:echo", &json!(1)).await.unwrap(), 1, "and it is nobody in particular");
}

#[tokio::test]
async fn a_session_does_not_change_hands() {
    let server = server();
    let (ann, bob) = (logged_in(&server, "ann").await, logged_in(&server, "bob").await);
    let mut peer = peer_of(&server, &text(&ann["accessToken"])).await;
    peer.request("starling:set", &json!({ "name": "cart", "value": [1] })).await.unwrap();
    let other = json!({ "accessToken": bob["accessToken"] });
    assert_eq!(refused(&mut peer, "auth:authenticate", other.clone()).await.0, "CONFLICT");
    let login = json!({ "username": "bob", "password": PASSWORD });
    assert_eq!(refused(&mut peer, "auth:login", login).await.0, "CONFLICT");
    // Who has logged out has left nothing behind.
    peer.request("auth:logout", &json!({})).await.unwrap();
    assert_eq!(refused(&mut peer, "auth:me", json!({})).await.0, "UNAUTHENTICATED");
    assert_eq!(peer.request("starling:get", &json!({})).await.unwrap(), json!({ "values": {} }));
    peer.request("auth:authenticate", &other).await.unwrap();
    assert_eq!(peer.request("auth:me", &json!({})).await.unwrap()["username"], "bob");
}

#[tokio::test]
async fn a_token_that_ends_is_told_and_refreshed_without_a_reconnect() {
    let server = server_with(|config| {
        config.auth.access_lifetime = Span::secs(1);
        config.auth.grace = Span::secs(30);
    });
    let given = logged_in(&server, "ann").await;
    let mut peer = peer_of(&server, &text(&given["accessToken"])).await;
    let expired = told(&mut peer, "auth:expired").await;
    assert_eq!(expired, json!({ "reason": "expired", "graceMs": 30_000 }));
    // There is a while left, in which everything goes on.
    assert_eq!(peer.request("kv:get", &json!({ "key": "a" })).await.unwrap(), Value::Null);
    let fresh =
        peer.request("auth:refresh", &json!({ "refreshToken": given["refreshToken"] })).await.unwrap();
    assert_eq!(fresh["username"], "ann");
    // Of the new one it is told again: the old end has not closed it.
    assert_eq!(told(&mut peer, "auth:expired").await["reason"], "expired");
    assert_eq!(peer.request("auth:me", &json!({})).await.unwrap()["username"], "ann");
}

#[tokio::test]
async fn a_token_that_ends_and_is_not_replaced_closes_the_socket_and_keeps_the_session() {
    let server = server_with(|config| {
        config.auth.access_lifetime = Span::secs(1);
        config.auth.grace = Span::secs(1);
    });
    let given = logged_in(&server, "ann").await;
    let mut peer = peer_of(&server, &text(&given["accessToken"])).await;
    let state = peer.request("starling:state", &Value::Null).await.unwrap();
    peer.request("starling:set", &json!({ "name": "a", "value": 1 })).await.unwrap();
    assert_eq!(closed(&mut peer).await, 4012);
    // Its token alone is not enough any more; with a new access token it is.
    let with_token = |access_token: Option<String>| {
        let resume = Some(Resume { token: text(&state["token"]), access_token, ..Resume::default() });
        PeerOptions { resume, ..PeerOptions::default() }
    };
    let mut stranger = server.connect(&with_token(None)).await;
    let hello = told(&mut stranger, "hello").await;
    assert_eq!(hello["recovery"]["reason"], "other_principal");
    let refresh = json!({ "refresh_token": given["refreshToken"] });
    let fresh = with(&server, "").post("/api/v1/auth/refresh", refresh).await.1;
    let mut back = server.connect(&with_token(Some(text(&fresh["token"])))).await;
    assert_eq!(told(&mut back, "hello").await["recovery"]["recovered"], true);
    assert_eq!(back.request("starling:get", &json!({ "name": "a" })).await.unwrap()["value"], 1);
    assert_eq!(back.request("auth:me", &json!({})).await.unwrap()["username"], "ann");
}

#[tokio::test]
async fn plain_peers_are_closed_when_their_token_ends() {
    let server = server_with(|config| {
        config.auth.access_lifetime = Span::secs(1);
        config.auth.grace = Span::secs(0);
    });
    let token = text(&logged_in(&server, "ann").await["accessToken"]);
    let mut peer = server.plain_peer().await;
    peer.request("auth:authenticate", &json!({ "accessToken": token })).await.unwrap();
    assert_eq!(closed(&mut peer).await, 4012);
}

#[tokio::test]
async fn a_revoked_login_is_out_within_a_second_and_does_not_come_back() {
    let server = server();
    let root = with(&server, &admin(&server).await);
    for way in ["logout", "everywhere", "disabled", "deleted", "jti", "password"] {
        let name = format!("ann.{way}");
        let given = logged_in(&server, &name).await;
        let token = text(&given["accessToken"]);
        let mut peer = peer_of(&server, &token).await;
        let state = peer.request("starling:state", &Value::Null).await.unwrap();
        let began = std::time::Instant::now();
        let (status, answer) = match way {
            "logout" => with(&server, &token).post("/api/v1/auth/logout", Value::Null).await,
            "everywhere" => root.post(&format!("/admin/users/{name}/logout"), Value::Null).await,
            "disabled" => root.patch(&format!("/admin/users/{name}"), json!({ "disabled": true })).await,
            "password" => {
                root.patch(&format!("/admin/users/{name}"), json!({ "password": "another one" })).await
            }
            "deleted" => root.delete(&format!("/admin/users/{name}")).await,
            _ => {
                let claims = token.split('.').nth(1).unwrap();
                let claims: Value = serde_json::from_slice(&base64url(claims)).unwrap();
                let wish = json!({ "user": name, "jti": claims["jti"] });
                root.post("/api/v1/rpc/users:revokeToken", wish).await
            }
        };
        assert_eq!(status, 200, "{way}: {answer}");
        assert_eq!(told(&mut peer, "auth:expired").await["reason"], "revoked", "{way}");
        assert_eq!(closed(&mut peer).await, 4013, "{way}");
        assert!(began.elapsed() < Duration::from_secs(1), "{way} took {:?}", began.elapsed());
        assert_eq!(with(&server, &token).get("/api/v1/auth/me").await.0, 401, "{way}");
        let resume = Some(Resume { token: text(&state["token"]), ..Resume::default() });
        let mut back = server.connect(&PeerOptions { resume, ..PeerOptions::default() }).await;
        let hello = told(&mut back, "hello").await;
        assert_eq!(hello["recovery"]["reason"], "revoked", "{way}: {hello}");
    }
}

fn base64url(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}

#[tokio::test]
async fn whoever_logs_out_everywhere_hears_so_and_stays_connected() {
    let server = server();
    let token = text(&logged_in(&server, "ann").await["accessToken"]);
    let (mut one, mut other) = (peer_of(&server, &token).await, peer_of(&server, &token).await);
    assert_eq!(one.request("auth:logoutAll", &json!({})).await.unwrap(), json!({ "ok": true }));
    assert_eq!(closed(&mut other).await, 4013);
    assert_eq!(refused(&mut one, "auth:me", json!({})).await.0, "UNAUTHENTICATED");
    // A new password keeps the session that has asked for it.
    let login = json!({ "username": "ann", "password": PASSWORD });
    one.request("auth:login", &login).await.unwrap();
    let change = json!({ "currentPassword": PASSWORD, "newPassword": "better horse" });
    one.request("auth:changePassword", &change).await.unwrap();
    assert_eq!(one.request("auth:me", &json!({})).await.unwrap()["username"], "ann");
    let wrong = json!({ "currentPassword": PASSWORD, "newPassword": "best horse yet" });
    assert_eq!(refused(&mut one, "auth:changePassword", wrong).await.0, "INVALID_CREDENTIALS");
    assert_eq!(one.request("auth:me", &json!({})).await.unwrap()["username"], "ann");
}

#[tokio::test]
async fn roles_change_what_open_sessions_may() {
    let server = server_with(|config| {
        config.topics.namespaces.insert("news".into(), topics("permission"));
        config.topics.namespaces.insert("club".into(), topics("users"));
    });
    let root = with(&server, &admin(&server).await);
    let token = text(&logged_in(&server, "ann").await["accessToken"]);
    let mut ann = peer_of(&server, &token).await;
    let subscribe = json!({ "topic": "news:today" });
    let (code, details) = refused(&mut ann, "topic:subscribe", subscribe.clone()).await;
    assert_eq!(
        (code.as_str(), &details["permission"]),
        ("PERMISSION_DENIED", &json!("topic:subscribe:news"))
    );
    // A role is made and given.
    let reader = json!({ "permissions": ["topic:subscribe:news"], "description": "reads" });
    assert_eq!(root.put("/admin/roles/reader", reader).await.0, 200);
    assert_eq!(root.post("/admin/users/ann/roles", json!({ "role": "reader" })).await.0, 200);
    let changed = told(&mut ann, "auth:changed").await;
    assert_eq!(changed["roles"], json!(["user", "reader"]));
    ann.request("topic:subscribe", &subscribe).await.unwrap();
    ann.request("topic:subscribe", &json!({ "topic": "club:one" })).await.unwrap();
    ann.request("kv:watch", &json!({ "prefix": "a" })).await.unwrap();
    // The role grants something else.
    assert_eq!(
        root.put("/admin/roles/reader", json!({ "permissions": ["topic:publish:news"] })).await.0,
        200
    );
    assert_eq!(told(&mut ann, "topic:ended").await, json!({ "topic": "news:today", "reason": "permission" }));
    assert_eq!(refused(&mut ann, "topic:subscribe", subscribe.clone()).await.0, "PERMISSION_DENIED");
    ann.request("topic:publish", &json!({ "topic": "news:today", "data": 1 })).await.unwrap();
    // It is deleted, and with it what it gave; one of that name that is made later gives nothing.
    assert_eq!(root.delete("/admin/roles/reader").await.0, 200);
    // What the role grants had changed before that.
    assert_eq!(told(&mut ann, "auth:changed").await["roles"], json!(["user", "reader"]));
    assert_eq!(told(&mut ann, "auth:changed").await["roles"], json!(["user"]));
    assert_eq!(
        root.put("/admin/roles/reader", json!({ "permissions": ["topic:publish:news"] })).await.0,
        200
    );
    assert_eq!(
        refused(&mut ann, "topic:publish", json!({ "topic": "news:today", "data": 1 })).await.0,
        "PERMISSION_DENIED"
    );
    // Without any role, a watch ends with the next change.
    assert_eq!(root.delete("/admin/users/ann/roles/user").await.0, 200);
    told(&mut ann, "auth:changed").await;
    assert_eq!(root.put("/api/v1/kv/a", json!({ "value": 1 })).await.0, 200);
    assert_eq!(told(&mut ann, "kv:ended").await["reason"], "permission");
    // Logged out, what is for users is over.
    ann.request("auth:logout", &json!({})).await.unwrap();
    assert_eq!(told(&mut ann, "topic:ended").await["topic"], "club:one");
}

#[tokio::test]
async fn a_session_that_comes_back_may_what_its_owner_may_then() {
    let server = server();
    let root = with(&server, &admin(&server).await);
    let token = text(&logged_in(&server, "ann").await["accessToken"]);
    let mut ann = peer_of(&server, &token).await;
    let state = ann.request("starling:state", &Value::Null).await.unwrap();
    drop(ann);
    assert_eq!(root.delete("/admin/users/ann/roles/user").await.0, 200);
    let resume = |access_token: Option<String>| {
        let resume = Some(Resume { token: text(&state["token"]), access_token, ..Resume::default() });
        PeerOptions { resume, ..PeerOptions::default() }
    };
    let mut back = server.connect(&resume(None)).await;
    assert_eq!(told(&mut back, "hello").await["recovery"]["recovered"], true);
    assert_eq!(refused(&mut back, "kv:get", json!({ "key": "a" })).await.0, "PERMISSION_DENIED");
    drop(back);
    // Nobody takes up a session of somebody else, whatever they may.
    let other = admin(&server).await;
    let mut thief = server.connect(&resume(Some(other))).await;
    assert_eq!(told(&mut thief, "hello").await["recovery"]["reason"], "other_principal");
    assert_eq!(thief.request("auth:me", &json!({})).await.unwrap()["username"], "root", "it is who it is");
}

#[tokio::test]
async fn what_everybody_may_is_said_by_the_options() {
    let server = server_with(|config| config.auth.anonymous = vec!["kv:get".into()]);
    let mut peer = server.peer().await;
    assert_eq!(peer.request("kv:get", &json!({ "key": "a" })).await.unwrap(), Value::Null);
    assert_eq!(refused(&mut peer, "kv:set", json!({ "key": "a", "value": 1 })).await.0, "PERMISSION_DENIED");
    assert_eq!(with(&server, "").get("/api/v1/kv").await.0, 200);
    assert_eq!(with(&server, "").put("/api/v1/kv/a", json!({ "value": 1 })).await.0, 401);
}

#[tokio::test]
async fn accounts_and_sessions_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let at = |directory: std::path::PathBuf| server_with(move |config| config.store.data_dir = directory);
    let first = at(directory.path().join("data"));
    let token = text(&logged_in(&first, "ann").await["accessToken"]);
    let mut ann = peer_of(&first, &token).await;
    let state = ann.request("starling:state", &Value::Null).await.unwrap();
    ann.request("starling:set", &json!({ "name": "a", "value": 1 })).await.unwrap();
    stop(first, directory.path());
    let second = at(directory.path().join("data"));
    let resume = Some(Resume { token: text(&state["token"]), ..Resume::default() });
    let mut back = second.connect(&PeerOptions { resume, ..PeerOptions::default() }).await;
    assert_eq!(told(&mut back, "hello").await["recovery"]["recovered"], true);
    assert_eq!(back.request("auth:me", &json!({})).await.unwrap()["username"], "ann");
    // What happens now is felt by a session of the process before.
    with(&second, &token).post("/api/v1/auth/logout", Value::Null).await;
    assert_eq!(closed(&mut back).await, 4013);
}

/// Stops a server in order, and keeps its directory.
fn stop(mut server: TestServer, directory: &std::path::Path) {
    server.drain().recv().unwrap();
    std::fs::rename(directory.join("data"), directory.join("kept")).unwrap();
    drop(server);
    std::fs::rename(directory.join("kept"), directory.join("data")).unwrap();
}

#[tokio::test]
async fn answers_with_tokens_are_on_no_disk_and_for_nobody_else() {
    let server = server();
    logged_in(&server, "ann").await;
    let mut peer = server.peer().await;
    peer.request("starling:state", &Value::Null).await.unwrap();
    let login = json!({ "username": "ann", "password": PASSWORD });
    let given = peer.request("auth:login", &login).await.unwrap();
    let secret = text(&given["refreshToken"]);
    let secret = secret.as_bytes()[secret.len() - 24..].to_vec();
    let kept = || {
        let view = server.store().view();
        view.prefix(b"")
            .any(|(_, entry)| entry.value.as_bytes().windows(secret.len()).any(|part| part == secret))
    };
    peer.request("starling:set", &json!({ "name": "a", "value": 1 })).await.unwrap();
    assert!(!kept(), "the refresh token is in the store");
}

#[tokio::test]
async fn a_password_that_is_changed_lets_nobody_in_who_was_shut_out_meanwhile() {
    let server = server_with(|config| config.auth.bcrypt_cost = 9);
    let root = with(&server, &admin(&server).await);
    let token = text(&logged_in(&server, "ann").await["accessToken"]);
    let mut ann = peer_of(&server, &token).await;
    let change = json!({ "currentPassword": PASSWORD, "newPassword": "better horse" });
    let asked = ann.send_request("auth:changePassword", Some(&change)).await.unwrap();
    assert_eq!(root.patch("/admin/users/ann", json!({ "disabled": true })).await.0, 200);
    assert!(ann.answer(&asked).await.is_err());
    let login = |password: &str| json!({ "username": "ann", "password": password });
    for password in [PASSWORD, "better horse"] {
        assert_eq!(with(&server, "").post("/api/v1/auth/login", login(password)).await.0, 401);
    }
    assert_eq!(root.get("/admin/users/ann").await.1["disabled"], true);
}

#[tokio::test]
async fn an_expired_token_does_not_keep_anybody_from_the_next_one() {
    let server = server();
    let given = logged_in(&server, "ann").await;
    let shown = with(&server, "a.b.c");
    let refresh = json!({ "refresh_token": given["refreshToken"] });
    assert_eq!(shown.post("/api/v1/auth/refresh", refresh).await.0, 200);
    let login = json!({ "username": "ann", "password": PASSWORD });
    assert_eq!(shown.post("/api/v1/auth/login", login).await.0, 200);
    // A refresh token of somebody else is refused on a socket, and stays good.
    let bob = logged_in(&server, "bob").await;
    let mut ann = peer_of(&server, &text(&given["accessToken"])).await;
    let wish = json!({ "refreshToken": bob["refreshToken"] });
    assert_eq!(refused(&mut ann, "auth:refresh", wish).await.0, "CONFLICT");
    let refresh = json!({ "refresh_token": bob["refreshToken"] });
    assert_eq!(with(&server, "").post("/api/v1/auth/refresh", refresh).await.0, 200);
    // And whoever knows no more than the id of a login cannot end it.
    let known = text(&bob["refreshToken"]);
    let made_up = format!("{}_{}", known.rsplit_once('_').unwrap().0, "A".repeat(43));
    let (status, answer) =
        with(&server, "").post("/api/v1/auth/refresh", json!({ "refresh_token": made_up })).await;
    assert_eq!((status, &answer["error"]["details"]["reason"]), (401, &json!("invalid")));
    assert_eq!(with(&server, &text(&bob["accessToken"])).get("/api/v1/auth/me").await.0, 200);
}
