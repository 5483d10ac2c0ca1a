//! Builds a server out of the rooms, starts it, and stops it in order.

mod builder;
mod running;
mod shutdown;
mod start;
mod workers;

pub use builder::{Helios, HeliosBuilder};
pub use running::Running;
pub use shutdown::Drained;
pub use start::StartError;
