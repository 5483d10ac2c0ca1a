//! `sessions:*` and `config:get`: who is here, and what the server was told, for administrators.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::accounts::audit;
use super::topics::TopicDesk;
use crate::auth::{Accounts, AuditEntry};
use crate::base::StarlingId;
use crate::dispatch::{Anything, Context, MethodError, MethodOptions, Peer, RegistryBuilder};
use crate::protocol::{CloseCode, ErrorCode};
use crate::starling::Session;

/// Entries of a page if nobody says how many, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// Parameters of `sessions:list`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Where to go on, by an earlier answer.
    cursor: Option<String>,
    /// The most sessions to give, at most 1000.
    limit: Option<usize>,
    /// Only those of this name.
    user: Option<String>,
}

/// Parameters of `sessions:disconnect`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Disconnect {
    /// The id of the session.
    session: String,
    /// Whether it ends for good. Otherwise its peer may come back to it.
    #[serde(default)]
    end: bool,
}

pub(super) fn add(to: &mut RegistryBuilder, desk: &TopicDesk, accounts: Option<&Accounts>, config: Json) {
    let accounts = accounts.cloned();
    let options = |about: &str, permission: &str| MethodOptions {
        permission: Some(permission.into()),
        ..MethodOptions::described(about)
    };
    let mine = desk.clone();
    let about = options("Sessions, connected or not, by their ids.", "admin:sessions").idempotent();
    to.built_in(
        "sessions:list",
        about.with_schema_of::<Option<List>>(),
        move |_: Context, params: Option<List>| {
            let listed = list(&mine, params.unwrap_or_default());
            async move { listed }
        },
    );
    let mine = desk.clone();
    let about = options("Closes the connection of a session, or ends the session.", "admin:sessions");
    let about = about.with_schema_of::<Disconnect>();
    to.built_in("sessions:disconnect", about, move |ctx: Context, params: Disconnect| {
        let (mine, audited) = (mine.clone(), accounts.clone());
        async move {
            let entry = AuditEntry::done("session.disconnect", format!("session:{}", params.session));
            let session = named(&mine, &params.session)?;
            // Recorded first: what cannot be recorded is not done.
            let told = json!({ "ended": params.end });
            audit(audited.as_ref(), &ctx, entry.changing(None, Some(told))).await?;
            disconnect(&session, params.end);
            Ok::<Json, MethodError>(json!({ "disconnected": true, "ended": params.end }))
        }
    });
    let about = options("What the server was told, without secrets.", "admin:config").idempotent();
    to.built_in("config:get", about, move |_: Context, _: Anything| {
        let config = config.clone();
        async move { Ok::<Json, MethodError>(config) }
    });
}

fn list(desk: &TopicDesk, params: List) -> Result<Json, MethodError> {
    let after = params.cursor.as_deref().map(str::parse::<StarlingId>).transpose();
    let after = after.map_err(|_| MethodError::invalid(["/cursor: is none of an earlier answer"]))?;
    let limit = params.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let mut found = desk.shared()?.sessions();
    found.retain(|session| after.is_none_or(|after| session.id() > after));
    if let Some(name) = &params.user {
        found.retain(|session| session.principal().name() == Some(name));
    }
    found.sort_unstable_by_key(|session| session.id());
    let more = found.len() > limit;
    found.truncate(limit);
    let cursor = found.last().filter(|_| more).map(|session| session.id().to_string());
    Ok(
        json!({ "sessions": found.iter().map(|session| about(session)).collect::<Vec<_>>(), "cursor": cursor }),
    )
}

fn about(session: &Session) -> Json {
    let principal = session.principal();
    json!({
        "id": session.id().to_string(),
        "username": principal.name(),
        "userId": principal.user(),
        "connected": session.is_connected(),
        "address": session.address(),
        "createdAt": session.created_at(),
        "topics": session.subscriptions().len(),
    })
}

fn named(desk: &TopicDesk, text: &str) -> Result<Arc<Session>, MethodError> {
    let no_session = || {
        MethodError::of(ErrorCode::NotFound, "There is no such session")
            .with_details(&json!({ "what": "session" }))
    };
    let id = text.parse().map_err(|_| no_session())?;
    desk.shared()?.session(id).ok_or_else(no_session)
}

fn disconnect(session: &Session, end: bool) {
    match end {
        true => session.close(CloseCode::Policy, "an administrator has ended the session"),
        false => session.close_link(CloseCode::Restart, "an administrator has closed the connection"),
    }
}
