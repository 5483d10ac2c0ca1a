//! `/api/v1/openapi.json` and `/docs`: what the routes take and give. Routes are described where they are handled; to
//! them comes one for each method of this very server, from the schema that the method itself checks with.

use std::sync::Arc;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION,
};
use actix_web::web::{Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value as Json, json};
use utoipa::OpenApi;
use utoipa_swagger_ui::Config;

use super::rest::Rest;
use super::shapes::{Envelope, ErrorAnswer};
use super::{admin, admin_roles, admin_users, at, auth, job_work, jobs, kv, publish, reading};
use crate::dispatch::{Method, Registry};

/// The routes that have a description of their own.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Helios",
        description = "Accounts, keys, topics and every method of this server over HTTP."
    ),
    paths(
        auth::register,
        auth::login,
        auth::refresh,
        auth::logout,
        auth::logout_all,
        auth::me,
        auth::password,
        auth::keys,
        auth::create_key,
        auth::revoke_key,
        kv::list,
        kv::get,
        kv::set,
        kv::post,
        kv::delete,
        jobs::enqueue,
        jobs::list,
        jobs::dead,
        jobs::job,
        jobs::stats,
        job_work::lease,
        job_work::ack,
        job_work::nack,
        job_work::release,
        job_work::extend,
        job_work::progress,
        jobs::cancel,
        jobs::retry,
        jobs::replay,
        jobs::purge,
        jobs::schedules,
        jobs::set_schedule,
        jobs::remove_schedule,
        publish::publish,
        admin_users::users,
        admin_users::create_user,
        admin_users::user,
        admin_users::edit_user,
        admin_users::delete_user,
        admin_users::logout_user,
        admin_users::explain,
        admin_users::assign,
        admin_users::unassign,
        admin_users::keys,
        admin_users::revoke_key,
        admin_roles::roles,
        admin_roles::role,
        admin_roles::set_role,
        admin_roles::delete_role,
        admin_roles::audit,
        admin_roles::verify,
        admin::sessions,
        admin::disconnect,
        admin::topics,
        admin::cluster,
        admin::metrics,
        admin::config,
        admin::bucket,
        admin::reset,
    ),
    components(schemas(ErrorAnswer, Envelope))
)]
struct Described;

/// What any request may be answered with instead.
const FAILURES: [(&str, &str); 14] = [
    ("400", "Something in the request does not fit"),
    ("401", "Nobody has said who asks, or it is not so"),
    ("403", "The caller may not do this; a missing permission is named"),
    ("404", "There is no such thing"),
    ("408", "The body did not come"),
    ("409", "It cannot be done as things are"),
    ("410", "The history does not go back so far"),
    ("412", "The version is another one"),
    ("413", "Something is too long"),
    ("429", "Too fast: Retry-After says when to come back"),
    ("500", "The method failed"),
    ("503", "Not now"),
    ("504", "The method took too long"),
    ("507", "The store may not hold more"),
];

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(at("/openapi.json", "GET", [reading().to(document)]));
}

/// Adds the page, and what it is made of.
pub(super) fn page(config: &mut ServiceConfig) {
    config.service(at("/docs", "GET", [reading().to(to_page)]));
    config.service(at("/docs/{file:.*}", "GET", [reading().to(file)]));
}

async fn document(rest: Rest) -> HttpResponse {
    let text =
        rest.around.document.get_or_init(|| described(&rest.around.shared.registry).to_string().into());
    let tag = format!("\"{}\"", &blake3::hash(text.as_bytes()).to_hex()[..16]);
    let known =
        rest.request.headers().get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut answer = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((ETAG, tag)).insert_header((CACHE_CONTROL, "no-cache"));
    match known {
        true => answer.finish(),
        false => answer.insert_header((CONTENT_TYPE, "application/json")).body(text.to_string()),
    }
}

/// The whole description.
fn described(registry: &Registry) -> Json {
    let mut document = serde_json::to_value(Described::openapi()).unwrap_or_default();
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document["components"]["securitySchemes"] = json!({
        "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "An access token" },
        "key": { "type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key" },
    });
    let mut paths = std::mem::take(&mut document["paths"]);
    if let Some(paths) = paths.as_object_mut() {
        // What this server does not have is not there.
        let has = |method: &str| registry.get(method).is_some();
        let gone = [
            ("/api/v1/auth/", "auth:login"),
            ("/admin/users", "users:list"),
            ("/admin/roles", "roles:list"),
            ("/admin/audit", "audit:list"),
            ("/api/v1/kv", "kv:get"),
            ("/api/v1/publish", "topic:publish"),
            ("/api/v1/jobs", "jobs:enqueue"),
        ];
        paths.retain(|path, _| gone.iter().all(|(prefix, method)| !path.starts_with(prefix) || has(method)));
        for (path, operations) in &mut *paths {
            for (verb, operation) in operations.as_object_mut().into_iter().flatten() {
                let has_body = operation.get("requestBody").is_some();
                fail_too(&mut operation["responses"], |status| can_be(status, verb, path, has_body));
            }
        }
        for method in registry.public().into_iter().filter(|method| !method.options().needs_session) {
            let (operation, schemas) = of_method(method);
            paths.insert(format!("/api/v1/rpc/{}", method.name()), json!({ "post": operation }));
            if let Some(all) = document["components"]["schemas"].as_object_mut() {
                all.extend(schemas);
            }
        }
    }
    document["paths"] = paths;
    document
}

/// Whether a route may be answered with a failure of this status.
fn can_be(status: &str, verb: &str, path: &str, has_body: bool) -> bool {
    let reads = verb == "get";
    match status {
        "404" => path.contains('{') || has_body,
        "408" | "413" => has_body,
        "409" | "507" => !reads,
        // Only what has a history, or a version.
        "410" => false,
        "412" => path == "/api/v1/kv/{key}" && !reads,
        _ => true,
    }
}

/// Names what a request may be answered with instead, one by one.
fn fail_too(responses: &mut Json, can_be: impl Fn(&str) -> bool) {
    let Some(responses) = responses.as_object_mut() else { return };
    responses.remove("default");
    for (status, about) in FAILURES.into_iter().filter(|(status, _)| can_be(status)) {
        let schema = json!({ "$ref": "#/components/schemas/ErrorAnswer" });
        let failure =
            json!({ "description": about, "content": { "application/json": { "schema": schema } } });
        responses.entry(status).or_insert(failure);
    }
}

/// The route of a method, and the schemas that it needs beside its own.
fn of_method(method: &Method) -> (Json, Map<String, Json>) {
    let (name, options) = (method.name(), method.options());
    let mut schemas = Map::new();
    let mut responses = json!({
        "200": {
            "description": "What the method gave; as text/event-stream also what it tells while it works",
            "content": {
                "application/json": { "schema": { "$ref": "#/components/schemas/Envelope" } },
                "text/event-stream": { "schema": { "type": "string" } },
            },
        },
    });
    // What has a history may have forgotten it; nothing over this route has a version to match.
    let has_history = ["topic:", "kv:", "universe"].iter().any(|start| name.starts_with(start));
    fail_too(&mut responses, |status| status != "412" && (status != "410" || has_history));
    let mut operation = json!({
        "tags": [format!("rpc {}", name.split(':').next().unwrap_or_default())],
        "operationId": name.replace(':', "_"),
        "summary": options.description,
        "responses": responses,
    });
    if let Some(schema) = &options.schema {
        let mut schema = schema.clone();
        if let Some(object) = schema.as_object_mut() {
            object.remove("$schema");
            for (part, mut inner) in
                object.remove("$defs").and_then(|it| it.as_object().cloned()).unwrap_or_default()
            {
                point(&mut inner, name);
                schemas.insert(part_of(name, &part), inner);
            }
        }
        point(&mut schema, name);
        // Nothing is what a method takes whose parameters may be null.
        let required = !takes_null(&schema);
        let content = json!({ "application/json": { "schema": schema } });
        operation["requestBody"] = json!({ "required": required, "content": content });
    }
    // Whoever may without saying so may with it, and may more.
    operation["security"] = json!([{}, { "bearer": [] }, { "key": [] }]);
    if let Some(permission) = &options.permission {
        operation["description"] = format!("Needs the permission {permission}.").into();
        operation["security"] = json!([{ "bearer": [] }, { "key": [] }]);
    }
    (operation, schemas)
}

/// Whether a schema has a place for null.
fn takes_null(schema: &Json) -> bool {
    let null = |one: &Json| {
        one["type"] == "null" || one["type"].as_array().is_some_and(|all| all.contains(&"null".into()))
    };
    schema == &json!(true)
        || null(schema)
        || schema["anyOf"].as_array().is_some_and(|any| any.iter().any(null))
}

/// What a part of a method's schema is called among all.
fn part_of(method: &str, part: &str) -> String {
    format!("{}.{part}", method.replace(':', "."))
}

/// Lets references to parts of a method's schema lead to where they lie now.
fn point(schema: &mut Json, method: &str) {
    match schema {
        Json::Object(object) => {
            let part = object.get("$ref").and_then(Json::as_str).and_then(|at| at.strip_prefix("#/$defs/"));
            if let Some(part) = part.map(|part| part_of(method, part)) {
                object.insert("$ref".to_owned(), format!("#/components/schemas/{part}").into());
            }
            object.values_mut().for_each(|inner| point(inner, method));
        }
        Json::Array(all) => all.iter_mut().for_each(|inner| point(inner, method)),
        _ => {}
    }
}

async fn to_page() -> HttpResponse {
    HttpResponse::MovedPermanently().insert_header((LOCATION, "/docs/")).finish()
}

/// A file of the page. Its styles are set by its scripts, which the rules of other pages forbid.
async fn file(request: HttpRequest, file: Path<String>) -> HttpResponse {
    const RULES: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                         object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'";
    let config = Config::from("/api/v1/openapi.json").persist_authorization(false).deep_linking(true);
    match utoipa_swagger_ui::serve(&file, Arc::new(config)) {
        Ok(Some(found)) => HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, found.content_type))
            .insert_header((CACHE_CONTROL, "no-cache"))
            .insert_header((CONTENT_SECURITY_POLICY, RULES))
            .body(found.bytes.into_owned()),
        Ok(None) => crate::gateway::problems::not_found(&request),
        Err(error) => {
            tracing::error!(%error, "the page of the description cannot be served");
            crate::gateway::problems::not_found(&request)
        }
    }
}
