//! What universes cost. The questions, with what is expected:
//!
//! - K1: how long does a commit take in memory? 100 files, 1 changed: at most 10 µs (the old claim is 70); it grows with
//!   the logarithm of the files. And with the flush, over the whole service? Beside it, `git` with the same change.
//! - K2: 100 universes by one HTTP request: p95 at most 10 ms, from 1 KiB and from a base of 64 MiB.
//! - K3: how much memory do N universes take by PSS of a child process, beside deep copies?
//! - K4: forks beside deep copies of 64 MiB: at least 500 times as fast; tasks side by side.
//! - K5: updates over HTTP, 32 connections: at least 1,000 a second.
//!
//! `cargo bench --bench universes [k1 k2 k3 k4 k5]` prints the tables of `docs/performance.md`. Every measurement proves
//! that the work was done.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use helios::universes::measure::{self, CommitCase, Scratch, Spread};
use helios::universes::{Creation, FileChange, Note};
use serde_json::{Value, json};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--bench")).collect();
    if let [hold, bytes, universes, divergence] = args.as_slice()
        && hold == "--hold"
    {
        return hold_universes(
            bytes.parse().unwrap(),
            universes.parse().unwrap(),
            divergence.parse().unwrap(),
        );
    }
    let wanted = |name: &str| args.is_empty() || args.iter().any(|arg| arg == name);
    let all: [(&str, fn()); 5] =
        [("k1", commits), ("k2", creation), ("k3", memory), ("k4", speed), ("k5", updates)];
    all.into_iter().filter(|(name, _)| wanted(name)).for_each(|(_, run)| run());
}

fn row(what: &str, spread: &Spread) {
    let Spread { samples, p50_us, p95_us, p99_us, max_us, .. } = spread;
    println!("| {what} | {p50_us:.1} | {p95_us:.1} | {p99_us:.1} | {max_us:.1} | {samples} |");
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn commits() {
    println!("\n| commit, files/changed | p50 µs | p95 | p99 | max | samples |\n|---|---|---|---|---|---|");
    for (files, dirty) in [(1, 1), (10, 1), (100, 1), (1_000, 1), (100, 100), (10_000, 1)] {
        let result = measure::commit_latency(CommitCase { files, dirty }, 5_000).unwrap();
        row(&format!("in memory, {files}/{dirty}"), &result.spread);
    }
    row("on the disk, 100/1", &durable_commits(500));
    row("git add, write-tree, commit-tree, 100/1", &git_commits(50));
}

fn content(number: usize, round: usize) -> Vec<u8> {
    format!("{number} {round} ").bytes().cycle().take(1_024).collect()
}

/// A write and a commit, each answered once it is flushed.
fn durable_commits(samples: usize) -> Spread {
    let scratch = Scratch::open().unwrap();
    let universes = &scratch.universes;
    block_on(async {
        let id = universes.create(Creation { count: 1, ..Creation::default() }).await.unwrap()[0];
        let file = |number: usize, round| FileChange {
            path: format!("src/{number}"),
            content: Some(content(number, round)),
            append: false,
        };
        universes.write_files(id, (0..100).map(|number| file(number, 0)).collect()).await.unwrap();
        let mut times = Vec::new();
        for round in 1..=samples {
            let began = Instant::now();
            universes.write_files(id, vec![file(round % 100, round)]).await.unwrap();
            universes.commit(id, Note::default()).await.unwrap();
            times.push(began.elapsed());
        }
        assert_eq!(universes.log(id, samples + 10).unwrap().len(), samples + 1);
        assert_eq!(
            universes.file(id, None, &format!("src/{}", samples % 100)).unwrap(),
            Some(content(samples % 100, samples))
        );
        Spread::of(&times)
    })
}

/// The same change with git's own tools. Each is a process, as everybody uses them.
fn git_commits(samples: usize) -> Spread {
    let directory = tempfile::tempdir().unwrap();
    let git = |args: &[&str]| {
        let names = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"];
        let output = Command::new("git")
            .args(args)
            .envs(names.map(|name| (name, "a@b")))
            .current_dir(&directory)
            .output();
        let output = output.expect("git is installed");
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "-q"]);
    for number in 0..100 {
        std::fs::write(directory.path().join(number.to_string()), content(number, 0)).unwrap();
    }
    git(&["add", "."]);
    let mut last = git(&["commit-tree", "-m", "first", &git(&["write-tree"])]);
    let mut times = Vec::new();
    for round in 1..=samples {
        let name = (round % 100).to_string();
        std::fs::write(directory.path().join(&name), content(round % 100, round)).unwrap();
        let began = Instant::now();
        git(&["add", &name]);
        last = git(&["commit-tree", "-p", &last, "-m", "next", &git(&["write-tree"])]);
        times.push(began.elapsed());
    }
    assert_eq!(git(&["rev-list", "--count", &last]), (samples + 1).to_string());
    Spread::of(&times)
}

/// The release binary in a process of its own.
struct Server {
    child: Child,
    address: String,
    _directory: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_helios"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(directory.path());
        command.env("HELIOS__UNIVERSES__EVERYONE", "true").env("HELIOS__GATEWAY__API_REQUESTS_MAX", "0");
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let found = lines.find_map(|line| line.split_once("ws://").map(|(_, it)| it.to_owned()));
        let address = found.unwrap().split('/').next().unwrap().to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, _directory: directory }
    }

    fn client(&self) -> Client {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Client(BufReader::new(stream))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that is kept open, as browsers have it.
struct Client(BufReader<TcpStream>);

impl Client {
    fn ask(&mut self, method: &str, path: &str, body: &str) -> Value {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut status, mut length, mut line) = (String::new(), 0, String::new());
        loop {
            line.clear();
            self.0.read_line(&mut line).unwrap();
            if status.is_empty() {
                status.clone_from(&line);
            }
            if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        assert!(status.contains(" 200 "), "{status}{}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    fn create(&mut self, body: &Value) -> Vec<String> {
        let made = self.ask("POST", "/api/universes/create", &body.to_string());
        let universes = made["data"]["universes"].as_array().unwrap();
        universes.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    }

    fn update(&mut self, id: &str, updates: Value) {
        let body = json!({ "operation": "update", "params": { "updates": updates } });
        self.ask("POST", &format!("/api/universes/{id}/operations"), &body.to_string());
    }

    fn state(&mut self, id: &str) -> Value {
        self.ask("GET", &format!("/api/universes/{id}"), "")["data"]["state"].take()
    }
}

fn creation() {
    println!(
        "\n| 100 universes by one request | p50 µs | p95 | p99 | max | samples |\n|---|---|---|---|---|---|"
    );
    for (what, bytes) in [("1 KiB each", 1 << 10), ("1 MiB each", 1 << 20)] {
        let server = Server::start();
        let state: serde_json::Map<_, _> =
            (0..bytes / 1_024).map(|at| (at.to_string(), json!("x".repeat(1_010)))).collect();
        let body = json!({ "count": 100, "config": { "initialState": state } });
        let times = thirty(&mut server.client(), &body, &Value::Object(state));
        row(&format!("{what}, seen by the client"), &Spread::of(&times));
    }
    let server = Server::start();
    let mut client = server.client();
    let base = client.create(&json!({}))[0].clone();
    for part in 0..8 {
        let values: serde_json::Map<_, _> =
            (0..8 << 10).map(|at| (at.to_string(), json!("x".repeat(1_010)))).collect();
        client.update(&base, json!({ part.to_string(): values }));
    }
    let times = thirty(&mut client, &json!({ "count": 100, "config": { "parentId": base } }), &Value::Null);
    row("forks of 64 MiB, seen by the client", &Spread::of(&times));
}

/// Thirty requests; in each the universes must be distinct and apart, and begin with the state if there is one to compare.
fn thirty(client: &mut Client, body: &Value, state: &Value) -> Vec<Duration> {
    let mut times = Vec::new();
    for round in 0..30 {
        let began = Instant::now();
        let made = client.create(body);
        times.push(began.elapsed());
        let distinct: std::collections::BTreeSet<_> = made.iter().collect();
        assert_eq!(distinct.len(), 100);
        client.update(&made[round], json!({ "mine": round }));
        if state.is_object() {
            assert_eq!(&client.state(&made[round + 1]), state, "a write in one is seen in no other");
            assert_eq!(client.state(&made[round])["mine"], round);
        }
        if round % 5 == 4 {
            made.iter().for_each(|id| drop(client.ask("DELETE", &format!("/api/universes/{id}"), "")));
        }
    }
    times
}

const BASE: usize = 16 << 20;

fn memory() {
    let pss = |universes: usize, divergence: f64| {
        let args = ["--hold".to_owned(), BASE.to_string(), universes.to_string(), divergence.to_string()];
        let output = Command::new(std::env::current_exe().unwrap()).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<f64> = text.split_whitespace().map(|it| it.parse().unwrap()).collect();
        (numbers[0], numbers[1])
    };
    // A deep copy is measured, not assumed.
    let (alone, _) = pss(0, 0.0);
    let copy = (pss(0, -10.0).0 - alone) / 10.0;
    println!("\na base of {} MiB; a deep copy takes {:.1} MiB (PSS)", BASE >> 20, copy / 1_048_576.0);
    println!(
        "\n| universes | divergence | PSS beyond the base, MiB | deep copies by PSS | by different bytes |\n|---|---|---|---|---|"
    );
    for divergence in [0.0, 0.001, 0.01] {
        for universes in [10, 100, 1_000, 10_000] {
            let (held, ratio) = pss(universes, divergence);
            let beyond = (held - alone).max(0.0);
            let physical = copy + beyond;
            let (percent, mib) = (divergence * 100.0, beyond / 1_048_576.0);
            println!(
                "| {universes} | {percent} % | {mib:.1} | {:.1} × | {ratio:.1} × |",
                universes as f64 * copy / physical
            );
        }
    }
}

/// In a process of its own: makes universes, proves that they are apart, and tells how much memory that takes. With a
/// negative divergence, so many deep copies.
fn hold_universes(bytes: usize, universes: usize, divergence: f64) {
    let (found, held) = measure::sharing(bytes, universes, divergence.max(0.0)).unwrap();
    let base = held.last().unwrap();
    let copy = |tree: &helios::universe::Tree<helios::store::Entry>| {
        let mut copy = helios::universe::Tree::new();
        for (key, entry) in tree.iter() {
            let value = helios::store::Value::bytes(entry.value.as_bytes().to_vec());
            copy.insert(key.to_vec(), helios::store::Entry { value, ..entry.clone() });
        }
        copy
    };
    let copies: Vec<_> = (0..(-divergence).max(0.0) as usize).map(|_| copy(base)).collect();
    assert!(copies.iter().all(|copy| copy.len() == base.len()));
    let rollup = std::fs::read_to_string(Path::new("/proc/self/smaps_rollup")).unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    println!("{} {}", kib * 1_024.0, found.ratio);
    drop((held, copies));
}

fn speed() {
    let forks = measure::fork_speed_up(64 << 20, 100, 10).unwrap();
    println!(
        "\nfork of 64 MiB with a change {:.1} µs, deep copy {:.0} µs: {:.0} ×",
        forks.fork_us, forks.copy_us, forks.speed_up
    );
    let parallel = measure::parallel(64, 200_000).unwrap();
    println!("tasks on {} processors: {:.2} ×", parallel.concurrency, parallel.speedup);
    let waiting = block_on(measure::waiting(1_000, Duration::from_millis(50)));
    println!(
        "1000 tasks that wait 50 ms: {:.1} ms, {:.0} × one after the other",
        waiting.parallel_time, waiting.speedup
    );
}

fn updates() {
    println!("\n| 32 connections, 10 s | p50 µs | p95 | p99 | max | samples |\n|---|---|---|---|---|---|");
    for (what, mixed) in [("update", false), ("50 update, 30 read, 10 branch, 10 snapshot", true)] {
        let server = Server::start();
        let began = Instant::now();
        let work = |_| {
            let mut client = server.client();
            std::thread::spawn(move || {
                let id = client.create(&json!({}))[0].clone();
                let (mut times, mut count, mut turn) = (Vec::new(), 0_u64, 0);
                while began.elapsed() < Duration::from_secs(10) {
                    turn += 1;
                    let operation =
                        |operation: &str| json!({ "operation": operation, "params": {} }).to_string();
                    let path = format!("/api/universes/{id}/operations");
                    let asked = Instant::now();
                    match turn % 10 {
                        1..=3 if mixed => drop(client.state(&id)),
                        4 if mixed => drop(client.ask("POST", &path, &operation("branch"))),
                        5 if mixed => drop(client.ask("POST", &path, &operation("snapshot"))),
                        _ => {
                            count += 1;
                            client.update(&id, json!({ "count": count }));
                        }
                    }
                    times.push(asked.elapsed());
                }
                assert_eq!(
                    client.state(&id),
                    json!({ "count": count }),
                    "the counter says what was answered"
                );
                times
            })
        };
        let clients: Vec<_> = (0..32).map(work).collect();
        let times: Vec<Duration> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        row(&format!("{what}: {:.0}/s", times.len() as f64 / 10.0), &Spread::of(&times));
    }
    let scratch = Scratch::open().unwrap();
    let found = block_on(measure::throughput(&scratch.universes, 32, Duration::from_secs(5))).unwrap();
    row(&format!("update in process: {:.0}/s", found.operations_per_second), &found.spread);
}
