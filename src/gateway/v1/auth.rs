//! `/api/v1/auth/*`: accounts.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Path, Payload, ServiceConfig};
use serde_json::{Value as Json, json};

use super::answer::{Failure, bare};
use super::rest::Rest;
use super::shapes::{Credentials, Done, ErrorAnswer, LoggedIn, Me, NewKey, Passwords, Refresh, Registered};
use super::{at, body, reading};

type Answer = Result<HttpResponse, Failure>;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/auth/register", "POST", [web::post().to(register)]))
        .service(at("/auth/login", "POST", [web::post().to(login)]))
        .service(at("/auth/refresh", "POST", [web::post().to(refresh)]))
        .service(at("/auth/logout", "POST", [web::post().to(logout)]))
        .service(at("/auth/logout-all", "POST", [web::post().to(logout_all)]))
        .service(at("/auth/me", "GET", [reading().to(me)]))
        .service(at("/auth/password", "POST", [web::post().to(password)]))
        .service(at("/auth/keys", "GET, POST", [reading().to(keys), web::post().to(create_key)]))
        .service(at("/auth/keys/{id}", "DELETE", [web::delete().to(revoke_key)]));
}

/// Makes an account with the role that everybody gets.
#[utoipa::path(
    post, path = "/api/v1/auth/register", tag = "auth", request_body = Credentials,
    responses((status = 201, body = Registered), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn register(rest: Rest, payload: Payload) -> Answer {
    let Credentials { username, password } = body::read_short(&rest.request, payload).await?;
    let made =
        rest.call_as_nobody("auth:register", &json!({ "username": username, "password": password })).await?;
    Ok(bare(StatusCode::CREATED, &json!({ "user_id": made["userId"], "username": made["username"] })))
}

/// Logs in.
#[utoipa::path(
    post, path = "/api/v1/auth/login", tag = "auth", request_body = Credentials,
    responses((status = 200, body = LoggedIn), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn login(rest: Rest, payload: Payload) -> Answer {
    let Credentials { username, password } = body::read_short(&rest.request, payload).await?;
    let tokens =
        rest.call_as_nobody("auth:login", &json!({ "username": username, "password": password })).await?;
    Ok(logged_in(tokens))
}

/// Gives new tokens for a refresh token, once. One that is shown twice ends its login.
#[utoipa::path(
    post, path = "/api/v1/auth/refresh", tag = "auth", request_body = Refresh,
    responses((status = 200, body = LoggedIn), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn refresh(rest: Rest, payload: Payload) -> Answer {
    let Refresh { refresh_token } = body::read_short(&rest.request, payload).await?;
    Ok(logged_in(rest.call_as_nobody("auth:refresh", &json!({ "refreshToken": refresh_token })).await?))
}

/// Ends this login.
#[utoipa::path(
    post, path = "/api/v1/auth/logout", tag = "auth", security(("bearer" = [])),
    responses((status = 200, body = Done), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn logout(rest: Rest) -> Answer {
    Ok(bare(StatusCode::OK, &rest.call("auth:logout", &json!({})).await?))
}

/// Ends all logins of the caller.
#[utoipa::path(
    post, path = "/api/v1/auth/logout-all", tag = "auth", security(("bearer" = [])),
    responses((status = 200, body = Done), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn logout_all(rest: Rest) -> Answer {
    Ok(bare(StatusCode::OK, &rest.call("auth:logoutAll", &json!({})).await?))
}

/// Who asks, and what it may do.
#[utoipa::path(
    get, path = "/api/v1/auth/me", tag = "auth", security(("bearer" = []), ("key" = [])),
    responses((status = 200, body = Me), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn me(rest: Rest) -> Answer {
    let mut me = rest.call("auth:me", &json!({})).await?;
    let mut take = |name: &str| me[name].take();
    let told = Me {
        user_id: take("userId"),
        username: take("username"),
        roles: take("roles"),
        permissions: take("permissions"),
        scopes: take("scopes"),
    };
    Ok(bare(StatusCode::OK, &json!(told)))
}

/// Changes the password of the caller. All other logins end.
#[utoipa::path(
    post, path = "/api/v1/auth/password", tag = "auth", request_body = Passwords, security(("bearer" = [])),
    responses((status = 200, body = LoggedIn), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn password(rest: Rest, payload: Payload) -> Answer {
    let Passwords { current_password, new_password } = body::read_short(&rest.request, payload).await?;
    let wish = json!({ "currentPassword": current_password, "newPassword": new_password });
    Ok(logged_in(rest.call("auth:changePassword", &wish).await?))
}

/// The API keys of the caller.
#[utoipa::path(
    get, path = "/api/v1/auth/keys", tag = "auth", security(("bearer" = [])),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn keys(rest: Rest) -> Answer {
    Ok(bare(StatusCode::OK, &rest.call("auth:keys", &json!({})).await?))
}

/// Makes an API key. It is shown this once.
#[utoipa::path(
    post, path = "/api/v1/auth/keys", tag = "auth", request_body = NewKey, security(("bearer" = [])),
    responses((status = 201, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn create_key(rest: Rest, payload: Payload) -> Answer {
    let NewKey { name, scopes, ttl } = body::read_short(&rest.request, payload).await?;
    let mut wish = json!({ "name": name, "scopes": scopes });
    if let Some(seconds) = ttl {
        wish["ttlMs"] = seconds.saturating_mul(1_000).into();
    }
    Ok(bare(StatusCode::CREATED, &rest.call("auth:createKey", &wish).await?))
}

/// Takes an API key away.
#[utoipa::path(
    delete, path = "/api/v1/auth/keys/{id}", tag = "auth", params(("id" = String, Path, description = "Its id")),
    security(("bearer" = [])), responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn revoke_key(rest: Rest, id: Path<String>) -> Answer {
    Ok(bare(StatusCode::OK, &rest.call("auth:revokeKey", &json!({ "id": id.into_inner() })).await?))
}

fn logged_in(mut tokens: Json) -> HttpResponse {
    let mut take = |name: &str| tokens[name].take();
    let told = LoggedIn {
        token: take("accessToken"),
        token_type: "Bearer",
        expires_in: take("expiresIn"),
        refresh_token: take("refreshToken"),
        refresh_expires_in: take("refreshExpiresIn"),
        user_id: take("userId"),
        username: take("username"),
        roles: take("roles"),
    };
    bare(StatusCode::OK, &json!(told))
}
