//! Jobs over sockets, several at a time.

use helios::base::ByteSize;
use helios::peer::{Peer, Received};
use helios::testing::TestServer;
use serde_json::{Value, json};

use crate::jobs::{ask, enqueue, held, job, refused, with};
use crate::wait::until;

/// The next leases that are brought to worker `w`.
async fn some_leases(peer: &mut Peer) -> Vec<Value> {
    let fits = |it: &Received| matches!(it, Received::Notification { topic, .. } if topic == "jobs:leases");
    match peer.expect(fits).await {
        Ok(Received::Notification { data, .. }) => {
            assert_eq!(data["workerId"], "w");
            data["jobs"].as_array().unwrap().clone()
        }
        other => panic!("no leases come: {other:?}"),
    }
}

#[tokio::test]
async fn several_are_enqueued_leased_and_acknowledged_at_once_each_for_itself() {
    let server = TestServer::start();
    let (mut boss, mut worker) = (server.peer().await, server.peer().await);
    let new = |n: u64| json!({ "type": "a", "payload": n });
    let same = |n: u64| with(new(n), json!({ "dedupId": "same" }));
    let unlike = with(same(4), json!({ "dedupReject": true }));
    let jobs = json!({ "jobs": [new(0), same(1), same(2), new(3), unlike] });
    let made = ask(&mut boss, "jobs:enqueueEach", jobs).await["jobs"].clone();
    let ids: Vec<&str> = (0..4).map(|n| made[n]["id"].as_str().unwrap()).collect();
    assert_eq!((ids[1], &made[2]["duplicate"]), (ids[2], &json!(true)), "each sees those before it");
    let error = json!({ "code": "CONFLICT", "message": made[4]["error"]["message"], "details": { "duplicate": true, "id": ids[1] } });
    assert_eq!(made[4], json!({ "error": error }));

    ask(&mut worker, "jobs:work", json!({ "worker": "w", "concurrency": 5, "together": true })).await;
    let mut leases = Vec::new();
    while leases.len() < 3 {
        leases.extend(some_leases(&mut worker).await);
    }
    let payloads: Vec<_> = leases.iter().map(|lease| lease["payload"].clone()).collect();
    assert_eq!(payloads, [json!(0), json!(1), json!(3)], "in their order");
    let first = job(&mut boss, ids[0]).await;
    let known = |(name, _): &(&String, &Value)| !["leaseToken", "workerId"].contains(&name.as_str());
    for (name, value) in leases[0].as_object().unwrap().iter().filter(known) {
        assert_eq!(&first[name], value, "{name}");
    }

    let with_effect = with(
        held(&leases[0]),
        json!({ "result": 7, "effects": [
        { "op": "set", "key": "of", "value": 1 }, { "op": "enqueue", "type": "next" },
    ] }),
    );
    let wrong = with(held(&leases[1]), json!({ "leaseToken": "0".repeat(32) }));
    let topicless =
        with(held(&leases[2]), json!({ "effects": [{ "op": "publish", "topic": "?", "data": 1 }] }));
    let acks = json!({ "acks": [with_effect, wrong, topicless, with_effect] });
    let told = ask(&mut worker, "jobs:ackEach", acks).await["acks"].clone();
    assert_eq!((&told[0]["status"], &told[0]["repeated"]), (&json!("DONE"), &json!(false)));
    assert_eq!(told[1]["error"]["code"], "LEASE_LOST");
    assert_eq!(told[2]["error"]["code"], "PERMISSION_DENIED");
    assert_eq!((&told[3]["status"], &told[3]["repeated"]), (&json!("DONE"), &json!(true)));
    assert_eq!(ask(&mut boss, "kv:get", json!({ "key": "of" })).await["value"], 1);
    assert_eq!(job(&mut boss, ids[0]).await["result"], 7);
    until("the next one is brought", || server.metrics().jobs.dequeued.get() == 4).await;
    assert_eq!(server.metrics().jobs.enqueued.get(), 4, "what was said twice has happened once");

    for (method, member) in [("jobs:enqueueEach", "jobs"), ("jobs:ackEach", "acks")] {
        for items in [json!([]), json!(vec![if member == "jobs" { new(0) } else { held(&leases[1]) }; 1_001])]
        {
            let (code, details) = refused(&mut boss, method, json!({ member: items })).await;
            assert_eq!(code, "VALIDATION_ERROR");
            assert!(details.to_string().contains("must have from 1 to 1000 items"), "{details}");
        }
    }
    let (code, details) =
        refused(&mut boss, "jobs:enqueueEach", json!({ "jobs": [new(0), { "type": 1 }] })).await;
    assert_eq!(code, "VALIDATION_ERROR");
    assert!(details.to_string().contains("/jobs/1"), "{details}");
}

#[tokio::test]
async fn leases_that_do_not_fit_into_one_message_come_in_several() {
    let server =
        TestServer::start_with(|config| config.connections.message_bytes_max = ByteSize(40_000), |it| it);
    let (mut boss, mut worker) = (server.peer().await, server.peer().await);
    for n in 0..3 {
        enqueue(&mut boss, "a", json!({ "payload": [n, "x".repeat(20_000)] })).await;
    }
    ask(&mut worker, "jobs:work", json!({ "worker": "w", "concurrency": 9, "together": true })).await;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen.extend(some_leases(&mut worker).await.iter().map(|job| job["payload"][0].clone()));
    }
    assert_eq!(seen, [json!(0), json!(1), json!(2)]);
}

#[tokio::test]
async fn a_worker_gets_its_next_jobs_with_its_acknowledgement_in_their_order_and_no_more_than_it_has_room_for()
 {
    let server = TestServer::start();
    let (mut boss, mut worker) = (server.peer().await, server.peer().await);
    let jobs: Vec<_> = (0..9).map(|n| json!({ "type": "a", "payload": n, "priority": n % 2 })).collect();
    ask(&mut boss, "jobs:enqueueEach", json!({ "jobs": jobs })).await;
    ask(&mut worker, "jobs:work", json!({ "worker": "w", "concurrency": 2, "together": true })).await;
    let mut seen = Vec::new();
    while seen.len() < 9 {
        let leases = some_leases(&mut worker).await;
        seen.extend(leases.iter().map(|lease| lease["payload"].as_u64().unwrap()));
        let stats = ask(&mut boss, "jobs:stats", json!({})).await;
        assert!(stats["counts"]["inProgress"].as_u64().unwrap() <= 2, "{stats}");
        ask(&mut worker, "jobs:ackEach", json!({ "acks": leases.iter().map(held).collect::<Value>() })).await;
        // Of those that wait as many follow, in the same flush: they are there with the answer.
        assert_eq!(server.store().view().count(b"queue:leased:"), 2.min(9 - seen.len()));
    }
    assert_eq!(seen, [1, 3, 5, 7, 0, 2, 4, 6, 8]);
    // Nothing follows for one that rests.
    ask(&mut boss, "jobs:enqueueEach", json!({ "jobs": jobs[..4] })).await;
    let mut leases = some_leases(&mut worker).await;
    while leases.len() < 2 {
        leases.extend(some_leases(&mut worker).await);
    }
    ask(&mut worker, "jobs:rest", json!({ "worker": "w", "finish": true })).await;
    ask(&mut worker, "jobs:ackEach", json!({ "acks": leases.iter().map(held).collect::<Value>() })).await;
    let stats = ask(&mut boss, "jobs:stats", json!({})).await;
    assert_eq!(
        (&stats["counts"]["inProgress"], &stats["workers"][0]["running"]),
        (&json!(0), &json!(0)),
        "{stats}"
    );
}

#[tokio::test]
async fn a_job_is_brought_whose_enqueuer_has_hung_up_before_its_answer() {
    use tokio::io::AsyncWriteExt;
    let server = TestServer::start();
    let mut worker = server.peer().await;
    ask(&mut worker, "jobs:work", json!({ "worker": "w", "concurrency": 100, "together": true })).await;
    for n in 0..20 {
        let body = json!({ "type": "a", "payload": { "n": n } }).to_string();
        let head =
            "POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ";
        let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
        drop(stream);
        let view = || server.store().view();
        let brought = || view().count(b"job:") == n + 1 && view().count(b"queue:leased:") == n + 1;
        until("it is brought", brought).await;
    }
}
