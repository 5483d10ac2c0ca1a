//! `auth:keys`, `auth:createKey`, `auth:revokeKey`: API keys of the caller.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{Desk, Namespace, NoParams, caller_of, login_of};
use crate::auth::ApiKey;
use crate::dispatch::{Context, MethodError, MethodOptions};

pub(super) fn add(to: &mut Namespace<'_>) {
    let about = MethodOptions::described;
    to.method("auth:keys", about("The API keys of the caller.").idempotent(), keys);
    let text = "Makes an API key. It is shown this once.";
    to.method("auth:createKey", about(text).with_secret_answer(), create_key);
    to.method("auth:revokeKey", about("Takes an API key away."), revoke_key);
}

async fn keys(ctx: Context, desk: Desk, _: Option<NoParams>) -> Result<Json, MethodError> {
    let keys = desk.accounts.keys_of(login_of(&ctx)?.user)?;
    Ok(json!({ "keys": keys.iter().map(ApiKey::about).collect::<Vec<_>>() }))
}

/// Parameters of `auth:createKey`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CreateKey {
    /// What it is for.
    name: String,
    /// What it may do at most: permissions such as "kv:get", "kv:*"; "*" is all that the caller may.
    scopes: Vec<String>,
    /// How long it is good for; without it, until it is revoked.
    ttl_ms: Option<u64>,
}

async fn create_key(ctx: Context, desk: Desk, params: CreateKey) -> Result<Json, MethodError> {
    let user = login_of(&ctx)?.user;
    if params.ttl_ms == Some(0) {
        return Err(MethodError::invalid(["/ttlMs: must be more than 0"]));
    }
    let CreateKey { name, scopes, ttl_ms } = params;
    let (key, text) = desk.accounts.create_key(&caller_of(&ctx), user, &name, scopes, ttl_ms).await?;
    let mut answer = key.about();
    answer["key"] = text.into();
    Ok(answer)
}

/// Parameters of `auth:revokeKey`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RevokeKey {
    /// The id of the key.
    id: String,
}

/// The id of a key.
pub(super) fn key_id(text: &str) -> Result<Uuid, MethodError> {
    text.parse().map_err(|_| MethodError::invalid(["/id: is no id of an API key"]))
}

async fn revoke_key(ctx: Context, desk: Desk, params: RevokeKey) -> Result<Json, MethodError> {
    let user = login_of(&ctx)?.user;
    desk.accounts.revoke_key(&caller_of(&ctx), user, key_id(&params.id)?).await?;
    Ok(json!({ "revoked": true }))
}
