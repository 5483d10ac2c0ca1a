use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::keys::TokenKey;
use super::super::state_token::{self, StateToken};
use super::*;
use crate::base::StarlingId;

const NOW: u64 = 1_700_000_000_000;

fn keys() -> TokenKeys {
    signing::install();
    let mut keys = TokenKeys::default();
    keys.rotate(TokenKey::new([9; 32], NOW), NOW, 0);
    keys
}

fn claims() -> AccessClaims {
    AccessClaims {
        sub: UserId::generate(),
        name: "ann".into(),
        jti: Uuid::new_v4(),
        sid: Uuid::new_v4(),
        generation: 2,
        roles: vec!["user".into()],
        iat: NOW / 1_000,
        exp: NOW / 1_000 + 900,
    }
}

/// A token with another head, signed with the secret of access tokens or with another.
fn signed(
    keys: &TokenKeys,
    head: &Value,
    claims: &Value,
    secret: impl Fn(&TokenKey) -> Option<[u8; 32]>,
) -> String {
    let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", text(head), text(claims));
    let secret = secret(keys.signing().unwrap()).unwrap();
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

#[test]
fn a_token_says_what_went_into_it_until_it_ends() {
    let (keys, claims) = (keys(), claims());
    let token = issue(&keys, &claims).unwrap();
    assert!(is_access_token(&token));
    assert_eq!(verify(&keys, &token, NOW + 899_999), Ok(claims.clone()));
    assert_eq!(verify(&keys, &token, NOW + 900_000), Err(TokenRefusal::Expired));
    let part = token.split('.').nth(1).unwrap();
    let shown: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    for claim in ["sub", "jti", "iat", "exp", "roles"] {
        assert!(!shown[claim].is_null(), "{claim}");
    }
}

#[test]
fn neither_kind_of_token_passes_for_the_other() {
    let (keys, claims) = (keys(), claims());
    let access = issue(&keys, &claims).unwrap();
    assert!(state_token::verify(&keys, &access, NOW).is_err());
    let (starling, principal) = (StarlingId::generate(), Some("ann".to_owned()));
    let state = StateToken { starling, principal, states: Map::new(), claims: Map::new() };
    let state = state_token::issue(&keys, &state, NOW, 900, 16_384).unwrap().token;
    assert!(!is_access_token(&state));
    assert_eq!(verify(&keys, &state, NOW), Err(TokenRefusal::Invalid));
    // Not even with the right words in it.
    let head = json!({ "alg": "HS256", "typ": TYPE, "kid": keys.signing().unwrap().kid });
    let body = serde_json::to_value(&claims).unwrap();
    assert!(verify(&keys, &signed(&keys, &head, &body, signing::access_secret), NOW).is_ok());
    assert_eq!(
        verify(&keys, &signed(&keys, &head, &body, signing::signing_secret), NOW),
        Err(TokenRefusal::Invalid)
    );
}

#[test]
fn other_algorithms_types_and_missing_claims_are_refused() {
    let (keys, claims) = (keys(), claims());
    let kid = &keys.signing().unwrap().kid;
    let body = serde_json::to_value(&claims).unwrap();
    let refused = |head: Value, body: &Value| {
        verify(&keys, &signed(&keys, &head, body, signing::access_secret), NOW).unwrap_err()
    };
    for alg in ["none", "HS384", "HS512", "RS256", "hs256"] {
        assert_eq!(
            refused(json!({ "alg": alg, "typ": TYPE, "kid": kid }), &body),
            TokenRefusal::Invalid,
            "{alg}"
        );
    }
    assert_eq!(refused(json!({ "alg": "HS256", "typ": "JWT", "kid": kid }), &body), TokenRefusal::Invalid);
    assert_eq!(refused(json!({ "alg": "HS256", "kid": kid }), &body), TokenRefusal::Invalid);
    assert_eq!(refused(json!({ "alg": "HS256", "typ": TYPE, "kid": "x" }), &body), TokenRefusal::UnknownKey);
    assert_eq!(refused(json!({ "alg": "HS256", "typ": TYPE }), &body), TokenRefusal::UnknownKey);
    for claim in ["sub", "jti", "sid", "gen", "exp", "iat", "roles"] {
        let mut less = body.clone();
        less.as_object_mut().unwrap().remove(claim);
        let head = json!({ "alg": "HS256", "typ": TYPE, "kid": kid });
        assert_eq!(refused(head, &less), TokenRefusal::Invalid, "{claim}");
    }
}

proptest! {
    #[test]
    fn nothing_that_was_changed_is_taken_and_nothing_panics(
        at in 0usize..500, to in any::<char>(), text in ".{0,200}", dotted in "[a-zA-Z0-9_-]{0,60}(\\.[a-zA-Z0-9_=-]{0,60}){0,4}",
    ) {
        let keys = keys();
        let good = issue(&keys, &claims()).unwrap();
        let changed: String = good.chars().enumerate().map(|(i, it)| if i == at { to } else { it }).collect();
        // The last character of a part carries bits that nobody reads.
        let same = changed.split('.').zip(good.split('.')).all(|(a, b)| {
            let read = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
            a == b || (read(a).is_some() && read(a) == read(b))
        });
        prop_assert!(same || verify(&keys, &changed, NOW).is_err());
        for text in [&text, &dotted] {
            prop_assert!(verify(&keys, text, NOW).is_err());
            prop_assert!(!is_access_token(text));
        }
    }
}
