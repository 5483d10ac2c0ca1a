//! Refresh tokens and API keys: random text, of which only the hash is kept. Their first letters say what they are,
//! so that they are found where they should not be.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::hmac;
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// The beginning of a refresh token.
pub(super) const REFRESH: &str = "hrt_";
/// The beginning of an API key.
pub(super) const KEY: &str = "hk_";

/// A new secret with its id, and the hash of it. `None` if the system gives no randomness.
pub(super) fn generate(prefix: &str, id: Uuid) -> Option<(String, String)> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    let secret = URL_SAFE_NO_PAD.encode(bytes);
    let hash = hash(&secret);
    Some((format!("{prefix}{}_{secret}", id.simple()), hash))
}

/// What the refresh tokens of a login are marked with.
pub(super) fn mac_key() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// A new refresh token of a login, and the hash of it: random, and marked as one of this login.
pub(super) fn refresh(sid: Uuid, mac_key: &str) -> Option<(String, String)> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes[..16]).ok()?;
    let mark = mark(&bytes[..16], mac_key);
    bytes[16..].copy_from_slice(&mark);
    let secret = URL_SAFE_NO_PAD.encode(bytes);
    let hash = hash(&secret);
    Some((format!("{REFRESH}{}_{secret}", sid.simple()), hash))
}

/// Whether a secret was once given out for this login.
pub(super) fn is_marked(secret: &str, mac_key: &str) -> bool {
    let bytes = URL_SAFE_NO_PAD.decode(secret).ok().filter(|bytes| bytes.len() == 32);
    bytes.is_some_and(|bytes| mark(&bytes[..16], mac_key).ct_eq(&bytes[16..]).into())
}

fn mark(random: &[u8], mac_key: &str) -> [u8; 16] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, mac_key.as_bytes()), random);
    let mut mark = [0; 16];
    mark.copy_from_slice(&tag.as_ref()[..16]);
    mark
}

/// The id and the secret that a text is made of.
pub(super) fn parse<'a>(prefix: &str, text: &'a str) -> Option<(Uuid, &'a str)> {
    let (id, secret) = text.strip_prefix(prefix)?.split_once('_')?;
    // The form that is given out, and no other that means the same.
    let plain = id.len() == 32 && secret.len() == 43;
    Some((Uuid::try_parse(id).ok().filter(|_| plain)?, secret))
}

/// What is kept of a secret.
pub(super) fn hash(secret: &str) -> String {
    digest(&SHA256, secret.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a secret has this hash, in the same time whatever it is.
pub(super) fn fits(secret: &str, kept: &str) -> bool {
    hash(secret).as_bytes().ct_eq(kept.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_secret_fits_its_own_hash_only() {
        let id = Uuid::new_v4();
        let (text, kept) = generate(KEY, id).unwrap();
        let (parsed, secret) = parse(KEY, &text).unwrap();
        assert!(parsed == id && fits(secret, &kept) && !kept.contains(secret));
        assert!(!fits("x", &kept) && !fits(secret, "") && !fits(secret, &generate(KEY, id).unwrap().1));
        assert!(parse(REFRESH, &text).is_none(), "a key is no refresh token");
    }

    #[test]
    fn a_refresh_token_from_before_is_told_from_one_made_up() {
        let (sid, key, other) = (Uuid::new_v4(), mac_key().unwrap(), mac_key().unwrap());
        let (text, kept) = refresh(sid, &key).unwrap();
        let (parsed, secret) = parse(REFRESH, &text).unwrap();
        assert!(parsed == sid && fits(secret, &kept) && is_marked(secret, &key));
        assert!(!is_marked(secret, &other) && !is_marked(&"A".repeat(43), &key) && !is_marked("", &key));
    }

    proptest! {
        #[test]
        fn nothing_else_is_one(text in ".{0,100}", dashed in "hk_[0-9a-f-]{30,40}_[a-zA-Z0-9]{0,50}") {
            prop_assert!(parse(KEY, &text).is_none());
            if let Some((id, secret)) = parse(KEY, &dashed) {
                prop_assert_eq!(format!("hk_{}_{secret}", id.simple()), dashed);
            }
        }
    }
}
