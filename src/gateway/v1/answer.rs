//! What answers look like.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};
use serde_json::{Map, Value as Json, json};

use crate::dispatch::MethodError;
use crate::gateway::health::iso_time;
use crate::gateway::observe::request_id_of;
use crate::gateway::serve::Surroundings;
use crate::protocol::ErrorCode;

/// Why a request is not answered as it wished.
#[derive(Debug)]
pub(super) struct Failure {
    status: u16,
    code: String,
    message: String,
    details: Option<Json>,
}

impl Failure {
    /// A failure that no method has.
    pub(super) fn plain(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), details: None }
    }

    /// An error of a method. Whoever has not said who it is may be allowed once it has.
    pub(super) fn of(error: &MethodError, anonymous: bool) -> Self {
        let known = ErrorCode::ALL.iter().find(|code| code.as_str() == error.code());
        let details: Option<Json> = error.as_failure().details.and_then(|details| details.read().ok());
        let (code, message, details) = (error.code().to_owned(), error.message().to_owned(), details);
        let denied = anonymous && known == Some(&ErrorCode::PermissionDenied);
        let needed = |details: &Json| details["permission"].is_string() || details["topic"].is_string();
        if denied && details.as_ref().is_some_and(needed) {
            let of = ErrorCode::Unauthenticated;
            let (code, status) = (of.as_str().to_owned(), of.http_status());
            return Self { status, code, message: of.text().to_owned(), details };
        }
        let status = known.map_or(400, |code| code.http_status());
        Self { status, code, message, details: details.map(|details| fields(known, details)) }
    }

    /// The failure as an answer to a request.
    pub(super) fn response(&self, request: &HttpRequest) -> HttpResponse {
        let mut answer = self.head();
        answer.json(json!({ "status": "error", "error": self.told(), "meta": meta(request) }))
    }

    fn head(&self) -> HttpResponseBuilder {
        let mut answer = no_store(self.status_code());
        if self.status == 401 {
            answer.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"helios\""));
        }
        if let Some(reset) = self.details.as_ref().and_then(|details| details["reset"].as_u64()) {
            answer.insert_header((RETRY_AFTER, reset.to_string()));
        } else if self.status == 503 {
            answer.insert_header((RETRY_AFTER, "1"));
        }
        answer
    }

    /// As it is told inside a stream.
    pub(super) fn told(&self) -> Json {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(details) = &self.details {
            error["details"] = details.clone();
        }
        error
    }
}

/// What does not fit, member by member.
fn fields(code: Option<&ErrorCode>, details: Json) -> Json {
    let ours = code == Some(&ErrorCode::ValidationError);
    let Some(errors) = details["errors"].as_array().filter(|_| ours) else { return details };
    let field = |text: &Json| {
        let text = text.as_str().unwrap_or_default();
        let (place, message) = text.split_once(": ").unwrap_or(("payload", text));
        json!({ "field": place, "message": message })
    };
    errors.iter().map(field).collect()
}

/// What is said of every request.
pub(super) fn meta(request: &HttpRequest) -> Json {
    let around = request.app_data::<actix_web::web::Data<Surroundings>>();
    let now_ms = around.map(|around| around.shared.clock.now_ms()).unwrap_or_default();
    json!({
        "timestamp": iso_time(now_ms),
        "request_id": request_id_of(request).to_string(),
        "version": "1.0",
    })
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Without what says which request it was: that comes around every route.
    fn error_response(&self) -> HttpResponse {
        self.head().finish()
    }
}

/// A bare object.
pub(super) fn bare(status: StatusCode, data: &Json) -> HttpResponse {
    no_store(status).json(data)
}

/// An object in an envelope.
pub(super) fn envelope(request: &HttpRequest, data: Json) -> HttpResponse {
    let all = Map::from_iter([
        ("status".to_owned(), "success".into()),
        ("data".to_owned(), data),
        ("meta".to_owned(), meta(request)),
    ]);
    no_store(StatusCode::OK).json(all)
}

pub(super) fn no_store(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer.insert_header((CACHE_CONTROL, "no-store"));
    answer
}
