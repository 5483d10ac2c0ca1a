//! What is answered in which place.

use std::sync::Arc;

use actix_http::ConnectionType;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::RETRY_AFTER;
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};
use serde_json::json;

use super::HttpSocket;

/// Paths that are answered in the places that are kept.
const KEPT_PATHS: [&str; 3] = ["/health", "/ready", "/metrics"];

/// Says that a connection is at work, and refuses what is not answered in its place.
pub(in super::super) async fn at_work<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let socket = request.request().conn_data::<Arc<HttpSocket>>().cloned();
    let _work = socket.as_ref().map(HttpSocket::begin);
    let mut kept = socket.as_ref().is_some_and(|socket| socket.is_kept());
    if let Some(socket) = socket.as_ref().filter(|_| kept && !KEPT_PATHS.contains(&request.path())) {
        kept = !socket.promote().await;
    }
    let mut response = if kept && !KEPT_PATHS.contains(&request.path()) {
        let text = "too many connections: try again soon";
        let body = json!({ "error": { "code": "TOO_MANY_CONNECTIONS", "message": text } });
        let answer = HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, "1")).json(body);
        request.into_response(answer).map_into_right_body()
    } else {
        next.call(request).await?.map_into_left_body()
    };
    if kept {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}
