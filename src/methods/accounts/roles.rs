//! `roles:*`: what roles grant.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Desk, Namespace, NoParams, caller_of, may_grant};
use crate::auth::Role;
use crate::dispatch::{Context, MethodError, MethodOptions};

pub(super) fn add(to: &mut Namespace<'_>) {
    let about = MethodOptions::described;
    to.permission = Some("admin:roles");
    to.method("roles:list", about("All roles.").idempotent(), list);
    to.method("roles:get", about("A role.").idempotent(), get);
    to.method("roles:set", about("Makes a role, or replaces what it grants.").idempotent(), set);
    to.method("roles:delete", about("Deletes a role, and takes it from everybody who has it."), delete);
    to.permission = None;
}

async fn list(_: Context, desk: Desk, _: Option<NoParams>) -> Result<Json, MethodError> {
    Ok(json!({ "roles": desk.accounts.roles()? }))
}

/// Parameters of `roles:get` and `roles:delete`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OneRole {
    /// The name.
    name: String,
}

async fn get(_: Context, desk: Desk, params: OneRole) -> Result<Json, MethodError> {
    Ok(json!(desk.accounts.role(&params.name)?))
}

/// Parameters of `roles:set`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SetRole {
    /// The name: letters, digits, "_" and "-".
    name: String,
    /// What it grants: permissions such as "kv:get", "kv:*", "topic:publish:chat".
    permissions: Vec<String>,
    /// What it is for.
    #[serde(default)]
    description: String,
}

async fn set(ctx: Context, desk: Desk, params: SetRole) -> Result<Json, MethodError> {
    let SetRole { name, permissions, description } = params;
    may_grant(&ctx, &permissions)?;
    if let Ok(before) = desk.accounts.role(&name) {
        may_grant(&ctx, &before.permissions)?;
    }
    let role = Role { name, permissions, description };
    Ok(json!(desk.accounts.set_role(&caller_of(&ctx), role).await?))
}

async fn delete(ctx: Context, desk: Desk, params: OneRole) -> Result<Json, MethodError> {
    desk.may_give(&ctx, std::slice::from_ref(&params.name))?;
    desk.accounts.delete_role(&caller_of(&ctx), &params.name).await?;
    Ok(json!({ "deleted": true }))
}
