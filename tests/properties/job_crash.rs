//! A real server and eight workers, processes all of them, killed with SIGKILL again and again while there is work: nothing is lost, nothing is done twice in
//! what Helios keeps, jobs of one priority begin in their order, and a job begins again only after its lease has ended.
//! `HELIOS_JOBS=n` takes n jobs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use helios::base::Random;
use helios::peer::{Peer, PeerError, Received};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::seeds;
use crate::server::Server;

const WORKERS: usize = 8;
const PRIORITIES: u64 = 3;

/// Seconds that a lease lasts: what a killed server or worker had is owed for so long.
const LEASE: u64 = 2;

/// Longer than any run takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What workers were told, and where the server is.
#[derive(Default)]
struct Shared {
    url: Mutex<String>,
    /// By job and attempt: the end of the lease as the server told it first.
    begun: Mutex<BTreeMap<(String, u64), u64>>,
    over: AtomicBool,
}

async fn connect(shared: &Shared) -> Peer {
    loop {
        let url = shared.url.lock().clone();
        match Peer::connect(&url, &Default::default()).await {
            Ok(peer) => return peer,
            // It is being killed: the next one is soon there.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Jobs, one after the other, each enqueued until that was answered.
async fn enqueue(shared: Arc<Shared>, jobs: std::ops::Range<u64>) {
    let mut at = jobs.start;
    while at < jobs.end {
        let mut peer = connect(&shared).await;
        while at < jobs.end {
            let job = json!({
                "type": "count", "payload": { "number": at }, "priority": at % PRIORITIES, "dedupId": format!("n{at}"),
                "visibilityTimeout": LEASE, "maxAttempts": 1_000, "backoffMs": 1, "backoffMaxMs": 1,
            });
            if peer.request("jobs:enqueue", &job).await.is_err() {
                break;
            }
            at += 1;
        }
    }
}

/// What a worker process writes before its reports.
const REPORT: &str = "::";

/// A worker until its server is gone, or it is killed. It reports each lease that it gets, and each that is over, on its standard
/// output. `held` are the leases that it had in the life before.
async fn work(url: &str, name: &str, held: Vec<Value>) -> Result<(), Box<dyn std::error::Error>> {
    let mut peer = Peer::connect(url, &Default::default()).await?;
    let wish = json!({ "worker": name, "types": ["count"], "concurrency": 4, "held": held.iter().map(token).collect::<Value>() });
    let lost = peer.request("jobs:work", &wish).await?["lost"].clone();
    for id in lost.as_array().ok_or("no answer")? {
        println!("{REPORT}{}", json!({ "over": id }));
    }
    let mut todo = held;
    todo.retain(|lease| !lost.as_array().is_some_and(|lost| lost.contains(&lease["id"])));
    loop {
        for lease in todo.drain(..) {
            // The work.
            let number = lease["payload"]["number"].as_u64().ok_or("no number")?;
            tokio::time::sleep(Duration::from_millis(number % 10)).await;
            let effect = json!({ "op": "increment", "key": format!("done:{number}") });
            let mut done = token(&lease);
            done["effects"] = json!([effect]);
            match peer.request("jobs:ack", &done).await {
                Ok(_) => {}
                // Its time was over while nobody could be reached.
                Err(PeerError::Failed(failure)) if failure.code == "LEASE_LOST" => {}
                Err(error) => return Err(error.into()),
            }
            println!("{REPORT}{}", json!({ "over": lease["id"] }));
        }
        if let Received::Notification { topic, data, .. } = peer.receive().await?
            && topic == "jobs:lease"
        {
            println!("{REPORT}{}", json!({ "begun": data }));
            todo.push(data);
        }
    }
}

fn token(lease: &Value) -> Value {
    json!({ "id": lease["id"], "leaseToken": lease["leaseToken"] })
}

/// The worker processes of the test below: this program, asked for this test alone.
#[tokio::test]
#[ignore = "a process of another test"]
async fn a_worker_that_is_killed() {
    let Ok(life) = std::env::var(LIFE) else { return };
    let life: Value = serde_json::from_str(&life).unwrap();
    let held = life["held"].as_array().unwrap().clone();
    // The server was killed: whoever has started this process looks for the next one.
    let _ = work(life["url"].as_str().unwrap(), life["name"].as_str().unwrap(), held).await;
}

/// What a worker process is told.
const LIFE: &str = "HELIOS_TEST_WORKER";

/// A worker process that is killed now and then. Half of the times the next one knows what it had, as after a break of the
/// line; the others it has forgotten.
fn live(shared: &Shared, name: &str, mut random: Random) {
    let mut held = BTreeMap::<String, Value>::new();
    while !shared.over.load(Ordering::Relaxed) {
        let url = shared.url.lock().clone();
        let life = json!({ "url": url, "name": name, "held": held.values().collect::<Vec<_>>() });
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "job_crash::a_worker_that_is_killed", "--ignored", "--nocapture"])
            .env(LIFE, life.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let reports = BufReader::new(child.stdout.take().unwrap()).lines();
        let until = Duration::from_millis(50 + random.next_u64() % 300);
        thread::scope(|scope| {
            let (ended, end) = mpsc::channel::<()>();
            scope.spawn(move || {
                // It may end by itself.
                let _ = end.recv_timeout(until);
                let _ = child.kill();
                child.wait().unwrap();
            });
            // What it has said before it was killed counts.
            reports.for_each(|line| hear(shared, &mut held, &line.unwrap()));
            drop(ended);
        });
        if random.next_u64().is_multiple_of(2) {
            held.clear();
        }
    }
}

/// A report of a worker process.
fn hear(shared: &Shared, held: &mut BTreeMap<String, Value>, line: &str) {
    // The last one may have been cut off.
    let Some(Ok(report)) = line.strip_prefix(REPORT).map(serde_json::from_str::<Value>) else { return };
    if let Some(id) = report["over"].as_str() {
        held.remove(id);
        return;
    }
    let lease = &report["begun"];
    let id = lease["id"].as_str().unwrap().to_owned();
    let key = (id.clone(), lease["attempts"].as_u64().unwrap());
    shared.begun.lock().entry(key).or_insert(lease["leaseUntil"].as_u64().unwrap());
    held.insert(id, lease.clone());
}

async fn count(peer: &mut Peer, status: &str) -> u64 {
    peer.request("jobs:stats", &json!({})).await.unwrap()["counts"][status].as_u64().unwrap()
}

/// One job as it is in the end.
fn check(job: &Value, begun: &BTreeMap<(String, u64), u64>) {
    assert_eq!(job["status"], "DONE", "{job}");
    let id = job["id"].as_str().unwrap();
    let history = job["history"].as_array().unwrap();
    for pair in history.windows(2) {
        let time = |of: &Value, name: &str| of[name].as_u64().unwrap();
        assert!(time(&pair[0], "endedAt") <= time(&pair[1], "startedAt"), "one lease at a time: {job}");
    }
    for ((_, attempt), until) in begun.range((id.to_owned(), 2)..=(id.to_owned(), u64::MAX)) {
        let before = history.iter().rfind(|it| it["attempt"] == attempt - 1);
        let Some(before) = before else { continue };
        let began = until - LEASE * 1_000;
        assert!(before["endedAt"].as_u64().unwrap() <= began, "attempt {attempt} came early: {job}");
        assert!(before["outcome"] == "expired", "attempt {attempt} had no reason: {job}");
    }
}

/// First attempts of one priority begin in the order in which their jobs were enqueued.
fn check_order(jobs: &BTreeMap<u64, Value>, begun: &BTreeMap<(String, u64), u64>) -> usize {
    let mut compared = 0;
    for priority in 0..PRIORITIES {
        let mut last = (0, 0);
        for (number, job) in jobs.iter().filter(|(number, _)| *number % PRIORITIES == priority) {
            // One that was given back untouched comes again later.
            let returned = job["history"].as_array().unwrap().iter().any(|it| it["outcome"] == "released");
            let first = begun.get(&(job["id"].as_str().unwrap().to_owned(), 1));
            let Some(until) = first.filter(|_| !returned) else { continue };
            assert!(last.0 <= *until, "{number} began before {}: {job}", last.1);
            last = (*until, *number);
            compared += 1;
        }
    }
    compared
}

async fn all_done(shared: &Shared, jobs: u64) {
    let mut peer = connect(shared).await;
    let limit = Instant::now() + PATIENCE;
    while count(&mut peer, "done").await < jobs {
        assert!(Instant::now() < limit, "{:?}", peer.request("jobs:stats", &json!({})).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(count(&mut peer, "done").await, jobs, "no job is made up");
}

async fn run(seed: u64, jobs: u64) {
    println!("seed {seed}");
    let mut random = Random::seeded(seed);
    let directory = tempfile::tempdir().unwrap();
    let configuration = "[jobs]\neveryone = true\nretention_max = 1000000\n";
    let mut server = Server::start_in(directory.path(), configuration);
    let shared = Arc::new(Shared::default());
    shared.url.lock().clone_from(&server.url);
    enqueue(Arc::clone(&shared), 0..jobs / 2).await;
    let enqueuing = tokio::spawn(enqueue(Arc::clone(&shared), jobs / 2..jobs));
    let workers: Vec<_> = (0..WORKERS)
        .map(|at| {
            let (shared, random) = (Arc::clone(&shared), Random::seeded(random.next_u64()));
            thread::spawn(move || live(&shared, &format!("w{at}"), random))
        })
        .collect();
    for _ in 0..4 + jobs / 500 {
        tokio::time::sleep(Duration::from_millis(50 + random.next_u64() % 300)).await;
        server.kill();
        server = Server::start_in(directory.path(), configuration);
        shared.url.lock().clone_from(&server.url);
    }
    enqueuing.await.unwrap();
    all_done(&shared, jobs).await;
    shared.over.store(true, Ordering::Relaxed);
    for worker in workers {
        tokio::task::spawn_blocking(|| worker.join()).await.unwrap().unwrap();
    }
    let mut peer = connect(&shared).await;
    let begun = shared.begun.lock().clone();
    let mut found = BTreeMap::new();
    let ids: std::collections::BTreeSet<_> = begun.keys().map(|(id, _)| id.clone()).collect();
    for id in ids {
        let job = peer.request("jobs:get", &json!({ "id": id })).await.unwrap();
        check(&job, &begun);
        found.insert(job["payload"]["number"].as_u64().unwrap(), job);
    }
    assert_eq!(found.len() as u64, jobs, "every job was worked on");
    for number in 0..jobs {
        let done = peer.request("kv:get", &json!({ "key": format!("done:{number}") })).await.unwrap();
        assert_eq!(done["value"], 1, "the effect of job {number} has happened once");
    }
    let (again, compared) = (begun.len() as u64 - jobs, check_order(&found, &begun));
    println!("{jobs} jobs, {again} attempts more, order of {compared} compared");
    assert!(again > 0 && compared as u64 > jobs / 2, "there were kills that mattered");
}

#[tokio::test]
async fn jobs_outlive_kills_of_server_and_workers() {
    let jobs = std::env::var("HELIOS_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(2_000);
    for seed in seeds(1) {
        run(seed, jobs).await;
    }
}
