//! How fast jobs of a type may be leased, where its rules say so.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::ids::JobType;
use super::lease::Lease;
use super::options::QueueOptions;
use crate::base::TokenBucket;

/// The buckets of types that have a rate.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<HashMap<JobType, TokenBucket>>);

/// What was taken for leases that are about to be given, by type.
pub(super) type Claimed = HashMap<JobType, u64>;

impl Rates {
    /// Takes what at most so many leases need.
    pub(super) fn claim(&self, options: &QueueOptions, most: usize, now_ms: u64) -> Claimed {
        let mut claimed = Claimed::new();
        if options.types.is_empty() {
            return claimed;
        }
        let mut buckets = self.0.lock();
        for kind in options.types.keys().filter_map(|name| name.parse::<JobType>().ok()) {
            let Some((rate, per_ms)) = options.rate_of(&kind) else { continue };
            let bucket = buckets.entry(kind.clone());
            let bucket = bucket.or_insert_with(|| TokenBucket::with_span(rate, per_ms, rate, now_ms));
            let tokens = bucket.tokens(now_ms).min(most as u64);
            // There are as many.
            let taken = if bucket.take_many(tokens, now_ms).is_ok() { tokens } else { 0 };
            claimed.insert(kind, taken);
        }
        claimed
    }

    /// Puts back what was not needed.
    pub(super) fn settle(&self, claimed: Claimed, given: &[(u64, Lease)]) {
        if claimed.is_empty() {
            return;
        }
        let mut buckets = self.0.lock();
        for (kind, claimed) in claimed {
            let used = given.iter().filter(|(_, lease)| lease.job.kind == kind).count() as u64;
            if let Some(bucket) = buckets.get_mut(&kind) {
                bucket.give_back(claimed.saturating_sub(used));
            }
        }
    }
}

/// How long it takes until one more of a type may be leased, at most.
pub(super) fn next_in(options: &QueueOptions, kind: &JobType) -> Option<Duration> {
    options.rate_of(kind).map(|(rate, per_ms)| Duration::from_millis((per_ms / rate).max(1)))
}
