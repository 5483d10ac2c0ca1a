//! `users:*`: accounts, for administrators.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::keys::key_id;
use super::{Desk, Namespace, caller_of};
use crate::auth::{ApiKey, NewUser};
use crate::dispatch::{Context, MethodError, MethodOptions};

pub(super) fn add(to: &mut Namespace<'_>) {
    let about = MethodOptions::described;
    to.permission = Some("admin:users");
    to.method("users:list", about("Users, by their ids.").idempotent(), list);
    to.method("users:get", about("A user.").idempotent(), get);
    to.method("users:create", about("Makes an account."), create);
    to.method("users:delete", about("Deletes an account with its keys."), delete);
    to.method("users:disable", about("Nobody can log in any more; who is in, is out.").idempotent(), disable);
    to.method("users:enable", about("The user can log in again.").idempotent(), enable);
    to.method("users:setPassword", about("Sets a password; all logins of the user end."), set_password);
    let text = "Changes the password of a user, whether it may log in, or both at once.";
    to.method("users:update", about(text), update);
    to.method("users:logout", about("Ends all logins of a user."), logout);
    to.method("users:revokeToken", about("Declares one access token void.").idempotent(), revoke_token);
    to.method("users:keys", about("The API keys of a user.").idempotent(), keys);
    to.method("users:revokeKey", about("Takes an API key from a user."), revoke_key);
    to.method("users:assignRole", about("Gives a user a role.").idempotent(), assign_role);
    to.method("users:unassignRole", about("Takes a role from a user.").idempotent(), unassign_role);
    to.permission = None;
}

/// Entries of a page if nobody says how many, and at most.
pub(super) const LIMIT: usize = 100;
pub(super) const LIMIT_MAX: usize = 1_000;

/// Parameters of `users:list`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Where to go on, by an earlier answer.
    cursor: Option<String>,
    /// The most users to give, at most 1000.
    limit: Option<usize>,
}

async fn list(_: Context, desk: Desk, params: Option<List>) -> Result<Json, MethodError> {
    let params = params.unwrap_or_default();
    let after = params.cursor.as_deref().map(str::parse).transpose();
    let after = after.map_err(|_| MethodError::invalid(["/cursor: is none of an earlier answer"]))?;
    let (users, more) = desk.accounts.users(after, params.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX))?;
    let cursor = users.last().filter(|_| more).map(|user| user.id);
    let users = users.iter().map(|user| desk.about(user)).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "users": users, "cursor": cursor }))
}

/// Parameters of methods about one user.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OneUser {
    /// The user, by id or name.
    user: String,
}

async fn get(_: Context, desk: Desk, params: OneUser) -> Result<Json, MethodError> {
    desk.about(&desk.user(&params.user)?)
}

/// Parameters of `users:create`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Create {
    /// The name: 3 to 64 letters, digits, ".", "_" and "-".
    username: String,
    /// The password: 8 to 72 bytes.
    password: String,
    /// The roles; nothing is the role that everybody gets who registers.
    roles: Option<Vec<String>>,
}

async fn create(ctx: Context, desk: Desk, params: Create) -> Result<Json, MethodError> {
    let default = || Some(desk.accounts.options().default_role.clone()).filter(|role| !role.is_empty());
    let roles = params.roles.unwrap_or_else(|| default().into_iter().collect());
    desk.may_give(&ctx, &roles)?;
    let new = NewUser { name: params.username, password: params.password, roles };
    let user = desk.accounts.create_user(&caller_of(&ctx), new).await?;
    desk.about(&user)
}

async fn delete(ctx: Context, desk: Desk, params: OneUser) -> Result<Json, MethodError> {
    let user = desk.user(&params.user)?;
    desk.may_touch(&ctx, &user)?;
    desk.accounts.delete_user(&caller_of(&ctx), user.id).await?;
    Ok(json!({ "deleted": true }))
}

async fn disable(ctx: Context, desk: Desk, params: OneUser) -> Result<Json, MethodError> {
    let user = desk.user(&params.user)?;
    desk.may_touch(&ctx, &user)?;
    desk.about(&desk.accounts.set_disabled(&caller_of(&ctx), user.id, true).await?)
}

async fn enable(ctx: Context, desk: Desk, params: OneUser) -> Result<Json, MethodError> {
    let user = desk.user(&params.user)?;
    desk.may_touch(&ctx, &user)?;
    desk.about(&desk.accounts.set_disabled(&caller_of(&ctx), user.id, false).await?)
}

/// Parameters of `users:setPassword`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SetPassword {
    /// The user, by id or name.
    user: String,
    /// The password: 8 to 72 bytes.
    password: String,
}

async fn set_password(ctx: Context, desk: Desk, params: SetPassword) -> Result<Json, MethodError> {
    let user = desk.user(&params.user)?;
    desk.may_touch(&ctx, &user)?;
    desk.about(&desk.accounts.set_password(&caller_of(&ctx), user.id, &params.password).await?)
}

/// Parameters of `users:update`. What is not said stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Update {
    /// The user, by id or name.
    user: String,
    /// Whether nobody can log in.
    disabled: Option<bool>,
    /// A new password: 8 to 72 bytes. All logins of the user end.
    password: Option<String>,
}

async fn update(ctx: Context, desk: Desk, params: Update) -> Result<Json, MethodError> {
    let user = desk.user(&params.user)?;
    desk.may_touch(&ctx, &user)?;
    let Update { disabled, password, .. } = params;
    let changed = desk.accounts.update_user(&caller_of(&ctx), user.id, disabled, password.as_deref()).await?;
    desk.about(&changed)
}

async fn logout(ctx: Context, desk: Desk, params: OneUser) -> Result<Json, MethodError> {
    let user = desk.user(&params.user)?;
    desk.may_touch(&ctx, &user)?;
    desk.accounts.logout_everywhere(&caller_of(&ctx), user.id).await?;
    Ok(json!({ "ok": true }))
}

/// Parameters of `users:revokeToken`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RevokeToken {
    /// The user, by id or name.
    user: String,
    /// The `jti` of the access token.
    jti: String,
}

async fn revoke_token(ctx: Context, desk: Desk, params: RevokeToken) -> Result<Json, MethodError> {
    let jti = params.jti.parse().map_err(|_| MethodError::invalid(["/jti: is no id of a token"]))?;
    let user = desk.user(&params.user)?;
    desk.may_touch(&ctx, &user)?;
    desk.accounts.revoke_token(&caller_of(&ctx), user.id, jti).await?;
    Ok(json!({ "ok": true }))
}

async fn keys(_: Context, desk: Desk, params: OneUser) -> Result<Json, MethodError> {
    let keys = desk.accounts.keys_of(desk.user(&params.user)?.id)?;
    Ok(json!({ "keys": keys.iter().map(ApiKey::about).collect::<Vec<_>>() }))
}

/// Parameters of `users:revokeKey`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RevokeKey {
    /// The user, by id or name.
    user: String,
    /// The id of the key.
    id: String,
}

async fn revoke_key(ctx: Context, desk: Desk, params: RevokeKey) -> Result<Json, MethodError> {
    let user = desk.user(&params.user)?;
    desk.may_touch(&ctx, &user)?;
    desk.accounts.revoke_key(&caller_of(&ctx), user.id, key_id(&params.id)?).await?;
    Ok(json!({ "revoked": true }))
}

/// Parameters of `users:assignRole` and `users:unassignRole`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UserAndRole {
    /// The user, by id or name.
    user: String,
    /// The name of the role.
    role: String,
}

async fn assign_role(ctx: Context, desk: Desk, params: UserAndRole) -> Result<Json, MethodError> {
    let user = desk.user(&params.user)?;
    desk.may_give(&ctx, std::slice::from_ref(&params.role))?;
    let roles = desk.accounts.assign_role(&caller_of(&ctx), user.id, &params.role).await?;
    Ok(json!({ "roles": roles }))
}

async fn unassign_role(ctx: Context, desk: Desk, params: UserAndRole) -> Result<Json, MethodError> {
    let user = desk.user(&params.user)?;
    desk.may_touch(&ctx, &user)?;
    let roles = desk.accounts.unassign_role(&caller_of(&ctx), user.id, &params.role).await?;
    Ok(json!({ "roles": roles }))
}
