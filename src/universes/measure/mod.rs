//! Measuring what universes promise, on the machine that it runs on. Used by `GET /api/benchmarks` and by
//! `benches/universes.rs`; each measurement first proves that the work was done.

mod commits;
mod forks;
mod work;

use std::time::{Duration, Instant};

use serde::Serialize;

pub use commits::{CommitCase, CommitResult, commit_latency};
pub use forks::{ForkResult, Sharing, fork_speed_up, sharing};
pub use work::{Parallel, Scratch, Stress, Throughput, parallel, stress, throughput, waiting};

/// How times are spread, in microseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// Measured times.
    pub samples: usize,
    /// Half of them took at most this.
    pub p50_us: f64,
    /// 19 of 20.
    pub p95_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// The longest.
    pub max_us: f64,
    /// The mean.
    pub mean_us: f64,
}

impl Spread {
    /// Of some times; all zero if there are none.
    pub fn of(times: &[Duration]) -> Self {
        let mut us: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e6).collect();
        us.sort_by(f64::total_cmp);
        let at =
            |part: f64| us.get(((us.len().max(1) - 1) as f64 * part) as usize).copied().unwrap_or_default();
        let mean_us = us.iter().sum::<f64>() / us.len().max(1) as f64;
        Self {
            samples: us.len(),
            p50_us: at(0.5),
            p95_us: at(0.95),
            p99_us: at(0.99),
            max_us: at(1.0),
            mean_us,
        }
    }
}

/// What a measurement found out about the work itself: it was not done as it should have been.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the work was not done: {0}")]
pub struct NotDone(pub String);

fn check(holds: bool, what: &str) -> Result<(), NotDone> {
    if holds { Ok(()) } else { Err(NotDone(what.to_owned())) }
}

/// How long something takes.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = work();
    (done, began.elapsed())
}
