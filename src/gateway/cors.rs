//! Which pages may read answers, and what a page of ours may load.

use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    VARY,
};

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
pub(super) fn decorate<B>(response: &mut ServiceResponse<B>, allowed: &str) {
    let preflight = response.request().method() == Method::OPTIONS;
    let origin = response.request().headers().get(ORIGIN).cloned();
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
    if allowed != "*" {
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
    if let Some(origin) = origin {
        allow(headers, &origin, allowed, preflight);
    }
}

fn allow(headers: &mut HeaderMap, origin: &HeaderValue, allowed: &str, preflight: bool) {
    if allowed == "*" {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else {
        if origin.as_bytes() != allowed.as_bytes() {
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
