use proptest::prelude::*;

use super::*;

const ID: &str = "e996f0d2-4115-4a64-b77f-e4ae77b0808c";

fn envelope(rest: &str) -> String {
    format!(r#"{{"protocol":"helios-starling","version":"1.0.0","timestamp":1795223929326,{rest}}}"#)
}

fn violations(rest: &str) -> Vec<String> {
    match decode(&envelope(rest)) {
        Decoded::Refused(refusal) => refusal.violations.iter().map(str::to_owned).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_borrows_everything() {
    let text = envelope(&format!(
        r#""type":"request","requestId":"{ID}","method":"demo:echo","payload": {{"a":[1,"\ud800"]}} "#
    ));
    let Decoded::Message(Incoming::Request(request)) = decode(&text) else { panic!() };
    assert_eq!(request.id.as_str(), ID);
    assert!(matches!(request.method, Cow::Borrowed("demo:echo")));
    assert_eq!(request.payload.unwrap().bytes, br#"{"a":[1,"\ud800"]}"#);
    assert_eq!(request.peer, None);
}

#[test]
fn the_last_of_two_fields_counts_and_escapes_in_names_are_read() {
    let text = envelope(&format!(
        r#""type":"response","t\u0079pe":"request","requestId":"{ID}","method":"a:b","method":"c\u003ad""#
    ));
    let Decoded::Message(Incoming::Request(request)) = decode(&text) else { panic!() };
    assert_eq!(request.method, "c:d");
    assert_eq!(request.payload, None);
}

#[test]
fn what_is_not_ours_is_foreign() {
    for text in
        ["1", "null", "[]", "{}", r#"{"protocol":"Helios-Starling"}"#, r#"[{"protocol":"helios-starling"}]"#]
    {
        assert_eq!(decode(text), Decoded::Foreign(Foreign::Json), "{text}");
    }
    for text in ["", "hello", "{", r#"{"protocol":"helios-starling"} x"#] {
        assert_eq!(decode(text), Decoded::Foreign(Foreign::Text), "{text}");
    }
}

#[test]
fn base_rules_come_first_and_all_at_once() {
    let text = r#"{"protocol":"helios-starling","version":"1.0","timestamp":0,"type":"hello","peer":"x"}"#;
    let Decoded::Refused(refusal) = decode(text) else { panic!() };
    let list: Vec<_> = refusal.violations.iter().collect();
    assert_eq!(
        list,
        [
            "Version must be in semantic version format (x.y.z)",
            "Invalid timestamp format",
            "Invalid type: must be one of request, response, notification, error, ack, ping",
            "Peer must be a boolean or free object",
        ]
    );
    assert_eq!(violations(r#""type":"ping""#), ["Unsupported message type: ping"]);
}

#[test]
fn a_refused_request_names_its_id_if_it_can() {
    let text = envelope(&format!(r#""type":"request","requestId":"{ID}","method":"echo""#));
    let Decoded::Refused(refusal) = decode(&text) else { panic!() };
    assert_eq!(refusal.request_id.unwrap().as_str(), ID);
    let Decoded::Refused(refusal) = decode(&envelope(r#""type":"request","requestId":"x""#)) else {
        panic!()
    };
    assert_eq!(refusal.request_id, None);
    assert_eq!(request_id_of_prefix(&text.as_bytes()[..text.len() - 3]).unwrap().as_str(), ID);
    assert_eq!(request_id_of_prefix(b"\xff"), None);
}

#[test]
fn timestamps_may_be_odd() {
    for number in ["1", "1.0", "1e300", "1e0", "99999999999999999999"] {
        assert!(is_timestamp(number), "{number}");
    }
    for number in ["0", "-1", "1.5", "\"1\"", "null", "true", "1e400", "0.0", "-0", "[]"] {
        assert!(!is_timestamp(number), "{number}");
    }
}

#[test]
fn responses_follow_the_rules_of_existing_peers() {
    let id = format!(r#""type":"response","requestId":"{ID}""#);
    let text = envelope(&format!(r#"{id},"success":true"#));
    let Decoded::Message(Incoming::Response(response)) = decode(&text) else { panic!() };
    assert_eq!(response.result, Ok(None));
    for (rest, expected) in [
        (r#""success":true,"error":null"#, "Successful response should not contain error field"),
        (r#""success":false"#, "Failed response must contain error field"),
        (r#""success":1"#, "success must be a boolean"),
        (r#""data":1"#, "Missing required field: success"),
        (r#""success":false,"error":null"#, "Error must be an object"),
        (r#""success":false,"error":{"code":"","message":"x"}"#, "Error must contain non-empty code field"),
        (r#""success":false,"error":{"code":1,"message":"x"}"#, "Error code must be a string"),
        (r#""success":false,"error":{"code":"A"}"#, "Error must contain non-empty message field"),
        (
            r#""success":false,"error":{"code":"A","message":"x","details":null}"#,
            "Error details cannot be null",
        ),
    ] {
        assert_eq!(violations(&format!("{id},{rest}")), [expected]);
    }
}

#[test]
fn notifications_need_a_topic() {
    for (rest, expected) in [
        (r#""x":1"#, "Missing required field: notification"),
        (r#""notification":null"#, "notification must be an object"),
        (r#""notification":{"data":1}"#, "Missing required field: notification.topic"),
        (r#""notification":{"topic":null}"#, "notification.topic must be a string"),
        (r#""notification":{"topic":{}}"#, "notification.topic must be a string"),
        (r#""notification":{"topic":""}"#, "Invalid topic format"),
    ] {
        assert_eq!(violations(&format!(r#""type":"notification",{rest}"#)), [expected]);
    }
    let text = envelope(r#""type":"notification","requestId":7,"notification":{"topic":"a"}"#);
    let Decoded::Message(Incoming::Notification(notification)) = decode(&text) else { panic!() };
    assert_eq!((notification.request_id, notification.data), (None, None));
}

#[test]
fn truthy_peers_are_kept_and_falsy_ones_are_absent() {
    for (peer, kept) in [("true", true), ("{}", true), ("[]", true), ("null", false), ("false", false)] {
        let text = envelope(&format!(r#""peer":{peer},"type":"request","requestId":"{ID}","method":"a:b""#));
        let Decoded::Message(Incoming::Request(request)) = decode(&text) else { panic!("{peer}") };
        assert_eq!(request.peer.is_some(), kept, "{peer}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let _ = decode(&text);
        let _ = decode(&envelope(&text));
        let _ = request_id_of_prefix(text.as_bytes());
    }
}
