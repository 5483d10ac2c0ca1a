//! `/api/v1/publish`: publications from whoever has no socket.

use actix_web::HttpResponse;
use actix_web::web::{self, Payload, ServiceConfig};
use serde_json::json;

use super::answer::{Failure, envelope};
use super::rest::Rest;
use super::shapes::{Envelope, ErrorAnswer, Publication};
use super::{at, body};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(at("/publish", "POST", [web::post().to(publish)]));
}

/// Publishes on a topic. Done once it is queued for every subscriber, and with a durable history on the disk.
#[utoipa::path(
    post, path = "/api/v1/publish", tag = "topics", request_body = Publication,
    security(("bearer" = []), ("key" = [])),
    responses((status = 200, body = Envelope), (status = "default", body = ErrorAnswer))
)]
pub(super) async fn publish(rest: Rest, payload: Payload) -> Result<HttpResponse, Failure> {
    let Publication { topic, data, tags } = body::read(&rest.request, payload).await?;
    let mut wish = json!({ "topic": topic, "data": data });
    if let Some(tags) = tags {
        wish["tags"] = json!(tags);
    }
    let published = rest.call("topic:publish", &wish).await?;
    Ok(envelope(&rest.request, published))
}
