//! The state token: a JWT that a peer takes its session up again with.
//!
//! Everybody can read `starlingId`, `timestamp`, `sub`, `state` and the claims of the application in it, for it
//! is only signed. `states`, what state providers have saved, is sealed: only the ring that made it reads it.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::{IssueError, TokenRefusal};
use super::keys::{TokenKey, TokenKeys};
use super::signing;
use crate::base::StarlingId;

/// What goes into a token.
#[derive(Clone, Debug)]
pub struct StateToken {
    /// The session.
    pub starling: StarlingId,
    /// Who it belongs to, unless anonymous.
    pub principal: Option<String>,
    /// What the providers have saved, by namespace. Sealed.
    pub states: Map<String, Value>,
    /// Claims of the application. Not sealed.
    pub claims: Map<String, Value>,
}

/// A token that was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Issued {
    /// The token.
    pub token: String,
    /// Seconds that it is good for.
    pub expires_in_s: u64,
}

/// What a token says that was found to be good.
#[derive(Clone, PartialEq, Debug)]
pub struct StateClaims {
    /// The session.
    pub starling: StarlingId,
    /// When it was made, in milliseconds since the Unix epoch.
    pub timestamp: u64,
    /// Who the session belonged to.
    pub principal: Option<String>,
    /// What the providers had saved, by namespace.
    pub states: Map<String, Value>,
    /// Claims of the application.
    pub claims: Map<String, Value>,
}

/// The claims as they are written. Existing peers read none of them, but know these names.
#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(rename = "starlingId")]
    starling: StarlingId,
    timestamp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(default)]
    state: Value,
    #[serde(default)]
    states: Value,
    iat: u64,
    exp: u64,
    #[serde(flatten)]
    claims: Map<String, Value>,
}

const RESERVED: [&str; 10] =
    ["starlingId", "timestamp", "sub", "state", "states", "iat", "exp", "nbf", "iss", "aud"];

/// Makes a token at `now_ms` that is good for `lifetime_s`, with the key that signs.
pub(super) fn issue(
    keys: &TokenKeys,
    token: &StateToken,
    now_ms: u64,
    lifetime_s: u64,
    bytes_max: usize,
) -> Result<Issued, IssueError> {
    if let Some(name) = token.claims.keys().find(|name| RESERVED.contains(&name.as_str())) {
        return Err(IssueError::Reserved(name.clone()));
    }
    let key = keys.signing().ok_or(IssueError::Unsigned)?;
    let states = serde_json::to_vec(&token.states).map_err(|_| IssueError::Unsigned)?;
    let sealed = signing::seal(key, &token.starling.to_string(), &states).ok_or(IssueError::Unsigned)?;
    let written = Written {
        starling: token.starling,
        timestamp: now_ms,
        sub: token.principal.clone(),
        state: json!({ "connected": true, "lastConnected": null }),
        states: sealed.into(),
        iat: now_ms / 1_000,
        exp: now_ms / 1_000 + lifetime_s,
        claims: token.claims.clone(),
    };
    let mut head = Header::new(Algorithm::HS256);
    head.kid = Some(key.kid.clone());
    let secret = signing::signing_secret(key).ok_or(IssueError::Unsigned)?;
    let token =
        encode(&head, &written, &EncodingKey::from_secret(&secret)).map_err(|_| IssueError::Unsigned)?;
    match token.len() {
        bytes if bytes > bytes_max => Err(IssueError::TooLarge { bytes, limit: bytes_max }),
        _ => Ok(Issued { token, expires_in_s: lifetime_s }),
    }
}

/// What a token says, if it is good at `now_ms`.
pub(super) fn verify(keys: &TokenKeys, token: &str, now_ms: u64) -> Result<StateClaims, TokenRefusal> {
    let head = decode_header(token).map_err(|_| TokenRefusal::Invalid)?;
    if head.alg != Algorithm::HS256 {
        return Err(TokenRefusal::Invalid);
    }
    let kid = head.kid.ok_or(TokenRefusal::UnknownKey)?;
    let key = keys.get(&kid, now_ms).ok_or(TokenRefusal::UnknownKey)?;
    let written = signed_by(key, token)?;
    // Without leeway, as existing servers have it: whoever made the token also reads it.
    if now_ms / 1_000 >= written.exp {
        return Err(TokenRefusal::Expired);
    }
    let states = match written.states {
        Value::String(sealed) => {
            let text =
                signing::open(key, &written.starling.to_string(), &sealed).ok_or(TokenRefusal::Invalid)?;
            serde_json::from_slice(&text).map_err(|_| TokenRefusal::Invalid)?
        }
        Value::Object(states) => states,
        _ => Map::new(),
    };
    let Written { starling, timestamp, sub: principal, claims, .. } = written;
    Ok(StateClaims { starling, timestamp, principal, states, claims })
}

fn signed_by(key: &TokenKey, token: &str) -> Result<Written, TokenRefusal> {
    let secret = signing::signing_secret(key).ok_or(TokenRefusal::UnknownKey)?;
    let mut rules = Validation::new(Algorithm::HS256);
    // By our clock, a few lines above; that the claim is there at all is checked here.
    rules.validate_exp = false;
    rules.validate_aud = false;
    let decoded = decode::<Written>(token, &DecodingKey::from_secret(&secret), &rules);
    decoded.map(|data| data.claims).map_err(|error| match error.kind() {
        ErrorKind::ExpiredSignature => TokenRefusal::Expired,
        _ => TokenRefusal::Invalid,
    })
}

#[cfg(test)]
#[path = "state_token_tests.rs"]
mod tests;
