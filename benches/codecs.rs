//! How long an envelope takes. Question: do decode and encode together stay under a third of a request?
//! Expected: JSON decode of 240 bytes 150–250 ns, encode 60–110 ns; MessagePack half of it.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use helios::protocol::{Codec, Decoded, Dialect, Incoming, Outgoing, Payload, RequestId};
use helios::starling::websocket::{Decoder, Event, FrameLimits};

const ID: &str = "e996f0d2-4115-4a64-b77f-e4ae77b0808c";
const MSGPACK: Dialect = Dialect { codec: Codec::MsgPack, extensions: true };

fn request(codec: Codec, payload: &str) -> Vec<u8> {
    let (id, payload) = (RequestId::parse(ID).unwrap(), Payload::write(codec, payload).unwrap());
    let message =
        Outgoing::Request { id: &id, method: "demo:echo", payload: Some(payload.as_raw()), peer: None };
    let mut out = Vec::new();
    codec.encode(&message, 1_795_223_929_326, &mut out).unwrap();
    out
}

fn decoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for bytes in [64, 1_024] {
        let text = String::from_utf8(request(Codec::Json, &"x".repeat(bytes))).unwrap();
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("json {bytes}"), |b| {
            b.iter(|| match Dialect::EXISTING.decode_text(black_box(&text)) {
                Decoded::Message(Incoming::Request(request)) => {
                    assert_eq!(request.payload.map(|it| it.bytes.len()), Some(bytes + 2));
                }
                other => panic!("{other:?}"),
            });
        });
        let packed = request(Codec::MsgPack, &"x".repeat(bytes));
        group.throughput(Throughput::Bytes(packed.len() as u64));
        group.bench_function(format!("msgpack {bytes}"), |b| {
            b.iter(|| match MSGPACK.decode_binary(black_box(&packed)) {
                Decoded::Message(Incoming::Request(request)) => assert_eq!(request.method, "demo:echo"),
                other => panic!("{other:?}"),
            });
        });
    }
    group.finish();
}

fn encoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    let id = RequestId::parse(ID).unwrap();
    for codec in [Codec::Json, Codec::MsgPack] {
        let data = Payload::write(codec, &"x".repeat(64)).unwrap();
        let message = Outgoing::Response { id: &id, result: Ok(Some(data.as_raw())), peer: None };
        let mut out = Vec::with_capacity(512);
        group.bench_function(format!("{codec:?} response 64"), |b| {
            b.iter(|| {
                out.clear();
                codec.encode(black_box(&message), 1_795_223_929_326, &mut out).unwrap();
                assert!(out.len() > 64);
            });
        });
    }
    group.finish();
}

fn framing(c: &mut Criterion) {
    let payload = [b'x'; 240];
    let mut frame = vec![0x81, 0x80 | 126, 0, 240, 1, 2, 3, 4];
    frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ [1, 2, 3, 4][at % 4]));
    let limits = FrameLimits { message_bytes_max: 1 << 20, frame_bytes_max: 1 << 24 };
    c.bench_function("frame 240", |b| {
        let mut decoder = Decoder::new(limits);
        let mut buffer = frame.clone();
        b.iter(|| {
            buffer.copy_from_slice(&frame);
            match decoder.decode(black_box(&mut buffer)).unwrap().event {
                Some(Event::Text(text)) => assert_eq!(text.len(), 240),
                other => panic!("{other:?}"),
            }
        });
    });
}

criterion_group!(benches, decoding, encoding, framing);
criterion_main!(benches);
