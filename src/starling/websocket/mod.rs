//! RFC 6455 framing, as a server: bytes in, events out; messages in, bytes out. Pure.
//!
//! It is ours because the ready-made ones cost ten times the memory of an idle connection or leave out
//! close codes (`docs/decisions/0001-raw-socket-connection-actor.md`). The handshake is not here: actix-http
//! reads it.

mod decoder;
mod encoder;
mod mask;
mod text;

pub use decoder::{Decoder, Event, FrameLimits, Step, Violation};
pub use encoder::{Opcode, close_payload, frame_head, write_frame};
