//! What a page of another site may not do: ask under a name that is not ours, or change anything.
//!
//! A page can point a name of its own at this machine (DNS rebinding); then browsers take the server for the page's own.
//! So the `Host` has to be an address, a name of loopback, or one that the options name. And a page of another origin
//! may send requests without reading the answer; those that change something are refused unless the options allow it.

use std::net::IpAddr;

use actix_web::Error;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HOST, HeaderMap, ORIGIN};
use actix_web::http::uri::Authority;
use actix_web::http::{Method, StatusCode, Uri};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpResponse};
use serde_json::json;

use super::options::GatewayOptions;
use super::serve::Surroundings;
use crate::base::{Origins, split_port};

/// Names and origins that requests may come with.
#[derive(Clone, Debug)]
pub(super) struct WebRules {
    /// Whose pages may read HTTP answers and change things.
    pub(super) http: Origins,
    /// Whose pages may open sockets.
    pub(super) sockets: Origins,
    hosts: Hosts,
}

/// Under which names the server may be asked.
#[derive(Clone, Debug)]
enum Hosts {
    Any,
    /// These, apart from addresses, the names of loopback and names without a dot.
    Named(Vec<String>),
}

impl WebRules {
    pub(super) fn new(options: &GatewayOptions, sockets: &[String]) -> Self {
        // What can never match was refused when the options were checked.
        let http = Origins::parse(options.cors_origin.split(',')).unwrap_or_default();
        let sockets = Origins::parse(sockets.iter().map(String::as_str)).unwrap_or_default();
        // Over TLS the name is in the certificate: a name of somebody else's fails there.
        let any = options.tls.enabled() || options.hosts.iter().any(|host| host == "*");
        let listed = http.listed().iter().chain(sockets.listed()).map(|origin| origin.host().to_owned());
        let named = options.hosts.iter().map(|host| host.to_ascii_lowercase());
        let hosts = Hosts::Named(named.chain(listed).collect());
        Self { http, sockets, hosts: if any { Hosts::Any } else { hosts } }
    }

    /// Whether the server may be asked under this name.
    pub(super) fn knows_host(&self, authority: Option<&str>) -> bool {
        let Hosts::Named(names) = &self.hosts else { return true };
        // Only HTTP/1.0 goes without, and no browser speaks it.
        let Some(authority) = authority else { return true };
        let Some((host, _)) = split_port(authority) else { return false };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().is_ok()
            || host.ends_with(".localhost")
            || names.contains(&host)
            // Nobody can have such a name in the public DNS: it is this machine, or one in its own network.
            || !host.contains('.')
    }
}

/// The host and port that a request was sent to.
pub(super) fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    headers.get(HOST).and_then(|host| host.to_str().ok()).or_else(|| uri.authority().map(Authority::as_str))
}

/// What is said to whoever asks under a name that is not known.
pub(super) fn unknown_host(authority: Option<&str>) -> String {
    let host = authority.unwrap_or_default();
    format!("this server is not known as \"{host}\": ask by its address, or name it in gateway.hosts")
}

/// Refuses what other sites may not do, before any route is looked at.
pub(super) async fn check<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let refused = match request.app_data::<Data<Surroundings>>() {
        Some(around) => refusal(&around.web, &request),
        None => None,
    };
    let Some((status, code, text)) = refused else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let id = request.extensions().get::<crate::protocol::RequestId>().map(|id| id.as_str().to_owned());
    let body = json!({ "error": { "code": code, "message": text, "request_id": id } });
    let answer = HttpResponse::build(status).json(body);
    Ok(request.into_response(answer).map_into_right_body())
}

fn refusal(web: &WebRules, request: &ServiceRequest) -> Option<(StatusCode, &'static str, String)> {
    let authority = authority(request.uri(), request.headers());
    if !web.knows_host(authority) {
        return Some((StatusCode::MISDIRECTED_REQUEST, "HOST_UNKNOWN", unknown_host(authority)));
    }
    // What only reads cannot be read across origins without our word, and changes nothing.
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method()) {
        return None;
    }
    let origin = request.headers().get(ORIGIN)?.to_str().unwrap_or_default();
    if web.http.allow(origin, authority) {
        return None;
    }
    let text = format!(
        "pages of {origin:?} may not use this server: see gateway.cors_origin, or start with --allow-origin"
    );
    Some((StatusCode::FORBIDDEN, "ORIGIN_FORBIDDEN", text))
}
