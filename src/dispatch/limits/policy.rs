//! One policy and its buckets.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::options::{LimitBy, PolicyOptions};
use super::{Exceeded, Face, pattern};
use crate::base::{BoundedTable, BucketLevel, TokenBucket};
use crate::protocol::TopicPattern;

/// Tables of buckets, so that callers on several threads do not wait for each other.
const SHARDS: usize = 16;

/// Buckets of a table. Beyond them, those that are full are forgotten, and whoever is new shares one with others.
const BUCKETS_MAX: usize = 65_536;

/// What is left in a bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    /// What the policy allows at once.
    pub limit: u64,
    /// What it allows now.
    pub remaining: u64,
    /// Seconds until it allows `limit` again.
    pub reset_s: u64,
    /// Seconds that `limit` takes to fill, when empty.
    pub window_s: u64,
}

/// A bucket as it is written down, under the names of existing servers. Tokens come at `rate_num / rate_den` a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BucketState {
    /// Whole tokens.
    pub tokens: u64,
    /// When they were counted, in milliseconds since the Unix epoch.
    pub last_refill: u64,
    /// The most tokens.
    pub capacity: u64,
    /// Upper part of the rate.
    pub rate_num: u64,
    /// Lower part of the rate.
    pub rate_den: u64,
}

#[derive(Debug)]
struct Bucket {
    bucket: TokenBucket,
    /// Not written down as it is.
    changed: bool,
}

type Table = BoundedTable<Client, Bucket>;

#[derive(Debug)]
pub(super) struct Policy {
    name: Box<str>,
    face: Option<Face>,
    methods: Vec<TopicPattern>,
    except: Vec<TopicPattern>,
    options: PolicyOptions,
    shards: [Mutex<Table>; SHARDS],
}

impl Policy {
    pub(super) fn new(name: &str, options: &PolicyOptions) -> Self {
        Self {
            name: name.into(),
            face: Face::ALL.into_iter().find(|face| face.as_str() == options.face),
            methods: options.methods.iter().filter_map(|text| pattern(text)).collect(),
            except: options.except.iter().filter_map(|text| pattern(text)).collect(),
            options: options.clone(),
            shards: std::array::from_fn(|_| Mutex::new(Table::new(BUCKETS_MAX))),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn by(&self) -> LimitBy {
        self.options.by
    }

    pub(super) fn cost(&self) -> u64 {
        self.options.cost
    }

    /// Whether it is about calls of this method by this face.
    pub(super) fn covers(&self, face: Face, method: &str) -> bool {
        let named = |patterns: &[TopicPattern]| patterns.iter().any(|it| it.matches(method));
        self.is_for(face) && (self.methods.is_empty() || named(&self.methods)) && !named(&self.except)
    }

    /// Whether it is asked before anybody looks at who calls what: over HTTP, if it is about addresses alone.
    pub(super) fn is_before(&self, face: Face) -> bool {
        face == Face::Rest && self.is_for(face) && self.by() == LimitBy::Address && self.methods.is_empty()
    }

    fn is_for(&self, face: Face) -> bool {
        self.face.is_none_or(|mine| mine == face)
    }

    fn full(&self, now_ms: u64) -> TokenBucket {
        let PolicyOptions { capacity, refill, per, .. } = &self.options;
        TokenBucket::with_span(*refill, per.as_ms(), *capacity, now_ms)
    }

    fn shard(&self, client: &Client) -> &Mutex<Table> {
        &self.shards[client.spread() % SHARDS]
    }

    /// Takes tokens of a client.
    pub(super) fn take(&self, client: &Client, tokens: u64, now_ms: u64) -> Result<Left, Exceeded> {
        let limit = self.options.capacity;
        self.with(client, now_ms, |bucket| {
            bucket.take_many(tokens, now_ms).map_err(|wait_ms| self.exceeded(wait_ms))?;
            Ok(Left {
                limit,
                remaining: bucket.tokens(now_ms),
                reset_s: bucket.full_in_ms(now_ms).div_ceil(1_000),
                window_s: self.window_s(),
            })
        })
    }

    /// The same for whoever does not want to know what is left.
    pub(super) fn take_only(&self, client: &Client, tokens: u64, now_ms: u64) -> Result<(), Exceeded> {
        let taken = self.with(client, now_ms, |bucket| bucket.take_many(tokens, now_ms));
        taken.map_err(|wait_ms| self.exceeded(wait_ms))
    }

    fn exceeded(&self, wait_ms: u64) -> Exceeded {
        let retry_after_ms = Some(wait_ms).filter(|ms| *ms != u64::MAX);
        Exceeded { policy: self.name.to_string(), limit: self.options.capacity, retry_after_ms }
    }

    /// Works on the bucket of a client, which is full if there was none.
    fn with<T>(&self, client: &Client, now_ms: u64, work: impl FnOnce(&mut TokenBucket) -> T) -> T {
        let mut table = self.shard(client).lock();
        let fresh = || Bucket { bucket: self.full(now_ms), changed: true };
        let entry = table.entry(client, fresh, |entry| entry.bucket.full_in_ms(now_ms) == 0);
        entry.changed = true;
        work(&mut entry.bucket)
    }

    fn window_s(&self) -> u64 {
        let PolicyOptions { capacity, refill, per, .. } = &self.options;
        capacity.saturating_mul(per.as_ms()).div_ceil((*refill).max(1)).div_ceil(1_000)
    }

    pub(super) fn give_back(&self, client: &Client, tokens: u64) {
        if let Some(entry) = self.shard(client).lock().find_mut(client) {
            entry.bucket.give_back(tokens);
        }
    }

    pub(super) fn state(&self, client: &Client, now_ms: u64) -> BucketState {
        let mut table = self.shard(client).lock();
        let bucket = table.find_mut(client).map(|entry| {
            entry.bucket.tokens(now_ms);
            entry.bucket.level()
        });
        self.written(bucket.unwrap_or(BucketLevel { tokens: self.options.capacity, at_ms: now_ms }))
    }

    fn written(&self, level: BucketLevel) -> BucketState {
        let (num, den) = (self.options.refill * 1_000, self.options.per.as_ms());
        let common = gcd(num, den).max(1);
        BucketState {
            tokens: level.tokens,
            last_refill: level.at_ms,
            capacity: self.options.capacity,
            rate_num: num / common,
            rate_den: den / common,
        }
    }

    pub(super) fn reset(&self, client: &Client) {
        if let Some(entry) = self.shard(client).lock().find_mut(client) {
            entry.bucket.give_back(self.options.capacity);
            entry.changed = true;
        }
    }

    pub(super) fn restore(&self, client: Client, state: &BucketState, now_ms: u64) {
        // A clock that was ahead must not stop the bucket from filling.
        let at_ms = state.last_refill.min(now_ms);
        let mut bucket = self.full(at_ms);
        bucket.restore(BucketLevel { tokens: state.tokens, at_ms });
        self.shard(&client).lock().insert(client, Bucket { bucket, changed: false });
    }

    pub(super) fn changed_again(&self) {
        for shard in &self.shards {
            shard.lock().values_mut().for_each(|entry| entry.changed = true);
        }
    }

    /// Buckets that have changed since the last time. Those that are full are forgotten.
    pub(super) fn changed(&self, now_ms: u64) -> Vec<(Client, Option<BucketState>)> {
        let mut found = Vec::new();
        for shard in &self.shards {
            shard.lock().retain(|client, entry| {
                let full = entry.bucket.full_in_ms(now_ms) == 0;
                if full || std::mem::take(&mut entry.changed) {
                    let state = (!full).then(|| self.written(entry.bucket.level()));
                    found.push((client.clone(), state));
                }
                !full
            });
        }
        found
    }
}

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { gcd(other, one % other) }
}
