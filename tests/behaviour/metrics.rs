//! Every metric moves.

use std::collections::HashMap;

use helios::base::ByteSize;
use helios::dispatch::{Anything, Context, MethodError, MethodOptions, Responder};
use helios::testing::TestServer;
use serde_json::json;

use crate::http::{ask, get};
use crate::raw::RawSocket;
use crate::wait::until;

async fn panics(_: Context, _: Anything) -> Result<(), MethodError> {
    panic!("on purpose")
}

/// The page as numbers by name with labels.
async fn page(server: &TestServer) -> HashMap<String, f64> {
    let text = get(server, "/metrics").await.2;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn every_metric_moves() {
    let server = TestServer::start_with(
        |config| config.connections.outbox_bytes_max = ByteSize::kib(64),
        |builder| {
            builder.method("bad:panic", panics).raw_method(
                "bad:twice",
                MethodOptions::default(),
                |_, _, responder: Responder| async move {
                    let _ = (responder.succeed(1), responder.succeed(2));
                },
            )
        },
    );
    let mut peer = server.plain_peer().await;
    peer.request("demo:echo", &json!(1)).await.unwrap();
    peer.request("bad:twice", &json!(1)).await.unwrap();
    for method in ["no:method", "bad:panic", "demo:fail"] {
        peer.request(method, &json!(null)).await.unwrap_err();
    }
    peer.notify("a:topic", &json!(1)).await.unwrap();
    peer.send_text("text").await.unwrap();
    peer.send_text("[1]").await.unwrap();
    peer.send_binary(vec![1]).await.unwrap();
    let envelope =
        |rest: &str| format!(r#"{{"protocol":"helios-starling","version":"1.0.0","timestamp":1,{rest}}}"#);
    let id = "00000000-0000-4000-8000-000000000000";
    for rest in [
        r#""type":"ping""#.to_owned(),
        r#""type":"error","error":{"code":"X","message":"y"}"#.to_owned(),
        format!(r#""type":"ack","messageId":"{id}""#),
        format!(r#""type":"response","requestId":"{id}","success":true"#),
        r#""peer":true,"type":"notification","notification":{"topic":"a"}"#.to_owned(),
    ] {
        peer.send_text(envelope(&rest)).await.unwrap();
    }
    let slow = peer.send_request("demo:slow", Some(&json!({"ms": 300}))).await.unwrap();
    until("it runs", || server.metrics().in_flight.get() == 1).await;
    assert_eq!(page(&server).await["helios_requests_in_flight"], 1.0);
    peer.answer(&slow).await.unwrap();
    let call = peer.send_request("demo:callme", Some(&json!({"method": "a:b"}))).await.unwrap();
    let received = peer.expect(|it| matches!(it, helios::peer::Received::Request { .. })).await.unwrap();
    let helios::peer::Received::Request { id: called, .. } = received else { panic!() };
    peer.respond(&called, &json!(1)).await.unwrap();
    peer.answer(&call).await.unwrap();
    RawSocket::refused(server.address(), &crate::raw::handshake("/metrics", "")).await;

    let lazy = RawSocket::open(server.address(), "/").await;
    until("it is there", || server.starlings().count() == 2).await;
    let data = json!("x".repeat(30_000));
    let mut most = 0;
    for _ in 0..2_000 {
        if server.metrics().slow_consumers.get() > 0 {
            break;
        }
        let idle =
            |starling: &helios::dispatch::Starling| starling.extensions().with(|seen: &mut bool| !*seen);
        server.starlings().broadcast("flood", &data, idle).unwrap();
        most = most.max(server.metrics().outbox_bytes.get());
        tokio::time::sleep(std::time::Duration::from_micros(200)).await;
        while server.metrics().slow_consumers.get() == 0
            && tokio::time::timeout(std::time::Duration::from_micros(1), peer.receive()).await.is_ok()
        {
        }
    }
    drop(lazy);
    assert!(most > 0, "bytes waited for somebody");
    until("it is gone", || server.metrics().slow_consumers.get() >= 1).await;
    ask(&server, "GET", "/health", &[]).await;

    let page = page(&server).await;
    for name in [
        r#"helios_requests_total{endpoint="demo:echo",method="WS",status="ok"}"#,
        r#"helios_requests_total{endpoint="demo:fail",method="WS",status="application"}"#,
        r#"helios_requests_total{endpoint="unknown",method="WS",status="METHOD_NOT_FOUND"}"#,
        r#"helios_requests_total{endpoint="/health",method="GET",status="200"}"#,
        r#"helios_request_duration_seconds_count{endpoint="demo:echo",method="WS"}"#,
        r#"helios_request_duration_seconds_count{endpoint="/metrics",method="GET"}"#,
        r#"helios_errors_total{code="METHOD_ERROR"}"#,
        r#"helios_errors_total{code="PROTOCOL_VIOLATION"}"#,
        r#"helios_errors_total{code="PROXY_FORBIDDEN"}"#,
        "helios_protocol_violations_total",
        "helios_connections_opened_total",
        r#"helios_connections_refused_total{reason="route"}"#,
        "helios_received_bytes_total",
        "helios_sent_bytes_total",
        r#"helios_messages_received_total{kind="request"}"#,
        r#"helios_messages_received_total{kind="response"}"#,
        r#"helios_messages_received_total{kind="notification"}"#,
        r#"helios_messages_received_total{kind="error"}"#,
        r#"helios_messages_received_total{kind="ack"}"#,
        r#"helios_messages_received_total{kind="text"}"#,
        r#"helios_messages_received_total{kind="json"}"#,
        r#"helios_messages_received_total{kind="binary"}"#,
        r#"helios_messages_received_total{kind="refused"}"#,
        "helios_slow_consumers_total",
        "helios_handler_panics_total",
        "helios_late_answers_total",
        r#"helios_peer_messages_total{outcome="refused"}"#,
        r#"helios_callbacks_total{outcome="sent"}"#,
        r#"helios_callbacks_total{outcome="answered"}"#,
        "helios_uptime_seconds",
    ] {
        assert!(
            page.get(name).is_some_and(|value| *value > 0.0),
            "{name} did not move: {:?}",
            page.get(name)
        );
    }
    drop(peer);
    until("everybody is gone", || server.metrics().connections.get() == 0).await;
    let closed: f64 = self::page(&server)
        .await
        .iter()
        .filter(|(name, _)| name.starts_with("helios_connections_closed_total"))
        .map(|(_, value)| value)
        .sum();
    assert_eq!(closed, page["helios_connections_opened_total"]);
}

#[tokio::test]
async fn what_peers_make_up_never_becomes_a_label() {
    let server = TestServer::start();
    let mut peer = server.plain_peer().await;
    for n in 0..20 {
        peer.request(&format!("made:up{n}"), &json!(null)).await.unwrap_err();
        peer.request("demo:fail", &json!({"code": format!("MADE_UP_{n}")})).await.unwrap_err();
        ask(&server, &format!("MADEUP{n}"), &format!("/made/up/{n}"), &[]).await;
    }
    let text = get(&server, "/metrics").await.2.to_lowercase();
    assert!(!text.contains("made"), "{text}");
}

#[tokio::test]
async fn the_page_can_be_switched_off() {
    let server = TestServer::start_with(|config| config.telemetry.metrics = false, |builder| builder);
    assert_eq!(get(&server, "/metrics").await.0, 404);
}

#[tokio::test]
async fn every_metric_of_topics_moves() {
    let server = TestServer::start();
    let (mut ann, mut bob) = (server.peer().await, server.peer().await);
    let first = ann.request("topic:publish", &json!({"topic": "demo:a", "data": 1})).await.unwrap();
    for since in [first["position"].clone(), json!("00000000-1")] {
        bob.request("topic:subscribe", &json!({"topic": "demo:a", "since": since})).await.unwrap();
    }
    ann.request("topic:publish", &json!({"topic": "demo:a", "data": 2})).await.unwrap();
    let page = page(&server).await;
    for (name, wanted) in [
        ("helios_topics", 1.0),
        ("helios_topic_subscribers", 1.0),
        ("helios_topic_publications_total", 2.0),
        ("helios_topic_deliveries_total", 1.0),
        ("helios_topic_fanout_seconds_count", 2.0),
        ("helios_topic_recoveries_total{outcome=\"recovered\"}", 1.0),
        ("helios_topic_recoveries_total{outcome=\"other_history\"}", 1.0),
    ] {
        assert_eq!(page.get(name), Some(&wanted), "{name}");
    }
    assert!(page["helios_topic_history_bytes"] > 0.0);
}

#[tokio::test]
async fn every_metric_of_universes_moves() {
    let quick = |config: &mut helios::config::Config| {
        config.universes.checkpoint_interval = helios::base::Span::millis(10);
        config.universes.cache_bytes = ByteSize::kib(8);
    };
    let server = TestServer::start_with(quick, |builder| builder);
    let mut peer = server.peer().await;
    let made = peer.request("universe:create", &json!({ "count": 2, "state": { "a": 1 } })).await.unwrap();
    let ids: Vec<_> = (0..2).map(|at| made["universes"][at]["id"].clone()).collect();
    let mut kept = Vec::new();
    for step in 0..20 {
        let updates = json!({ "universe": ids[0], "updates": { "step": step } });
        peer.request("universe:update", &updates).await.unwrap();
        let commit = peer.request("universe:commit", &json!({ "universe": ids[0] })).await.unwrap();
        kept.push(commit["commitId"].clone());
    }
    peer.request("universe:delete", &json!({ "universe": ids[1] })).await.unwrap();
    let moved = ["objects", "object_file_bytes", "object_cache_hits_total", "object_cache_evictions_total"];
    let moved = moved.map(|name| format!("helios_universe_{name}"));
    let begin = std::time::Instant::now();
    loop {
        for (from, to) in kept.iter().zip(&kept[1..]).flat_map(|pair| [pair, pair]) {
            peer.request("universe:diff", &json!({ "from": from, "to": to })).await.unwrap();
        }
        let page = page(&server).await;
        if moved.iter().all(|name| page.get(name).is_some_and(|value| *value > 0.0)) {
            break;
        }
        assert!(begin.elapsed() < crate::wait::PATIENCE, "history is not read from the disk");
    }
    let page = page(&server).await;
    for (name, least) in [
        ("helios_universes", 1.0),
        ("helios_universes_created_total", 2.0),
        ("helios_universes_peak", 2.0),
        ("helios_universe_creation_seconds_count", 1.0),
        ("helios_universes_deleted_total", 1.0),
        ("helios_universe_operations_total", 42.0),
        ("helios_universe_operation_seconds_count", 1.0),
        ("helios_universe_object_cache_misses_total", 1.0),
        ("helios_universe_object_cache_bytes", 1.0),
    ] {
        assert!(page.get(name).is_some_and(|value| *value >= least), "{name}: {:?}", page.get(name));
    }
    for name in ["failures_total", "checkpoint_failures_total", "overlay_bytes", "batch_operations_total"] {
        assert!(page.contains_key(&format!("helios_universe_{name}")), "{name}");
    }
}

#[tokio::test]
async fn every_metric_of_the_store_moves() {
    let server = TestServer::start_with(
        |config| {
            config.atlas.listen = "127.0.0.1:0".into();
            config.store.value_bytes_max = ByteSize(1_000);
        },
        |builder| builder,
    );
    let mut peer = server.peer().await;
    peer.request("kv:watch", &json!({})).await.unwrap();
    peer.request("kv:set", &json!({"key": "a", "value": 1, "ttlMs": 1_000})).await.unwrap();
    peer.request("kv:set", &json!({"key": "b", "value": 1})).await.unwrap();
    peer.request("kv:set", &json!({"key": "b", "value": "x".repeat(2_000)})).await.unwrap_err();
    let mut port = tokio::net::TcpStream::connect(server.atlas_address().unwrap()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut port, b"GET kv:b\r\nGET\r\n").await.unwrap();
    tokio::io::AsyncReadExt::read_exact(&mut port, &mut [0; 10]).await.unwrap();
    server.store().snapshot().await.unwrap();
    let atlas = &server.metrics().atlas;
    until("it is measured", || atlas.expired_keys.get() == 1 && atlas.watches.get() >= 1).await;
    let page = page(&server).await;
    for name in [
        "atlas_aof_bytes_total",
        "atlas_aof_size_bytes",
        "atlas_snapshot_duration_seconds_count",
        "atlas_store_keys",
        "atlas_store_bytes",
        r#"atlas_commands_total{cmd="get",result="ok"}"#,
        r#"atlas_commands_total{cmd="get",result="error"}"#,
        r#"atlas_command_duration_seconds_count{cmd="get"}"#,
        "atlas_fsync_duration_seconds_count",
        "atlas_commits_total",
        "atlas_expired_keys_total",
        "atlas_recovery_seconds",
        "atlas_connections",
        r#"atlas_refused_total{limit="value"}"#,
        "atlas_writable",
        "atlas_watches",
    ] {
        assert!(page.get(name).is_some_and(|value| *value > 0.0), "{name}: {:?}", page.get(name));
    }
}

#[tokio::test]
async fn every_metric_of_jobs_moves() {
    let server = TestServer::start_with(|config| config.jobs.backoff = helios::base::Span::millis(0), |b| b);
    let mut peer = server.peer().await;
    let enqueue = json!({ "type": "a", "maxAttempts": 1, "visibilityTimeout": 1 });
    let mut tokens = Vec::new();
    for _ in 0..3 {
        peer.request("jobs:enqueue", &enqueue).await.unwrap();
        let leased = peer.request("jobs:lease", &json!({ "worker": "w" })).await.unwrap();
        tokens.push(json!({ "id": leased["jobs"][0]["id"], "leaseToken": leased["jobs"][0]["leaseToken"] }));
    }
    peer.request("jobs:ack", &tokens[0]).await.unwrap();
    peer.request("jobs:nack", &tokens[1]).await.unwrap();
    until("the third lease ends with its time", || server.metrics().jobs.leases_expired.get() == 1).await;
    until("it is measured", || server.metrics().jobs.dead_letters.get() == 2).await;
    let page = page(&server).await;
    for (name, value) in [
        ("worker_jobs_enqueued_total", 3.0),
        ("worker_jobs_dequeued_total", 3.0),
        ("worker_jobs_completed_total", 1.0),
        ("worker_jobs_failed_total", 1.0),
        ("worker_lease_expired_total", 1.0),
        ("worker_dlq_depth", 2.0),
        (r#"worker_job_queue_depth{status="DLQ"}"#, 2.0),
        (r#"worker_job_queue_depth{status="DONE"}"#, 1.0),
        (r#"worker_job_queue_depth{status="PENDING"}"#, 0.0),
        (r#"worker_job_duration_seconds_count{type="a"}"#, 1.0),
        ("worker_job_wait_seconds_count", 3.0),
    ] {
        assert_eq!(page[name], value, "{name}");
    }
}
