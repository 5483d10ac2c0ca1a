//! Who has changed what: every change of accounts is recorded, and no secret with it.

use helios::store::{Command, Value as Stored};
use serde_json::{Value, json};

use crate::accounts::{PASSWORD, admin, logged_in, server, text};
use crate::rest::with;

#[tokio::test]
async fn every_change_is_recorded_with_who_what_and_from_where() {
    let server = server();
    let root = with(&server, &admin(&server).await);
    let given = logged_in(&server, "ann").await;
    let ann = with(&server, &text(&given["accessToken"]));
    let key = ann.post("/api/v1/auth/keys", json!({ "name": "k", "scopes": ["*"] })).await.1;
    ann.delete(&format!("/api/v1/auth/keys/{}", text(&key["id"]))).await;
    with(&server, "")
        .post("/api/v1/auth/login", json!({ "username": "ann", "password": "not hers!!" }))
        .await;
    root.put("/admin/roles/reader", json!({ "permissions": ["kv:get"] })).await;
    root.put("/admin/roles/reader", json!({ "permissions": ["kv:*"] })).await;
    root.post("/admin/users/ann/roles", json!({ "role": "reader" })).await;
    root.delete("/admin/users/ann/roles/reader").await;
    root.delete("/admin/roles/reader").await;
    root.patch("/admin/users/ann", json!({ "disabled": true })).await;
    root.patch("/admin/users/ann", json!({ "disabled": false, "password": "a new password" })).await;
    root.post("/admin/users/ann/logout", Value::Null).await;
    root.delete("/admin/users/ann").await;
    let (_, all) = root.get("/admin/audit?limit=1000").await;
    let records = all["records"].as_array().unwrap();
    let actions: Vec<&str> = records.iter().rev().map(|record| record["action"].as_str().unwrap()).collect();
    let wanted = [
        "role.set",
        "role.set",
        "role.set",
        "config.change",
        "user.create",
        "auth.login",
        "auth.register",
        "auth.login",
        "key.create",
        "key.revoke",
        "auth.login",
        "role.set",
        "role.set",
        "role.assign",
        "role.unassign",
        "role.delete",
        "user.disable",
        "user.password",
        "auth.logout_everywhere",
        "user.delete",
    ];
    assert_eq!(actions, wanted);
    let of = |action: &str| records.iter().find(|record| record["action"] == action).unwrap();
    let assigned = of("role.assign");
    assert_eq!((&assigned["caller"]["name"], &assigned["target"]), (&json!("root"), &json!("user:ann")));
    assert_eq!(
        (&assigned["caller"]["address"], &assigned["caller"]["face"]),
        (&json!("127.0.0.1"), &json!("rest"))
    );
    assert_eq!(assigned["before"], json!({ "roles": ["user"] }));
    assert_eq!(assigned["after"], json!({ "roles": ["user", "reader"] }));
    assert_eq!(of("role.set")["before"]["permissions"], json!(["kv:get"]));
    assert_eq!(of("user.delete")["before"]["username"], "ann");
    let failed = records.iter().find(|record| record["done"] == false).unwrap();
    assert_eq!(
        (&failed["action"], &failed["target"], &failed["caller"]["name"]),
        (&json!("auth.login"), &json!("user:ann"), &Value::Null)
    );
    // Found again by who, what and to what.
    for query in ["action=key.", "user=ann&action=key.", "target=user:ann%20key:"] {
        let found = root.get(&format!("/admin/audit?{query}")).await.1;
        assert_eq!(found["records"].as_array().unwrap().len(), 2, "{query}");
    }
    let page = root.get("/admin/audit?limit=5").await.1;
    let next = root.get(&format!("/admin/audit?limit=5&before={}", page["before"])).await.1;
    assert_eq!(next["records"][0], records[5]);
    // And no secret.
    let text_of_all = all.to_string();
    for secret in [
        PASSWORD,
        "not hers!!",
        "a new password",
        "root password",
        "$2b$",
        &text(&key["key"])[40..],
        &text(&given["accessToken"])[60..],
    ] {
        assert!(!text_of_all.contains(secret), "{secret}");
    }
    assert_eq!(root.get("/admin/audit/verify").await.1["intact"], true);
}

#[tokio::test]
async fn whoever_touches_a_record_is_found_out() {
    let server = server();
    let root = with(&server, &admin(&server).await);
    for name in ["ann", "bob"] {
        logged_in(&server, name).await;
    }
    assert_eq!(root.get("/admin/audit/verify").await.1["intact"], true);
    let key = b"audit:log:00000000000000000007".to_vec();
    let record = server.store().view().value(&key).unwrap().as_bytes().to_vec();
    let record = String::from_utf8(record).unwrap().replace("user:ann", "user:eve");
    server.store().run(Command::set(key, Stored::json(record.into_bytes()))).await.unwrap().unwrap();
    let verified = root.get("/admin/audit/verify").await.1;
    assert_eq!(verified["intact"], false);
    assert!(verified["problem"].as_str().unwrap().contains("record 7"), "{verified}");
}
