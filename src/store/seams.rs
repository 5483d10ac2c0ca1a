//! What a store gets from outside, so that tests decide about it.

use std::sync::Arc;

use super::disk::{Disk, RealDisk};
use crate::base::Clock;
use crate::telemetry::Metrics;

/// What a store gets from outside.
#[derive(Clone, Debug)]
pub struct Seams {
    /// The file system.
    pub disk: Arc<dyn Disk>,
    /// The time.
    pub clock: Clock,
    /// The metric table.
    pub metrics: Arc<Metrics>,
}

impl Default for Seams {
    fn default() -> Self {
        Self { disk: Arc::new(RealDisk), clock: Clock::default(), metrics: Arc::default() }
    }
}
