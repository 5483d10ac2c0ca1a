//! The access token: a JWT that says who somebody is, for a quarter of an hour. Its head has the type `at+jwt` (RFC
//! 9068), and it is signed with another key of the ring than state tokens, so that neither passes for the other.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::TokenRefusal;
use super::keys::TokenKeys;
use super::signing;
use crate::base::UserId;

/// What the head of an access token says that it is.
const TYPE: &str = "at+jwt";

/// The longest access token that is looked at.
const BYTES_MAX: usize = 8 * 1024;

/// What an access token says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct AccessClaims {
    /// The user.
    pub(super) sub: UserId,
    /// Its name, for whoever reads the token.
    pub(super) name: String,
    /// The id of the token.
    pub(super) jti: Uuid,
    /// The id of the login.
    pub(super) sid: Uuid,
    /// The generation of the user.
    #[serde(rename = "gen")]
    pub(super) generation: u64,
    /// The roles of the user at that time, for whoever reads the token. Here those of the moment count.
    pub(super) roles: Vec<String>,
    /// When it was made, in seconds since the Unix epoch.
    pub(super) iat: u64,
    /// When it ends, in seconds since the Unix epoch.
    pub(super) exp: u64,
}

/// Whether a text calls itself an access token. Says nothing of whether it is a good one.
pub fn is_access_token(text: &str) -> bool {
    let typ = || decode_header(text).ok()?.typ;
    text.len() <= BYTES_MAX && typ().is_some_and(|typ| typ.eq_ignore_ascii_case(TYPE))
}

/// Makes a token with the key that signs.
pub(super) fn issue(keys: &TokenKeys, claims: &AccessClaims) -> Option<String> {
    let key = keys.signing()?;
    let mut head = Header::new(Algorithm::HS256);
    (head.typ, head.kid) = (Some(TYPE.to_owned()), Some(key.kid.clone()));
    encode(&head, claims, &EncodingKey::from_secret(&signing::access_secret(key)?)).ok()
}

/// What a token says, if it is good at `now_ms`.
pub(super) fn verify(keys: &TokenKeys, token: &str, now_ms: u64) -> Result<AccessClaims, TokenRefusal> {
    if token.len() > BYTES_MAX {
        return Err(TokenRefusal::Invalid);
    }
    let head = decode_header(token).map_err(|_| TokenRefusal::Invalid)?;
    if head.alg != Algorithm::HS256 || head.typ.as_deref() != Some(TYPE) {
        return Err(TokenRefusal::Invalid);
    }
    let key = head.kid.and_then(|kid| keys.get(&kid, now_ms)).ok_or(TokenRefusal::UnknownKey)?;
    let secret = signing::access_secret(key).ok_or(TokenRefusal::UnknownKey)?;
    let mut rules = Validation::new(Algorithm::HS256);
    // By our clock, below; that the claim is there is checked here.
    rules.validate_exp = false;
    rules.validate_aud = false;
    let decoded = decode::<AccessClaims>(token, &DecodingKey::from_secret(&secret), &rules);
    let claims = decoded.map(|data| data.claims).map_err(|error| match error.kind() {
        ErrorKind::ExpiredSignature => TokenRefusal::Expired,
        _ => TokenRefusal::Invalid,
    })?;
    if now_ms / 1_000 >= claims.exp {
        return Err(TokenRefusal::Expired);
    }
    Ok(claims)
}

#[cfg(test)]
#[path = "access_token_tests.rs"]
mod tests;
