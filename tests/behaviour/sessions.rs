//! Sessions: a peer loses its connection and goes on where it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use helios::base::Span;
use helios::dispatch::{Context, MethodError, Starling};
use helios::peer::{CallFailure, PeerError, PeerOptions, Received, Resume, ResumeWay};
use helios::starling::SessionEvent;
use helios::testing::{Cable, MockStarling, TestServer};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::wait::until;

/// The options of a peer that shows a token.
fn showing(token: &str, way: ResumeWay, plain: bool) -> PeerOptions {
    let resume = Resume { token: token.to_owned(), way, ..Resume::default() };
    PeerOptions { resume: Some(resume), plain, ..PeerOptions::default() }
}

async fn token(peer: &mut helios::peer::Peer) -> String {
    let state = peer.request("starling:state", &Value::Null).await.unwrap();
    assert!(state["expiresIn"].as_u64().unwrap() > 0);
    assert_eq!(state["state"]["connectd"], true);
    state["token"].as_str().unwrap().to_owned()
}

/// Topic and data of the next message.
async fn next(peer: &mut helios::peer::Peer) -> (String, Value) {
    match peer.receive().await.unwrap() {
        Received::Notification { topic, data, .. } => (topic, data),
        Received::Response { result, .. } => ("response".into(), result.unwrap_or(Value::Null)),
        other => panic!("{other:?}"),
    }
}

fn only(server: &TestServer) -> Starling {
    server.starlings().filter(|_| true).pop().unwrap()
}

async fn away(server: &TestServer) {
    until("it is away", || server.starlings().count() == 0 && !only(server).is_connected()).await;
}

fn failure(error: PeerError) -> CallFailure {
    match error {
        PeerError::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_existing_client_comes_back_by_its_url_and_gets_what_it_missed() {
    let server = TestServer::start();
    let mut peer = server.plain_peer().await;
    let token = token(&mut peer).await;
    let id = only(&server).id();
    peer.send_request("demo:slow", Some(&json!({"ms": 150, "value": "late"}))).await.unwrap();
    until("it runs", || server.metrics().in_flight.get() == 1).await;
    drop(peer);
    away(&server).await;
    for n in 0..3 {
        only(&server).notify("news", &n).unwrap();
    }
    until("it has run", || server.metrics().in_flight.get() == 0).await;
    let mut peer = server.connect(&showing(&token, ResumeWay::Url, true)).await;
    for n in 0..3 {
        assert_eq!(next(&mut peer).await, ("news".into(), json!(n)));
    }
    assert_eq!(next(&mut peer).await, ("response".into(), json!("late")));
    let (topic, data) = next(&mut peer).await;
    assert_eq!(topic, "connection:recovered");
    assert!(data["timestamp"].as_u64().unwrap() >= data["recoveredFrom"].as_u64().unwrap());
    assert!(data["recoveredFrom"].as_u64().unwrap() > 1_600_000_000_000);
    assert_eq!(only(&server).id(), id);
    assert_eq!(peer.request("demo:echo", &json!(1)).await.unwrap(), 1);
}

#[tokio::test]
async fn all_three_ways_lead_to_the_same_session() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    let token = token(&mut peer).await;
    let id = only(&server).id().to_string();
    for way in [ResumeWay::Message, ResumeWay::Header, ResumeWay::Url, ResumeWay::Message] {
        drop(peer);
        away(&server).await;
        only(&server).notify("missed", &json!(format!("{way:?}"))).unwrap();
        peer = server.connect(&showing(&token, way, false)).await;
        let (topic, hello) = next(&mut peer).await;
        assert_eq!((topic.as_str(), hello["session"].as_str()), ("hello", Some(id.as_str())), "{way:?}");
        assert_eq!(hello["recovery"]["recovered"], true, "{hello}");
        let missed = peer
            .expect(|it| matches!(it, Received::Notification { data, .. } if *data == format!("{way:?}")));
        missed.await.unwrap();
        peer.expect(
            |it| matches!(it, Received::Notification { topic, .. } if topic == "connection:recovered"),
        )
        .await
        .unwrap();
        assert_eq!(peer.request("demo:echo", &json!(1)).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn twenty_times_in_a_row_without_a_gap_or_a_duplicate() {
    let server = TestServer::start();
    let mut ann = MockStarling::connect(server.ws_url()).await;
    for round in 0..20 {
        ann.cut();
        away(&server).await;
        only(&server).notify("missed", &round).unwrap();
        let resumed = ann.resume().await;
        assert!(resumed.recovered && resumed.same_session && !resumed.restarted, "{round}: {resumed:?}");
        assert_eq!(resumed.replayed, 1);
        assert_eq!(ann.expect_notification("missed").await, round);
        assert_eq!(ann.request("demo:echo", json!(round)).await.unwrap(), round);
        ann.refute_notification("missed").await;
    }
}

#[tokio::test]
async fn a_peer_that_has_received_nothing_yet_comes_back_too() {
    let server = TestServer::start();
    let mut peer = server.peer().await;
    let token = token(&mut peer).await;
    only(&server).notify("first", &1).unwrap();
    drop(peer);
    away(&server).await;
    let resume = Resume { token, position: Some(0), ..Resume::default() };
    let mut peer = server.connect(&PeerOptions { resume: Some(resume), ..PeerOptions::default() }).await;
    let (_, hello) = next(&mut peer).await;
    assert_eq!((&hello["recovery"]["recovered"], &hello["recovery"]["position"]), (&json!(true), &json!(0)));
    assert_eq!(next(&mut peer).await.0, "response", "the token itself");
    assert_eq!(next(&mut peer).await, ("first".into(), json!(1)));
}

#[tokio::test]
async fn tokens_that_are_no_good_never_refuse_anybody_and_say_why() {
    let server = TestServer::start();
    let foreign = TestServer::start();
    let other = token(&mut foreign.peer().await).await;
    let mut peer = server.peer().await;
    let good = token(&mut peer).await;
    drop(peer);
    let mut changed = good.clone();
    changed.replace_range(
        good.len() - 4..good.len() - 3,
        if good.as_bytes()[good.len() - 4] == b'A' { "B" } else { "A" },
    );
    let long = "x".repeat(30_000);
    for (token, reason) in [
        ("garbage", "invalid"),
        ("", "invalid"),
        (changed.as_str(), "invalid"),
        (other.as_str(), "unknown_key"),
        (long.as_str(), "invalid"),
    ] {
        let mut peer = server.connect(&showing(token, ResumeWay::Message, false)).await;
        let (_, hello) = next(&mut peer).await;
        assert_eq!(hello["recovery"]["recovered"], false);
        assert_eq!(hello["recovery"]["reason"], reason, "{token:.20}");
        assert_eq!(peer.request("demo:echo", &json!(1)).await.unwrap(), 1);
        for way in [ResumeWay::Url, ResumeWay::Header] {
            let mut plain = server.connect(&showing(token, way, true)).await;
            assert_eq!(plain.request("demo:echo", &json!(1)).await.unwrap(), 1, "nothing is said before");
        }
    }
}

#[tokio::test]
async fn an_expired_token_and_one_of_a_session_that_is_over_lead_to_a_new_session() {
    let server = TestServer::start_with(
        |config| {
            config.tokens.lifetime = Span::secs(1);
            config.sessions.disconnection_ttl = Span::millis(100);
        },
        |builder| builder,
    );
    let mut ann = MockStarling::connect(server.ws_url()).await;
    ann.cut();
    until("it has ended", || server.starlings().filter(|_| true).is_empty()).await;
    let resumed = ann.resume().await;
    assert_eq!((resumed.recovered, resumed.same_session), (false, false));
    let reason = resumed.reason.unwrap();
    assert!(reason == "session_ended" || reason == "expired", "{reason}");
    let begin = std::time::Instant::now();
    while begin.elapsed() < Duration::from_secs(15) {
        ann.cut();
        if ann.resume().await.reason.as_deref() == Some("expired") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the token never expires");
}

#[tokio::test]
async fn a_revoked_session_and_a_superseded_token_are_refused_by_name() {
    let server = TestServer::start();
    let mut ann = MockStarling::connect(server.ws_url()).await;
    let old = ann.token().to_owned();
    tokio::time::sleep(Duration::from_millis(2)).await;
    ann.refresh().await;
    ann.cut();
    assert!(ann.resume().await.recovered);
    ann.cut();
    let mut peer = server.connect(&showing(&old, ResumeWay::Message, false)).await;
    assert_eq!(next(&mut peer).await.1["recovery"]["reason"], "superseded");
    assert!(ann.resume().await.recovered, "the newer one still is good");
    ann.request("starling:end", Value::Null).await.unwrap();
    ann.cut();
    until("it has ended", || server.starlings().count() == 1).await;
    let resumed = ann.resume().await;
    assert_eq!((resumed.recovered, resumed.reason.as_deref()), (false, Some("revoked")));
}

#[tokio::test]
async fn a_connection_that_is_taken_over_is_closed_with_its_own_code() {
    let server = TestServer::start();
    for plain in [true, false] {
        let mut old = server.connect(&PeerOptions { plain, ..PeerOptions::default() }).await;
        if !plain {
            old.receive().await.unwrap();
        }
        let token = token(&mut old).await;
        let mut new = server.connect(&showing(&token, ResumeWay::Url, plain)).await;
        match old.receive().await {
            Err(PeerError::Closed(code)) => assert_eq!(code, Some(4011)),
            other => panic!("{other:?}"),
        }
        assert_eq!(new.request("demo:echo", &json!(1)).await.unwrap(), 1);
        drop(old);
        assert_eq!(
            new.request("demo:echo", &json!(2)).await.unwrap(),
            2,
            "the end of the old one is not its end"
        );
    }
}

#[tokio::test]
async fn two_tabs_with_one_token_are_told_apart() {
    let server = TestServer::start();
    let mut ann = MockStarling::connect(server.ws_url()).await;
    ann.cut();
    assert!(ann.resume().await.recovered);
    let instance = Some("another tab".to_owned());
    let resume = Resume { token: ann.token().to_owned(), instance, ..Resume::default() };
    let options = PeerOptions { resume: Some(resume), ..PeerOptions::default() };
    // The first tab is there and answers pings, so the second one does not get its session.
    let (mut second, _) = tokio::join!(server.connect(&options), async {
        let _ = tokio::time::timeout(Duration::from_millis(500), ann.peer().expect(|_| false)).await;
    });
    let (_, hello) = next(&mut second).await;
    assert_eq!(hello["recovery"]["reason"], "in_use");
    assert_eq!(ann.request("demo:echo", json!(1)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_tab_that_does_not_answer_loses_its_session_to_the_one_that_does() {
    let server = TestServer::start_with(|config| config.sessions.takeover_timeout = Span::millis(200), |b| b);
    let mut ann = MockStarling::connect(server.ws_url()).await;
    ann.cut();
    ann.resume().await;
    // From here on nothing is read of this connection: it looks alive, and is not.
    let instance = Some("the same page, loaded again".to_owned());
    let resume = Resume { token: ann.token().to_owned(), instance, ..Resume::default() };
    let mut new = server.connect(&PeerOptions { resume: Some(resume), ..PeerOptions::default() }).await;
    let (_, hello) = next(&mut new).await;
    assert_eq!(
        (hello["recovery"]["recovered"].as_bool(), hello["session"].as_str()),
        (Some(true), Some(ann.session()))
    );
}

#[tokio::test]
async fn what_is_acknowledged_is_not_sent_again_and_what_does_not_fit_is_told() {
    let server = TestServer::start_with(|config| config.sessions.buffer_messages_max = 5, |b| b);
    let mut ann = MockStarling::connect(server.ws_url()).await;
    for n in 0..4 {
        only(&server).notify("news", &n).unwrap();
        assert_eq!(ann.expect_notification("news").await, n);
    }
    ann.acknowledge().await;
    ann.request("demo:echo", Value::Null).await.unwrap();
    ann.cut();
    away(&server).await;
    for n in 0..4 {
        only(&server).notify("later", &n).unwrap();
    }
    let resumed = ann.resume().await;
    assert_eq!((resumed.recovered, resumed.replayed), (true, 4));
    ann.cut();
    away(&server).await;
    let (mut sent, mut full) = (0, 0);
    for n in 0..10 {
        match only(&server).notify("much", &n) {
            Ok(()) => sent += 1,
            Err(error) => {
                assert!(error.to_string().contains("away"), "{error}");
                full += 1;
            }
        }
    }
    assert!(sent < 5 && full > 5, "{sent} {full}");
    assert_eq!(server.metrics().sessions.turned_away.get(), full);
    let resumed = ann.resume().await;
    assert!(resumed.same_session && !resumed.recovered, "{resumed:?}");
    assert_eq!((resumed.replayed, resumed.reason.as_deref()), (0, Some("messages_lost")));
    ann.cut();
    assert!(ann.resume().await.recovered, "from there on everything is whole again");
}

#[tokio::test]
async fn an_existing_client_keeps_the_oldest_thousand() {
    let server = TestServer::start();
    let mut peer = server.plain_peer().await;
    let token = token(&mut peer).await;
    drop(peer);
    away(&server).await;
    let kept = (0..1_200).filter(|n| only(&server).notify("n", n).is_ok()).count();
    assert_eq!(kept, 1_000);
    let mut peer = server.connect(&showing(&token, ResumeWay::Url, true)).await;
    for n in 0..1_000 {
        assert_eq!(next(&mut peer).await, ("n".into(), json!(n)));
    }
    assert_eq!(next(&mut peer).await.0, "connection:recovered");
}

#[tokio::test]
async fn the_server_goes_on_waiting_for_the_answer_of_a_peer_that_came_back() {
    let server = TestServer::start();
    let mut ann = MockStarling::connect(server.ws_url()).await;
    let asked = only(&server);
    let asking = tokio::spawn(async move {
        asked.request::<_, Value>("page:ask", &json!(1), Duration::from_secs(10)).await
    });
    let request = ann.peer().expect(|it| matches!(it, Received::Request { .. })).await.unwrap();
    let Received::Request { id, .. } = request else { unreachable!() };
    ann.cut();
    away(&server).await;
    assert!(ann.resume().await.recovered);
    ann.peer().respond(&id, &json!("here I am")).await.unwrap();
    assert_eq!(asking.await.unwrap().unwrap(), "here I am");
}

/// A server with a method that counts how often it runs, and takes its time if it is told to.
fn counting(durable: bool) -> (TestServer, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&runs);
    let server = TestServer::start_with(
        move |config| config.sessions.durable = durable,
        move |builder| {
            builder.method("count:up", move |_: Context, wait_ms: u64| {
                let counter = Arc::clone(&counter);
                async move {
                    let now = counter.fetch_add(1, Ordering::SeqCst) + 1;
                    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                    Ok::<usize, MethodError>(now)
                }
            })
        },
    );
    (server, runs)
}

/// A request with an id of one's own.
fn request(id: &str, wait_ms: u64) -> String {
    json!({
        "protocol": "helios-starling", "version": "1.0.0", "timestamp": 1, "type": "request",
        "requestId": id, "method": "count:up", "payload": wait_ms,
    })
    .to_string()
}

async fn answer(ann: &mut MockStarling, wanted: &str) -> Value {
    let fits = |it: &Received| matches!(it, Received::Response { id, .. } if id == wanted);
    match ann.peer().expect(fits).await.unwrap() {
        Received::Response { result, .. } => result.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_request_that_comes_again_runs_once() {
    for durable in [true, false] {
        let (server, runs) = counting(durable);
        let mut ann = MockStarling::connect(server.ws_url()).await;
        let id = "11111111-2222-4333-8444-555555555555";
        ann.peer().send_text(request(id, 0)).await.unwrap();
        assert_eq!(answer(&mut ann, id).await, 1);
        ann.peer().send_text(request(id, 0)).await.unwrap();
        assert_eq!(answer(&mut ann, id).await, 1, "the first answer again");
        let slow = "11111111-2222-4333-8444-666666666666";
        ann.peer().send_text(request(slow, 200)).await.unwrap();
        until("it runs", || runs.load(Ordering::SeqCst) == 2).await;
        ann.cut();
        ann.resume().await;
        ann.peer().send_text(request(slow, 200)).await.unwrap();
        assert_eq!(answer(&mut ann, slow).await, 2, "it joins the one that runs");
        assert_eq!(runs.load(Ordering::SeqCst), 2, "durable: {durable}");
        let repeats = &server.metrics().sessions.repeats;
        assert_eq!(repeats.with_label_values(&["replayed"]).get(), 1);
        assert_eq!(repeats.with_label_values(&["joined"]).get(), 1);
    }
}

#[tokio::test]
async fn what_is_sent_behind_a_call_that_is_written_down_begins_after_it() {
    let order: Arc<Mutex<Vec<String>>> = Arc::default();
    let (calls, topics, reads) = (Arc::clone(&order), Arc::clone(&order), Arc::clone(&order));
    let server = TestServer::start_with(
        |_| {},
        |builder| {
            let reading = helios::dispatch::MethodOptions::default().idempotent();
            builder
                .method("chat:send", move |_: Context, n: usize| {
                    calls.lock().push(format!("call {n}"));
                    async move { Ok::<usize, MethodError>(n) }
                })
                .method_with("chat:read", reading, move |_: Context, n: usize| {
                    reads.lock().push(format!("read {n}"));
                    async move { Ok::<usize, MethodError>(n) }
                })
                .topic("chat:typing", move |event| {
                    topics.lock().push(format!("typing {}", event.data.unwrap().read::<usize>().unwrap()));
                })
        },
    );
    let mut ann = MockStarling::connect(server.ws_url()).await;
    let mut last = None;
    for n in 0..20 {
        ann.peer().send_request("chat:send", Some(&json!(n))).await.unwrap();
        ann.notify("chat:typing", json!(n)).await;
        last = Some(ann.peer().send_request("chat:read", Some(&json!(n))).await.unwrap());
    }
    ann.peer().answer(&last.unwrap()).await.unwrap();
    let wanted: Vec<String> =
        (0..20).flat_map(|n| [format!("call {n}"), format!("typing {n}"), format!("read {n}")]).collect();
    assert_eq!(*order.lock(), wanted);
}

#[tokio::test]
async fn the_life_of_a_session_is_told_once_for_each_event() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = Arc::clone(&seen);
    let server = TestServer::start_with(
        |config| config.sessions.disconnection_ttl = Span::millis(200),
        move |builder| {
            builder.on_session(move |_, event| {
                let detail = match event {
                    SessionEvent::Closed { reason } => format!(" {}", reason.as_str()),
                    SessionEvent::Recovered { replayed, .. } => format!(" {replayed}"),
                    _ => String::new(),
                };
                told.lock().push(format!("{}{detail}", event.name()));
            })
        },
    );
    let mut ann = MockStarling::connect(server.ws_url()).await;
    ann.cut();
    away(&server).await;
    ann.resume().await;
    ann.cut();
    until("it is over", || seen.lock().iter().any(|name| name.starts_with("starling:closed"))).await;
    drop(server.peer().await);
    until("the other is over", || {
        seen.lock().iter().filter(|name| name.starts_with("starling:closed")).count() == 2
    })
    .await;
    assert_eq!(
        *seen.lock(),
        [
            "starling:new",
            "starling:connected",
            "starling:disconnected",
            "starling:connected",
            "starling:recovered 0",
            "starling:disconnected",
            "starling:closed timed_out",
            "starling:new",
            "starling:connected",
            "starling:disconnected",
            "starling:closed left",
        ]
    );
    assert!(server.starlings().filter(|_| true).is_empty(), "nothing is left");
    assert_eq!(server.metrics().sessions.disconnected.get(), 0);
}

#[tokio::test]
async fn sessions_beyond_the_limit_do_not_wait() {
    let server = TestServer::start_with(|config| config.sessions.disconnected_max = 2, |b| b);
    let mut peers = Vec::new();
    for _ in 0..3 {
        peers.push(MockStarling::connect(server.ws_url()).await);
    }
    for peer in &mut peers {
        peer.cut();
    }
    until("one has ended", || server.starlings().filter(|_| true).len() == 2).await;
    let ended = server.metrics().sessions.ended.with_label_values(&["crowded"]);
    until("it is counted", || ended.get() == 1).await;
}

#[tokio::test]
async fn a_session_that_the_application_closes_is_not_to_be_had_again() {
    let server = TestServer::start();
    let mut ann = MockStarling::connect(server.ws_url()).await;
    only(&server).close(helios::protocol::CloseCode::Policy, "out");
    assert!(matches!(ann.peer().expect(|_| false).await, Err(PeerError::Closed(Some(1008)))));
    ann.cut();
    until("it has ended", || server.starlings().filter(|_| true).is_empty()).await;
    assert_eq!(ann.resume().await.reason.as_deref(), Some("revoked"));
}

#[tokio::test]
async fn what_a_session_keeps_is_there_after_a_cut_and_bounded() {
    let server =
        TestServer::start_with(|config| config.sessions.data_bytes_max = helios::base::ByteSize(100), |b| b);
    let mut ann = MockStarling::connect(server.ws_url()).await;
    let saved = ann.request("starling:set", json!({"name": "cart", "value": [1, 2]})).await.unwrap();
    assert_eq!(saved, json!({"saved": true}));
    only(&server).set("seen", &true).unwrap();
    ann.cut();
    ann.resume().await;
    assert_eq!(ann.request("starling:get", json!({"name": "cart"})).await.unwrap(), json!({"value": [1, 2]}));
    assert_eq!(
        ann.request("starling:get", Value::Null).await.unwrap(),
        json!({"values": {"cart": [1, 2], "seen": true}})
    );
    assert_eq!(only(&server).get::<Vec<u32>>("cart"), Some(vec![1, 2]));
    let error =
        ann.request("starling:set", json!({"name": "big", "value": "x".repeat(100)})).await.unwrap_err();
    let error = failure(error);
    assert_eq!((error.code.as_str(), &error.details["limit"]), ("QUOTA_EXCEEDED", &json!(100)));
    ann.request("starling:set", json!({"name": "cart", "value": null})).await.unwrap();
    assert_eq!(ann.request("starling:get", json!({"name": "cart"})).await.unwrap(), json!({"value": null}));
    let mut without = server.peer().await;
    let saved = without.request("starling:set", &json!({"name": "a", "value": 1})).await.unwrap();
    assert_eq!(saved, json!({"saved": false}), "without a token nothing is written");
}

#[tokio::test]
async fn a_cable_cut_anywhere_loses_and_doubles_nothing() {
    let (server, runs) = counting(false);
    let cable = Cable::to(server.address()).await;
    let mut ann = MockStarling::connect(&cable.ws_url()).await;
    let (up, down) = cable.carried();
    ann.request("count:up", json!(0)).await.unwrap();
    let (up, down) = (cable.carried().0 - up, cable.carried().1 - down);
    let mut expected = runs.load(Ordering::SeqCst);
    let cuts = (0..up).step_by(7).map(|at| (at, 0)).chain((0..down).step_by(7).map(|at| (0, at)));
    for (number, (to_server, to_client)) in cuts.enumerate() {
        match to_client {
            0 => cable.cut_after_up(to_server),
            at => cable.cut_after_down(at),
        }
        let id = format!("11111111-2222-4333-8444-{number:012}");
        // What cannot be written is as lost as what is cut on its way.
        let _ = ann.peer().send_text(request(&id, 0)).await;
        while ann
            .peer()
            .expect(|it| matches!(it, Received::Response { id: it, .. } if *it == id))
            .await
            .is_err()
        {
            ann.cut();
            let resumed = ann.resume().await;
            assert!(resumed.recovered, "{resumed:?}");
            ann.peer().send_text(request(&id, 0)).await.unwrap();
        }
        expected += 1;
        assert_eq!(runs.load(Ordering::SeqCst), expected, "up {to_server} down {to_client}");
    }
}

#[tokio::test]
async fn a_token_never_gets_into_a_log_or_an_error() {
    let claim = helios::starling::Claim { token: "secret.secret.secret".into(), ..Default::default() };
    assert!(!format!("{claim:?}").contains("secret"));
}

#[tokio::test]
async fn an_attempt_that_was_slow_to_arrive_does_not_beat_a_later_one() {
    let server = TestServer::start();
    let mut ann = MockStarling::connect(server.ws_url()).await;
    let token = ann.token().to_owned();
    ann.cut();
    let attempt = |attempt: u64| Resume {
        token: token.clone(),
        instance: Some("one page".into()),
        attempt,
        ..Resume::default()
    };
    let options = |resume| PeerOptions { resume: Some(resume), ..PeerOptions::default() };
    let mut later = server.connect(&options(attempt(2))).await;
    assert_eq!(next(&mut later).await.1["recovery"]["recovered"], true);
    let mut earlier = server.connect(&options(attempt(1))).await;
    assert_eq!(next(&mut earlier).await.1["recovery"]["reason"], "superseded");
    later.request("demo:echo", &json!(1)).await.unwrap();
}

#[tokio::test]
async fn a_store_that_refuses_is_told_and_stops_nobody() {
    let server = TestServer::start_with(
        |config| config.store.data_bytes_max = helios::base::ByteSize(200),
        |builder| builder,
    );
    let mut peer = server.peer().await;
    for _ in 0..3 {
        let error = failure(peer.request("starling:state", &Value::Null).await.unwrap_err());
        assert_eq!(error.code, "STORE_UNAVAILABLE");
        // The session can come back nevertheless, as long as the server lives, so calls are written down first.
        let error = failure(peer.request("demo:progress", &Value::Null).await.unwrap_err());
        assert_eq!(error.code, "STORE_UNAVAILABLE");
        assert_eq!(peer.request("demo:echo", &json!(1)).await.unwrap(), 1);
    }
    drop(peer);
    let mut other = server.peer().await;
    assert_eq!(other.request("demo:echo", &json!(1)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_session_that_ends_while_somebody_comes_back_is_not_had_by_halves() {
    for round in 0..40 {
        let server = TestServer::start_with(
            move |config| config.sessions.disconnection_ttl = Span::millis(100 + round % 7),
            |builder| builder,
        );
        let mut ann = MockStarling::connect(server.ws_url()).await;
        ann.cut();
        tokio::time::sleep(Duration::from_millis(95 + round * 4)).await;
        let resumed = ann.resume().await;
        // One or the other, but then wholly: the session is in the table, and works.
        assert_eq!(resumed.recovered, resumed.same_session, "{resumed:?}");
        if !resumed.recovered {
            assert_eq!(resumed.reason.as_deref(), Some("session_ended"));
        }
        assert_eq!(ann.request("demo:echo", json!(round)).await.unwrap(), round);
        assert_eq!(only(&server).id().to_string(), ann.session());
        assert!(!only(&server).ended().is_cancelled());
    }
}

#[tokio::test]
async fn every_metric_of_sessions_moves() {
    let (server, _) = counting(true);
    let mut ann = MockStarling::connect(server.ws_url()).await;
    let id = "11111111-2222-4333-8444-555555555555";
    for _ in 0..2 {
        ann.peer().send_text(request(id, 0)).await.unwrap();
        answer(&mut ann, id).await;
    }
    ann.cut();
    away(&server).await;
    let page = || {
        ureq::get(format!("{}/metrics", server.http_url()))
            .call()
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap()
    };
    let away_page = page();
    assert!(away_page.contains("helios_sessions_disconnected 1"), "one is away");
    while only(&server).notify("much", &"x".repeat(100_000)).is_ok() {}
    let resumed = ann.resume().await;
    assert_eq!(resumed.reason.as_deref(), Some("messages_lost"));
    ann.cut();
    away(&server).await;
    only(&server).notify("one", &1).unwrap();
    ann.resume().await;
    drop(server.peer().await);
    until("it is counted", || server.metrics().sessions.ended.with_label_values(&["left"]).get() == 1).await;
    let page = page();
    for name in [
        "helios_session_events_total{event=\"starling:new\"} 2",
        "helios_sessions_ended_total{reason=\"left\"} 1",
        "helios_session_recoveries_total{outcome=\"messages_lost\"} 1",
        "helios_session_recoveries_total{outcome=\"recovered\"} 1",
        "helios_session_replayed_total 1",
        "helios_session_turned_away_total 1",
        "helios_session_repeats_total{outcome=\"replayed\"} 1",
        "helios_session_tokens_total 1",
    ] {
        assert!(page.contains(name), "{name} is not in\n{page}");
    }
}

#[tokio::test]
async fn states_come_back_from_the_token_checked_and_whole_or_not_at_all() {
    let restored: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
    let told = Arc::clone(&restored);
    let ttl = Span::millis(100);
    let server = TestServer::start_with(
        move |config| config.sessions.disconnection_ttl = ttl,
        move |builder| {
            let provider = |name: &'static str, value: Value| {
                let told = Arc::clone(&told);
                helios::starling::StateProvider::new(
                    name,
                    move |_| {
                        let value = value.clone();
                        async move { Ok(value) }
                    },
                    move |_, value| {
                        told.lock().push((name.to_owned(), value));
                        async { Ok(()) }
                    },
                )
            };
            builder
                .state(provider("cart", json!(["book"])).required())
                .state(
                    provider("draft", json!(7))
                        .validate(|it| it.as_str().map(drop).ok_or("no text".into()))
                        .default_state(json!("")),
                )
                .state(provider("odd", json!(null)).validate(|_| Err("never".into())))
        },
    );
    let mut ann = MockStarling::connect(server.ws_url()).await;
    ann.cut();
    until("it has ended", || server.starlings().filter(|_| true).is_empty()).await;
    let resumed = ann.resume().await;
    assert_eq!((resumed.recovered, resumed.reason.as_deref()), (false, Some("session_ended")));
    assert_eq!(*restored.lock(), [("cart".to_owned(), json!(["book"])), ("draft".to_owned(), json!(""))]);
}

#[tokio::test]
async fn a_state_that_cannot_be_saved_or_is_too_long_gives_no_token() {
    let server = TestServer::start_with(
        |_| {},
        |builder| {
            let fails = helios::starling::StateProvider::new(
                "fails",
                |_| async { Err(MethodError::new("APP_NO", "secret")) },
                |_, _| async { Ok(()) },
            );
            builder.state(fails)
        },
    );
    let error = failure(server.peer().await.request("starling:state", &Value::Null).await.unwrap_err());
    assert_eq!((error.code.as_str(), &error.details), ("STATE_SAVE_FAILED", &json!({"namespace": "fails"})));
    let server = TestServer::start_with(
        |_| {},
        |builder| {
            builder.state(helios::starling::StateProvider::new(
                "long",
                |_| async { Ok(json!("x".repeat(20_000))) },
                |_, _| async { Ok(()) },
            ))
        },
    );
    let error = failure(server.peer().await.request("starling:getToken", &Value::Null).await.unwrap_err());
    assert_eq!((error.code.as_str(), &error.details["limit"]), ("STATE_TOO_LARGE", &json!(16_384)));
    assert!(error.message.contains("tokens.bytes_max"), "{error}");
}

#[tokio::test]
async fn a_token_of_somebody_else_is_refused_and_claims_are_readable() {
    let server = TestServer::start_with(
        |_| {},
        |builder| {
            builder.token_claims(|starling| {
                serde_json::Map::from_iter([("tenant".to_owned(), json!(starling.id().to_string()))])
            })
        },
    );
    let mut ann = MockStarling::connect(server.ws_url()).await;
    use base64::Engine;
    let part = ann.token().split('.').nth(1).unwrap().to_owned();
    let claims: Value =
        serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap())
            .unwrap();
    assert_eq!((&claims["tenant"], &claims["starlingId"]), (&json!(ann.session()), &json!(ann.session())));
    assert!(claims["states"].is_string() && claims["exp"].as_u64() > claims["iat"].as_u64());
    ann.cut();
    let token = ann.token().to_owned();
    let resume = Resume { token, position: Some(0), ..Resume::default() };
    let options = PeerOptions { resume: Some(resume), msgpack: true, ..PeerOptions::default() };
    let mut other = server.connect(&options).await;
    assert_eq!(next(&mut other).await.1["recovery"]["reason"], "other_subprotocol");
}

#[tokio::test]
async fn a_cable_cut_during_handshake_and_recovery_only_costs_another_try() {
    let server = TestServer::start();
    let cable = Cable::to(server.address()).await;
    let mut ann = MockStarling::connect(&cable.ws_url()).await;
    let (token, session) = (ann.token().to_owned(), ann.session().to_owned());
    let mut position = ann.position();
    ann.cut();
    let cuts = (0..1_100).step_by(37).map(|at| (at, 0)).chain((0..1_400).step_by(37).map(|at| (0, at)));
    for (number, (to_server, to_client)) in cuts.enumerate() {
        away(&server).await;
        only(&server).notify("missed", &number).unwrap();
        match to_client {
            0 => cable.cut_after_up(to_server),
            at => cable.cut_after_down(at),
        }
        let mut seen = Vec::new();
        while seen.is_empty() {
            let resume = Resume { token: token.clone(), position: Some(position), ..Resume::default() };
            let options = PeerOptions { resume: Some(resume), ..PeerOptions::default() };
            let Ok(mut peer) = helios::peer::Peer::connect(&cable.ws_url(), &options).await else { continue };
            let mut whole = false;
            while let Ok(received) = peer.receive().await {
                let Received::Notification { topic, data, .. } = received else { panic!("{received:?}") };
                match topic.as_str() {
                    "hello" => {
                        assert_eq!(data["session"], session, "up {to_server} down {to_client}");
                        assert_eq!(data["recovery"]["recovered"], true, "{data}");
                        assert_eq!(data["recovery"]["position"], position);
                    }
                    "missed" => seen.push(data),
                    "connection:recovered" => {
                        whole = true;
                        break;
                    }
                    other => panic!("{other}"),
                }
            }
            // What has come has come: the next try goes on behind it.
            position += seen.len() as u64;
            assert!(whole || seen.len() <= 1);
        }
        assert_eq!(seen, [json!(number)], "up {to_server} down {to_client}");
        cable.cut();
    }
}

#[tokio::test]
async fn what_is_sent_while_a_token_is_verified_is_kept_in_order() {
    let slow = helios::starling::StateProvider::new(
        "slow",
        |_| async { Ok(json!(1)) },
        |_, _| async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Ok(())
        },
    );
    let server = TestServer::start_with(
        |config| config.sessions.disconnection_ttl = Span::millis(100),
        move |builder| builder.state(slow.clone()),
    );
    for (way, plain) in [(ResumeWay::Message, false), (ResumeWay::Header, false), (ResumeWay::Url, true)] {
        let mut ann =
            MockStarling::connect_with(server.ws_url(), PeerOptions { plain, ..PeerOptions::default() })
                .await;
        let token = ann.token().to_owned();
        ann.cut();
        until("it has ended", || server.starlings().filter(|_| true).is_empty()).await;
        let mut peer = server.connect(&showing(&token, way, plain)).await;
        let mut last = None;
        for n in 0..50 {
            peer.notify("demo:said", &json!(n)).await.unwrap();
            last =
                Some(peer.send_request("demo:received", Some(&json!({"topic": "demo:said"}))).await.unwrap());
        }
        let seen = peer.answer(&last.unwrap()).await.unwrap();
        assert_eq!(seen, json!((0..50).collect::<Vec<_>>()), "{way:?}");
        drop(peer);
        until("that one has ended too", || server.starlings().filter(|_| true).is_empty()).await;
    }
}
