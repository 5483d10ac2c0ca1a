//! The fast way through a request that is written as every known client writes it: these fields in this
//! order, without white space. Anything else takes the general way and means the same.

use std::borrow::Cow;

use super::scan::Scanner;
use crate::protocol::message::Request;
use crate::protocol::names::is_method_name;
use crate::protocol::payload::Raw;
use crate::protocol::request_id::RequestId;

const HEAD: &str = r#"{"protocol":"helios-starling","version":"1.0.0","timestamp":"#;
const REQUEST: &str = r#","type":"request","requestId":""#;
const METHOD: &str = r#"","method":""#;
const PAYLOAD: &str = r#","payload":"#;

/// Reads a request in the usual form. `None` says nothing about the text but that it is not in that form.
pub(super) fn request(text: &str) -> Option<Request<'_>> {
    let rest = text.strip_prefix(HEAD)?;
    // Thirteen digits of milliseconds, as they will be until the year 2286.
    let (digits, rest) = rest.split_at_checked(13)?;
    if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (id, rest) = rest.strip_prefix(REQUEST)?.split_at_checked(36)?;
    let id = RequestId::parse(id)?;
    let rest = rest.strip_prefix(METHOD)?;
    let end = memchr::memchr(b'"', rest.as_bytes())?;
    let (method, rest) = rest.split_at_checked(end)?;
    if !is_method_name(method) {
        return None;
    }
    let rest = rest.get(1..)?;
    let (method, peer) = (Cow::Borrowed(method), None);
    if rest == "}" {
        return Some(Request { id, method, payload: None, peer });
    }
    let mut scanner = Scanner::new(rest.strip_prefix(PAYLOAD)?);
    let payload = scanner.value().ok()?;
    let payload = Some(Raw::json(payload));
    (scanner.rest() == "}").then_some(Request { id, method, payload, peer })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::json::decode;
    use crate::protocol::message::{Decoded, Incoming};

    const ID: &str = "e996f0d2-4115-4a64-b77f-e4ae77b0808c";

    fn text(rest: &str) -> String {
        format!("{HEAD}1795223929326{REQUEST}{ID}{METHOD}demo:echo\"{rest}}}")
    }

    #[test]
    fn the_usual_form_is_recognised() {
        for (rest, payload) in [
            ("", None),
            (",\"payload\":null", Some("null")),
            (",\"payload\":{\"a\":[\"}\"]}", Some("{\"a\":[\"}\"]}")),
        ] {
            let text = text(rest);
            let request = request(&text).unwrap();
            assert_eq!((request.id.as_str(), request.method.as_ref()), (ID, "demo:echo"));
            assert_eq!(request.payload, payload.map(Raw::json));
        }
    }

    #[test]
    fn every_other_form_is_left_to_the_general_way() {
        for rest in [
            ",\"payload\":1,\"payload\":2",
            ",\"peer\":true",
            " ",
            ",\"payload\":1 ",
            ",\"payload\":",
            ",\"payload\":{",
        ] {
            assert!(request(&text(rest)).is_none(), "{rest}");
        }
        assert!(request(&text("").replace("1795", "0795")).is_none());
        assert!(request(&text("").replace("demo:echo", "echo")).is_none());
    }

    proptest! {
        #[test]
        fn both_ways_read_the_same(rest in r#"(,"payload":)?[\[\]{}:,"a1 u0\\]{0,10}"#) {
            let usual = text(&rest);
            let spaced = usual.replacen("{\"protocol\"", "{ \"protocol\"", 1);
            let by_way = |text: &str| match decode(text) {
                Decoded::Message(Incoming::Request(request)) => {
                    Some((request.id, request.method.to_string(), request.payload.map(|it| it.bytes.to_vec())))
                }
                _ => None,
            };
            prop_assert_eq!(by_way(&usual), by_way(&spaced));
        }
    }
}
