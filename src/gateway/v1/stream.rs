//! An answer as server-sent events: what the method tells while it works, then its result or its error.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::Bytes;
use futures_util::stream;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::rest::Rest;

/// The type of the answer.
pub(super) const EVENTS: &str = "text/event-stream";

/// Events that may wait for a slow reader; the method waits with them.
const WAITING_MAX: usize = 64;

/// A line that means nothing is sent this often, so that nobody on the way takes the connection for dead.
const QUIET: Duration = Duration::from_secs(15);

/// Calls a method and streams what it says. Whoever hangs up cancels it.
pub(super) fn answer(rest: Rest, method: String, payload: Json) -> HttpResponse {
    let (events, coming) = mpsc::channel::<Bytes>(WAITING_MAX);
    actix_rt::spawn(async move {
        let gone = events.clone();
        tokio::select! {
            () = run(&rest, &method, &payload, &events) => {}
            () = gone.closed() => {}
        }
    });
    let body = stream::unfold(coming, |mut coming| async {
        let event = coming.recv().await?;
        Some((Ok::<Bytes, actix_web::Error>(event), coming))
    });
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, EVENTS))
        .insert_header((CACHE_CONTROL, "no-store"))
        // Proxies that would wait for more before they pass it on.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body)
}

async fn run(rest: &Rest, method: &str, payload: &Json, events: &mpsc::Sender<Bytes>) {
    let (told, mut telling) = mpsc::unbounded_channel();
    let call = rest.call_telling(method, payload, Some(told));
    tokio::pin!(call);
    let result = loop {
        let next = tokio::select! {
            biased;
            Some((topic, data, _)) = telling.recv() => event(&topic, &data),
            result = &mut call => break result,
            () = tokio::time::sleep(QUIET) => Bytes::from_static(b":\n\n"),
        };
        if events.send(next).await.is_err() {
            return;
        }
    };
    while let Ok((topic, data, _)) = telling.try_recv() {
        let _ = events.send(event(&topic, &data)).await;
    }
    let last = match result {
        Ok(data) => event("result", &json!({ "data": data })),
        Err(failure) => event("error", &json!({ "error": failure.told() })),
    };
    let _ = events.send(last).await;
}

/// An event. JSON has no line ends of its own.
fn event(name: &str, data: &Json) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}
