//! For tests: a server on a free port, stopped when it is dropped; a client that can be cut off and come back; a
//! cable that can be cut at any byte; a disk that loses power. `docs/testing.md` shows how.

#![expect(clippy::panic, reason = "a test ends where something is not as it must be")]

mod cable;
mod disk;
mod logs;
mod server;
mod starling;

pub use cable::Cable;
pub use disk::MemoryDisk;
pub use server::TestServer;
pub use starling::{MockStarling, Resumed};
