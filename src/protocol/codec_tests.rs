use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::{Failure, Incoming, Payload, Raw, RequestId, Severity};

const MSGPACK: Dialect = Dialect { codec: Codec::MsgPack, extensions: true };

/// A message as plain values: what goes in must come out.
#[derive(Clone, PartialEq, Debug)]
enum Plain {
    Request { id: String, method: String, payload: Option<Value>, peer: Option<Value> },
    Success { id: String, data: Option<Value>, peer: Option<Value> },
    Failure { id: String, code: String, message: String, details: Option<Value> },
    Notification { id: Option<String>, topic: String, data: Option<Value> },
    Error { code: String, message: String, details: Option<Value> },
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // Quarters are exact in binary; serde may read other decimals one unit in the last place off.
        (-4_000_000..4_000_000).prop_map(|quarters: i32| json!(f64::from(quarters) / 4.0)),
        ".{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(".{0,8}", inner, 0..5).prop_map(|map| json!(map)),
        ]
    })
}

fn any_message() -> impl Strategy<Value = Plain> {
    let id = || "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
    let name = || "[a-zA-Z][a-zA-Z0-9_]{0,9}(:[a-zA-Z][a-zA-Z0-9_]{0,9}){1,3}";
    let maybe = || prop::option::of(any_json());
    let some =
        || prop::option::of(any_json().prop_filter("details are never null", |value| !value.is_null()));
    let peer =
        || prop::option::of(prop_oneof![Just(json!(true)), Just(json!({})), Just(json!([1, {"a": null}]))]);
    prop_oneof![
        (id(), name(), maybe(), peer()).prop_map(|(id, method, payload, peer)| Plain::Request {
            id,
            method,
            payload,
            peer
        }),
        (id(), maybe(), peer()).prop_map(|(id, data, peer)| Plain::Success { id, data, peer }),
        (id(), ".{1,20}", ".{1,60}", some()).prop_map(|(id, code, message, details)| Plain::Failure {
            id,
            code,
            message,
            details
        }),
        (prop::option::of(id()), name(), maybe()).prop_map(|(id, topic, data)| Plain::Notification {
            id,
            topic,
            data
        }),
        (".{1,20}", ".{1,60}", some()).prop_map(|(code, message, details)| Plain::Error {
            code,
            message,
            details
        }),
    ]
}

fn write(message: &Plain, codec: Codec) -> Vec<u8> {
    let owned = |value: &Option<Value>| value.as_ref().map(|value| Payload::write(codec, value).unwrap());
    let id_of = |text: &String| RequestId::parse(text).unwrap();
    let mut out = Vec::new();
    let mut encode = |message: Outgoing<'_>| codec.encode(&message, 1_795_223_929_326, &mut out).unwrap();
    match message {
        Plain::Request { id, method, payload, peer } => {
            let (id, payload, peer) = (id_of(id), owned(payload), owned(peer));
            let (payload, peer) = (payload.as_ref().map(Payload::as_raw), peer.as_ref().map(Payload::as_raw));
            encode(Outgoing::Request { id: &id, method, payload, peer });
        }
        Plain::Success { id, data, peer } => {
            let (id, data, peer) = (id_of(id), owned(data), owned(peer));
            let (data, peer) = (data.as_ref().map(Payload::as_raw), peer.as_ref().map(Payload::as_raw));
            encode(Outgoing::Response { id: &id, result: Ok(data), peer });
        }
        Plain::Failure { id, code, message, details } => {
            let (id, details) = (id_of(id), owned(details));
            let details = details.as_ref().map(Payload::as_raw);
            let failure = Failure { code: code.into(), message: message.into(), details };
            encode(Outgoing::Response { id: &id, result: Err(failure), peer: None });
        }
        Plain::Notification { id, topic, data } => {
            let (id, data) = (id.as_ref().map(id_of), owned(data));
            let data = data.as_ref().map(Payload::as_raw);
            encode(Outgoing::Notification {
                request_id: id.as_ref(),
                topic,
                progress: false,
                data,
                peer: None,
            });
        }
        Plain::Error { code, message, details } => {
            let details = owned(details);
            let details = details.as_ref().map(Payload::as_raw);
            let failure = Failure { code: code.into(), message: message.into(), details };
            encode(Outgoing::Error { severity: Severity::Protocol, failure, peer: None });
        }
    }
    out
}

fn read(bytes: &[u8], codec: Codec) -> Plain {
    let text = String::from_utf8_lossy(bytes);
    let decoded = match codec {
        Codec::Json => Dialect::EXISTING.decode_text(&text),
        Codec::MsgPack => MSGPACK.decode_binary(bytes),
    };
    let Decoded::Message(message) = decoded else { panic!("{decoded:?} of {text}") };
    let value = |raw: Option<Raw<'_>>| raw.map(|raw| raw.read::<Value>().unwrap());
    match message {
        Incoming::Request(it) => Plain::Request {
            id: it.id.to_string(),
            method: it.method.to_string(),
            payload: value(it.payload),
            peer: value(it.peer),
        },
        Incoming::Response(it) => match it.result {
            Ok(data) => Plain::Success { id: it.id.to_string(), data: value(data), peer: value(it.peer) },
            Err(error) => Plain::Failure {
                id: it.id.to_string(),
                code: error.code.to_string(),
                message: error.message.to_string(),
                details: value(error.details),
            },
        },
        Incoming::Notification(it) => Plain::Notification {
            id: it.request_id.map(|id| id.to_string()),
            topic: it.topic.to_string(),
            data: value(it.data),
        },
        Incoming::Error(it) => Plain::Error {
            code: it.failure.code.to_string(),
            message: it.failure.message.to_string(),
            details: value(it.failure.details),
        },
        Incoming::Ack => panic!("nobody wrote an ack"),
    }
}

/// In the compact codec a hole before a present element is nil, and so is an absent payload before a peer.
fn as_packed(message: Plain) -> Plain {
    match message {
        Plain::Request { id, method, payload: None, peer: Some(peer) } => {
            Plain::Request { id, method, payload: Some(Value::Null), peer: Some(peer) }
        }
        Plain::Success { id, data: None, peer: Some(peer) } => {
            Plain::Success { id, data: Some(Value::Null), peer: Some(peer) }
        }
        other => other,
    }
}

proptest! {
    #[test]
    fn what_was_written_as_json_is_read(message in any_message()) {
        prop_assert_eq!(read(&write(&message, Codec::Json), Codec::Json), message);
    }

    #[test]
    fn what_was_written_as_msgpack_is_read(message in any_message()) {
        prop_assert_eq!(read(&write(&message, Codec::MsgPack), Codec::MsgPack), as_packed(message));
    }

    #[test]
    fn payloads_mean_the_same_in_either_codec(value in any_json()) {
        let packed = Payload::write(Codec::MsgPack, &value).unwrap();
        let text = packed.as_raw().translate(Codec::Json).unwrap();
        prop_assert_eq!(&serde_json::from_slice::<Value>(text.as_ref()).unwrap(), &value);
    }

    #[test]
    fn no_bytes_panic_in_either_codec(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = MSGPACK.decode_binary(&bytes);
        let _ = Dialect::EXISTING.decode_text(&String::from_utf8_lossy(&bytes));
    }
}
