//! Words and seams that every room shares: time, ids, sizes, durations, chance.
//!
//! Nothing here knows what Helios is. What is absent on purpose: anything that does input or output.

mod bounded_table;
mod cidr;
mod clock;
mod ids;
mod network;
mod origin;
mod random;
mod secret;
mod size;
mod span;
mod timer_wheel;
mod token_bucket;

pub use bounded_table::BoundedTable;
pub use cidr::Cidr;
pub use clock::{CLOCK_CORRECTION_MS, Clock};
pub use ids::{ConnectionId, StarlingId, UserId};
pub use network::network;
pub use origin::{Origin, Origins, SAME_ORIGIN, split_port};
pub use random::Random;
pub use secret::Secret;
pub use size::ByteSize;
pub use span::{Span, ms_text};
pub use timer_wheel::TimerWheel;
pub use token_bucket::{BucketLevel, TokenBucket};
