//! What happens to jobs, told to whoever wants to know: on `jobs:{id}`, and on `jobs:events`, where subscribers choose by the
//! tags `type`, `event` and `status`.

use serde_json::{Value as Json, json};

use super::super::topics::TopicDesk;
use crate::hub::{Tags, Wish};
use crate::protocol::Payload;
use crate::queue::{JobEvent, JobId, JobType, Progress, Queue, Told};

/// What happens to any job.
const EVENTS: &str = "jobs:events";

/// What happens to one.
fn topic_of(id: JobId) -> String {
    format!("jobs:{id}")
}

/// Tells what happens to jobs until nothing happens any more.
pub async fn tell_jobs(queue: Queue, desk: TopicDesk) {
    let hub = desk.hub.clone();
    let wanted = move |id| hub.subscribers(EVENTS) > 0 || hub.subscribers(&topic_of(id)) > 0;
    let mut listening = queue.listen(wanted);
    while let Some(told) = listening.recv().await {
        match told {
            Told::Event(event) => of_event(&desk, &event).await,
            Told::Progress(id, kind, progress) => of_progress(&desk, id, &kind, &progress).await,
        }
    }
}

async fn of_event(desk: &TopicDesk, event: &JobEvent) {
    let job = &event.job;
    let tags = [("type", job.kind.as_str()), ("event", event.kind.as_str()), ("status", job.status.as_str())];
    let data = || {
        json!({
            "event": event.kind.as_str(),
            "id": job.id,
            "type": job.kind,
            "status": job.status,
            "attempts": job.attempts,
            "maxAttempts": job.max_attempts,
            "workerId": job.worker_id,
            "leaseUntil": job.lease_until,
            "runAt": job.run_at,
            "reason": event.reason,
            "error": job.error,
            "sequence": job.sequence,
            "at": event.at,
        })
    };
    tell(desk, job.id, &tags, data).await;
}

async fn of_progress(desk: &TopicDesk, id: JobId, kind: &JobType, progress: &Progress) {
    let tags = [("type", kind.as_str()), ("event", "progress")];
    let data = || {
        let mut data = json!(progress);
        data["event"] = "progress".into();
        data["id"] = json!(id);
        data["type"] = json!(kind);
        data
    };
    tell(desk, id, &tags, data).await;
}

/// Publishes where anybody listens.
async fn tell(desk: &TopicDesk, id: JobId, tags: &[(&str, &str)], data: impl Fn() -> Json) {
    for topic in [topic_of(id), EVENTS.to_owned()] {
        if desk.hub.subscribers(&topic) == 0 {
            continue;
        }
        let Ok(data) = Payload::json(&data()) else { continue };
        let tags: Tags = tags.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        if let Err(error) = desk.hub.publish(Wish { topic: topic.clone(), data, tags }).await {
            tracing::debug!(%error, topic, "what happened to a job was not told");
        }
    }
}
