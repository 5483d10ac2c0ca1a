//! What peers are told when a room below fails. One file, no wildcard arm: whoever adds an error decides here
//! what the caller may know.

use serde_json::json;

use crate::dispatch::MethodError;
use crate::hub::{PublishError, SubscribeError};
use crate::protocol::ErrorCode;
use crate::queue::QueueError;
use crate::starling::Unsubscribed;
use crate::store::{Refusal, StoreError, WatchError};
use crate::universes::UniverseError;

/// A failure of the store.
pub(super) fn store(error: &StoreError) -> MethodError {
    match error {
        // The reasons name files and devices; those are for the log.
        StoreError::DiskFull(_) => ErrorCode::DiskFull.into(),
        StoreError::Broken(_) | StoreError::Closed | StoreError::Snapshot(_) => {
            ErrorCode::StoreUnavailable.into()
        }
    }
}

/// A command that cannot be carried out, and where it stood.
pub(super) fn refusal(place: &str, refusal: &Refusal) -> MethodError {
    match refusal {
        Refusal::KeyLength { .. }
        | Refusal::ValueLength { .. }
        | Refusal::CommitLength { .. }
        | Refusal::CommitBytes { .. }
        | Refusal::NotANumber
        | Refusal::Overflow => MethodError::invalid([format!("{place}: {refusal}")]),
        Refusal::Quota { limit } => {
            MethodError::from(ErrorCode::QuotaExceeded).with_details(&json!({ "limit": limit }))
        }
        Refusal::Declined => ErrorCode::Conflict.into(),
    }
}

/// A topic that cannot be had.
pub(super) fn topic(error: &SubscribeError) -> MethodError {
    match error {
        SubscribeError::Name(_)
        | SubscribeError::NoTopic(_)
        | SubscribeError::Length { .. }
        | SubscribeError::Patterns(_) => MethodError::invalid([format!("/topic: {error}")]),
        SubscribeError::Namespace(_) => MethodError::of(ErrorCode::PermissionDenied, error.to_string()),
        SubscribeError::TooMany => ErrorCode::QuotaExceeded.into(),
    }
}

/// A subscription that a session does not get.
pub(super) fn unsubscribed(error: &Unsubscribed) -> MethodError {
    match error {
        Unsubscribed::Topic(error) => topic(error),
        Unsubscribed::TooMany(limit) => MethodError::of(ErrorCode::QuotaExceeded, error.to_string())
            .with_details(&json!({ "limit": limit })),
    }
}

/// Something that is not published.
pub(super) fn publish(error: &PublishError) -> MethodError {
    match error {
        PublishError::Topic(error) => topic(error),
        PublishError::Name(_) => MethodError::invalid([format!("/topic: {error}")]),
        PublishError::TooLarge { .. } | PublishError::Data(_) => {
            MethodError::invalid([format!("/data: {error}")])
        }
        PublishError::Tags => MethodError::invalid([format!("/tags: {error}")]),
        PublishError::NotKept(_) => ErrorCode::StoreUnavailable.into(),
        PublishError::Stopped => ErrorCode::ServerDraining.into(),
    }
}

/// Something that is not done with universes.
pub(super) fn universe(error: &UniverseError) -> MethodError {
    let text = error.to_string();
    match error {
        UniverseError::Unknown(_) => MethodError::of(ErrorCode::UniverseNotFound, text),
        UniverseError::UnknownCommit(_) => MethodError::of(ErrorCode::SnapshotNotFound, text),
        UniverseError::Invalid { .. } | UniverseError::Path(_) | UniverseError::Materialize(_) => {
            MethodError::invalid([text])
        }
        UniverseError::TooLarge { bytes, limit, .. } => MethodError::of(ErrorCode::ValueTooLarge, text)
            .with_details(&json!({ "bytes": bytes, "limit": limit })),
        UniverseError::TooMany { .. } => MethodError::invalid([format!("/count: {text}")]),
        UniverseError::Full { limit } => {
            MethodError::of(ErrorCode::UniverseLimitExceeded, text).with_details(&json!({ "limit": limit }))
        }
        UniverseError::Conflicts(conflicts) => {
            let shown = &conflicts[..conflicts.len().min(CONFLICTS_MAX)];
            MethodError::of(ErrorCode::MergeConflict, text)
                .with_details(&json!({ "conflicts": shown, "count": conflicts.len() }))
        }
        UniverseError::Version { check, key, version } => MethodError::of(ErrorCode::MergeConflict, text)
            .with_details(&json!({ "check": check, "key": key, "version": version })),
        UniverseError::Busy => ErrorCode::MethodBusy.into(),
        UniverseError::Store(error) => store(error),
        UniverseError::Refused(error) => refusal("payload", error),
        // The reasons name files; those are for the log.
        UniverseError::Objects(_) | UniverseError::Damaged(_) => {
            tracing::error!(%error, "the history of universes cannot be read or written");
            ErrorCode::StoreUnavailable.into()
        }
        UniverseError::Panicked => ErrorCode::InternalError.into(),
        UniverseError::Closed => ErrorCode::ServerDraining.into(),
    }
}

/// Something that is not done with jobs.
pub(super) fn queue(error: &QueueError) -> MethodError {
    let text = error.to_string();
    match error {
        QueueError::Invalid { .. } => MethodError::invalid([text]),
        QueueError::TooLarge { bytes, limit, .. } => MethodError::of(ErrorCode::ValueTooLarge, text)
            .with_details(&json!({ "bytes": bytes, "limit": limit })),
        QueueError::Full { limit } => {
            MethodError::of(ErrorCode::QueueFull, text).with_details(&json!({ "limit": limit }))
        }
        QueueError::TooManySchedules { limit } => {
            MethodError::of(ErrorCode::Conflict, text).with_details(&json!({ "limit": limit }))
        }
        QueueError::Duplicate(id) => {
            MethodError::of(ErrorCode::Conflict, text).with_details(&json!({ "id": id, "duplicate": true }))
        }
        QueueError::NotFound(id) => {
            MethodError::of(ErrorCode::NotFound, text).with_details(&json!({ "what": "job", "id": id }))
        }
        QueueError::NoSchedule(_) => {
            MethodError::of(ErrorCode::NotFound, text).with_details(&json!({ "what": "schedule" }))
        }
        QueueError::LeaseLost(id) => {
            MethodError::of(ErrorCode::LeaseLost, text).with_details(&json!({ "id": id }))
        }
        QueueError::Status { id, status, .. } => {
            MethodError::of(ErrorCode::Conflict, text).with_details(&json!({ "id": id, "status": status }))
        }
        QueueError::WorkerTaken(worker) => {
            MethodError::of(ErrorCode::Conflict, text).with_details(&json!({ "worker": worker }))
        }
        QueueError::Store(error) => store(error),
        QueueError::Refused(error) => refusal("payload", error),
        QueueError::Closed => ErrorCode::ServerDraining.into(),
    }
}

/// Conflicts that are told with what lies there.
const CONFLICTS_MAX: usize = 100;

/// A watch that cannot begin.
pub(super) fn watch(error: &WatchError) -> MethodError {
    match error {
        WatchError::TooOld(position) | WatchError::Ahead(position) | WatchError::Lagged(position) => {
            MethodError::of(ErrorCode::PositionLost, error.to_string())
                .with_details(&json!({ "position": position.to_string() }))
        }
        WatchError::Closed => ErrorCode::StoreUnavailable.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let told = |error: &StoreError| store(error).code().to_owned();
        assert_eq!(told(&StoreError::DiskFull("no space on /dev/x".into())), "DISK_FULL");
        assert_eq!(told(&StoreError::Broken("/dev/x".into())), "STORE_UNAVAILABLE");
        assert_eq!(ErrorCode::DiskFull.http_status(), 507);
    }
}
