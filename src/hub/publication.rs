//! What is published: written once for each way in which subscribers want it, whoever gets it.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use super::Seams;
use super::filter::Tags;
use super::listener::Frame;
use super::position::Position;
use crate::protocol::{Dialect, Outgoing, Payload, Published};

/// One message to the subscribers of a topic.
#[derive(Debug)]
pub(super) struct Publication {
    pub(super) kind: Kind,
    pub(super) topic: Arc<str>,
    pub(super) position: Position,
    /// Orders publications of all topics.
    pub(super) sequence: u64,
    pub(super) at_ms: u64,
    pub(super) data: Payload,
    pub(super) tags: Option<Arc<Tags>>,
    /// The pattern that it goes by, for subscribers of one.
    pub(super) pattern: Option<Arc<str>>,
    /// As it is written for each dialect; `None` inside if it cannot be.
    frames: [OnceLock<Option<Box<Frame>>>; 4],
}

/// What a publication is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A message of the application. It has a position.
    Message,
    /// Who has come and who has left, for subscribers that want to know.
    Presence,
    /// Publications are missing; for one subscriber.
    Gap,
}

impl Kind {
    fn topic(self, topic: &str) -> &str {
        match self {
            Self::Message => topic,
            Self::Presence => crate::protocol::TOPIC_PRESENCE,
            Self::Gap => crate::protocol::TOPIC_GAP,
        }
    }
}

/// Roughly what a publication takes besides its data.
const OVERHEAD: usize = 300;

impl Publication {
    pub(super) fn new(
        kind: Kind,
        topic: &Arc<str>,
        (position, sequence): (Position, u64),
        at_ms: u64,
        data: Payload,
        tags: Option<Arc<Tags>>,
    ) -> Self {
        let (topic, frames) = (Arc::clone(topic), Default::default());
        Self { kind, topic, position, sequence, at_ms, data, tags, pattern: None, frames }
    }

    /// The same for subscribers of a pattern.
    pub(super) fn by(&self, pattern: &Arc<str>) -> Self {
        let (kind, at) = (self.kind, (self.position, self.sequence));
        let (data, tags) = (self.data.clone(), self.tags.clone());
        let same = Self::new(kind, &self.topic, at, self.at_ms, data, tags);
        Self { pattern: Some(Arc::clone(pattern)), ..same }
    }

    /// Roughly the bytes that it takes where it is kept.
    pub(super) fn weight(&self) -> usize {
        let tags =
            self.tags.as_ref().map_or(0, |tags| tags.iter().map(|(a, b)| a.len() + b.len() + 64).sum());
        // The data, and once more in a frame.
        OVERHEAD + 2 * self.data.len() + tags
    }

    /// As it is written for a dialect.
    pub(super) fn frame(&self, dialect: Dialect, seams: &Seams) -> Option<&Frame> {
        self.frames[dialect.index()].get_or_init(|| self.write(dialect, seams).map(Box::new)).as_deref()
    }

    fn write(&self, dialect: Dialect, seams: &Seams) -> Option<Frame> {
        let tags = self.tags.as_ref().and_then(|tags| Payload::write(dialect.codec, &**tags).ok());
        let published = Published {
            position: Cow::Owned(self.position.to_string()),
            pattern: self.pattern.as_deref().map(Cow::Borrowed),
            tags: tags.as_ref().map(Payload::as_raw),
        };
        let told = dialect.extensions && self.kind == Kind::Message;
        let message = Outgoing::Publication {
            topic: self.kind.topic(&self.topic),
            data: self.data.as_raw(),
            published: told.then_some(&published),
        };
        let (mut payload, mut bytes) = (Vec::new(), Vec::new());
        if let Err(error) = dialect.codec.encode(&message, seams.clock.now_ms(), &mut payload) {
            tracing::warn!(topic = &*self.topic, %error, "a publication cannot be written");
            return None;
        }
        (seams.frame)(dialect.codec, &payload, &mut bytes);
        Some(Frame { payload_at: bytes.len() - payload.len(), bytes: bytes.into() })
    }
}
