//! What happens to universes, told to whoever wants to know.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::UniverseDesk;
use crate::hub::{Tags, Wish};
use crate::protocol::Payload;
use crate::universes::UniverseId;

/// New universes.
pub(super) const CREATED: &str = "universes:created";

/// What was done with any universe.
pub(super) const OPERATION: &str = "universe:operation";

/// What was done with one universe. A segment of a topic is letters and digits, and begins with a letter.
pub(super) fn topic_of(id: UniverseId) -> String {
    format!("universe:u{}", id.to_string().replace('-', ""))
}

impl UniverseDesk {
    /// Universes were made.
    pub(super) async fn tell_created(&self, universes: &[Json], took: Duration) {
        let told = || {
            json!({
                "count": universes.len(),
                "executionTime": took.as_secs_f64() * 1_000.0,
                "universes": universes,
                "timestamp": self.now_ms(),
            })
        };
        self.tell(CREATED, told).await;
    }

    /// Something was done with a universe.
    pub(super) async fn tell_operation(
        &self,
        id: UniverseId,
        operation: &str,
        result: &Json,
        took: Duration,
    ) {
        self.count(id, operation);
        let told = || {
            json!({
                "universeId": id,
                "operation": operation,
                "result": result,
                "executionTime": took.as_secs_f64() * 1_000.0,
                "timestamp": self.now_ms(),
            })
        };
        self.tell(OPERATION, told).await;
        self.tell(&topic_of(id), told).await;
    }

    fn now_ms(&self) -> u64 {
        self.universes.now_ms()
    }

    /// Publishes, if anybody listens.
    async fn tell(&self, topic: &str, told: impl Fn() -> Json) {
        if self.topics.hub.subscribers(topic) == 0 {
            return;
        }
        let Ok(data) = Payload::json(&told()) else { return };
        let wish = Wish { topic: topic.to_owned(), data, tags: Tags::new() };
        if let Err(error) = self.topics.hub.publish(wish).await {
            tracing::debug!(%error, topic, "what happened to universes was not told");
        }
    }
}
