//! For tests: a server on a free port, stopped when it is dropped.

mod server;

pub use server::TestServer;
