//! One connected peer: the socket, the session behind it, and all of them together.
//!
//! Read `websocket` for the framing, `connection` for the actor of a socket, `link` for how others reach it;
//! `service` for which session a socket is for, `ears` and `receive` for what messages mean, `repeats` and `gate` for calls
//! that run once; `session` for what outlives a socket, `recovery` for how a peer comes back to it, `manager` for
//! the table of everybody, `online` for which accounts they have. What is absent on purpose: what any method does, where sessions are written down, and
//! HTTP beyond the raw socket that it leaves behind.

mod absences;
mod answer;
mod connection;
mod ears;
mod gate;
mod heartbeat;
mod hooks;
mod kinds;
mod link;
mod manager;
mod online;
mod options;
mod outbox;
mod pending;
mod proxy;
mod receive;
mod recovery;
mod repeats;
mod service;
mod session;
mod shared;
pub mod websocket;

pub use connection::{Connection, Service, Transport};
pub use hooks::{Handshake, Hooks, ProxyHook, ProxyKind, ProxyRequest};
pub use link::{Link, Unsent};
pub use manager::{ManagerGone, Place, Refusal, Starlings, StarlingsManager};
pub use options::{ConnectionOptions, ProxyMode};
pub use recovery::{
    Archive, Claim, Contents, Ended, Fact, NotKept, Note, Opened, Refusal as RecoveryRefusal, Rest,
    SessionEvent, SessionRecord, StateProvider,
};
pub use service::SessionService;
pub use session::write_message_frame;
pub use session::{Begun, Session, SessionOptions, Terms, Unsubscribed, about as about_replay};
pub use shared::{DrainPhase, IdentityHook, Parts, Shared, capabilities};
