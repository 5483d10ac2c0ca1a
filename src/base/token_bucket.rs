//! A token bucket that keeps the remainder, so that frequent asking never loses tokens.

/// Allows `per_second` events a second on average and `burst` at once.
///
/// The level is kept in thousandths of a token: with whole milliseconds nothing is ever rounded away.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    per_second: u64,
    capacity_milli: u64,
    level_milli: u64,
    updated_ms: u64,
}

impl TokenBucket {
    /// A full bucket at `now_ms`.
    pub fn new(per_second: u64, burst: u64, now_ms: u64) -> Self {
        let capacity_milli = burst.saturating_mul(1_000);
        Self { per_second, capacity_milli, level_milli: capacity_milli, updated_ms: now_ms }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// Without a whole token left: the milliseconds until there is one.
    pub fn take(&mut self, now_ms: u64) -> Result<(), u64> {
        let passed_ms = now_ms.saturating_sub(self.updated_ms);
        let gained = passed_ms.saturating_mul(self.per_second);
        self.level_milli = self.level_milli.saturating_add(gained).min(self.capacity_milli);
        self.updated_ms = self.updated_ms.max(now_ms);
        match self.level_milli.checked_sub(1_000) {
            Some(rest) => {
                self.level_milli = rest;
                Ok(())
            }
            None => Err((1_000 - self.level_milli).div_ceil(self.per_second.max(1))),
        }
    }
}

#[cfg(test)]
mod tests {
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
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        let mut bucket = TokenBucket::new(1, 1, 10_000);
        assert_eq!(bucket.take(10_000), Ok(()));
        assert!(bucket.take(0).is_err());
        assert!(bucket.take(10_500).is_err());
        assert_eq!(bucket.take(11_000), Ok(()));
    }
}
