//! Words and seams that every room shares: time, ids, sizes, durations, chance.
//!
//! Nothing here knows what Helios is. What is absent on purpose: anything that does input or output.

mod clock;
mod ids;
mod network;
mod random;
mod secret;
mod size;
mod span;
mod timer_wheel;
mod token_bucket;

pub use clock::Clock;
pub use ids::{ConnectionId, StarlingId, UserId};
pub use network::network;
pub use random::Random;
pub use secret::Secret;
pub use size::ByteSize;
pub use span::{Span, ms_text};
pub use timer_wheel::TimerWheel;
pub use token_bucket::{BucketLevel, TokenBucket};
