//! The ring of keys as a server has it: kept in the store, so that all who share the store share it, and seen
//! at once by whoever has it open when somebody rotates.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::access_token::{self, AccessClaims};
use super::error::{IssueError, RingError, TokenRefusal};
use super::keys::{KeyAbout, TokenKey, TokenKeys};
use super::options::TokenOptions;
use super::signing;
use super::state_token::{self, Issued, StateClaims, StateToken};
use crate::base::{Clock, Span};
use crate::store::{Check, Command, Commit, CommitOutcome, Condition, Expiry, Key, Store, Value, View};

/// Where the keys lie in the store.
const KEY: &[u8] = b"auth:token-keys";

/// How often a rotation tries again when somebody else rotates at the same time.
const TRIES: usize = 8;

/// Issues and verifies tokens. Clones mean the same ring.
#[derive(Clone, Debug)]
pub struct KeyRing {
    store: Store,
    keys: Arc<ArcSwap<TokenKeys>>,
    options: TokenOptions,
    clock: Clock,
    /// How long the key before stays good at least, in milliseconds.
    grace_ms: Arc<AtomicU64>,
}

impl KeyRing {
    /// The ring of a store; its first key is made if there is none.
    ///
    /// # Errors
    /// If what the store has is damaged, or the first key cannot be written.
    pub async fn open(store: &Store, options: &TokenOptions) -> Result<Self, RingError> {
        signing::install();
        let (keys, _) = read(&store.view())?;
        let keys = Arc::new(ArcSwap::from_pointee(keys));
        let grace_ms = Arc::new(AtomicU64::new(options.lifetime.as_ms()));
        let (options, clock) = (options.clone(), store.clock().clone());
        let ring = Self { store: store.clone(), keys, options, clock, grace_ms };
        if ring.is_due() {
            ring.rotate().await?;
        }
        Ok(ring)
    }

    /// Makes a token.
    ///
    /// # Errors
    /// If it would be too long, or a claim has a reserved name.
    pub fn issue(&self, token: &StateToken) -> Result<Issued, IssueError> {
        let (lifetime_s, bytes_max) = (self.options.lifetime.as_ms() / 1_000, self.options.bytes_max.0);
        state_token::issue(&self.keys.load(), token, self.clock.now_ms(), lifetime_s, bytes_max)
    }

    /// What a token says.
    ///
    /// # Errors
    /// If it is not good, or not any more.
    pub fn verify(&self, token: &str) -> Result<StateClaims, TokenRefusal> {
        // A URL or a header may carry anything; what no ring makes is not even looked at.
        if token.len() > self.options.bytes_max.0 {
            return Err(TokenRefusal::Invalid);
        }
        state_token::verify(&self.keys.load(), token, self.clock.now_ms())
    }

    /// Makes an access token.
    pub(super) fn issue_access(&self, claims: &AccessClaims) -> Option<String> {
        access_token::issue(&self.keys.load(), claims)
    }

    /// What an access token says.
    pub(super) fn verify_access(&self, token: &str) -> Result<AccessClaims, TokenRefusal> {
        access_token::verify(&self.keys.load(), token, self.clock.now_ms())
    }

    /// Says that tokens are signed with it that are good for so long: when it is replaced, it stays good for that.
    pub(super) fn also_for_ms(&self, lifetime_ms: u64) {
        self.grace_ms.fetch_max(lifetime_ms, Ordering::Relaxed);
    }

    /// How long a token is good for, in milliseconds.
    pub fn lifetime_ms(&self) -> u64 {
        self.options.lifetime.as_ms()
    }

    /// What may be told of the keys, the one that signs first.
    pub fn about(&self) -> Vec<KeyAbout> {
        self.keys.load().about()
    }

    /// Makes a new key that signs from now on. The others stay good for the tokens that they have signed.
    ///
    /// # Errors
    /// If the store does not take it.
    pub async fn rotate(&self) -> Result<KeyAbout, RingError> {
        for _ in 0..TRIES {
            let now_ms = self.clock.now_ms();
            let (mut keys, version) = read(&self.store.view())?;
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(|_| RingError::Random)?;
            keys.rotate(TokenKey::new(secret, now_ms), now_ms, self.grace_ms.load(Ordering::Relaxed));
            match self.store.commit(replacing(&keys, version)?).await? {
                CommitOutcome::Done { .. } => {
                    let made = keys.about().swap_remove(0);
                    tracing::info!(kid = made.kid, "tokens are signed with a new key");
                    self.keys.store(Arc::new(keys));
                    return Ok(made);
                }
                CommitOutcome::Conflict { .. } => {}
                CommitOutcome::Refused { refusal, .. } => {
                    return Err(RingError::Refused(refusal.to_string()));
                }
            }
        }
        Err(RingError::Refused("others change them all the time".into()))
    }

    /// Follows what others do to the keys, and rotates when it is time. Ends with the store.
    pub async fn tend(self) {
        loop {
            let Ok(mut watch) = self.store.watch(KEY, None) else { return };
            self.reload();
            loop {
                tokio::select! {
                    changed = watch.next() => match changed {
                        Ok(_) => self.reload(),
                        Err(_) => break,
                    },
                    () = tokio::time::sleep(Span::secs(60).get()) => self.rotate_if_due().await,
                }
            }
            tokio::time::sleep(Span::secs(1).get()).await;
        }
    }

    fn reload(&self) {
        match read(&self.store.view()) {
            // Somebody has cleared the store: what was given out stays good as long as this process lives.
            Ok((keys, _)) if keys.signing().is_none() => {}
            Ok((keys, _)) => self.keys.store(Arc::new(keys)),
            Err(error) => tracing::error!(%error, "the keys of tokens were changed to something unreadable"),
        }
    }

    async fn rotate_if_due(&self) {
        if self.is_due()
            && let Err(error) = self.rotate().await
        {
            tracing::warn!(%error, "the key of tokens is due and was not replaced");
        }
    }

    fn is_due(&self) -> bool {
        let (keys, age) = (self.keys.load(), self.options.key_rotation.as_ms());
        keys.signing().is_none_or(|key| age > 0 && self.clock.now_ms() >= key.created_at.saturating_add(age))
    }
}

/// The keys in a version of the store, and the version of their entry.
fn read(view: &View) -> Result<(TokenKeys, u64), RingError> {
    let Some(entry) = view.get(KEY) else { return Ok((TokenKeys::default(), 0)) };
    let keys = serde_json::from_slice(entry.value.as_bytes()).map_err(RingError::Damaged)?;
    Ok((keys, entry.version))
}

/// Writes the keys if nobody else has meanwhile.
fn replacing(keys: &TokenKeys, version: u64) -> Result<Commit, RingError> {
    let key: Key = KEY.into();
    let value = Value::json(serde_json::to_vec(keys).map_err(RingError::Damaged)?);
    let checks = vec![Check { key: Arc::clone(&key), condition: Condition::IfVersion(version) }];
    let commands = vec![Command::Set { key, value, condition: Condition::Always, expiry: Expiry::Never }];
    Ok(Commit { checks, commands, keep_going: false })
}
