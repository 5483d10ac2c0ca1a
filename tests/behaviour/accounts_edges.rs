//! Accounts at their edges: what a change leaves half done, what is repeated to a caller, what outlives a right.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use helios::base::Span;
use helios::dispatch::{Anything, Context, MethodError, MethodOptions};
use helios::testing::TestServer;
use serde_json::{Value, json};

use crate::accounts::{PASSWORD, admin, logged_in, refused, server, server_with, text};
use crate::rest::{call, with};
use crate::wait::until;

#[tokio::test]
async fn a_revocation_outlives_every_token_that_it_is_about() {
    // Tokens may have been signed when they had a longer life than they have now.
    let server = server_with(|config| config.auth.access_lifetime = Span::secs(60));
    let ann = text(&logged_in(&server, "ann").await["accessToken"]);
    assert_eq!(with(&server, &ann).post("/api/v1/auth/logout", Value::Null).await.0, 200);
    let view = server.store().view();
    let ends: Vec<u64> = view.prefix(b"auth:revoked:").map(|(_, entry)| entry.expires_at).collect();
    assert_eq!(ends.len(), 2, "the token and its login");
    assert!(ends.iter().all(|at| *at >= view.now_ms() + 86_400_000), "the longest life that there is");
}

#[tokio::test]
async fn a_change_of_a_user_is_done_whole_or_not_at_all() {
    let server = server();
    let root = with(&server, &admin(&server).await);
    logged_in(&server, "ann").await;
    let both = |password: &str| json!({ "disabled": true, "password": password });
    let (status, answer) = root.patch("/admin/users/ann", both("short")).await;
    assert_eq!((status, &answer["error"]["details"][0]["field"]), (400, &json!("/password")));
    assert_eq!(root.get("/admin/users/ann").await.1["disabled"], false);
    assert_eq!(root.patch("/admin/users/root", both("a good password")).await.0, 409, "nobody would be left");
    assert_eq!(root.get("/admin/users/root").await.0, 200, "and its logins go on");
    assert_eq!(root.patch("/admin/users/ann", both("a good password")).await.1["disabled"], true);
    let login = json!({ "username": "ann", "password": PASSWORD });
    assert_eq!(with(&server, "").post("/api/v1/auth/login", login).await.0, 401);
    assert_eq!(root.patch("/admin/users/ann", json!({})).await.1["disabled"], true, "nothing is nothing");
}

#[tokio::test]
async fn what_does_not_fit_is_not_repeated_where_it_may_be_a_secret() {
    let server = server();
    let mut peer = server.peer().await;
    let nobody = with(&server, "");
    for payload in [
        json!({ "username": "ann", "password": 987_654_321 }),
        json!(["ann", "hunter2hunter2"]),
        json!("hunter2hunter2"),
        json!({ "username": ["hunter2hunter2"], "password": { "is": "hunter2hunter2" } }),
    ] {
        for method in ["auth:login", "auth:register", "auth:refresh", "auth:authenticate", "users:create"] {
            let (status, answer) = nobody.post(&format!("/api/v1/rpc/{method}"), payload.clone()).await;
            assert!((400..500).contains(&status), "{method}: {answer}");
            let (_, details) = refused(&mut peer, method, payload.clone()).await;
            for told in [answer.to_string(), details.to_string()] {
                assert!(!told.contains("hunter2") && !told.contains("987654321"), "{method}: {told}");
            }
        }
        for path in ["login", "register", "refresh"] {
            let (status, answer) = nobody.post(&format!("/api/v1/auth/{path}"), payload.clone()).await;
            let told = answer.to_string();
            assert!(
                (400..500).contains(&status) && !told.contains("hunter2") && !told.contains("987654321"),
                "{path}: {told}"
            );
        }
    }
}

#[tokio::test]
async fn who_loses_a_right_does_not_get_what_it_still_waits_for() {
    let server = server_with(|_| {});
    let root = with(&server, &admin(&server).await);
    for what in ["logout", "disable"] {
        let token = text(&logged_in(&server, &format!("ann-{what}")).await["accessToken"]);
        let ann = with(&server, &token);
        let wish = json!({ "ms": 20_000 });
        let began = Instant::now();
        let (slow, ()) = tokio::join!(ann.post("/api/v1/rpc/demo:slow", wish), async {
            until("it runs", || server.metrics().in_flight.get() == 1).await;
            match what {
                "logout" => drop(ann.post("/api/v1/auth/logout", Value::Null).await),
                _ => drop(root.patch("/admin/users/ann-disable", json!({ "disabled": true })).await),
            }
        });
        assert_eq!((slow.0, &slow.1["error"]["code"]), (401, &json!("UNAUTHENTICATED")), "{what}");
        assert!(began.elapsed() < Duration::from_secs(2), "{what}: {:?}", began.elapsed());
        until("it is cancelled", || server.metrics().in_flight.get() == 0).await;
    }
}

async fn fails_late(ctx: Context, _: Anything) -> Result<Value, MethodError> {
    ctx.progress(50.0, Some("half"), None)?;
    Err(MethodError::new("APP_LATE", "it did not work out"))
}

#[tokio::test]
async fn a_stream_tells_a_late_failure_and_whoever_hangs_up_cancels() {
    static CANCELLED: AtomicBool = AtomicBool::new(false);
    let waits = |ctx: Context, _: Anything| async move {
        ctx.progress(1.0, None, None)?;
        ctx.cancelled().await;
        CANCELLED.store(true, Ordering::SeqCst);
        Ok::<Value, MethodError>(Value::Null)
    };
    let server = TestServer::start_with(
        |_| {},
        move |builder| {
            builder.method("app:late", fails_late).method_with("app:waits", MethodOptions::default(), waits)
        },
    );
    let events = [("accept", "text/event-stream")];
    let answer = call(&server, "POST", "/api/v1/rpc/app:late", "", Some(&json!(null)), &events).await;
    let told = String::from_utf8(answer.body).unwrap();
    assert_eq!(answer.status, 200, "it had begun");
    let (progress, error) = told.split_once("\n\n").unwrap();
    assert!(
        progress.starts_with("event: progress\ndata: ") && progress.contains("\"progress\":50"),
        "{told}"
    );
    assert!(error.starts_with("event: error\ndata: ") && error.contains("\"APP_LATE\""), "{told}");
    let mut socket = std::net::TcpStream::connect(server.address()).unwrap();
    let head = "POST /api/v1/rpc/app:waits HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\
                content-type: application/json\r\ncontent-length: 4\r\n\r\nnull";
    socket.write_all(head.as_bytes()).unwrap();
    until("it runs", || server.metrics().in_flight.get() == 1).await;
    drop(socket);
    until("it is cancelled", || CANCELLED.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn what_the_server_is_told_is_recorded_when_it_changes() {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let start = |keys_max: usize| {
        let data = directory.path().join("data");
        server_with(move |config| {
            config.store.data_dir = data;
            config.gateway.listen.set_port(0);
            config.auth.keys_max = keys_max;
        })
    };
    let records = async |server: &TestServer| {
        let root = with(server, &admin(server).await);
        root.get("/admin/audit?action=config.change").await.1["records"].as_array().unwrap().clone()
    };
    let keep = |server: TestServer| {
        let (data, kept) = (directory.path().join("data"), directory.path().join("kept"));
        let mut server = server;
        server.drain().recv().unwrap();
        std::fs::rename(&data, &kept).unwrap();
        drop(server);
        std::fs::rename(kept, data).unwrap();
    };
    let first = start(5);
    let told = records(&first).await;
    assert_eq!((told.len(), &told[0]["caller"]["face"]), (1, &json!("server")));
    assert_eq!(told[0]["after"]["auth"]["admin_password"], "***", "{}", told[0]);
    keep(first);
    let same = start(5);
    assert_eq!(records(&same).await.len(), 1, "nothing has changed");
    keep(same);
    let other = start(6);
    let told = records(&other).await;
    let change = json!([{ "auth": { "keys_max": 5 } }, { "auth": { "keys_max": 6 } }]);
    assert_eq!(json!([told[0]["before"], told[0]["after"]]), change);
    let intact = with(&other, &admin(&other).await).get("/admin/audit/verify").await.1;
    assert_eq!(intact["intact"], true, "{intact}");
}

#[tokio::test]
async fn what_was_taken_is_written_down_after_the_interval() {
    let server = server_with(|config| {
        config.limits.enabled = true;
        config.limits.checkpoint_interval = Span::millis(50);
    });
    let token = text(&logged_in(&server, "ann").await["accessToken"]);
    for _ in 0..30 {
        assert_eq!(with(&server, &token).get("/api/v1/kv").await.0, 200);
    }
    let written = || {
        let view = server.store().view();
        view.prefix(b"rate:api:user:").next().map(|(_, entry)| {
            let state: Value = serde_json::from_slice(entry.value.as_bytes()).unwrap();
            (state["tokens"].as_u64().unwrap(), entry.expires_at)
        })
    };
    until("it is written", || written().is_some_and(|(tokens, _)| (70..80).contains(&tokens))).await;
    assert!(written().unwrap().1 > 0, "it is forgotten once it is full again");
}
