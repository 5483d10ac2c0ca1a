//! What can be asked of topics: counts, history, who is there.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;
use serde::Serialize;

use super::Hub;
use super::filter::Tags;
use super::history::History;
use super::position::Position;
use super::presence::{By, Page};
use super::publication::Publication;
use super::subscribe::{Lost, SubscribeError};
use super::topic::{State, Topic};
use crate::base::StarlingId;
use crate::protocol::Payload;

/// Counts of one topic.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TopicStats {
    /// Subscribers now, those of patterns that it fits included.
    pub subscribers: usize,
    /// Where it stands.
    #[serde(serialize_with = "as_text")]
    pub position: Position,
    /// Publications that are kept.
    pub history: usize,
    /// Roughly the bytes that they take.
    #[serde(rename = "historyBytes")]
    pub history_bytes: usize,
    /// Sessions that are present, if the namespace has presence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<usize>,
    /// Users that are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<usize>,
}

/// Counts of all topics.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Topics that are remembered.
    pub topics: usize,
    /// Subscriptions.
    pub subscribers: i64,
    /// Publications since the start.
    pub publications: u64,
    /// Deliveries since the start.
    pub deliveries: u64,
    /// Roughly the bytes of all histories.
    pub history_bytes: i64,
}

/// A topic in a list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Listed {
    /// Its name.
    pub topic: String,
    /// Its counts.
    #[serde(flatten)]
    pub stats: TopicStats,
}

/// A publication in a history.
#[derive(Clone, Debug)]
pub struct Past {
    /// Its place.
    pub position: Position,
    /// Its data.
    pub data: Payload,
    /// Its tags.
    pub tags: Option<Tags>,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

fn as_text<S: serde::Serializer>(position: &Position, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(position)
}

impl Hub {
    /// The history of a topic: with a position at most `limit` publications behind it, the oldest first; without one the
    /// last `limit`. And where the topic stands.
    ///
    /// # Errors
    /// If the topic cannot be had.
    #[allow(clippy::type_complexity, reason = "two results that mean different things")]
    pub fn history(
        &self,
        topic: &str,
        since: Option<Position>,
        limit: usize,
    ) -> Result<(Position, Result<Vec<Past>, Lost>), SubscribeError> {
        let Some(topic) = self.known(topic)? else {
            let (position, history) = self.unknown(topic)?;
            let past = since.map_or(Ok(Vec::new()), |since| history.since(position.epoch, since));
            return Ok((position, past.map(|_| Vec::new())));
        };
        let state = self.look(&topic);
        let history = &state.history;
        let position = topic.position(history.offset());
        let chosen = match since {
            Some(since) => history.since(topic.namespace.epoch(), since).map(|mut all| {
                all.truncate(limit);
                all
            }),
            None => Ok(history.entries().skip(history.len().saturating_sub(limit)).cloned().collect()),
        };
        let past = chosen.map(|all| {
            let past = |it: &Arc<Publication>| Past {
                position: it.position,
                data: it.data.clone(),
                tags: it.tags.as_deref().cloned(),
                at_ms: it.at_ms,
            };
            all.iter().map(past).collect()
        });
        Ok((position, past))
    }

    /// A topic that somebody only looks at: it may be of no use to anybody else.
    fn look<'a>(&self, topic: &'a Arc<Topic>) -> MutexGuard<'a, State> {
        let mut state = topic.state.lock();
        self.load(topic, &mut state);
        self.plan_idle(topic, &mut state);
        state
    }

    /// Some of those who are there. `None` if the namespace has no presence.
    ///
    /// # Errors
    /// If the topic cannot be had.
    pub fn presence(
        &self,
        topic: &str,
        by: By,
        cursor: Option<StarlingId>,
        limit: usize,
    ) -> Result<Option<Page>, SubscribeError> {
        if !self.checked(topic)?.options().presence {
            return Ok(None);
        }
        let Some(topic) = self.known(topic)? else { return Ok(Some(Page::default())) };
        let state = self.look(&topic);
        Ok(Some(state.presence.as_ref().map_or_else(Page::default, |here| here.page(by, cursor, limit))))
    }

    /// The counts of a topic.
    ///
    /// # Errors
    /// If the topic cannot be had.
    pub fn stats(&self, topic: &str) -> Result<TopicStats, SubscribeError> {
        if let Some(topic) = self.known(topic)? {
            return Ok(self.stats_of(&topic));
        }
        let present = self.checked(topic)?.options().presence.then_some(0);
        let (position, _) = self.unknown(topic)?;
        Ok(TopicStats {
            subscribers: 0,
            position,
            history: 0,
            history_bytes: 0,
            sessions: present,
            users: present,
        })
    }

    /// Where a topic would begin that nobody has used, and its history.
    fn unknown(&self, topic: &str) -> Result<(Position, History), SubscribeError> {
        let namespace = self.checked(topic)?;
        let offset = namespace.floor.load(Ordering::Relaxed);
        Ok((Position { epoch: namespace.epoch(), offset }, History::after(offset)))
    }

    /// How many have subscribed to a topic by its name.
    pub fn subscribers(&self, topic: &str) -> usize {
        self.0.table.get(topic).map_or(0, |topic| topic.state.lock().subscribers())
    }

    fn stats_of(&self, topic: &Arc<Topic>) -> TopicStats {
        let state = self.look(topic);
        let patterns = topic.namespace.patterns.of(topic);
        let by_pattern: usize = patterns.iter().map(|pattern| pattern.state.lock().subscribers()).sum();
        let present = topic.namespace.options().presence;
        let counts = state.presence.as_ref().map_or((0, 0, 0), |here| here.counts());
        TopicStats {
            subscribers: state.subscribers() + by_pattern,
            position: topic.position(state.history.offset()),
            history: state.history.len(),
            history_bytes: state.history.bytes(),
            sessions: present.then_some(counts.0),
            users: present.then_some(counts.1),
        }
    }

    /// Topics of a namespace whose names begin with `prefix` and come behind `after`, in the order of their names.
    pub fn list(&self, namespace: &str, prefix: &str, after: &str, limit: usize) -> Vec<Listed> {
        let mut found = self.0.table.select(|topic| {
            topic.namespace.name() == namespace && topic.name.starts_with(prefix) && &*topic.name > after
        });
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        found.truncate(limit);
        found.iter().map(|it| Listed { topic: it.name.to_string(), stats: self.stats_of(it) }).collect()
    }

    /// Counts of all topics.
    pub fn totals(&self) -> Totals {
        let metrics = &self.0.seams.metrics.topics;
        Totals {
            topics: self.0.table.count(),
            subscribers: metrics.subscribers.get(),
            publications: metrics.publications.get(),
            deliveries: metrics.deliveries.get(),
            history_bytes: metrics.history_bytes.get(),
        }
    }
}
