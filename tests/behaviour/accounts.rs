//! Accounts: registering, logging in, tokens, keys; over a socket and over HTTP.

use helios::base::Span;
use helios::config::Config;
use helios::peer::{Credential, Peer, PeerError, PeerOptions};
use helios::testing::TestServer;
use serde_json::{Value, json};

use crate::rest::{Answered, call, with};

pub(crate) const PASSWORD: &str = "correct horse";

/// A server whose hashes cost little, and which counts no failures.
pub(crate) fn server_with(configure: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::start_with(
        |config| {
            config.auth.bcrypt_cost = 4;
            config.auth.attempts = 0;
            config.auth.admin_user = "root".into();
            config.auth.admin_password = "root password".into();
            config.kv.everyone = false;
            config.limits.enabled = false;
            configure(config);
        },
        |builder| builder,
    )
}

pub(crate) fn server() -> TestServer {
    server_with(|_| {})
}

/// Registers somebody and logs in. Gives the tokens.
pub(crate) async fn logged_in(server: &TestServer, name: &str) -> Value {
    let credentials = json!({ "username": name, "password": PASSWORD });
    let mut peer = server.peer().await;
    peer.request("auth:register", &credentials).await.unwrap();
    peer.request("auth:login", &credentials).await.unwrap()
}

/// A token of the administrator.
pub(crate) async fn admin(server: &TestServer) -> String {
    let credentials = json!({ "username": "root", "password": "root password" });
    text(&server.peer().await.request("auth:login", &credentials).await.unwrap()["accessToken"])
}

/// A peer that shows a credential in its handshake and has read the `hello`.
pub(crate) async fn peer_of(server: &TestServer, credential: &str) -> Peer {
    let credential = Some(Credential(credential.to_owned()));
    let mut peer = server.connect(&PeerOptions { credential, ..PeerOptions::default() }).await;
    peer.receive().await.expect("hello");
    peer
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}")).to_owned()
}

/// What a call is refused with: code and details.
pub(crate) async fn refused(peer: &mut Peer, method: &str, payload: Value) -> (String, Value) {
    match peer.request(method, &payload).await {
        Err(PeerError::Failed(failure)) => (failure.code, failure.details),
        other => panic!("{method} was not refused: {other:?}"),
    }
}

#[tokio::test]
async fn an_account_is_made_and_logged_in_to() {
    let server = server();
    let (status, registered) = with(&server, "")
        .post("/api/v1/auth/register", json!({ "username": "Ann", "password": PASSWORD }))
        .await;
    assert_eq!((status, &registered["username"]), (201, &json!("Ann")));
    assert_eq!(text(&registered["user_id"]).len(), 32);
    // Upper and lower case are the same.
    let (status, given) = with(&server, "")
        .post("/api/v1/auth/login", json!({ "username": "aNN", "password": PASSWORD }))
        .await;
    assert_eq!((status, &given["user_id"], &given["expires_in"]), (200, &registered["user_id"], &json!(900)));
    let ann = with(&server, &text(&given["token"]));
    let (status, me) = ann.get("/api/v1/auth/me").await;
    assert_eq!((status, &me["username"], &me["roles"]), (200, &json!("Ann"), &json!(["user"])));
    assert_eq!(me["permissions"], json!(["job:create", "job:view", "kv:delete", "kv:get", "kv:set"]));
    // The same over a socket.
    let mut peer = server.peer().await;
    assert_eq!(refused(&mut peer, "auth:me", json!({})).await.0, "UNAUTHENTICATED");
    peer.request("auth:login", &json!({ "username": "ann", "password": PASSWORD })).await.unwrap();
    assert_eq!(peer.request("auth:me", &json!({})).await.unwrap()["userId"], registered["user_id"]);
}

#[tokio::test]
async fn names_and_passwords_have_rules() {
    let server = server();
    let mut peer = server.peer().await;
    let long = "x".repeat(73);
    for (name, password, place) in [
        ("ab", PASSWORD, "/username"),
        ("a b c", PASSWORD, "/username"),
        ("ännchen", PASSWORD, "/username"),
        ("ann", "1234567", "/password"),
        ("ann", long.as_str(), "/password"),
        ("annabell", "AnnaBell", "/password"),
    ] {
        let wish = json!({ "username": name, "password": password });
        let (code, details) = refused(&mut peer, "auth:register", wish).await;
        assert_eq!(code, "VALIDATION_ERROR", "{name} {password}");
        let said = details.to_string();
        assert!(said.contains(place) && !said.contains(password), "{said}");
    }
    logged_in(&server, "ann").await;
    let again = json!({ "username": "ANN", "password": PASSWORD });
    assert_eq!(refused(&mut peer, "auth:register", again.clone()).await.0, "NAME_TAKEN");
    assert_eq!(with(&server, "").post("/api/v1/auth/register", again).await.0, 400);
}

#[tokio::test]
async fn of_many_who_want_one_name_one_gets_it() {
    let server = server();
    let wish = json!({ "username": "ann", "password": PASSWORD });
    let tries = (0..20).map(|_| async {
        let mut peer = server.peer().await;
        peer.request("auth:register", &wish).await.is_ok()
    });
    let made = futures_util::future::join_all(tries).await.into_iter().filter(|made| *made).count();
    assert_eq!(made, 1);
    let users = with(&server, &admin(&server).await).get("/admin/users").await.1;
    assert_eq!(users["users"].as_array().unwrap().len(), 2, "and no half one is left: {users}");
}

#[tokio::test]
async fn which_of_name_and_password_is_wrong_is_not_told() {
    let server = server();
    logged_in(&server, "ann").await;
    let answer = |name: &'static str, password: &'static str| {
        let anybody = with(&server, "");
        async move {
            let (status, mut answer) =
                anybody.post("/api/v1/auth/login", json!({ "username": name, "password": password })).await;
            answer["meta"] = Value::Null;
            (status, answer)
        }
    };
    let (wrong, unknown) = (answer("ann", "incorrect horse").await, answer("bob", "incorrect horse").await);
    assert_eq!((wrong.0, &wrong.1["error"]["code"]), (401, &json!("INVALID_CREDENTIALS")));
    assert_eq!(wrong, unknown);
    assert_eq!(wrong, answer("ann", "").await);
    let long: &'static str = Box::leak("x".repeat(200).into_boxed_str());
    assert_eq!(wrong, answer("ann", long).await);
}

#[tokio::test]
async fn an_unknown_name_costs_what_a_wrong_password_costs() {
    // Enough that the hash is most of the time.
    let server = server_with(|config| config.auth.bcrypt_cost = 9);
    logged_in(&server, "ann").await;
    let mut peer = server.peer().await;
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..9 {
        for (name, times) in ["ann", "bob"].into_iter().zip(&mut took) {
            let began = std::time::Instant::now();
            refused(&mut peer, "auth:login", json!({ "username": name, "password": "incorrect horse" }))
                .await;
            times.push(began.elapsed().as_secs_f64());
        }
    }
    let [known, unknown] = took.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    assert!(
        (0.6..1.7).contains(&(unknown / known)),
        "{unknown} s for an unknown name, {known} s for a wrong password"
    );
}

#[tokio::test]
async fn failed_logins_are_throttled_by_name_and_address() {
    let server = server_with(|config| {
        config.auth.attempts = 3;
        config.auth.attempt_interval = Span::secs(600);
    });
    logged_in(&server, "ann").await;
    let mut peer = server.peer().await;
    for name in ["ann", "nobody"] {
        let wrong = json!({ "username": name, "password": "incorrect horse" });
        for _ in 0..3 {
            assert_eq!(refused(&mut peer, "auth:login", wrong.clone()).await.0, "INVALID_CREDENTIALS");
        }
        let (code, details) = refused(&mut peer, "auth:login", wrong).await;
        assert_eq!((code.as_str(), &details["limit"]), ("RATE_LIMIT_EXCEEDED", &json!(3)), "{name}");
        assert!(details["reset"].as_u64().unwrap() > 500);
    }
    // Nor does the right password help now; and over HTTP it is told when to come back.
    let right = json!({ "username": "ann", "password": PASSWORD });
    let answer = call(&server, "POST", "/api/v1/auth/login", "", Some(&right), &[]).await;
    assert_eq!(answer.status, 429);
    assert!(answer.headers["retry-after"].parse::<u64>().unwrap() > 500);
}

#[tokio::test]
async fn a_refresh_token_works_once_and_one_that_is_shown_twice_ends_its_login() {
    let server = server();
    let first = logged_in(&server, "ann").await;
    let anybody = with(&server, "");
    let refresh = |token: String| {
        let anybody = anybody.clone();
        async move { anybody.post("/api/v1/auth/refresh", json!({ "refresh_token": token })).await }
    };
    let (status, second) = refresh(text(&first["refreshToken"])).await;
    assert_eq!((status, &second["user_id"], &second["expires_in"]), (200, &first["userId"], &json!(900)));
    assert_ne!(second["token"], first["accessToken"]);
    let (status, third) = refresh(text(&second["refresh_token"])).await;
    assert_eq!(status, 200);
    let last = with(&server, &text(&third["token"]));
    assert_eq!(last.get("/api/v1/auth/me").await.0, 200);
    // Somebody has kept the second one.
    let (status, refused) = refresh(text(&second["refresh_token"])).await;
    assert_eq!((status, &refused["error"]["details"]["reason"]), (401, &json!("reused")));
    let (status, refused) = refresh(text(&third["refresh_token"])).await;
    assert_eq!((status, &refused["error"]["details"]["reason"]), (401, &json!("invalid")));
    let (status, refused) = last.get("/api/v1/auth/me").await;
    assert_eq!((status, &refused["error"]["details"]["reason"]), (401, &json!("revoked")));
    for none in ["", "hrt_x_y", &text(&first["accessToken"])] {
        assert_eq!(refresh(none.to_owned()).await.0, 401, "{none}");
    }
}

#[tokio::test]
async fn of_two_who_refresh_at_once_both_are_out() {
    let server = server();
    let token = text(&logged_in(&server, "ann").await["refreshToken"]);
    let anybody = with(&server, "");
    let tries = (0..8).map(|_| anybody.post("/api/v1/auth/refresh", json!({ "refresh_token": token })));
    let answers = futures_util::future::join_all(tries).await;
    assert!(answers.iter().filter(|(status, _)| *status == 200).count() <= 1);
    for (status, answer) in answers {
        let given = answer["token"].as_str().unwrap_or_default().to_owned();
        assert!(status == 401 || with(&server, &given).get("/api/v1/auth/me").await.0 == 401);
    }
}

#[tokio::test]
async fn logging_out_is_felt_at_once_by_all_who_have_the_token() {
    let server = server();
    let given = logged_in(&server, "ann").await;
    let ann = with(&server, &text(&given["accessToken"]));
    assert_eq!(ann.get("/api/v1/auth/me").await.0, 200);
    assert_eq!(ann.post("/api/v1/auth/logout", Value::Null).await, (200, json!({ "ok": true })));
    assert_eq!(ann.get("/api/v1/auth/me").await.0, 401);
    let refresh = json!({ "refresh_token": given["refreshToken"] });
    assert_eq!(with(&server, "").post("/api/v1/auth/refresh", refresh).await.0, 401);
}

#[tokio::test]
async fn logging_out_everywhere_and_a_new_password_end_all_other_logins() {
    let server = server();
    logged_in(&server, "ann").await;
    let anybody = with(&server, "");
    let login = |password: &'static str| {
        anybody.post("/api/v1/auth/login", json!({ "username": "ann", "password": password }))
    };
    let (one, other) = (login(PASSWORD).await.1, login(PASSWORD).await.1);
    let (one, other) = (with(&server, &text(&one["token"])), with(&server, &text(&other["token"])));
    assert_eq!(one.post("/api/v1/auth/logout-all", Value::Null).await.0, 200);
    assert_eq!((one.get("/api/v1/auth/me").await.0, other.get("/api/v1/auth/me").await.0), (401, 401));

    let (one, other) = (login(PASSWORD).await.1, login(PASSWORD).await.1);
    let (one, other) = (with(&server, &text(&one["token"])), with(&server, &text(&other["token"])));
    let wrong = json!({ "current_password": "incorrect horse", "new_password": "better horse" });
    assert_eq!(one.post("/api/v1/auth/password", wrong).await.0, 401);
    let short = json!({ "current_password": PASSWORD, "new_password": "short" });
    assert_eq!(one.post("/api/v1/auth/password", short).await.0, 400);
    assert_eq!(other.get("/api/v1/auth/me").await.0, 200, "nothing has happened yet");
    let right = json!({ "current_password": PASSWORD, "new_password": "better horse" });
    let (status, given) = one.post("/api/v1/auth/password", right).await;
    assert_eq!(status, 200, "{given}");
    assert_eq!((one.get("/api/v1/auth/me").await.0, other.get("/api/v1/auth/me").await.0), (401, 401));
    assert_eq!(with(&server, &text(&given["token"])).get("/api/v1/auth/me").await.0, 200);
    assert_eq!((login(PASSWORD).await.0, login("better horse").await.0), (401, 200));
}

#[tokio::test]
async fn an_access_token_ends_and_others_are_none() {
    let server = server_with(|config| config.auth.access_lifetime = Span::secs(1));
    let given = logged_in(&server, "ann").await;
    let ann = with(&server, &text(&given["accessToken"]));
    let began = std::time::Instant::now();
    let reason = loop {
        let (status, answer) = ann.get("/api/v1/auth/me").await;
        if status == 401 {
            break text(&answer["error"]["details"]["reason"]);
        }
        assert!(began.elapsed().as_secs() < 10);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(reason, "expired");
    let state = server.peer().await.request("starling:state", &Value::Null).await.unwrap();
    for (header, reason) in [
        ("Bearer x", "invalid"),
        ("Bearer ", "invalid_header"),
        ("Basic YTpi", "invalid_header"),
        (text(&given["accessToken"]).as_str(), "invalid_header"),
        (&format!("Bearer {}", text(&state["token"])), "invalid"),
        ("Bearer hk_00000000000000000000000000000000_x", "invalid_key"),
    ] {
        let answer = call(&server, "GET", "/api/v1/auth/me", "", None, &[("authorization", header)]).await;
        let said = answer.json();
        assert_eq!((answer.status, &said["error"]["details"]["reason"]), (401, &json!(reason)), "{header}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"helios\"");
    }
}

#[tokio::test]
async fn an_api_key_may_what_its_scopes_and_its_owner_may() {
    let server = server();
    let ann = with(&server, &text(&logged_in(&server, "ann").await["accessToken"]));
    let wish = json!({ "name": "reader", "scopes": ["kv:get", "admin:users"] });
    let (status, key) = ann.post("/api/v1/auth/keys", wish).await;
    let secret = text(&key["key"]);
    assert!(status == 201 && secret.starts_with("hk_"), "{key}");
    let by_key = with(&server, &secret);
    let (status, me) = by_key.get("/api/v1/auth/me").await;
    assert_eq!(
        (status, &me["username"], &me["scopes"]),
        (200, &json!("ann"), &json!(["kv:get", "admin:users"]))
    );
    assert_eq!(by_key.get("/api/v1/kv").await.0, 200);
    let (status, denied) = by_key.put("/api/v1/kv/a", json!({ "value": 1 })).await;
    assert_eq!((status, &denied["error"]["details"]["permission"]), (403, &json!("kv:set")));
    assert_eq!(by_key.get("/admin/users").await.0, 403, "a scope gives nothing that the owner has not");
    // A key makes no keys, and logs nobody out.
    assert_eq!(by_key.post("/api/v1/auth/keys", json!({ "name": "x", "scopes": ["*"] })).await.0, 403);
    assert_eq!(by_key.post("/api/v1/auth/logout-all", Value::Null).await.0, 403);
    // It is told once, and nobody finds it in the store.
    let (_, listed) = ann.get("/api/v1/auth/keys").await;
    assert_eq!((&listed["keys"][0]["name"], &listed["keys"][0]["key"]), (&json!("reader"), &Value::Null));
    let hidden = &secret.as_bytes()[secret.len() - 24..];
    let view = server.store().view();
    assert!(
        view.prefix(b"").all(|(_, entry)| !entry
            .value
            .as_bytes()
            .windows(hidden.len())
            .any(|part| part == hidden))
    );
    // Over a socket it does as well.
    let mut peer = peer_of(&server, &secret).await;
    assert_eq!(peer.request("kv:get", &json!({ "key": "a" })).await.unwrap(), Value::Null);
    assert_eq!(refused(&mut peer, "kv:set", json!({ "key": "a", "value": 1 })).await.0, "PERMISSION_DENIED");
    // And when it is taken away, so are its connections.
    let gone = ann.delete(&format!("/api/v1/auth/keys/{}", text(&key["id"]))).await;
    assert_eq!(gone, (200, json!({ "revoked": true })));
    assert_eq!(by_key.get("/api/v1/kv").await.0, 401);
    assert_eq!(crate::accounts_sockets::closed(&mut peer).await, 4013);
}

#[tokio::test]
async fn an_api_key_ends_and_has_rules() {
    let server = server_with(|config| config.auth.keys_max = 2);
    let ann = with(&server, &text(&logged_in(&server, "ann").await["accessToken"]));
    for (wish, field) in [
        (json!({ "name": "", "scopes": ["*"] }), "/name"),
        (json!({ "name": "x", "scopes": [] }), "/scopes"),
        (json!({ "name": "x", "scopes": ["kv:"] }), "/scopes"),
        (json!({ "name": "x", "scopes": ["*"], "ttl": 0 }), "/ttlMs"),
    ] {
        let (status, answer) = ann.post("/api/v1/auth/keys", wish.clone()).await;
        assert_eq!((status, &answer["error"]["details"][0]["field"]), (400, &json!(field)), "{wish}");
    }
    let (_, key) = ann.post("/api/v1/auth/keys", json!({ "name": "short", "scopes": ["*"], "ttl": 1 })).await;
    let by_key = with(&server, &text(&key["key"]));
    assert_eq!(by_key.get("/api/v1/auth/me").await.0, 200);
    let began = std::time::Instant::now();
    while by_key.get("/api/v1/auth/me").await.0 != 401 {
        assert!(began.elapsed().as_secs() < 10);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for name in ["a", "b"] {
        assert_eq!(
            ann.post("/api/v1/auth/keys", json!({ "name": name, "scopes": ["*"] })).await.0,
            201,
            "{name}"
        );
    }
    assert_eq!(ann.post("/api/v1/auth/keys", json!({ "name": "c", "scopes": ["*"] })).await.0, 409);
}

#[tokio::test]
async fn registration_can_be_closed() {
    let server = server_with(|config| config.auth.registration = false);
    let wish = json!({ "username": "ann", "password": PASSWORD });
    assert_eq!(refused(&mut server.peer().await, "auth:register", wish.clone()).await.0, "PERMISSION_DENIED");
    let root = with(&server, &admin(&server).await);
    let (status, made) = root.post("/admin/users", wish.clone()).await;
    assert_eq!((status, &made["roles"]), (201, &json!(["user"])));
    assert_eq!(with(&server, "").post("/api/v1/auth/login", wish).await.0, 200);
}

#[tokio::test]
async fn without_accounts_there_are_none() {
    let server = server_with(|config| config.auth.enabled = false);
    assert_eq!(refused(&mut server.peer().await, "auth:login", json!({})).await.0, "METHOD_NOT_FOUND");
    let Answered { status, .. } =
        call(&server, "POST", "/api/v1/auth/login", "", Some(&json!({})), &[]).await;
    assert_eq!(status, 404);
    assert_eq!(with(&server, "").get("/api/v1/openapi.json").await.0, 200);
}

#[tokio::test]
async fn a_stronger_hash_is_made_when_more_is_asked() {
    let directory = tempfile::tempdir().unwrap();
    let hash_of = |server: &TestServer| {
        let view = server.store().view();
        let users = view.prefix(b"auth:user:").map(|(_, entry)| entry.value.as_bytes().to_vec());
        let users: Vec<Value> = users.map(|user| serde_json::from_slice(&user).unwrap()).collect();
        text(&users.iter().find(|user| user["username"] == "ann").unwrap()["password_hash"])
    };
    let at = |cost: u32| {
        let directory = directory.path().to_owned();
        server_with(move |config| {
            config.store.data_dir = directory.join("data");
            config.auth.bcrypt_cost = cost;
        })
    };
    let mut first = at(4);
    logged_in(&first, "ann").await;
    assert!(hash_of(&first).starts_with("$2b$04$"));
    let kept = directory.path().join("kept");
    first.drain().recv().unwrap();
    std::fs::rename(directory.path().join("data"), &kept).unwrap();
    drop(first);
    std::fs::rename(&kept, directory.path().join("data")).unwrap();
    let second = at(5);
    let login = json!({ "username": "ann", "password": PASSWORD });
    second.peer().await.request("auth:login", &login).await.unwrap();
    assert!(hash_of(&second).starts_with("$2b$05$"));
    second.peer().await.request("auth:login", &login).await.unwrap();
}
