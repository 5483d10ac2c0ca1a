//! Writes messages of the compact codec.

use rmp_serde::encode::Error;
use serde::Serialize;

use super::tag;
use crate::protocol::codec::Codec;
use crate::protocol::message::{Failure, Outgoing, Severity};
use crate::protocol::payload::{PayloadError, Raw};
use crate::protocol::request_id::RequestId;

/// Appends a message as MessagePack. In case of an error, part of it may have been written.
pub(in crate::protocol) fn encode(message: &Outgoing<'_>, out: &mut Vec<u8>) -> Result<(), PayloadError> {
    match message {
        Outgoing::Request { id, method, payload, peer } => {
            begin(tag::REQUEST, 3, &[*payload, *peer], out);
            identity(Some(id), out)?;
            put(method, out)?;
            trailing(&[*payload, *peer], out)
        }
        Outgoing::Response { id, result: Ok(data), peer } => {
            begin(tag::SUCCESS, 2, &[*data, *peer], out);
            identity(Some(id), out)?;
            trailing(&[*data, *peer], out)
        }
        Outgoing::Response { id, result: Err(failure), peer } => {
            begin(tag::FAILURE, 4, &[failure.details, *peer], out);
            identity(Some(id), out)?;
            error(failure, *peer, out)
        }
        Outgoing::Notification { request_id, topic, progress, data, peer } => {
            let mark = progress.then_some(Raw { codec: Codec::MsgPack, bytes: &[0xc3] });
            begin(tag::NOTIFICATION, 3, &[*data, mark, *peer], out);
            identity(*request_id, out)?;
            put(topic, out)?;
            trailing(&[*data, mark, *peer], out)
        }
        // Whoever speaks this codec knows our extensions.
        Outgoing::Publication { topic, data, published } => {
            let owned = |text: &str| -> Result<Vec<u8>, PayloadError> {
                let mut bytes = Vec::new();
                put(text, &mut bytes)?;
                Ok(bytes)
            };
            let pattern = published.and_then(|published| published.pattern.as_deref());
            let pattern = pattern.map(owned).transpose()?;
            let pattern = pattern.as_deref().map(|bytes| Raw { codec: Codec::MsgPack, bytes });
            let optional = [Some(*data), published.and_then(|published| published.tags), pattern];
            begin(tag::PUBLICATION, 3, &optional, out);
            put(published.map_or("", |published| &published.position), out)?;
            put(topic, out)?;
            trailing(&optional, out)
        }
        Outgoing::Error { severity, failure, peer } => {
            begin(tag::ERROR, 4, &[failure.details, *peer], out);
            put(&u8::from(*severity == Severity::Application), out)?;
            error(failure, *peer, out)
        }
    }
}

/// The array's head and its first element: `fixed` elements and those of `optional` up to the last present.
fn begin(tag: u64, fixed: usize, optional: &[Option<Raw<'_>>], out: &mut Vec<u8>) {
    let present = optional.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    // At most six elements and six tags: both fit the one-byte forms.
    out.push(0x90 | (fixed + present) as u8);
    out.push(tag as u8);
}

fn trailing(optional: &[Option<Raw<'_>>], out: &mut Vec<u8>) -> Result<(), PayloadError> {
    let present = optional.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    for value in &optional[..present] {
        match value {
            Some(value) => out.extend_from_slice(value.translate(Codec::MsgPack)?.as_ref()),
            None => out.push(0xc0),
        }
    }
    Ok(())
}

fn error(failure: &Failure<'_>, peer: Option<Raw<'_>>, out: &mut Vec<u8>) -> Result<(), PayloadError> {
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    put(&or(&failure.code, "INTERNAL_ERROR"), out)?;
    put(&or(&failure.message, "Unknown error"), out)?;
    trailing(&[failure.details, peer], out)
}

fn identity(id: Option<&RequestId>, out: &mut Vec<u8>) -> Result<(), PayloadError> {
    match id {
        Some(id) if id.is_canonical() => {
            out.extend_from_slice(&[0xc4, 16]);
            out.extend_from_slice(&id.to_bytes());
            Ok(())
        }
        Some(id) => put(id.as_str(), out),
        None => {
            out.push(0xc0);
            Ok(())
        }
    }
}

fn put<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), PayloadError> {
    rmp_serde::encode::write(out, value).map_err(|error: Error| error.into())
}
