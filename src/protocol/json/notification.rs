//! Reads what a notification tells.

use std::borrow::Cow;

use super::members::{each_member, string};
use crate::protocol::RequestId;
use crate::protocol::message::{Notification, Published};
use crate::protocol::names::is_topic_name;
use crate::protocol::payload::Raw;
use crate::protocol::violation::Violations;

/// Reads the object `notification` of a message.
pub(super) fn read<'a>(
    content: &'a str,
    request_id: Option<RequestId>,
    peer: Option<Raw<'a>>,
) -> Result<Notification<'a>, Violations> {
    let (mut topic, mut data) = (None, None);
    let (mut position, mut pattern, mut tags) = (None, None, None);
    let object = each_member(content, |key, value| match key {
        "topic" => topic = Some(value),
        "data" => data = Some(value),
        "position" => position = Some(value),
        "pattern" => pattern = Some(value),
        "tags" => tags = Some(value),
        _ => {}
    });
    if object.is_none() {
        return Err("notification must be an object".into());
    }
    let topic: Cow<'a, str> = match topic.map(string) {
        None => return Err("Missing required field: notification.topic".into()),
        Some(None) => return Err("notification.topic must be a string".into()),
        Some(Some(topic)) if !is_topic_name(&topic) => return Err("Invalid topic format".into()),
        Some(Some(topic)) => topic,
    };
    // Fields of ours in what others say are no reason to refuse it.
    let published = position.and_then(string).map(|position| Published {
        position,
        pattern: pattern.and_then(string),
        tags: tags.map(Raw::json),
    });
    Ok(Notification { request_id, topic, data: data.map(Raw::json), peer, published })
}
