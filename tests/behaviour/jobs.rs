//! Jobs over sockets: enqueueing, leases that are brought, and what becomes of jobs.

use std::time::Duration;

use helios::base::{Clock, Span};
use helios::peer::{Peer, PeerError, Received};
use helios::queue::TypeOptions;
use helios::testing::{MockStarling, TestServer};
use serde_json::{Value, json};

use crate::wait::{found, until};

pub(crate) async fn ask(peer: &mut Peer, method: &str, payload: Value) -> Value {
    peer.request(method, &payload).await.unwrap_or_else(|error| panic!("{method} {payload}: {error}"))
}

pub(crate) async fn refused(peer: &mut Peer, method: &str, payload: Value) -> (String, Value) {
    match peer.request(method, &payload).await {
        Err(PeerError::Failed(failure)) => (failure.code, failure.details),
        other => panic!("{method} {payload}: {other:?}"),
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}")).to_owned()
}

/// The next lease that is brought.
async fn lease(peer: &mut Peer) -> Value {
    let fits = |it: &Received| matches!(it, Received::Notification { topic, .. } if topic == "jobs:lease");
    match peer.expect(fits).await {
        Ok(Received::Notification { data, .. }) => data,
        other => panic!("no lease comes: {other:?}"),
    }
}

async fn lost(peer: &mut Peer) -> Value {
    let fits = |it: &Received| matches!(it, Received::Notification { topic, .. } if topic == "jobs:lost");
    match peer.expect(fits).await {
        Ok(Received::Notification { data, .. }) => data,
        other => panic!("nothing is lost: {other:?}"),
    }
}

pub(crate) fn held(lease: &Value) -> Value {
    json!({ "id": lease["id"], "leaseToken": lease["leaseToken"] })
}

pub(crate) fn with(mut wish: Value, more: Value) -> Value {
    wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    wish
}

pub(crate) async fn enqueue(peer: &mut Peer, kind: &str, more: Value) -> String {
    let wish = with(json!({ "type": kind, "payload": { "n": 1 } }), more);
    text(&ask(peer, "jobs:enqueue", wish).await["id"])
}

pub(crate) async fn job(peer: &mut Peer, id: &str) -> Value {
    ask(peer, "jobs:get", json!({ "id": id })).await
}

/// A server whose clock is moved by hand.
fn at_will(configure: impl FnOnce(&mut helios::config::Config)) -> (TestServer, Clock) {
    let clock = Clock::manual(1_795_000_000_000);
    let hands = clock.clone();
    (TestServer::start_with(configure, move |builder| builder.clock(clock)), hands)
}

#[tokio::test]
async fn a_job_is_brought_to_a_worker_told_about_and_done() {
    let server = TestServer::start();
    let (mut boss, mut worker) = (server.peer().await, server.peer().await);
    let id = enqueue(&mut boss, "mail.send", json!({ "priority": 5 })).await;
    let waiting = job(&mut boss, &id).await;
    assert_eq!(
        (&waiting["status"], &waiting["attempts"], &waiting["priority"]),
        (&json!("PENDING"), &json!(0), &json!(5))
    );
    assert_eq!(
        (&waiting["maxAttempts"], &waiting["visibilityTimeout"]),
        (&json!(3), &json!(300)),
        "as the options say"
    );
    ask(&mut boss, "topic:subscribe", json!({ "topic": format!("jobs:{id}") })).await;
    let work = json!({ "worker": "w1", "types": ["mail.send"], "concurrency": 2 });
    assert_eq!(ask(&mut worker, "jobs:work", work).await, json!({ "worker": "w1", "lost": [] }));
    let given = lease(&mut worker).await;
    assert_eq!(
        (&given["id"], &given["payload"], &given["attempts"]),
        (&json!(id), &json!({ "n": 1 }), &json!(1))
    );
    let progress = with(held(&given), json!({ "progress": 40, "message": "half", "data": { "step": 2 } }));
    ask(&mut worker, "jobs:progress", progress).await;
    let running = job(&mut boss, &id).await;
    assert_eq!((&running["status"], &running["workerId"]), (&json!("IN_PROGRESS"), &json!("w1")));
    assert_eq!(
        (&running["progress"]["progress"], &running["progress"]["message"]),
        (&json!(40.0), &json!("half"))
    );
    assert!(
        running.get("lease").is_none() && running.get("leaseToken").is_none(),
        "that is the worker's: {running}"
    );
    let done = ask(&mut worker, "jobs:ack", with(held(&given), json!({ "result": { "sent": true } }))).await;
    assert_eq!(done, json!({ "status": "DONE", "runAt": null, "repeated": false }));
    let again = ask(&mut worker, "jobs:ack", with(held(&given), json!({ "result": 2 }))).await;
    assert_eq!(again["repeated"], true, "said twice it is said once");
    let done = job(&mut boss, &id).await;
    assert_eq!(
        (&done["status"], &done["result"], &done["progress"]),
        (&json!("DONE"), &json!({ "sent": true }), &Value::Null)
    );
    assert_eq!(
        (&done["history"][0]["outcome"], &done["history"][0]["workerId"]),
        (&json!("done"), &json!("w1"))
    );
    // The one who listened heard all of it in order.
    let mut heard = Vec::new();
    while heard.last() != Some(&"acked".to_owned()) {
        let told =
            boss.expect(|it| matches!(it, Received::Notification { published: Some(_), .. })).await.unwrap();
        let Received::Notification { data, .. } = told else { unreachable!() };
        assert_eq!((&data["id"], &data["type"]), (&json!(id), &json!("mail.send")));
        heard.push(text(&data["event"]));
    }
    assert_eq!(heard, ["dequeued", "progress", "acked"]);
}

#[tokio::test]
async fn any_json_is_a_payload_and_a_result() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    for value in [json!(null), json!([1, { "a": "ü" }]), json!("x".repeat(100_000)), json!(0.5), json!(false)]
    {
        let id = text(&ask(&mut peer, "jobs:enqueue", json!({ "type": "a", "payload": value })).await["id"]);
        let leased = ask(&mut peer, "jobs:lease", json!({ "worker": "w" })).await["jobs"][0].clone();
        assert_eq!(leased["payload"], value);
        ask(&mut peer, "jobs:ack", with(held(&leased), json!({ "result": value }))).await;
        let done = job(&mut peer, &id).await;
        assert_eq!((&done["payload"], &done["result"]), (&value, &value));
    }
    // Together they are too long for an answer, one by one they are not.
    let long = "x".repeat(900_000);
    let id = text(&ask(&mut peer, "jobs:enqueue", json!({ "type": "a", "payload": long })).await["id"]);
    let leased = ask(&mut peer, "jobs:lease", json!({ "worker": "w" })).await["jobs"][0].clone();
    ask(&mut peer, "jobs:ack", with(held(&leased), json!({ "result": long }))).await;
    let done = job(&mut peer, &id).await;
    assert_eq!((&done["payloadOmitted"], &done["result"]), (&json!(true), &json!(long)));
    let too_long = json!({ "type": "a", "payload": "x".repeat(1_030_000) });
    assert_eq!(refused(&mut peer, "jobs:enqueue", too_long).await.0, "VALUE_TOO_LARGE");
}

#[tokio::test]
async fn priorities_come_first_and_within_them_the_oldest() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    let mut ids = Vec::new();
    for (number, priority) in [0, 10, -5, 10, 0].into_iter().enumerate() {
        let kind = if number % 2 == 0 { "a" } else { "b" };
        ids.push(enqueue(&mut peer, kind, json!({ "priority": priority })).await);
    }
    let leased = ask(&mut peer, "jobs:lease", json!({ "worker": "w", "max": 10 })).await;
    let order: Vec<String> = leased["jobs"].as_array().unwrap().iter().map(|job| text(&job["id"])).collect();
    let wanted: Vec<String> = [1, 3, 0, 4, 2].into_iter().map(|at: usize| ids[at].clone()).collect();
    assert_eq!(order, wanted, "over all types");
    let none = ask(&mut peer, "jobs:lease", json!({ "worker": "w", "waitMs": 10 })).await;
    assert_eq!(none, json!({ "jobs": [] }));
}

#[tokio::test]
async fn what_fails_is_tried_again_later_and_in_the_end_is_a_dead_letter() {
    let (server, clock) = at_will(|_| {});
    let mut peer = server.peer().await;
    let id =
        enqueue(&mut peer, "a", json!({ "maxAttempts": 2, "backoffMs": 1_000, "backoffMaxMs": 1_000 })).await;
    let take = async |peer: &mut Peer| {
        let taken = ask(peer, "jobs:lease", json!({ "worker": "w", "waitMs": 5_000 })).await;
        taken["jobs"][0].clone()
    };
    let first = take(&mut peer).await;
    let nacked = ask(&mut peer, "jobs:nack", with(held(&first), json!({ "reason": "no network" }))).await;
    assert_eq!(nacked["status"], "PENDING");
    let waits = job(&mut peer, &id).await;
    assert_eq!(
        (&waits["error"], &waits["history"][0]["error"]),
        (&json!("no network"), &json!("no network"))
    );
    assert!(waits["runAt"].as_u64().is_none_or(|at| at <= clock.now_ms() + 1_000), "{waits}");
    let (code, _) = refused(&mut peer, "jobs:ack", held(&first)).await;
    assert_eq!(code, "LEASE_LOST", "that lease is over");
    clock.advance_ms(1_000);
    let second = take(&mut peer).await;
    assert_eq!((&second["id"], &second["attempts"]), (&json!(id), &json!(2)));
    let dead = ask(&mut peer, "jobs:nack", with(held(&second), json!({ "reason": "still none" }))).await;
    assert_eq!(dead["status"], "DLQ");
    let listed = ask(&mut peer, "jobs:list", json!({ "status": "DLQ" })).await;
    assert_eq!(
        (&listed["jobs"][0]["id"], &listed["jobs"][0]["history"][1]["attempt"]),
        (&json!(id), &json!(2))
    );
    // It is tried again with all its attempts.
    assert_eq!(ask(&mut peer, "jobs:retry", json!({ "id": id })).await, json!({ "status": "PENDING" }));
    let third = take(&mut peer).await;
    assert_eq!(
        (&third["attempts"], third["history"].as_array().unwrap().len()),
        (&json!(1), 2),
        "and its history"
    );
    let failed = ask(&mut peer, "jobs:nack", with(held(&third), json!({ "permanent": true }))).await;
    assert_eq!(failed["status"], "FAILED", "its worker knows that there is no use");
    assert_eq!(ask(&mut peer, "jobs:replay", json!({ "status": "FAILED" })).await, json!({ "replayed": 1 }));
    assert_eq!(job(&mut peer, &id).await["status"], "PENDING");
}

#[tokio::test]
async fn a_lease_that_is_not_extended_ends_and_its_worker_is_told() {
    let (server, clock) = at_will(|_| {});
    let (mut boss, mut worker) = (server.peer().await, server.peer().await);
    ask(&mut worker, "jobs:work", json!({ "worker": "w", "concurrency": 1 })).await;
    let id = enqueue(&mut boss, "a", json!({ "visibilityTimeout": 10, "maxAttempts": 2 })).await;
    let first = lease(&mut worker).await;
    clock.advance_ms(9_000);
    let until = ask(&mut worker, "jobs:extend", held(&first)).await;
    assert_eq!(until["leaseUntil"], clock.now_ms() + 10_000);
    clock.advance_ms(9_000);
    assert_eq!(job(&mut boss, &id).await["status"], "IN_PROGRESS");
    clock.advance_ms(1_000);
    assert_eq!(lost(&mut worker).await, json!({ "id": id, "reason": "lease_expired" }));
    let second = lease(&mut worker).await;
    assert_eq!((&second["id"], &second["attempts"]), (&json!(id), &json!(2)), "and there is room again");
    assert_ne!(second["leaseToken"], first["leaseToken"]);
    for method in ["jobs:ack", "jobs:nack", "jobs:extend", "jobs:release"] {
        assert_eq!(refused(&mut worker, method, held(&first)).await.0, "LEASE_LOST", "{method}");
    }
    // A crash loop ends too: expired leases use up attempts.
    clock.advance_ms(11_000);
    lost(&mut worker).await;
    assert_eq!(job(&mut boss, &id).await["status"], "DLQ");
}

#[tokio::test]
async fn delays_and_times_are_kept() {
    let (server, clock) = at_will(|_| {});
    let mut peer = server.peer().await;
    let later = enqueue(&mut peer, "a", json!({ "delayMs": 60_000 })).await;
    let at = enqueue(&mut peer, "a", json!({ "runAt": clock.now_ms() + 30_000 })).await;
    let counts = ask(&mut peer, "jobs:stats", json!({})).await["counts"].clone();
    assert_eq!((&counts["ready"], &counts["delayed"]), (&json!(0), &json!(2)));
    let take = async |peer: &mut Peer, wait: u64| {
        let taken = ask(peer, "jobs:lease", json!({ "worker": "w", "waitMs": wait })).await;
        taken["jobs"][0]["id"].as_str().map(str::to_owned)
    };
    assert_eq!(take(&mut peer, 0).await, None);
    clock.advance_ms(30_000);
    assert_eq!(take(&mut peer, 5_000).await, Some(at));
    assert_eq!(take(&mut peer, 0).await, None);
    clock.advance_ms(30_000);
    assert_eq!(take(&mut peer, 5_000).await, Some(later));
    // One that is wanted now waits no longer.
    let soon = enqueue(&mut peer, "a", json!({ "delayMs": 3_600_000 })).await;
    ask(&mut peer, "jobs:retry", json!({ "id": soon })).await;
    assert_eq!(take(&mut peer, 5_000).await, Some(soon));
}

#[tokio::test]
async fn the_same_twice_is_one_for_a_while() {
    let (server, clock) = at_will(|_| {});
    let mut peer = server.peer().await;
    let wish = |more: Value| with(json!({ "type": "a", "dedupId": "order-1" }), more);
    let first = ask(&mut peer, "jobs:enqueue", wish(json!({}))).await;
    let second = ask(&mut peer, "jobs:enqueue", wish(json!({}))).await;
    assert_eq!((&second["id"], &second["duplicate"]), (&first["id"], &json!(true)));
    let (code, details) = refused(&mut peer, "jobs:enqueue", wish(json!({ "dedupReject": true }))).await;
    assert_eq!((code.as_str(), &details["id"]), ("CONFLICT", &first["id"]));
    clock.advance_ms(3_600_000);
    let later = ask(&mut peer, "jobs:enqueue", wish(json!({ "dedupRelease": true }))).await;
    assert_eq!(later["duplicate"], false, "an hour later it is another one");
    ask(&mut peer, "jobs:cancel", json!({ "id": later["id"] })).await;
    let free = ask(&mut peer, "jobs:enqueue", wish(json!({}))).await;
    assert_eq!(free["duplicate"], false, "its end made the id free");
}

#[tokio::test]
async fn a_job_is_called_off_wherever_it_is() {
    let server = TestServer::start();
    let (mut boss, mut worker) = (server.peer().await, server.peer().await);
    let waiting = enqueue(&mut boss, "b", json!({})).await;
    assert_eq!(
        ask(&mut boss, "jobs:cancel", json!({ "id": waiting })).await,
        json!({ "status": "CANCELLED" })
    );
    assert_eq!(
        ask(&mut boss, "jobs:cancel", json!({ "id": waiting })).await,
        json!({ "status": "CANCELLED" })
    );
    ask(&mut worker, "jobs:work", json!({ "worker": "w", "types": ["a"], "concurrency": 1 })).await;
    let running = enqueue(&mut boss, "a", json!({})).await;
    let given = lease(&mut worker).await;
    ask(&mut boss, "jobs:cancel", json!({ "id": running, "reason": "not needed" })).await;
    assert_eq!(lost(&mut worker).await, json!({ "id": running, "reason": "cancelled" }));
    assert_eq!(refused(&mut worker, "jobs:ack", held(&given)).await.0, "LEASE_LOST");
    let done = enqueue(&mut boss, "a", json!({})).await;
    let given = lease(&mut worker).await;
    ask(&mut worker, "jobs:ack", held(&given)).await;
    let (code, details) = refused(&mut boss, "jobs:cancel", json!({ "id": done })).await;
    assert_eq!((code.as_str(), &details["status"]), ("CONFLICT", &json!("DONE")));
    assert_eq!(refused(&mut boss, "jobs:retry", json!({ "id": done })).await.0, "CONFLICT");
    let nobody = json!({ "id": format!("j{}", "0".repeat(32)) });
    for method in ["jobs:get", "jobs:cancel", "jobs:retry"] {
        assert_eq!(refused(&mut boss, method, nobody.clone()).await.0, "NOT_FOUND", "{method}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_named_with_its_place() {
    let server = TestServer::start_with(|config| config.jobs.waiting_max = 2, |builder| builder);
    let mut peer = server.peer().await;
    for (more, place) in [
        (json!({ "type": "a b" }), "/type"),
        (json!({ "type": "" }), "/type"),
        (json!({ "priority": 101 }), "/priority: must be from -100 to 100"),
        (json!({ "maxAttempts": 0 }), "/maxAttempts"),
        (json!({ "visibilityTimeout": 0 }), "/visibilityTimeout"),
        (json!({ "delayMs": 1, "runAt": 1 }), "/runAt: contradicts delayMs"),
        (json!({ "dedupId": "" }), "/dedupId"),
        (json!({ "dedupReject": true }), "/dedupId: is missing"),
        (json!({ "backoffMs": 10, "backoffMaxMs": 5 }), "/backoffMs"),
        (json!({ "unknown": 1 }), "unknown"),
    ] {
        let (code, details) =
            refused(&mut peer, "jobs:enqueue", with(json!({ "type": "a" }), more.clone())).await;
        assert_eq!(code, "VALIDATION_ERROR", "{more}");
        let told = details["errors"].to_string();
        assert!(
            told.contains(place) || (place == "/type" && told.contains("is no type of jobs")),
            "{more}: {told}"
        );
    }
    for (method, payload) in [
        ("jobs:work", json!({ "worker": "", "concurrency": 1 })),
        ("jobs:work", json!({ "worker": "w", "concurrency": 0 })),
        ("jobs:lease", json!({ "worker": "w", "max": 101 })),
        ("jobs:get", json!({ "id": "1" })),
        ("jobs:purge", json!({ "status": "PENDING" })),
        ("jobs:replay", json!({ "status": "DONE" })),
        ("jobs:list", json!({ "status": "SLEEPING" })),
    ] {
        assert_eq!(
            refused(&mut peer, method, payload.clone()).await.0,
            "VALIDATION_ERROR",
            "{method} {payload}"
        );
    }
    enqueue(&mut peer, "a", json!({})).await;
    enqueue(&mut peer, "a", json!({ "delayMs": 60_000 })).await;
    let (code, details) = refused(&mut peer, "jobs:enqueue", json!({ "type": "a" })).await;
    assert_eq!((code.as_str(), details), ("QUEUE_FULL", json!({ "limit": 2 })));
}

#[tokio::test]
async fn a_commit_and_a_job_are_one_and_so_are_an_acknowledgement_and_its_effects() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    let enqueues =
        json!({ "op": "enqueue", "type": "a", "payload": "p", "dedupId": "d", "dedupReject": true });
    let set = json!({ "op": "set", "key": "order", "value": 1 });
    let checked = json!({ "checks": [{ "key": "order", "version": 7 }], "operations": [set, enqueues] });
    assert_eq!(ask(&mut peer, "kv:commit", checked).await["committed"], false);
    assert_eq!(ask(&mut peer, "jobs:stats", json!({})).await["counts"]["ready"], 0, "neither has happened");
    let both = json!({ "operations": [set, enqueues] });
    let done = ask(&mut peer, "kv:commit", both.clone()).await;
    let id = text(&done["results"][1]["id"]);
    assert_eq!((&done["committed"], &done["results"][1]["status"]), (&json!(true), &json!("PENDING")));
    let (code, details) = refused(&mut peer, "kv:commit", both).await;
    assert_eq!((code.as_str(), &details["id"]), ("CONFLICT", &json!(id)), "the same job, and nothing is set");
    let leased = ask(&mut peer, "jobs:lease", json!({ "worker": "w" })).await["jobs"][0].clone();
    let effects = json!([
        { "op": "increment", "key": "sent" },
        { "op": "enqueue", "type": "next", "payload": { "after": id } },
    ]);
    let ack = with(held(&leased), json!({ "effects": effects }));
    for repeated in [false, true] {
        assert_eq!(ask(&mut peer, "jobs:ack", ack.clone()).await["repeated"], repeated);
    }
    assert_eq!(
        ask(&mut peer, "kv:get", json!({ "key": "sent" })).await["value"],
        1,
        "once, however often it is said"
    );
    assert_eq!(ask(&mut peer, "jobs:stats", json!({})).await["types"]["next"]["ready"], 1);
    let next =
        ask(&mut peer, "jobs:lease", json!({ "worker": "w", "types": ["next"] })).await["jobs"][0].clone();
    let wrong =
        with(held(&next), json!({ "effects": [{ "op": "set", "key": "k", "value": 1, "ttlMs": 0 }] }));
    let (code, details) = refused(&mut peer, "jobs:ack", wrong).await;
    assert_eq!(
        (code.as_str(), &details["errors"][0]),
        ("VALIDATION_ERROR", &json!("/effects/0/ttlMs: must be more than 0"))
    );
    assert_eq!(
        job(&mut peer, &text(&next["id"])).await["status"],
        "IN_PROGRESS",
        "and nothing is acknowledged"
    );
}

#[tokio::test]
async fn no_more_of_a_type_are_leased_than_its_rules_allow() {
    let (server, clock) = at_will(|config| {
        let few = TypeOptions { concurrency: 2, ..TypeOptions::default() };
        let slow = TypeOptions { rate: 2, per: Span::secs(10), max_attempts: 7, ..TypeOptions::default() };
        config.jobs.types.insert("few".into(), few);
        config.jobs.types.insert("slow".into(), slow);
    });
    let mut peer = server.peer().await;
    for _ in 0..5 {
        enqueue(&mut peer, "few", json!({})).await;
        enqueue(&mut peer, "slow", json!({})).await;
    }
    let take = async |peer: &mut Peer, kind: &str, wait: u64| {
        let wish = json!({ "worker": "w", "types": [kind], "max": 10, "waitMs": wait });
        ask(peer, "jobs:lease", wish).await["jobs"].as_array().unwrap().clone()
    };
    let few = take(&mut peer, "few", 0).await;
    assert_eq!(few.len(), 2);
    assert!(take(&mut peer, "few", 0).await.is_empty());
    ask(&mut peer, "jobs:ack", held(&few[0])).await;
    assert_eq!(take(&mut peer, "few", 1_000).await.len(), 1, "one is done, one may begin");
    let slow = take(&mut peer, "slow", 0).await;
    assert_eq!((slow.len(), &slow[0]["maxAttempts"]), (2, &json!(7)));
    assert!(take(&mut peer, "slow", 0).await.is_empty());
    clock.advance_ms(5_000);
    assert_eq!(take(&mut peer, "slow", 6_000).await.len(), 1, "two in ten seconds");
}

#[tokio::test]
async fn a_worker_has_room_for_so_many_and_rests_when_it_says_so() {
    let server = TestServer::start();
    let (mut boss, mut worker) = (server.peer().await, server.peer().await);
    ask(&mut worker, "jobs:work", json!({ "worker": "w", "concurrency": 2 })).await;
    for _ in 0..5 {
        enqueue(&mut boss, "a", json!({})).await;
    }
    let (one, two) = (lease(&mut worker).await, lease(&mut worker).await);
    let stats = ask(&mut boss, "jobs:stats", json!({})).await;
    assert_eq!(
        stats["workers"],
        json!([{ "worker": "w", "types": [], "away": false, "running": 2, "concurrency": 2 }])
    );
    assert_eq!((&stats["counts"]["inProgress"], &stats["counts"]["ready"]), (&json!(2), &json!(3)));
    assert_eq!(
        ask(&mut worker, "jobs:rest", json!({ "worker": "w", "finish": true })).await,
        json!({ "running": 2 })
    );
    ask(&mut worker, "jobs:ack", held(&one)).await;
    let stats = ask(&mut boss, "jobs:stats", json!({})).await;
    assert_eq!(
        (&stats["counts"]["inProgress"], &stats["counts"]["ready"]),
        (&json!(1), &json!(3)),
        "it gets no more"
    );
    // What is left is given back, and has lost no attempt.
    ask(&mut worker, "jobs:rest", json!({ "worker": "w" })).await;
    let back = job(&mut boss, &text(&two["id"])).await;
    assert_eq!((&back["status"], &back["attempts"]), (&json!("PENDING"), &json!(0)));
    assert_eq!(back["history"][0]["outcome"], "released");
}

#[tokio::test]
async fn leases_go_on_after_a_break_and_end_with_their_session() {
    let server = TestServer::start();
    let mut boss = server.peer().await;
    let mut worker = MockStarling::connect(server.ws_url()).await;
    worker.request("jobs:work", json!({ "worker": "w", "concurrency": 3 })).await.unwrap();
    enqueue(&mut boss, "a", json!({})).await;
    let first = lease(worker.peer()).await;
    worker.cut();
    let away = async || {
        let stats = ask(&mut boss, "jobs:stats", json!({})).await;
        (stats["workers"][0]["away"] == true).then_some(())
    };
    found("it is away", away).await;
    // It keeps what it has, and gets no more: that is for whoever is there.
    let id = enqueue(&mut boss, "a", json!({})).await;
    let taken =
        ask(&mut boss, "jobs:lease", json!({ "worker": "v", "waitMs": 5_000 })).await["jobs"][0].clone();
    assert_eq!(taken["id"], id.as_str());
    ask(&mut boss, "jobs:ack", held(&taken)).await;
    let id = enqueue(&mut boss, "a", json!({})).await;
    assert!(worker.resume().await.recovered);
    let second = lease(worker.peer()).await;
    assert_eq!(second["id"], id.as_str());
    for given in [&first, &second] {
        let done = worker.request("jobs:ack", held(given)).await.unwrap();
        assert_eq!(done["status"], "DONE");
    }
    // A session that is over works no more: its jobs are tried again at once.
    enqueue(&mut boss, "a", json!({})).await;
    let third = lease(worker.peer()).await;
    worker.request("starling:end", Value::Null).await.unwrap();
    worker.cut();
    until("it is given up", || server.metrics().jobs.leases_expired.get() == 1).await;
    let other =
        ask(&mut boss, "jobs:lease", json!({ "worker": "v", "waitMs": 5_000 })).await["jobs"][0].clone();
    assert_eq!((&other["id"], &other["attempts"]), (&third["id"], &json!(2)));
}

#[tokio::test]
async fn a_worker_takes_its_leases_along_to_another_session() {
    let server = TestServer::start();
    let (mut boss, mut before) = (server.peer().await, server.peer().await);
    ask(&mut before, "jobs:work", json!({ "worker": "w", "concurrency": 2 })).await;
    for _ in 0..2 {
        enqueue(&mut boss, "a", json!({})).await;
    }
    let (one, two) = (lease(&mut before).await, lease(&mut before).await);
    let mut after = server.peer().await;
    let gone = json!({ "id": format!("j{}", "1".repeat(32)), "leaseToken": "0".repeat(32) });
    let work = json!({ "worker": "w", "concurrency": 2, "held": [held(&one), gone] });
    let answer = ask(&mut after, "jobs:work", work).await;
    assert_eq!(answer["lost"], json!([gone["id"]]), "of that nothing is known");
    before.close().await.unwrap();
    for given in [&one, &two] {
        assert_eq!(ask(&mut after, "jobs:ack", held(given)).await["status"], "DONE");
    }
    enqueue(&mut boss, "a", json!({})).await;
    lease(&mut after).await;
}

#[tokio::test]
async fn what_is_over_is_kept_for_its_time_listed_page_by_page_and_cleared_away() {
    let (server, clock) = at_will(|config| config.jobs.retention = Span::secs(100));
    let mut peer = server.peer().await;
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(enqueue(&mut peer, "a", json!({ "payload": "x".repeat(4_000) })).await);
        ask(&mut peer, "jobs:cancel", json!({ "id": ids.last() })).await;
        clock.advance_ms(1_000);
    }
    let (mut found, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let page =
            ask(&mut peer, "jobs:list", json!({ "status": "CANCELLED", "limit": 3, "cursor": cursor })).await;
        found.extend(page["jobs"].as_array().unwrap().iter().map(|job| text(&job["id"])));
        cursor = page["cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(found, ids);
    let all = ask(&mut peer, "jobs:list", json!({ "limit": 3 })).await;
    assert_eq!(
        (text(&all["jobs"][0]["id"]), all["jobs"].as_array().unwrap().len()),
        (ids[0].clone(), 3),
        "by age"
    );
    let old = json!({ "status": "CANCELLED", "before": clock.now_ms() - 4_000 });
    assert_eq!(ask(&mut peer, "jobs:purge", old).await, json!({ "purged": 3 }));
    clock.advance_ms(100_000);
    until("they are forgotten", || server.store().view().count(b"job:j") == 0).await;
    until("with all that belonged to them", || server.store().view().count(b"queue:") == 0).await;
    assert_eq!(refused(&mut peer, "jobs:get", json!({ "id": ids[6] })).await.0, "NOT_FOUND");
}

#[tokio::test]
async fn events_are_chosen_by_their_tags() {
    let server = TestServer::start();
    let (mut boss, mut listener) = (server.peer().await, server.peer().await);
    let filter = json!({ "type": "a", "event": ["acked", "nacked"] });
    ask(&mut listener, "topic:subscribe", json!({ "topic": "jobs:events", "filter": filter })).await;
    for kind in ["b", "a"] {
        enqueue(&mut boss, kind, json!({})).await;
        let given =
            ask(&mut boss, "jobs:lease", json!({ "worker": "w", "types": [kind] })).await["jobs"][0].clone();
        ask(&mut boss, "jobs:ack", held(&given)).await;
    }
    let told =
        listener.expect(|it| matches!(it, Received::Notification { published: Some(_), .. })).await.unwrap();
    let Received::Notification { data, topic, .. } = told else { unreachable!() };
    assert_eq!(
        (topic.as_str(), &data["type"], &data["event"]),
        ("jobs:events", &json!("a"), &json!("acked"))
    );
    // Nobody makes events up.
    let publish = json!({ "topic": "jobs:events", "data": 1 });
    assert_eq!(refused(&mut boss, "topic:publish", publish).await.0, "PERMISSION_DENIED");
}

#[tokio::test]
async fn whoever_waits_and_hangs_up_takes_nothing_along() {
    let server = TestServer::start();
    let mut boss = server.peer().await;
    for round in 0..20 {
        let waits = server.peer().await;
        let mut waits = waits;
        waits.send_request("jobs:lease", Some(&json!({ "worker": "gone", "waitMs": 30_000 }))).await.unwrap();
        until("it waits", || server.metrics().in_flight.get() > 0).await;
        drop(waits);
        until("it is gone", || server.metrics().in_flight.get() == 0).await;
        let id = enqueue(&mut boss, "a", json!({})).await;
        let taken = ask(&mut boss, "jobs:lease", json!({ "worker": "here", "waitMs": 5_000 })).await;
        assert_eq!(taken["jobs"][0]["id"], id.as_str(), "round {round}");
        ask(&mut boss, "jobs:ack", held(&taken["jobs"][0])).await;
    }
    tokio::time::timeout(Duration::from_secs(1), boss.close()).await.unwrap().unwrap();
}
