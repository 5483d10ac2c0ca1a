//! Messages from peer to peer.

use helios::base::Span;
use helios::dispatch::MethodError;
use helios::peer::{Peer, Received};
use helios::protocol::{Failure, Outgoing, Payload, RequestId};
use helios::starling::{ProxyKind, ProxyMode};
use helios::testing::TestServer;
use serde_json::{Value, json};

use crate::wait::until;

fn by_id() -> TestServer {
    TestServer::start_with(
        |config| {
            config.connections.proxy = ProxyMode::ById;
            config.connections.proxy_timeout = Span::millis(400);
        },
        |builder| builder,
    )
}

/// A connected peer and its session's id.
async fn joined(server: &TestServer) -> (Peer, String) {
    let mut peer = server.connect(&Default::default()).await;
    let Received::Notification { data, .. } = peer.receive().await.unwrap() else { panic!() };
    (peer, data["session"].as_str().unwrap().to_owned())
}

async fn call(peer: &mut Peer, to: &Value, method: &str, payload: &Value) -> RequestId {
    let id = RequestId::generate();
    let (to, payload) = (Payload::json(to).unwrap(), Payload::json(payload).unwrap());
    let (to, payload) = (Some(to.as_raw()), Some(payload.as_raw()));
    peer.send(&Outgoing::Request { id: &id, method, payload, peer: to }).await.unwrap();
    id
}

async fn asked(peer: &mut Peer) -> (RequestId, String, Value, Value) {
    match peer.expect(|it| matches!(it, Received::Request { .. })).await.unwrap() {
        Received::Request { id, method, payload, peer } => {
            (RequestId::parse(&id).unwrap(), method, payload, peer.unwrap())
        }
        other => panic!("{other:?}"),
    }
}

async fn answer(peer: &mut Peer, wanted: RequestId) -> (Result<Value, String>, Option<Value>) {
    let wanted = wanted.to_string();
    let fits = |it: &Received| matches!(it, Received::Response { id, .. } if *id == wanted);
    match peer.expect(fits).await.unwrap() {
        Received::Response { result, peer, .. } => (result.map_err(|error| error.code), peer),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn without_a_hook_everything_is_refused_as_existing_servers_do() {
    let server = TestServer::start();
    let mut peer = server.plain_peer().await;
    for to in [json!(true), json!({}), json!([]), json!({"any": 1})] {
        let id = call(&mut peer, &to, "demo:echo", &json!(1)).await;
        let Received::Response { id: answered, result: Err(error), peer: back } =
            peer.receive().await.unwrap()
        else {
            panic!()
        };
        assert_eq!(answered, id.to_string());
        assert_eq!(
            (error.code.as_str(), error.message.as_str()),
            ("PROXY_FORBIDDEN", "Proxy is disabled for requests by the server")
        );
        assert_eq!(back, Some(to), "the caller's peer comes back");
    }
    let envelope = |rest: &str| {
        format!(r#"{{"protocol":"helios-starling","version":"1.0.0","timestamp":1,"peer":true,{rest}}}"#)
    };
    for (rest, what) in [
        (r#""type":"notification","notification":{"topic":"a","data":1}"#, "notifications"),
        (
            r#""type":"response","requestId":"00000000-0000-4000-8000-000000000000","success":true"#,
            "responses",
        ),
        (r#""type":"error","error":{"code":"X","message":"y"}"#, "notifications"),
    ] {
        peer.send_text(envelope(rest)).await.unwrap();
        let Received::Error(error) = peer.receive().await.unwrap() else { panic!("{what}") };
        assert_eq!(
            (error.code.as_str(), error.message),
            ("PROXY_FORBIDDEN", format!("Proxy is disabled for {what} by the server"))
        );
    }
}

#[tokio::test]
async fn a_request_reaches_the_peer_and_answer_and_progress_come_back() {
    let server = by_id();
    let ((mut caller, caller_id), (mut target, target_id)) = (joined(&server).await, joined(&server).await);
    let to = json!({"starling": target_id});
    let id = call(&mut caller, &to, "client:work", &json!([1, 2])).await;
    let (seen, method, payload, from) = asked(&mut target).await;
    assert_eq!((seen, method.as_str(), payload), (id, "client:work", json!([1, 2])));
    assert_eq!(from, json!({"source": caller_id, "_peer": to}));
    let data = Payload::json(&json!({"progress": 50})).unwrap();
    let progress = Outgoing::Notification {
        request_id: Some(&id),
        topic: "progress",
        progress: true,
        data: Some(data.as_raw()),
        peer: None,
    };
    target.send(&progress).await.unwrap();
    let back = Payload::json(&from).unwrap();
    let data = Payload::json(&json!(0)).unwrap();
    target
        .send(&Outgoing::Response { id: &id, result: Ok(Some(data.as_raw())), peer: Some(back.as_raw()) })
        .await
        .unwrap();
    let Received::Notification { request_id, topic, data, .. } = caller.receive().await.unwrap() else {
        panic!()
    };
    assert_eq!(
        (request_id, topic.as_str(), data),
        (Some(id.to_string()), "progress", json!({"progress": 50}))
    );
    let (result, peer) = answer(&mut caller, id).await;
    assert_eq!(result, Ok(json!(0)), "falsy data are kept");
    assert_eq!(peer, Some(json!({"source": target_id, "_peer": {"source": caller_id, "_peer": to}})));
}

#[tokio::test]
async fn only_the_peer_that_was_asked_can_answer() {
    let server = by_id();
    let ((mut caller, _), (mut target, target_id), (mut stranger, _)) =
        (joined(&server).await, joined(&server).await, joined(&server).await);
    let id = call(&mut caller, &json!({"starling": target_id}), "client:work", &json!(1)).await;
    asked(&mut target).await;
    stranger.respond(id.as_str(), &json!("forged")).await.unwrap();
    caller.respond(id.as_str(), &json!("forged too")).await.unwrap();
    stranger.request("demo:echo", &json!(1)).await.unwrap();
    target.respond(id.as_str(), &json!("true one")).await.unwrap();
    assert_eq!(answer(&mut caller, id).await.0, Ok(json!("true one")));
    target.respond(id.as_str(), &json!("again")).await.unwrap();
    assert_eq!(caller.request("demo:echo", &json!(1)).await.unwrap(), json!(1));
}

#[tokio::test]
async fn a_peer_that_does_not_answer_or_goes_is_told_to_the_caller() {
    let server = by_id();
    let ((mut caller, _), (mut target, target_id)) = (joined(&server).await, joined(&server).await);
    let to = json!({"starling": target_id});
    let silent = call(&mut caller, &to, "client:work", &json!(1)).await;
    asked(&mut target).await;
    assert_eq!(answer(&mut caller, silent).await.0, Err("PROXY_TIMEOUT".into()));
    let gone = call(&mut caller, &to, "client:work", &json!(1)).await;
    asked(&mut target).await;
    drop(target);
    assert_eq!(answer(&mut caller, gone).await.0, Err("PROXY_ERROR".into()));
    until("it is gone", || server.starlings().count() == 1).await;
    let nobody = call(&mut caller, &to, "client:work", &json!(1)).await;
    assert_eq!(answer(&mut caller, nobody).await.0, Err("PROXY_FORBIDDEN".into()));
    let wrong = call(&mut caller, &json!(true), "client:work", &json!(1)).await;
    assert_eq!(answer(&mut caller, wrong).await.0, Err("PROXY_FORBIDDEN".into()));
    let count = |outcome: &str| server.metrics().proxied.with_label_values(&[outcome]).get();
    assert_eq!((count("forwarded"), count("timeout")), (2, 1));
}

#[tokio::test]
async fn notifications_and_errors_are_forwarded_too() {
    let server = by_id();
    let ((mut caller, caller_id), (mut target, target_id)) = (joined(&server).await, joined(&server).await);
    let to = json!({"starling": target_id});
    let (peer, data) = (Payload::json(&to).unwrap(), Payload::json(&json!({"n": 1})).unwrap());
    let told = Outgoing::Notification {
        request_id: None,
        topic: "news:x",
        progress: false,
        data: Some(data.as_raw()),
        peer: Some(peer.as_raw()),
    };
    caller.send(&told).await.unwrap();
    let Received::Notification { request_id, topic, data, peer: from, .. } = target.receive().await.unwrap()
    else {
        panic!()
    };
    assert_eq!((request_id, topic.as_str(), data), (None, "news:x", json!({"n": 1})));
    assert_eq!(from, Some(json!({"source": caller_id, "_peer": to})));
    let failure = Failure { code: "APP_X".into(), message: "y".into(), details: None };
    let severity = helios::protocol::Severity::Application;
    caller.send(&Outgoing::Error { severity, failure, peer: Some(peer.as_raw()) }).await.unwrap();
    let Received::Error(error) = target.receive().await.unwrap() else { panic!() };
    assert_eq!((error.code.as_str(), error.message.as_str()), ("APP_X", "y"));
}

#[tokio::test]
async fn code_decides_who_gets_what() {
    let server = TestServer::start_with(
        |_| {},
        |builder| {
            builder.proxy(|request| async move {
                if request.kind == ProxyKind::Request && request.name == "secret:method" {
                    return Err(MethodError::new("APP_SECRET", "not for you"));
                }
                Ok(Some(request.caller.id()))
            })
        },
    );
    let (mut peer, _) = joined(&server).await;
    let denied = call(&mut peer, &json!(true), "secret:method", &json!(1)).await;
    assert_eq!(answer(&mut peer, denied).await.0, Err("APP_SECRET".into()));
    let own = call(&mut peer, &json!({"query": {}}), "client:own", &json!(1)).await;
    let (id, ..) = asked(&mut peer).await;
    assert_eq!(id, own);
    peer.respond(id.as_str(), &json!("from myself")).await.unwrap();
    assert_eq!(answer(&mut peer, own).await.0, Ok(json!("from myself")));
    let about = peer.request("system:capabilities", &json!(null)).await;
    assert!(matches!(about, Ok(about) if about["features"]["proxy"] == true));
}

#[tokio::test]
async fn a_hook_that_panics_or_hangs_fails_its_message() {
    let server = TestServer::start_with(
        |config| config.connections.proxy_timeout = Span::millis(200),
        |builder| {
            builder.proxy(|request| async move {
                match request.name.as_str() {
                    "hook:panics" => panic!("on purpose"),
                    _ => std::future::pending().await,
                }
            })
        },
    );
    let (mut peer, _) = joined(&server).await;
    for (method, code) in [("hook:panics", "PROXY_ERROR"), ("hook:hangs", "PROXY_TIMEOUT")] {
        let id = call(&mut peer, &json!({"to": 1}), method, &json!(1)).await;
        assert_eq!(answer(&mut peer, id).await, (Err(code.into()), Some(json!({"to": 1}))), "{method}");
    }
    until("nothing counts any more", || server.metrics().in_flight.get() == 0).await;
}

#[tokio::test]
async fn a_drain_waits_for_forwarded_requests() {
    let mut server =
        TestServer::start_with(|config| config.connections.proxy = ProxyMode::ById, |builder| builder);
    let ((mut caller, _), (mut target, target_id)) = (joined(&server).await, joined(&server).await);
    let id = call(&mut caller, &json!({"starling": target_id}), "client:work", &json!(1)).await;
    asked(&mut target).await;
    let drained = server.drain();
    target
        .expect(|it| matches!(it, Received::Notification { topic, .. } if topic == "system:draining"))
        .await
        .unwrap();
    target.respond(id.as_str(), &json!("kept")).await.unwrap();
    assert_eq!(answer(&mut caller, id).await.0, Ok(json!("kept")));
    drop((caller, target));
    let drained =
        tokio::task::spawn_blocking(move || drained.recv_timeout(crate::wait::PATIENCE)).await.unwrap();
    assert_eq!(drained.unwrap(), helios::app::Drained::Completely);
}
