//! JSON lines on the port of the store.

use helios::testing::TestServer;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::wait::until;

struct Lines(BufReader<TcpStream>);

fn server() -> TestServer {
    TestServer::start_with(
        |config| {
            config.atlas.listen = "127.0.0.1:0".into();
            // Accounts have keys of their own, which this port shows too.
            config.auth.enabled = false;
        },
        |b| b,
    )
}

impl Lines {
    async fn open(server: &TestServer) -> Self {
        let stream = TcpStream::connect(server.atlas_address().unwrap()).await.unwrap();
        Self(BufReader::new(stream))
    }

    async fn raw(&mut self, line: &str) -> Value {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).await.unwrap();
        self.read().await
    }

    async fn read(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    async fn ask(&mut self, request: Value) -> Value {
        self.raw(&request.to_string()).await
    }
}

#[tokio::test]
async fn commands_answer_as_the_contract_says() {
    let server = server();
    let mut lines = Lines::open(&server).await;
    let ok = json!({"ok": true});
    // What the server itself keeps in the store is out of the way.
    lines.ask(json!({"cmd": "DEL", "key": "auth:token-keys"})).await;
    for (request, answer) in [
        (json!({"cmd": "SET", "key": "a", "value": "data"}), ok.clone()),
        (json!({"cmd": "GET", "key": "a"}), json!({"ok": true, "value": "ZGF0YQ==", "enc": "b64"})),
        (
            json!({"cmd": "GET", "key": "a", "enc": "utf8"}),
            json!({"ok": true, "value": "data", "enc": "utf8"}),
        ),
        (json!({"cmd": "SET", "key": "b", "value": "ZGF0YQ==", "enc": "b64"}), ok.clone()),
        (
            json!({"cmd": "GET", "key": "b", "enc": "utf8"}),
            json!({"ok": true, "value": "data", "enc": "utf8"}),
        ),
        (json!({"cmd": "SET", "key": "e", "value": ""}), ok.clone()),
        (json!({"cmd": "GET", "key": "e"}), json!({"ok": true, "value": "", "enc": "b64"})),
        (json!({"cmd": "GET", "key": "x"}), json!({"ok": false, "error": "key not found"})),
        (json!({"cmd": "DEL", "key": "e"}), json!({"ok": true, "extra": {"deleted": 1}})),
        (json!({"cmd": "DEL", "key": "e"}), json!({"ok": true, "extra": {"deleted": 0}})),
        (json!({"cmd": "TTL", "key": "a"}), json!({"ok": true, "ttl": -1})),
        (json!({"cmd": "TTL", "key": "x"}), json!({"ok": true, "ttl": -2})),
        (json!({"cmd": "EXPIRE", "key": "x", "ttl": 9}), json!({"ok": true, "extra": {"updated": 0}})),
        (json!({"cmd": "EXPIRE", "key": "a", "ttl": 0}), json!({"ok": true, "extra": {"updated": 1}})),
        (json!({"cmd": "SET", "key": "a", "value": "1", "ttl": 0, "session_id": "s"}), ok),
        (json!({"cmd": "PING"}), json!({"ok": true, "extra": {"pong": true}})),
        (json!({"cmd": "LISTPEERS"}), json!({"ok": true, "extra": {"peers": {}}})),
    ] {
        assert_eq!(lines.ask(request.clone()).await, answer, "{request}");
    }
    lines.ask(json!({"cmd": "SET", "key": "t", "value": "1", "ttl": 100})).await;
    let ttl = lines.ask(json!({"cmd": "TTL", "key": "t"})).await["ttl"].as_i64().unwrap();
    lines.ask(json!({"cmd": "SET", "key": "far", "value": "1", "ttl": i64::MAX})).await;
    assert!(lines.ask(json!({"cmd": "TTL", "key": "far"})).await["ttl"].as_i64().unwrap() > 1 << 50);
    lines.ask(json!({"cmd": "DEL", "key": "far"})).await;
    assert!((98..=100).contains(&ttl), "{ttl}");
    let several = json!({"cmd": "MULTI", "ops": [{"cmd": "SET", "key": "m1", "value": "1"}, {"cmd": "DEL", "key": "a"}]});
    assert_eq!(lines.ask(several).await["ok"], true);
    let page = lines.ask(json!({"cmd": "SCAN", "prefix": "", "limit": 2})).await;
    assert_eq!(page["extra"]["keys"], json!(["b", "m1"]));
    let rest = lines.ask(json!({"cmd": "SCAN", "cursor": page["extra"]["cursor"]})).await;
    assert_eq!(rest["extra"], json!({"keys": ["t"], "cursor": ""}));
    let stats = lines.ask(json!({"cmd": "STATS"})).await;
    assert_eq!((&stats["extra"]["keys"], &stats["extra"]["raft_enabled"]), (&json!(3), &json!(false)));
    let dump = lines.ask(json!({"cmd": "DUMP"})).await;
    assert_eq!(dump["extra"]["ops"][0], json!({"cmd": "SET", "key": "b", "value": "data", "enc": "utf8"}));
    assert_eq!(lines.ask(json!({"cmd": "LOAD", "ops": dump["extra"]["ops"]})).await["ok"], true);
    assert_eq!(lines.ask(json!({"cmd": "SNAPSHOT"})).await["ok"], true);
}

#[tokio::test]
async fn what_is_wrong_is_named_logged_nowhere_and_the_connection_stays() {
    let server = server();
    let mut lines = Lines::open(&server).await;
    let revision = server.store().view().revision();
    for (line, text) in [
        (r#"{"cmd":"NOPE","key":"a"}"#, "unknown command: \"NOPE\""),
        (r#"{"key":"a"}"#, "cmd is missing"),
        (r#"{"cmd":"GET"}"#, "key is missing"),
        (r#"{"cmd":"SET","key":"a","value":"?","enc":"b64"}"#, "value is not base64"),
        (r#"{"cmd":"SET","key":"a","value":"?","enc":"rot13"}"#, "unknown enc"),
        (r#"{"cmd":"SET","key":"a","value":"{","enc":"json"}"#, "value is not JSON"),
        (r#"{"cmd":"SET","key":"a","value":"1","ttl":-1}"#, "ttl must not be negative"),
        (r#"{"cmd":"MULTI","ops":[{"cmd":"SET","key":"a"},{"cmd":"GET","key":"a"}]}"#, "ops[1]: "),
        (r#"{"cmd":"ADDPEER","key":"1","value":"x"}"#, "needs a cluster"),
        (r#"{"cmd":"SET","key":"a","value":"1","tll":5}"#, "unknown field `tll`"),
        (r#"{"cmd":"SCAN","cursor":"?"}"#, "cursor is none of an earlier answer"),
        ("", "the line is empty"),
        ("{", "the line is not a request"),
        ("[1]", "the line is not a request"),
    ] {
        let answer = lines.raw(line).await;
        assert_eq!(answer["ok"], false, "{line}");
        assert!(answer["error"].as_str().unwrap().contains(text), "{line}: {answer}");
    }
    assert_eq!(server.store().view().revision(), revision, "nothing was written");
    let long = "x".repeat(5_000);
    let answer = lines.ask(json!({"cmd": "SET", "key": long, "value": ""})).await;
    assert_eq!(answer["error"], "a key has at most 4096 bytes, not 5000");
    assert_eq!(lines.ask(json!({"cmd": "PING"})).await["ok"], true);
}

#[tokio::test]
async fn lines_that_come_together_are_answered_in_order() {
    let server = server();
    let mut lines = Lines::open(&server).await;
    let mut sent = String::new();
    for number in 0..500 {
        sent += &format!("{{\"cmd\":\"SET\",\"key\":\"n\",\"value\":\"{number}\"}}\n");
        sent += "{\"cmd\":\"GET\",\"key\":\"n\",\"enc\":\"utf8\"}\n";
    }
    lines.0.get_mut().write_all(sent.as_bytes()).await.unwrap();
    for number in 0..500 {
        assert_eq!(lines.read().await["ok"], true);
        assert_eq!(lines.read().await["value"], number.to_string());
    }
}

#[tokio::test]
async fn a_line_without_an_end_is_refused_and_others_go_on() {
    let server = server();
    let mut stream = TcpStream::connect(server.atlas_address().unwrap()).await.unwrap();
    let part = vec![b' '; 1 << 20];
    stream.write_all(b"{").await.unwrap();
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    let (_, received) = tokio::join!(
        async {
            // The server stops reading at its limit; what is written then fails.
            for _ in 0..40 {
                if write.write_all(&part).await.is_err() {
                    break;
                }
            }
        },
        read.read_to_end(&mut answer),
    );
    let text = String::from_utf8_lossy(&answer);
    assert!(received.is_err() || text.contains("a line has at most"), "{text}");
    assert_eq!(server.metrics().atlas.connections_refused.with_label_values(&["line"]).get(), 1);
    assert_eq!(Lines::open(&server).await.ask(json!({"cmd": "PING"})).await["ok"], true);
}

#[tokio::test]
async fn a_password_comes_first_and_too_many_connections_are_told() {
    let server = TestServer::start_with(
        |config| {
            config.atlas.listen = "127.0.0.1:0".into();
            config.atlas.password = "open sesame".into();
            config.atlas.connections_max = 1;
        },
        |b| b,
    );
    let mut lines = Lines::open(&server).await;
    assert!(lines.ask(json!({"cmd": "GET", "key": "a"})).await["error"].as_str().unwrap().contains("AUTH"));
    assert_eq!(lines.ask(json!({"cmd": "AUTH", "value": "wrong"})).await["ok"], false);
    assert_eq!(lines.ask(json!({"cmd": "AUTH", "value": "open sesame"})).await["ok"], true);
    assert_eq!(lines.ask(json!({"cmd": "PING"})).await["ok"], true);
    drop(lines);
    until("it is gone", || server.metrics().atlas.connections.get() == 0).await;
    let mut stranger = Lines::open(&server).await;
    let long = stranger.ask(json!({"cmd": "GET", "key": "x".repeat(70_000)})).await;
    assert_eq!(long["error"], "a line has at most 65536 bytes");
    let mut second = TcpStream::connect(server.atlas_address().unwrap()).await.unwrap();
    let mut text = String::new();
    second.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "-ERR max number of clients reached\r\n");
}
