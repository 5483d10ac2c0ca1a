//! `kv:watch`, `kv:unwatch`: a session is told every change below a prefix, in order, without a gap.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::super::errors;
use super::place::Places;
use super::read::{LIMIT, LIMIT_MAX, written};
use super::{CHANGES, ENDED, READ, stored, values};
use crate::dispatch::{Context, MethodError, SendError, Starling};
use crate::protocol::ErrorCode;
use crate::store::{Change, Changes, Position, Watch, WatchError};

/// Parameters of `kv:watch`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WatchParams {
    /// What the keys begin with.
    prefix: String,
    /// Go on from this position of an earlier watch, instead of beginning with what is there.
    from: Option<String>,
    /// The most entries to begin with, at most 1000.
    limit: Option<usize>,
}

/// Parameters of `kv:unwatch`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UnwatchParams {
    /// The number that `kv:watch` gave.
    watch: u64,
}

/// The watches of a session.
#[derive(Default)]
struct Watches {
    next: u64,
    ends: HashMap<u64, CancellationToken>,
}

/// Begins a watch. What is told comes after the answer.
pub(super) fn watch(
    ctx: &Context,
    places: &Places,
    params: &WatchParams,
    watches_max: usize,
) -> Result<Json, MethodError> {
    let from = params.from.as_deref().map(str::parse::<Position>).transpose();
    let from = from.map_err(|text| MethodError::invalid([format!("/from: {text}")]))?;
    let prefix = stored(&params.prefix);
    let (number, ended) = enter(ctx.starling(), watches_max)?;
    let begun = places.store.watch(&prefix, from);
    let mut watch = begun.map_err(|error| {
        leave(ctx.starling(), number);
        errors::watch(&error)
    })?;
    let mut answer = json!({ "watch": number, "position": watch.position().to_string() });
    if let Some(view) = watch.snapshot() {
        let limit = params.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
        let page = places.rules.readable(&ctx.principal(), view.page(&prefix, b"", limit, usize::MAX));
        let (entries, cursor) = written(page, view.now_ms(), true);
        answer["entries"] = entries.into();
        answer["cursor"] = cursor.into();
    }
    actix_rt::spawn(tell(ctx.clone(), places.clone(), watch, number, ended));
    Ok(answer)
}

/// Ends a watch.
pub(super) fn unwatch(ctx: &Context, params: &UnwatchParams) -> Json {
    json!({ "ended": leave(ctx.starling(), params.watch) })
}

fn enter(starling: &Starling, watches_max: usize) -> Result<(u64, CancellationToken), MethodError> {
    starling.extensions().with(|watches: &mut Watches| {
        if watches.ends.len() >= watches_max {
            let error = MethodError::from(ErrorCode::RequestLimitExceeded);
            return Err(error.with_details(&json!({ "limit": watches_max })));
        }
        watches.next += 1;
        let ended = starling.ended().child_token();
        watches.ends.insert(watches.next, ended.clone());
        Ok((watches.next, ended))
    })
}

fn leave(starling: &Starling, number: u64) -> bool {
    let ended = starling.extensions().with(|watches: &mut Watches| watches.ends.remove(&number));
    ended.is_some_and(|ended| {
        ended.cancel();
        true
    })
}

/// Tells a session what happens, until it ends or the watch does.
async fn tell(ctx: Context, places: Places, mut watch: Watch, number: u64, ended: CancellationToken) {
    let starling = ctx.starling().clone();
    tokio::select! {
        () = ended.cancelled() => return,
        () = ctx.answer_sent() => {}
    }
    drop(ctx);
    loop {
        let next = tokio::select! {
            biased;
            () = ended.cancelled() => return,
            next = watch.next() => next,
        };
        // Whoever might when it began may not any more.
        if !places.may(&starling.principal(), READ) {
            let _ = end(&starling, number, &watch, "permission");
            leave(&starling, number);
            return;
        }
        let sent = match next {
            Ok(mut changes) => {
                let principal = starling.principal();
                let mine =
                    |change: &Change| change.key().is_none_or(|key| places.rules.may_read(&principal, key));
                changes.changes.retain(mine);
                if changes.changes.is_empty() {
                    continue;
                }
                notify(&starling, number, &changes)
            }
            Err(reason) => {
                let _ = end(&starling, number, &watch, word(&reason));
                leave(&starling, number);
                return;
            }
        };
        if let Err(SendError::Encode(_)) = sent {
            // Even without values the commit is longer than a message may be.
            let _ = end(&starling, number, &watch, "too large");
            leave(&starling, number);
            return;
        }
        if let Err(error) = sent {
            // The peer is gone or reads too slowly; the session has dealt with it.
            tracing::debug!(%error, "a change could not be told");
            leave(&starling, number);
            return;
        }
    }
}

/// Tells a commit; if it is too long for a message, without its values.
fn notify(starling: &Starling, number: u64, changes: &Changes) -> Result<(), SendError> {
    let mut told: Vec<Json> = changes.changes.iter().map(values::change).collect();
    let tell = |told: &[Json]| {
        let data = json!({
            "watch": number,
            "position": changes.position.to_string(),
            "revision": changes.revision,
            "at": changes.at,
            "changes": told,
        });
        starling.notify(CHANGES, &data)
    };
    match tell(&told) {
        Err(SendError::Encode(_)) => {
            told.iter_mut().for_each(values::omit_value);
            tell(&told)
        }
        sent => sent,
    }
}

fn word(reason: &WatchError) -> &'static str {
    match reason {
        WatchError::Lagged(_) => "lagged",
        WatchError::Closed => "closed",
        WatchError::TooOld(_) | WatchError::Ahead(_) => "position lost",
    }
}

fn end(starling: &Starling, number: u64, watch: &Watch, reason: &str) -> Result<(), SendError> {
    let position = watch.position().to_string();
    starling.notify(ENDED, &json!({ "watch": number, "reason": reason, "position": position }))
}
