//! The commands about the store, as people run them.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use helios::store::{Command as Ask, Seams, Store, StoreOptions, Value, Work};
use helios::testing::TestServer;
use serde_json::Value as Json;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_helios")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A store that was closed in order, with keys 0 to 9.
fn store(directory: &Path) {
    let options = StoreOptions { data_dir: directory.to_owned(), ..StoreOptions::default() };
    let store = Store::open(&options, Seams::default()).unwrap();
    for number in 0..10_u8 {
        let command = Ask::set(&[b'0' + number][..], Value::bytes(&b"value"[..]));
        store.run_all_blocking(vec![Work::One(command)]).unwrap();
    }
}

#[test]
fn check_and_repair_tell_people_and_programs() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().to_str().unwrap();
    store(directory.path());
    let whole = run(&["aof", "check", dir]);
    assert!(whole.status.success() && text(&whole).contains("revision 10, 10 keys"), "{}", text(&whole));

    let segment = directory.path().join("appendonly-00000000000000000001.aof");
    let mut bytes = std::fs::read(&segment).unwrap();
    let place = bytes.len() / 2;
    bytes[place] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let damaged = run(&["aof", "check", dir]);
    assert_eq!(damaged.status.code(), Some(1));
    assert!(text(&damaged).contains("whole records follow"), "{}", text(&damaged));
    let json: Json = serde_json::from_slice(&run(&["aof", "check", "--json", dir]).stdout).unwrap();
    assert_eq!(json["starts"], false);
    let offset = json["files"][0]["damage"]["offset"].as_u64().unwrap();
    assert!(offset < place as u64);

    let serve = run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", dir]);
    assert_eq!(serve.status.code(), Some(1));
    let told = text(&serve);
    assert!(told.contains(&format!("damaged at byte {offset}")), "{told}");
    assert!(told.contains("helios aof repair"), "{told}");

    let planned = run(&["aof", "repair", dir]);
    assert!(text(&planned).contains(&format!("cut appendonly-00000000000000000001.aof at byte {offset}")));
    assert_eq!(run(&["aof", "check", dir]).status.code(), Some(1), "nothing was done");
    let done = run(&["aof", "repair", "--write", dir]);
    assert!(done.status.success() && text(&done).contains("a server starts with it"), "{}", text(&done));
    assert!(run(&["aof", "check", dir]).status.success());
}

#[test]
fn backups_are_made_listed_checked_and_restored() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    store(Path::new(&path("data")));
    let made = run(&["backup", "create", "--data-dir", &path("data"), &path("all/monday")]);
    assert!(made.status.success() && text(&made).contains("10 keys"), "{}", text(&made));
    let listed = run(&["backup", "list", &path("all")]);
    assert!(text(&listed).contains("monday") && text(&listed).contains("revision 10"), "{}", text(&listed));
    assert!(run(&["backup", "verify", &path("all/monday")]).status.success());
    let json = run(&["backup", "restore", "--json", &path("all/monday"), "--data-dir", &path("again")]);
    assert_eq!(serde_json::from_slice::<Json>(&json.stdout).unwrap()["keys"], 10);
    let again = run(&["backup", "restore", &path("all/monday"), "--data-dir", &path("again")]);
    assert!(!again.status.success() && text(&again).contains("is not empty"), "{}", text(&again));
    assert!(run(&["aof", "check", &path("again")]).status.success());
    let none = run(&["backup", "create", "--data-dir", &path("nothing"), &path("all/tuesday")]);
    assert!(!none.status.success() && text(&none).contains("there is no store here"), "{}", text(&none));
}

#[test]
fn kv_reads_and_writes_a_running_server() {
    let server = TestServer::start();
    let kv = |arguments: &[&str]| run(&[&["kv", "--url", server.ws_url()], arguments].concat());
    assert!(kv(&["set", "user:1", r#"{"name":"Ann"}"#]).status.success());
    assert!(kv(&["set", "user:2", "plain text", "--ttl", "60s"]).status.success());
    assert_eq!(text(&kv(&["get", "user:2"])).trim(), "plain text");
    assert!(text(&kv(&["get", "user:1"])).contains("\"name\": \"Ann\""));
    assert_eq!(kv(&["get", "nobody"]).status.code(), Some(1));
    let listed = text(&kv(&["scan", "user:"]));
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(kv(&["del", "user:1"]).status.success());
    assert_eq!(kv(&["del", "user:1"]).status.code(), Some(1));
}

#[test]
fn kv_watch_prints_what_is_there_and_what_happens() {
    use std::io::{BufRead, BufReader};
    let server = TestServer::start();
    let set = |value: &str| run(&["kv", "--url", server.ws_url(), "set", "a", value]);
    set("1");
    let mut watch = Command::new(env!("CARGO_BIN_EXE_helios"))
        .args(["kv", "--url", server.ws_url(), "watch"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Json>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["value"], 1);
    set("2");
    assert_eq!(next()["changes"][0]["value"], 2);
    watch.kill().unwrap();
    watch.wait().unwrap();
}
