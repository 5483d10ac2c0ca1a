//! What goes over the wire, byte for byte where existing clients look.

use helios::dispatch::{Context, MethodError};
use helios::peer::{PeerError, PeerOptions, Received};
use helios::testing::TestServer;
use serde_json::{Value, json};

use crate::raw::{RawSocket, frame};

const ID: &str = "E996F0D2-4115-4a64-b77f-e4ae77b0808c";

fn request(method: &str, rest: &str) -> String {
    format!(
        r#"{{"protocol":"helios-starling","version":"1.0.0","timestamp":1,"type":"request","requestId":"{ID}","method":"{method}"{rest}}}"#
    )
}

/// Sends text and gives the text of the next frame, its time cut out.
async fn ask(socket: &mut RawSocket, text: &str) -> String {
    socket.write(&frame(0x81, text.as_bytes())).await;
    answer(socket).await
}

async fn answer(socket: &mut RawSocket) -> String {
    let frame = socket.frame().await.unwrap();
    assert_eq!(frame.opcode, 1);
    let text = String::from_utf8(frame.payload).unwrap();
    let (before, after) = text.split_once(r#""timestamp":"#).unwrap();
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    assert_eq!(digits, 13, "milliseconds: {text}");
    format!("{before}{}", &after[digits + 1..])
}

#[tokio::test]
async fn answers_look_as_existing_clients_want_them() {
    let server = TestServer::start();
    let mut socket = RawSocket::open(server.address(), "/").await;
    let head =
        format!(r#"{{"protocol":"helios-starling","version":"1.0.0","type":"response","requestId":"{ID}","#);
    let payload = r#"{"a":[1.0,1e400,12345678901234567890,"\ud800 é"],"__proto__":1,"a":2}"#;
    assert_eq!(
        ask(&mut socket, &request("demo:echo", &format!(r#","payload": {payload}"#))).await,
        format!(r#"{head}"success":true,"data":{payload}}}"#),
        "the payload comes back byte for byte, the id in its own case"
    );
    assert_eq!(ask(&mut socket, &request("demo:echo", "")).await, format!(r#"{head}"success":true}}"#));
    for falsy in ["0", "false", "\"\"", "null"] {
        let answer = ask(&mut socket, &request("demo:echo", &format!(",\"payload\":{falsy}"))).await;
        assert_eq!(answer, format!(r#"{head}"success":true,"data":{falsy}}}"#));
    }
    assert_eq!(
        ask(&mut socket, &request("demo:nothing", "")).await,
        format!(
            r#"{head}"success":false,"error":{{"code":"METHOD_NOT_FOUND","message":"Method demo:nothing not found"}}}}"#
        )
    );
    assert_eq!(
        ask(
            &mut socket,
            &request("demo:fail", r#","payload":{"code":"APP_X","message":"m","details":null}"#)
        )
        .await,
        format!(
            r#"{head}"success":false,"error":{{"code":"APP_X","message":"m","details":{{"demo":true}}}}}}"#
        )
    );
}

#[tokio::test]
async fn nesting_costs_no_stack() {
    let server = TestServer::start();
    let mut socket = RawSocket::open(server.address(), "/").await;
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let answer = ask(&mut socket, &request("demo:echo", &format!(",\"payload\":{deep}"))).await;
    assert!(answer.ends_with(&format!("\"data\":{deep}}}")));
    let typed = ask(&mut socket, &request("demo:slow", &format!(",\"payload\":{deep}"))).await;
    assert!(typed.contains("VALIDATION_ERROR"), "{typed}");
}

#[tokio::test]
async fn notifications_look_as_existing_clients_want_them() {
    let server = TestServer::start();
    let mut socket = RawSocket::open(server.address(), "/").await;
    let told =
        ask(&mut socket, &request("demo:topic", r#","payload":{"topic":"demo:news","data":{"hello":1}}"#))
            .await;
    assert_eq!(
        told,
        r#"{"protocol":"helios-starling","version":"1.0.0","type":"notification","requestId":null,"notification":{"topic":"demo:news","data":{"hello":1}}}"#
    );
    answer(&mut socket).await;
    let progress = ask(&mut socket, &request("demo:progress", r#","payload":{"steps":1}"#)).await;
    assert!(progress.contains(&format!(r#""type":"notification","requestId":"{ID}","notification":{{"topic":"progress","type":"progress","data":{{"#)), "{progress}");
    assert!(progress.contains(r#""progress":0"#) && progress.contains(r#""type":"progress"}"#), "{progress}");
}

#[tokio::test]
async fn a_peer_without_a_subprotocol_gets_nothing_unasked() {
    let server = TestServer::start();
    let mut peer = server.plain_peer().await;
    let answer = peer.request("demo:echo", &json!("first")).await.unwrap();
    assert_eq!(answer, json!("first"));
    assert_eq!(server.starlings().broadcast("news", &json!(1), |_| true).unwrap(), 1);
    let Received::Notification { topic, .. } = peer.receive().await.unwrap() else { panic!() };
    assert_eq!(topic, "news", "nothing came before");
}

#[tokio::test]
async fn a_peer_that_knows_our_extensions_is_greeted() {
    let server = TestServer::start();
    for (options, codec) in [
        (PeerOptions::default(), "json"),
        (PeerOptions { msgpack: true, ..PeerOptions::default() }, "msgpack"),
    ] {
        let mut peer = server.connect(&options).await;
        let Received::Notification { topic, data, request_id, .. } = peer.receive().await.unwrap() else {
            panic!()
        };
        assert_eq!((topic.as_str(), request_id), ("hello", None));
        assert_eq!(data["codec"], codec);
        assert_eq!(data["pingIntervalMs"], 25_000);
        assert_eq!(data["limits"]["messageBytes"], 1 << 20);
        assert_eq!(data["server"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(data["capabilities"]["progress"], true);
        let id = data["session"].as_str().unwrap().parse().unwrap();
        assert!(server.starlings().get(id).is_some());
        let value = json!({"a": [1, -1, 1.5, "é", null, true, {"deep": [[]]}]});
        assert_eq!(peer.request("demo:echo", &value).await.unwrap(), value);
        assert_eq!(peer.request("demo:slow", &json!({"ms": 1, "value": 7})).await.unwrap(), json!(7));
    }
}

#[tokio::test]
async fn frames_that_are_no_messages_get_no_answer() {
    let server = TestServer::start();
    let mut peer = server.plain_peer().await;
    for text in ["hello", "", "{\"type\":\"request\"}", "[]", "null", "{"] {
        peer.send_text(text).await.unwrap();
    }
    peer.send_binary(vec![0, 1, 2]).await.unwrap();
    peer.send_text(
        r#"{"protocol":"helios-starling","version":"1.0.0","timestamp":1,"type":"error","error":{"code":"X","message":"y"}}"#,
    )
    .await
    .unwrap();
    peer.send_text(format!(
        r#"{{"protocol":"helios-starling","version":"1.0.0","timestamp":1,"type":"ack","messageId":"{ID}"}}"#
    ))
    .await
    .unwrap();
    let id = peer.send_request("demo:echo", Some(&json!(1))).await.unwrap();
    let Received::Response { id: first, .. } = peer.receive().await.unwrap() else {
        panic!("the answer is first")
    };
    assert_eq!(first, id.to_string());
}

#[tokio::test]
async fn a_message_over_the_limit_is_answered_and_the_connection_kept() {
    let server = TestServer::start();
    let mut peer = server.plain_peer().await;
    let text = request("demo:echo", &format!(",\"payload\":\"{}\"", "x".repeat(2 << 20)));
    peer.send_text(text.clone()).await.unwrap();
    let Received::Error(error) = peer.receive().await.unwrap() else { panic!() };
    let violation = format!("Message size ({} bytes) exceeds maximum allowed size", text.len());
    assert_eq!(error.details["violations"], json!([violation]));
    let Received::Response { id, result: Err(error), .. } = peer.receive().await.unwrap() else { panic!() };
    assert_eq!((id.as_str(), error.code.as_str()), (ID, "PROTOCOL_VIOLATION"));
    assert_eq!(peer.request("demo:echo", &json!(1)).await.unwrap(), json!(1));
}

#[tokio::test]
async fn an_answer_that_no_client_would_take_becomes_an_error() {
    let build = |builder: helios::app::HeliosBuilder| builder.method("big:answer", big);
    let server = TestServer::start_with(|_| {}, build);
    let mut peer = server.plain_peer().await;
    assert_eq!(peer.request("big:answer", &json!(1_000)).await.unwrap().as_str().unwrap().len(), 1_000);
    let Err(PeerError::Failed(error)) = peer.request("big:answer", &json!(1 << 20)).await else { panic!() };
    assert_eq!(error.code, "RESPONSE_TOO_LARGE");
    assert_eq!(error.details["limit"], 1_048_563);
}

async fn big(_: Context, bytes: usize) -> Result<String, MethodError> {
    Ok("x".repeat(bytes))
}

#[tokio::test]
async fn unanswered_requests_are_bounded() {
    let server = TestServer::start_with(|config| config.connections.requests_max = 3, |builder| builder);
    let mut peer = server.plain_peer().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(peer.send_request("demo:slow", Some(&json!({"ms": 300, "value": 1}))).await.unwrap());
    }
    let Received::Response { id, result: Err(error), .. } = peer.receive().await.unwrap() else { panic!() };
    assert_eq!((id, error.code.as_str()), (ids[3].to_string(), "REQUEST_LIMIT_EXCEEDED"));
    assert_eq!(error.details, json!({"limit": 3}));
    for id in &ids[..3] {
        assert_eq!(peer.answer(id).await.unwrap(), json!(1));
    }
    let all: Value = peer.request("demo:echo", &json!("again")).await.unwrap();
    assert_eq!(all, "again");
}

#[tokio::test]
async fn a_message_over_the_limit_is_answered_in_the_compact_codec_too() {
    let server = TestServer::start();
    let mut peer = server.connect(&PeerOptions { msgpack: true, ..PeerOptions::default() }).await;
    peer.receive().await.unwrap();
    let id = [0x11; 16];
    let mut bytes = vec![0x94, 0, 0xc4, 16];
    bytes.extend(id);
    bytes.extend(b"\xa9demo:echo\xdb\x00\x20\x00\x00");
    bytes.resize(bytes.len() + (2 << 20), b'x');
    peer.send_binary(bytes).await.unwrap();
    let Received::Error(_) = peer.receive().await.unwrap() else { panic!() };
    let Received::Response { id, result: Err(error), .. } = peer.receive().await.unwrap() else { panic!() };
    assert_eq!(
        (id.as_str(), error.code.as_str()),
        ("11111111-1111-1111-1111-111111111111", "PROTOCOL_VIOLATION")
    );
}
