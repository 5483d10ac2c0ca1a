use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_700_000_000_000;

fn keys() -> TokenKeys {
    signing::install();
    let mut keys = TokenKeys::default();
    keys.rotate(TokenKey::new([9; 32], NOW), NOW, 0);
    keys
}

fn token() -> StateToken {
    let states = Map::from_iter([("cart".to_owned(), json!({ "items": ["secret thing"] }))]);
    let claims = Map::from_iter([("tenant".to_owned(), json!("acme"))]);
    StateToken { starling: StarlingId::generate(), principal: Some("ann".into()), states, claims }
}

fn issued(keys: &TokenKeys, token: &StateToken) -> String {
    issue(keys, token, NOW, 3_600, 16_384).unwrap().token
}

fn part(token: &str, at: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
}

/// A token with another head or other claims, signed with the right key.
fn resigned(keys: &TokenKeys, head: &Value, claims: &Value) -> String {
    let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", text(head), text(claims));
    let secret = signing::signing_secret(keys.signing().unwrap()).unwrap();
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

#[test]
fn a_token_says_what_went_into_it() {
    let (keys, token) = (keys(), token());
    let text = issued(&keys, &token);
    let claims = verify(&keys, &text, NOW + 1).unwrap();
    assert_eq!((claims.starling, claims.timestamp), (token.starling, NOW));
    assert_eq!(
        (claims.principal, claims.states, claims.claims),
        (token.principal, token.states, token.claims)
    );
}

#[test]
fn everybody_can_read_who_it_is_for_and_nobody_what_was_saved() {
    let (keys, token) = (keys(), token());
    let text = issued(&keys, &token);
    let (head, claims) = (part(&text, 0), part(&text, 1));
    assert_eq!((&head["alg"], &head["kid"]), (&json!("HS256"), &json!(keys.signing().unwrap().kid)));
    assert_eq!(claims["starlingId"], token.starling.to_string());
    assert_eq!(claims["tenant"], "acme");
    assert_eq!(claims["exp"].as_u64().unwrap(), claims["iat"].as_u64().unwrap() + 3_600);
    assert!(claims["state"].is_object() && claims["states"].is_string());
    assert!(!claims.to_string().contains("secret thing"));
}

#[test]
fn a_token_ends_when_it_says() {
    let (keys, token) = (keys(), token());
    let text = issued(&keys, &token);
    assert!(verify(&keys, &text, NOW + 3_599_000).is_ok());
    assert_eq!(verify(&keys, &text, NOW + 3_600_000), Err(TokenRefusal::Expired));
}

#[test]
fn other_algorithms_other_keys_and_missing_ends_are_refused() {
    let (keys, token) = (keys(), token());
    let text = issued(&keys, &token);
    let (head, claims) = (part(&text, 0), part(&text, 1));
    let refused =
        |head: &Value, claims: &Value| verify(&keys, &resigned(&keys, head, claims), NOW).unwrap_err();
    assert!(verify(&keys, &resigned(&keys, &head, &claims), NOW).is_ok(), "the test signs as the ring does");
    for alg in ["none", "HS384", "HS512", "RS256", "hs256"] {
        let head = json!({ "alg": alg, "kid": head["kid"] });
        assert_eq!(refused(&head, &claims), TokenRefusal::Invalid, "{alg}");
    }
    assert_eq!(refused(&json!({ "alg": "HS256", "kid": "other" }), &claims), TokenRefusal::UnknownKey);
    assert_eq!(refused(&json!({ "alg": "HS256" }), &claims), TokenRefusal::UnknownKey);
    let mut endless = claims.clone();
    endless.as_object_mut().unwrap().remove("exp");
    assert_eq!(refused(&head, &endless), TokenRefusal::Invalid);
    let mut foreign = claims;
    foreign["starlingId"] = StarlingId::generate().to_string().into();
    assert_eq!(refused(&head, &foreign), TokenRefusal::Invalid, "the states are sealed for their session");
}

#[test]
fn a_token_of_the_key_before_is_good_until_that_ends() {
    let (mut keys, token) = (keys(), token());
    let text = issued(&keys, &token);
    keys.rotate(TokenKey::new([8; 32], NOW), NOW, 10_000);
    assert!(verify(&keys, &text, NOW + 9_999).is_ok());
    assert_eq!(verify(&keys, &text, NOW + 10_000), Err(TokenRefusal::UnknownKey));
    assert!(verify(&keys, &issued(&keys, &token), NOW + 10_000).is_ok());
}

#[test]
fn what_is_too_long_or_takes_a_reserved_name_is_not_made() {
    let (keys, mut token) = (keys(), token());
    token.states.insert("big".into(), "x".repeat(20_000).into());
    let error = issue(&keys, &token, NOW, 60, 16_384).unwrap_err();
    assert!(matches!(error, IssueError::TooLarge { bytes, limit: 16_384 } if bytes > 20_000), "{error}");
    assert!(error.to_string().contains("tokens.bytes_max"));
    token.states.clear();
    token.claims.insert("exp".into(), json!(0));
    assert_eq!(issue(&keys, &token, NOW, 60, 16_384), Err(IssueError::Reserved("exp".into())));
    assert_eq!(issue(&TokenKeys::default(), &self::token(), NOW, 60, 16_384), Err(IssueError::Unsigned));
}

proptest! {
    #[test]
    fn nothing_that_was_changed_is_taken_and_nothing_panics(at in 0usize..400, to in any::<char>(), text in ".{0,80}") {
        let keys = keys();
        let good = issued(&keys, &token());
        let changed: String = good.chars().enumerate().map(|(i, it)| if i == at { to } else { it }).collect();
        // The last character of a part carries bits that nobody reads.
        let same = changed.split('.').zip(good.split('.')).all(|(a, b)| {
            let read = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
            a == b || (read(a).is_some() && read(a) == read(b))
        });
        prop_assert!(same || verify(&keys, &changed, NOW).is_err());
        prop_assert!(verify(&keys, &text, NOW).is_err());
    }
}
