//! The keys that tokens are signed with. Pure: times come from outside.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// One key. Its secret never shows in a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenKey {
    /// Its name in the head of a token.
    pub kid: String,
    #[serde(with = "secret")]
    secret: [u8; 32],
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// When it stops being good; the one that signs has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<u64>,
}

/// What may be told of a key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyAbout {
    /// Its name in the head of a token.
    pub kid: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// When it stops being good; null for the one that signs.
    pub ends_at: Option<u64>,
    /// Whether new tokens are signed with it.
    pub signs: bool,
}

/// Keys, the newest first. The first signs; the others verify what they have signed until they end.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TokenKeys {
    keys: Vec<TokenKey>,
}

impl TokenKey {
    /// A key of these 32 bytes, named after its time.
    pub fn new(secret: [u8; 32], now_ms: u64) -> Self {
        // The name says nothing about the secret: it is the time, and a part of another hash of it.
        let tail = blake3::derive_key("helios token key name", &secret);
        let kid = format!("{now_ms:x}-{}", URL_SAFE_NO_PAD.encode(&tail[..4]));
        Self { kid, secret, created_at: now_ms, ends_at: None }
    }

    pub(super) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey")
            .field("kid", &self.kid)
            .field("ends_at", &self.ends_at)
            .finish_non_exhaustive()
    }
}

impl TokenKeys {
    /// The key that signs.
    pub fn signing(&self) -> Option<&TokenKey> {
        self.keys.first()
    }

    /// The key of this name, if it is still good.
    pub fn get(&self, kid: &str, now_ms: u64) -> Option<&TokenKey> {
        self.keys.iter().find(|key| key.kid == kid && key.ends_at.is_none_or(|end| now_ms < end))
    }

    /// Lets `key` sign from now on. The one before ends after `grace_ms`, when all that it has signed is over;
    /// what has ended already is dropped.
    pub fn rotate(&mut self, key: TokenKey, now_ms: u64, grace_ms: u64) {
        self.keys.retain(|old| old.ends_at.is_none_or(|end| now_ms < end));
        for old in &mut self.keys {
            old.ends_at.get_or_insert(now_ms + grace_ms);
        }
        self.keys.insert(0, key);
    }

    /// What may be told of them.
    pub fn about(&self) -> Vec<KeyAbout> {
        let about = |(at, key): (usize, &TokenKey)| {
            let TokenKey { kid, created_at, ends_at, .. } = key.clone();
            KeyAbout { kid, created_at, ends_at, signs: at == 0 }
        };
        self.keys.iter().enumerate().map(about).collect()
    }
}

/// The secret as text.
mod secret {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(secret: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&URL_SAFE_NO_PAD.encode(secret))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(D::Error::custom)?;
        bytes.try_into().map_err(|_| D::Error::custom("a secret has 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_replaced_stays_good_for_a_while() {
        let mut keys = TokenKeys::default();
        assert!(keys.signing().is_none());
        keys.rotate(TokenKey::new([1; 32], 100), 100, 50);
        let first = keys.signing().unwrap().kid.clone();
        keys.rotate(TokenKey::new([2; 32], 200), 200, 50);
        assert_ne!(keys.signing().unwrap().kid, first);
        assert!(keys.get(&first, 249).is_some());
        assert!(keys.get(&first, 250).is_none(), "at its end it is over");
        keys.rotate(TokenKey::new([3; 32], 300), 300, 50);
        assert_eq!(keys.about().len(), 2, "what has ended is dropped");
    }

    #[test]
    fn keys_are_kept_as_text_and_never_shown() {
        let mut keys = TokenKeys::default();
        keys.rotate(TokenKey::new([7; 32], 1), 1, 1);
        let text = serde_json::to_string(&keys).unwrap();
        assert_eq!(serde_json::from_str::<TokenKeys>(&text).unwrap(), keys);
        let secret = URL_SAFE_NO_PAD.encode([7; 32]);
        assert!(text.contains(&secret));
        assert!(!format!("{keys:?}").contains(&secret));
        assert!(!serde_json::to_string(&keys.about()).unwrap().contains(&secret));
    }
}
