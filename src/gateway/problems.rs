//! Answers to requests that no route takes.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue, UPGRADE};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

/// 404 that says where to look instead.
pub(super) fn not_found(request: &HttpRequest) -> HttpResponse {
    let text = format!("there is nothing at {}", request.path());
    problem(StatusCode::NOT_FOUND, "NOT_FOUND", &text)
}

/// A request for a socket that asks for no upgrade.
pub(super) async fn upgrade_required() -> HttpResponse {
    let text = "a WebSocket is opened here: ask for an upgrade";
    let mut response = problem(StatusCode::UPGRADE_REQUIRED, "UPGRADE_REQUIRED", text);
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    response
}

pub(super) async fn method_not_allowed(request: HttpRequest) -> HttpResponse {
    let text = format!("{} is not answered at {}", request.method(), request.path());
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", &text);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn problem(status: StatusCode, code: &str, text: &str) -> HttpResponse {
    let body = json!({
        "error": { "code": code, "message": text },
        "see": ["/health", "/ready", "/metrics", "/helios.js", "/docs", "WebSocket: / or /ws"],
    });
    HttpResponse::build(status).json(body)
}
