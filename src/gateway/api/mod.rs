//! `/api/*`: universes over HTTP, in the shapes that existing front ends know. Every route is a thin face of a
//! method: who may, limits and metrics are those of the method.
//!
//! Successful answers are `{success: true, data, requestId}`, failures `{success: false, error, code, requestId}`
//! with the status of the error table. Times are texts with their unit, with a number beside each.

mod answer;
mod numbers;
mod rate;
mod universes;

pub(super) use answer::request_id;
pub(super) use rate::ApiRate;

use std::time::Duration;

use actix_web::guard;
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, CONTENT_LENGTH, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Payload, ServiceConfig};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, Resource, Route};
use serde_json::{Map, Value, json};

use self::answer::Refusal;
use crate::dispatch::MethodError;
use crate::protocol::ErrorCode;

/// The longest body.
const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

/// The longest time that a body may take to come.
const BODY_TIME_MAX: Duration = Duration::from_secs(60);

/// What there is, for those who ask for something else.
const ENDPOINTS: [&str; 10] = [
    "GET /health",
    "GET /api/metrics",
    "GET /api/stats",
    "GET /api/universes",
    "POST /api/universes/create",
    "POST /api/universes/batch",
    "GET /api/universes/:id",
    "DELETE /api/universes/:id",
    "POST /api/universes/:id/operations",
    "GET /api/benchmarks",
];

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(
        web::scope("/api")
            .wrap(from_fn(rate::limit))
            .service(at("/metrics", "GET", reading().to(numbers::metrics)))
            .service(at("/stats", "GET", reading().to(numbers::stats)))
            .service(at("/benchmarks", "GET", reading().to(numbers::benchmarks)))
            .service(at("/universes", "GET", reading().to(universes::list)))
            .service(at("/universes/create", "POST", web::post().to(universes::create)))
            .service(at("/universes/batch", "POST", web::post().to(universes::batch)))
            .service(
                at("/universes/{id}", "GET, DELETE", reading().to(universes::get))
                    .route(web::delete().to(universes::delete)),
            )
            .service(at("/universes/{id}/operations", "POST", web::post().to(universes::operate)))
            .default_service(web::to(not_found)),
    );
}

/// GET, and HEAD as everywhere.
fn reading() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// A path, what it answers, and what else it is told.
fn at(path: &str, allowed: &'static str, route: Route) -> Resource {
    let options = web::route().guard(guard::fn_guard(|it| it.head().method == Method::OPTIONS));
    let preflight =
        move || async move { HttpResponse::NoContent().insert_header(("allow", allowed)).finish() };
    let refused = move |request: HttpRequest| async move {
        let text = format!("{} is not answered at {}; {allowed} is", request.method(), request.path());
        let mut answer = answer::failure(405, "METHOD_NOT_ALLOWED", &text, &json!({}));
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        answer
    };
    web::resource(path.to_owned()).route(route).route(options.to(preflight)).default_service(web::to(refused))
}

async fn not_found() -> HttpResponse {
    answer::failure(404, "NOT_FOUND", "Endpoint not found", &json!({ "availableEndpoints": ENDPOINTS }))
}

/// The JSON of a body; `None` if there is no body.
async fn json_of(request: &HttpRequest, body: Payload) -> Result<Option<Value>, Refusal> {
    let too_large = || {
        let text = format!("a body has at most {BODY_BYTES_MAX} bytes");
        MethodError::of(ErrorCode::ValueTooLarge, text).with_details(&json!({ "limit": BODY_BYTES_MAX }))
    };
    let said = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if said.is_some_and(|bytes: usize| bytes > BODY_BYTES_MAX) {
        return Err(too_large().into());
    }
    let invalid = |text: String| Refusal(MethodError::of(ErrorCode::ValidationError, text));
    // Pages of other sites may send anything but this without asking first.
    if !matches!(request.content_type(), "application/json" | "") {
        return Err(invalid("the content type must be application/json".to_owned()));
    }
    let read = tokio::time::timeout(BODY_TIME_MAX, body.to_bytes_limited(BODY_BYTES_MAX)).await;
    let read = read.map_err(|_| invalid("the body does not come".to_owned()))?.map_err(|_| too_large())?;
    let bytes = read.map_err(|error| invalid(format!("the body cannot be read: {error}")))?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let read = serde_json::from_slice(&bytes);
    read.map(Some).map_err(|error| invalid(format!("the body is not JSON: {error}")))
}

/// A body that is a JSON object; none counts as an empty one.
async fn object(request: &HttpRequest, body: Payload) -> Result<Map<String, Value>, Refusal> {
    match json_of(request, body).await? {
        None => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(MethodError::of(ErrorCode::ValidationError, "the body is not a JSON object").into()),
    }
}
