//! What an answer looks like.

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Map, Value, json};

use crate::dispatch::MethodError;
use crate::gateway::observe::REQUEST_ID;
use crate::protocol::{ErrorCode, RequestId};

/// An error of a method, as an answer.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) MethodError);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<MethodError> for Refusal {
    fn from(error: MethodError) -> Self {
        Self(error)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        let known = ErrorCode::ALL.iter().find(|code| code.as_str() == self.0.code());
        known
            .and_then(|code| StatusCode::from_u16(code.http_status()).ok())
            .unwrap_or(StatusCode::BAD_REQUEST)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let details: Option<Value> = self.0.as_failure().details.and_then(|details| details.read().ok());
        // What is wrong says more than that something is.
        let said = details.as_ref().and_then(|details| details["errors"].as_array());
        let said = said.map(|errors| errors.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "));
        let text = said.unwrap_or_else(|| self.0.message().to_owned());
        let more = details.map_or_else(|| json!({}), |details| json!({ "details": details }));
        failure(self.status_code().as_u16(), self.0.code(), &text, &more)
    }
}

/// A failure.
pub(super) fn failure(status: u16, code: &str, text: &str, more: &Value) -> HttpResponse {
    let id = request_id();
    let mut body = json!({ "success": false, "error": text, "code": code, "requestId": id });
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((REQUEST_ID, id))
        .json(body)
}

/// A success, with members beside `data`.
pub(super) fn success(data: Value, beside: Map<String, Value>) -> HttpResponse {
    let mut body = Map::from_iter([("success".to_owned(), true.into()), ("data".to_owned(), data)]);
    body.extend(beside);
    let id = request_id();
    body.insert("requestId".to_owned(), id.as_str().into());
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).insert_header((REQUEST_ID, id)).json(body)
}

/// A new id. It is in the body and in the header `X-Request-Id`.
pub(in super::super) fn request_id() -> String {
    RequestId::generate().to_string()
}
