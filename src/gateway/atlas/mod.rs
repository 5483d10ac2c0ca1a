//! The TCP port of the store: the Redis protocol (RESP2, RESP3, inline commands) and JSON lines, told apart
//! by the first byte of a connection.
//!
//! What a client has sent in one go is worked on in one go: writes go to the store together and share a flush,
//! reads between them see what came before, and answers leave in order in one piece. Reads without a write
//! before them never leave the thread.

mod answer;
mod batch;
mod client;
mod commands;
mod connection;
mod cursors;
mod glob;
mod guest;
mod http;
mod info;
mod lines;
mod listen;
mod lookups;
mod options;
mod port;
mod request;
mod scan;
mod session;
mod transaction;

pub use listen::AtlasPort;
pub use options::AtlasOptions;
