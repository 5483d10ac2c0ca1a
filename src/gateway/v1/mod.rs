//! `/api/v1/*` and `/admin/*`: accounts, keys, methods and publications over HTTP, and what administrators need. Every
//! route is a thin face of a method, so who may, how often, and what is recorded is decided once.
//!
//! `/api/v1/auth`, `/api/v1/kv` and `/admin` answer bare objects; `/api/v1/rpc` and `/api/v1/publish` answer
//! `{status: "success", data, meta}`; every failure is `{status: "error", error: {code, message, details?}, meta}` with the
//! status of the error table. What the routes take and give is described in `openapi`, from the handlers themselves.

mod admin;
mod admin_roles;
mod admin_users;
mod answer;
mod auth;
mod body;
mod job_shapes;
mod job_work;
mod jobs;
mod kv;
mod limits;
mod openapi;
mod publish;
mod rest;
mod rpc;
mod shapes;
mod stream;

use actix_web::guard;
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, Route};

use self::answer::Failure;
use super::serve::Surroundings;

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig, around: &Surroundings) {
    let accounts = around.shared.accounts.is_some();
    let has_jobs = around.shared.registry.get("jobs:enqueue").is_some();
    let api = |config: &mut ServiceConfig| {
        if accounts {
            auth::routes(config);
        }
        kv::routes(config);
        if has_jobs {
            jobs::routes(config);
        }
        rpc::routes(config);
        publish::routes(config);
        openapi::routes(config);
    };
    let admin = |config: &mut ServiceConfig| {
        if accounts {
            admin_users::routes(config);
            admin_roles::routes(config);
        }
        admin::routes(config);
    };
    let limited = |path| web::scope(path).wrap(from_fn(limits::limit));
    config.service(limited("/api/v1").configure(api).default_service(web::to(not_found)));
    config.service(limited("/admin").configure(admin).default_service(web::to(not_found)));
    openapi::page(config);
}

/// A path and what it answers; other verbs are told which there are.
fn at(path: &str, allowed: &'static str, verbs: impl IntoIterator<Item = Route>) -> Resource {
    let options = web::route().guard(guard::fn_guard(|it| it.head().method == Method::OPTIONS));
    let preflight = move || async move { HttpResponse::NoContent().insert_header((ALLOW, allowed)).finish() };
    let refused = move |request: HttpRequest| async move {
        let text = format!("{} is not answered at {}; {allowed} is", request.method(), request.path());
        let mut answer = Failure::plain(405, "METHOD_NOT_ALLOWED", text).response(&request);
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        answer
    };
    let resource = web::resource(path.to_owned());
    let resource = verbs.into_iter().fold(resource, Resource::route);
    resource.route(options.to(preflight)).default_service(web::to(refused))
}

/// GET, and HEAD as everywhere.
fn reading() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    let text = format!("there is nothing at {}; see /api/v1/openapi.json and /docs", request.path());
    Failure::plain(404, "NOT_FOUND", text).response(&request)
}
