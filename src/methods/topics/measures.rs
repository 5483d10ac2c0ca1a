//! `metrics:subscribe`: the numbers of the server, each second, to whoever may see them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::errors;
use super::TopicDesk;
use super::access;
use super::subscribe::confirm_later;
use crate::dispatch::{Context, MethodError};
use crate::hub::{Tags, Wish};
use crate::protocol::Payload;
use crate::starling::Shared;

/// The topic that they are told on.
const TOPIC: &str = "metrics:update";

const EACH: Duration = Duration::from_secs(1);

/// No parameters.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Nothing {}

/// Begins. The first numbers come at once.
pub(super) async fn subscribe(
    ctx: Context,
    desk: TopicDesk,
    _: Option<Nothing>,
) -> Result<Value, MethodError> {
    access::check_stats(&ctx.principal(), &desk)?;
    let session = desk.session(&ctx)?;
    session.subscribe(TOPIC, None, &Default::default()).map_err(|error| errors::unsubscribed(&error))?;
    let shared = desk.shared()?;
    confirm_later(ctx, session, vec![TOPIC.to_owned()]);
    Ok(numbers(&desk, &shared, &Second::default()))
}

/// Ends.
pub(super) async fn unsubscribe(
    ctx: Context,
    desk: TopicDesk,
    _: Option<Nothing>,
) -> Result<Value, MethodError> {
    Ok(json!({ "ended": desk.session(&ctx)?.unsubscribe(TOPIC) }))
}

/// What has happened in a second.
#[derive(Clone, Debug, Default)]
struct Second {
    requests: u64,
    seconds: f64,
    publications: u64,
    deliveries: u64,
}

impl Second {
    /// What the counters say now.
    fn now(desk: &TopicDesk, shared: &Shared) -> Self {
        let (requests, seconds) = shared.metrics.answered();
        let totals = desk.hub.totals();
        Self { requests, seconds, publications: totals.publications, deliveries: totals.deliveries }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            seconds: self.seconds - before.seconds,
            publications: self.publications - before.publications,
            deliveries: self.deliveries - before.deliveries,
        }
    }

    fn average_ms(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.seconds * 1_000.0 / self.requests as f64 }
    }
}

/// The numbers, as existing dashboards name them, and ours.
fn numbers(desk: &TopicDesk, shared: &Shared, second: &Second) -> Value {
    let metrics = &shared.metrics;
    let all = Second::now(desk, shared);
    json!({
        "timestamp": shared.clock.now_ms(),
        "totalRequests": all.requests,
        "activeConnections": metrics.connections.get(),
        "universesCreated": metrics.universes.created.get(),
        "totalOperations": metrics.universes.operations.get(),
        "averageResponseTime": all.average_ms(),
        "systemHealth": health(shared, second),
        "uptime": metrics.uptime().as_secs_f64(),
        "disconnectedSessions": metrics.sessions.disconnected.get(),
        "topics": desk.hub.totals(),
        "perSecond": {
            "requests": second.requests,
            "publications": second.publications,
            "deliveries": second.deliveries,
            "responseTime": second.average_ms(),
        },
    })
}

fn health(shared: &Shared, second: &Second) -> &'static str {
    let full = shared.metrics.connections.get() as f64 > shared.options.max as f64 * 0.9;
    match (second.average_ms() > 100.0, full) {
        (true, _) => "degraded",
        (false, true) => "warning",
        (false, false) => "optimal",
    }
}

/// Publishes them while somebody wants them.
pub(super) async fn tell(desk: TopicDesk) {
    let mut before: Option<Second> = None;
    while !desk.hub.is_closed() {
        tokio::time::sleep(EACH).await;
        if desk.hub.subscribers(TOPIC) == 0 {
            before = None;
            continue;
        }
        let Ok(shared) = desk.shared() else { return };
        let now = Second::now(&desk, &shared);
        let second = before.as_ref().map_or_else(Second::default, |before| now.since(before));
        let Ok(data) = Payload::json(&numbers(&desk, &shared, &second)) else { continue };
        before = Some(now);
        let wish = Wish { topic: TOPIC.to_owned(), data, tags: Tags::new() };
        if let Err(error) = desk.hub.publish(wish).await {
            tracing::debug!(%error, "the numbers were not told");
        }
    }
}
