//! `starling:*`: what a peer can do with its session. And where sessions are written down.

mod archive;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

pub use archive::SessionArchive;

use crate::dispatch::{Anything, Context, DataError, MethodError, MethodOptions, RegistryBuilder};
use crate::protocol::ErrorCode;

/// Parameters of `starling:set`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SetParams {
    /// The name, at most 128 characters.
    name: String,
    /// The value; null forgets the name.
    #[serde(default)]
    value: Value,
}

/// Parameters of `starling:get`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct GetParams {
    /// The name; without one, everything.
    name: Option<String>,
}

pub(super) fn add(to: &mut RegistryBuilder) {
    let options =
        MethodOptions::described("A token to come back to this session with.").idempotent().of_session();
    to.built_in("starling:state", options, state);
    let options = MethodOptions::described("The same under an older name.").idempotent().of_session();
    to.built_in("starling:getToken", options, state);
    let options = MethodOptions::described("Keeps a value with the session.").idempotent();
    to.built_in("starling:set", options.of_session().with_schema_of::<SetParams>(), set);
    let options = MethodOptions::described("Gives what the session keeps.").idempotent();
    to.built_in("starling:get", options.of_session().with_schema_of::<Option<GetParams>>(), get);
    let options =
        MethodOptions::described("Makes the tokens of the session void; it ends with its connection.");
    to.built_in("starling:end", options.of_session().idempotent(), end);
}

async fn state(ctx: Context, _: Anything) -> Result<Value, MethodError> {
    let issued = ctx.starling().state_token().await?;
    Ok(json!({
        "token": issued.token,
        "expiresIn": issued.expires_in_s,
        // Existing clients know the first spelling.
        "state": { "connectd": true, "connected": true, "lastConnected": null },
    }))
}

async fn set(ctx: Context, params: SetParams) -> Result<Value, MethodError> {
    let SetParams { name, value } = params;
    if value.is_null() {
        ctx.starling().unset(&name);
    } else {
        ctx.starling().set(&name, &value).map_err(|error| not_kept(&error))?;
    }
    Ok(json!({ "saved": ctx.starling().saved().await }))
}

async fn get(ctx: Context, params: Option<GetParams>) -> Result<Value, MethodError> {
    let data = ctx.starling().data();
    Ok(match params.unwrap_or_default().name {
        Some(name) => json!({ "value": data.get(&name) }),
        None => json!({ "values": data.all() }),
    })
}

async fn end(ctx: Context, _: Anything) -> Result<Value, MethodError> {
    let starling = ctx.starling();
    starling.revoke();
    // What is void must stay void, also if the server is killed right after this.
    if starling.is_kept() && !starling.saved().await {
        return Err(ErrorCode::StoreUnavailable.into());
    }
    Ok(json!({ "ended": true }))
}

fn not_kept(error: &DataError) -> MethodError {
    match error {
        DataError::TooMuch { bytes, limit } => MethodError::of(ErrorCode::QuotaExceeded, error.to_string())
            .with_details(&json!({ "bytes": bytes, "limit": limit })),
        DataError::Name(_) => MethodError::invalid([format!("/name: {error}")]),
        DataError::Json(_) => MethodError::invalid([format!("/value: {error}")]),
    }
}
