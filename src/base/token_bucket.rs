//! A token bucket that keeps the remainder, so that frequent asking never loses tokens.

use super::CLOCK_CORRECTION_MS;

/// Allows so many events in a span of time on average, and a burst at once.
///
/// The level is counted in parts of a token, one for each millisecond of the span: nothing is ever rounded away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenBucket {
    refill: u64,
    span_ms: u64,
    capacity: u64,
    /// In parts.
    level: u64,
    updated_ms: u64,
}

/// A bucket as it is written down: whole tokens, and the time up to which they are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BucketLevel {
    /// Whole tokens.
    pub tokens: u64,
    /// When they were counted, in milliseconds since the Unix epoch. What is left of a token lies in it.
    pub at_ms: u64,
}

impl TokenBucket {
    /// A full bucket at `now_ms` that gets `per_second` tokens a second.
    pub fn new(per_second: u64, burst: u64, now_ms: u64) -> Self {
        Self::with_span(per_second, 1_000, burst, now_ms)
    }

    /// A full bucket at `now_ms` that holds `capacity` tokens and gets `refill` of them in each `span_ms`.
    pub fn with_span(refill: u64, span_ms: u64, capacity: u64, now_ms: u64) -> Self {
        let span_ms = span_ms.max(1);
        Self { refill, span_ms, capacity, level: capacity.saturating_mul(span_ms), updated_ms: now_ms }
    }

    /// Sets the level that was written down.
    pub fn restore(&mut self, level: BucketLevel) {
        self.level = level.tokens.min(self.capacity).saturating_mul(self.span_ms);
        self.updated_ms = level.at_ms;
    }

    /// The level, to be written down.
    pub fn level(&self) -> BucketLevel {
        // As far back as the part of a token took to come, so that it is not lost and none is made up.
        let part = self.level % self.span_ms;
        let back_ms = part.checked_div(self.refill).unwrap_or(0);
        BucketLevel { tokens: self.level / self.span_ms, at_ms: self.updated_ms.saturating_sub(back_ms) }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// Without a whole token left: the milliseconds until there is one.
    pub fn take(&mut self, now_ms: u64) -> Result<(), u64> {
        self.take_many(1, now_ms)
    }

    /// Takes so many tokens, or none.
    ///
    /// # Errors
    /// If there are not as many: the milliseconds until there are, `u64::MAX` if there never will be.
    pub fn take_many(&mut self, tokens: u64, now_ms: u64) -> Result<(), u64> {
        self.flow(now_ms);
        let wanted = tokens.saturating_mul(self.span_ms);
        match self.level.checked_sub(wanted) {
            Some(rest) => {
                self.level = rest;
                Ok(())
            }
            None if tokens > self.capacity || self.refill == 0 => Err(u64::MAX),
            None => Err((wanted - self.level).div_ceil(self.refill)),
        }
    }

    /// Puts tokens back that were taken in vain.
    pub fn give_back(&mut self, tokens: u64) {
        let full = self.capacity.saturating_mul(self.span_ms);
        self.level = self.level.saturating_add(tokens.saturating_mul(self.span_ms)).min(full);
    }

    /// Whole tokens at `now_ms`.
    pub fn tokens(&mut self, now_ms: u64) -> u64 {
        self.flow(now_ms);
        self.level / self.span_ms
    }

    /// Milliseconds from `now_ms` until it is full.
    pub fn full_in_ms(&mut self, now_ms: u64) -> u64 {
        self.flow(now_ms);
        let missing = self.capacity.saturating_mul(self.span_ms) - self.level;
        match self.refill {
            0 if missing > 0 => u64::MAX,
            refill => missing.div_ceil(refill.max(1)),
        }
    }

    /// Lets in what has come until now.
    fn flow(&mut self, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.updated_ms);
        let gained = passed_ms.saturating_mul(self.refill);
        self.level = self.level.saturating_add(gained).min(self.capacity.saturating_mul(self.span_ms));
        // A clock that was put back counts from where it is: waiting for it would refuse everybody meanwhile. Threads that
        // looked at it a moment apart are no reason.
        let back_ms = self.updated_ms.saturating_sub(now_ms);
        if back_ms == 0 || back_ms > CLOCK_CORRECTION_MS {
            self.updated_ms = now_ms;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn polling_often_loses_nothing() {
        let mut bucket = TokenBucket::new(10, 5, 0);
        let allowed = (0..=3_000).step_by(20).filter(|now| bucket.take(*now).is_ok()).count();
        assert_eq!(allowed, 35, "5 at once and 10 a second for 3 seconds");
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let mut bucket = TokenBucket::new(4, 1, 0);
        assert_eq!(bucket.take(0), Ok(()));
        assert_eq!(bucket.take(100), Err(150));
        assert_eq!(bucket.take(250), Ok(()));
        assert_eq!(bucket.take_many(2, 250), Err(u64::MAX), "more than it ever holds");
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        let mut bucket = TokenBucket::new(1, 1, 10_000);
        assert_eq!(bucket.take(10_000), Ok(()));
        assert!(bucket.take(0).is_err());
        assert!(bucket.take(10_500).is_err());
        assert_eq!(bucket.take(11_000), Ok(()));
    }

    #[test]
    fn a_clock_that_is_put_right_is_not_waited_for() {
        let mut bucket = TokenBucket::new(1, 1, 3_600_000);
        assert_eq!(bucket.take(3_600_000), Ok(()));
        assert!(bucket.take(1_000).is_err(), "going back gives nothing");
        assert!(bucket.take(1_900).is_err());
        assert_eq!(bucket.take(2_000), Ok(()), "a second later there is one");
    }

    #[test]
    fn what_was_taken_in_vain_comes_back() {
        let mut bucket = TokenBucket::with_span(1, 60_000, 3, 0);
        assert_eq!((bucket.take_many(3, 0), bucket.tokens(0), bucket.full_in_ms(0)), (Ok(()), 0, 180_000));
        bucket.give_back(9);
        assert_eq!((bucket.tokens(0), bucket.full_in_ms(0)), (3, 0), "never more than it holds");
    }

    proptest! {
        /// Contract C068, against exact fractions: in any window never more than capacity and rate times time; and
        /// from the start never fewer than the exact model less one. Written down and read back in between.
        #[test]
        fn it_allows_what_the_exact_model_allows(
            refill in 1u64..500, span_ms in 1u64..5_000, capacity in 1u64..50,
            asked in prop::collection::vec((0u64..200, 1u64..4, any::<bool>()), 1..300),
        ) {
            let mut bucket = TokenBucket::with_span(refill, span_ms, capacity, 0);
            // The exact model, in tokens as fractions of span_ms.
            let (mut exact, mut now, mut restarts) = (u128::from(capacity * span_ms), 0u64, 0u128);
            let mut taken: Vec<(u64, u64)> = Vec::new();
            for (step, tokens, restart) in asked {
                now += step;
                exact = (exact + u128::from(step * refill)).min(u128::from(capacity * span_ms));
                if restart {
                    let level = bucket.level();
                    bucket = TokenBucket::with_span(refill, span_ms, capacity, now);
                    bucket.restore(level);
                    restarts += 1;
                }
                let wanted = u128::from(tokens * span_ms);
                let allowed = bucket.take_many(tokens, now).is_ok();
                prop_assert!(!allowed || exact >= wanted, "more than the model at {}", now);
                // Each restart may lose what comes in a millisecond.
                let slack = restarts * u128::from(refill);
                prop_assert!(allowed || exact < wanted + slack, "fewer than the model at {}", now);
                if allowed {
                    exact -= wanted;
                    taken.push((now, tokens));
                }
            }
            for (from, (start, _)) in taken.iter().enumerate() {
                let mut sum = 0;
                for (at, tokens) in &taken[from..] {
                    sum += tokens * span_ms;
                    prop_assert!(sum <= capacity * span_ms + (at - start) * refill);
                }
            }
        }
    }
}
