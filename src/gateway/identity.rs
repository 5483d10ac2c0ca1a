//! Who sends a request: by an API key, by an access token, or by what the application makes of the handshake.

use super::token::bearer;
use crate::auth::{AccountError, Principal, TokenRefusal, Unauthenticated, is_access_token};
use crate::starling::{Handshake, Shared};

/// Where an API key is preferred: nothing takes it for something else there.
const API_KEY: &str = "x-api-key";

/// How an API key begins.
const KEY_PREFIX: &str = "hk_";

/// Whether a bearer's text says who somebody is; otherwise it is a state token, or the application's.
pub(super) fn is_credential(text: &str) -> bool {
    text.starts_with(KEY_PREFIX) || is_access_token(text)
}

/// Who sends a request with this query and these headers; one that is no text counts as empty. `strict` is HTTP, where the header has nothing else to bring.
///
/// # Errors
/// If it shows something that is not good. Whoever shows nothing is everybody.
pub(super) fn principal(
    shared: &Shared,
    query: &str,
    header: &dyn Fn(&str) -> Option<String>,
    strict: bool,
) -> Result<Principal, AccountError> {
    let applied = || shared.hooks.principal_of(&Handshake::new(query, header));
    let Some(accounts) = &shared.accounts else { return Ok(applied()) };
    if let Some(key) = header(API_KEY) {
        return accounts.principal_of_key(&key);
    }
    let shown = header("authorization");
    let text = shown.as_deref().and_then(bearer);
    match text.as_deref() {
        Some(text) if text.starts_with(KEY_PREFIX) => return accounts.principal_of_key(text),
        Some(text) if is_access_token(text) => return accounts.principal_of_token(text),
        _ => {}
    }
    let known = applied();
    if known.name().is_some() {
        return Ok(known);
    }
    // What nobody can make anything of is no reason to be taken for everybody.
    match (shown, text) {
        (Some(_), None) if strict => Err(Unauthenticated::Header.into()),
        (Some(_), Some(_)) if strict => Err(Unauthenticated::Token(TokenRefusal::Invalid).into()),
        _ => Ok(if known == Principal::anonymous() { accounts.everybody() } else { known }),
    }
}
