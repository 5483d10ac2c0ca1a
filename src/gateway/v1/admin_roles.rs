//! `/admin/roles`, `/admin/audit`: what may be done, and what was.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Path, Payload, ServiceConfig};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use super::answer::{Failure, bare};
use super::rest::Rest;
use super::shapes::ErrorAnswer;
use super::{at, body, reading};

type Answer = Result<HttpResponse, Failure>;

pub(super) fn routes(config: &mut ServiceConfig) {
    let role = [reading().to(role), web::put().to(set_role), web::delete().to(delete_role)];
    config
        .service(at("/roles", "GET", [reading().to(roles)]))
        .service(at("/roles/{role}", "GET, PUT, DELETE", role))
        .service(at("/audit", "GET", [reading().to(audit)]))
        .service(at("/audit/verify", "GET", [reading().to(verify)]));
}

/// All roles.
#[utoipa::path(
    get, path = "/admin/roles", tag = "admin", security(("bearer" = []), ("key" = [])),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn roles(rest: Rest) -> Answer {
    ask(&rest, "roles:list", &json!({})).await
}

/// A role.
#[utoipa::path(
    get, path = "/admin/roles/{role}", tag = "admin", security(("bearer" = []), ("key" = [])),
    params(("role" = String, Path, description = "Its name")),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn role(rest: Rest, name: Path<String>) -> Answer {
    ask(&rest, "roles:get", &json!({ "name": name.into_inner() })).await
}

/// What a role grants.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleBody {
    /// Permissions such as "kv:get", "kv:*", "topic:publish:chat".
    permissions: Vec<String>,
    /// What it is for.
    description: Option<String>,
}

/// Makes a role, or replaces what it grants. Whoever has it may that at once.
#[utoipa::path(
    put, path = "/admin/roles/{role}", tag = "admin", request_body = RoleBody,
    params(("role" = String, Path, description = "Its name")), security(("bearer" = []), ("key" = [])),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn set_role(rest: Rest, name: Path<String>, payload: Payload) -> Answer {
    rest.check("roles:set")?;
    let RoleBody { permissions, description } = body::read(&rest.request, payload).await?;
    let description = description.unwrap_or_default();
    let wish = json!({ "name": name.into_inner(), "permissions": permissions, "description": description });
    ask(&rest, "roles:set", &wish).await
}

/// Deletes a role, and takes it from everybody who has it.
#[utoipa::path(
    delete, path = "/admin/roles/{role}", tag = "admin", security(("bearer" = []), ("key" = [])),
    params(("role" = String, Path, description = "Its name")),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn delete_role(rest: Rest, name: Path<String>) -> Answer {
    ask(&rest, "roles:delete", &json!({ "name": name.into_inner() })).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuditQuery {
    before: Option<u64>,
    limit: Option<usize>,
    action: Option<String>,
    user: Option<String>,
    target: Option<String>,
}

/// Records of the audit log, the newest first.
#[utoipa::path(
    get, path = "/admin/audit", tag = "admin", security(("bearer" = []), ("key" = [])),
    params(
        ("before" = Option<u64>, Query, description = "Where to go on, by an earlier answer"),
        ("limit" = Option<u16>, Query, description = "The most records to give, at most 1000"),
        ("action" = Option<String>, Query, description = "What was done, or what that begins with"),
        ("user" = Option<String>, Query, description = "The name of who did it"),
        ("target" = Option<String>, Query, description = "What it was done to, or what that begins with"),
    ),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn audit(rest: Rest) -> Answer {
    let AuditQuery { before, limit, action, user, target } = body::query(&rest.request)?;
    let wish = json!({ "before": before, "limit": limit, "action": action, "user": user, "target": target });
    ask(&rest, "audit:list", &wish).await
}

/// Whether nobody has touched the audit log.
#[utoipa::path(
    get, path = "/admin/audit/verify", tag = "admin", security(("bearer" = []), ("key" = [])),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn verify(rest: Rest) -> Answer {
    ask(&rest, "audit:verify", &json!({})).await
}

async fn ask(rest: &Rest, method: &str, payload: &Json) -> Answer {
    Ok(bare(StatusCode::OK, &rest.call(method, payload).await?))
}
