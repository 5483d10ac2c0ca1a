//! What happens around every HTTP request: its id, its span, its log line, its metrics, its headers.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, HttpRequest};

use super::client_address::client_address;
use super::cors;
use super::serve::Surroundings;
use crate::protocol::RequestId;
use crate::telemetry::enter_request;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Wraps every route.
pub(super) async fn observe<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let started = Instant::now();
    let given = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok());
    let id = given.and_then(RequestId::parse).unwrap_or_else(RequestId::generate);
    request.extensions_mut().insert(id);
    let method = known_method(request.method().as_str());
    let around = request.app_data::<Data<Surroundings>>().cloned();
    let trusted = around.as_ref().map_or(&[][..], |around| &around.proxies);
    let address = client_address(request.peer_addr(), request.headers(), trusted);
    request.extensions_mut().insert(ClientAddress(address));
    let access = around.as_ref().filter(|around| around.options.access_log).map(|_| Access::of(&request));
    let mut response = next.call(request).await?;
    let route = response.request().match_pattern().unwrap_or_else(|| "unknown".into());
    let status = response.status().as_u16();
    let took = started.elapsed();
    // An answer that names an id in its body has told it already.
    if !response.headers().contains_key(&REQUEST_ID)
        && let Ok(value) = HeaderValue::from_str(id.as_str())
    {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if let Some(around) = around {
        around.shared.metrics.observe_http(method, &route, status, took);
        cors::decorate(&mut response, &around.web.http);
    }
    let _scope = enter_request(id.as_ascii());
    if let Some(access) = access {
        access.log(response.request(), method, status, took);
    }
    tracing::debug!(method, route, status, took_us = took.as_micros() as u64, "http request");
    Ok(response)
}

/// What the access log says of a request beside its answer.
struct Access {
    path: String,
    address: Option<IpAddr>,
}

impl Access {
    fn of(request: &ServiceRequest) -> Self {
        // Without the query: tokens may be in it.
        Self { path: request.path().to_owned(), address: address_of(request) }
    }

    fn log(self, request: &HttpRequest, method: &str, status: u16, took: Duration) {
        let Self { path, address } = self;
        let user = request.extensions().get::<CallerName>().map(|name| name.0.clone());
        tracing::info!(
            target: "access", method, path, status, took_us = took.as_micros() as u64,
            address = address.map(|address| address.to_string()), user, "request",
        );
    }
}

/// The address that a request counts for.
struct ClientAddress(Option<IpAddr>);

/// The address that a request counts for: behind a trusted proxy, that of the client.
pub(super) fn address_of(request: &impl HttpMessage) -> Option<IpAddr> {
    request.extensions().get::<ClientAddress>().and_then(|address| address.0)
}

/// The name of whoever sent a request, once that is known.
#[derive(Debug)]
pub(super) struct CallerName(pub(super) String);

/// The id of a request: the one that it has brought, or one that it has got.
pub(super) fn request_id_of(request: &HttpRequest) -> RequestId {
    request.extensions().get().copied().unwrap_or_else(RequestId::generate)
}

/// Methods are chosen by peers; labels are not.
fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}
