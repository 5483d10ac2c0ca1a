//! The fixtures of `protocol-spec/`, which the JavaScript client reads too.

use helios::peer::Received;
use helios::protocol::{Codec, Decoded, Dialect, Failure, Foreign, Incoming, Raw};
use helios::testing::TestServer;
use serde_json::{Map, Value, json};

fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/protocol-spec/fixtures/{file}", env!("CARGO_MANIFEST_DIR"));
    let read: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let cases = read["cases"].as_array().unwrap().clone();
    assert!(cases.len() >= 10, "{path} has cases");
    cases
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn put(object: &mut Map<String, Value>, name: &str, raw: Option<Raw<'_>>) {
    if let Some(raw) = raw {
        object.insert(name.into(), raw.read().unwrap());
    }
}

fn failure(failure: &Failure<'_>) -> Value {
    let mut object = Map::from_iter([
        ("code".into(), failure.code.as_ref().into()),
        ("message".into(), failure.message.as_ref().into()),
    ]);
    put(&mut object, "details", failure.details);
    object.into()
}

/// A message in the words of the fixtures.
fn described(message: &Incoming<'_>) -> Value {
    let mut object = Map::new();
    match message {
        Incoming::Request(request) => {
            object.insert("type".into(), "request".into());
            object.insert("id".into(), request.id.as_str().into());
            object.insert("method".into(), request.method.as_ref().into());
            put(&mut object, "payload", request.payload);
            put(&mut object, "peer", request.peer);
        }
        Incoming::Response(response) => {
            object.insert("type".into(), "response".into());
            object.insert("id".into(), response.id.as_str().into());
            match &response.result {
                Ok(data) => put(&mut object, "data", *data),
                Err(error) => drop(object.insert("error".into(), failure(error))),
            }
        }
        Incoming::Notification(notification) => {
            object.insert("type".into(), "notification".into());
            object.insert("id".into(), notification.request_id.map(|id| id.to_string()).into());
            object.insert("topic".into(), notification.topic.as_ref().into());
            put(&mut object, "data", notification.data);
            put(&mut object, "peer", notification.peer);
            if let Some(published) = &notification.published {
                let mut told = Map::from_iter([("position".into(), published.position.as_ref().into())]);
                if let Some(pattern) = &published.pattern {
                    told.insert("pattern".into(), pattern.as_ref().into());
                }
                put(&mut told, "tags", published.tags);
                object.insert("published".into(), told.into());
            }
        }
        Incoming::Error(error) => {
            object.insert("type".into(), "error".into());
            object.insert("error".into(), failure(&error.failure));
        }
        Incoming::Ack => drop(object.insert("type".into(), "ack".into())),
    }
    object.into()
}

fn check_valid(case: &Value, decoded: Decoded<'_>) {
    let name = &case["name"];
    match decoded {
        Decoded::Message(message) => assert_eq!(described(&message), case["message"], "{name}"),
        Decoded::Foreign(foreign) => {
            let kind = match foreign {
                Foreign::Text => "text",
                Foreign::Json => "json",
                Foreign::Binary => "binary",
            };
            assert_eq!(case["foreign"], kind, "{name}");
        }
        Decoded::Refused(refusal) => panic!("{name}: {refusal:?}"),
    }
}

fn check_invalid(case: &Value, decoded: Decoded<'_>) {
    let name = &case["name"];
    let Decoded::Refused(refusal) = decoded else { panic!("{name} is not refused: {decoded:?}") };
    let violations: Vec<&str> = refusal.violations.iter().collect();
    assert_eq!(json!(violations), case["violations"], "{name}");
    assert_eq!(json!(refusal.request_id.map(|id| id.to_string())), case["requestId"], "{name}");
}

const MSGPACK: Dialect = Dialect { codec: Codec::MsgPack, extensions: true };

#[test]
fn valid_frames_mean_what_the_fixtures_say() {
    for case in cases("valid/json.json") {
        check_valid(&case, Dialect::EXISTING.decode_text(case["frame"].as_str().unwrap()));
    }
    for case in cases("valid/msgpack.json") {
        check_valid(&case, MSGPACK.decode_binary(&bytes(case["frame"].as_str().unwrap())));
    }
}

#[test]
fn invalid_frames_are_refused_as_the_fixtures_say() {
    for case in cases("invalid/json.json") {
        check_invalid(&case, Dialect::EXISTING.decode_text(case["frame"].as_str().unwrap()));
    }
    for case in cases("invalid/msgpack.json") {
        check_invalid(&case, MSGPACK.decode_binary(&bytes(case["frame"].as_str().unwrap())));
    }
}

#[tokio::test]
async fn a_server_answers_every_invalid_frame_and_goes_on() {
    let server = TestServer::start();
    let mut peer = server.plain_peer().await;
    for case in cases("invalid/json.json") {
        let name = &case["name"];
        peer.send_text(case["frame"].as_str().unwrap()).await.unwrap();
        let Received::Error(error) = peer.receive().await.unwrap() else { panic!("{name}") };
        assert_eq!(
            (error.code.as_str(), error.message.as_str()),
            ("PROTOCOL_VIOLATION", "Message processing failed")
        );
        assert_eq!(error.details["violations"], case["violations"], "{name}");
        if let Some(wanted) = case["requestId"].as_str() {
            let Received::Response { id, result: Err(error), .. } = peer.receive().await.unwrap() else {
                panic!("{name}: a caller that waits gets an answer")
            };
            assert_eq!((id.as_str(), error.code.as_str()), (wanted, "PROTOCOL_VIOLATION"), "{name}");
        }
    }
    assert_eq!(peer.request("demo:echo", &json!(1)).await.unwrap(), json!(1));
}

#[test]
fn the_schema_accepts_and_refuses_what_the_server_does() {
    let path = format!("{}/protocol-spec/schema/message.json", env!("CARGO_MANIFEST_DIR"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for case in cases("valid/json.json").iter().filter(|case| case["message"].is_object()) {
        let message: Value = serde_json::from_str(case["frame"].as_str().unwrap()).unwrap();
        assert!(schema.is_valid(&message), "{}", case["name"]);
    }
    for case in cases("invalid/json.json") {
        let message: Value = serde_json::from_str(case["frame"].as_str().unwrap()).unwrap();
        assert!(!schema.is_valid(&message), "{}", case["name"]);
    }
}

#[tokio::test]
async fn the_described_methods_are_those_that_the_server_has() {
    let server = TestServer::start();
    let listed = server.peer().await.request("system:methods", &json!(null)).await.unwrap();
    let mut described = Vec::new();
    let namespaces = [
        "audit",
        "auth",
        "config",
        "demo",
        "jobs",
        "kv",
        "limits",
        "metrics",
        "roles",
        "sessions",
        "starling",
        "system",
        "token",
        "topic",
        "universe",
        "universes",
        "users",
    ];
    for namespace in namespaces {
        let path = format!("{}/protocol-spec/methods/{namespace}.json", env!("CARGO_MANIFEST_DIR"));
        let read: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        described.extend(read["methods"].as_array().unwrap().clone());
    }
    let listed = listed["methods"].as_array().unwrap();
    assert_eq!(listed.len(), described.len());
    for (ours, spec) in listed.iter().zip(&described) {
        for field in ["name", "description", "idempotent", "timeoutMs"] {
            assert_eq!(ours[field], spec[field], "{} of {}", field, spec["name"]);
        }
        let parameters = |schema: &Value| {
            let one =
                schema["anyOf"].as_array().and_then(|any| any.iter().find(|one| one.get("$ref").is_some()));
            let object = match one {
                Some(one) => schema.pointer(one["$ref"].as_str().unwrap().trim_start_matches('#')).unwrap(),
                None => schema,
            };
            object["properties"]
                .as_object()
                .map(|all| all.keys().cloned().collect::<Vec<_>>())
                .unwrap_or_default()
        };
        let mut told: Vec<String> =
            spec["payload"].as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default();
        told.sort();
        assert_eq!(parameters(&ours["schema"]), told, "parameters of {}", spec["name"]);
    }
}
