//! The compact encoding: one MessagePack array in each binary frame.
//!
//! | first element | message | then |
//! |---|---|---|
//! | 0 | request | id, method, payload?, peer? |
//! | 1 | success | id, data?, peer? |
//! | 2 | failure | id, code, message, details?, peer? |
//! | 3 | notification | id or nil, topic, data?, progress?, peer? |
//! | 4 | error | severity, code, message, details?, peer? |
//! | 5 | ack | message id |
//! | 6 | publication | position, topic, data, tags?, pattern? |
//!
//! Ids are 16 bytes, or text where 16 bytes would lose the case of its letters. There is no name, version or
//! time in it: the subprotocol fixes the first two, and nobody reads the third.

mod decode;
mod encode;
mod skip;

pub use decode::decode;
pub(super) use encode::encode;
pub use skip::{Broken, skip_value};

/// First elements of the arrays.
mod tag {
    pub(super) const REQUEST: u64 = 0;
    pub(super) const SUCCESS: u64 = 1;
    pub(super) const FAILURE: u64 = 2;
    pub(super) const NOTIFICATION: u64 = 3;
    pub(super) const ERROR: u64 = 4;
    pub(super) const ACK: u64 = 5;
    pub(super) const PUBLICATION: u64 = 6;
}
