//! HTTP: the routes, the pages, and the door through which sockets leave HTTP. And the TCP port of the store.

mod api;
mod atlas;
mod caller;
mod client_address;
mod compress;
mod cors;
mod health;
mod http_peer;
mod http_sockets;
mod identity;
mod observe;
mod options;
mod pages;
mod problems;
mod process;
mod same_origin;
mod serve;
mod status;
mod tls;
mod token;
mod upgrade;
mod v1;

pub use atlas::{AtlasOptions, AtlasPort};
pub use options::{GatewayOptions, TlsOptions};
pub use serve::{Listening, ServeError, Surroundings, bind, listen};
