//! Files that are inside the binary: the client bundle and the playground.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "client-js/dist/"]
struct Client;

#[derive(RustEmbed)]
#[folder = "playground/"]
struct Playground;

/// `GET /helios.js`: the client, bundled and minified.
pub(super) async fn client(request: HttpRequest) -> HttpResponse {
    file(&request, Client::get("helios.js"), "text/javascript; charset=utf-8")
}

/// `GET /helios-core.js`: the client without sessions.
pub(super) async fn client_core(request: HttpRequest) -> HttpResponse {
    file(&request, Client::get("helios-core.js"), "text/javascript; charset=utf-8")
}

/// `GET /helios-worker.js`: what works on jobs.
pub(super) async fn client_worker(request: HttpRequest) -> HttpResponse {
    file(&request, Client::get("helios-worker.js"), "text/javascript; charset=utf-8")
}

/// `GET /jobs`: queues, running jobs, failures and schedules.
pub(super) async fn jobs(request: HttpRequest) -> HttpResponse {
    file(&request, Playground::get("jobs.html"), "text/html; charset=utf-8")
}

/// `GET /`: the playground.
pub(super) async fn playground(request: HttpRequest) -> HttpResponse {
    file(&request, Playground::get("index.html"), "text/html; charset=utf-8")
}

/// `GET /live`: what happens on the server, as it happens.
pub(super) async fn live(request: HttpRequest) -> HttpResponse {
    file(&request, Playground::get("live.html"), "text/html; charset=utf-8")
}

/// `GET /universes`: the tree of universes, and what can be done with them.
pub(super) async fn universes(request: HttpRequest) -> HttpResponse {
    file(&request, Playground::get("universes.html"), "text/html; charset=utf-8")
}

/// `GET /playground/{name}`: what the playground is made of.
pub(super) async fn playground_file(request: HttpRequest) -> HttpResponse {
    let name = request.match_info().query("name");
    let kind = match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    file(&request, Playground::get(name), kind)
}

fn file(request: &HttpRequest, found: Option<EmbeddedFile>, kind: &'static str) -> HttpResponse {
    let Some(file) = found else { return super::problems::not_found(request) };
    let hash: String = file.metadata.sha256_hash()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{hash}\"");
    let known = request.headers().get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut answer = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((ETAG, tag)).insert_header((CACHE_CONTROL, "no-cache"));
    if known {
        return answer.finish();
    }
    answer.insert_header((CONTENT_TYPE, kind)).body(file.data.into_owned())
}
