//! What crosses the wire: messages, names, codes and their two encodings. Pure: bytes in, values out.
//!
//! The prose for people is `protocol-spec/README.md`; this room is the same in Rust. A decoder borrows: the
//! envelope is read once and payloads stay the bytes that the peer sent, so they are never written again.
//! What is absent on purpose: sockets, sessions, and any idea of what a method does.

mod close_code;
mod codec;
mod error_code;
pub mod json;
mod message;
pub mod msgpack;
mod names;
mod pattern;
mod payload;
mod request_id;
mod violation;

pub use close_code::CloseCode;
pub use codec::{Codec, Dialect, EncodeError};
pub use error_code::{ErrorCode, Fault};
pub use message::{
    Decoded, ErrorMessage, Failure, Foreign, Incoming, Notification, Outgoing, Published, Refusal, Request,
    Response, Severity,
};
pub use names::{InvalidName, METHOD_NAME_MAX, MethodName, is_method_name, is_reserved, is_topic_name};
pub use pattern::{InvalidPattern, TopicPattern};
pub use payload::{Payload, PayloadError, Raw};
pub use request_id::RequestId;
pub use violation::Violations;

/// The name of the protocol in every JSON envelope.
pub const PROTOCOL_NAME: &str = "helios-starling";

/// The protocol version that this server writes.
pub const PROTOCOL_VERSION: &str = "1.0.0";

/// The longest message that peers accept from us, in bytes.
///
/// Existing clients measure a message after adding `"peer":false,` to it, which takes 13 bytes of their
/// limit of 1 MiB (wire document, section 3).
pub const OUTGOING_BYTES_MAX: usize = (1 << 20) - 13;

/// Subprotocol of a peer that knows our extensions and speaks JSON.
pub const SUBPROTOCOL_JSON: &str = "helios-starling.v1";

/// Offered beside a subprotocol of ours by a peer whose first message takes a session up again.
pub const SUBPROTOCOL_RESUME: &str = "helios-starling.resume";

/// The topic of that first message.
pub const TOPIC_RESUME: &str = "starling:resume";

/// The topic of acknowledgements, in both directions.
pub const TOPIC_ACK: &str = "starling:ack";

/// The topic of the first notification on a connection.
pub const TOPIC_HELLO: &str = "hello";

/// The topic of what comes after the messages that were missed.
pub const TOPIC_RECOVERED: &str = "connection:recovered";

/// The topic of the advice that a server gives when it stops.
pub const TOPIC_DRAINING: &str = "system:draining";

/// The topic of what a subscriber is told when publications are missing.
pub const TOPIC_GAP: &str = "topic:gap";

/// The topic of who has come to a topic, and who has left.
pub const TOPIC_PRESENCE: &str = "topic:presence";

/// The topic of what a peer is told when its credentials are not good any more, or soon not.
pub const TOPIC_AUTH_EXPIRED: &str = "auth:expired";

/// The topic of what a peer is told when it may something else from now on.
pub const TOPIC_AUTH_CHANGED: &str = "auth:changed";

/// Whether a notification is about the connection: it is not numbered and never sent again. Nor is what has a
/// position of its own, and what subscribers are told beside it.
pub fn is_about_connection(topic: &str) -> bool {
    matches!(
        topic,
        TOPIC_HELLO
            | TOPIC_RECOVERED
            | TOPIC_DRAINING
            | TOPIC_ACK
            | TOPIC_RESUME
            | TOPIC_GAP
            | TOPIC_PRESENCE
            | TOPIC_AUTH_EXPIRED
            | TOPIC_AUTH_CHANGED
    )
}

/// Subprotocol of a peer that knows our extensions and speaks the compact codec.
pub const SUBPROTOCOL_MSGPACK: &str = "helios-starling.v1.msgpack";
