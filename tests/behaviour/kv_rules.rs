//! Whose keys they are: rules by namespace, over every way to a key.

use helios::peer::Received;
use serde_json::{Value, json};

use crate::accounts::{admin, logged_in, peer_of, refused, server_with, text};
use crate::rest::with;

#[tokio::test]
async fn keys_of_a_user_are_nobody_elses() {
    let server = server_with(|_| {});
    let token = async |name: &str| text(&logged_in(&server, name).await["accessToken"]);
    let (anna, bert, root) = (token("anna").await, token("bert").await, admin(&server).await);
    let mut watching = peer_of(&server, &bert).await;
    watching.request("kv:watch", &json!({ "prefix": "" })).await.unwrap();

    let (anna, root) = (with(&server, &anna), with(&server, &root));
    assert_eq!(anna.put("/api/v1/kv/user:anna:note", json!({ "value": "mine" })).await.0, 200);
    assert_eq!(anna.put("/api/v1/kv/shared", json!({ "value": 1 })).await.0, 200);
    assert_eq!(anna.get("/api/v1/kv/user:anna:note").await.1["value"], "mine");
    assert_eq!(root.get("/api/v1/kv/user:anna:note").await.0, 200, "whoever may everything reaches all");
    let is_change =
        |it: &Received| matches!(it, Received::Notification { topic, .. } if topic == "kv:changes");
    let Received::Notification { data: told, .. } = watching.expect(is_change).await.unwrap() else {
        unreachable!("it was asked for")
    };
    let keys: Vec<&str> =
        told["changes"].as_array().unwrap().iter().filter_map(|change| change["key"].as_str()).collect();
    assert_eq!(keys, ["shared"], "a watch tells what its owner may read");

    let mut other = peer_of(&server, &bert).await;
    let key = "user:anna:note";
    for (method, payload) in [
        ("kv:get", json!({ "key": key })),
        ("kv:ttl", json!({ "key": key })),
        ("kv:set", json!({ "key": key, "value": 1 })),
        ("kv:set", json!({ "key": "user:anna", "value": 1 })),
        ("kv:delete", json!({ "key": key })),
        ("kv:increment", json!({ "key": key })),
        ("kv:commit", json!({ "operations": [{ "op": "set", "key": key, "value": 1 }] })),
        ("kv:commit", json!({ "operations": [{ "op": "expire", "key": key }] })),
        ("kv:commit", json!({ "operations": [{ "op": "emit", "key": key, "value": 1 }] })),
        ("kv:commit", json!({ "operations": [], "checks": [{ "key": key, "version": 0 }] })),
    ] {
        let (code, details) = refused(&mut other, method, payload).await;
        assert_eq!(
            (code.as_str(), &details["permission"]),
            ("PERMISSION_DENIED", &json!("kv:any")),
            "{method}"
        );
    }
    let listed = other.request("kv:scan", &json!({ "prefix": "" })).await.unwrap();
    let keys: Vec<&Value> = listed["entries"].as_array().unwrap().iter().map(|entry| &entry["key"]).collect();
    assert_eq!(keys, [&json!("shared")]);
    let begun = other.request("kv:watch", &json!({ "prefix": "user:" })).await.unwrap();
    assert_eq!(begun["entries"], json!([]));
    assert_eq!(anna.get("/api/v1/kv/user:anna:note").await.1["value"], "mine", "nothing has changed");
}
