//! The topics that a session is subscribed to.
//!
//! A peer that knows our extensions says where it stands in each topic when it comes back, and gets what it has missed
//! from the history of the topic: nothing is kept for it, and nothing is sent while it is away. Others cannot say, so
//! for them publications are messages like all others: kept while they are away, and sent again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::Session;
use super::entries::Entries;
use super::listening::Nobody;
use super::terms::{Begun, Terms, Unsubscribed, Written, about};
use crate::dispatch::Peer;
use crate::hub::{Begin, Listener, Lost, Position, SubscribeError, Subscribed, Subscription};
use crate::protocol::is_topic_name;
use crate::starling::link::Link;
use crate::starling::recovery::Fact;

/// All subscriptions of a session, by topic or pattern. Empty, they take two words.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Mutex<Option<Box<Inner>>>);

#[derive(Debug, Default)]
struct Inner {
    all: Entries<Entry>,
    /// Topics whose subscriptions are not written down as they are.
    changed: BTreeSet<Box<str>>,
}

#[derive(Debug)]
struct Entry {
    terms: Option<Box<Terms>>,
    /// Where it began, for a peer that has not heard so yet.
    position: Position,
    /// It gets publications now.
    live: Option<Subscription>,
    /// The socket has told the peer where it stands: whoever confirms it before that comes too early.
    greeted: bool,
}

/// Where a peer says that it stands, by topic.
#[derive(Clone, Debug, Default)]
pub(in crate::starling) struct Places {
    /// The positions, if it says any.
    pub(in crate::starling) at: Option<BTreeMap<String, String>>,
    /// It wants no others.
    pub(in crate::starling) only: bool,
}

impl Session {
    /// Subscribes to a topic or a pattern, or changes the subscription that there is. Nothing goes out before
    /// [`Session::confirm`].
    ///
    /// # Errors
    /// If the topic cannot be had, or the session has too many.
    pub fn subscribe(
        &self,
        topic: &str,
        since: Option<Position>,
        terms: &Terms,
    ) -> Result<Begun, Unsubscribed> {
        let max = self.shared.hub.options().subscriptions_max;
        loop {
            let link = self.link();
            let begun = self.subscribe_on(link.as_ref(), max, (topic, since, terms))?;
            self.note_change();
            if self.has_ended() {
                self.unsubscribe_all();
            } else if !same(link.as_ref(), self.link().as_ref()) {
                // Another socket has taken the session over meanwhile: that one is to get the publications.
                continue;
            }
            return Ok(begun);
        }
    }

    fn subscribe_on(
        &self,
        link: Option<&Arc<Link>>,
        max: usize,
        (topic, since, terms): (&str, Option<Position>, &Terms),
    ) -> Result<Begun, Unsubscribed> {
        let mut inner = self.subscriptions.0.lock();
        let inner = inner.get_or_insert_default();
        if inner.all.get(topic).is_none() && inner.all.len() >= max {
            return Err(Unsubscribed::TooMany(max));
        }
        // What there was ends first, so that nothing comes twice.
        if let Some(entry) = inner.all.get_mut(topic) {
            entry.live = None;
        }
        let Subscribed { subscription, position, replay } = self.begin(topic, since, terms, link)?;
        // Without a socket the history has what comes.
        let connected = link.is_some() || !self.dialect().extensions;
        if !connected {
            subscription.away();
        }
        let live = connected.then_some(subscription);
        inner.all.insert(topic, Entry { terms: boxed(terms), position, live, greeted: true });
        if self.is_kept() {
            inner.changed.insert(topic.into());
        }
        Ok(Begun { position, replay })
    }

    fn begin(
        &self,
        topic: &str,
        since: Option<Position>,
        terms: &Terms,
        link: Option<&Arc<Link>>,
    ) -> Result<Subscribed, SubscribeError> {
        let principal = self.principal();
        let listener: Arc<dyn Listener> = match (self.dialect().extensions, link, self.me()) {
            (true, Some(link), _) => Arc::clone(link) as _,
            (false, _, Some(me)) => me,
            _ => Arc::new(Nobody),
        };
        self.shared.hub.subscribe(Begin {
            topic,
            session: self.id(),
            user: principal.name(),
            dialect: self.dialect(),
            listener,
            since,
            filter: Some(terms.filter.clone()),
            presence: terms.presence,
        })
    }

    /// The peer knows of its subscription: what it is to get goes out.
    pub fn confirm(&self, topic: &str) {
        if let Some(inner) = &*self.subscriptions.0.lock()
            && let Some(entry) = inner.all.get(topic).filter(|entry| entry.greeted)
            && let Some(live) = &entry.live
        {
            live.release();
        }
    }

    /// Ends a subscription. Says whether there was one.
    pub fn unsubscribe(&self, topic: &str) -> bool {
        let mut inner = self.subscriptions.0.lock();
        let Some(inner) = &mut *inner else { return false };
        let Some(entry) = inner.all.remove(topic) else { return false };
        if self.is_kept() {
            inner.changed.insert(topic.into());
        }
        if let Some(live) = entry.live {
            live.leave();
        }
        self.note_change();
        true
    }

    /// Topics and patterns that it is subscribed to.
    pub fn subscriptions(&self) -> Vec<String> {
        let inner = self.subscriptions.0.lock();
        inner.iter().flat_map(|inner| inner.all.names()).map(ToOwned::to_owned).collect()
    }

    /// A socket has the session: it goes on where the peer says that it stands. Gives what the peer is told of each.
    pub(super) fn resubscribe(&self, link: &Arc<Link>, places: &Places) -> Map<String, Value> {
        let mut told = Map::new();
        let mut inner = self.subscriptions.0.lock();
        let Some(inner) = &mut *inner else { return told };
        if let (Some(wanted), true) = (&places.at, places.only) {
            for (topic, entry) in inner.all.take_unless(|topic| wanted.contains_key(topic)) {
                inner.changed.insert(topic);
                entry.live.into_iter().for_each(Subscription::leave);
            }
        }
        for (topic, entry) in inner.all.iter_mut() {
            // The one before ends first, so that nothing comes twice.
            if let Some(live) = entry.live.take() {
                live.away();
            }
            let since = match places.at.as_ref().map(|places| places.get(topic)) {
                Some(Some(place)) => place.parse().ok(),
                // Who does not name it has not heard that it has begun, and has got nothing of it.
                Some(None) => Some(entry.position),
                None => None,
            };
            let terms = entry.terms.as_deref().cloned().unwrap_or_default();
            let Ok(begun) = self.begin(topic, since, &terms, Some(link)) else { continue };
            let replay = begun.replay.unwrap_or(match begun.position == entry.position {
                _ if !is_topic_name(topic) => Err(Lost::Pattern),
                true => Ok(0),
                false => Err(Lost::NoPosition),
            });
            entry.position = begun.position;
            (entry.live, entry.greeted) = (Some(begun.subscription), false);
            told.insert(topic.to_string(), about(begun.position, replay));
        }
        told
    }

    /// What was sent before is out: what was missed of topics comes behind it.
    pub(super) fn confirm_all(&self) {
        if let Some(inner) = &mut *self.subscriptions.0.lock() {
            inner.all.iter_mut().for_each(|(_, entry)| entry.greeted = true);
            inner.all.values().filter_map(|entry| entry.live.as_ref()).for_each(Subscription::release);
        }
    }

    /// The peer is away. One that can say where it stands needs nothing meanwhile.
    pub(super) fn pause_subscriptions(&self) {
        let extensions = self.dialect().extensions;
        if let Some(inner) = &mut *self.subscriptions.0.lock() {
            for (_, entry) in inner.all.iter_mut() {
                if let Some(live) = &entry.live {
                    live.away();
                }
                if extensions {
                    entry.live = None;
                }
            }
        }
    }

    /// The peer is back.
    pub(super) fn wake_subscriptions(&self) {
        let principal = self.principal();
        if let Some(inner) = &*self.subscriptions.0.lock() {
            let live = inner.all.values().filter_map(|entry| entry.live.as_ref());
            live.for_each(|live| live.back(principal.name()));
        }
    }

    /// The session is over. Whoever reloads a page has not left.
    pub(super) fn unsubscribe_all(&self) {
        let inner = self.subscriptions.0.lock().take();
        let entries = inner.iter().flat_map(|inner| inner.all.values());
        entries.filter_map(|entry| entry.live.as_ref()).for_each(Subscription::away);
    }

    /// A subscription of a process before this one.
    pub(in crate::starling) fn remember_subscription(&self, topic: &str, written: Value) {
        let Ok(Written { position, terms }) = serde_json::from_value(written) else { return };
        let Ok(position) = position.parse() else { return };
        let principal = self.principal();
        self.shared.hub.expect(topic, self.id(), principal.name());
        let live = (!self.dialect().extensions).then(|| self.begin(topic, None, &terms, None).ok()).flatten();
        let live = live.map(|begun| {
            begun.subscription.release();
            begun.subscription.away();
            begun.subscription
        });
        let mut inner = self.subscriptions.0.lock();
        let terms = boxed(&terms);
        inner.get_or_insert_default().all.insert(topic, Entry { terms, position, live, greeted: true });
    }

    /// The session has a token now: all of them are to be written down.
    pub(super) fn note_subscriptions(&self) {
        if let Some(inner) = &mut *self.subscriptions.0.lock() {
            inner.changed = inner.all.names().map(Into::into).collect();
        }
    }

    /// What is to be written down of subscriptions since the last time.
    pub(super) fn changed_subscriptions(&self) -> Vec<Fact> {
        let mut inner = self.subscriptions.0.lock();
        let Some(inner) = &mut *inner else { return Vec::new() };
        let changed = std::mem::take(&mut inner.changed);
        let fact = |topic: Box<str>| {
            let terms = inner.all.get(&topic).and_then(Entry::written);
            Fact::Subscription { topic: topic.into_string(), terms }
        };
        changed.into_iter().map(fact).collect()
    }

    /// The subscription to a topic could not be written down: it is told once more.
    pub(super) fn subscription_changed(&self, topic: &str) {
        if let Some(inner) = &mut *self.subscriptions.0.lock() {
            inner.changed.insert(topic.into());
        }
    }
}

/// Most have no terms, and pay for none.
fn boxed(terms: &Terms) -> Option<Box<Terms>> {
    (*terms != Terms::default()).then(|| Box::new(terms.clone()))
}

impl Entry {
    fn written(&self) -> Option<Value> {
        let terms = self.terms.as_deref().cloned().unwrap_or_default();
        serde_json::to_value(Written { position: self.position.to_string(), terms }).ok()
    }
}

fn same(one: Option<&Arc<Link>>, other: Option<&Arc<Link>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}
