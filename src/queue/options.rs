//! Options of jobs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::JobType;
use crate::base::{ByteSize, Span};

/// Jobs: work in the background that survives the server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QueueOptions {
    /// Whether there are the methods jobs:*.
    pub enabled: bool,
    /// Whether everybody may call them. Otherwise a caller needs the permission job:create, job:view, job:cancel, job:work
    /// or job:admin.
    pub everyone: bool,
    /// Attempts that a job has, unless it says otherwise.
    pub max_attempts: u32,
    /// How long a lease lasts, in whole seconds, unless the job says otherwise. Workers extend it.
    pub visibility_timeout: Span,
    /// The longest wait after a first attempt that was in vain; it doubles with each one more. The wait is a random time up
    /// to it.
    pub backoff: Span,
    /// The longest wait between attempts.
    pub backoff_max: Span,
    /// How long two jobs with the same dedup id are one, unless the job says otherwise.
    pub dedup_lifetime: Span,
    /// How long a job is kept that is done or cancelled, unless it says otherwise.
    pub retention: Span,
    /// How long a job is kept that has failed, also in the dead-letter queue; "0s" is for ever.
    pub retention_failed: Span,
    /// Jobs of each type that are kept when they are done; beyond them the oldest go.
    pub retention_max: usize,
    /// Bytes of a payload. A lease has to fit into a message of 1 MiB.
    pub payload_bytes_max: ByteSize,
    /// Bytes of a result.
    pub result_bytes_max: ByteSize,
    /// Jobs that may wait; whoever enqueues more is refused.
    pub waiting_max: usize,
    /// Schedules that there may be.
    pub schedules_max: usize,
    /// The longest time that a request over HTTP may wait for a job.
    pub wait_max: Span,
    /// Rules by type.
    pub types: BTreeMap<String, TypeOptions>,
}

/// The rules of one type of jobs. What is 0 is as for all types.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TypeOptions {
    /// Jobs of this type that may be leased at the same time; 0 is no limit.
    pub concurrency: usize,
    /// Jobs of this type that may be leased in each `per`; 0 is no limit.
    pub rate: u64,
    /// The time of `rate`.
    pub per: Span,
    /// Attempts that a job of this type has.
    pub max_attempts: u32,
    /// How long a lease of a job of this type lasts.
    pub visibility_timeout: Span,
}

impl Default for TypeOptions {
    fn default() -> Self {
        let none = Span::millis(0);
        Self { concurrency: 0, rate: 0, per: none, max_attempts: 0, visibility_timeout: none }
    }
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            everyone: false,
            max_attempts: 3,
            visibility_timeout: Span::secs(300),
            backoff: Span::secs(1),
            backoff_max: Span::secs(300),
            dedup_lifetime: Span::secs(3_600),
            retention: Span::secs(86_400),
            retention_failed: Span::secs(14 * 86_400),
            retention_max: 100_000,
            payload_bytes_max: ByteSize::kib(1_000),
            result_bytes_max: ByteSize::kib(1_000),
            waiting_max: 1_000_000,
            schedules_max: 10_000,
            wait_max: Span::secs(60),
            types: BTreeMap::new(),
        }
    }
}

/// The highest number of attempts.
pub(super) const ATTEMPTS_MAX: u32 = 1_000;

/// The longest lease, in seconds: a day.
pub(super) const VISIBILITY_MAX: u64 = 86_400;

impl QueueOptions {
    /// What is wrong with the values, each with its key.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut check = |key: &str, fine: bool, text: &str| {
            if !fine {
                problems.push((key.to_owned(), text.to_owned()));
            }
        };
        let lease = |span: Span| {
            span.as_ms().is_multiple_of(1_000) && (1..=VISIBILITY_MAX).contains(&(span.as_ms() / 1_000))
        };
        const LEASE: &str = "must be whole seconds, at most 24h";
        check("max_attempts", (1..=ATTEMPTS_MAX).contains(&self.max_attempts), "must be from 1 to 1000");
        check("visibility_timeout", lease(self.visibility_timeout), LEASE);
        check("backoff_max", self.backoff_max >= self.backoff, "must not be less than backoff");
        let largest = ByteSize::kib(1_000);
        check(
            "payload_bytes_max",
            self.payload_bytes_max <= largest,
            "must be at most 1000KiB: a lease is one message",
        );
        check(
            "result_bytes_max",
            self.result_bytes_max <= largest,
            "must be at most 1000KiB: an answer is one message",
        );
        check("wait_max", self.wait_max <= Span::secs(600), "must be at most 10m");
        for (name, rules) in &self.types {
            let key = |key: &str| format!("types.{name}{key}");
            let named = name.parse::<JobType>().map_err(|error| error.to_string()).err();
            check(&key(""), named.is_none(), &named.clone().unwrap_or_default());
            check(
                &key(".per"),
                rules.rate == 0 || !rules.per.is_zero(),
                "must be said with rate, such as \"1s\"",
            );
            check(&key(".max_attempts"), rules.max_attempts <= ATTEMPTS_MAX, "must be at most 1000");
            let fine = rules.visibility_timeout.is_zero() || lease(rules.visibility_timeout);
            check(&key(".visibility_timeout"), fine, LEASE);
        }
        problems
    }

    fn rules(&self, kind: &JobType) -> Option<&TypeOptions> {
        self.types.get(kind.as_str())
    }

    /// Attempts of a job of this type.
    pub(super) fn attempts_of(&self, kind: &JobType) -> u32 {
        let own = self.rules(kind).map(|rules| rules.max_attempts).filter(|own| *own > 0);
        own.unwrap_or(self.max_attempts)
    }

    /// Seconds of a lease of this type.
    pub(super) fn visibility_of(&self, kind: &JobType) -> u64 {
        let own = self.rules(kind).map(|rules| rules.visibility_timeout).filter(|own| !own.is_zero());
        own.unwrap_or(self.visibility_timeout).as_ms() / 1_000
    }

    /// Jobs of this type that may be leased at the same time.
    pub(super) fn concurrency_of(&self, kind: &JobType) -> usize {
        self.rules(kind).map(|rules| rules.concurrency).filter(|own| *own > 0).unwrap_or(usize::MAX)
    }

    /// How fast jobs of this type may be leased: so many in so many milliseconds.
    pub(super) fn rate_of(&self, kind: &JobType) -> Option<(u64, u64)> {
        self.rules(kind).filter(|rules| rules.rate > 0).map(|rules| (rules.rate, rules.per.as_ms()))
    }
}
