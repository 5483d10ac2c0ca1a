//! Accounts from the command line, and on the port of the store, as people use them.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use helios::testing::TestServer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::accounts::{admin, logged_in, server, server_with, text};
use crate::rest::with;

fn run(args: &[&str], environment: &[(&str, &str)], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_helios"));
    command.args(args).envs(environment.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

async fn asked(server: &TestServer, key: &str, args: &[&str], input: &str) -> Output {
    let (url, key, input) = (server.ws_url().to_owned(), key.to_owned(), input.to_owned());
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let work = move || {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let environment = [("HELIOS_URL", url.as_str()), ("HELIOS_KEY", key.as_str())];
        run(&args, &environment[..if key.is_empty() { 1 } else { 2 }], &input)
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn accounts_are_looked_after_from_the_command_line() {
    let server = server();
    let root = told(&asked(&server, "", &["auth", "login", "root"], "root password\n").await);
    let wrong = asked(&server, "", &["auth", "login", "root"], "no\n").await;
    assert!(
        String::from_utf8_lossy(&wrong.stderr).contains("INVALID_CREDENTIALS") && !wrong.status.success()
    );
    let short = asked(&server, "", &["auth", "register", "ann"], "short\n").await;
    assert!(String::from_utf8_lossy(&short.stderr).contains("/password: must have 8 to 72 bytes"));
    told(&asked(&server, "", &["auth", "register", "ann"], "correct horse\n").await);
    told(&asked(&server, &root, &["role", "set", "keeper", "kv:*", "--description", "keeps"], "").await);
    told(&asked(&server, &root, &["role", "assign", "ann", "keeper"], "").await);
    let listed = told(&asked(&server, &root, &["user", "list"], "").await);
    assert!(listed.lines().any(|line| line.contains("ann") && line.contains("user, keeper")), "{listed}");
    assert!(told(&asked(&server, &root, &["role", "list"], "").await).contains("keeper"));
    let explained = asked(&server, &root, &["auth", "explain", "ann", "kv:set"], "").await;
    assert!(told(&explained).starts_with("ann may call kv:set: user grants it"));
    let denied = asked(&server, &root, &["auth", "explain", "ann", "users:list"], "").await;
    assert_eq!(denied.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&denied.stdout).contains("none of its roles grants admin:users"));
    let ann = told(&asked(&server, "", &["auth", "login", "ann"], "correct horse\n").await);
    let key: Value =
        serde_json::from_str(&told(&asked(&server, &ann, &["key", "create", "ci", "kv:get"], "").await))
            .unwrap();
    let by_key = text(&key["key"]);
    assert_eq!(told(&asked(&server, &by_key, &["call", "kv:get", r#"{"key":"a"}"#], "").await), "null");
    told(&asked(&server, &ann, &["kv", "set", "a", "1"], "").await);
    assert!(!asked(&server, &by_key, &["kv", "set", "a", "2"], "").await.status.success());
    told(&asked(&server, &root, &["user", "disable", "ann"], "").await);
    assert!(!asked(&server, &by_key, &["auth", "me"], "").await.status.success());
    let records = told(&asked(&server, &root, &["audit", "list", "--target", "user:ann"], "").await);
    assert!(records.lines().next().unwrap().contains("user.disable"), "{records}");
    assert!(told(&asked(&server, &root, &["audit", "verify"], "").await).contains("\"intact\": true"));
}

#[test]
fn an_administrator_is_made_before_the_first_start_and_the_log_is_verified_after_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let data = data.to_str().unwrap();
    let make = |input: &str| run(&["admin", "create", "root", "--data-dir", data], &[], input);
    assert!(!make("short\n").status.success());
    assert_eq!(told(&make("a long password\n")), "root is an administrator.");
    let again = make("another password\n");
    assert!(String::from_utf8_lossy(&again.stderr).contains("there is a user root already"));
    let verified: Value =
        serde_json::from_str(&told(&run(&["audit", "verify", "--data-dir", data], &[], ""))).unwrap();
    assert_eq!((&verified["intact"], &verified["log"]["last"]), (&json!(true), &json!(4)), "{verified}");
    let nowhere = run(&["audit", "verify", "--data-dir", "/nowhere/at/all"], &[], "");
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("there is no data directory"));
}

/// Sends lines to the port of the store and reads what comes back.
async fn port(stream: &mut tokio::net::TcpStream, command: &str) -> String {
    stream.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
    let mut answer = [0; 512];
    let length = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..length]).trim_end().to_owned()
}

#[tokio::test]
async fn the_port_of_the_store_knows_accounts() {
    let server = server_with(|config| {
        config.atlas.listen = "127.0.0.1:0".into();
        config.atlas.accounts = true;
    });
    let root = with(&server, &admin(&server).await);
    let ann = with(&server, &text(&logged_in(&server, "ann").await["accessToken"]));
    let wish = |scope: &str| json!({ "name": "port", "scopes": [scope] });
    let mine = root.post("/api/v1/auth/keys", wish("atlas:access")).await.1;
    let narrow = root.post("/api/v1/auth/keys", wish("kv:get")).await.1;
    let hers = ann.post("/api/v1/auth/keys", wish("*")).await.1;
    let mut stream = tokio::net::TcpStream::connect(server.atlas_address().unwrap()).await.unwrap();
    assert!(port(&mut stream, "GET a").await.starts_with("-NOAUTH"));
    for (name, key) in [
        ("root", "x"),
        ("ann", &text(&hers["key"])),
        ("root", &text(&narrow["key"])),
        ("ann", &text(&mine["key"])),
    ] {
        assert!(port(&mut stream, &format!("AUTH {name} {key}")).await.starts_with("-WRONGPASS"), "{name}");
    }
    assert_eq!(port(&mut stream, &format!("AUTH root {}", text(&mine["key"]))).await, "+OK");
    assert_eq!(port(&mut stream, "SET a 1").await, "+OK");
    // Whoever loses the key is out within a second.
    root.delete(&format!("/api/v1/auth/keys/{}", text(&mine["id"]))).await;
    let began = std::time::Instant::now();
    while !port(&mut stream, "GET a").await.starts_with("-NOAUTH") {
        assert!(began.elapsed().as_secs_f64() < 1.0);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
