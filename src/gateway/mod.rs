//! HTTP: the routes, the pages, and the door through which sockets leave HTTP. And the TCP port of the store.

mod api;
mod atlas;
mod caller;
mod compress;
mod cors;
mod health;
mod http_peer;
mod identity;
mod observe;
mod options;
mod pages;
mod process;
mod serve;
mod status;
mod tls;
mod token;
mod upgrade;
mod v1;

pub use atlas::{AtlasOptions, AtlasPort};
pub use options::{GatewayOptions, TlsOptions};
pub use serve::{Listening, ServeError, Surroundings, listen};
