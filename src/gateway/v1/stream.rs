//! An answer as server-sent events: what the method tells while it works, then its result or its error.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::Bytes;
use futures_util::stream;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::answer::Failure;
use super::rest::Rest;

/// The type of the answer.
pub(super) const EVENTS: &str = "text/event-stream";

/// What a method may tell that nobody has read; beyond it, it is told that its caller is too slow.
const WAITING_MAX: usize = 256;

/// A line that means nothing is sent this often, so that nobody on the way takes the connection for dead.
const QUIET: Duration = Duration::from_secs(15);

/// The head of the answer comes at the latest after this time; what fails until then has a status of its own.
const HEAD: Duration = Duration::from_millis(250);

type Result = std::result::Result<Json, Failure>;

/// Calls a method and streams what it says. One that fails before it has said anything is answered as everywhere.
/// Whoever hangs up cancels it.
pub(super) async fn answer(
    rest: Rest,
    method: String,
    payload: Json,
) -> std::result::Result<HttpResponse, Failure> {
    let apart = rest.wait_apart()?;
    let (told, mut telling) = mpsc::channel(WAITING_MAX);
    let (done, mut result) = mpsc::channel::<Result>(1);
    let (alive, gone) = mpsc::channel::<()>(1);
    actix_rt::spawn(async move {
        tokio::select! {
            // In a task of its own, so that it ends when it ends, whoever reads slowly.
            result = rest.call_telling(&method, &payload, Some(told)) => drop(done.send(result).await),
            () = alive.closed() => {}
        }
    });
    let first = tokio::select! {
        biased;
        Some((topic, data)) = telling.recv() => event(&topic, &data),
        result = result.recv() => match result {
            Some(Err(failure)) => return Err(failure),
            Some(Ok(data)) => return Ok(events(stream::iter([Ok(finished(Ok(data)))]))),
            None => Bytes::new(),
        },
        // Whoever waits hears early that it is a stream.
        () = tokio::time::sleep(HEAD) => Bytes::from_static(b":\n\n"),
    };
    // The connection counts as waiting as long as the stream lasts.
    let state = (Some(first), telling, Some(result), (gone, apart));
    Ok(events(stream::unfold(state, |(first, mut telling, result, gone)| async {
        if let Some(first) = first {
            return Some((Ok(first), (None, telling, result, gone)));
        }
        let mut waited = result?;
        let next = tokio::select! {
            biased;
            Some((topic, data)) = telling.recv() => event(&topic, &data),
            result = waited.recv() => return Some((Ok(finished(result?)), (None, telling, None, gone))),
            () = tokio::time::sleep(QUIET) => Bytes::from_static(b":\n\n"),
        };
        Some((Ok(next), (None, telling, Some(waited), gone)))
    })))
}

fn events(
    body: impl stream::Stream<Item = std::result::Result<Bytes, actix_web::Error>> + 'static,
) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, EVENTS))
        .insert_header((CACHE_CONTROL, "no-store"))
        // Proxies that would wait for more before they pass it on.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body)
}

fn finished(result: Result) -> Bytes {
    match result {
        Ok(data) => event("result", &json!({ "data": data })),
        Err(failure) => event("error", &json!({ "error": failure.told() })),
    }
}

/// An event. JSON has no line ends of its own.
fn event(name: &str, data: &Json) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}
