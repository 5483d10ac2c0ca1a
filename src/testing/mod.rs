//! For tests: a server on a free port, stopped when it is dropped.

mod disk;
mod server;

pub use disk::MemoryDisk;
pub use server::TestServer;
