//! Helios: a realtime backend in one binary.
//!
//! Peers ("starlings") connect over WebSocket, call methods, answer methods and exchange notifications. Run
//! the binary, or embed this crate:
//!
//! ```no_run
//! use helios::app::Helios;
//! use helios::dispatch::{Context, MethodError};
//!
//! async fn greet(_: Context, name: String) -> Result<String, MethodError> {
//!     Ok(format!("Hello, {name}!"))
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! actix_rt::System::new().block_on(async {
//!     let server = Helios::builder().method("chat:greet", greet).start().await?;
//!     println!("{}", server.ws_url());
//!     server.broken().await;
//!     Ok(())
//! })
//! # }
//! ```
//!
//! # The house
//!
//! The rooms, in reading order. Who may import whom is held by `tests/tidy.rs`.
//!
//! | room | what | what it never hears of |
//! |---|---|---|
//! | [`base`] | time, ids, sizes, durations, chance | everything else |
//! | [`telemetry`] | metric table, log lines | what the rooms do |
//! | [`protocol`] | messages, names, codes, JSON and MessagePack | sockets, sessions |
//! | [`auth`] | who a caller is and what it may do | frames |
//! | [`hub`] | topics: subscribers, fan-out, history, who is there | sockets, sessions, keys |
//! | [`dispatch`] | registry of methods, context, the one path of a call | frames, sockets |
//! | [`starling`] | framing, connection actor, session, the table of all | what a method does |
//! | [`universe`] | the persistent, content-addressed map that state is made of | disks, clocks, threads |
//! | [`store`] | ATLAS, the durable store: engine, log, snapshots, watches | frames |
//! | [`queue`] | jobs: leases, retries, schedules, dead letters | frames |
//! | [`universes`] | branchable state: universes, their commits, merges, history | frames |
//! | [`methods`] | the methods that come with the server | HTTP |
//! | [`gateway`] | HTTP routes, pages, the door to sockets, the port of the store | what a message means |
//! | [`config`] | one tree of every room's options | who uses them |
//! | [`app`] | builds, starts, drains, stops | – |
//! | [`peer`] | a peer in Rust, for the command line and tests | servers |
//! | [`cli`] | one file for each subcommand | – |
//! | `testing` | a server on port 0, for tests (feature `testing`) | – |

#![warn(
    clippy::unwrap_used,
    clippy::panic,
    clippy::todo,
    clippy::dbg_macro,
    clippy::redundant_closure_for_method_calls
)]

pub mod app;
pub mod auth;
pub mod base;
pub mod cli;
pub mod config;
pub mod dispatch;
pub mod gateway;
pub mod hub;
pub mod methods;
pub mod peer;
pub mod protocol;
pub mod queue;
pub mod starling;
pub mod store;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod universe;
pub mod universes;

/// The Rust in these pages is compiled with the documentation's tests.
#[cfg(all(doctest, feature = "testing"))]
mod pages {
    #[doc = include_str!("../docs/jobs.md")]
    mod jobs {}
    #[doc = include_str!("../docs/sessions.md")]
    mod sessions {}
    #[doc = include_str!("../docs/testing.md")]
    mod testing {}
    #[doc = include_str!("../docs/topics.md")]
    mod topics {}
}
