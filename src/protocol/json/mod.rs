//! The compatible encoding: one JSON object in each text frame.

mod canonical;
mod decode;
mod encode;
mod members;
mod notification;
mod scan;

pub use decode::{decode, foreign, request_id_of_prefix};
pub(super) use encode::encode;
pub use scan::{Malformed, is_json};
