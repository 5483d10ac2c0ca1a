//! The port of the store as a door: what a web page gets, which keys are seen, and how connections are told apart.

use helios::testing::TestServer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::accounts::{admin, server_with};
use crate::rest::with;

fn server() -> TestServer {
    server_with(|config| {
        config.atlas.listen = "127.0.0.1:0".into();
        config.gateway.listen.set_port(0);
    })
}

/// Sends bytes, and reads until the server closes or has answered with `until`.
async fn send(server: &TestServer, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.atlas_address().unwrap()).await.unwrap();
    // It may be closed before all is sent.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn array(parts: &[&str]) -> String {
    let parts: String = parts.iter().map(|part| format!("${}\r\n{part}\r\n", part.len())).collect();
    format!("*{}\r\n{parts}", parts.matches("\r\n$").count() + 1)
}

#[tokio::test]
async fn http_is_never_taken_for_commands() {
    let server = server();
    let body = "SET hacked yes\r\nDEL victim\r\n";
    assert_eq!(send(&server, b"SET victim 1\r\nQUIT\r\n").await, "+OK\r\n+OK\r\n");
    let headers = format!("Host: 127.0.0.1:6379\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    for request in [
        format!("POST / HTTP/1.1\r\n{headers}"),
        format!("GET /x HTTP/1.1\r\n{headers}"),
        format!("OPTIONS / HTTP/1.1\r\n{headers}"),
        format!("PUT /x HTTP/1.0\r\n\r\n{body}"),
        // Blank lines first, the header alone, and as an array.
        format!("\r\n\r\npost / HTTP/1.1\r\n{headers}"),
        format!("nonsense\r\nHost: x\r\n{body}"),
        format!("{}{body}", array(&["POST", "x"])),
        "{\"cmd\":\"PING\"}\nPOST / HTTP/1.1\n{\"cmd\":\"SET\",\"key\":\"hacked\",\"value\":\"yes\"}\n"
            .to_owned(),
    ] {
        let answer = send(&server, request.as_bytes()).await;
        assert!(!answer.contains("+OK") && !answer.contains(":1\r\n"), "{request:?}: {answer}");
        assert_eq!(
            send(&server, b"GET hacked\r\nGET victim\r\nQUIT\r\n").await,
            "$-1\r\n$1\r\n1\r\n+OK\r\n",
            "{request:?}"
        );
    }
    let refused = &server.metrics().atlas.connections_refused;
    assert_eq!(refused.with_label_values(&["http"]).get(), 8);
    let fine = send(&server, format!("{}QUIT\r\n", array(&["SET", "a", "HTTP/1.1"])).as_bytes()).await;
    assert_eq!(fine, "+OK\r\n+OK\r\n", "a value is a value");
}

#[tokio::test]
async fn the_port_sees_the_keys_of_the_application_alone() {
    let server = server();
    let root = admin(&server).await;
    let anna = json!({ "username": "anna", "password": "correct horse" });
    let register = with(&server, "");
    assert_eq!(register.post("/api/v1/auth/register", anna.clone()).await.0, 201);
    let set = with(&server, &root).put("/api/v1/kv/mine", json!({ "value": 1 })).await;
    assert!(set.0 < 300, "{}", set.1);
    send(&server, b"SET raw 1\r\nSET a:1 1\r\nQUIT\r\n").await;
    let keys = send(&server, b"KEYS *\r\nDBSIZE\r\nQUIT\r\n").await;
    assert_eq!(keys, "*3\r\n$3\r\na:1\r\n$7\r\nkv:mine\r\n$3\r\nraw\r\n:3\r\n+OK\r\n");
    for command in [
        "GET auth:token-keys",
        "SET auth:x 1",
        "DEL a:1 rbac:role:admin",
        "MSET b 1 audit:head x",
        "EXPIRE session:id:x 1",
        "WATCH topic:epoch",
        "INCR queue:x",
        "TTL universe:head:x",
    ] {
        let answer = send(&server, format!("{command}\r\nQUIT\r\n").as_bytes()).await;
        assert!(answer.starts_with("-NOPERM this key is the server's own"), "{command}: {answer}");
    }
    let multi = send(&server, b"MULTI\r\nSET auth:x 1\r\nEXEC\r\nQUIT\r\n").await;
    assert!(multi.contains("-EXECABORT"), "{multi}");
    for line in [
        json!({ "cmd": "GET", "key": "auth:token-keys" }),
        json!({ "cmd": "MULTI", "ops": [{ "key": "rbac:role:x", "value": "1" }] }),
        json!({ "cmd": "SET", "key": "YXV0aDp4", "kenc": "b64", "value": "1" }),
    ] {
        let answer = send(&server, format!("{line}\n").as_bytes()).await;
        assert!(answer.contains("\"ok\":false") && answer.contains("the server's own"), "{line}: {answer}");
    }
    let listed = send(&server, b"{\"cmd\":\"SCAN\"}\n{\"cmd\":\"STATS\"}\n").await;
    assert!(
        listed.contains(r#""keys":["a:1","kv:mine","raw"]"#) && listed.contains("\"keys\":3"),
        "{listed}"
    );

    assert_eq!(send(&server, b"FLUSHALL\r\nDBSIZE\r\nQUIT\r\n").await, "+OK\r\n:0\r\n+OK\r\n");
    assert_eq!(with(&server, &root).get("/api/v1/kv/mine").await.0, 404, "they are the application's");
    assert_eq!(with(&server, &root).get("/admin/users").await.0, 200, "accounts, roles and tokens are not");
    let bert = json!({ "username": "bert", "password": "correct horse" });
    assert_eq!(register.post("/api/v1/auth/register", bert).await.0, 201);
    assert_eq!(register.post("/api/v1/auth/login", anna).await.0, 200);
    let (_, verified) = with(&server, &root).get("/admin/audit/verify").await;
    assert_eq!(verified["intact"], true, "{verified}");
}

#[tokio::test]
async fn built_in_roles_are_there_whatever_becomes_of_their_keys() {
    let server = server();
    let store = server.store();
    for role in ["user", "readonly"] {
        let gone = helios::store::Command::delete(format!("rbac:role:{role}").into_bytes());
        store.run(gone).await.unwrap().unwrap();
    }
    let anna = json!({ "username": "anna", "password": "correct horse" });
    assert_eq!(with(&server, "").post("/api/v1/auth/register", anna).await.0, 201);
    let root = with(&server, &admin(&server).await);
    let (_, roles) = root.get("/admin/roles").await;
    let names: Vec<&str> =
        roles["roles"].as_array().unwrap().iter().filter_map(|role| role["name"].as_str()).collect();
    assert_eq!(names, ["admin", "readonly", "user"]);
    for role in ["user", "readonly", "admin"] {
        assert_eq!(root.delete(&format!("/admin/roles/{role}")).await.0, 409, "{role}");
    }
}

#[tokio::test]
async fn a_scan_goes_on_beside_any_number_of_others_and_sees_what_stays() {
    let server = server();
    let sets: String = (0..500).map(|n| format!("SET key:{n:03} {n}\r\n")).collect();
    send(&server, format!("{sets}QUIT\r\n").as_bytes()).await;
    let mut stream = TcpStream::connect(server.atlas_address().unwrap()).await.unwrap();
    let mut ask = async |command: String| {
        stream.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
        let (mut text, mut chunk) = (String::new(), [0; 64 * 1024]);
        while !text.ends_with("\r\n")
            || text.starts_with("*2") && text.matches("\r\n").count() < lines_of(&text)
        {
            let read = stream.read(&mut chunk).await.unwrap();
            text.push_str(std::str::from_utf8(&chunk[..read]).unwrap());
        }
        text
    };
    let (mut cursor, mut seen, mut deleted) = (0_u64, std::collections::BTreeSet::new(), 0);
    loop {
        let page = ask(format!("SCAN {cursor} MATCH key:* COUNT 20")).await;
        let mut lines = page.split("\r\n").skip(2);
        cursor = lines.next().unwrap().parse().unwrap();
        assert!(cursor < 1 << 53, "{cursor} is exact in JavaScript");
        seen.extend(lines.filter(|line| line.starts_with("key:")).map(str::to_owned));
        // Whoever scans at the same time changes nothing, and what goes before the cursor moves what is behind it.
        for other in 0..5 {
            ask(format!("SCAN {} COUNT 3", other << 12)).await;
        }
        for _ in 0..7 {
            if deleted < 200 {
                ask(format!("DEL key:{deleted:03}")).await;
                deleted += 1;
            }
        }
        if cursor == 0 {
            break;
        }
    }
    let missed: Vec<String> =
        (200..500).map(|n| format!("key:{n:03}")).filter(|key| !seen.contains(key)).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

/// Lines of an answer to SCAN, by its own counts.
fn lines_of(text: &str) -> usize {
    let count = text.split("\r\n").nth(3).and_then(|count| count.strip_prefix('*')?.parse::<usize>().ok());
    count.map_or(usize::MAX, |count| 4 + 2 * count)
}

#[tokio::test]
async fn what_a_connection_speaks_is_known_by_its_first_request_that_is_one() {
    let server = server();
    let blank = send(&server, b"\r\n\n{\"cmd\":\"PING\"}\n").await;
    let answers: Vec<Value> = blank.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.last().unwrap()["ok"], true, "{blank}");
    let wrong = send(&server, b"this is no JSON\n{\"cmd\":\"PING\"}\n[1]\n{\"cmd\":\"PING\"}\n").await;
    let answers: Vec<&str> = wrong.lines().collect();
    assert!(answers[0].starts_with("-ERR unknown command"), "{wrong}");
    assert!(answers[1].contains("\"ok\":true") && answers[2].contains("\"ok\":false"), "{wrong}");
    assert!(answers[3].contains("\"ok\":true"), "{wrong}");
    let redis = send(&server, b"PING\r\n{\"cmd\":\"PING\"}\r\nPING\r\nQUIT\r\n").await;
    assert!(redis.starts_with("+PONG\r\n-ERR") && redis.ends_with("+PONG\r\n+OK\r\n"), "{redis}");
}

#[tokio::test]
async fn keys_that_are_no_text_are_dumped_and_loaded() {
    let server = server();
    let set = [b"*3\r\n$3\r\nSET\r\n$4\r\nb:\xff\xfe\r\n$1\r\n1\r\nQUIT\r\n".as_slice()].concat();
    assert_eq!(send(&server, &set).await, "+OK\r\n+OK\r\n");
    let dump: Value = serde_json::from_str(&send(&server, b"{\"cmd\":\"DUMP\"}\n").await).unwrap();
    assert_eq!(dump["extra"]["ops"][0]["kenc"], "b64", "{dump}");
    let scan: Value = serde_json::from_str(&send(&server, b"{\"cmd\":\"SCAN\"}\n").await).unwrap();
    assert_eq!(scan["extra"]["keys_b64"], json!(["Yjr//g=="]), "{scan}");
    send(&server, b"FLUSHALL\r\nQUIT\r\n").await;
    let load = json!({ "cmd": "LOAD", "ops": dump["extra"]["ops"] });
    assert!(send(&server, format!("{load}\n").as_bytes()).await.contains("\"ok\":true"));
    let get = b"*2\r\n$3\r\nGET\r\n$4\r\nb:\xff\xfe\r\nQUIT\r\n";
    assert_eq!(send(&server, get).await, "$1\r\n1\r\n+OK\r\n");
}
