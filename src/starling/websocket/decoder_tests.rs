use proptest::prelude::*;

use super::*;

const LIMITS: FrameLimits = FrameLimits { message_bytes_max: 1_000, frame_bytes_max: 4_000 };

#[derive(Clone, PartialEq, Eq, Debug)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
    TooLong(u64),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

fn owned(event: Event<'_>) -> Owned {
    match event {
        Event::Text(text) => Owned::Text(text.into()),
        Event::Binary(bytes) => Owned::Binary(bytes.into()),
        Event::TooLong { bytes, .. } => Owned::TooLong(bytes),
        Event::Ping(bytes) => Owned::Ping(bytes.into()),
        Event::Pong => Owned::Pong,
        Event::Close(code) => Owned::Close(code),
    }
}

/// Decodes `bytes` in reads of `step` bytes.
fn run(bytes: &[u8], step: usize) -> (Vec<Owned>, Option<Violation>) {
    let mut decoder = Decoder::new(LIMITS);
    let mut events = Vec::new();
    for piece in bytes.chunks(step.max(1)) {
        let mut piece = piece.to_vec();
        let mut at = 0;
        while at < piece.len() {
            match decoder.decode(&mut piece[at..]) {
                Ok(step) => {
                    at += step.consumed;
                    events.extend(step.event.map(owned));
                }
                Err(violation) => return (events, Some(violation)),
            }
        }
    }
    (events, None)
}

/// A masked frame as a client writes it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [1, 2, 3, 4];
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=65_535 => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(key);
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]));
    bytes
}

fn violation(bytes: &[u8]) -> u16 {
    let whole = run(bytes, usize::MAX).1.unwrap().close_code().code();
    assert_eq!(run(bytes, 1).1.unwrap().close_code().code(), whole, "byte by byte it is the same");
    whole
}

#[test]
fn fragments_and_control_frames_may_be_mixed() {
    let bytes = [
        frame(0x01, "h\u{e9}".as_bytes()[..2].as_ref()),
        frame(0x89, b"are you there"),
        frame(0x00, &"\u{e9}".as_bytes()[1..]),
        frame(0x8A, b""),
        frame(0x80, b"llo"),
        frame(0x82, &[0, 255]),
        frame(0x88, b""),
    ]
    .concat();
    let expected = [
        Owned::Ping(b"are you there".to_vec()),
        Owned::Pong,
        Owned::Text("h\u{e9}llo".into()),
        Owned::Binary(vec![0, 255]),
        Owned::Close(None),
    ];
    for step in [1, 2, 3, 7, usize::MAX] {
        assert_eq!(run(&bytes, step), (expected.to_vec(), None), "in steps of {step}");
    }
}

#[test]
fn broken_framing_is_1002() {
    let unmasked = [0x81, 1, b'a'];
    for bytes in [
        &unmasked[..],
        &frame(0xC1, b"a"),
        &frame(0x83, b""),
        &frame(0x8B, b""),
        &frame(0x09, b""),
        &frame(0x80, b"a"),
        &frame(0x89, &[0; 126]),
        &frame(0x88, &[3]),
        &[frame(0x01, b"a"), frame(0x81, b"b")].concat(),
        &[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
    ] {
        assert_eq!(violation(bytes), 1002, "{bytes:?}");
    }
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        assert_eq!(violation(&frame(0x88, &code.to_be_bytes())), 1002, "{code}");
    }
    for code in [1000_u16, 1003, 1007, 1014, 3000, 4999] {
        assert_eq!(run(&frame(0x88, &code.to_be_bytes()), 3).0, [Owned::Close(Some(code))]);
    }
}

#[test]
fn bad_text_is_1007_as_soon_as_it_is_seen() {
    assert_eq!(violation(&frame(0x81, b"a\xff")), 1007);
    assert_eq!(violation(&frame(0x01, b"a\xff")), 1007, "before the last fragment");
    assert_eq!(violation(&frame(0x81, b"a\xe9")), 1007, "an incomplete character at the end");
    assert_eq!(violation(&frame(0x88, b"\x03\xe8\xff")), 1007, "in a close reason");
    assert_eq!(violation(&frame(0x81, b"\xed\xa0\x80")), 1007, "a surrogate");
}

#[test]
fn long_messages_are_counted_and_longer_ones_refused_by_their_announcement() {
    assert_eq!(run(&frame(0x81, &[b'a'; 1_000]), 64).0.len(), 1);
    assert_eq!(run(&frame(0x81, &[b'a'; 1_001]), 64).0, [Owned::TooLong(1_001)]);
    assert_eq!(run(&frame(0x82, &[0; 4_000]), usize::MAX).0, [Owned::TooLong(4_000)]);
    assert_eq!(violation(&frame(0x82, &[0; 4_001])[..8]), 1009, "nothing of it has come");
    let fragments = [frame(0x02, &[0; 3_000]), frame(0x80, &[0; 1_001])].concat();
    assert_eq!(violation(&fragments), 1009);
    let next = [frame(0x82, &[0; 4_000]), frame(0x81, b"ok")].concat();
    assert_eq!(run(&next, 100).0[1], Owned::Text("ok".into()), "the connection goes on");
}

#[test]
fn a_claimed_gigabyte_sets_nothing_aside() {
    let mut decoder = Decoder::new(FrameLimits { message_bytes_max: 1 << 31, frame_bytes_max: 1 << 31 });
    let mut bytes = [0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4, 9];
    decoder.decode(&mut bytes).unwrap();
    assert!(decoder.message.unwrap().bytes.capacity() <= TRUST_BYTES);
}

#[test]
fn an_idle_decoder_holds_no_buffer() {
    let mut decoder = Decoder::new(LIMITS);
    for first in [0x81, 0x89] {
        let bytes = frame(first, &[b'a'; 100]);
        for byte in bytes {
            decoder.decode(&mut [byte]).unwrap();
        }
    }
    decoder.decode(&mut []).unwrap();
    assert!(decoder.message.is_none() && decoder.control.capacity() == 0);
}

proptest! {
    #[test]
    fn what_was_written_is_read(messages in prop::collection::vec((any::<bool>(), ".{0,300}", 1usize..100), 0..6), step in 1usize..50) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (text, content, cut) in messages {
            let opcode = if text { 1 } else { 2 };
            let pieces: Vec<&[u8]> = content.as_bytes().chunks(cut).collect();
            for (at, piece) in pieces.iter().enumerate() {
                let fin = if at + 1 == pieces.len() { 0x80 } else { 0 };
                bytes.extend(frame(fin | if at == 0 { opcode } else { 0 }, piece));
            }
            if pieces.is_empty() {
                bytes.extend(frame(0x80 | opcode, b""));
            }
            expected.push(match (content.len() > LIMITS.message_bytes_max, text) {
                (true, _) => Owned::TooLong(content.len() as u64),
                (_, true) => Owned::Text(content),
                (_, false) => Owned::Binary(content.into_bytes()),
            });
        }
        prop_assert_eq!(run(&bytes, step), (expected.clone(), None));
        prop_assert_eq!(run(&bytes, usize::MAX), (expected, None));
    }

    #[test]
    fn any_bytes_give_the_same_in_any_pieces(bytes in prop::collection::vec(any::<u8>(), 0..200), step in 1usize..40) {
        prop_assert_eq!(run(&bytes, step), run(&bytes, usize::MAX));
    }
}
