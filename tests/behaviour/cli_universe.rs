//! `helios universe` as people use it.

use std::path::Path;
use std::process::{Command, Output};

use helios::testing::TestServer;
use serde_json::{Value, json};

fn helios(server: &TestServer, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_helios"));
    command.arg("universe").args(args).env("HELIOS_URL", server.ws_url()).output().unwrap()
}

fn told(output: &Output) -> String {
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_str(&told(output)).unwrap()
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_folder_is_committed_changed_compared_and_written_out() {
    let server = TestServer::start();
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().to_str().unwrap();
    for (name, text) in
        [("a.txt", "hello"), ("src/b.txt", "world"), (".git/config", "no"), (".helios/x", "no")]
    {
        write(folder.path(), name, text);
    }
    std::fs::write(folder.path().join("large"), vec![7; 1_500_000]).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
    let id = told(&helios(&server, &["create", r#"{"title": "project"}"#, "--name", "mine"]));
    let first = json_of(&helios(&server, &["commit", &id, "--work", work, "-m", "first", "--tag", "v1"]));
    assert!(first["snapshot_id"].as_str().unwrap().starts_with("blake3:"), "{first}");
    assert_eq!(first["insight"]["changed"], 3);
    write(folder.path(), "a.txt", "changed");
    std::fs::remove_dir_all(folder.path().join("src")).unwrap();
    write(folder.path(), "src", "a file now");
    let second = json_of(&helios(&server, &["commit", &id, "--work", work, "-m", "second"]));
    assert_eq!(second["insight"]["changed"], 3, "what is the same is not written again");
    let diff = helios(&server, &["diff", "v1", second["commit_id"].as_str().unwrap()]);
    assert_eq!(diff.status.code(), Some(1));
    assert_eq!(
        json_of(&diff)["stats"],
        json!({ "added": 1, "changed": 1, "deleted": 1, "truncated": false })
    );
    assert_eq!(helios(&server, &["diff", &id, &id]).status.code(), Some(0));

    let out = tempfile::tempdir().unwrap();
    let target = out.path().join("old");
    let written =
        json_of(&helios(&server, &["materialize", &id, "--at", "v1", "--out", target.to_str().unwrap()]));
    assert_eq!((&written["files"], &written["bytes"]), (&json!(4), &json!(1_500_010)));
    assert_eq!(std::fs::read_to_string(target.join("src/b.txt")).unwrap(), "world");
    assert_eq!(std::fs::read(target.join("large")).unwrap(), vec![7; 1_500_000]);
    assert!(!target.join("link").exists() && !target.join(".git").exists());
    let state: Value =
        serde_json::from_str(&std::fs::read_to_string(target.join("state.json")).unwrap()).unwrap();
    assert_eq!(state, json!({ "title": "project" }));
    helios(&server, &["restore", &id, "v1"]);
    assert_eq!(helios(&server, &["diff", &id, "v1"]).status.code(), Some(0));
    let log = told(&helios(&server, &["log", &id]));
    let messages: Vec<Value> =
        log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["message"].clone()).collect();
    assert_eq!(messages, ["second", "first", "created"]);
    std::fs::write(folder.path().join("huge"), vec![7; 9 << 20]).unwrap();
    let refused = helios(&server, &["commit", &id, "--work", work]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("a file has at most 8388608 bytes"),
        "{refused:?}"
    );
    assert_eq!(helios(&server, &["diff", &id, "v1"]).status.code(), Some(0), "nothing has changed");
    assert_eq!(told(&helios(&server, &["list"])).lines().count(), 1, "the fork on the way is gone");
}

#[test]
fn forks_are_merged_and_conflicts_told_by_the_exit_code() {
    let server = TestServer::start();
    let base = told(&helios(&server, &["create", r#"{"x": 1, "y": 1}"#]));
    let forks = told(&helios(&server, &["fork", &base, "--count", "2"]));
    let forks: Vec<&str> = forks.lines().collect();
    told(&helios(&server, &["update", forks[0], r#"{"x": 2}"#]));
    told(&helios(&server, &["update", forks[1], r#"{"x": 3, "y": 3}"#]));
    told(&helios(&server, &["merge", &base, forks[0]]));
    let conflict = helios(&server, &["merge", &base, forks[1]]);
    assert_eq!(conflict.status.code(), Some(1));
    let line: Value = serde_json::from_slice(&conflict.stdout).unwrap();
    assert_eq!(line, json!({ "path": "/x", "base": 1, "ours": 2, "theirs": 3 }));
    assert!(String::from_utf8_lossy(&conflict.stderr).contains("nothing was merged"));
    told(&helios(&server, &["merge", &base, forks[1], "--on-conflict", "theirs"]));
    assert_eq!(json_of(&helios(&server, &["get", &base])), json!({ "x": 3, "y": 3 }));
    assert_eq!(told(&helios(&server, &["get", &base, "/y"])), "3");
    assert_eq!(told(&helios(&server, &["list"])).lines().count(), 3);
    assert_eq!(json_of(&helios(&server, &["delete", &base]))["removedCount"], 3);
    assert_eq!(json_of(&helios(&server, &["stats"]))["universes"], 0);
    let wrong = helios(&server, &["get", &base]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("UNIVERSE_NOT_FOUND"), "{wrong:?}");
    let wrong = helios(&server, &["create", "[1]"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("the state is not a JSON object"), "{wrong:?}");
}
