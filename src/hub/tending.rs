//! What happens to topics with time: publications are over, those who are away leave, differences are told, topics of
//! no use are forgotten. One timer wheel for all of it; a topic to which nothing happens is not looked at.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::Hub;
use super::presence::Changed;
use super::publication::Kind;
use super::topic::{State, Topic};
use crate::base::{Span, StarlingId, TimerWheel};
use crate::protocol::Payload;

/// The resolution.
const TICK: Duration = Duration::from_millis(50);

/// Slots of the wheel; what lies further ahead is looked at once for each turn.
const WIDTH: usize = 2_048;

/// Differences of who is there are told at most so often.
const DIFFERENCE_EACH: Span = Span::millis(250);

/// What is to be done, and when.
#[derive(Debug)]
pub(super) struct Tasks {
    started: Instant,
    wheel: TimerWheel<Task>,
}

#[derive(Debug)]
struct Task {
    due: u64,
    topic: Weak<Topic>,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// The oldest publication is over.
    Expiry,
    /// It may be of no use, if it was not used since.
    Idle(u32),
    /// Somebody leaves who has not come back.
    Departure(StarlingId, u32),
    /// Subscribers are told who has come and left.
    Difference,
}

impl Tasks {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), wheel: TimerWheel::new(WIDTH, 0) }
    }

    fn now(&self) -> u64 {
        (self.started.elapsed().as_millis() / TICK.as_millis()) as u64
    }

    fn plan(&mut self, topic: &Arc<Topic>, what: What, wait_ms: u64) {
        // One more, for the tick that is under way.
        let due = self.now() + wait_ms.div_ceil(TICK.as_millis() as u64) + 1;
        self.wheel.insert(due, Task { due, topic: Arc::downgrade(topic), what });
    }

    fn due(&mut self) -> Vec<Task> {
        let (now, mut handed) = (self.now(), Vec::new());
        self.wheel.advance(now, &mut handed);
        let (due, early): (Vec<_>, Vec<_>) = handed.into_iter().partition(|task| task.due <= now);
        for task in early {
            self.wheel.insert(task.due, task);
        }
        due
    }
}

impl Hub {
    /// Does what is due, until [`Hub::close`].
    pub async fn tend(self) {
        while !self.0.closed.load(Ordering::SeqCst) {
            tokio::time::sleep(TICK).await;
            let due = self.0.tasks.lock().due();
            for task in due {
                if let Some(topic) = task.topic.upgrade() {
                    self.perform(&topic, task.what);
                }
            }
        }
    }

    /// Ends the work of the hub. What was published and not given out yet is not.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        self.0.in_flight.close();
        self.0.shards.read().iter().for_each(|shard| shard.close());
        self.0.asked.lock().clear();
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::SeqCst)
    }

    fn perform(&self, topic: &Arc<Topic>, what: What) {
        match what {
            What::Idle(used) => self.forget(topic, used),
            What::Expiry => {
                let mut state = topic.state.lock();
                state.expiry_planned = false;
                self.expire(&mut state, topic);
            }
            What::Departure(session, absence) => {
                let mut state = topic.state.lock();
                let changed = state.presence.as_mut().map(|here| here.depart(session, absence));
                self.plan_difference(topic, &mut state, changed.unwrap_or(Changed::No));
                self.plan_idle(topic, &mut state);
            }
            What::Difference => self.tell_difference(topic),
        }
    }

    fn expire(&self, state: &mut State, topic: &Arc<Topic>) {
        let (before, now_ms) = (state.history.bytes(), self.0.seams.clock.now_ms());
        state.history.expire(now_ms, topic.namespace.options().history_age.as_ms());
        self.history_changed(before, state.history.bytes());
        self.plan_expiry(topic, state);
        self.plan_idle(topic, state);
    }

    /// The oldest publication will be over.
    pub(super) fn plan_expiry(&self, topic: &Arc<Topic>, state: &mut State) {
        let Some(oldest) = state.history.entries().next() else { return };
        if !std::mem::replace(&mut state.expiry_planned, true) {
            let due_ms = oldest.at_ms.saturating_add(topic.namespace.options().history_age.as_ms());
            let wait_ms = due_ms.saturating_sub(self.0.seams.clock.now_ms());
            self.0.tasks.lock().plan(topic, What::Expiry, wait_ms);
        }
    }

    /// If the topic is of no use it will be forgotten, unless it is used until then.
    pub(super) fn plan_idle(&self, topic: &Arc<Topic>, state: &mut State) {
        if topic.pattern.is_some() || state.is_of_use() || std::mem::replace(&mut state.idle_planned, true) {
            return;
        }
        self.0.tasks.lock().plan(topic, What::Idle(state.used), self.0.options.linger.as_ms());
    }

    fn forget(&self, topic: &Arc<Topic>, used: u32) {
        topic.state.lock().idle_planned = false;
        if self.0.table.forget(topic, used) {
            self.0.seams.metrics.topics.topics.set(self.0.table.count() as i64);
        } else {
            self.plan_idle(topic, &mut topic.state.lock());
        }
    }

    /// A session will leave if it does not come back.
    pub(super) fn plan_departure(&self, topic: &Arc<Topic>, session: StarlingId, absence: u32) {
        let grace = topic.namespace.options().presence_grace;
        self.0.tasks.lock().plan(topic, What::Departure(session, absence), grace.as_ms());
    }

    /// Subscribers will be told who has come and left.
    pub(super) fn plan_difference(&self, topic: &Arc<Topic>, state: &mut State, changed: Changed) {
        let Some(here) = &mut state.presence else { return };
        if changed == Changed::No {
            return;
        }
        if !topic.namespace.options().join_leave {
            here.forget_changes();
        } else if !std::mem::replace(&mut here.planned, true) {
            self.0.tasks.lock().plan(topic, What::Difference, DIFFERENCE_EACH.as_ms());
        }
    }

    fn tell_difference(&self, topic: &Arc<Topic>) {
        let mut state = topic.state.lock();
        let Some(here) = &mut state.presence else { return };
        here.planned = false;
        let difference = here.take_difference(&topic.name);
        if let Some(data) = difference.and_then(|told| Payload::json(&told).ok()) {
            self.tell(topic, &state, Kind::Presence, data);
        }
        if state.presence.as_ref().is_some_and(|here| here.is_empty()) {
            state.presence = None;
        }
        self.plan_idle(topic, &mut state);
    }
}
