//! Messages as values. Incoming ones borrow from the frame; outgoing ones borrow from whoever sends.

use std::borrow::Cow;

use super::payload::Raw;
use super::request_id::RequestId;
use super::violation::Violations;

/// What one frame turned out to be.
#[derive(Clone, PartialEq, Debug)]
pub enum Decoded<'a> {
    /// A message of the protocol.
    Message(Incoming<'a>),
    /// Something else, which the protocol allows and ignores.
    Foreign(Foreign),
    /// A message of the protocol that breaks its rules.
    Refused(Refusal),
}

/// A frame that is no message of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Foreign {
    /// Text that is not JSON.
    Text,
    /// JSON that does not name the protocol.
    Json,
    /// Bytes.
    Binary,
}

/// A message that broke the rules, and to whom an error response can go.
#[derive(Clone, PartialEq, Debug)]
pub struct Refusal {
    /// Everything that was wrong.
    pub violations: Violations,
    /// The id of a request that would otherwise wait for its answer.
    pub request_id: Option<RequestId>,
}

/// A valid message from a peer.
#[derive(Clone, PartialEq, Debug)]
pub enum Incoming<'a> {
    /// A call of a method.
    Request(Request<'a>),
    /// An answer to a call of ours.
    Response(Response<'a>),
    /// Something the peer wants known.
    Notification(Notification<'a>),
    /// A complaint about something that we sent.
    Error(ErrorMessage<'a>),
    /// Has no effect.
    Ack,
}

/// A call of a method.
#[derive(Clone, PartialEq, Debug)]
pub struct Request<'a> {
    /// Comes back with the answer.
    pub id: RequestId,
    /// The method; the form was checked, not whether it exists.
    pub method: Cow<'a, str>,
    /// Absent and null are different.
    pub payload: Option<Raw<'a>>,
    /// Present if the call is meant for another peer.
    pub peer: Option<Raw<'a>>,
}

/// An answer to a call.
#[derive(Clone, PartialEq, Debug)]
pub struct Response<'a> {
    /// The id of the call.
    pub id: RequestId,
    /// The data of a success, which may be absent, or what went wrong.
    pub result: Result<Option<Raw<'a>>, Failure<'a>>,
    /// Present if the call came from another peer.
    pub peer: Option<Raw<'a>>,
}

/// Something the sender wants known.
#[derive(Clone, PartialEq, Debug)]
pub struct Notification<'a> {
    /// Present if it belongs to a running request. As the peer wrote it: it may be no id of ours.
    pub request_id: Option<RequestId>,
    /// What it is about.
    pub topic: Cow<'a, str>,
    /// Its content.
    pub data: Option<Raw<'a>>,
    /// Present if it is meant for another peer.
    pub peer: Option<Raw<'a>>,
    /// Present if it was published to subscribers.
    pub published: Option<Published<'a>>,
}

/// What a publication tells besides topic and data.
#[derive(Clone, PartialEq, Debug)]
pub struct Published<'a> {
    /// Its place in the history of the topic, opaque to whoever gets it.
    pub position: Cow<'a, str>,
    /// The pattern that it came by, if the subscription was to a pattern.
    pub pattern: Option<Cow<'a, str>>,
    /// Its tags: an object of texts.
    pub tags: Option<Raw<'a>>,
}

/// A complaint without a request.
#[derive(Clone, PartialEq, Debug)]
pub struct ErrorMessage<'a> {
    /// What is wrong.
    pub failure: Failure<'a>,
    /// Present if it is meant for another peer.
    pub peer: Option<Raw<'a>>,
}

/// Code, text and details of an error.
#[derive(Clone, PartialEq, Debug)]
pub struct Failure<'a> {
    /// From `protocol-spec/errors.json`, or the application's own.
    pub code: Cow<'a, str>,
    /// For people. Never empty.
    pub message: Cow<'a, str>,
    /// More for programs; never null on the wire.
    pub details: Option<Raw<'a>>,
}

/// Whose rules an error message is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The protocol's.
    Protocol,
    /// The application's.
    Application,
}

impl Severity {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Protocol => "protocol",
            Self::Application => "application",
        }
    }
}

/// A message to a peer.
#[derive(Clone, Debug)]
pub enum Outgoing<'a> {
    /// Calls a method of the peer.
    Request {
        /// Comes back with the answer.
        id: &'a RequestId,
        /// The method.
        method: &'a str,
        /// Its parameters.
        payload: Option<Raw<'a>>,
        /// Who asks, if another peer does.
        peer: Option<Raw<'a>>,
    },
    /// Answers a call.
    Response {
        /// The id of the call.
        id: &'a RequestId,
        /// Data or what went wrong.
        result: Result<Option<Raw<'a>>, Failure<'a>>,
        /// Who answers, if another peer does, or the `peer` of a refused call.
        peer: Option<Raw<'a>>,
    },
    /// Tells something.
    Notification {
        /// The running request that it belongs to.
        request_id: Option<&'a RequestId>,
        /// What it is about.
        topic: &'a str,
        /// Whether it is the progress of the request; clients tell it by an extra field.
        progress: bool,
        /// Its content.
        data: Option<Raw<'a>>,
        /// Who tells, if another peer does.
        peer: Option<Raw<'a>>,
    },
    /// Tells a subscriber of a publication. Only peers that know our extensions get more than topic and data.
    Publication {
        /// The topic.
        topic: &'a str,
        /// Its content.
        data: Raw<'a>,
        /// What else is told.
        published: Option<&'a Published<'a>>,
    },
    /// Complains about something that no request id was known for.
    Error {
        /// Whose rules it is about.
        severity: Severity,
        /// Code, text and details.
        failure: Failure<'a>,
        /// Who complains, if another peer does.
        peer: Option<Raw<'a>>,
    },
}
