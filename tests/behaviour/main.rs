//! What the server does, asked the way a peer would: over real sockets, HTTP and the command line.

mod accounts;
mod accounts_sockets;
mod api;
mod atlas_lines;
mod atlas_port;
mod audit;
mod callbacks;
mod cli;
mod cli_store;
mod cli_universe;
mod conformance;
mod connections;
mod drain;
mod framing;
mod hooks;
mod http;
mod kv;
mod limits;
mod messages;
mod methods;
mod metrics;
mod permissions;
mod proxy;
mod rate_limits;
mod raw;
mod rest;
mod restarts;
mod sessions;
mod tls;
mod topics;
mod topics_durable;
mod topics_presence;
mod universe_keys;
mod universes;

mod wait;
