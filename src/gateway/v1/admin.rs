//! `/admin/*` beside accounts: sessions, topics, metrics, configuration, limits.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, Path, ServiceConfig};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::answer::{Failure, bare, no_store};
use super::rest::Rest;
use super::shapes::ErrorAnswer;
use super::{at, body, reading};

type Answer = Result<HttpResponse, Failure>;

pub(super) fn routes(to: &mut ServiceConfig) {
    let bucket = [reading().to(bucket), web::delete().to(reset)];
    to.service(at("/sessions", "GET", [reading().to(sessions)]))
        .service(at("/sessions/{id}", "DELETE", [web::delete().to(disconnect)]))
        .service(at("/topics", "GET", [reading().to(topics)]))
        .service(at("/metrics", "GET", [reading().to(metrics)]))
        .service(at("/config", "GET", [reading().to(config)]))
        .service(at("/limits/{policy}/{client}", "GET, DELETE", bucket))
        .service(web::resource("/cluster/{what:.*}").to(cluster));
}

/// What is about a cluster: there is none.
#[utoipa::path(
    get, path = "/admin/cluster/{what}", tag = "admin", security(("bearer" = []), ("key" = [])),
    params(("what" = String, Path, description = "What is asked for, such as status")),
    responses((status = 503, body = ErrorAnswer, description = "This server is not part of a cluster"))
)]
pub(super) async fn cluster(rest: Rest) -> Answer {
    rest.need("admin:cluster")?;
    Err(Failure::plain(503, "CLUSTER_OFF", "this server is not part of a cluster"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionsQuery {
    cursor: Option<String>,
    limit: Option<usize>,
    user: Option<String>,
}

/// Sessions, connected or not, by their ids.
#[utoipa::path(
    get, path = "/admin/sessions", tag = "admin", security(("bearer" = []), ("key" = [])),
    params(
        ("cursor" = Option<String>, Query, description = "Where to go on, by an earlier answer"),
        ("limit" = Option<u16>, Query, description = "The most sessions to give, at most 1000"),
        ("user" = Option<String>, Query, description = "Only those of this name"),
    ),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn sessions(rest: Rest) -> Answer {
    let SessionsQuery { cursor, limit, user } = body::query(&rest.request)?;
    ask(&rest, "sessions:list", &json!({ "cursor": cursor, "limit": limit, "user": user })).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DisconnectQuery {
    end: Option<bool>,
}

/// Closes the connection of a session. Its peer may come back, unless the session ends.
#[utoipa::path(
    delete, path = "/admin/sessions/{id}", tag = "admin", security(("bearer" = []), ("key" = [])),
    params(
        ("id" = String, Path, description = "The id of the session"),
        ("end" = Option<bool>, Query, description = "Whether it ends for good"),
    ),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn disconnect(rest: Rest, id: Path<String>) -> Answer {
    let DisconnectQuery { end } = body::query(&rest.request)?;
    let wish = json!({ "session": id.into_inner(), "end": end.unwrap_or_default() });
    ask(&rest, "sessions:disconnect", &wish).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TopicsQuery {
    namespace: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// Counts of all topics together; with a namespace, its topics.
#[utoipa::path(
    get, path = "/admin/topics", tag = "admin", security(("bearer" = []), ("key" = [])),
    params(
        ("namespace" = Option<String>, Query, description = "The first segment of names"),
        ("after" = Option<String>, Query, description = "Where to go on: the last topic of an earlier answer"),
        ("limit" = Option<u16>, Query, description = "The most topics to give"),
    ),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn topics(rest: Rest) -> Answer {
    let TopicsQuery { namespace, after, limit } = body::query(&rest.request)?;
    let Some(namespace) = namespace else { return ask(&rest, "topic:stats", &json!({})).await };
    let mut wish = json!({ "namespace": namespace });
    if let Some(after) = after {
        wish["after"] = after.into();
    }
    if let Some(limit) = limit {
        wish["limit"] = limit.into();
    }
    ask(&rest, "topic:list", &wish).await
}

/// The numbers of the server, as Prometheus reads them.
#[utoipa::path(
    get, path = "/admin/metrics", tag = "admin", security(("bearer" = []), ("key" = [])),
    responses((status = 200, body = String, content_type = "text/plain"), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn metrics(rest: Rest) -> Answer {
    rest.need("admin:metrics")?;
    Ok(no_store(StatusCode::OK)
        .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .body(rest.around.shared.metrics.render()))
}

/// What the server was told, without secrets.
#[utoipa::path(
    get, path = "/admin/config", tag = "admin", security(("bearer" = []), ("key" = [])),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn config(rest: Rest) -> Answer {
    ask(&rest, "config:get", &json!({})).await
}

/// What is left to somebody under a policy.
#[utoipa::path(
    get, path = "/admin/limits/{policy}/{client}", tag = "admin", security(("bearer" = []), ("key" = [])),
    params(
        ("policy" = String, Path, description = "The name of the policy"),
        ("client" = String, Path, description = "user:ID, name:NAME, address:ADDRESS or all"),
    ),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn bucket(rest: Rest, both: Path<(String, String)>) -> Answer {
    let (policy, client) = both.into_inner();
    ask(&rest, "limits:get", &json!({ "policy": policy, "client": client })).await
}

/// Fills the bucket of somebody under a policy.
#[utoipa::path(
    delete, path = "/admin/limits/{policy}/{client}", tag = "admin", security(("bearer" = []), ("key" = [])),
    params(
        ("policy" = String, Path, description = "The name of the policy"),
        ("client" = String, Path, description = "user:ID, name:NAME, address:ADDRESS or all"),
    ),
    responses((status = 200, body = Json), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn reset(rest: Rest, both: Path<(String, String)>) -> Answer {
    let (policy, client) = both.into_inner();
    ask(&rest, "limits:reset", &json!({ "policy": policy, "client": client })).await
}

async fn ask(rest: &Rest, method: &str, payload: &Json) -> Answer {
    Ok(bare(StatusCode::OK, &rest.call(method, payload).await?))
}
