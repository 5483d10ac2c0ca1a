//! Writes messages by template around raw payloads: serde would need three times as long.

use crate::protocol::codec::Codec;
use crate::protocol::message::{Failure, Outgoing};
use crate::protocol::payload::{PayloadError, Raw};

/// Appends a message as JSON. In case of an error, part of it may have been written.
pub(in crate::protocol) fn encode(
    message: &Outgoing<'_>,
    now_ms: u64,
    out: &mut Vec<u8>,
) -> Result<(), PayloadError> {
    // Room for the envelope at once; a long payload grows it once more.
    out.reserve(512);
    out.extend_from_slice(br#"{"protocol":"helios-starling","version":"1.0.0","timestamp":"#);
    number(now_ms, out);
    match message {
        Outgoing::Request { id, method, payload, peer } => {
            field(",\"peer\":", *peer, out)?;
            out.extend_from_slice(br#","type":"request","requestId":""#);
            out.extend_from_slice(&id.as_ascii());
            out.extend_from_slice(br#"","method":""#);
            // Names of methods and topics have no character that JSON would escape.
            out.extend_from_slice(method.as_bytes());
            out.push(b'"');
            field(",\"payload\":", *payload, out)?;
        }
        Outgoing::Response { id, result, peer } => {
            field(",\"peer\":", *peer, out)?;
            out.extend_from_slice(br#","type":"response","requestId":""#);
            out.extend_from_slice(&id.as_ascii());
            match result {
                Ok(data) => {
                    out.extend_from_slice(br#"","success":true"#);
                    field(",\"data\":", *data, out)?;
                }
                Err(error) => {
                    out.extend_from_slice(br#"","success":false,"error":{"#);
                    failure(error, out)?;
                    out.push(b'}');
                }
            }
        }
        Outgoing::Notification { request_id, topic, progress, data, peer } => {
            field(",\"peer\":", *peer, out)?;
            out.extend_from_slice(br#","type":"notification""#);
            match request_id {
                Some(id) => {
                    out.extend_from_slice(br#","requestId":""#);
                    out.extend_from_slice(&id.as_ascii());
                    out.push(b'"');
                }
                // Between peers there is no such key at all.
                None if peer.is_none() => out.extend_from_slice(br#","requestId":null"#),
                None => {}
            }
            out.extend_from_slice(br#","notification":{"topic":""#);
            out.extend_from_slice(topic.as_bytes());
            out.push(b'"');
            if *progress {
                out.extend_from_slice(br#","type":"progress""#);
            }
            field(",\"data\":", *data, out)?;
            out.push(b'}');
        }
        Outgoing::Publication { topic, data, published } => {
            out.extend_from_slice(br#","type":"notification","requestId":null,"notification":{"topic":""#);
            out.extend_from_slice(topic.as_bytes());
            out.push(b'"');
            if let Some(published) = published {
                text(",\"position\":\"", &published.position, out);
                if let Some(pattern) = &published.pattern {
                    text(",\"pattern\":\"", pattern, out);
                }
                field(",\"tags\":", published.tags, out)?;
            }
            field(",\"data\":", Some(*data), out)?;
            out.push(b'}');
        }
        Outgoing::Error { severity, failure: error, peer } => {
            field(",\"peer\":", *peer, out)?;
            out.extend_from_slice(br#","type":"error","error":{"severity":""#);
            out.extend_from_slice(severity.as_str().as_bytes());
            out.extend_from_slice(b"\",");
            failure(error, out)?;
            out.push(b'}');
        }
    }
    out.push(b'}');
    Ok(())
}

/// `name` with its comma and colon, then the payload as JSON; nothing if there is none.
fn field(name: &str, value: Option<Raw<'_>>, out: &mut Vec<u8>) -> Result<(), PayloadError> {
    if let Some(value) = value {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(value.translate(Codec::Json)?.as_ref());
    }
    Ok(())
}

/// A member whose text has nothing that JSON would escape.
fn text(name: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

/// Existing peers refuse empty codes, empty messages and null details, so none is ever written.
fn failure(failure: &Failure<'_>, out: &mut Vec<u8>) -> Result<(), PayloadError> {
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    out.extend_from_slice(b"\"code\":");
    serde_json::to_writer(&mut *out, &or(&failure.code, "INTERNAL_ERROR"))?;
    out.extend_from_slice(b",\"message\":");
    serde_json::to_writer(&mut *out, &or(&failure.message, "Unknown error"))?;
    if let Some(details) = failure.details {
        let details = details.translate(Codec::Json)?;
        if details.as_ref() != b"null" {
            out.extend_from_slice(b",\"details\":");
            out.extend_from_slice(details.as_ref());
        }
    }
    Ok(())
}

fn number(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
