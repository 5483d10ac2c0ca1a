//! Signatures and sealing, by `ring`: it is in the binary already for TLS, so tokens bring no second set of
//! primitives. `jsonwebtoken` reads and writes the form, and gets HS256 from here; it knows no other algorithm.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Signer, Verifier};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::hmac;

use super::keys::TokenKey;

/// Makes `jsonwebtoken` use the signatures of this file. A program that has chosen others before keeps them:
/// HS256 is the same everywhere.
pub(super) fn install() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: |algorithm, key| Ok(Box::new(Hs256::new(*algorithm, key.as_bytes())?)),
        verifier_factory: |algorithm, key| Ok(Box::new(Hs256::new(*algorithm, key.try_get_as_bytes()?)?)),
        key_utils: KeyUtils::new_unimplemented(),
    };
    let _ = PROVIDER.install_default();
}

/// HMAC with SHA-256.
struct Hs256(hmac::Key);

impl Hs256 {
    fn new(algorithm: Algorithm, secret: &[u8]) -> Result<Self, Error> {
        match algorithm {
            Algorithm::HS256 => Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret))),
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        }
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], tag: &Vec<u8>) -> Result<(), signature::Error> {
        hmac::verify(&self.0, message, tag).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

/// The key for one purpose, so that no two purposes share one.
fn derived(key: &TokenKey, purpose: &'static [u8]) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    let pseudorandom = Salt::new(HKDF_SHA256, b"helios").extract(key.secret());
    pseudorandom.expand(&[purpose], HKDF_SHA256).ok()?.fill(&mut out).ok()?;
    Some(out)
}

/// What signs and verifies state tokens of a key.
pub(super) fn signing_secret(key: &TokenKey) -> Option<[u8; 32]> {
    derived(key, b"state token signature")
}

/// What signs and verifies access tokens of a key.
pub(super) fn access_secret(key: &TokenKey) -> Option<[u8; 32]> {
    derived(key, b"access token signature")
}

/// Seals a text so that only this ring can read it, and only in the token of `owner`.
pub(super) fn seal(key: &TokenKey, owner: &str, text: &[u8]) -> Option<String> {
    let mut sealed = vec![0; NONCE_LEN];
    getrandom::fill(&mut sealed).ok()?;
    let nonce = Nonce::try_assume_unique_for_key(&sealed).ok()?;
    let mut inside = text.to_vec();
    cipher(key)?.seal_in_place_append_tag(nonce, Aad::from(owner), &mut inside).ok()?;
    sealed.extend_from_slice(&inside);
    Some(URL_SAFE_NO_PAD.encode(sealed))
}

/// What [`seal`] has sealed.
pub(super) fn open(key: &TokenKey, owner: &str, sealed: &str) -> Option<Vec<u8>> {
    let mut sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let (nonce, inside) = sealed.split_at_mut_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    Some(cipher(key)?.open_in_place(nonce, Aad::from(owner), inside).ok()?.to_vec())
}

fn cipher(key: &TokenKey) -> Option<LessSafeKey> {
    let secret = derived(key, b"state token states")?;
    Some(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &secret).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_read_by_the_same_key_and_owner_only() {
        let (key, other) = (TokenKey::new([1; 32], 1), TokenKey::new([2; 32], 2));
        let sealed = seal(&key, "ann", b"secret").unwrap();
        assert!(!sealed.contains("secret"));
        assert_ne!(sealed, seal(&key, "ann", b"secret").unwrap(), "never twice the same");
        assert_eq!(open(&key, "ann", &sealed).unwrap(), b"secret");
        assert_eq!(open(&other, "ann", &sealed), None);
        assert_eq!(open(&key, "bob", &sealed), None);
        assert_eq!(open(&key, "ann", "short"), None);
    }
}
