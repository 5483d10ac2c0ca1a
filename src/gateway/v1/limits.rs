//! Limits around every route: an address is asked before anybody looks at who it is, and every answer says what is left.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage};

use super::super::observe;
use super::answer::Failure;
use crate::dispatch::{Face, Left, MethodError};
use crate::gateway::serve::Surroundings;

/// Where somebody gets in or stays in.
const ENTRIES: [&str; 3] = ["/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/register"];

/// Asks before each request, and tells in the headers of its answer.
pub(super) async fn limit<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let around = request.app_data::<Data<Surroundings>>().cloned();
    let address = observe::address_of(&request);
    let entering = ENTRIES.contains(&request.path());
    let asked = around.map(|around| around.shared.registry.limits().address(Face::Rest, address, entering));
    let by_address = match asked.transpose() {
        Ok(left) => left.flatten(),
        Err(exceeded) => {
            let (limit, reset_s) = (exceeded.limit, exceeded.reset_s());
            let answer = Failure::of(&MethodError::from(exceeded), false).response(request.request());
            let mut response = request.into_response(answer).map_into_boxed_body();
            tell(response.headers_mut(), Left { limit, remaining: 0, reset_s, window_s: reset_s });
            return Ok(response);
        }
    };
    let mut response = match next.call(request).await {
        Ok(response) => response.map_into_boxed_body(),
        Err(error) => return Err(error),
    };
    let failed = response.response().error().and_then(|error| error.as_error::<Failure>());
    if let Some(answer) = failed.map(|failure| failure.response(response.request())) {
        response = response.into_response(answer).map_into_boxed_body();
    }
    let by_caller = response.request().extensions().get::<Left>().copied();
    if let Some(left) = by_caller.or(by_address) {
        tell(response.headers_mut(), left);
    }
    Ok(response)
}

fn tell(headers: &mut HeaderMap, left: Left) {
    let Left { limit, remaining, reset_s, window_s } = left;
    let mut set = |name: &'static str, text: String| {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("ratelimit-policy", format!("{limit};w={window_s}"));
    set("ratelimit-limit", limit.to_string());
    set("ratelimit-remaining", remaining.to_string());
    set("ratelimit-reset", reset_s.to_string());
}
