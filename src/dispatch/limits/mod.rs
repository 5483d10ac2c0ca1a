//! How often callers may call: buckets of tokens by named policies, asked in the gate for every face.
//!
//! Buckets live in memory; what has changed is handed out now and then to be written down ([`Limits::changed`]), never with
//! a call. So a killed server forgets what was taken since the last time, and no more.

mod client;
mod options;
mod policy;

use std::net::IpAddr;
use std::sync::Arc;

pub use client::{Client, InvalidClient};
pub use options::{LimitBy, LimitOptions, PolicyOptions};
pub use policy::{BucketState, Left};

use self::policy::Policy;
use super::error::MethodError;
use super::peer::Starling;
use crate::auth::Principal;
use crate::base::Clock;
use crate::protocol::{ErrorCode, TopicPattern};
use crate::telemetry::Metrics;

/// How a call comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Face {
    /// Over a WebSocket.
    Socket,
    /// Over HTTP, below `/api/v1` and `/admin`.
    Rest,
    /// Over HTTP, below `/api`: it has a window of its own.
    Demo,
}

impl Face {
    const ALL: [Self; 3] = [Self::Socket, Self::Rest, Self::Demo];

    /// The word for it in options, in the audit log and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Rest => "rest",
            Self::Demo => "demo",
        }
    }
}

/// The limits of a server. Clones mean the same.
#[derive(Clone, Debug, Default)]
pub struct Limits(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    policies: Vec<Policy>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

/// The policies that a method falls under, for each face.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules([Box<[u16]>; Face::ALL.len()]);

/// A limit that is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exceeded {
    /// The policy.
    pub policy: String,
    /// What it allows at once.
    pub limit: u64,
    /// Milliseconds until it allows the call; `None` if it never will.
    pub retry_after_ms: Option<u64>,
}

impl Exceeded {
    /// Seconds until it allows the call.
    pub fn reset_s(&self) -> u64 {
        self.retry_after_ms.map_or(u64::from(u32::MAX), |ms| ms.div_ceil(1_000).max(1))
    }
}

impl From<Exceeded> for MethodError {
    fn from(exceeded: Exceeded) -> Self {
        let (limit, reset) = (exceeded.limit, exceeded.reset_s());
        Self::of(ErrorCode::RateLimitExceeded, format!("Too many requests; try again in {reset} s"))
            .with_details(&serde_json::json!({
                "limit": limit, "reset": reset, "retryAfterMs": exceeded.retry_after_ms, "policy": exceeded.policy,
            }))
    }
}

impl Limits {
    /// The limits that the options say.
    pub fn new(options: &LimitOptions, clock: &Clock, metrics: &Arc<Metrics>) -> Self {
        let policies = options.policies.iter().filter(|(_, it)| options.enabled && it.capacity > 0);
        let policies = policies.map(|(name, it)| Policy::new(name, it)).collect();
        Self(Arc::new(Inner { policies, clock: clock.clone(), metrics: Arc::clone(metrics) }))
    }

    /// The policies that a method falls under. Those by address are asked before, see [`Limits::address`].
    pub(super) fn rules(&self, method: &str) -> Rules {
        Rules(Face::ALL.map(|face| {
            let all = self.0.policies.iter().enumerate();
            let fits = |policy: &Policy| policy.covers(face, method) && !policy.is_before(face);
            all.filter(|(_, policy)| fits(policy)).filter_map(|(at, _)| u16::try_from(at).ok()).collect()
        }))
    }

    /// Takes what a call costs.
    ///
    /// # Errors
    /// If a policy does not allow it.
    pub(super) fn take(
        &self,
        rules: &Rules,
        caller: &Starling,
        principal: &Principal,
    ) -> Result<(), Exceeded> {
        let rules = &rules.0[caller.face() as usize];
        if rules.is_empty() {
            return Ok(());
        }
        let client = |policy: &Policy| match policy.by() {
            LimitBy::Principal => Client::of(principal, caller.address()),
            LimitBy::Address => Client::at(caller.address()),
            LimitBy::Everybody => Client::Everybody,
        };
        let mut policies = rules.iter().filter_map(|at| self.0.policies.get(usize::from(*at)));
        // Most calls fall under one policy, and over a socket nobody wants to know what is left.
        if let (Face::Socket, [_], Some(policy)) = (caller.face(), &rules[..], policies.clone().next()) {
            let taken = policy.take_only(&client(policy), policy.cost(), self.0.clock.now_ms());
            return taken.inspect_err(|_| self.count(policy));
        }
        let wanted: Vec<(&Policy, Client)> =
            policies.by_ref().map(|policy| (policy, client(policy))).collect();
        let left = self.take_all(&wanted).inspect_err(|exceeded| {
            let (limit, reset_s) = (exceeded.limit, exceeded.reset_s());
            caller.limited(Left { limit, remaining: 0, reset_s, window_s: reset_s });
        })?;
        left.into_iter().for_each(|left| caller.limited(left));
        Ok(())
    }

    fn count(&self, policy: &Policy) {
        self.0.metrics.rate_limited.with_label_values(&[policy.name()]).inc();
    }

    /// Takes a token for an address, before anybody looks at who is there. Requests to log in, register or refresh take
    /// from a bucket apart, so that no other noise from the address locks its users out.
    ///
    /// # Errors
    /// If a policy does not allow it.
    pub fn address(
        &self,
        face: Face,
        address: Option<IpAddr>,
        entering: bool,
    ) -> Result<Option<Left>, Exceeded> {
        let policies = self.0.policies.iter().filter(|policy| policy.is_before(face));
        let client = if entering { Client::entering(address) } else { Client::at(address) };
        self.take_all(&policies.map(|policy| (policy, client.clone())).collect::<Vec<_>>())
    }

    /// Takes from all or from none. Gives what is left in the one that has least.
    fn take_all(&self, wanted: &[(&Policy, Client)]) -> Result<Option<Left>, Exceeded> {
        let now_ms = self.0.clock.now_ms();
        let mut least: Option<Left> = None;
        for (at, (policy, client)) in wanted.iter().enumerate() {
            match policy.take(client, policy.cost(), now_ms) {
                Ok(left) if least.as_ref().is_none_or(|least| left.remaining < least.remaining) => {
                    least = Some(left);
                }
                Ok(_) => {}
                Err(exceeded) => {
                    wanted[..at].iter().for_each(|(policy, client)| policy.give_back(client, policy.cost()));
                    self.count(policy);
                    return Err(exceeded);
                }
            }
        }
        Ok(least)
    }

    fn policy(&self, name: &str) -> Option<&Policy> {
        self.0.policies.iter().find(|policy| policy.name() == name)
    }

    /// The names of the policies.
    pub fn policies(&self) -> impl Iterator<Item = &str> {
        self.0.policies.iter().map(Policy::name)
    }

    /// Takes so many tokens of a client, for embedding programs that limit something of their own.
    ///
    /// # Errors
    /// If the policy does not allow it. A policy that does not exist allows everything.
    pub fn allow(&self, policy: &str, client: &Client, tokens: u64) -> Result<Option<Left>, Exceeded> {
        let now_ms = self.0.clock.now_ms();
        self.policy(policy).map(|policy| policy.take(client, tokens, now_ms)).transpose()
    }

    /// The bucket of a client, if there is such a policy. One that nobody has asked for is full.
    pub fn state(&self, policy: &str, client: &Client) -> Option<BucketState> {
        Some(self.policy(policy)?.state(client, self.0.clock.now_ms()))
    }

    /// Fills the bucket of a client. Says whether there is such a policy.
    pub fn reset(&self, policy: &str, client: &Client) -> bool {
        self.policy(policy).map(|policy| policy.reset(client)).is_some()
    }

    /// Buckets that have changed since the last time: policy, client, and the state, or nothing for one that is full.
    pub fn changed(&self) -> Vec<(&str, Client, Option<BucketState>)> {
        let now_ms = self.0.clock.now_ms();
        let of = |policy: &Policy| policy.changed(now_ms);
        let named = |policy| move |(client, state)| (Policy::name(policy), client, state);
        self.0.policies.iter().flat_map(|policy| of(policy).into_iter().map(named(policy))).collect()
    }

    /// What was told as changed could not be written: it is told once more.
    pub fn changed_again(&self) {
        self.0.policies.iter().for_each(Policy::changed_again);
    }

    /// A bucket as it was written down.
    pub fn restore(&self, policy: &str, client: Client, state: &BucketState) {
        if let Some(policy) = self.policy(policy) {
            policy.restore(client, state, self.0.clock.now_ms());
        }
    }
}

/// Whether a text is a pattern of method names, as options have them.
fn pattern(text: &str) -> Option<TopicPattern> {
    TopicPattern::new(text).ok()
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
