//! What becomes of subscriptions when somebody has logged in or out, or may something else than before.

use std::sync::Arc;

use serde_json::json;

use super::TopicDesk;
use super::access::{self, Action};
use crate::starling::Session;

/// What a peer is told whose subscription was taken away.
const ENDED: &str = "topic:ended";

/// Takes subscriptions away to which the owner of a session is not entitled any more.
pub(super) fn recheck(desk: &TopicDesk, session: &Arc<Session>) {
    let topics = session.subscriptions();
    if topics.is_empty() {
        return;
    }
    let (desk, session) = (desk.clone(), Arc::clone(session));
    // A rule may ask a method of the application. That of all others is known before anybody else gets a turn.
    let mut looking = Box::pin(async move {
        for topic in topics {
            if !may(&desk, &session, &topic).await && session.unsubscribe(&topic) {
                let data = json!({ "topic": topic, "reason": "permission" });
                // Whoever is gone finds it ended when it comes back.
                let _ = session.starling().notify(ENDED, &data);
            }
        }
    });
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    if looking.as_mut().poll(&mut context).is_pending() {
        actix_rt::spawn(looking);
    }
}

async fn may(desk: &TopicDesk, session: &Arc<Session>, topic: &str) -> bool {
    let starling = session.starling();
    let namespace = topic.split(':').next().unwrap_or_default();
    let guarded = {
        let guards = desk.guards.lock();
        let guard = guards.iter().find(|guard| guard.namespace == namespace);
        guard.map(|guard| (guard.may)(&starling.principal()))
    };
    guarded == Some(true) || access::check(&starling, desk, topic, Action::Subscribe).await.is_ok()
}
