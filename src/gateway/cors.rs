//! Which pages may read answers, and what a page of ours may load.

use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    VARY,
};

use super::same_origin;
use crate::base::Origins;

/// Headers of every answer. Scripts only from ourselves, nothing from elsewhere, no framing.
const SECURITY: [(&str, &str); 11] = [
    (
        "content-security-policy",
        "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; object-src 'none'; \
         base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("origin-agent-cluster", "?1"),
    // Browsers heed it over TLS only.
    ("strict-transport-security", "max-age=15552000; includeSubDomains"),
    ("x-dns-prefetch-control", "off"),
    ("x-download-options", "noopen"),
    ("x-frame-options", "SAMEORIGIN"),
    ("x-permitted-cross-domain-policies", "none"),
    ("x-xss-protection", "0"),
];

/// What a page of another origin may send.
const ASKED: &str = "content-type, authorization, x-api-key, x-request-id, if-match, if-none-match";

/// What it may read of an answer.
const TOLD: &str = "x-request-id, etag, retry-after, ratelimit-policy, ratelimit-limit, ratelimit-remaining, \
                    ratelimit-reset";

/// Who may load an answer into a page of its own: the client is for pages from anywhere.
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Adds what browsers are told to an answer.
pub(super) fn decorate<B>(response: &mut ServiceResponse<B>, allowed: &Origins) {
    let preflight = response.request().method() == Method::OPTIONS;
    let origin = response.request().headers().get(ORIGIN).cloned();
    let request = response.request();
    let authority = same_origin::authority(request.uri(), request.headers()).map(str::to_owned);
    let client = response.request().path().ends_with(".js");
    let headers = response.headers_mut();
    for (name, value) in SECURITY {
        let name = HeaderName::from_static(name);
        // A page may have said something of its own.
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    let resource = if client { "cross-origin" } else { "same-origin" };
    headers.insert(RESOURCE, HeaderValue::from_static(resource));
    if !allowed.any() {
        // One header: not everybody reads a second one.
        let others = headers.get_all(VARY).filter_map(|value| value.to_str().ok()).map(str::to_owned);
        let all: Vec<String> = others.chain(["origin".to_owned()]).collect();
        if let Ok(value) = HeaderValue::from_str(&all.join(", ")) {
            headers.insert(VARY, value);
        }
    }
    if let Some(origin) = origin {
        allow(headers, &origin, (allowed, authority.as_deref()), preflight);
    }
}

fn allow(
    headers: &mut HeaderMap,
    origin: &HeaderValue,
    (allowed, authority): (&Origins, Option<&str>),
    preflight: bool,
) {
    if allowed.any() {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else {
        if !allowed.allow(origin.to_str().unwrap_or_default(), authority) {
            return;
        }
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(TOLD));
    if preflight {
        headers
            .insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ASKED));
    }
}
