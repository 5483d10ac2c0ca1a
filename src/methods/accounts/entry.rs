//! `auth:*`: getting in, staying in, getting out.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Desk, Namespace, NoParams, account_of, caller_of, login_of};
use crate::auth::{AccountError, LoggedIn, Principal};
use crate::dispatch::{Context, Face, MethodError, MethodOptions, Starling};
use crate::protocol::ErrorCode;

pub(super) fn add(to: &mut Namespace<'_>) {
    let about = |text: &str| MethodOptions::described(text);
    let secret = |text: &str| about(text).with_secret_answer();
    to.method("auth:register", about("Makes an account."), register);
    to.method("auth:login", secret("Logs in; a session belongs to the account from then on."), login);
    to.method("auth:refresh", secret("Gives new tokens for a refresh token, once."), refresh);
    let text = "Says who a session belongs to, by an access token or an API key.";
    to.method("auth:authenticate", about(text).idempotent().of_session(), authenticate);
    to.method("auth:me", about("Who asks, and what it may do.").idempotent(), me);
    to.method("auth:logout", about("Ends this login."), logout);
    to.method("auth:logoutAll", about("Ends all logins of the caller."), logout_all);
    let text = "Changes the password of the caller; all other logins end.";
    to.method("auth:changePassword", secret(text), change_password);
    to.method("auth:explain", about("Why a user may call a method, or why not.").idempotent(), explain);
}

/// Parameters of `auth:register` and `auth:login`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    /// The name: 3 to 64 letters, digits, ".", "_" and "-". Upper and lower case are the same.
    username: String,
    /// The password: 8 to 72 bytes.
    password: String,
}

async fn register(ctx: Context, desk: Desk, params: Credentials) -> Result<Json, MethodError> {
    let made = desk.accounts.register(&caller_of(&ctx), &params.username, &params.password).await;
    let user = made?;
    Ok(json!({ "userId": user.id, "username": user.username }))
}

async fn login(ctx: Context, desk: Desk, params: Credentials) -> Result<Json, MethodError> {
    // Before anything begins that would have to be ended again.
    if has_session(&ctx)
        && owner(&ctx).name().is_some_and(|name| !name.eq_ignore_ascii_case(&params.username))
    {
        return Err(taken());
    }
    let logged_in = desk.accounts.login(&caller_of(&ctx), &params.username, &params.password).await?;
    adopt(&ctx, &logged_in.principal)?;
    Ok(tokens(&logged_in))
}

/// Parameters of `auth:refresh`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Refresh {
    /// The refresh token of the last login or refresh.
    refresh_token: String,
}

async fn refresh(ctx: Context, desk: Desk, params: Refresh) -> Result<Json, MethodError> {
    let mine = has_session(&ctx).then(|| owner(&ctx).user()).flatten();
    let logged_in = desk.accounts.refresh(&caller_of(&ctx), &params.refresh_token, mine).await?;
    adopt(&ctx, &logged_in.principal)?;
    Ok(tokens(&logged_in))
}

/// Parameters of `auth:authenticate`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Authenticate {
    /// An access token.
    access_token: Option<String>,
    /// An API key.
    api_key: Option<String>,
}

async fn authenticate(ctx: Context, desk: Desk, params: Authenticate) -> Result<Json, MethodError> {
    let principal = match (&params.access_token, &params.api_key) {
        (Some(token), None) => desk.accounts.principal_of_token(token)?,
        (None, Some(key)) => desk.accounts.principal_of_key(key)?,
        _ => return Err(MethodError::invalid(["payload: needs either accessToken or apiKey"])),
    };
    adopt(&ctx, &principal)?;
    about(&principal)
}

async fn me(ctx: Context, _: Desk, _: Option<NoParams>) -> Result<Json, MethodError> {
    about(&ctx.principal())
}

async fn logout(ctx: Context, desk: Desk, _: Option<NoParams>) -> Result<Json, MethodError> {
    let (caller, account) = (caller_of(&ctx), login_of(&ctx)?);
    let before = step_down(&ctx, &desk);
    let done = desk.accounts.logout(&caller, &account).await;
    left(&ctx, &before, done)
}

async fn logout_all(ctx: Context, desk: Desk, _: Option<NoParams>) -> Result<Json, MethodError> {
    let (caller, account) = (caller_of(&ctx), login_of(&ctx)?);
    let before = step_down(&ctx, &desk);
    let done = desk.accounts.logout_everywhere(&caller, account.user).await;
    left(&ctx, &before, done)
}

/// Parameters of `auth:changePassword`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ChangePassword {
    /// The password until now.
    current_password: String,
    /// The password from now on: 8 to 72 bytes, and not the name.
    new_password: String,
}

async fn change_password(ctx: Context, desk: Desk, params: ChangePassword) -> Result<Json, MethodError> {
    let account = login_of(&ctx)?;
    let ChangePassword { current_password, new_password } = &params;
    let both = (current_password.as_str(), new_password.as_str());
    let (starling, before) = (ctx.starling().clone(), owner(&ctx));
    let adopt = {
        let (starling, before) = (starling.clone(), Arc::clone(&before));
        move |principal: &Principal| take_over(&starling, &before, principal)
    };
    match desk.accounts.change_password(&caller_of(&ctx), account.user, both, adopt).await {
        Ok(logged_in) => Ok(tokens(&logged_in)),
        Err(error) => {
            // If it had the new one already, that never came to be; whether the old one is still good is looked at.
            let mine = owner(&ctx);
            if mine.is_same(&before) && mine.account() != before.account() {
                starling.identify(&mine, (*before).clone());
            }
            Err(error.into())
        }
    }
}

/// The session takes a new principal of the owner that it has.
fn take_over(starling: &Starling, before: &Principal, principal: &Principal) -> bool {
    loop {
        let mine = starling.principal();
        if !mine.is_same(before) {
            return false;
        }
        // Its rights may have changed meanwhile: those of the new one are newer.
        if starling.identify(&mine, principal.clone()) {
            return true;
        }
    }
}

/// Parameters of `auth:explain`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Explain {
    /// The method.
    method: String,
    /// The user, by id or name; the caller, if nobody is named. Others need admin:users.
    user: Option<String>,
}

async fn explain(ctx: Context, desk: Desk, params: Explain) -> Result<Json, MethodError> {
    let mine = ctx.principal().user();
    let user = match &params.user {
        None => desk.accounts.user(account_of(&ctx)?.user)?,
        Some(_) if !ctx.principal().may("admin:users") && mine.is_none() => {
            return Err(MethodError::permission("admin:users"));
        }
        Some(text) => match desk.user(text) {
            Ok(user) if Some(user.id) == mine || ctx.principal().may("admin:users") => user,
            Err(error) if ctx.principal().may("admin:users") => return Err(error),
            // Whether there is somebody of that name is nobody's business.
            _ => return Err(MethodError::permission("admin:users")),
        },
    };
    let permission = desk.permission_of(&params.method)?;
    let explained = desk.accounts.explain(&user, permission.as_deref())?;
    let mut answer = json!(explained);
    answer["user"] = user.username.into();
    answer["method"] = params.method.into();
    Ok(answer)
}

/// The session belongs to this principal from now on. One that belongs to somebody else does not change hands: what is
/// kept for it is not for everybody. Over HTTP there is none, and each request says whose it is.
fn adopt(ctx: &Context, principal: &Principal) -> Result<(), MethodError> {
    if !has_session(ctx) {
        return Ok(());
    }
    loop {
        let mine = owner(ctx);
        if mine.name().is_some() && !mine.is_same(principal) {
            return Err(taken());
        }
        if ctx.starling().identify(&mine, principal.clone()) {
            return Ok(());
        }
    }
}

/// The session belongs to nobody from now on: before its tokens are void, so that it is not closed for that. Gives its
/// owner.
fn step_down(ctx: &Context, desk: &Desk) -> Arc<Principal> {
    loop {
        let before = owner(ctx);
        if ctx.starling().identify(&before, desk.accounts.everybody()) {
            return before;
        }
    }
}

/// The session keeps nothing of its owner, or is what it was if the tokens are still good.
fn left(ctx: &Context, before: &Principal, done: Result<(), AccountError>) -> Result<Json, MethodError> {
    let starling = ctx.starling();
    if let Err(error) = done {
        starling.identify(&owner(ctx), before.clone());
        return Err(error.into());
    }
    starling.data().all().keys().for_each(|name| {
        starling.unset(name);
    });
    Ok(json!({ "ok": true }))
}

fn has_session(ctx: &Context) -> bool {
    ctx.starling().face() == Face::Socket
}

/// Who the session belongs to at this moment, whoever it was when the call began.
fn owner(ctx: &Context) -> Arc<Principal> {
    ctx.starling().principal()
}

fn taken() -> MethodError {
    MethodError::of(ErrorCode::Conflict, "The session belongs to somebody else; log out first")
}

fn about(principal: &Principal) -> Result<Json, MethodError> {
    let account = principal.account().ok_or(ErrorCode::Unauthenticated)?;
    Ok(json!({
        "userId": account.user,
        "username": principal.name(),
        "roles": account.roles,
        "permissions": principal.permissions(),
        "scopes": account.scopes,
        "expiresAt": account.proof.expires_at(),
    }))
}

fn tokens(logged_in: &LoggedIn) -> Json {
    json!({
        "userId": logged_in.user.id,
        "username": logged_in.user.username,
        "roles": logged_in.principal.account().map(|account| &account.roles),
        "accessToken": logged_in.access_token,
        "expiresIn": logged_in.expires_in_s,
        "refreshToken": logged_in.refresh_token,
        "refreshExpiresIn": logged_in.refresh_expires_in_s,
    })
}
