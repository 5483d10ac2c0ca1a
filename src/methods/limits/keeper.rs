//! Writes down what is left to callers, now and then: all that has changed in a few commits, and never with a call.

use crate::base::Span;
use crate::dispatch::{BucketState, Client, Limits};
use crate::store::{Command, Commit, CommitOutcome, Condition, Expiry, Store, Value};

/// Where buckets lie: policy and client follow, divided by a colon.
const PREFIX: &str = "rate:";

/// The longest name that is a part of a key.
const NAME_MAX: usize = 1_024;

/// Buckets of one commit.
const COMMIT_MAX: usize = 500;

/// Keeps buckets in a store. Clones mean the same.
#[derive(Clone, Debug)]
pub struct RateKeeper {
    store: Store,
    limits: Limits,
    interval: Span,
}

impl RateKeeper {
    /// Restores what was written before, and will write what changes.
    pub fn open(store: &Store, limits: &Limits, interval: Span) -> Self {
        for (key, entry) in store.view().prefix(PREFIX.as_bytes()) {
            let text = std::str::from_utf8(&key[PREFIX.len()..]).ok();
            let named = text.and_then(|text| text.split_once(':'));
            let state = serde_json::from_slice::<BucketState>(entry.value.as_bytes()).ok();
            if let (Some((policy, client)), Some(state)) = (named, state)
                && let Ok(client) = client.parse()
            {
                limits.restore(policy, client, &state);
            }
        }
        Self { store: store.clone(), limits: limits.clone(), interval }
    }

    /// Writes what has changed, again and again, until the store is closed.
    pub async fn tend(self) {
        loop {
            tokio::select! {
                () = self.store.ended() => return,
                () = tokio::time::sleep(self.interval.get()) => self.write().await,
            }
        }
    }

    /// Writes what has changed since the last time.
    pub async fn write(&self) {
        let now_ms = self.store.now_ms();
        // Whose name is too long for a key begins anew with the next process.
        let fits = |(_, client, _): &(&str, Client, _)| !matches!(client, Client::Name(name) if name.len() > NAME_MAX);
        let command = |(policy, client, state): (&str, _, Option<BucketState>)| {
            let key = format!("{PREFIX}{policy}:{client}").into_bytes();
            let Some(state) = state else { return Command::delete(key) };
            // Full again it is forgotten anyway.
            let missing = (state.capacity - state.tokens.min(state.capacity)) + 1;
            let full_in_ms = (missing * 1_000).saturating_mul(state.rate_den).checked_div(state.rate_num);
            let expiry = full_in_ms.map_or(Expiry::Never, |ms| Expiry::At(now_ms.saturating_add(ms)));
            let value = Value::json(serde_json::to_vec(&state).unwrap_or_default());
            Command::Set { key: key.into(), value, condition: Condition::Always, expiry }
        };
        let mut commands: Vec<Command> =
            self.limits.changed().into_iter().filter(fits).map(command).collect();
        while !commands.is_empty() {
            let rest = commands.split_off(commands.len().min(COMMIT_MAX));
            let commit = Commit { commands, ..Commit::default() };
            let problem = match self.store.commit(commit).await {
                Ok(CommitOutcome::Refused { refusal, .. }) => Some(refusal.to_string()),
                Ok(_) => None,
                Err(error) => Some(error.to_string()),
            };
            if let Some(problem) = problem {
                tracing::warn!(problem, "what is left to callers is not written down");
                self.limits.changed_again();
                return;
            }
            commands = rest;
        }
    }
}
