//! The orders that the manager takes.

use std::net::IpAddr;
use std::sync::Arc;

use actix::Message;

use super::Refusal;
use crate::base::StarlingId;
use crate::starling::session::Session;

/// Gives a session a place.
#[derive(Debug)]
pub(super) struct Admit {
    pub(super) session: Arc<Session>,
    pub(super) address: Option<IpAddr>,
}

/// Takes a place back.
#[derive(Debug)]
pub(super) struct Leave {
    pub(super) id: StarlingId,
}

impl Message for Admit {
    type Result = Result<(), Refusal>;
}

impl Message for Leave {
    type Result = ();
}
