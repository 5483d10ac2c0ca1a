//! Bodies and queries: read whole, within limits of length and time, and named where they are wrong.

use std::fmt;
use std::time::Duration;

use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::Payload;
use actix_web::{HttpMessage, HttpRequest};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::answer::Failure;
use crate::dispatch::MethodError;
use crate::protocol::ErrorCode;

/// The longest body.
const BYTES_MAX: usize = 10 * 1024 * 1024;

/// The longest body where anybody may send one.
const SHORT_BYTES_MAX: usize = 64 * 1024;

/// The longest time that a body may take to come.
const TIME_MAX: Duration = Duration::from_secs(60);

fn invalid(text: String) -> Failure {
    Failure::of(&MethodError::of(ErrorCode::ValidationError, text), false)
}

/// The JSON of a body; null if there is none.
pub(super) async fn json(request: &HttpRequest, body: Payload) -> Result<Json, Failure> {
    let bytes = bytes(request, body, BYTES_MAX).await?;
    if bytes.is_empty() {
        return Ok(Json::Null);
    }
    serde_json::from_slice(&bytes).map_err(|error| invalid(format!("the body is not JSON: {error}")))
}

/// A body of a known shape.
pub(super) async fn read<T: DeserializeOwned>(request: &HttpRequest, body: Payload) -> Result<T, Failure> {
    typed(&bytes(request, body, BYTES_MAX).await?)
}

/// A body of a known shape, where there may be none.
pub(super) async fn read_if_any<T: DeserializeOwned + Default>(
    request: &HttpRequest,
    body: Payload,
) -> Result<T, Failure> {
    let bytes = bytes(request, body, BYTES_MAX).await?;
    if bytes.is_empty() { Ok(T::default()) } else { typed(&bytes) }
}

/// A body of a known shape from anybody: nothing long is kept for those.
pub(super) async fn read_short<T: DeserializeOwned>(
    request: &HttpRequest,
    body: Payload,
) -> Result<T, Failure> {
    typed(&bytes(request, body, SHORT_BYTES_MAX).await?)
}

fn typed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    if bytes.is_empty() {
        return Err(invalid("the body is missing: a JSON object is expected".to_owned()));
    }
    // A list of the values in their order would do for the reader, and is described nowhere.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(invalid("the body does not fit: a JSON object is expected, not an array".to_owned()));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut reader);
    let read = read.map_err(|error| invalid(format!("the body does not fit: {}", placed(&error))))?;
    reader.end().map_err(|error| invalid(format!("the body is not JSON: {error}")))?;
    Ok(read)
}

/// A query of a known shape.
pub(super) fn query<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Failure> {
    let pairs = form_urlencoded::parse(request.query_string().as_bytes());
    let read = serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs));
    read.map_err(|error| invalid(format!("the query does not fit: {}", placed(&error))))
}

/// An error with the place where it is.
fn placed<E: fmt::Display>(error: &serde_path_to_error::Error<E>) -> String {
    let text = masked(&error.inner().to_string());
    match error.path().to_string() {
        path if path == "." => text,
        path => format!("{path}: {text}"),
    }
}

/// An error without the value that does not fit: it may be a password in the wrong place.
fn masked(text: &str) -> String {
    match text.rsplit_once(", expected ") {
        Some((found, expected)) if found.starts_with("invalid type: ") => {
            // What kind of value it is stands before it.
            let kind = found.split(['`', '"']).next().unwrap_or_default().trim_end();
            format!("{kind}, expected {expected}")
        }
        _ => text.to_owned(),
    }
}

async fn bytes(
    request: &HttpRequest,
    body: Payload,
    bytes_max: usize,
) -> Result<actix_web::web::Bytes, Failure> {
    let too_large = || {
        let text = format!("a body has at most {bytes_max} bytes");
        Failure::of(&MethodError::of(ErrorCode::ValueTooLarge, text), false)
    };
    let said = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if said.is_some_and(|bytes: usize| bytes > bytes_max) {
        return Err(too_large());
    }
    // Pages of other sites may send anything but this without asking first.
    if !matches!(request.content_type(), "application/json" | "") {
        return Err(invalid("the content type must be application/json".to_owned()));
    }
    let read = tokio::time::timeout(TIME_MAX, body.to_bytes_limited(bytes_max)).await;
    let late = || Failure::plain(408, "REQUEST_TIMEOUT", "the body does not come");
    let read = read.map_err(|_| late())?.map_err(|_| too_large())?;
    read.map_err(|error| invalid(format!("the body cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Wish {
        #[allow(dead_code, reason = "only read")]
        password: String,
    }

    #[test]
    fn what_does_not_fit_is_named_and_not_repeated() {
        for (body, told) in [
            (
                r#"{"password":12345678}"#,
                "password: invalid type: integer, expected a string at line 1 column 20",
            ),
            (r#""my `secret`, expected""#, "invalid type: string, expected struct Wish at line 1 column 23"),
            (
                r#"{"password":["my secret"]}"#,
                "password: invalid type: sequence, expected a string at line 1 column 12",
            ),
            (r#"{"pass":"my secret"}"#, "unknown field `pass`, expected `password`"),
            ("{}", "missing field `password` at line 1 column 2"),
        ] {
            let text = typed::<Wish>(body.as_bytes()).unwrap_err().to_string();
            assert!(text.contains(told), "{text}");
            assert!(!text.contains("secret") && !text.contains("12345678"), "{text}");
        }
    }
}
