//! `/admin/users`: accounts, for administrators.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Path, Payload, ServiceConfig};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use super::answer::{Failure, bare};
use super::rest::Rest;
use super::shapes::{Done, ErrorAnswer};
use super::{at, body, reading};

type Answer = Result<HttpResponse, Failure>;

pub(super) fn routes(config: &mut ServiceConfig) {
    let user = [reading().to(user), web::patch().to(edit_user), web::delete().to(delete_user)];
    config
        .service(at("/users", "GET, POST", [reading().to(users), web::post().to(create_user)]))
        .service(at("/users/{user}", "GET, PATCH, DELETE", user))
        .service(at("/users/{user}/logout", "POST", [web::post().to(logout_user)]))
        .service(at("/users/{user}/explain", "GET", [reading().to(explain)]))
        .service(at("/users/{user}/roles", "POST", [web::post().to(assign)]))
        .service(at("/users/{user}/roles/{role}", "DELETE", [web::delete().to(unassign)]))
        .service(at("/users/{user}/keys", "GET", [reading().to(keys)]))
        .service(at("/users/{user}/keys/{id}", "DELETE", [web::delete().to(revoke_key)]));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UsersQuery {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// Users, by their ids.
#[utoipa::path(
    get, path = "/admin/users", tag = "admin", security(("bearer" = []), ("key" = [])),
    params(
        ("cursor" = Option<String>, Query, description = "Where to go on, by an earlier answer"),
        ("limit" = Option<u16>, Query, description = "The most users to give, at most 1000"),
    ),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn users(rest: Rest) -> Answer {
    let UsersQuery { cursor, limit } = body::query(&rest.request)?;
    ask(&rest, "users:list", &json!({ "cursor": cursor, "limit": limit })).await
}

/// An account that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUser {
    /// 3 to 64 letters, digits, ".", "_" and "-".
    username: String,
    /// 8 to 72 bytes.
    #[schema(format = Password)]
    password: String,
    /// Its roles; without any, the role that everybody gets who registers.
    roles: Option<Vec<String>>,
}

/// Makes an account.
#[utoipa::path(
    post, path = "/admin/users", tag = "admin", request_body = NewUser, security(("bearer" = []), ("key" = [])),
    responses((status = 201, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn create_user(rest: Rest, payload: Payload) -> Answer {
    rest.check("users:create")?;
    let NewUser { username, password, roles } = body::read(&rest.request, payload).await?;
    let wish = json!({ "username": username, "password": password, "roles": roles });
    Ok(bare(StatusCode::CREATED, &rest.call("users:create", &wish).await?))
}

/// A user, by id or name.
#[utoipa::path(
    get, path = "/admin/users/{user}", tag = "admin", security(("bearer" = []), ("key" = [])),
    params(("user" = String, Path, description = "Id or name")),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn user(rest: Rest, user: Path<String>) -> Answer {
    ask(&rest, "users:get", &one(user)).await
}

/// What is to be changed of a user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EditUser {
    /// Whether nobody can log in.
    disabled: Option<bool>,
    /// A new password. All logins of the user end.
    #[schema(format = Password)]
    password: Option<String>,
}

/// Lets a user log in or not, sets a password, or both at once.
#[utoipa::path(
    patch, path = "/admin/users/{user}", tag = "admin", request_body = EditUser,
    params(("user" = String, Path, description = "Id or name")), security(("bearer" = []), ("key" = [])),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn edit_user(rest: Rest, user: Path<String>, payload: Payload) -> Answer {
    rest.check("users:update")?;
    let EditUser { disabled, password } = body::read(&rest.request, payload).await?;
    if disabled.is_none() && password.is_none() {
        return ask(&rest, "users:get", &one(user)).await;
    }
    let wish = json!({ "user": user.into_inner(), "disabled": disabled, "password": password });
    ask(&rest, "users:update", &wish).await
}

/// Deletes an account with its keys.
#[utoipa::path(
    delete, path = "/admin/users/{user}", tag = "admin", security(("bearer" = []), ("key" = [])),
    params(("user" = String, Path, description = "Id or name")),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn delete_user(rest: Rest, user: Path<String>) -> Answer {
    ask(&rest, "users:delete", &one(user)).await
}

/// Ends all logins of a user.
#[utoipa::path(
    post, path = "/admin/users/{user}/logout", tag = "admin", security(("bearer" = []), ("key" = [])),
    params(("user" = String, Path, description = "Id or name")),
    responses((status = 200, body = Done), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn logout_user(rest: Rest, user: Path<String>) -> Answer {
    ask(&rest, "users:logout", &one(user)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainQuery {
    method: String,
}

/// Why a user may call a method, or why not.
#[utoipa::path(
    get, path = "/admin/users/{user}/explain", tag = "admin", security(("bearer" = []), ("key" = [])),
    params(
        ("user" = String, Path, description = "Id or name"),
        ("method" = String, Query, description = "The method, such as kv:set"),
    ),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn explain(rest: Rest, user: Path<String>) -> Answer {
    let ExplainQuery { method } = body::query(&rest.request)?;
    ask(&rest, "auth:explain", &json!({ "user": user.into_inner(), "method": method })).await
}

/// A role that a user is to have.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleName {
    role: String,
}

/// Gives a user a role.
#[utoipa::path(
    post, path = "/admin/users/{user}/roles", tag = "admin", request_body = RoleName,
    params(("user" = String, Path, description = "Id or name")), security(("bearer" = []), ("key" = [])),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn assign(rest: Rest, user: Path<String>, payload: Payload) -> Answer {
    rest.check("users:assignRole")?;
    let RoleName { role } = body::read(&rest.request, payload).await?;
    ask(&rest, "users:assignRole", &json!({ "user": user.into_inner(), "role": role })).await
}

/// Takes a role from a user.
#[utoipa::path(
    delete, path = "/admin/users/{user}/roles/{role}", tag = "admin", security(("bearer" = []), ("key" = [])),
    params(
        ("user" = String, Path, description = "Id or name"),
        ("role" = String, Path, description = "The name of the role"),
    ),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn unassign(rest: Rest, both: Path<(String, String)>) -> Answer {
    let (user, role) = both.into_inner();
    ask(&rest, "users:unassignRole", &json!({ "user": user, "role": role })).await
}

/// The API keys of a user.
#[utoipa::path(
    get, path = "/admin/users/{user}/keys", operation_id = "user_keys", tag = "admin", security(("bearer" = []), ("key" = [])),
    params(("user" = String, Path, description = "Id or name")),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn keys(rest: Rest, user: Path<String>) -> Answer {
    ask(&rest, "users:keys", &one(user)).await
}

/// Takes an API key from a user.
#[utoipa::path(
    delete, path = "/admin/users/{user}/keys/{id}", operation_id = "revoke_user_key", tag = "admin", security(("bearer" = []), ("key" = [])),
    params(
        ("user" = String, Path, description = "Id or name"),
        ("id" = String, Path, description = "The id of the key"),
    ),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn revoke_key(rest: Rest, both: Path<(String, String)>) -> Answer {
    let (user, id) = both.into_inner();
    ask(&rest, "users:revokeKey", &json!({ "user": user, "id": id })).await
}

fn one(user: Path<String>) -> Json {
    json!({ "user": user.into_inner() })
}

async fn ask(rest: &Rest, method: &str, payload: &Json) -> Answer {
    Ok(bare(StatusCode::OK, &rest.call(method, payload).await?))
}
