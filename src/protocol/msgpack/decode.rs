//! Reads a binary frame of the compact codec.

use std::borrow::Cow;

use super::skip::{Head, skip_value};
use super::tag;
use crate::protocol::codec::Codec;
use crate::protocol::message::{
    Decoded, ErrorMessage, Failure, Foreign, Incoming, Notification, Published, Refusal, Request, Response,
};
use crate::protocol::names::{is_method_name, is_topic_name};
use crate::protocol::payload::Raw;
use crate::protocol::request_id::RequestId;
use crate::protocol::violation::Violations;

/// Reads a binary frame. Bytes that are no array are the application's.
pub fn decode(bytes: &[u8]) -> Decoded<'_> {
    let Some(items) = Items::of(bytes) else { return Decoded::Foreign(Foreign::Binary) };
    match items.message() {
        Ok(message) => Decoded::Message(message),
        Err(violations) => Decoded::Refused(Refusal { violations, request_id: items.waiting_id() }),
    }
}

/// No message has more elements.
const ITEMS_MAX: usize = 6;

/// The elements of the array, as far as they are well-formed.
struct Items<'a> {
    items: [Option<&'a [u8]>; ITEMS_MAX],
    whole: bool,
}

impl<'a> Items<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let array = matches!(bytes.first(), Some(0x90..=0x9f | 0xdc | 0xdd));
        let head = Head::read(bytes, 0).ok().filter(|_| array)?;
        let count = usize::try_from(head.children).ok()?;
        let mut items = [None; ITEMS_MAX];
        let mut rest = bytes.get(head.start..)?;
        for item in items.iter_mut().take(count) {
            let Ok((value, after)) = skip_value(rest) else { return Some(Self { items, whole: false }) };
            *item = Some(value);
            rest = after;
        }
        Some(Self { items, whole: rest.is_empty() && (1..=ITEMS_MAX).contains(&count) })
    }

    fn message(&self) -> Result<Incoming<'a>, Violations> {
        if !self.whole {
            return Err("message must be one whole array of 1 to 6 elements".into());
        }
        match self.items[0].and_then(unsigned) {
            Some(tag::REQUEST) => self.request(),
            Some(tag::SUCCESS) => {
                let id = self.id()?;
                Ok(Incoming::Response(Response { id, result: Ok(self.raw(2)), peer: self.peer(3)? }))
            }
            Some(tag::FAILURE) => {
                let id = self.id()?;
                let failure = self.failure()?;
                Ok(Incoming::Response(Response { id, result: Err(failure), peer: self.peer(5)? }))
            }
            Some(tag::NOTIFICATION) => self.notification(),
            Some(tag::ERROR) => {
                Ok(Incoming::Error(ErrorMessage { failure: self.failure()?, peer: self.peer(5)? }))
            }
            Some(tag::ACK) => self.id().map(|_| Incoming::Ack),
            Some(tag::PUBLICATION) => self.publication(),
            _ => Err("the first element must be a message type from 0 to 6".into()),
        }
    }

    fn request(&self) -> Result<Incoming<'a>, Violations> {
        let id = self.id()?;
        let method = self.items[2].and_then(text).ok_or("Method name must be a string")?;
        if !is_method_name(method) {
            return Err("Invalid method name format. Must be namespace:action".into());
        }
        let (method, payload) = (Cow::Borrowed(method), self.raw(3));
        Ok(Incoming::Request(Request { id, method, payload, peer: self.peer(4)? }))
    }

    fn topic(&self) -> Result<Cow<'a, str>, Violations> {
        let topic = self.items[2].and_then(text).ok_or("notification.topic must be a string")?;
        if is_topic_name(topic) { Ok(topic.into()) } else { Err("Invalid topic format".into()) }
    }

    fn notification(&self) -> Result<Incoming<'a>, Violations> {
        let (request_id, topic, data) = (self.items[1].and_then(request_id), self.topic()?, self.raw(3));
        let (peer, published) = (self.peer(5)?, None);
        Ok(Incoming::Notification(Notification { request_id, topic, data, peer, published }))
    }

    fn publication(&self) -> Result<Incoming<'a>, Violations> {
        let position = self.items[1].and_then(text).ok_or("position must be a string")?.into();
        let (topic, data) = (self.topic()?, self.raw(3));
        let tags = self.raw(4).filter(|tags| tags.bytes != [NIL]);
        let pattern = self.items[5].and_then(text).map(Cow::Borrowed);
        let published = Some(Published { position, pattern, tags });
        Ok(Incoming::Notification(Notification { request_id: None, topic, data, peer: None, published }))
    }

    fn failure(&self) -> Result<Failure<'a>, Violations> {
        let part = |place: usize, wrong: &'static str| {
            self.items[place].and_then(text).filter(|text| !text.is_empty()).ok_or(wrong)
        };
        let code = Cow::Borrowed(part(2, "Error must contain non-empty code field")?);
        let message = Cow::Borrowed(part(3, "Error must contain non-empty message field")?);
        let details = self.raw(4).filter(|details| details.bytes != [NIL]);
        Ok(Failure { code, message, details })
    }

    fn id(&self) -> Result<RequestId, Violations> {
        self.items[1].and_then(request_id).ok_or_else(|| "requestId must be a valid UUID".into())
    }

    fn waiting_id(&self) -> Option<RequestId> {
        let request = self.items[0].and_then(unsigned) == Some(tag::REQUEST);
        if request { self.items[1].and_then(request_id) } else { None }
    }

    fn raw(&self, place: usize) -> Option<Raw<'a>> {
        self.items[place].map(|bytes| Raw { codec: Codec::MsgPack, bytes })
    }

    fn peer(&self, place: usize) -> Result<Option<Raw<'a>>, Violations> {
        match self.raw(place) {
            Some(Raw { bytes: [NIL | FALSE, ..], .. }) | None => Ok(None),
            Some(peer) => match peer.bytes {
                [TRUE | 0x80..=0x9f | 0xdc..=0xdf, ..] => Ok(Some(peer)),
                _ => Err("Peer must be a boolean or free object".into()),
            },
        }
    }
}

const NIL: u8 = 0xc0;
const FALSE: u8 = 0xc2;
const TRUE: u8 = 0xc3;

fn unsigned(value: &[u8]) -> Option<u64> {
    match value {
        [small @ 0..=0x7f] => Some(u64::from(*small)),
        _ => None,
    }
}

fn text(value: &[u8]) -> Option<&str> {
    let head = Head::read(value, 0).ok().filter(|head| head.text)?;
    std::str::from_utf8(value.get(head.start..)?).ok()
}

fn request_id(value: &[u8]) -> Option<RequestId> {
    match value {
        [0xc4, 16, bytes @ ..] => bytes.try_into().ok().map(RequestId::from_bytes),
        _ => text(value).and_then(RequestId::parse),
    }
}
