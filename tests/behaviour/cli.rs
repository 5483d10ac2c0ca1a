//! The command line, as a real process.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use helios::peer::{Peer, PeerError, PeerOptions};
use helios::testing::TestServer;
use serde_json::{Value, json};

use crate::wait::PATIENCE;

fn helios(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_helios"));
    command.args(arguments).env_remove("PORT").env_remove("CORS_ORIGIN").env("NO_COLOR", "1");
    command
}

fn run(arguments: &[&str]) -> Output {
    helios(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn directory(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("helios-cli-{name}-{}", std::process::id()))
}

/// A server process that is killed with the test.
struct Process {
    child: Child,
    url: String,
    dir: PathBuf,
}

impl Process {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let dir = directory(name);
        let mut command = helios(arguments);
        command.args(["--listen", ":0", "--data-dir", dir.to_str().unwrap()]);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines
            .find_map(|line| line.ok().filter(|line| line.contains("WebSocket")))
            .expect("it tells its address");
        std::thread::spawn(move || lines.for_each(drop));
        let url = line.split_whitespace().last().unwrap().to_owned();
        assert!(dir.is_dir(), "the data directory is made");
        Self { child, url, dir }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    async fn exit_code(&mut self) -> i32 {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().expect("it ends by itself");
            }
            assert!(begin.elapsed() < PATIENCE, "it does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[tokio::test]
async fn without_a_subcommand_it_is_the_playground() {
    let mut process = Process::start("playground", &[]);
    let mut peer = Peer::connect(&process.url, &PeerOptions::default()).await.unwrap();
    assert_eq!(peer.request("demo:echo", &json!(1)).await.unwrap(), json!(1));
    process.signal("-INT");
    assert_eq!(process.exit_code().await, 0);
}

#[tokio::test]
async fn production_has_demo_methods_only_if_asked() {
    let without = Process::start("production", &["serve"]);
    let mut peer = Peer::connect(&without.url, &PeerOptions::default()).await.unwrap();
    let error = peer.request("demo:echo", &json!(1)).await.unwrap_err();
    assert!(matches!(error, PeerError::Failed(failure) if failure.code == "METHOD_NOT_FOUND"));
    let with = Process::start("demo", &["serve", "--demo"]);
    let mut peer = Peer::connect(&with.url, &PeerOptions::default()).await.unwrap();
    assert_eq!(peer.request("demo:echo", &json!(1)).await.unwrap(), json!(1));
}

#[tokio::test]
async fn sigterm_finishes_requests_and_a_second_signal_ends_at_once() {
    let mut process = Process::start("sigterm", &["serve", "--demo"]);
    let mut peer = Peer::connect(&process.url, &PeerOptions::default()).await.unwrap();
    let slow = peer.send_request("demo:slow", Some(&json!({"ms": 400, "value": "kept"}))).await.unwrap();
    peer.request("demo:echo", &json!(1)).await.unwrap();
    process.signal("-TERM");
    assert_eq!(peer.answer(&slow).await.unwrap(), json!("kept"));
    let end = loop {
        if let Err(error) = peer.receive().await {
            break error;
        }
    };
    assert!(matches!(end, PeerError::Closed(Some(1012))), "{end:?}");
    assert_eq!(process.exit_code().await, 0);

    let mut process = Process::start("twice", &["serve", "--demo"]);
    let mut peer = Peer::connect(&process.url, &PeerOptions::default()).await.unwrap();
    peer.send_request("demo:slow", Some(&json!({"ms": 30_000}))).await.unwrap();
    peer.request("demo:echo", &json!(1)).await.unwrap();
    let begin = Instant::now();
    process.signal("-TERM");
    peer.expect(
        |it| matches!(it, helios::peer::Received::Notification { topic, .. } if topic == "system:draining"),
    )
    .await
    .unwrap();
    process.signal("-TERM");
    assert_eq!(process.exit_code().await, 1);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_playground_keeps_to_loopback() {
    let output = run(&["--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("loopback only"), "{}", err(&output));
}

#[test]
fn a_taken_address_is_named() {
    let server = TestServer::start();
    let dir = directory("taken");
    let output = run(&["serve", "--listen", server.address(), "--data-dir", dir.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let text = err(&output);
    assert!(
        text.contains(&format!("cannot listen on {}", server.address())) && text.contains("in use"),
        "{text}"
    );
    assert!(!text.contains("panic") && !dir.exists(), "it has touched nothing: {text}");
}

#[test]
fn methods_are_called_from_the_shell() {
    let server = TestServer::start();
    let call = |arguments: &[&str]| run(&[&["call", "--url", server.ws_url()], arguments].concat());
    for extra in [&[][..], &["--msgpack"]] {
        let output = call(&[&["demo:echo", r#"{"a":[1,null]}"#], extra].concat());
        assert_eq!(
            serde_json::from_str::<Value>(&out(&output)).unwrap(),
            json!({"a": [1, null]}),
            "{}",
            err(&output)
        );
    }
    let output = call(&["demo:progress"]);
    assert_eq!(err(&output).matches("progress {").count(), 5, "{}", err(&output));
    let output = call(&["demo:fail"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(err(&output), "error: APP_DEMO: This method always fails {\"demo\":true}\n");
    assert!(err(&call(&["demo:echo", "{"])).contains("the payload is not JSON"));
    assert!(err(&call(&["echo"])).contains("write namespace:action"));
    let output = run(&["call", "a:b", "--url", "ws://127.0.0.1:1/"]);
    assert!(err(&output).contains("cannot connect to ws://127.0.0.1:1/"), "{}", err(&output));
}

#[test]
fn topics_are_published_on_and_followed_from_the_shell() {
    let server = TestServer::start();
    let url = ["--url", server.ws_url()];
    let publish = |arguments: &[&str]| run(&[&["pub"], arguments, &url].concat());
    let first: Value = serde_json::from_str(&out(&publish(&["demo:cli", "1", "--tag", "a=b"]))).unwrap();
    assert_eq!(first["delivered"], 0);
    publish(&["demo:cli", r#"{"x":[2]}"#, "--tag", "a=c"]);
    publish(&["demo:cli", "3"]);
    let begin = format!("{}-0", first["position"].as_str().unwrap().split('-').next().unwrap());
    let sub = |arguments: &[&str]| {
        let output = run(&[&["sub", "demo:cli", "--since", &begin], arguments, &url].concat());
        let lines: Vec<Value> =
            out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines
    };
    let all = sub(&["--count", "3"]);
    assert_eq!(
        all[0],
        json!({"topic": "demo:cli", "position": first["position"], "data": 1, "tags": {"a": "b"}})
    );
    assert_eq!((&all[1]["data"], &all[2]["data"]), (&json!({"x": [2]}), &json!(3)));
    assert_eq!(sub(&["--count", "1", "--tag", "a=c", "--tag", "a=d"])[0]["data"], json!({"x": [2]}));
    assert!(err(&publish(&["demo:cli", "{"])).contains("not JSON"));
    assert!(err(&publish(&["demo:*", "1"])).contains("is a pattern"));
    assert!(err(&publish(&["other:a", "1"])).contains("PERMISSION_DENIED"));
    assert!(err(&run(&[&["sub", "other:a"], &url[..]].concat())).contains("PERMISSION_DENIED"));
}

#[test]
fn configurations_are_checked_and_printed() {
    let sample = run(&["default-config"]);
    let path = directory("sample.toml");
    std::fs::write(&path, &sample.stdout).unwrap();
    let file = path.to_str().unwrap();
    assert_eq!(out(&run(&["check-config", "--config", file])), "the configuration is fine\n");
    std::fs::write(&path, "[gateway]\nlisten = \"x\"\nworkrs = 1\n").unwrap();
    let output =
        helios(&["check-config", "--config", file]).env("HELIOS__METHODS__TIMEOUT", "soon").output().unwrap();
    let text = err(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("3 problems"), "{text}");
    assert!(text.contains("did you mean gateway.workers?"), "{text}");
    assert!(text.contains("environment variable HELIOS__METHODS__TIMEOUT: methods.timeout"), "{text}");
    std::fs::remove_file(path).unwrap();
    assert_eq!(run(&["serve", "--no-such-flag"]).status.code(), Some(2));
}

#[test]
fn version_and_completions_are_printed() {
    assert_eq!(
        out(&run(&["version"])),
        format!("helios {} (helios-starling 1.0.0)\n", env!("CARGO_PKG_VERSION"))
    );
    for shell in ["bash", "zsh", "fish"] {
        let text = out(&run(&["completions", shell]));
        assert!(text.contains("check-config"), "{shell}");
    }
}
