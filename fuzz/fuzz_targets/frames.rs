//! Any bytes as frames: no panic, bounded memory, and the same result however the bytes are cut.
#![no_main]

use helios::starling::websocket::{Decoder, Event, FrameLimits};
use libfuzzer_sys::fuzz_target;

const LIMITS: FrameLimits = FrameLimits { message_bytes_max: 1_000, frame_bytes_max: 4_000 };

fn run(bytes: &[u8], step: usize) -> (Vec<String>, Option<u16>) {
    let mut decoder = Decoder::new(LIMITS);
    let mut seen = Vec::new();
    for piece in bytes.chunks(step) {
        let mut piece = piece.to_vec();
        let mut at = 0;
        while at < piece.len() {
            match decoder.decode(&mut piece[at..]) {
                Ok(done) => {
                    at += done.consumed;
                    if let Some(event) = done.event {
                        if let Event::Text(text) = &event {
                            assert!(text.len() <= LIMITS.message_bytes_max);
                        }
                        seen.push(format!("{event:?}"));
                    }
                }
                Err(violation) => return (seen, Some(violation.close_code().code())),
            }
        }
    }
    (seen, None)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let step = usize::from(*first).max(1);
    assert_eq!(run(rest, step), run(rest, usize::MAX));
});
