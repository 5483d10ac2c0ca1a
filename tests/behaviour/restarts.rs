//! Sessions that outlive the process: it is stopped, or killed, and its peers go on.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use helios::peer::{Peer, PeerError, PeerOptions, Resume, ResumeWay};
use helios::testing::MockStarling;
use serde_json::{Value, json};

use crate::wait::until;

/// `helios serve` as users run it.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    log: std::sync::Arc<parking_lot::Mutex<String>>,
}

impl Server {
    pub(crate) fn start(directory: &Path) -> Self {
        Self::start_with(directory, &[])
    }

    /// With options in the environment.
    pub(crate) fn start_with(directory: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_helios"));
        command.args(["serve", "--demo", "--listen", "127.0.0.1:0", "--data-dir"]).arg(directory);
        command.envs(environment.iter().copied());
        command.env("HELIOS__KV__EVERYONE", "true").env("HELIOS__TELEMETRY__LOG_LEVEL", "trace");
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find_map(|line| line.split_once("WebSocket").map(|(_, it)| it.trim().to_owned()));
        let log = std::sync::Arc::<parking_lot::Mutex<String>>::default();
        let all = std::sync::Arc::clone(&log);
        std::thread::spawn(move || lines.for_each(|line| all.lock().push_str(&(line + "\n"))));
        let (all, out) = (std::sync::Arc::clone(&log), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            BufReader::new(out)
                .lines()
                .map_while(Result::ok)
                .for_each(|line| all.lock().push_str(&(line + "\n")));
        });
        Self { url: url.expect("it is ready"), child, log }
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As an operator does it.
    async fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        while self.child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the connection is gone, which a peer notices by itself.
async fn gone(ann: &mut MockStarling) {
    let lost = ann.peer().expect(|_| false).await;
    assert!(matches!(lost, Err(PeerError::Closed(_) | PeerError::Socket(_))), "{lost:?}");
    ann.cut();
}

#[tokio::test]
async fn a_session_survives_a_stop_in_order_with_everything() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let mut ann = MockStarling::connect(&server.url).await;
    let session = ann.session().to_owned();
    ann.request("starling:set", json!({"name": "cart", "value": [1]})).await.unwrap();
    for n in 0..3 {
        ann.request("demo:topic", json!({"topic": "news", "data": n})).await.unwrap();
    }
    // It has taken none of the three notifications: they are sent again.
    let before = ann.position() - 6;
    tokio::join!(server.stop(), gone(&mut ann));
    let server = Server::start(directory.path());
    let resume = Resume { token: ann.token().to_owned(), position: Some(before), ..Resume::default() };
    let options = PeerOptions { resume: Some(resume), ..PeerOptions::default() };
    let mut peer = Peer::connect(&server.url, &options).await.unwrap();
    let hello = peer.receive().await.unwrap();
    let helios::peer::Received::Notification { data: hello, .. } = hello else { panic!("{hello:?}") };
    let recovery = &hello["recovery"];
    assert_eq!(hello["session"], session);
    assert_eq!(
        (&recovery["recovered"], &recovery["restarted"], &recovery["replayed"]),
        (&json!(true), &json!(true), &json!(6))
    );
    assert_eq!(recovery["received"], json!(5), "in order, so both sides know what has come");
    let kept = peer.request("starling:get", &json!({"name": "cart"})).await.unwrap();
    assert_eq!(kept, json!({"value": [1]}));
}

#[tokio::test]
async fn a_session_survives_kill_9_with_what_it_keeps_and_what_waits_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let mut ann = MockStarling::connect(&server.url).await;
    let session = ann.session().to_owned();
    ann.request("starling:set", json!({"name": "cart", "value": {"a": 1}})).await.unwrap();
    for n in 0..5 {
        ann.request("demo:topic", json!({"topic": "news", "data": n})).await.unwrap();
    }
    let position = ann.position() - 10;
    server.kill();
    gone(&mut ann).await;
    let server = Server::start(directory.path());
    ann.move_to(&server.url);
    let resume = Resume { token: ann.token().to_owned(), position: Some(position), ..Resume::default() };
    let options = PeerOptions { resume: Some(resume), ..PeerOptions::default() };
    let mut peer = Peer::connect(&server.url, &options).await.unwrap();
    let hello = peer.receive().await.unwrap();
    let helios::peer::Received::Notification { data: hello, .. } = hello else { panic!("{hello:?}") };
    assert_eq!((&hello["session"], &hello["recovery"]["recovered"]), (&json!(session), &json!(true)));
    assert_eq!(hello["recovery"]["received"], Value::Null, "nobody knows after a kill");
    for n in 0..5 {
        let fits = |it: &helios::peer::Received| matches!(it, helios::peer::Received::Notification { topic, .. } if topic == "news");
        let helios::peer::Received::Notification { data, .. } = peer.expect(fits).await.unwrap() else {
            unreachable!()
        };
        assert_eq!(data, n);
    }
    let kept = peer.request("starling:get", &json!({"name": "cart"})).await.unwrap();
    assert_eq!(kept, json!({"value": {"a": 1}}));
    drop(peer);
    // And once more, without anything in between.
    server.kill();
    let server = Server::start(directory.path());
    ann.move_to(&server.url);
    let resumed = ann.resume().await;
    assert!(resumed.same_session && resumed.recovered && resumed.restarted, "{resumed:?}");
}

#[tokio::test]
async fn calls_run_once_across_kills() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(directory.path());
    let mut ann = MockStarling::connect(&server.url).await;
    let (mut done, mut unknown) = (0_u64, 0_u64);
    for round in 0..60_u64 {
        let id = format!("11111111-2222-4333-8444-{round:012}");
        let request = json!({
            "protocol": "helios-starling", "version": "1.0.0", "timestamp": 1, "type": "request",
            "requestId": id, "method": "kv:increment", "payload": {"key": "n", "by": 1},
        });
        let _ = ann.peer().send_text(request.to_string()).await;
        if round % 3 == 0 {
            // Somewhere between the request and its answer.
            tokio::time::sleep(Duration::from_micros(round * 40)).await;
            server.kill();
            server = Server::start(directory.path());
            ann.move_to(&server.url);
        }
        loop {
            let wanted = &id;
            let fits = |it: &helios::peer::Received| matches!(it, helios::peer::Received::Response { id, .. } if id == wanted);
            match ann.peer().expect(fits).await {
                Ok(helios::peer::Received::Response { result: Ok(_), .. }) => break done += 1,
                Ok(helios::peer::Received::Response { result: Err(failure), .. }) => {
                    assert_eq!(failure.code, "REQUEST_INTERRUPTED");
                    break unknown += 1;
                }
                _ => {}
            }
            ann.cut();
            let resumed = ann.resume().await;
            assert!(resumed.same_session && resumed.recovered, "{resumed:?}");
            ann.peer().send_text(request.to_string()).await.unwrap();
        }
    }
    let value = ann.request("kv:get", json!({"key": "n"})).await.unwrap()["value"].as_u64().unwrap();
    assert!(done <= value && value <= done + unknown, "{done} answered, {unknown} unknown, {value} ran");
}

#[tokio::test]
async fn a_session_that_nobody_comes_back_for_ends_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let ann = MockStarling::connect(&server.url).await;
    drop(ann);
    server.kill();
    let mut config = helios::config::Config::default();
    config.gateway.listen.set_port(0);
    config.store.data_dir = directory.path().to_owned();
    config.sessions.disconnection_ttl = helios::base::Span::millis(100);
    let server = helios::testing::TestServer::start_with(|it| *it = config, |builder| builder);
    until("it has ended", || server.starlings().filter(|_| true).is_empty()).await;
    let store = server.store().clone();
    until("nothing of it is left", || store.view().prefix(b"session:").next().is_none()).await;
}

#[tokio::test]
async fn tokens_are_in_no_log_whatever_the_level() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let mut ann = MockStarling::connect(&server.url).await;
    let token = ann.token().to_owned();
    for way in [ResumeWay::Url, ResumeWay::Header, ResumeWay::Message] {
        ann.cut();
        let resume = Resume { token: token.clone(), way, ..Resume::default() };
        let mut peer =
            Peer::connect(&server.url, &PeerOptions { resume: Some(resume), ..PeerOptions::default() })
                .await
                .unwrap();
        peer.request("demo:echo", &json!(1)).await.unwrap();
    }
    let log = std::sync::Arc::clone(&server.log);
    until("something is logged", || log.lock().contains("starling:recovered")).await;
    server.stop().await;
    let signature = token.rsplit('.').next().unwrap();
    assert!(!log.lock().contains(signature), "a token is in the log");
}

#[test]
fn keys_are_listed_and_replaced_from_the_shell() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().to_str().unwrap();
    let run = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_helios")).args(arguments).stdin(Stdio::null()).output().unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), text)
    };
    let list = || -> Value {
        let (code, text) = run(&["token", "key", "list", "--json", "--data-dir", dir]);
        assert_eq!(code, Some(0), "{text}");
        serde_json::from_str::<Value>(&text).unwrap()["keys"].take()
    };
    let first = list();
    assert_eq!((first.as_array().unwrap().len(), &first[0]["signs"]), (1, &json!(true)));
    let (code, text) = run(&["token", "key", "rotate", "--data-dir", dir]);
    assert_eq!(code, Some(0), "{text}");
    let second = list();
    assert_eq!((second.as_array().unwrap().len(), &second[1]["kid"]), (2, &first[0]["kid"]));
    assert!(second[1]["endsAt"].as_u64().unwrap() > second[0]["createdAt"].as_u64().unwrap());
    let server = Server::start(directory.path());
    let (code, text) = run(&["token", "key", "rotate", "--data-dir", dir]);
    assert_eq!(code, Some(1));
    assert!(text.contains("a server runs with") && text.contains("--url"), "{text}");
    let (code, text) = run(&["token", "key", "rotate", "--url", &server.url]);
    assert_eq!(code, Some(1));
    assert!(text.contains("token:keys"), "{text}");
    let (code, text) = run(&["token", "key", "list", "--data-dir", "/nowhere/at/all"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("there is no data directory"), "{text}");
}

/// Adds to a key until it has come back and added some more. Gives how many additions were answered.
async fn add(url: tokio::sync::watch::Receiver<String>, key: usize) -> u64 {
    let now = url.borrow().clone();
    let mut ann = MockStarling::connect(&now).await;
    let (mut answered, mut more, mut back, mut number) = (0_u64, 0, 0, 0_u64);
    let mut id = String::new();
    let mut again = false;
    while more < 20 {
        if !again {
            number += 1;
            id = format!("11111111-2222-4333-{key:04}-{number:012}");
        }
        let request = json!({
            "protocol": "helios-starling", "version": "1.0.0", "timestamp": 1, "type": "request",
            "requestId": id, "method": "kv:increment", "payload": {"key": format!("r4:{key}")},
        });
        let _ = ann.peer().send_text(request.to_string()).await;
        let wanted = &id;
        let fits = |it: &helios::peer::Received| matches!(it, helios::peer::Received::Response { id, .. } if id == wanted);
        match ann.peer().expect(fits).await {
            Ok(helios::peer::Received::Response { result: Ok(_), .. }) => {
                answered += 1;
                more += back;
                again = false;
                continue;
            }
            // Refused, so it has not run.
            Ok(helios::peer::Received::Response { result: Err(failure), .. }) => {
                assert_eq!(failure.code, "SERVER_DRAINING");
                again = false;
                // The end is near.
                let _ = ann.peer().expect(|_| false).await;
            }
            _ => again = true,
        }
        ann.cut();
        back += 1;
        let mut next = url.clone();
        let before = next.borrow().clone();
        loop {
            let now = next.borrow_and_update().clone();
            // The old one takes nobody any more.
            if tokio::net::TcpStream::connect(now.trim_start_matches("ws://").trim_end_matches("/ws"))
                .await
                .is_ok()
                && (now != before || back > 1)
            {
                ann.move_to(&now);
                break;
            }
            next.changed().await.unwrap();
        }
        let resumed = ann.resume().await;
        assert!(resumed.same_session && resumed.recovered, "{resumed:?}");
        assert!(resumed.received.is_some(), "in order, so nothing is in doubt");
    }
    assert_eq!(back, 1, "once was enough");
    answered
}

#[tokio::test]
async fn a_rolling_restart_loses_no_request_and_no_session() {
    let directory = tempfile::tempdir().unwrap();
    let first = Server::start(directory.path());
    let (told, url) = tokio::sync::watch::channel(first.url.clone());
    let adding: Vec<_> = (0..12).map(|key| tokio::spawn(add(url.clone(), key))).collect();
    tokio::time::sleep(Duration::from_millis(150)).await;
    first.stop().await;
    let second = Server::start(directory.path());
    told.send(second.url.clone()).unwrap();
    let mut answered = Vec::new();
    for task in adding {
        answered.push(task.await.unwrap());
    }
    let mut peer = Peer::connect(&second.url, &PeerOptions::default()).await.unwrap();
    for (key, answered) in answered.into_iter().enumerate() {
        let entry = peer.request("kv:get", &json!({"key": format!("r4:{key}")})).await.unwrap();
        assert_eq!(entry["value"], answered, "every request that was answered ran once, and no other");
    }
}

#[tokio::test]
async fn what_is_sent_to_a_session_that_comes_back_two_restarts_later_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let start = || {
        let mut config = helios::config::Config::default();
        config.gateway.listen.set_port(0);
        config.demo.enabled = true;
        config.store.data_dir = directory.path().to_owned();
        helios::testing::TestServer::start_with(|it| *it = config, |builder| builder)
    };
    let tell = |server: &helios::testing::TestServer, text: &str| {
        server.starlings().filter(|_| true).pop().unwrap().notify("news", text).unwrap();
    };
    let keep = directory.path().with_extension("kept");
    let mut server = start();
    let mut ann = MockStarling::connect(server.ws_url()).await;
    ann.cut();
    until("it is away", || server.starlings().count() == 0).await;
    for text in ["first", "second"] {
        tell(&server, text);
        let drained = server.drain();
        tokio::task::spawn_blocking(move || drained.recv()).await.unwrap().unwrap();
        // The directory of a test's server goes with it; this one's is to stay.
        std::fs::rename(directory.path(), &keep).unwrap();
        drop(server);
        std::fs::rename(&keep, directory.path()).unwrap();
        server = start();
    }
    ann.move_to(server.ws_url());
    let resumed = ann.resume().await;
    assert!(resumed.recovered && resumed.same_session && resumed.restarted, "{resumed:?}");
    assert_eq!(ann.expect_notification("news").await, "first");
    assert_eq!(ann.expect_notification("news").await, "second");
    ann.refute_notification("news").await;
}
