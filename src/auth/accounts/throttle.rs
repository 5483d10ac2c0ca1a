//! How often logins may fail: for a name from one address, for a name from everywhere, for an address with all names.
//! Whether the name exists makes no difference, so nobody learns it from here.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use foldhash::fast::FixedState;
use parking_lot::Mutex;

use super::error::AccountError;
use crate::base::{BoundedTable, TokenBucket, network};

/// Buckets that are remembered. Beyond them, those that are full are forgotten, and whoever is new shares one with others.
const BUCKETS_MAX: usize = 100_000;

/// How long a network is known that a name has logged in from.
const KNOWN_MS: u64 = 30 * 86_400_000;

/// How much more all addresses together may fail with a name, and an address with all names.
const WIDER: u64 = 10;

/// Who has failed how often.
#[derive(Debug)]
pub(super) struct Throttle {
    attempts: u64,
    interval_ms: u64,
    buckets: Mutex<BoundedTable<u64, TokenBucket>>,
    /// Names and the networks that they have logged in from: whoever locks a name from elsewhere does not lock them out.
    known: Mutex<HashMap<u64, u64, FixedState>>,
}

/// An attempt that is allowed. Unless it has succeeded, it counts.
#[derive(Debug)]
pub(super) struct Attempt {
    /// The bucket of the name from this network.
    here: u64,
    /// The buckets that it took from.
    taken: Vec<u64>,
}

impl Throttle {
    pub(super) fn new(attempts: u64, interval_ms: u64) -> Self {
        Self {
            attempts,
            interval_ms,
            buckets: Mutex::new(BoundedTable::new(BUCKETS_MAX)),
            known: Mutex::default(),
        }
    }

    /// Asks before a password is looked at.
    pub(super) fn attempt(
        &self,
        name: &str,
        address: Option<IpAddr>,
        now_ms: u64,
    ) -> Result<Attempt, AccountError> {
        let network = address.map(network);
        let wide = self.attempts.saturating_mul(WIDER);
        let keys =
            [(key(&(0, name, network)), self.attempts), (key(&(1, name)), wide), (key(&(2, network)), wide)];
        if self.attempts == 0 {
            return Ok(Attempt { here: keys[0].0, taken: Vec::new() });
        }
        let mut buckets = self.buckets.lock();
        let mut taken = Vec::with_capacity(keys.len());
        let known = self.known.lock().get(&keys[0].0).is_some_and(|at| now_ms < at + KNOWN_MS);
        for (key, capacity) in keys {
            if known && key == keys[1].0 {
                continue;
            }
            let refill = capacity / self.attempts;
            let fresh = || TokenBucket::with_span(refill, self.interval_ms, capacity, now_ms);
            let bucket = buckets.entry(&key, fresh, |bucket| bucket.full_in_ms(now_ms) == 0);
            if let Err(retry_after_ms) = bucket.take(now_ms) {
                for key in taken {
                    if let Some(bucket) = buckets.find_mut(&key) {
                        bucket.give_back(1);
                    }
                }
                return Err(AccountError::Throttled { retry_after_ms, limit: capacity });
            }
            taken.push(key);
        }
        Ok(Attempt { here: keys[0].0, taken })
    }

    /// The attempt has succeeded.
    pub(super) fn succeeded(&self, attempt: &Attempt, now_ms: u64) {
        self.forgive(attempt);
        let mut known = self.known.lock();
        if known.len() >= BUCKETS_MAX && !known.contains_key(&attempt.here) {
            // Visiting all is dear, but whoever comes here has logged in.
            known.retain(|_, at| now_ms < *at + KNOWN_MS);
        }
        if known.len() < BUCKETS_MAX || known.contains_key(&attempt.here) {
            known.insert(attempt.here, now_ms);
        }
    }

    /// The attempt was never decided.
    pub(super) fn forgive(&self, attempt: &Attempt) {
        let mut buckets = self.buckets.lock();
        for key in &attempt.taken {
            if let Some(bucket) = buckets.find_mut(key) {
                bucket.give_back(1);
            }
        }
    }
}

/// Names are chosen by callers and may be long; their hash is kept. Whoever meets another's bucket shares it.
fn key<T: Hash>(what: &T) -> u64 {
    static STATE: std::sync::LazyLock<FixedState> =
        std::sync::LazyLock::new(|| FixedState::with_seed(getrandom::u64().unwrap_or(7)));
    let mut hasher = std::hash::BuildHasher::build_hasher(&*STATE);
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
    const THERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)));

    #[test]
    fn failures_are_counted_for_name_and_address() {
        let throttle = Throttle::new(3, 1_000);
        for _ in 0..3 {
            throttle.attempt("ann", HERE, 0).unwrap();
        }
        let refused = throttle.attempt("ann", HERE, 0).unwrap_err();
        assert!(matches!(refused, AccountError::Throttled { retry_after_ms: 1_000, limit: 3 }));
        assert!(throttle.attempt("bob", HERE, 0).is_ok(), "another name");
        assert!(throttle.attempt("ann", THERE, 0).is_ok(), "whose name it is can still come from elsewhere");
        assert!(throttle.attempt("ann", HERE, 1_000).is_ok(), "one more after a while");
    }

    #[test]
    fn what_has_succeeded_does_not_count() {
        let throttle = Throttle::new(2, 1_000);
        for _ in 0..50 {
            let attempt = throttle.attempt("ann", HERE, 0).unwrap();
            throttle.succeeded(&attempt, 0);
        }
        assert!(throttle.attempt("ann", HERE, 0).is_ok());
    }

    #[test]
    fn an_address_with_many_names_and_a_name_from_many_addresses_are_stopped_too() {
        let throttle = Throttle::new(3, 1_000);
        let stopped = (0..100).filter(|number| throttle.attempt(&format!("u{number}"), HERE, 0).is_err());
        assert_eq!(stopped.count(), 70);
        let addresses = (0..100u8).map(|last| Some(IpAddr::from([10, 1, 1, last])));
        assert_eq!(addresses.filter(|address| throttle.attempt("eve", *address, 0).is_err()).count(), 70);
    }

    #[test]
    fn nobody_locks_a_name_for_those_who_have_logged_in_before() {
        let throttle = Throttle::new(3, 1_000);
        let attempt = throttle.attempt("ann", THERE, 0).unwrap();
        throttle.succeeded(&attempt, 0);
        for last in 0..100u8 {
            let _ = throttle.attempt("ann", Some(IpAddr::from([10, 1, 1, last])), 0);
        }
        assert!(throttle.attempt("ann", HERE, 0).is_err(), "the name is locked");
        assert!(throttle.attempt("ann", THERE, 0).is_ok(), "and not from where its owner is");
    }

    #[test]
    fn who_comes_from_a_known_network_gives_nothing_back_that_was_not_taken() {
        let throttle = Throttle::new(1, 1_000_000);
        let comes = |throttle: &Throttle| {
            let attempt = throttle.attempt("ann", THERE, 0).unwrap();
            throttle.succeeded(&attempt, 0);
        };
        comes(&throttle);
        let guess = |last: u8| throttle.attempt("ann", Some(IpAddr::from([10, 1, 1, last])), 0).is_ok();
        assert_eq!((0..30).filter(|last| guess(*last)).count(), 10);
        for last in 30..60 {
            comes(&throttle);
            assert!(!guess(last), "its owner opens it to nobody");
        }
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let throttle = Throttle::new(0, 1_000);
        assert!((0..1_000).all(|_| throttle.attempt("ann", HERE, 0).is_ok()));
        assert!(throttle.buckets.lock().is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let throttle = Throttle::new(1, 1_000);
        for number in 0..60_000u32 {
            let _ = throttle.attempt(&number.to_string(), Some(IpAddr::from(number.to_be_bytes())), 0);
        }
        assert!(throttle.buckets.lock().len() <= BUCKETS_MAX + 1_024);
    }
}
