//! `/api/v1/rpc/{method}`: every method over HTTP. Whoever takes `text/event-stream` is told what the method says while
//! it works.

use actix_web::HttpResponse;
use actix_web::http::header::ACCEPT;
use actix_web::web::{self, Path, Payload, ServiceConfig};

use super::answer::{Failure, envelope};
use super::rest::Rest;
use super::{at, body, stream};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(at("/rpc/{method}", "POST", [web::post().to(call)]));
}

/// Calls a method. Its description is one of its own, by name: see `openapi`.
pub(super) async fn call(
    rest: Rest,
    method: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Failure> {
    let method = method.into_inner();
    rest.check(&method)?;
    let payload = body::json(&rest.request, payload).await?;
    let accept = rest.request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains(stream::EVENTS)) {
        return stream::answer(rest, method, payload).await;
    }
    let waits = method == "jobs:lease" && payload["waitMs"].as_u64().is_some_and(|ms| ms > 0);
    let _apart = if waits { rest.wait_apart()? } else { None };
    let answer = rest.call(&method, &payload).await?;
    Ok(envelope(&rest.request, answer))
}
