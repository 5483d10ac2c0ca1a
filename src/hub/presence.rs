//! Who is there: sessions, and the users behind them. Pure.
//!
//! A session that loses its connection still counts for a while, and so does one that has ended: a reload of a page is
//! no leave. Somebody joins with their first session and leaves with their last one; what happens in between, or
//! cancels out before anybody was told, is not told.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::StarlingId;

/// Who is in a topic.
#[derive(Debug, Default)]
pub(super) struct Presence {
    sessions: BTreeMap<StarlingId, Seat>,
    /// Sessions of each user.
    users: HashMap<Arc<str>, u32, RandomState>,
    anonymous: usize,
    /// Who has come (`true`) or left since anybody was told.
    changes: BTreeMap<Who, bool>,
    /// Moves with each difference that is told.
    version: u64,
    absences: u32,
    /// A difference will be told.
    pub(super) planned: bool,
}

#[derive(Debug)]
struct Seat {
    user: Option<Arc<str>>,
    since_ms: u64,
    /// The number of its absence, while it is away.
    away: Option<u32>,
}

/// Somebody: a user, or a session without one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Who {
    User(Arc<str>),
    Session(StarlingId),
}

/// Whether somebody has come or left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Changed {
    Yes,
    No,
}

/// What is listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// Each session.
    #[default]
    Session,
    /// Each user once; sessions without one by themselves.
    User,
}

/// Somebody who is there.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Member {
    /// The session, if sessions are listed or it has no user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Sessions of the user, if users are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
    /// Since when, in milliseconds since the Unix epoch, if sessions are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Whether it has lost its connection, if sessions are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub away: Option<bool>,
}

/// Some of those who are there.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Page {
    /// Them.
    pub members: Vec<Member>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The last difference that is in it.
    pub version: u64,
    /// All sessions.
    pub sessions: usize,
    /// All users.
    pub users: usize,
    /// Sessions without a user.
    pub anonymous: usize,
}

/// Changes that are told one by one; of more only the numbers are told, and whoever wants names asks.
const NAMED_MAX: usize = 500;

impl Presence {
    /// A session is there.
    pub(super) fn come(&mut self, session: StarlingId, user: Option<&str>, now_ms: u64) -> Changed {
        if let Some(seat) = self.sessions.get_mut(&session) {
            seat.away = None;
            return Changed::No;
        }
        let user = user.map(|user| match self.users.get_key_value(user) {
            Some((known, _)) => Arc::clone(known),
            None => user.into(),
        });
        self.sessions.insert(session, Seat { user: user.clone(), since_ms: now_ms, away: None });
        match user {
            Some(user) => {
                let count = self.users.entry(Arc::clone(&user)).or_default();
                *count += 1;
                if *count == 1 { self.note(Who::User(user), true) } else { Changed::No }
            }
            None => {
                self.anonymous += 1;
                self.note(Who::Session(session), true)
            }
        }
    }

    /// A session is away. Gives the number of its absence.
    pub(super) fn away(&mut self, session: StarlingId) -> Option<u32> {
        let seat = self.sessions.get_mut(&session)?;
        self.absences = self.absences.wrapping_add(1);
        seat.away = Some(self.absences);
        seat.away
    }

    /// It leaves, unless it was back since this absence began.
    pub(super) fn depart(&mut self, session: StarlingId, absence: u32) -> Changed {
        match self.sessions.get(&session) {
            Some(seat) if seat.away == Some(absence) => self.leave(session),
            _ => Changed::No,
        }
    }

    /// It leaves now.
    pub(super) fn leave(&mut self, session: StarlingId) -> Changed {
        let Some(seat) = self.sessions.remove(&session) else { return Changed::No };
        let Some(user) = seat.user else {
            self.anonymous -= 1;
            return self.note(Who::Session(session), false);
        };
        let Some(count) = self.users.get_mut(&user) else { return Changed::No };
        *count -= 1;
        if *count > 0 {
            return Changed::No;
        }
        self.users.remove(&user);
        self.note(Who::User(user), false)
    }

    fn note(&mut self, who: Who, came: bool) -> Changed {
        // Whoever has come and gone again was never there for anybody.
        if self.changes.get(&who).is_some_and(|before| *before != came) {
            self.changes.remove(&who);
        } else {
            self.changes.insert(who, came);
        }
        Changed::Yes
    }

    /// Nobody is to be told of what has changed so far.
    pub(super) fn forget_changes(&mut self) {
        self.changes.clear();
    }

    /// Who has come and left since the last time, as it is told to subscribers. `None` if it all cancelled out.
    pub(super) fn take_difference(&mut self, topic: &str) -> Option<Value> {
        let changes = std::mem::take(&mut self.changes);
        if changes.is_empty() {
            return None;
        }
        self.version += 1;
        let mut told = json!({
            "topic": topic,
            "version": self.version,
            "sessions": self.sessions.len(),
            "users": self.users.len(),
            "anonymous": self.anonymous,
        });
        if changes.len() > NAMED_MAX {
            told["truncated"] = true.into();
            return Some(told);
        }
        let named = |came: bool| -> Vec<Value> {
            let some = changes.iter().filter(|(_, way)| **way == came);
            some.map(|(who, _)| match who {
                Who::User(user) => json!({ "user": &**user }),
                Who::Session(session) => json!({ "session": session.to_string() }),
            })
            .collect()
        };
        told["joined"] = named(true).into();
        told["left"] = named(false).into();
        Some(told)
    }

    /// Sessions, users, sessions without a user.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        (self.sessions.len(), self.users.len(), self.anonymous)
    }

    /// Whether nobody is there, and nobody is to be told anything.
    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.changes.is_empty()
    }

    /// At most `limit` sessions behind `cursor`, or the users that they belong to: one with sessions on two pages is on both.
    pub(super) fn page(&self, by: By, cursor: Option<StarlingId>, limit: usize) -> Page {
        let from = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.sessions.range((from, Bound::Unbounded));
        let (mut members, mut last) = (Vec::new(), None);
        let mut seen = std::collections::HashSet::new();
        for (session, seat) in rest.by_ref().take(limit) {
            last = Some(*session);
            match (by, &seat.user) {
                (By::User, Some(user)) => {
                    if seen.insert(Arc::clone(user)) {
                        members.push(self.user(user));
                    }
                }
                (By::User, None) => members.push(Member { session: Some(session.to_string()), ..EMPTY }),
                (By::Session, user) => members.push(Member {
                    session: Some(session.to_string()),
                    user: user.as_deref().map(str::to_owned),
                    since: Some(seat.since_ms),
                    away: Some(seat.away.is_some()),
                    sessions: None,
                }),
            }
        }
        let cursor = rest.next().and(last).map(|last| last.to_string());
        let (sessions, users, anonymous) = self.counts();
        Page { members, cursor, version: self.version, sessions, users, anonymous }
    }

    fn user(&self, user: &Arc<str>) -> Member {
        let sessions = self.users.get(user).copied();
        Member { user: Some(user.to_string()), sessions, ..EMPTY }
    }
}

const EMPTY: Member = Member { session: None, user: None, sessions: None, since: None, away: None };

#[cfg(test)]
#[path = "presence_tests.rs"]
mod tests;
