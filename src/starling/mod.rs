//! One connected peer: the socket, the session behind it, and all of them together.
//!
//! Read `websocket` for the framing, `connection` for the actor of a socket, `link` for how others reach
//! it, `session` and `receive` for what messages mean, `manager` for the table of everybody. What is absent
//! on purpose: what any method does, and HTTP beyond the raw socket that it leaves behind.

mod answer;
mod connection;
mod heartbeat;
mod hooks;
mod link;
mod manager;
mod options;
mod outbox;
mod pending;
mod proxy;
mod receive;
mod session;
mod shared;
pub mod websocket;

pub use connection::{Connection, Service, Transport};
pub use hooks::{Hooks, ProxyHook, ProxyKind, ProxyRequest};
pub use link::{Link, Unsent};
pub use manager::{ManagerGone, Refusal, Starlings, StarlingsManager};
pub use options::{ConnectionOptions, ProxyMode};
pub use receive::SessionService;
pub use session::Session;
pub use shared::{DrainPhase, Shared, capabilities};
