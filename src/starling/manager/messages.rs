//! The orders that the manager takes.

use std::net::IpAddr;

use actix::Message;

use super::Refusal;
use super::places::Place;

/// Gives a connection a place.
#[derive(Debug)]
pub(super) struct Admit {
    pub(super) address: Option<IpAddr>,
}

impl Message for Admit {
    type Result = Result<Place, Refusal>;
}
