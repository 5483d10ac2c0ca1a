//! Options of limits.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Face, pattern};
use crate::base::Span;

/// How often callers may call. Buckets of tokens: a call takes one, and they fill again by themselves.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitOptions {
    /// Whether there are limits.
    pub enabled: bool,
    /// How often what has changed is written down. A killed server forgets what was taken since.
    pub checkpoint_interval: Span,
    /// The policies by name. A call takes from all that it falls under.
    pub policies: BTreeMap<String, PolicyOptions>,
}

/// One policy.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyOptions {
    /// Where calls come from: "socket", "rest" (below /api/v1 and /admin), "demo" (below /api), or "any".
    pub face: String,
    /// Methods: names, or patterns such as "kv:*" and "**". None is all.
    pub methods: Vec<String>,
    /// Methods that do not fall under it, in the same way.
    pub except: Vec<String>,
    /// Who has a bucket: each "principal" (who has not logged in counts by address), each "address", or "everybody"
    /// together.
    pub by: LimitBy,
    /// Calls at once; 0 switches the policy off.
    pub capacity: u64,
    /// Calls that come back within `per`.
    pub refill: u64,
    /// The time of `refill`.
    pub per: Span,
    /// What a call takes.
    pub cost: u64,
}

/// Who has a bucket of a policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LimitBy {
    /// Each principal; whoever has not logged in counts by address.
    #[default]
    Principal,
    /// Each address.
    Address,
    /// All together.
    Everybody,
}

impl Default for PolicyOptions {
    fn default() -> Self {
        Self {
            face: "any".into(),
            methods: Vec::new(),
            except: Vec::new(),
            by: LimitBy::Principal,
            capacity: 100,
            refill: 1,
            per: Span::secs(1),
            cost: 1,
        }
    }
}

impl Default for LimitOptions {
    fn default() -> Self {
        let rest = |by, capacity, refill| PolicyOptions {
            face: "rest".into(),
            by,
            capacity,
            refill,
            ..PolicyOptions::default()
        };
        let any = |method: &str, by, capacity, refill, per| PolicyOptions {
            methods: vec![method.to_owned()],
            by,
            capacity,
            refill,
            per,
            ..PolicyOptions::default()
        };
        // Getting in and staying in have buckets of their own: whatever else comes from an address cannot use them up.
        let entries = ["auth:login", "auth:refresh", "auth:register"];
        let but_entries = |policy: PolicyOptions| PolicyOptions {
            except: entries.iter().map(|method| (*method).to_owned()).collect(),
            ..policy
        };
        let policies = BTreeMap::from([
            ("api".to_owned(), but_entries(rest(LimitBy::Principal, 100, 1))),
            // Before anybody looks at a token, so that trying tokens is limited too.
            ("address".to_owned(), rest(LimitBy::Address, 1_000, 100)),
            // Each of these takes time or is recorded for good, over whatever face it comes.
            ("accounts".to_owned(), but_entries(any("auth:*", LimitBy::Principal, 120, 2, Span::secs(1)))),
            ("login".to_owned(), any("auth:login", LimitBy::Address, 120, 2, Span::secs(1))),
            ("refresh".to_owned(), any("auth:refresh", LimitBy::Address, 600, 10, Span::secs(1))),
            ("register".to_owned(), any("auth:register", LimitBy::Address, 20, 1, Span::secs(30))),
        ]);
        Self { enabled: true, checkpoint_interval: Span::secs(5), policies }
    }
}

/// More would make numbers overflow.
const CAPACITY_MAX: u64 = 1_000_000_000;

impl LimitOptions {
    /// What is wrong with the values, each with its key.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if self.checkpoint_interval < Span::millis(100) {
            problems.push(("checkpoint_interval".to_owned(), "must be at least 100ms".to_owned()));
        }
        for (name, policy) in &self.policies {
            let mut wrong = |key: &str, text: String| problems.push((format!("policies.{name}.{key}"), text));
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                wrong("", "a name has letters, digits and underscores".to_owned());
            }
            if policy.face != "any" && Face::ALL.iter().all(|face| face.as_str() != policy.face) {
                wrong("face", "must be \"socket\", \"rest\", \"demo\" or \"any\"".to_owned());
            }
            if policy.capacity > CAPACITY_MAX || policy.refill > CAPACITY_MAX {
                wrong("capacity", format!("capacity and refill must be at most {CAPACITY_MAX}"));
            }
            if policy.per.is_zero() || policy.per > Span::secs(86_400) {
                wrong("per", "must be more than 0s and at most 24h".to_owned());
            }
            if policy.capacity > 0 && !(1..=policy.capacity).contains(&policy.cost) {
                wrong("cost", "must be at least 1 and at most capacity, or no call ever passes".to_owned());
            }
            for (key, methods) in [("methods", &policy.methods), ("except", &policy.except)] {
                for method in methods.iter().filter(|method| pattern(method).is_none()) {
                    wrong(key, format!("\"{method}\" is neither a method nor a pattern such as \"kv:*\""));
                }
            }
        }
        problems
    }
}
