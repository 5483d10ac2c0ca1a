//! Any bytes as messages of both codecs: no panic, and what is read can be written and read again.
#![no_main]

use helios::protocol::{Codec, Decoded, Dialect, Incoming, Outgoing, json};
use libfuzzer_sys::fuzz_target;

const MSGPACK: Dialect = Dialect { codec: Codec::MsgPack, extensions: true };

fn again(message: &Incoming<'_>, codec: Codec) {
    let mut out = Vec::new();
    let Incoming::Request(request) = message else { return };
    let (id, method, payload, peer) = (&request.id, request.method.as_ref(), request.payload, request.peer);
    let written = codec.encode(&Outgoing::Request { id, method, payload, peer }, 1, &mut out);
    // Another codec may not be able to carry the payload; the own one always can.
    if written.is_err() {
        return;
    }
    let text = String::from_utf8_lossy(&out);
    let back = match codec {
        Codec::Json => Dialect::EXISTING.decode_text(&text),
        Codec::MsgPack => MSGPACK.decode_binary(&out),
    };
    match back {
        Decoded::Message(Incoming::Request(back)) => {
            assert_eq!((back.id, back.method.as_ref()), (request.id, method));
        }
        other => panic!("{other:?}"),
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Decoded::Message(message) = MSGPACK.decode_binary(bytes) {
        again(&message, Codec::MsgPack);
        again(&message, Codec::Json);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Decoded::Message(message) = Dialect::EXISTING.decode_text(text) {
            again(&message, Codec::Json);
            again(&message, Codec::MsgPack);
        }
        // Most bytes lack the envelope; with it the rest of the reader is reached.
        let wrapped = format!("{{\"protocol\":\"helios-starling\",\"version\":\"1.0.0\",\"timestamp\":1,{text}}}");
        let _ = Dialect::EXISTING.decode_text(&wrapped);
        assert_eq!(json::is_json(text), serde_json_says(text));
    }
    let _ = json::request_id_of_prefix(bytes);
});

/// The scanner accepts what serde's raw values accept, nothing more and nothing less.
fn serde_json_says(text: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(text.trim_matches([' ', '\t', '\n', '\r'])).is_ok()
}
