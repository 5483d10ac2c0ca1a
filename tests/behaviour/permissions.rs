//! Who may call what: every method with every role, and why.

use std::collections::BTreeMap;

use helios::peer::PeerError;
use serde_json::{Value, json};

use crate::accounts::{PASSWORD, admin, logged_in, peer_of, refused, server, server_with, text};
use crate::rest::with;

/// An id that nobody has.
const ANY_ID: &str = "0191e996-0000-7000-8000-000000000000";

/// What everybody may call who has shown nothing.
fn open_to_all(method: &str) -> bool {
    let namespace = method.split(':').next().unwrap();
    // Topics ask their own rules; `demo` is for tests.
    matches!(namespace, "auth" | "demo" | "metrics" | "starling" | "system" | "topic")
}

/// What would log the caller out or take long.
const ENDS: [&str; 6] =
    ["auth:logout", "auth:logoutAll", "starling:end", "demo:hang", "demo:slow", "universe:benchmark"];

/// Whether one of the roles that every server has may call a method, beyond what everybody may.
fn expected(role: &str, method: &str) -> bool {
    let reading = ["kv:get", "kv:ttl", "kv:scan", "kv:watch", "kv:unwatch"].contains(&method);
    let looking = ["jobs:get", "jobs:list", "jobs:stats", "jobs:schedules"].contains(&method);
    match role {
        "admin" => true,
        "user" => {
            method.starts_with("kv:") || ["jobs:enqueue", "jobs:enqueueEach"].contains(&method) || looking
        }
        "readonly" => reading || looking,
        _ => false,
    }
}

#[tokio::test]
async fn every_method_asks_every_role() {
    let server = server_with(|config| {
        config.universes.everyone = false;
        config.jobs.everyone = false;
    });
    let root = with(&server, &admin(&server).await);
    let listed = server.peer().await.request("system:methods", &Value::Null).await.unwrap();
    let methods: BTreeMap<String, Value> = listed["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|method| (text(&method["name"]), method["permission"].clone()))
        .collect();
    assert!(methods.len() > 90);
    let mut asked = 0;
    for role in ["admin", "user", "readonly", "none", "anonymous"] {
        let mut token = String::new();
        if role != "anonymous" {
            let roles = if role == "none" { json!([]) } else { json!([role]) };
            let new = json!({ "username": format!("is-{role}"), "password": PASSWORD, "roles": roles });
            assert_eq!(root.post("/admin/users", new.clone()).await.0, 201);
            let login = json!({ "username": format!("is-{role}"), "password": PASSWORD });
            let given = with(&server, "").post("/api/v1/auth/login", login).await.1;
            token = text(&given["token"]);
        }
        for (method, permission) in &methods {
            // What would log out or take long is not called; the gate is the same for all.
            if ENDS.contains(&method.as_str()) {
                continue;
            }
            let (status, answer) = with(&server, &token)
                .post(&format!("/api/v1/rpc/{method}"), json!("no payload of any"))
                .await;
            let missing = &answer["error"]["details"]["permission"];
            let denied = (status == 401 || status == 403) && missing.is_string() && missing == permission;
            let may = open_to_all(method) || expected(role, method);
            assert_eq!(!denied, may, "{role} calls {method}: {status} {answer}");
            let unknown = answer["error"]["code"] == "UNAUTHENTICATED";
            assert!(role == "anonymous" || !unknown, "{role} is known: {method}: {answer}");
            assert!(!denied || status == if unknown { 401 } else { 403 }, "{role} calls {method}");
            asked += 1;
        }
        // The same gate, by a socket.
        let mut peer = if token.is_empty() { server.peer().await } else { peer_of(&server, &token).await };
        for (method, permission) in methods.iter().filter(|(method, _)| !ENDS.contains(&method.as_str())) {
            let answer = peer.request(method, &json!("no payload of any")).await;
            let missing = match answer {
                Err(PeerError::Failed(failure)) => failure.details["permission"].clone(),
                _ => Value::Null,
            };
            let denied = missing.is_string() && missing == *permission;
            let may = open_to_all(method) || expected(role, method);
            assert_eq!(!denied, may, "{role} calls {method} by a socket");
            asked += 1;
        }
    }
    println!("{asked} calls");
}

#[tokio::test]
async fn why_somebody_may_or_may_not_is_told() {
    let server = server();
    let root = with(&server, &admin(&server).await);
    let token = text(&logged_in(&server, "ann").await["accessToken"]);
    root.put("/admin/roles/keeper", json!({ "permissions": ["kv:*", "topic:publish:news"] })).await;
    let explain = |method: &'static str| {
        let root = root.clone();
        async move { root.get(&format!("/admin/users/ann/explain?method={method}")).await.1 }
    };
    let answer = explain("kv:set").await;
    assert_eq!((&answer["allowed"], &answer["reason"]), (&json!(true), &json!("user grants it")));
    root.post("/admin/users/ann/roles", json!({ "role": "keeper" })).await;
    root.delete("/admin/users/ann/roles/user").await;
    let answer = explain("kv:set").await;
    assert_eq!(answer["grantedBy"], json!([{ "role": "keeper", "grant": "kv:*" }]));
    assert_eq!(answer["reason"], "keeper grants kv:*, which includes kv:set");
    let answer = explain("users:list").await;
    assert_eq!((&answer["allowed"], &answer["permission"]), (&json!(false), &json!("admin:users")));
    assert_eq!(explain("system:ping").await["reason"], "it needs no permission");
    assert_eq!(explain("no:such").await["error"]["code"], "METHOD_NOT_FOUND");
    assert_eq!(root.get("/admin/users/nobody/explain?method=kv:set").await.0, 404);
    // Of oneself everybody may ask; of others not, nor whether they exist.
    let mut ann = peer_of(&server, &token).await;
    assert_eq!(ann.request("auth:explain", &json!({ "method": "kv:set" })).await.unwrap()["allowed"], true);
    let own = json!({ "method": "kv:set", "user": "ann" });
    assert_eq!(ann.request("auth:explain", &own).await.unwrap()["user"], "ann");
    for other in ["root", "nobody"] {
        let (code, details) =
            refused(&mut ann, "auth:explain", json!({ "method": "kv:set", "user": other })).await;
        assert_eq!(
            (code.as_str(), &details["permission"]),
            ("PERMISSION_DENIED", &json!("admin:users")),
            "{other}"
        );
    }
    root.patch("/admin/users/ann", json!({ "disabled": true })).await;
    assert_eq!(explain("kv:set").await["reason"], "ann is disabled");
}

#[tokio::test]
async fn roles_have_rules_and_one_administrator_stays() {
    let server = server();
    let root = with(&server, &admin(&server).await);
    for (wish, field) in [
        (json!({ "permissions": ["kv"] }), ""),
        (json!({ "permissions": ["k v:get"] }), "/permissions"),
        (json!({ "permissions": ["kv:get*"] }), "/permissions"),
        (json!({ "permissions": [], "description": "x".repeat(300) }), "/description"),
    ] {
        let (status, answer) = root.put("/admin/roles/x", wish.clone()).await;
        let expected = if field.is_empty() { 200 } else { 400 };
        assert_eq!(status, expected, "{wish}");
        assert!(field.is_empty() || answer["error"]["details"][0]["field"] == field, "{answer}");
    }
    assert_eq!(root.put("/admin/roles/a%20b", json!({ "permissions": [] })).await.0, 400);
    assert_eq!(root.put("/admin/roles/admin", json!({ "permissions": [] })).await.0, 409);
    assert_eq!(root.delete("/admin/roles/admin").await.0, 409);
    assert_eq!(root.delete("/admin/roles/no-such").await.0, 404);
    assert_eq!(root.post("/admin/users/root/roles", json!({ "role": "no-such" })).await.0, 404);
    let roles = root.post("/admin/users/root/roles", json!({ "role": "user" })).await.1;
    assert_eq!(
        roles,
        root.post("/admin/users/root/roles", json!({ "role": "user" })).await.1,
        "twice is once"
    );
    // Nobody locks everybody out.
    for (status, _) in [
        root.delete("/admin/users/root").await,
        root.delete("/admin/users/root/roles/admin").await,
        root.patch("/admin/users/root", json!({ "disabled": true })).await,
    ] {
        assert_eq!(status, 409);
    }
    let other = json!({ "username": "second", "password": PASSWORD, "roles": ["admin"] });
    assert_eq!(root.post("/admin/users", other).await.0, 201);
    assert_eq!(root.delete("/admin/users/root/roles/admin").await, (200, json!({ "roles": ["user"] })));
    assert_eq!(root.get("/admin/users").await.0, 403, "felt at once");
}

#[tokio::test]
async fn users_are_listed_page_by_page() {
    let server = server();
    let root = with(&server, &admin(&server).await);
    for number in 0..7 {
        let new = json!({ "username": format!("user-{number}"), "password": PASSWORD });
        assert_eq!(root.post("/admin/users", new).await.0, 201);
    }
    let (mut found, mut path) = (Vec::new(), "/admin/users?limit=3".to_owned());
    loop {
        let page = root.get(&path).await.1;
        found.extend(page["users"].as_array().unwrap().iter().map(|user| text(&user["username"])));
        assert!(!page.to_string().contains("$2b$"), "no hash is told");
        match page["cursor"].as_str() {
            Some(cursor) => path = format!("/admin/users?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    found.sort();
    assert_eq!((found.len(), found[0].as_str()), (8, "root"));
}

#[tokio::test]
async fn nobody_hands_out_what_is_not_his() {
    let server = server();
    let root = with(&server, &admin(&server).await);
    root.put("/admin/roles/helper", json!({ "permissions": ["admin:users", "admin:roles", "kv:get"] })).await;
    let token = text(&logged_in(&server, "ann").await["accessToken"]);
    root.post("/admin/users/ann/roles", json!({ "role": "helper" })).await;
    let ann = with(&server, &token);
    let roots = root.post("/api/v1/auth/keys", json!({ "name": "mine", "scopes": ["*"] })).await.1;
    let new = |name: &str, role: &str| json!({ "username": name, "password": PASSWORD, "roles": [role] });
    for (status, answer) in [
        ann.post("/admin/users", new("eve", "admin")).await,
        ann.post("/admin/users/ann/roles", json!({ "role": "admin" })).await,
        ann.patch("/admin/users/root", json!({ "password": "a new password" })).await,
        ann.patch("/admin/users/root", json!({ "disabled": true })).await,
        ann.delete("/admin/users/root").await,
        ann.post("/admin/users/root/logout", Value::Null).await,
        ann.delete(&format!("/admin/users/root/keys/{}", text(&roots["id"]))).await,
        ann.post("/api/v1/rpc/users:revokeToken", json!({ "user": "root", "jti": ANY_ID })).await,
        ann.put("/admin/roles/helper", json!({ "permissions": ["*"] })).await,
        ann.put("/admin/roles/other", json!({ "permissions": ["universe:read"] })).await,
    ] {
        assert_eq!((status, &answer["error"]["code"]), (403, &json!("PERMISSION_DENIED")), "{answer}");
    }
    assert_eq!(ann.post("/admin/users", new("bob", "helper")).await.0, 201);
    assert_eq!(ann.put("/admin/roles/other", json!({ "permissions": ["kv:get"] })).await.0, 200);
    // Nor does an API key that may look after users, of somebody who may all.
    let key = root.post("/api/v1/auth/keys", json!({ "name": "k", "scopes": ["admin:users"] })).await.1;
    let by_key = with(&server, &text(&key["key"]));
    assert_eq!(by_key.post("/admin/users", new("eve", "admin")).await.0, 403);
    assert_eq!(by_key.post("/admin/users", new("eve", "user")).await.0, 403, "kv:set is not in its scope");
    assert_eq!(by_key.get("/admin/users").await.0, 200);
}
