//! A connection and the session that it turns out to be for.
//!
//! Most know it when they open: a new one, or the one whose token came with the handshake. A peer that has said
//! so brings its token with the first message instead; what it sends behind that is kept until its session is
//! found.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::connection::Service;
use super::ears::Ears;
use super::kinds::closed_label;
use super::link::Link;
use super::manager::{Place, Starlings};
use super::recovery::{Claim, Opened};
use crate::auth::Principal;
use crate::protocol::{CloseCode, Decoded, Dialect, Incoming, TOPIC_AUTH_EXPIRED, TOPIC_RESUME};

/// What serves a connection.
#[derive(Debug)]
pub struct SessionService {
    starlings: Starlings,
    /// Given back when this is dropped.
    _place: Place,
    state: State,
}

#[derive(Debug)]
enum State {
    /// There is no socket yet.
    Opening(Opened),
    /// There is no socket yet, and its first message will bring a token.
    Announced(Dialect, Principal),
    /// The session is not known yet.
    Looking(Search),
    /// Everything is as it should be.
    Listening(Box<Ears>),
    Gone,
}

/// Where a first message and what comes behind it wait.
type Search = Rc<RefCell<Waiting>>;

#[derive(Debug)]
struct Waiting {
    dialect: Dialect,
    principal: Principal,
    link: Arc<Link>,
    /// The first message has come.
    begun: bool,
    frames: VecDeque<Frame>,
    bytes: usize,
    found: Option<Box<Ears>>,
    /// The socket is gone.
    closed: bool,
}

/// A frame that is to be looked at later.
#[derive(Debug)]
pub(super) enum Frame {
    Text(String),
    Binary(Vec<u8>),
    TooLong(u64, Vec<u8>),
}

impl Frame {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) | Self::TooLong(_, bytes) => bytes.len(),
        }
    }
}

/// What may wait.
const FRAMES_MAX: usize = 10_000;
const BYTES_MAX: usize = 16 << 20;

/// The data of the first message.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resume {
    #[serde(default)]
    token: String,
    #[serde(default)]
    position: Option<u64>,
    #[serde(default)]
    instance: Option<String>,
    #[serde(default)]
    attempt: u64,
    #[serde(default)]
    topics: Option<BTreeMap<String, String>>,
    #[serde(default)]
    only: bool,
    #[serde(default)]
    access_token: Option<String>,
}

/// Longer names are cut: they only tell clients apart.
const INSTANCE_MAX: usize = 64;

impl SessionService {
    /// For a session that is known.
    pub fn new(opened: Opened, starlings: Starlings, place: Place) -> Self {
        Self { starlings, _place: place, state: State::Opening(opened) }
    }

    /// For a peer that has said that its first message brings a token.
    pub fn announced(dialect: Dialect, principal: Principal, starlings: Starlings, place: Place) -> Self {
        Self { starlings, _place: place, state: State::Announced(dialect, principal) }
    }

    /// The handshake broke off and no socket ever came.
    pub fn abandon(self) {
        if let State::Opening(opened) = self.state {
            opened.abandon();
        }
    }

    fn frame(&mut self, frame: Frame) {
        let State::Looking(search) = &self.state else { return };
        let found = search.borrow_mut().found.take();
        if let Some(ears) = found {
            ears.frame(&frame);
            self.state = State::Listening(ears);
            return;
        }
        let mut waiting = search.borrow_mut();
        if waiting.begun || !waiting.begin_with(&frame, search, &self.starlings) {
            waiting.keep(frame);
        }
    }
}

impl Waiting {
    fn keep(&mut self, frame: Frame) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
        if self.frames.len() > FRAMES_MAX || self.bytes > BYTES_MAX {
            self.link.close(CloseCode::Policy, "too much is sent before the session is found");
        }
    }

    /// Begins to look for the session. Says whether the frame has done its work with that.
    fn begin_with(&mut self, frame: &Frame, search: &Search, starlings: &Starlings) -> bool {
        self.begun = true;
        let claim = claim_of(self.dialect, frame);
        let is_claim = claim.is_some();
        actix_rt::spawn(find(Rc::clone(search), claim, starlings.clone()));
        is_claim
    }
}

/// The claim that a first message makes, if it makes one.
fn claim_of(dialect: Dialect, frame: &Frame) -> Option<Claim> {
    let decoded = match frame {
        Frame::Text(text) => dialect.decode_text(text),
        Frame::Binary(bytes) => dialect.decode_binary(bytes),
        Frame::TooLong(..) => return None,
    };
    let Decoded::Message(Incoming::Notification(notification)) = decoded else { return None };
    if notification.topic != TOPIC_RESUME {
        return None;
    }
    // What cannot be read is no token, and a peer without a good token gets a new session and is told why.
    let resume = notification.data.and_then(|data| data.read::<Resume>().ok());
    let Resume { token, position, instance, attempt, topics, only, access_token } =
        resume.unwrap_or_default();
    let instance = instance.map(|name| name.chars().take(INSTANCE_MAX).collect());
    Some(Claim { token, position, instance, attempt, topics, only_topics: only, access_token })
}

/// Finds the session, links the socket to it, and does what has waited.
async fn find(search: Search, claim: Option<Claim>, starlings: Starlings) {
    let (dialect, known) = {
        let waiting = search.borrow();
        (waiting.dialect, waiting.principal.clone())
    };
    let (principal, refusal) = match claim.as_ref().and_then(|claim| claim.access_token.as_deref()) {
        Some(token) => starlings.principal_of(token, known),
        None => (known, None),
    };
    let opened = match claim.as_ref().filter(|claim| !claim.token.is_empty() || claim.access_token.is_none())
    {
        Some(claim) => starlings.claimed(claim, dialect, principal).await,
        None => starlings.fresh(dialect, principal),
    };
    if search.borrow().closed {
        return opened.abandon();
    }
    let link = Arc::clone(&search.borrow().link);
    let ears = Box::new(Ears::open(&opened, &starlings, &link));
    if let Some(reason) = refusal {
        let data = serde_json::json!({ "reason": reason, "graceMs": 0 });
        ears.session.tell_of_identity(TOPIC_AUTH_EXPIRED, &data);
    }
    let frames = std::mem::take(&mut search.borrow_mut().frames);
    frames.iter().for_each(|frame| ears.frame(frame));
    search.borrow_mut().found = Some(ears);
}

/// A peer that has announced a token and says nothing gets a new session after a while. There may be very many who
/// are waited for at once, so the wait itself holds next to nothing.
async fn give_up_waiting(search: Weak<RefCell<Waiting>>, starlings: Starlings, limit: Duration) {
    tokio::time::sleep(limit).await;
    let Some(search) = search.upgrade() else { return };
    let begun = {
        let mut waiting = search.borrow_mut();
        waiting.closed || std::mem::replace(&mut waiting.begun, true)
    };
    if !begun {
        actix_rt::spawn(find(search, None, starlings));
    }
}

impl Service for SessionService {
    fn opened(&mut self, link: &Arc<Link>) {
        let metrics = link.metrics();
        metrics.connections.inc();
        metrics.connections_opened.inc();
        self.state = match std::mem::replace(&mut self.state, State::Gone) {
            State::Opening(opened) => State::Listening(Box::new(Ears::open(&opened, &self.starlings, link))),
            State::Announced(dialect, principal) => {
                let waiting = Waiting {
                    dialect,
                    principal,
                    link: Arc::clone(link),
                    begun: false,
                    frames: VecDeque::new(),
                    bytes: 0,
                    found: None,
                    closed: false,
                };
                let search = Rc::new(RefCell::new(waiting));
                let limit = self.starlings.shared().options.close_timeout.get();
                actix_rt::spawn(give_up_waiting(Rc::downgrade(&search), self.starlings.clone(), limit));
                State::Looking(search)
            }
            other => other,
        };
    }

    fn text(&mut self, text: &str) {
        match &self.state {
            State::Listening(ears) => ears.text(text),
            _ => self.frame(Frame::Text(text.to_owned())),
        }
    }

    fn binary(&mut self, bytes: &[u8]) {
        match &self.state {
            State::Listening(ears) => ears.binary(bytes),
            _ => self.frame(Frame::Binary(bytes.to_owned())),
        }
    }

    fn too_long(&mut self, bytes: u64, prefix: &[u8]) {
        match &self.state {
            State::Listening(ears) => ears.too_long(bytes, prefix),
            _ => self.frame(Frame::TooLong(bytes, prefix.to_owned())),
        }
    }

    fn closed(&mut self, code: u16) {
        let metrics = &self.starlings.shared().metrics;
        metrics.connections.dec();
        metrics.connections_closed.with_label_values(&[&closed_label(code)]).inc();
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Listening(ears) => ears.closed(code),
            State::Looking(search) => {
                let found = search.borrow_mut().found.take();
                search.borrow_mut().closed = true;
                if let Some(ears) = found {
                    ears.closed(code);
                }
            }
            State::Opening(opened) => opened.abandon(),
            State::Announced(..) | State::Gone => {}
        }
    }
}
