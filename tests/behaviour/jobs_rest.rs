//! Jobs over HTTP, from the command line, in Rust, and through restarts.

use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use helios::base::{Clock, Span};
use helios::config::Config;
use helios::peer::Peer;
use helios::queue::{JobContext, JobFailure, JobReply};
use helios::store::Command as StoreCommand;
use helios::testing::TestServer;
use serde_json::{Value, json};

use crate::accounts::{admin, logged_in, server_with};
use crate::jobs::{ask, text};
use crate::rest::with;
use crate::wait::{found, until};

/// A job from its beginning to its end.
async fn over(peer: &mut Peer, wish: Value) -> Value {
    let id = ask(peer, "jobs:enqueue", wish).await["id"].clone();
    let ended = async || {
        let job = ask(peer, "jobs:get", json!({ "id": id })).await;
        job["completedAt"].is_u64().then_some(job)
    };
    found("the job is over", ended).await
}

#[tokio::test]
async fn a_job_goes_its_way_over_http() {
    let server = TestServer::start();
    let http = with(&server, "");
    let new = json!({ "payload": { "task": "mail", "to": "ann" }, "dedup_id": "m1", "max_attempts": 2, "priority": 3 });
    let (status, made) = http.post("/api/v1/jobs", new.clone()).await;
    assert_eq!((status, &made["status"], &made["duplicate"]), (201, &json!("PENDING"), &json!(false)));
    assert_eq!(
        http.post("/api/v1/jobs", new).await,
        (200, json!({ "job_id": made["job_id"], "status": "PENDING", "duplicate": true }))
    );
    let refused = json!({ "payload": {}, "type": "mail", "dedup_id": "m1", "dedup_reject": true });
    let (status, answer) = http.post("/api/v1/jobs", refused).await;
    assert_eq!((status, &answer["error"]["details"]["id"]), (409, &made["job_id"]));
    for (route, wrong) in [("cancel", json!([1])), ("cancel", json!("now")), ("cancel", json!({ "why": 1 }))]
    {
        let (status, answer) = http.post(&format!("/api/v1/jobs/x/{route}"), wrong).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("VALIDATION_ERROR")), "{route}");
    }
    let path = format!("/api/v1/jobs/{}", text(&made["job_id"]));
    let (status, job) = http.get(&path).await;
    assert_eq!(
        (status, &job["type"], &job["max_attempts"], &job["dedup_id"]),
        (200, &json!("mail"), &json!(2), &json!("m1"))
    );
    assert_eq!((&job["visibility_timeout"], &job["payload"]["to"]), (&json!(300), &json!("ann")));
    assert!(
        job["created_at"].is_u64() && job["last_updated"].is_u64() && job["history"] == json!([]),
        "{job}"
    );
    let wish = json!({ "worker_id": "w", "types": ["mail"], "max": 5, "wait": 0.5 });
    let leased = http.post("/api/v1/jobs/lease", wish.clone()).await.1["jobs"][0].clone();
    assert_eq!((&leased["id"], &leased["attempts"]), (&made["job_id"], &json!(1)));
    assert_eq!(
        http.post("/api/v1/jobs/lease", json!({ "worker_id": "w" })).await,
        (200, json!({ "jobs": [] }))
    );
    let token = json!({ "lease_token": leased["lease_token"] });
    let more = |extra: Value| {
        let mut body = token.clone();
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let told = http.post(&format!("{path}/progress"), more(json!({ "progress": 30, "message": "on" }))).await;
    assert_eq!(told, (200, json!({ "told": true })));
    assert_eq!(http.get(&path).await.1["progress"]["progress"], 30.0);
    let (_, until_) = http.post(&format!("{path}/extend"), more(json!({ "seconds": 600 }))).await;
    assert!(until_["lease_until"].as_u64() > leased["lease_until"].as_u64(), "{until_}");
    let (status, nacked) =
        http.post(&format!("{path}/nack"), more(json!({ "reason": "no", "delay": 0 }))).await;
    assert_eq!((status, &nacked["status"]), (200, &json!("PENDING")));
    let (status, stale) = http.post(&format!("{path}/ack"), token.clone()).await;
    assert_eq!((status, &stale["error"]["code"]), (409, &json!("LEASE_LOST")));
    let leased = http.post("/api/v1/jobs/lease", wish).await.1["jobs"][0].clone();
    let ack = json!({ "lease_token": leased["lease_token"], "result": { "sent": 1 }, "effects": [{ "op": "set", "key": "sent", "value": 1 }] });
    assert_eq!(http.post(&format!("{path}/ack"), ack).await.1["status"], "DONE");
    assert_eq!(http.get("/api/v1/kv/sent").await.1["value"], 1);
    let done = http.get("/api/v1/jobs?status=DONE&type=mail").await.1;
    assert_eq!((&done["jobs"][0]["id"], done["jobs"][0].get("result")), (&made["job_id"], None));
    assert_eq!(http.get(&path).await.1["result"], json!({ "sent": 1 }));
    assert_eq!(http.get("/api/v1/jobs?status=FAILED").await, (200, json!({ "jobs": [], "cursor": null })));
    let stats = http.get("/api/v1/jobs/stats").await.1;
    assert_eq!((&stats["counts"]["done"], &stats["types"]["mail"]["in_progress"]), (&json!(1), &json!(0)));
    for kind in ["sendMail", "send_mail"] {
        assert_eq!(http.post("/api/v1/jobs", json!({ "type": kind, "payload": 1 })).await.0, 201);
    }
    let types = http.get("/api/v1/jobs/stats").await.1["types"].clone();
    assert!(
        types["sendMail"].is_object() && types["send_mail"].is_object(),
        "types are the application's: {types}"
    );
    for (status, path, body) in [
        (404, format!("/api/v1/jobs/j{}", "0".repeat(32)), Value::Null),
        (400, "/api/v1/jobs/1".to_owned(), Value::Null),
        (400, "/api/v1/jobs?status=SLEEPING".to_owned(), Value::Null),
        (400, "/api/v1/jobs?limit=x".to_owned(), Value::Null),
    ] {
        assert_eq!(http.get(&path).await.0, status, "{path} {body}");
    }
    assert_eq!(http.post("/api/v1/jobs", json!({ "payload": 1, "typ": "x" })).await.0, 400);
}

#[tokio::test]
async fn dead_letters_and_schedules_are_looked_after_over_http() {
    let server = TestServer::start();
    let http = with(&server, "");
    for number in 0..3 {
        http.post("/api/v1/jobs", json!({ "type": "a", "payload": number, "max_attempts": 1 })).await;
    }
    let leased = http.post("/api/v1/jobs/lease", json!({ "worker_id": "w", "max": 3 })).await.1;
    for job in leased["jobs"].as_array().unwrap() {
        let path = format!("/api/v1/jobs/{}/nack", text(&job["id"]));
        assert_eq!(http.post(&path, json!({ "lease_token": job["lease_token"] })).await.1["status"], "DLQ");
    }
    assert_eq!(http.get("/api/v1/jobs/dlq").await.1["jobs"].as_array().unwrap().len(), 3);
    let one = format!("/api/v1/jobs/{}", text(&leased["jobs"][0]["id"]));
    assert_eq!(http.post(&format!("{one}/retry"), Value::Null).await.1["status"], "PENDING");
    assert_eq!(http.post(&format!("{one}/cancel"), json!({ "reason": "no" })).await.1["status"], "CANCELLED");
    assert_eq!(http.post("/api/v1/jobs/dlq/replay", json!({ "limit": 1 })).await.1, json!({ "replayed": 1 }));
    assert_eq!(http.post("/api/v1/jobs/dlq/purge", Value::Null).await.1, json!({ "purged": 1 }));
    assert_eq!(http.get("/api/v1/jobs/dlq").await.1["jobs"], json!([]));
    let schedule =
        json!({ "cron": "0 3 * * *", "timezone": "Europe/Berlin", "type": "night", "payload": { "n": 1 } });
    let (status, set) = http.put("/api/v1/jobs/schedules/nightly", schedule).await;
    assert_eq!((status, &set["timezone"], &set["fired"]), (200, &json!("Europe/Berlin"), &json!(0)));
    assert!(set["next_at"].is_u64(), "{set}");
    assert_eq!(http.get("/api/v1/jobs/schedules").await.1["schedules"][0]["name"], "nightly");
    let (status, wrong) = http.put("/api/v1/jobs/schedules/x", json!({ "cron": "no", "type": "a" })).await;
    assert_eq!((status, &wrong["error"]["details"][0]["field"]), (400, &json!("/cron")));
    assert_eq!(http.delete("/api/v1/jobs/schedules/nightly").await, (200, json!({ "removed": true })));
    assert_eq!(http.delete("/api/v1/jobs/schedules/nightly").await.0, 404);
}

#[tokio::test]
async fn each_thing_with_jobs_needs_its_permission() {
    let server = server_with(|config| config.jobs.everyone = false);
    let root = with(&server, &admin(&server).await);
    let ann = text(&logged_in(&server, "ann").await["accessToken"]);
    let ann = with(&server, &ann);
    let (status, made) = ann.post("/api/v1/jobs", json!({ "type": "a" })).await;
    assert_eq!(status, 201, "a user may create");
    let path = format!("/api/v1/jobs/{}", text(&made["job_id"]));
    let (_, job) = ann.get(&path).await;
    assert_eq!(job["created_by"], "ann");
    for (path, missing) in [
        (format!("{path}/cancel"), "job:cancel"),
        ("/api/v1/jobs/lease".to_owned(), "job:work"),
        ("/api/v1/jobs/dlq/purge".to_owned(), "job:admin"),
    ] {
        let (status, answer) = ann.post(&path, json!({ "worker_id": "w" })).await;
        assert_eq!((status, &answer["error"]["details"]["permission"]), (403, &json!(missing)), "{path}");
    }
    root.put("/admin/roles/hand", json!({ "permissions": ["job:work"] })).await;
    root.post("/admin/users/ann/roles", json!({ "role": "hand" })).await;
    let leased = ann.post("/api/v1/jobs/lease", json!({ "worker_id": "w" })).await.1["jobs"][0].clone();
    let ack = |effect: Value| json!({ "lease_token": leased["lease_token"], "effects": [effect] });
    root.delete("/admin/users/ann/roles/user").await;
    let set = json!({ "op": "set", "key": "a", "value": 1 });
    let (status, answer) = ann.post(&format!("{path}/ack"), ack(set)).await;
    assert_eq!(
        (status, &answer["error"]["details"]["permission"]),
        (403, &json!("kv:set")),
        "nor by the back door"
    );
    let next = json!({ "op": "enqueue", "type": "b" });
    let (status, answer) = ann.post(&format!("{path}/ack"), ack(next)).await;
    assert_eq!((status, &answer["error"]["details"]["permission"]), (403, &json!("job:create")));
    assert_eq!(with(&server, "").post("/api/v1/jobs", json!({ "type": "a" })).await.0, 401);
    // Who may not look may not listen either.
    let mut peer =
        crate::accounts::peer_of(&server, &text(&logged_in(&server, "bob").await["accessToken"])).await;
    ask(&mut peer, "topic:subscribe", json!({ "topic": "jobs:events" })).await;
    root.delete("/admin/users/bob/roles/user").await;
    let fits = |it: &helios::peer::Received| matches!(it, helios::peer::Received::Notification { topic, .. } if topic == "topic:ended");
    peer.expect(fits).await.unwrap();
    let mut nobody = server.peer().await;
    let refused = nobody.request("topic:subscribe", &json!({ "topic": "jobs:events" })).await.unwrap_err();
    assert!(refused.to_string().contains("PERMISSION_DENIED"), "{refused}");
}

/// A server on a directory that outlives it.
struct Lives {
    directory: tempfile::TempDir,
    clock: Clock,
}

impl Lives {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), clock: Clock::manual(1_795_000_200_000) }
    }

    fn start(&self, configure: impl FnOnce(&mut Config)) -> TestServer {
        let (data, clock) = (self.directory.path().join("data"), self.clock.clone());
        let set = |config: &mut Config| {
            config.store.data_dir = data;
            configure(config);
        };
        TestServer::start_with(set, move |builder| builder.clock(clock))
    }

    fn end(&self, mut server: TestServer) {
        let (data, kept) = (self.directory.path().join("data"), self.directory.path().join("kept"));
        server.drain().recv().unwrap();
        std::fs::rename(&data, &kept).unwrap();
        drop(server);
        std::fs::rename(kept, data).unwrap();
    }
}

#[tokio::test]
async fn schedules_fire_once_for_each_time_whatever_becomes_of_the_server() {
    let lives = Lives::new();
    let first = lives.start(|_| {});
    let mut peer = first.peer().await;
    let set = |name: &str, missed: &str| json!({ "name": name, "cron": "*/10 * * * *", "type": name, "missed": missed, "payload": { "of": name } });
    for (name, missed) in [("once", "once"), ("all", "all"), ("skip", "skip")] {
        ask(&mut peer, "jobs:schedule", set(name, missed)).await;
    }
    let fired = async |peer: &mut Peer| {
        let all = ask(peer, "jobs:schedules", json!({})).await["schedules"].clone();
        let of = |at: usize| all[at]["fired"].as_u64().unwrap();
        // By their names: all, once, skip.
        [of(0), of(1), of(2)]
    };
    for round in 1..=3 {
        lives.clock.advance_ms(600_000);
        found("all have fired", async || (fired(&mut peer).await == [round; 3]).then_some(())).await;
    }
    let job =
        ask(&mut peer, "jobs:lease", json!({ "worker": "w", "types": ["once"] })).await["jobs"][0].clone();
    assert_eq!((&job["schedule"], &job["payload"]), (&json!("once"), &json!({ "of": "once" })));
    lives.end(first);
    // Six times have passed when it comes back, the last of them long ago.
    lives.clock.advance_ms(6 * 600_000 + 120_000);
    let second = lives.start(|_| {});
    let mut peer = second.peer().await;
    until("they have fired", || second.metrics().jobs.enqueued.get() >= 7).await;
    assert_eq!(fired(&mut peer).await, [9, 4, 3]);
    lives.end(second);
    let third = lives.start(|_| {});
    let mut peer = third.peer().await;
    assert_eq!(fired(&mut peer).await, [9, 4, 3], "none of them twice");
    let paused = json!({ "name": "all", "cron": "* * * * *", "type": "all", "paused": true });
    assert_eq!(ask(&mut peer, "jobs:schedule", paused).await["nextAt"], Value::Null);
    lives.clock.advance_ms(600_000);
    until("the others go on", || third.metrics().jobs.enqueued.get() >= 1).await;
    assert_eq!(fired(&mut peer).await[0], 9);
}

#[tokio::test]
async fn what_waits_and_what_is_leased_survive_a_restart() {
    let lives = Lives::new();
    let first = lives.start(|_| {});
    let mut peer = first.peer().await;
    let enqueue = async |peer: &mut Peer, more: Value| {
        let mut wish = json!({ "type": "a", "visibilityTimeout": 100, "maxAttempts": 2 });
        wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        text(&ask(peer, "jobs:enqueue", wish).await["id"])
    };
    let (leased, waiting) =
        (enqueue(&mut peer, json!({ "priority": 9 })).await, enqueue(&mut peer, json!({})).await);
    let later = enqueue(&mut peer, json!({ "delayMs": 50_000 })).await;
    let lease = ask(&mut peer, "jobs:lease", json!({ "worker": "w" })).await["jobs"][0].clone();
    assert_eq!(lease["id"], leased.as_str());
    lives.end(first);
    let second = lives.start(|_| {});
    let mut peer = second.peer().await;
    let job = ask(&mut peer, "jobs:get", json!({ "id": leased })).await;
    assert_eq!((&job["status"], &job["workerId"]), (&json!("IN_PROGRESS"), &json!("w")));
    let held = json!({ "id": leased, "leaseToken": lease["leaseToken"] });
    assert!(
        ask(&mut peer, "jobs:extend", held.clone()).await["leaseUntil"].is_u64(),
        "it is still the worker's"
    );
    let next = ask(&mut peer, "jobs:lease", json!({ "worker": "v", "max": 5 })).await["jobs"].clone();
    assert_eq!((next.as_array().unwrap().len(), &next[0]["id"]), (1, &json!(waiting)));
    lives.clock.advance_ms(50_000);
    let next =
        ask(&mut peer, "jobs:lease", json!({ "worker": "v", "waitMs": 5_000 })).await["jobs"][0].clone();
    assert_eq!(next["id"], later.as_str());
    assert_eq!(ask(&mut peer, "jobs:ack", held).await["status"], "DONE");
}

#[tokio::test]
async fn handlers_in_rust_work_in_the_server() {
    static TRIED: AtomicUsize = AtomicUsize::new(0);
    let flaky = |context: JobContext, number: u32| async move {
        context.progress(50.0, Some("half"), None).await?;
        if TRIED.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(JobFailure { delay_ms: Some(1), ..JobFailure::retry("not yet") });
        }
        Ok(number * 2)
    };
    let sets = |context: JobContext| async move {
        let key = format!("kv:{}", context.payload::<String>()?);
        let effects = vec![StoreCommand::Increment { key: key.into_bytes().into(), by: 1, json: true }];
        Ok(JobReply { effects, ..JobReply::of("set")? })
    };
    async fn panics(_: JobContext, _: Value) -> Result<(), JobFailure> {
        panic!("on purpose")
    }
    let running = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&running);
    let waits = move |context: JobContext| {
        let running = Arc::clone(&counted);
        async move {
            running.fetch_add(1, Ordering::SeqCst);
            context.cancelled().await;
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(JobReply::default())
        }
    };
    let mut server = TestServer::start_with(
        |config| config.jobs.backoff = Span::millis(1),
        move |builder| {
            builder
                .job("flaky", flaky)
                .job_with("sets", 2, sets)
                .job("panics", panics)
                .job_with("waits", 3, waits)
        },
    );
    let mut peer = server.peer().await;
    let job = over(&mut peer, json!({ "type": "flaky", "payload": 21 })).await;
    assert_eq!((&job["status"], &job["result"], &job["attempts"]), (&json!("DONE"), &json!(42), &json!(2)));
    let job = over(&mut peer, json!({ "type": "flaky", "payload": "no number" })).await;
    assert_eq!((&job["status"], &job["attempts"]), (&json!("FAILED"), &json!(1)), "it never will be one");
    assert!(text(&job["error"]).contains("the payload does not fit"), "{job}");
    for _ in 0..2 {
        assert_eq!(over(&mut peer, json!({ "type": "sets", "payload": "n" })).await["result"], "set");
    }
    assert_eq!(ask(&mut peer, "kv:get", json!({ "key": "n" })).await["value"], 2);
    let job = over(&mut peer, json!({ "type": "panics", "maxAttempts": 2 })).await;
    assert_eq!((&job["status"], &job["error"]), (&json!("DLQ"), &json!("the handler panicked")));
    // One that is called off is told; what is left when the server stops is given back.
    let first = ask(&mut peer, "jobs:enqueue", json!({ "type": "waits" })).await;
    let second = ask(&mut peer, "jobs:enqueue", json!({ "type": "waits" })).await;
    until("both run", || running.load(Ordering::SeqCst) == 2).await;
    ask(&mut peer, "jobs:cancel", json!({ "id": first["id"] })).await;
    until("one stops", || running.load(Ordering::SeqCst) == 1).await;
    let store = server.store().clone();
    drop(peer);
    server.drain().recv().unwrap();
    let view = store.view();
    let job = view.value(format!("job:{}", text(&second["id"])).as_bytes()).unwrap();
    let job: Value = serde_json::from_slice(job.as_bytes()).unwrap();
    assert_eq!((&job["status"], &job["attempts"]), (&json!("PENDING"), &json!(0)), "{job}");
}

fn helios(url: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_helios"));
    command.args(args).env("HELIOS_URL", url).stdin(Stdio::null());
    command.output().unwrap()
}

fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

#[test]
fn jobs_are_looked_after_from_the_command_line() {
    let server = TestServer::start();
    let jobs = |args: &[&str]| helios(server.ws_url(), &[&["jobs"], args].concat());
    let id = told(&jobs(&["enqueue", "mail", r#"{"to":"ann"}"#, "--priority", "-3"]));
    let later = told(&jobs(&["enqueue", "mail", "--delay", "1h"]));
    let listed = told(&jobs(&["list", "--status", "pending"]));
    assert!(listed.lines().count() == 2 && listed.contains(&id) && listed.contains("0/3"), "{listed}");
    let shown: Value = serde_json::from_str(&told(&jobs(&["show", &id]))).unwrap();
    assert_eq!((&shown["payload"], &shown["priority"]), (&json!({ "to": "ann" }), &json!(-3)));
    assert_eq!(told(&jobs(&["cancel", &id, "--reason", "no"])), format!("{id} CANCELLED"));
    assert_eq!(told(&jobs(&["retry", &id, &later])), format!("{id} PENDING\n{later} PENDING"));
    let stats = told(&jobs(&["stats"]));
    let row: Vec<&str> =
        stats.lines().find(|line| line.starts_with("mail")).unwrap().split_whitespace().collect();
    assert_eq!(row, ["mail", "2", "0", "0", "0", "0", "0", "0"]);
    assert_eq!(told(&jobs(&["dlq"])), "");
    assert_eq!(told(&jobs(&["dlq", "replay"])), "0 replayed");
    assert_eq!(told(&jobs(&["dlq", "purge", "--type", "mail"])), "0 purged");
    let set = told(&jobs(&["schedules", "set", "n", "0 3 * * *", "mail", "--timezone", "Asia/Tokyo"]));
    assert!(set.starts_with("n  0 3 * * *  Asia/Tokyo  mail  next 20"), "{set}");
    assert_eq!(told(&jobs(&["schedules"])), set);
    told(&jobs(&["schedules", "remove", "n"]));
    let wrong = jobs(&["show", "1"]);
    assert!(
        !wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("is no id of a job"),
        "{wrong:?}"
    );
    let wrong = jobs(&["enqueue", "mail", "{"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("the payload is not JSON"), "{wrong:?}");
    assert!(!jobs(&["retry", &format!("j{}", "0".repeat(32))]).status.success());
}

/// `helios worker`, ended in order when it is dropped.
struct Hand(Option<std::process::Child>);

impl Hand {
    fn start(server: &TestServer, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_helios"));
        command.arg("worker").args(args).env("HELIOS_URL", server.ws_url());
        Self(Some(command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    /// SIGTERM. Gives the exit code, and what was said.
    fn stop(mut self) -> (Option<i32>, String) {
        let child = self.0.take().unwrap();
        let pid = child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = (child.kill(), child.wait());
        }
    }
}

#[tokio::test]
async fn the_worker_has_handlers_built_in() {
    let server = TestServer::start_with(|config| config.jobs.backoff = Span::millis(1), |builder| builder);
    let mut peer = server.peer().await;
    let host = "127.0.0.1";
    let hand =
        Hand::start(&server, &["--worker-id", "w", "--shell", "--http-host", host, "--webhook-secret", "s"]);
    assert_eq!(over(&mut peer, json!({ "type": "noop", "payload": null })).await["result"], Value::Null);
    assert_eq!(
        over(&mut peer, json!({ "type": "echo", "payload": { "a": 1 } })).await["result"],
        json!({ "a": 1 })
    );
    assert_eq!(over(&mut peer, json!({ "type": "sleep", "payload": { "ms": 1 } })).await["status"], "DONE");
    assert_eq!(
        over(&mut peer, json!({ "type": "kv.set", "payload": { "key": "k", "value": [1] } })).await["status"],
        "DONE"
    );
    assert_eq!(ask(&mut peer, "kv:get", json!({ "key": "k" })).await["value"], json!([1]));
    assert_eq!(
        over(&mut peer, json!({ "type": "shell", "payload": { "command": "echo hi" } })).await["result"]["stdout"],
        "hi\n"
    );
    let failed =
        over(&mut peer, json!({ "type": "shell", "payload": { "command": "echo no >&2; exit 3" } })).await;
    assert_eq!((&failed["status"], failed["history"].as_array().unwrap().len()), (&json!("DLQ"), 3));
    assert!(text(&failed["error"]).contains("no"), "{failed}");
    let url = format!("{}/api/v1/rpc/demo:echo", server.http_url());
    let sent =
        over(&mut peer, json!({ "type": "webhook.deliver", "payload": { "url": url, "body": { "n": 1 } } }))
            .await;
    assert_eq!((&sent["status"], &sent["result"]["status"]), (&json!("DONE"), &json!(200)));
    assert!(text(&sent["result"]["body"]).contains(r#""data":{"n":1}"#), "{sent}");
    for (payload, reason) in [
        (json!({ "url": format!("{}/nowhere", server.http_url()) }), "the answer is 404"),
        (json!({ "url": "http://10.0.0.1/" }), "is none of the hosts of --http-host"),
        (json!({ "url": "file:///etc/passwd" }), "/url: "),
        (json!({ "to": "x" }), "the payload does not fit"),
    ] {
        let failed = over(&mut peer, json!({ "type": "http.post", "payload": payload })).await;
        assert_eq!(failed["status"], "FAILED", "{failed}");
        assert!(text(&failed["error"]).contains(reason), "{failed}");
    }
    // In order: what runs comes to its end.
    let slow = ask(&mut peer, "jobs:enqueue", json!({ "type": "sleep", "payload": { "ms": 700 } })).await;
    until("it is at work", || server.store().view().count(b"queue:leased:") == 1).await;
    let stopped = tokio::task::spawn_blocking(move || hand.stop()).await.unwrap();
    assert_eq!(stopped.0, Some(0), "{}", stopped.1);
    assert_eq!(ask(&mut peer, "jobs:get", json!({ "id": slow["id"] })).await["status"], "DONE");
}

#[tokio::test]
async fn the_worker_gives_back_what_does_not_end_in_time_and_refuses_what_it_may_not() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    let hand = Hand::start(&server, &["--grace", "50ms", "--concurrency", "2"]);
    let slow = ask(&mut peer, "jobs:enqueue", json!({ "type": "sleep", "payload": { "ms": 60_000 } })).await;
    until("it is at work", || server.store().view().count(b"queue:leased:") == 1).await;
    let (code, told) = tokio::task::spawn_blocking(move || hand.stop()).await.unwrap();
    assert!(code == Some(0) && told.contains("1 jobs were given back"), "{code:?} {told}");
    let job = ask(&mut peer, "jobs:get", json!({ "id": slow["id"] })).await;
    assert_eq!((&job["status"], &job["attempts"]), (&json!("PENDING"), &json!(0)));
    let url = server.ws_url().to_owned();
    let refused =
        tokio::task::spawn_blocking(move || helios(&url, &["worker", "--type", "shell"])).await.unwrap();
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("there is no handler for shell here"),
        "{refused:?}"
    );
}
