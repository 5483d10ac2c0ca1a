//! `/api/v1/*` and `/admin/*`: the shapes of answers, keys over HTTP, calls over HTTP, and what administrators see.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};

use helios::hub::NamespaceOptions;
use helios::testing::TestServer;
use serde_json::{Value, json};

use crate::accounts::{admin, logged_in, server, server_with, text};
use crate::http::agent;

/// An answer as it came.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// Sends a request, with a token or an API key unless that is empty.
pub(crate) async fn call(
    server: &TestServer,
    method: &str,
    path: &str,
    credential: &str,
    body: Option<&Value>,
    headers: &[(&str, &str)],
) -> Answered {
    let mut request =
        ureq::http::Request::builder().method(method).uri(format!("{}{path}", server.http_url()));
    request = match credential {
        "" => request,
        key if key.starts_with("hk_") => request.header("x-api-key", key),
        token => request.header("authorization", format!("Bearer {token}")),
    };
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = request.body(body).unwrap();
    let send = move || {
        let mut answer = agent().run(request).unwrap();
        let headers = answer.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        let body = answer.body_mut().with_config().limit(50 << 20).read_to_vec().unwrap();
        Answered { status: answer.status().as_u16(), headers, body }
    };
    tokio::task::spawn_blocking(send).await.unwrap()
}

/// Somebody who asks over HTTP.
#[derive(Clone)]
pub(crate) struct Somebody<'a> {
    server: &'a TestServer,
    credential: String,
}

pub(crate) fn with<'a>(server: &'a TestServer, credential: &str) -> Somebody<'a> {
    Somebody { server, credential: credential.to_owned() }
}

impl Somebody<'_> {
    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let answered = call(self.server, method, path, &self.credential, body, &[]).await;
        (answered.status, answered.json())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask("POST", path, Some(&body).filter(|body| !body.is_null())).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask("PUT", path, Some(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask("PATCH", path, Some(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        self.ask("DELETE", path, None).await
    }
}

#[tokio::test]
async fn keys_are_set_read_listed_and_deleted() {
    let server = server();
    let ann = with(&server, &text(&logged_in(&server, "ann").await["accessToken"]));
    let (status, set) = ann.put("/api/v1/kv/a/b", json!({ "value": "bar", "ttl": 60 })).await;
    assert_eq!(
        (status, &set["key"], &set["value"], &set["ttl"]),
        (200, &json!("a/b"), &json!("bar"), &json!(60))
    );
    let (status, got) = ann.get("/api/v1/kv/a/b").await;
    assert_eq!((status, &got["value"], &got["version"]), (200, &json!("bar"), &set["version"]));
    assert!((1..=60).contains(&got["ttl"].as_u64().unwrap()), "{got}");
    // A text is kept as that: other clients of the store read it.
    assert_eq!(server.store().view().value(b"kv:a/b").unwrap().as_bytes(), b"bar");
    assert_eq!(
        ann.post("/api/v1/kv/a/c", json!({ "value": { "n": [1, null] } })).await.0,
        200,
        "POST is PUT"
    );
    assert_eq!(ann.get("/api/v1/kv/a/c").await.1["value"], json!({ "n": [1, null] }));
    let (_, page) = ann.get("/api/v1/kv?prefix=a/&limit=1").await;
    assert_eq!((page["keys"].as_array().unwrap().len(), &page["keys"][0]["key"]), (1, &json!("a/b")));
    let (_, rest) = ann.get(&format!("/api/v1/kv?prefix=a/&cursor={}", text(&page["cursor"]))).await;
    assert_eq!((&rest["keys"][0]["key"], &rest["cursor"]), (&json!("a/c"), &Value::Null));
    assert_eq!(ann.delete("/api/v1/kv/a/b").await, (200, json!({ "deleted": true })));
    assert_eq!(ann.delete("/api/v1/kv/a/b").await, (200, json!({ "deleted": false })));
    let (status, gone) = ann.get("/api/v1/kv/a/b").await;
    assert_eq!(
        (status, &gone["error"]["code"], &gone["status"]),
        (404, &json!("NOT_FOUND"), &json!("error"))
    );
    assert_eq!(ann.get("/api/v1/kv/").await.0, 400, "an empty key");
    // Any byte of a key can be written.
    assert_eq!(ann.put("/api/v1/kv/%C3%A4%20%2F%3F", json!({ "value": 1 })).await.1["key"], "ä /?");
    assert_eq!(ann.get("/api/v1/kv/%C3%A4%20%2F%3F").await.1["value"], 1);
}

#[tokio::test]
async fn a_version_that_is_said_must_be_the_one() {
    let server = server();
    let token = text(&logged_in(&server, "ann").await["accessToken"]);
    let ask = |method: &'static str, body: Option<Value>, header: (&'static str, String)| {
        let (server, token) = (&server, token.clone());
        async move { call(server, method, "/api/v1/kv/a", &token, body.as_ref(), &[(header.0, &header.1)]).await }
    };
    let one = Some(json!({ "value": 1 }));
    let made = ask("PUT", one.clone(), ("if-none-match", "*".into())).await;
    assert_eq!(made.status, 200);
    let tag = made.headers["etag"].clone();
    assert_eq!(ask("PUT", one.clone(), ("if-none-match", "*".into())).await.status, 412);
    assert_eq!(ask("PUT", one.clone(), ("if-match", "\"1\"".into())).await.status, 412);
    assert_eq!(ask("GET", None, ("if-none-match", tag.clone())).await.status, 304);
    let next = ask("PUT", one.clone(), ("if-match", tag.clone())).await;
    assert!(next.status == 200 && next.headers["etag"] != tag);
    assert_eq!(ask("DELETE", None, ("if-match", tag)).await.status, 412);
    assert_eq!(ask("DELETE", None, ("if-match", next.headers["etag"].clone())).await.status, 200);
    assert_eq!(ask("DELETE", None, ("if-match", next.headers["etag"].clone())).await.status, 412);
    for (name, wrong) in [("if-match", "x"), ("if-match", "*"), ("if-none-match", "\"3\"")] {
        assert_eq!(ask("PUT", one.clone(), (name, wrong.into())).await.status, 400, "{name}: {wrong}");
    }
}

#[tokio::test]
async fn each_verb_needs_its_own_permission() {
    let server = server();
    let root = with(&server, &admin(&server).await);
    let given = logged_in(&server, "ann").await;
    root.delete("/admin/users/ann/roles/user").await;
    root.post("/admin/users/ann/roles", json!({ "role": "readonly" })).await;
    let ann = with(&server, &text(&given["accessToken"]));
    assert_eq!(ann.get("/api/v1/kv").await.0, 200);
    for (status, answer, permission) in [
        (ann.put("/api/v1/kv/a", json!({ "value": 1 })).await, 403, "kv:set"),
        (ann.delete("/api/v1/kv/a").await, 403, "kv:delete"),
    ]
    .map(|(answer, status, permission)| (status, answer, permission))
    {
        assert_eq!((answer.0, &answer.1["error"]["details"]["permission"]), (status, &json!(permission)));
    }
    // Nor by the back door.
    let commit = json!({ "operations": [{ "op": "delete", "key": "a" }] });
    root.put("/admin/roles/setter", json!({ "permissions": ["kv:set"] })).await;
    root.post("/admin/users/ann/roles", json!({ "role": "setter" })).await;
    let (status, denied) = ann.post("/api/v1/rpc/kv:commit", commit).await;
    assert_eq!((status, &denied["error"]["details"]["permission"]), (403, &json!("kv:delete")));
}

#[tokio::test]
async fn every_method_can_be_called_and_tells_its_progress() {
    let server = server();
    let anybody = with(&server, "");
    let (status, answer) = anybody.post("/api/v1/rpc/demo:echo", json!({ "a": [1] })).await;
    assert_eq!((status, &answer["status"], &answer["data"]), (200, &json!("success"), &json!({ "a": [1] })));
    assert!(answer["meta"]["request_id"].is_string() && answer["meta"]["timestamp"].is_string());
    assert_eq!(anybody.post("/api/v1/rpc/no:such", Value::Null).await.0, 404);
    assert_eq!(anybody.post("/api/v1/rpc/users:list", Value::Null).await.0, 401);
    let request = ureq::http::Request::builder()
        .method("POST")
        .uri(format!("{}/api/v1/rpc/demo:progress", server.http_url()))
        .header("accept", "text/event-stream")
        .header("accept-encoding", "gzip, br")
        .header("content-type", "application/json")
        .body("null".to_owned())
        .unwrap();
    let events = tokio::task::spawn_blocking(move || {
        let mut answer = agent().run(request).unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let lines = BufReader::new(answer.body_mut().as_reader()).lines().map(Result::unwrap);
        lines.filter(|line| !line.is_empty()).collect::<Vec<_>>()
    });
    let events = events.await.unwrap();
    assert!(events.iter().filter(|line| *line == "event: progress").count() > 1, "{events:?}");
    assert_eq!(events[events.len() - 2], "event: result");
    assert!(events.last().unwrap().starts_with("data: {\"data\":"), "{events:?}");
}

#[tokio::test]
async fn publications_come_from_http_too() {
    let server = server_with(|config| {
        let rules = NamespaceOptions {
            subscribe: "everyone".parse().unwrap(),
            publish: "users".parse().unwrap(),
            ..NamespaceOptions::default()
        };
        config.topics.namespaces.insert("room".into(), rules);
    });
    let mut peer = server.peer().await;
    peer.request("topic:subscribe", &json!({ "topic": "room:one" })).await.unwrap();
    let publication = json!({ "topic": "room:one", "data": { "text": "hi" } });
    assert_eq!(with(&server, "").post("/api/v1/publish", publication.clone()).await.0, 401);
    let ann = with(&server, &text(&logged_in(&server, "ann").await["accessToken"]));
    let (status, told) = ann.post("/api/v1/publish", publication).await;
    assert_eq!((status, &told["data"]["delivered"]), (200, &json!(1)), "{told}");
    let fits = |it: &helios::peer::Received| matches!(it, helios::peer::Received::Notification { topic, .. } if topic == "room:one");
    peer.expect(fits).await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let server = server();
    let ann = with(&server, &text(&logged_in(&server, "ann").await["accessToken"]));
    for (answer, status, code, word) in [
        (
            ann.post("/api/v1/auth/login", json!({ "username": "ann" })).await,
            400,
            "VALIDATION_ERROR",
            "password",
        ),
        (
            ann.post("/api/v1/auth/login", json!({ "username": "ann", "password": "x", "more": 1 })).await,
            400,
            "VALIDATION_ERROR",
            "more",
        ),
        (ann.put("/api/v1/kv/a", json!({ "value": 1, "ttl": -1 })).await, 400, "VALIDATION_ERROR", "-1"),
        (ann.get("/api/v1/kv?limit=x").await, 400, "VALIDATION_ERROR", "limit"),
        (ann.get("/api/v1/kv?lim=1").await, 400, "VALIDATION_ERROR", "lim"),
        (ann.get("/api/v1/nothing").await, 404, "NOT_FOUND", "/api/v1/openapi.json"),
        (ann.patch("/api/v1/kv/a", json!({})).await, 405, "METHOD_NOT_ALLOWED", "GET, PUT, POST, DELETE"),
        (ann.get("/admin/users").await, 403, "PERMISSION_DENIED", "admin:users"),
    ] {
        let error = &answer.1["error"];
        assert_eq!((answer.0, &error["code"]), (status, &json!(code)), "{}", answer.1);
        assert!(error["message"].as_str().unwrap().contains(word), "{error} names {word}");
    }
    // What is too long is refused before it has come.
    let mut socket = std::net::TcpStream::connect(server.address()).unwrap();
    let head = "PUT /api/v1/kv/a HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99999999\r\n";
    let token = text(&logged_in(&server, "bob").await["accessToken"]);
    socket.write_all(format!("{head}authorization: Bearer {token}\r\n\r\n{{").as_bytes()).unwrap();
    let first = BufReader::new(socket).lines().next().unwrap().unwrap();
    assert!(first.contains(" 413 "), "{first}");
    let form = call(&server, "POST", "/api/v1/auth/login", "", None, &[("content-type", "text/plain")]).await;
    assert_eq!(form.status, 400);
    let options =
        call(&server, "OPTIONS", "/api/v1/kv/a", "", None, &[("origin", "https://a.example")]).await;
    assert_eq!((options.status, options.headers["allow"].as_str()), (204, "GET, PUT, POST, DELETE"));
}

#[tokio::test]
async fn the_id_of_a_request_goes_through_all_of_it() {
    let server = server();
    let id = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
    let wrong = json!({ "username": "ann", "password": "incorrect" });
    let answer = call(&server, "POST", "/api/v1/auth/login", "", Some(&wrong), &[("x-request-id", id)]).await;
    assert_eq!(
        (answer.headers["x-request-id"].as_str(), &answer.json()["meta"]["request_id"]),
        (id, &json!(id))
    );
    let (_, audit) = with(&server, &admin(&server).await).get("/admin/audit?action=auth.login").await;
    let failed = audit["records"].as_array().unwrap().iter().find(|record| record["done"] == false).unwrap();
    assert_eq!(failed["caller"]["requestId"], id);
}

#[tokio::test]
async fn pages_of_other_origins_may_what_the_options_say() {
    let server = server_with(|config| config.gateway.cors_origin = "https://a.example".into());
    let ask = |origin: &'static str| {
        let server = &server;
        async move { call(server, "GET", "/api/v1/openapi.json", "", None, &[("origin", origin)]).await.headers }
    };
    let mine = ask("https://a.example").await;
    assert_eq!(mine["access-control-allow-origin"], "https://a.example");
    assert_eq!(mine["access-control-allow-credentials"], "true");
    assert!(mine["access-control-expose-headers"].contains("ratelimit-remaining"));
    assert!(!ask("https://b.example").await.contains_key("access-control-allow-origin"));
    let open = server_with(|config| config.gateway.cors_origin = "*".into());
    let all = call(&open, "GET", "/api/v1/openapi.json", "", None, &[("origin", "https://b.example")])
        .await
        .headers;
    assert_eq!(all["access-control-allow-origin"], "*");
    assert!(!all.contains_key("access-control-allow-credentials"), "never both");
}

#[tokio::test]
async fn answers_are_compressed_with_what_is_taken() {
    let server = server();
    for (accept, coding) in [("gzip, br", "br"), ("gzip", "gzip"), ("br;q=0.1, gzip;q=0.9", "gzip")] {
        let answer =
            call(&server, "GET", "/api/v1/openapi.json", "", None, &[("accept-encoding", accept)]).await;
        assert_eq!(answer.headers["content-encoding"], coding, "{accept}");
        assert!(answer.headers["vary"].contains("accept-encoding"));
        let mut text = String::new();
        match coding {
            "gzip" => drop(flate2::read::GzDecoder::new(&answer.body[..]).read_to_string(&mut text).unwrap()),
            _ => drop(brotli::Decompressor::new(&answer.body[..], 4096).read_to_string(&mut text).unwrap()),
        }
        assert!(serde_json::from_str::<Value>(&text).unwrap()["paths"].is_object());
    }
}

#[tokio::test]
async fn administrators_see_sessions_topics_metrics_and_the_configuration() {
    let server = server_with(|config| config.atlas.password = "a secret of the port".into());
    let (ann, root) = (logged_in(&server, "ann").await, with(&server, &admin(&server).await));
    let mut peer = crate::accounts::peer_of(&server, &text(&ann["accessToken"])).await;
    let (_, listed) = root.get("/admin/sessions?user=ann").await;
    let session = &listed["sessions"][0];
    assert_eq!(
        (&session["username"], &session["connected"], &session["address"]),
        (&json!("ann"), &json!(true), &json!("127.0.0.1"))
    );
    let path = format!("/admin/sessions/{}", text(&session["id"]));
    assert_eq!(
        root.delete(&format!("{path}?end=true")).await,
        (200, json!({ "disconnected": true, "ended": true }))
    );
    assert_eq!(crate::accounts_sockets::closed(&mut peer).await, 1008);
    assert_eq!(root.delete("/admin/sessions/x").await.0, 404);
    assert_eq!(root.get("/admin/topics").await.0, 200);
    let metrics = call(&server, "GET", "/admin/metrics", &admin(&server).await, None, &[]).await;
    assert!(
        metrics.status == 200 && String::from_utf8(metrics.body).unwrap().contains("helios_requests_total")
    );
    let (_, config) = root.get("/admin/config").await;
    assert_eq!(
        (&config["atlas"]["password"], &config["auth"]["admin_password"]),
        (&json!("***"), &json!("***"))
    );
    assert!(!config.to_string().contains("secret of the port"));
    assert_eq!(with(&server, "").get("/admin/metrics").await.0, 401);
    // There is no cluster, which is another thing than nothing.
    let (status, answer) = root.get("/admin/cluster/status").await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("CLUSTER_OFF")));
    assert_eq!(with(&server, &text(&ann["accessToken"])).get("/admin/cluster/peers").await.0, 403);
}

#[tokio::test]
async fn every_route_is_described() {
    let server = server();
    let document = with(&server, "").get("/api/v1/openapi.json").await.1;
    let mut found = 0;
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/gateway/v1")).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let scope = if path.file_name().unwrap().to_string_lossy().starts_with("admin") {
            "/admin"
        } else {
            "/api/v1"
        };
        let code = text.split("#[cfg(test)]").next().unwrap();
        for start in ["at(\"", "at(\n        \"", "web::resource(\""] {
            for route in code.split(start).skip(1).map(|rest| rest.split('"').next().unwrap()) {
                let route = route.replace(":.*}", "}");
                // The page, the description itself, and methods, each of which is there by its name.
                if route.starts_with("/docs") || ["/openapi.json", "/rpc/{method}"].contains(&route.as_str())
                {
                    continue;
                }
                let described = document["paths"].get(format!("{scope}{route}"));
                assert!(described.is_some(), "{} answers {scope}{route}", path.display());
                found += 1;
            }
        }
    }
    assert!(found > 25, "{found} routes");
}

#[tokio::test]
async fn the_description_names_every_route_and_method() {
    let server = server();
    let (status, document) = with(&server, "").get("/api/v1/openapi.json").await;
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
    let paths = document["paths"].as_object().unwrap();
    let methods = server.peer().await.request("system:methods", &Value::Null).await.unwrap();
    for method in methods["methods"].as_array().unwrap() {
        let path = format!("/api/v1/rpc/{}", text(&method["name"]));
        if method["needsSession"] == true {
            assert!(!paths.contains_key(&path), "{path} is about a session");
            continue;
        }
        assert_eq!(paths[&path]["post"]["summary"], method["description"], "{path}");
    }
    // Nothing refers to what is not there.
    let mut references = Vec::new();
    fn look(at: &Value, found: &mut Vec<String>) {
        match at {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
                object.values().for_each(|inner| look(inner, found));
            }
            Value::Array(all) => all.iter().for_each(|inner| look(inner, found)),
            _ => {}
        }
    }
    look(&document, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
    // And every route that is described is there.
    for (path, operations) in paths {
        for verb in operations.as_object().unwrap().keys() {
            let filled = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
            let filled = filled.collect::<Vec<_>>().join("/");
            let answer = call(&server, &verb.to_uppercase(), &filled, "", None, &[]).await;
            let nothing = answer.json()["error"]["message"]
                .as_str()
                .is_some_and(|text| text.starts_with("there is nothing"));
            assert!(answer.status != 405 && !nothing, "{verb} {path}: {}", answer.status);
        }
    }
    let page = call(&server, "GET", "/docs/", "", None, &[]).await;
    assert!(page.status == 200 && String::from_utf8(page.body).unwrap().contains("swagger-ui"));
}
