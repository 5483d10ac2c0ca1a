//! Requests from the server to peers.

use std::time::Duration;

use helios::app::HeliosBuilder;
use helios::dispatch::{Anything, CallError, Context, MethodError};
use helios::peer::{PeerError, Received};
use helios::protocol::{ErrorCode, Failure, Outgoing, RequestId};
use helios::testing::TestServer;
use serde_json::{Value, json};

use crate::wait::until;

async fn incoming(peer: &mut helios::peer::Peer) -> (String, String, Value) {
    match peer.expect(|it| matches!(it, Received::Request { .. })).await.unwrap() {
        Received::Request { id, method, payload, .. } => (id, method, payload),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_peer_is_called_back_and_its_answer_comes_through() {
    let server = TestServer::start();
    for options in [
        helios::peer::PeerOptions::default(),
        helios::peer::PeerOptions { msgpack: true, ..Default::default() },
    ] {
        let mut peer = server.connect(&options).await;
        let asked = peer
            .send_request("demo:callme", Some(&json!({"method": "client:sum", "payload": [1, 2]})))
            .await
            .unwrap();
        let (id, method, payload) = incoming(&mut peer).await;
        assert_eq!((method.as_str(), payload), ("client:sum", json!([1, 2])));
        peer.respond(&id, &json!({"sum": 3})).await.unwrap();
        assert_eq!(peer.answer(&asked).await.unwrap(), json!({"sum": 3}));
    }
    assert_eq!(server.metrics().callbacks.with_label_values(&["answered"]).get(), 2);
}

#[tokio::test]
async fn an_error_of_the_peer_is_passed_on_as_it_is() {
    let server = TestServer::start();
    let mut peer = server.plain_peer().await;
    let asked = peer.send_request("demo:callme", Some(&json!({"method": "client:fail"}))).await.unwrap();
    let (id, ..) = incoming(&mut peer).await;
    let id = RequestId::parse(&id).unwrap();
    let failure = Failure { code: "APP_NO".into(), message: "not today".into(), details: None };
    peer.send(&Outgoing::Response { id: &id, result: Err(failure), peer: None }).await.unwrap();
    let Err(PeerError::Failed(error)) = peer.answer(&asked).await else { panic!() };
    assert_eq!((error.code.as_str(), error.message.as_str()), ("APP_NO", "not today"));
}

#[tokio::test]
async fn many_calls_run_at_once_and_answers_may_come_in_any_order() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    let mut asked = Vec::new();
    for n in 0..50 {
        asked.push(
            peer.send_request("demo:callme", Some(&json!({"method": "client:n", "payload": n})))
                .await
                .unwrap(),
        );
    }
    let mut calls = Vec::new();
    for _ in 0..50 {
        let (id, _, payload) = incoming(&mut peer).await;
        calls.push((id, payload));
    }
    for (id, payload) in calls.into_iter().rev() {
        peer.respond(&id, &payload).await.unwrap();
    }
    for (n, id) in asked.iter().enumerate() {
        assert_eq!(peer.answer(id).await.unwrap(), json!(n));
    }
}

fn impatient(builder: HeliosBuilder) -> HeliosBuilder {
    builder.method("ask:me", |ctx: Context, ms: u64| async move {
        let answer = ctx.starling().request::<_, Value>("client:slow", &(), Duration::from_millis(ms)).await;
        match answer {
            Err(CallError::Timeout(after)) => Ok(json!({"timeout": after.as_millis() as u64})),
            Err(CallError::Lost) => Ok(json!("lost")),
            other => Ok::<_, MethodError>(json!(format!("{other:?}"))),
        }
    })
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_given_up() {
    let server = TestServer::start_with(|_| {}, impatient);
    let mut peer = server.peer().await;
    let asked = peer.send_request("ask:me", Some(&json!(30))).await.unwrap();
    let (id, ..) = incoming(&mut peer).await;
    assert_eq!(peer.answer(&asked).await.unwrap(), json!({"timeout": 30}));
    peer.respond(&id, &json!("too late")).await.unwrap();
    assert_eq!(peer.request("demo:echo", &json!(1)).await.unwrap(), json!(1), "a late answer does no harm");
    assert_eq!(server.metrics().callbacks.with_label_values(&["timeout"]).get(), 1);
}

#[tokio::test]
async fn calls_end_when_the_peer_goes() {
    let server = TestServer::start_with(|_| {}, impatient);
    let mut peer = server.peer().await;
    peer.send_request("ask:me", Some(&json!(20_000))).await.unwrap();
    incoming(&mut peer).await;
    drop(peer);
    let cancelled = || server.metrics().callbacks.with_label_values(&["cancelled"]).get() == 1;
    until("the call was cancelled", cancelled).await;
    until("nothing runs any more", || server.metrics().in_flight.get() == 0).await;
}

#[tokio::test]
async fn the_server_can_call_any_peer_by_itself() {
    let server = TestServer::start_with(
        |_| {},
        |builder| {
            builder.method("ask:nothing", |ctx: Context, _: Anything| async move {
                let wrong = ctx.starling().request::<_, Value>("noname", &(), Duration::from_secs(1)).await;
                assert!(matches!(wrong, Err(CallError::Send(_))), "{wrong:?}");
                Err::<(), _>(MethodError::from(ErrorCode::PermissionDenied))
            })
        },
    );
    let mut peer = server.peer().await;
    let starling = server.starlings().filter(|_| true).remove(0);
    let call = tokio::spawn(async move {
        starling.request::<_, Value>("client:hello", &json!("you"), Duration::from_secs(5)).await.unwrap()
    });
    let (id, method, payload) = incoming(&mut peer).await;
    assert_eq!((method.as_str(), payload), ("client:hello", json!("you")));
    peer.respond(&id, &json!("hello")).await.unwrap();
    assert_eq!(call.await.unwrap(), json!("hello"));
    let Err(PeerError::Failed(error)) = peer.request("ask:nothing", &json!(null)).await else { panic!() };
    assert_eq!(error.code, "PERMISSION_DENIED");
}
