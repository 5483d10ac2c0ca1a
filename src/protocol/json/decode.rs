//! Reads a text frame: finds the fields of the envelope in one pass, then applies the rules in the order
//! in which existing peers apply them (wire document, section 3).

use std::borrow::Cow;

use super::canonical;
use super::members::{each_member, string};
use super::notification;
use crate::protocol::message::{
    Decoded, ErrorMessage, Failure, Foreign, Incoming, Refusal, Request, Response,
};
use crate::protocol::names::{METHOD_NAME_MAX, is_method_name};
use crate::protocol::payload::Raw;
use crate::protocol::violation::Violations;
use crate::protocol::{PROTOCOL_NAME, RequestId};

const ERROR_MESSAGE_MAX: usize = 1024;
const METHOD_TOO_LONG: &str = "Method name exceeds maximum length of 128";
const METHOD_FORMAT: &str = "Invalid method name format. Must be namespace:action";

/// Reads a text frame.
pub fn decode(text: &str) -> Decoded<'_> {
    if let Some(request) = canonical::request(text) {
        return Decoded::Message(Incoming::Request(request));
    }
    let Some(fields) = Fields::of(text) else { return foreign(text) };
    if fields.protocol.and_then(string).as_deref() != Some(PROTOCOL_NAME) {
        return Decoded::Foreign(Foreign::Json);
    }
    match fields.message() {
        Ok(message) => Decoded::Message(message),
        Err(violations) => Decoded::Refused(Refusal { violations, request_id: fields.waiting_id() }),
    }
}

/// What a text is that is no message of the protocol.
pub fn foreign(text: &str) -> Decoded<'_> {
    Decoded::Foreign(if super::is_json(text) { Foreign::Json } else { Foreign::Text })
}

/// The id of a request of which only the beginning is known, because the rest was too long to keep.
pub fn request_id_of_prefix(prefix: &[u8]) -> Option<RequestId> {
    let valid = match std::str::from_utf8(prefix) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&prefix[..error.valid_up_to()]).unwrap_or_default(),
    };
    let mut fields = Fields::default();
    let _ = fields.collect(valid);
    let ours = fields.protocol.and_then(string).as_deref() == Some(PROTOCOL_NAME);
    if ours { fields.waiting_id() } else { None }
}

/// The texts of the fields of an envelope; of two fields with one name the last one counts.
#[derive(Default)]
struct Fields<'a> {
    protocol: Option<&'a str>,
    version: Option<&'a str>,
    timestamp: Option<&'a str>,
    kind: Option<&'a str>,
    peer: Option<&'a str>,
    request_id: Option<&'a str>,
    method: Option<&'a str>,
    payload: Option<&'a str>,
    success: Option<&'a str>,
    data: Option<&'a str>,
    error: Option<&'a str>,
    notification: Option<&'a str>,
    message_id: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// `None` if the text is not one JSON object.
    fn of(text: &'a str) -> Option<Self> {
        let mut fields = Self::default();
        fields.collect(text)?;
        Some(fields)
    }

    fn collect(&mut self, text: &'a str) -> Option<()> {
        each_member(text, |key, value| {
            let field = match key {
                "protocol" => &mut self.protocol,
                "version" => &mut self.version,
                "timestamp" => &mut self.timestamp,
                "type" => &mut self.kind,
                "peer" => &mut self.peer,
                "requestId" => &mut self.request_id,
                "method" => &mut self.method,
                "payload" => &mut self.payload,
                "success" => &mut self.success,
                "data" => &mut self.data,
                "error" => &mut self.error,
                "notification" => &mut self.notification,
                "messageId" => &mut self.message_id,
                _ => return,
            };
            *field = Some(value);
        })
    }

    /// The id of a request that waits for an answer, if it is usable.
    fn waiting_id(&self) -> Option<RequestId> {
        let kind = self.kind.and_then(string);
        if kind.as_deref() == Some("request") { RequestId::parse(&string(self.request_id?)?) } else { None }
    }

    fn message(&self) -> Result<Incoming<'a>, Violations> {
        let kind = self.base()?;
        match kind.as_ref() {
            "request" => self.request(),
            "response" => self.response(),
            "notification" => self.notification(),
            "error" => self.error(),
            "ack" => self.ack(),
            _ => Err("Unsupported message type: ping".into()),
        }
    }

    /// The rules of every message. Gives its type.
    fn base(&self) -> Result<Cow<'a, str>, Violations> {
        let mut wrong = Violations::default();
        match self.version.map(string) {
            None => wrong.add("Missing required field: version"),
            Some(None) => wrong.add("Version must be a string"),
            Some(Some(version)) => {
                wrong.unless(is_version(&version), "Version must be in semantic version format (x.y.z)")
            }
        }
        match self.timestamp {
            None => wrong.add("Missing required field: timestamp"),
            Some(number) => wrong.unless(is_timestamp(number), "Invalid timestamp format"),
        }
        const KINDS: [&str; 6] = ["request", "response", "notification", "error", "ack", "ping"];
        let kind = self.kind.map(|kind| string(kind).filter(|kind| KINDS.contains(&kind.as_ref())));
        match &kind {
            None => wrong.add("Missing required field: type"),
            Some(None) => {
                wrong.add("Invalid type: must be one of request, response, notification, error, ack, ping")
            }
            Some(Some(_)) => {}
        }
        if let Some(peer) = self.peer {
            let free = matches!(peer.as_bytes().first(), Some(b'{' | b'[' | b't' | b'f' | b'n'));
            wrong.unless(free, "Peer must be a boolean or free object");
        }
        match kind.flatten() {
            Some(kind) if wrong.is_empty() => Ok(kind),
            _ => Err(wrong),
        }
    }

    fn request(&self) -> Result<Incoming<'a>, Violations> {
        let mut wrong = Violations::default();
        let id = self.id(&mut wrong);
        let method = match self.method.map(string) {
            None => {
                wrong.add("Missing required field: method");
                None
            }
            Some(None) => {
                wrong.add("Method name must be a string");
                None
            }
            Some(Some(method)) => {
                if !is_method_name(&method) {
                    let long = method.chars().count() > METHOD_NAME_MAX;
                    wrong.add(if long { METHOD_TOO_LONG } else { METHOD_FORMAT });
                }
                Some(method)
            }
        };
        match (id, method) {
            (Some(id), Some(method)) if wrong.is_empty() => Ok(Incoming::Request(Request {
                id,
                method,
                payload: self.payload.map(Raw::json),
                peer: self.peer(),
            })),
            _ => Err(wrong),
        }
    }

    fn response(&self) -> Result<Incoming<'a>, Violations> {
        let mut wrong = Violations::default();
        let id = self.id(&mut wrong);
        let result = match self.success {
            None => {
                wrong.add("Missing required field: success");
                None
            }
            Some("true") => {
                wrong.unless(self.error.is_none(), "Successful response should not contain error field");
                Some(Ok(self.data.map(Raw::json)))
            }
            Some("false") => match self.error {
                None => {
                    wrong.add("Failed response must contain error field");
                    None
                }
                Some(error) => failure_of_response(error, &mut wrong).map(Err),
            },
            Some(_) => {
                wrong.add("success must be a boolean");
                None
            }
        };
        match (id, result) {
            (Some(id), Some(result)) if wrong.is_empty() => {
                Ok(Incoming::Response(Response { id, result, peer: self.peer() }))
            }
            _ => Err(wrong),
        }
    }

    fn notification(&self) -> Result<Incoming<'a>, Violations> {
        let Some(content) = self.notification else {
            return Err("Missing required field: notification".into());
        };
        let request_id = self.request_id.and_then(string).and_then(|id| RequestId::parse(&id));
        notification::read(content, request_id, self.peer()).map(Incoming::Notification)
    }

    fn error(&self) -> Result<Incoming<'a>, Violations> {
        let Some(error) = self.error else { return Err("Missing required field: error".into()) };
        let Some(parts) = ErrorParts::of(error) else { return Err("Error must be an object".into()) };
        let mut wrong = Violations::default();
        let code = required_text(parts.code, "error.code", &mut wrong);
        let message = required_text(parts.message, "error.message", &mut wrong);
        if message.as_ref().is_some_and(|message| message.encode_utf16().count() > ERROR_MESSAGE_MAX) {
            wrong.add("Error message exceeds maximum length of 1024");
        }
        wrong.unless(parts.details != Some("null"), "error.details cannot be null");
        match (code, message) {
            (Some(code), Some(message)) if wrong.is_empty() => {
                let failure = Failure { code, message, details: parts.details.map(Raw::json) };
                Ok(Incoming::Error(ErrorMessage { failure, peer: self.peer() }))
            }
            _ => Err(wrong),
        }
    }

    fn ack(&self) -> Result<Incoming<'a>, Violations> {
        match self.message_id.map(string) {
            None => Err("Missing required field: messageId".into()),
            Some(id) if id.as_deref().and_then(RequestId::parse).is_some() => Ok(Incoming::Ack),
            Some(_) => Err("Invalid message ID: must be a UUID".into()),
        }
    }

    fn id(&self, wrong: &mut Violations) -> Option<RequestId> {
        let id = match self.request_id.map(string) {
            None => {
                wrong.add("Missing required field: requestId");
                return None;
            }
            Some(None) => {
                wrong.add("requestId must be a string");
                return None;
            }
            Some(Some(text)) => RequestId::parse(&text),
        };
        wrong.unless(id.is_some(), "requestId must be a valid UUID");
        id
    }

    fn peer(&self) -> Option<Raw<'a>> {
        self.peer.filter(|peer| !matches!(*peer, "null" | "false")).map(Raw::json)
    }
}

/// The fields of an `error` object.
#[derive(Default)]
struct ErrorParts<'a> {
    code: Option<&'a str>,
    message: Option<&'a str>,
    details: Option<&'a str>,
}

impl<'a> ErrorParts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let mut parts = Self::default();
        each_member(text, |key, value| match key {
            "code" => parts.code = Some(value),
            "message" => parts.message = Some(value),
            "details" => parts.details = Some(value),
            _ => {}
        })?;
        Some(parts)
    }
}

fn failure_of_response<'a>(text: &'a str, wrong: &mut Violations) -> Option<Failure<'a>> {
    let Some(parts) = ErrorParts::of(text) else {
        wrong.add("Error must be an object");
        return None;
    };
    let mut field = |value: Option<&'a str>, missing: &'static str, not_text: &'static str| {
        let read = value.map(string);
        match read {
            Some(Some(text)) if !text.is_empty() => return Some(text),
            Some(None) if value.is_some_and(|value| value != "null") => wrong.add(not_text),
            _ => wrong.add(missing),
        }
        None
    };
    let code = field(parts.code, "Error must contain non-empty code field", "Error code must be a string");
    let message =
        field(parts.message, "Error must contain non-empty message field", "Error message must be a string");
    wrong.unless(parts.details != Some("null"), "Error details cannot be null");
    Some(Failure { code: code?, message: message?, details: parts.details.map(Raw::json) })
}

fn required_text<'a>(value: Option<&'a str>, name: &str, wrong: &mut Violations) -> Option<Cow<'a, str>> {
    match value.and_then(string) {
        Some(text) if !text.is_empty() => return Some(text),
        Some(_) => wrong.add(format!("{name} cannot be empty")),
        None => wrong.add(format!("Missing required field: {name}")),
    }
    None
}

fn is_version(text: &str) -> bool {
    let mut groups = 0;
    let digits = text.split('.').all(|group| {
        groups += 1;
        !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit())
    });
    digits && groups == 3
}

/// A whole number above zero, however it is written: `1`, `1.0`, `1e300`.
fn is_timestamp(number: &str) -> bool {
    let bytes = number.as_bytes();
    if bytes.first().is_some_and(|first| (b'1'..=b'9').contains(first))
        && bytes.iter().all(u8::is_ascii_digit)
    {
        return number.len() < 300 || number.parse::<f64>().is_ok_and(f64::is_finite);
    }
    let numeric = bytes.first().is_some_and(|first| first.is_ascii_digit() || *first == b'-');
    let value = if numeric { number.parse::<f64>().ok() } else { None };
    value.is_some_and(|value| value.is_finite() && value > 0.0 && value.fract() == 0.0)
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
