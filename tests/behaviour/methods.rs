//! Methods: their forms, their rules, and what a caller gets when they misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use helios::app::HeliosBuilder;
use helios::dispatch::{Anything, Context, MethodError, MethodOptions, Reply, Responder, SendError};
use helios::peer::{CallFailure, Peer, PeerError, Received};
use helios::protocol::{ErrorCode, Payload};
use helios::testing::TestServer;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::wait::until;

fn server(build: impl FnOnce(HeliosBuilder) -> HeliosBuilder + Send + 'static) -> TestServer {
    TestServer::start_with(|_| {}, build)
}

async fn failure(peer: &mut Peer, method: &str, payload: &Value) -> CallFailure {
    match peer.request(method, payload).await {
        Err(PeerError::Failed(failure)) => failure,
        other => panic!("{method} does not fail: {other:?}"),
    }
}

#[derive(Deserialize, JsonSchema)]
struct Add {
    a: i64,
    b: i64,
}

async fn add(_: Context, params: Add) -> Result<i64, MethodError> {
    Ok(params.a + params.b)
}

#[tokio::test]
async fn parameters_are_typed_and_mistakes_in_them_named() {
    let server = server(|builder| {
        let checked =
            MethodOptions { validator: Some(Arc::new(|_| Err(vec!["never".into()]))), ..Default::default() };
        builder
            .method("sum:add", add)
            .method_with("sum:schema", MethodOptions::described("Adds.").with_schema_of::<Add>(), add)
            .method_with("sum:checked", checked, add)
    });
    let mut peer = server.peer().await;
    assert_eq!(peer.request("sum:add", &json!({"a": 1, "b": 2})).await.unwrap(), json!(3));
    let error = failure(&mut peer, "sum:add", &json!({"a": 1, "b": "x"})).await;
    assert_eq!((error.code.as_str(), error.message.as_str()), ("VALIDATION_ERROR", "Invalid method payload"));
    assert!(error.details["errors"][0].as_str().unwrap().contains("invalid type: string"), "{error}");
    let error = failure(&mut peer, "sum:schema", &json!({"a": "x", "b": 1.5})).await;
    let errors = error.details["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "all at once: {error}");
    assert!(errors[0].as_str().unwrap().starts_with("/a: "), "{error}");
    let error = failure(&mut peer, "sum:checked", &json!({"a": 1, "b": 2})).await;
    assert_eq!(error.details, json!({"errors": ["never"]}));
}

#[tokio::test]
async fn a_panic_fails_its_request_and_nothing_else() {
    async fn later(_: Context, _: Anything) -> Result<(), MethodError> {
        tokio::task::yield_now().await;
        panic!("secret inner text");
    }
    let server = server(|builder| {
        builder.method("bad:later", later).method(
            "bad:now",
            |_: Context, _: Anything| -> std::future::Ready<Result<(), MethodError>> {
                panic!("secret inner text")
            },
        )
    });
    let mut peer = server.peer().await;
    for method in ["bad:now", "bad:later"] {
        let error = failure(&mut peer, method, &json!(null)).await;
        assert_eq!(
            (error.code.as_str(), error.message.as_str()),
            ("METHOD_ERROR", "Method execution failed")
        );
        assert_eq!(error.details, Value::Null, "nothing leaks");
    }
    assert_eq!(server.metrics().handler_panics.get(), 2);
    assert_eq!(peer.request("demo:echo", &json!(1)).await.unwrap(), json!(1));
}

#[tokio::test]
async fn a_slow_method_is_given_up_and_told() {
    let told = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&told);
    let server = server(move |builder| {
        let options = MethodOptions::default().with_timeout(Duration::from_millis(50));
        builder.method_with("slow:method", options, move |ctx: Context, _: Anything| {
            let (token, seen) = (ctx.cancellation(), Arc::clone(&seen));
            actix_rt::spawn(async move {
                token.cancelled().await;
                seen.store(true, Ordering::SeqCst);
            });
            async move {
                assert!(ctx.remaining() <= Duration::from_millis(50));
                std::future::pending::<()>().await;
                Ok::<_, MethodError>(())
            }
        })
    });
    let mut peer = server.peer().await;
    let error = failure(&mut peer, "slow:method", &json!(null)).await;
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("REQUEST_TIMEOUT", "Method execution timed out after 50ms")
    );
    until("the handler was told", || told.load(Ordering::SeqCst)).await;
    until("nothing runs any more", || server.metrics().in_flight.get() == 0).await;
}

#[tokio::test]
async fn a_handler_is_told_when_the_peer_has_gone_and_may_finish() {
    let (told, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (seen, finished) = (Arc::clone(&told), Arc::clone(&done));
    let server = server(move |builder| {
        builder.method("work:long", move |ctx: Context, _: Anything| {
            let (seen, finished) = (Arc::clone(&seen), Arc::clone(&finished));
            async move {
                ctx.notify("work:started", &json!(null))?;
                ctx.cancelled().await;
                seen.store(true, Ordering::SeqCst);
                tokio::task::yield_now().await;
                finished.store(true, Ordering::SeqCst);
                Ok::<_, MethodError>(())
            }
        })
    });
    let mut peer = server.peer().await;
    peer.send_request("work:long", None).await.unwrap();
    peer.expect(|it| matches!(it, Received::Notification { topic, .. } if topic == "work:started"))
        .await
        .unwrap();
    drop(peer);
    until("it was told", || told.load(Ordering::SeqCst)).await;
    until("it finished", || done.load(Ordering::SeqCst)).await;
}

async fn twice(_: Context, _: Option<Payload>, responder: Responder) {
    responder.succeed(1).unwrap();
    responder.succeed(2).unwrap_err();
    responder.fail(ErrorCode::InternalError.into()).unwrap_err();
}

async fn never(_: Context, _: Option<Payload>, responder: Responder) {
    drop(responder);
}

#[tokio::test]
async fn a_raw_handler_that_answers_twice_or_never_gives_one_right_answer() {
    let server = server(|builder| {
        builder
            .raw_method("raw:twice", MethodOptions::default(), twice)
            .raw_method("raw:never", MethodOptions::default(), never)
            .raw_method(
                "raw:goes_on",
                MethodOptions::default(),
                |ctx: Context, _, responder: Responder| async move {
                    responder.succeed("early").unwrap();
                    tokio::task::yield_now().await;
                    ctx.starling().notify("raw:late", &json!("still here")).unwrap();
                },
            )
    });
    let mut peer = server.peer().await;
    assert_eq!(peer.request("raw:twice", &json!(null)).await.unwrap(), json!(1));
    assert_eq!(server.metrics().late_answers.get(), 2);
    let error = failure(&mut peer, "raw:never", &json!(null)).await;
    assert_eq!(error.message, "Method handler did not provide a response");
    assert_eq!(peer.request("raw:goes_on", &json!(null)).await.unwrap(), json!("early"));
    let Received::Notification { topic, .. } = peer.receive().await.unwrap() else { panic!() };
    assert_eq!(topic, "raw:late");
}

#[tokio::test]
async fn progress_warnings_and_notifications_come_before_the_answer() {
    let server = server(|builder| {
        builder.method("talk:much", |ctx: Context, _: Anything| async move {
            ctx.warn("careful")?;
            ctx.progress(-5.0, None, None)?;
            ctx.progress(33.5, Some("working"), Some(&json!({"d": 1})))?;
            ctx.progress(500.0, None, None)?;
            ctx.notify("talk:tick", &7)?;
            assert!(ctx.notify("not a topic", &7).is_err());
            Ok::<_, MethodError>("done")
        })
    });
    let mut peer = server.plain_peer().await;
    let asked = peer.send_request("talk:much", None).await.unwrap().to_string();
    let expected = [
        ("warn", json!({"message": "careful"})),
        ("progress", json!({"type": "progress", "progress": 0})),
        ("progress", json!({"type": "progress", "progress": 33.5, "status": "working", "details": {"d": 1}})),
        ("progress", json!({"type": "progress", "progress": 100})),
        ("talk:tick", json!(7)),
    ];
    for (wanted, content) in expected {
        let Received::Notification { request_id, topic, data, .. } = peer.receive().await.unwrap() else {
            panic!()
        };
        assert_eq!((request_id.as_ref(), topic.as_str(), data), (Some(&asked), wanted, content));
    }
    let Received::Response { id, result, .. } = peer.receive().await.unwrap() else { panic!() };
    assert_eq!((id, result), (asked, Ok(json!("done"))));
}

#[tokio::test]
async fn nothing_is_told_of_a_request_after_its_answer() {
    let kept: Arc<Mutex<Option<Context>>> = Arc::default();
    let slot = Arc::clone(&kept);
    let server = server(move |builder| {
        builder.method("talk:late", move |ctx: Context, _: Anything| {
            *slot.lock() = Some(ctx);
            async { Ok::<_, MethodError>(()) }
        })
    });
    let mut peer = server.peer().await;
    peer.request("talk:late", &json!(null)).await.unwrap();
    let ctx = kept.lock().take().unwrap();
    assert!(matches!(ctx.notify("talk:tick", &1), Err(SendError::Answered)));
    assert!(ctx.progress(50.0, None, None).is_err() && ctx.warn("late").is_err());
}

#[tokio::test]
async fn calls_run_side_by_side_and_answers_come_as_they_are_done() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    let slow = peer.send_request("demo:slow", Some(&json!({"ms": 200, "value": "slow"}))).await.unwrap();
    let fast = peer.send_request("demo:slow", Some(&json!({"ms": 1, "value": "fast"}))).await.unwrap();
    let order: Vec<String> = [peer.receive().await.unwrap(), peer.receive().await.unwrap()]
        .into_iter()
        .map(|received| match received {
            Received::Response { id, .. } => id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(order, [fast.to_string(), slow.to_string()]);
}

#[tokio::test]
async fn a_method_runs_at_most_as_often_as_it_may() {
    let (gate, running) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (held, seen) = (Arc::clone(&gate), Arc::clone(&running));
    let server = server(move |builder| {
        let options = MethodOptions { concurrency: Some(2), ..Default::default() };
        builder.method_with("few:only", options, move |_: Context, _: Anything| {
            let (held, seen) = (Arc::clone(&held), Arc::clone(&seen));
            async move {
                seen.fetch_add(1, Ordering::SeqCst);
                held.acquire().await.unwrap().forget();
                Ok::<_, MethodError>(())
            }
        })
    });
    let mut peer = server.peer().await;
    let ids = [
        peer.send_request("few:only", None).await.unwrap(),
        peer.send_request("few:only", None).await.unwrap(),
    ];
    until("two run", || running.load(Ordering::SeqCst) == 2).await;
    assert_eq!(failure(&mut peer, "few:only", &json!(null)).await.code, "METHOD_BUSY");
    gate.add_permits(3);
    for id in ids {
        peer.answer(&id).await.unwrap();
    }
    peer.request("few:only", &json!(null)).await.unwrap();
}

#[tokio::test]
async fn permissions_and_privacy_are_kept() {
    async fn fine(_: Context, _: Anything) -> Result<(), MethodError> {
        Ok(())
    }
    let server = server(|builder| {
        let locked = MethodOptions { permission: Some("vault:open".into()), ..Default::default() };
        let private = MethodOptions { private: true, ..Default::default() };
        builder.method_with("vault:open", locked, fine).method_with("vault:hidden", private, fine)
    });
    let mut peer = server.peer().await;
    let error = failure(&mut peer, "vault:open", &json!(null)).await;
    assert_eq!(
        (error.code.as_str(), &error.details),
        ("PERMISSION_DENIED", &json!({"permission": "vault:open"}))
    );
    assert_eq!(failure(&mut peer, "vault:hidden", &json!(null)).await.code, "METHOD_NOT_FOUND");
    let listed = peer.request("system:methods", &json!(null)).await.unwrap();
    let names: Vec<&str> =
        listed["methods"].as_array().unwrap().iter().filter_map(|it| it["name"].as_str()).collect();
    assert!(names.contains(&"vault:open") && !names.contains(&"vault:hidden"), "{names:?}");
}

#[tokio::test]
async fn built_in_methods_answer_as_they_were_meant_to() {
    let server = TestServer::start();
    let mut peer = server.plain_peer().await;
    for payload in [json!(null), json!({}), json!({"any": "thing"})] {
        let pong = peer.request("system:ping", &payload).await.unwrap();
        assert!(pong["timestamp"].as_u64().unwrap() > 1_700_000_000_000);
        assert!(pong["uptime"].as_f64().unwrap() > 0.0);
    }
    let about = peer.request("system:capabilities", &json!(null)).await.unwrap();
    assert_eq!(about["protocol"]["name"], "helios-starling");
    assert_eq!(about["protocol"]["version"], "1.0.0");
    assert_eq!(about["features"]["notifications"], true);
    let listed = peer.request("system:methods", &json!(null)).await.unwrap();
    let echo = listed["methods"].as_array().unwrap().iter().find(|it| it["name"] == "demo:echo").unwrap();
    assert_eq!((echo["idempotent"].as_bool(), echo["timeoutMs"].as_u64()), (Some(true), Some(30_000)));
    assert_eq!(failure(&mut peer, "system:nothing", &json!(null)).await.code, "METHOD_NOT_FOUND");
}

#[tokio::test]
async fn the_demo_methods_do_what_they_say() {
    let server = TestServer::start();
    let mut peer = server.plain_peer().await;
    for data in [json!(1), json!({"two": 2})] {
        peer.notify("demo:said", &data).await.unwrap();
    }
    peer.notify("demo:other", &json!(3)).await.unwrap();
    assert_eq!(
        peer.request("demo:received", &json!({"topic": "demo:said"})).await.unwrap(),
        json!([1, {"two": 2}])
    );
    assert_eq!(
        server.plain_peer().await.request("demo:received", &json!({"topic": "demo:said"})).await.unwrap(),
        json!([])
    );

    let answer =
        peer.request("demo:later", &json!({"topic": "demo:late", "data": 9, "delayMs": 20})).await.unwrap();
    assert_eq!(answer, json!({"scheduled": true}));
    let Received::Notification { topic, data, .. } = peer.receive().await.unwrap() else { panic!() };
    assert_eq!((topic.as_str(), data), ("demo:late", json!(9)));

    peer.send_request("demo:progress", None).await.unwrap();
    let mut percents = Vec::new();
    loop {
        match peer.receive().await.unwrap() {
            Received::Notification { data, .. } => percents.push(data["progress"].as_u64().unwrap()),
            Received::Response { result, .. } => break assert!(result.is_ok()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(percents, [0, 25, 50, 75, 100]);
    let error = failure(&mut peer, "demo:topic", &json!({"topic": "not a topic"})).await;
    assert_eq!(error.code, "VALIDATION_ERROR");
}

#[tokio::test]
async fn passing_methods_never_look_inside() {
    let server = server(|builder| {
        builder.passing_method(
            "pass:on",
            MethodOptions::default(),
            |_: Context, payload: Option<Payload>| async move { Ok(Reply::raw(payload)) },
        )
    });
    let mut peer = server.peer().await;
    assert_eq!(peer.request("pass:on", &json!([1, 2])).await.unwrap(), json!([1, 2]));
}

#[tokio::test]
async fn errors_about_a_payload_are_few_and_short() {
    let server = server(|builder| {
        let schema = json!({"type": "array", "items": {"type": "string"}});
        let checked = MethodOptions { schema: Some(schema), ..Default::default() };
        let panicking: MethodOptions =
            MethodOptions { validator: Some(Arc::new(|_| panic!("on purpose"))), ..Default::default() };
        builder
            .method_with("many:texts", checked, |_: Context, _: Anything| async { Ok::<_, MethodError>(()) })
            .method_with("bad:check", panicking, |_: Context, _: Anything| async { Ok::<_, MethodError>(()) })
    });
    let mut peer = server.peer().await;
    let error = failure(&mut peer, "many:texts", &json!(vec![0; 100_000])).await;
    assert_eq!(
        (error.code.as_str(), error.details["errors"].as_array().unwrap().len()),
        ("VALIDATION_ERROR", 16)
    );
    let error = failure(&mut peer, "many:texts", &json!("\"".repeat(400_000))).await;
    assert!(error.details["errors"][0].as_str().unwrap().len() < 1_000);
    let error = failure(&mut peer, "bad:check", &json!(1)).await;
    assert_eq!(error.code, "METHOD_ERROR", "a check that panics fails its request");
    assert_eq!(peer.request("demo:echo", &json!(1)).await.unwrap(), json!(1));
}
