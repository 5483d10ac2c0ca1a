//! How somebody becomes a subscriber, from where on, and stops being one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use thiserror::Error;

use super::Hub;
use super::filter::Filter;
use super::listener::Listener;
use super::position::Position;
use super::presence::Presence;
use super::shard::Shard;
use super::sub::Sub;
use super::subscription::Subscription;
use super::topic::{State, Topic};
use crate::base::StarlingId;
use crate::protocol::{Dialect, InvalidPattern, TopicPattern, is_topic_name};

/// What a subscription is to be.
pub struct Begin<'a> {
    /// The topic, or a pattern.
    pub topic: &'a str,
    /// Whose it is.
    pub session: StarlingId,
    /// The name of that caller, if it has one.
    pub user: Option<&'a str>,
    /// How messages are written for it.
    pub dialect: Dialect,
    /// Who gets them.
    pub listener: Arc<dyn Listener>,
    /// The position of the last publication that it has; without one it begins now.
    pub since: Option<Position>,
    /// Which publications it wants; all without one.
    pub filter: Option<Filter>,
    /// Whether it is told who comes and leaves.
    pub presence: bool,
}

/// A subscription that has begun. Nothing goes out before [`Subscription::release`].
#[derive(Debug)]
pub struct Subscribed {
    /// Keep it: dropping it ends it.
    pub subscription: Subscription,
    /// Where it begins, before what is sent again.
    pub position: Position,
    /// If it was to go on from a position: how many publications are sent again, or why not.
    pub replay: Option<Result<usize, Lost>>,
}

/// Why publications since a position cannot be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Lost {
    /// They are not kept any more, or never were.
    #[error("publications since the position are not kept any more")]
    Expired,
    /// The position is of another history: the server was started anew without the one before.
    #[error("the position is of another history")]
    OtherHistory,
    /// The position lies ahead of the topic.
    #[error("the position has not happened")]
    Ahead,
    /// The peer did not say where it stands.
    #[error("the position is not known")]
    NoPosition,
    /// A pattern has no history of its own.
    #[error("a pattern has no position")]
    Pattern,
}

impl Lost {
    /// The word on the wire and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "history_expired",
            Self::OtherHistory => "other_history",
            Self::Ahead => "position_ahead",
            Self::NoPosition => "no_position",
            Self::Pattern => "pattern",
        }
    }
}

/// Why there is no subscription.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum SubscribeError {
    /// It is no topic, and no pattern.
    #[error(transparent)]
    Name(#[from] InvalidPattern),
    /// It is a pattern, or no name at all.
    #[error("\"{0}\" is not a topic name")]
    NoTopic(String),
    /// The name is too long.
    #[error("the name of a topic has at most {limit} characters, not {length}")]
    Length {
        /// Its length.
        length: usize,
        /// What it may be.
        limit: usize,
    },
    /// The namespace is not configured.
    #[error("the namespace of \"{0}\" is not open")]
    Namespace(String),
    /// The namespace has no patterns.
    #[error("the namespace of \"{0}\" allows no patterns")]
    Patterns(String),
    /// There are as many topics as there may be.
    #[error("there are as many topics as there may be")]
    TooMany,
}

impl Hub {
    /// Subscribes, from the thread of the subscriber's connection.
    ///
    /// # Errors
    /// If the name is none, its namespace is closed, or there are too many topics.
    pub fn subscribe(&self, begin: Begin<'_>) -> Result<Subscribed, SubscribeError> {
        let shard = self.shard_here();
        loop {
            let topic = self.topic_or_pattern(begin.topic)?;
            let mut state = topic.state.lock();
            if state.gone {
                continue;
            }
            self.load(&topic, &mut state);
            return Ok(self.enter(&topic, &mut state, &shard, begin));
        }
    }

    fn enter(
        &self,
        topic: &Arc<Topic>,
        state: &mut State,
        shard: &Arc<Shard>,
        begin: Begin<'_>,
    ) -> Subscribed {
        let epoch = topic.namespace.epoch();
        let replay = begin.since.map(|since| match topic.pattern {
            Some(_) => Err(Lost::Pattern),
            None => state.history.since(epoch, since),
        });
        let now = topic.position(state.history.offset());
        let position = begin.since.filter(|_| matches!(replay, Some(Ok(_)))).unwrap_or(now);
        let mut sub = Sub {
            listener: begin.listener,
            dialect: begin.dialect,
            presence: begin.presence,
            after: self.0.sequence.load(Ordering::SeqCst),
            filter: begin.filter.filter(|filter| !filter.is_empty()).map(Arc::new),
            lag: None,
        };
        let replay = replay.map(|replay| replay.map(|missed| sub.hold(missed)));
        if !matches!(replay, Some(Ok(_))) {
            sub.hold(Vec::new());
        }
        self.count_replay(replay.as_ref());
        let slot = shard.insert(topic, sub);
        state.enter(shard);
        state.used = state.used.wrapping_add(1);
        if topic.pattern.is_none() && topic.namespace.options().presence {
            let now_ms = self.0.seams.clock.now_ms();
            let here = state.presence.get_or_insert_default().come(begin.session, begin.user, now_ms);
            self.plan_difference(topic, state, here);
        }
        self.0.seams.metrics.topics.subscribers.inc();
        let (hub, shard, session) = (self.clone(), Arc::clone(shard), begin.session);
        let subscription = Subscription { hub, topic: Arc::clone(topic), shard, slot, session };
        Subscribed { subscription, position, replay }
    }

    fn count_replay(&self, replay: Option<&Result<usize, Lost>>) {
        let outcome = match replay {
            None => return,
            Some(Ok(_)) => "recovered",
            Some(Err(lost)) => lost.as_str(),
        };
        self.0.seams.metrics.topics.recoveries.with_label_values(&[outcome]).inc();
    }

    /// The topic of a name, made if there is none, or the pattern.
    fn topic_or_pattern(&self, name: &str) -> Result<Arc<Topic>, SubscribeError> {
        if is_topic_name(name) {
            return self.topic(name);
        }
        let pattern = TopicPattern::new(name)?;
        let namespace = self.checked(name)?;
        if !namespace.options().patterns {
            return Err(SubscribeError::Patterns(name.to_owned()));
        }
        let max = self.0.options.patterns_max;
        namespace
            .patterns
            .get_or_make(name, pattern, namespace, (&self.0.table, max))
            .ok_or(SubscribeError::TooMany)
    }

    /// The topic of a name, made if there is none.
    pub(super) fn topic(&self, name: &str) -> Result<Arc<Topic>, SubscribeError> {
        if let Some(topic) = self.0.table.get(name) {
            return Ok(topic);
        }
        if !is_topic_name(name) {
            return Err(SubscribeError::NoTopic(name.to_owned()));
        }
        let namespace = self.checked(name)?;
        let made = self.0.table.get_or_make(name, namespace, self.0.options.topics_max);
        let topic = made.map_err(|_| SubscribeError::TooMany)?;
        self.0.seams.metrics.topics.topics.set(self.0.table.count() as i64);
        Ok(topic)
    }

    /// The topic of a name, if there is anything to be known of it.
    pub(super) fn known(&self, name: &str) -> Result<Option<Arc<Topic>>, SubscribeError> {
        if let Some(topic) = self.0.table.get(name) {
            return Ok(Some(topic));
        }
        if !is_topic_name(name) {
            return Err(SubscribeError::NoTopic(name.to_owned()));
        }
        // What is in the ledger is fetched by the topic.
        let durable = self.checked(name)?.options().durable;
        durable.then(|| self.topic(name)).transpose()
    }

    pub(super) fn checked(&self, name: &str) -> Result<&Arc<super::Namespace>, SubscribeError> {
        let limit = self.0.options.name_max;
        if name.len() > limit {
            return Err(SubscribeError::Length { length: name.len(), limit });
        }
        self.namespace(name).ok_or_else(|| SubscribeError::Namespace(name.to_owned()))
    }

    /// A session of a process before this one has subscribed to a topic: it counts as present until it comes back or
    /// its time is over.
    pub fn expect(&self, topic: &str, session: StarlingId, user: Option<&str>) {
        let present = self.namespace(topic).is_some_and(|namespace| namespace.options().presence);
        if !present || !is_topic_name(topic) {
            return;
        }
        let Ok(topic) = self.topic(topic) else { return };
        let mut state = topic.state.lock();
        if state.gone {
            return;
        }
        let here: &mut Presence = state.presence.get_or_insert_default();
        here.come(session, user, self.0.seams.clock.now_ms());
        here.forget_changes();
        drop(state);
        self.away(&topic, session);
    }

    /// The session is not there, and may come back.
    pub(super) fn away(&self, topic: &Arc<Topic>, session: StarlingId) {
        let mut state = topic.state.lock();
        let Some(absence) = state.presence.as_mut().and_then(|here| here.away(session)) else { return };
        self.plan_departure(topic, session, absence);
    }
}
