//! Answers over 1 KiB are compressed for those who take brotli or gzip.

use std::io::Write;

use actix_web::Error;
use actix_web::body::{BodySize, BoxBody, MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue, RANGE, VARY};
use actix_web::middleware::Next;
use brotli::CompressorWriter;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Answers up to this length go as they are: compressed they would not be shorter by much.
const PLAIN_BYTES_MAX: usize = 1_024;

/// Wraps every route. All answers here are in memory as a whole.
pub(super) async fn compress<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let coding = Coding::of(request.headers()).filter(|_| !request.headers().contains_key(RANGE));
    let response = next.call(request).await?.map_into_boxed_body();
    let is_whole = matches!(response.response().body().size(), BodySize::Sized(_));
    let Some(coding) = coding.filter(|_| is_whole && !response.headers().contains_key(CONTENT_ENCODING))
    else {
        return Ok(response);
    };
    let (request, response) = response.into_parts();
    let (head, body) = response.into_parts();
    let bytes = to_bytes(body).await.map_err(actix_web::error::ErrorInternalServerError)?;
    if bytes.len() <= PLAIN_BYTES_MAX {
        return Ok(ServiceResponse::new(request, head.set_body(bytes).map_into_boxed_body()));
    }
    let mut response = head.set_body(coding.encode(&bytes)?).map_into_boxed_body();
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    response.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
    Ok(ServiceResponse::new(request, response))
}

/// How an answer is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Coding {
    Brotli,
    Gzip,
}

impl Coding {
    fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The one that is wanted most; brotli, if both are as much.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let weight = |coding: Self| {
            let values = headers.get_all(ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
            let mut all = values.flat_map(|value| value.split(',')).map(|coding| {
                let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
                let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
                (name.trim(), weight.unwrap_or(1.0))
            });
            let found = all.find(|(name, _)| name.eq_ignore_ascii_case(coding.name()));
            found.map(|(_, weight)| weight).filter(|weight| *weight > 0.0)
        };
        match (weight(Self::Brotli), weight(Self::Gzip)) {
            (Some(brotli), gzip) if gzip.is_none_or(|gzip| brotli >= gzip) => Some(Self::Brotli),
            (_, gzip) => gzip.map(|_| Self::Gzip),
        }
    }

    fn encode(self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let into = Vec::with_capacity(bytes.len() / 2);
        match self {
            Self::Brotli => {
                let mut encoder = CompressorWriter::new(into, BROTLI_BUFFER, BROTLI_QUALITY, BROTLI_WINDOW);
                encoder.write_all(bytes)?;
                Ok(encoder.into_inner())
            }
            Self::Gzip => {
                let mut encoder = GzEncoder::new(into, Compression::fast());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
        }
    }
}

/// About as fast as gzip at its fastest, and shorter.
const BROTLI_QUALITY: u32 = 3;
const BROTLI_WINDOW: u32 = 20;
const BROTLI_BUFFER: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_most_is_taken() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(text));
            Coding::of(&headers)
        };
        for text in ["gzip", "GZIP;q=0.5", "deflate,gzip", "br;q=0, gzip", "br;q=0.5,gzip;q=0.9"] {
            assert_eq!(of(text), Some(Coding::Gzip), "{text}");
        }
        for text in ["br", "gzip, deflate, br", "gzip;q=0.5, br;q=0.5"] {
            assert_eq!(of(text), Some(Coding::Brotli), "{text}");
        }
        for text in ["gzip;q=0", "", "gzipped", "identity"] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_compressed_comes_back() {
        let text = "a key and its value, again and again; ".repeat(100);
        let packed = Coding::Brotli.encode(text.as_bytes()).unwrap();
        let mut unpacked = Vec::new();
        brotli::BrotliDecompress(&mut &packed[..], &mut unpacked).unwrap();
        assert!(packed.len() < 200 && unpacked == text.as_bytes());
    }
}
