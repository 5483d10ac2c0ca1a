//! The state token of a handshake: in `?recover=`, where existing clients put it, or in the `Authorization` header,
//! where it stays out of the logs of everything on the way. Neither is ever logged here.

use actix_http::header::AUTHORIZATION;
use actix_http::{HttpMessage, Request};

use super::identity;
use crate::starling::Claim;

/// The number of the last message that a peer has handled, beside a token in `Authorization`.
const POSITION: &str = "starling-position";

/// A name that a peer has given itself, beside a token in `Authorization`.
const INSTANCE: &str = "starling-instance";

/// Which attempt of that peer this is, beside a token in `Authorization`.
const ATTEMPT: &str = "starling-attempt";

/// What a peer shows to come back to its session, if it shows anything.
pub(super) fn claim_of(request: &Request) -> Option<Claim> {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    // The same header may bring what says who somebody is.
    let bearer = text(AUTHORIZATION.as_str()).and_then(bearer).filter(|text| !identity::is_credential(text));
    let token = bearer.or_else(|| recover(request.uri().query()?))?;
    let position = text(POSITION).and_then(|number| number.parse().ok());
    let instance = text(INSTANCE).map(|name| name.chars().take(64).collect());
    let attempt = text(ATTEMPT).and_then(|number| number.parse().ok()).unwrap_or_default();
    Some(Claim { token, position, instance, attempt, ..Claim::default() })
}

/// The token of `Bearer <token>`.
pub(super) fn bearer(value: &str) -> Option<String> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// The value of `recover` in a query. A token has no character that a query would write otherwise; whatever has
/// one is no token, and that is found out when it is verified.
fn recover(query: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    // Of several the last one counts: clients append.
    pairs.rfind(|(name, token)| *name == "recover" && !token.is_empty()).map(|(_, token)| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_recover_of_a_query_counts() {
        assert_eq!(recover("a=b&recover=x.y.z&c=d").as_deref(), Some("x.y.z"));
        assert_eq!(recover("recover=old&recover=new").as_deref(), Some("new"));
        for none in ["", "recover", "recover=", "recovery=x", "x=recover"] {
            assert_eq!(recover(none), None, "{none}");
        }
    }

    #[test]
    fn only_bearers_bring_tokens() {
        let of = bearer;
        assert_eq!(of("Bearer a.b.c").as_deref(), Some("a.b.c"));
        assert_eq!(of("bearer  a.b.c").as_deref(), Some("a.b.c"));
        assert_eq!(of("Basic abc"), None);
        assert_eq!(of("Bearer"), None);
    }
}
