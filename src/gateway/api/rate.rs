//! How often one address may ask below `/api`: so many requests in a window of time, told in headers.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::middleware::Next;
use actix_web::web::Data;
use parking_lot::Mutex;
use serde_json::json;

use super::answer::failure;
use crate::base::{BoundedTable, network};
use crate::gateway::observe;
use crate::gateway::serve::Surroundings;

/// Addresses that are remembered. Beyond them, those whose window is over are forgotten, and whoever is new shares a
/// window with others.
const ADDRESSES_MAX: usize = 100_000;

/// Who has asked how often. Clones mean the same.
#[derive(Clone, Debug)]
pub(in super::super) struct ApiRate(Arc<Mutex<BoundedTable<IpAddr, Window>>>);

impl Default for ApiRate {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(BoundedTable::new(ADDRESSES_MAX))))
    }
}

#[derive(Clone, Copy, Debug)]
struct Window {
    ends_ms: u64,
    requests: u64,
}

/// What an address may still do.
struct Left {
    allowed: bool,
    remaining: u64,
    /// Seconds until the window ends.
    reset_s: u64,
}

impl ApiRate {
    fn take(&self, address: IpAddr, limit: u64, window_ms: u64, now_ms: u64) -> Left {
        let mut windows = self.0.lock();
        let fresh = || Window { ends_ms: 0, requests: 0 };
        let window = windows.entry(&address, fresh, |window| window.ends_ms <= now_ms);
        // A window that ends later than one that begins now was begun by a clock that has been put back since.
        if window.ends_ms <= now_ms || window.ends_ms > now_ms + window_ms {
            *window = Window { ends_ms: now_ms + window_ms, requests: 0 };
        }
        window.requests = window.requests.saturating_add(1);
        Left {
            allowed: window.requests <= limit,
            remaining: limit.saturating_sub(window.requests),
            reset_s: (window.ends_ms - now_ms).div_ceil(1_000),
        }
    }
}

/// Asks before each request below `/api`, and tells in the headers of its answer.
pub(in super::super) async fn limit<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let around = request.app_data::<Data<Surroundings>>().cloned();
    let Some(around) = around.filter(|around| around.options.api_requests_max > 0) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let (limit, window) = (around.options.api_requests_max, around.options.api_window.get());
    let address = observe::address_of(&request).map_or(IpAddr::from([0, 0, 0, 0]), network);
    let now_ms = around.shared.clock.now_ms();
    let left = around.api_rate.take(address, limit, window.as_millis() as u64, now_ms);
    let mut response = if left.allowed {
        next.call(request).await?.map_into_boxed_body()
    } else {
        around.shared.metrics.rate_limited.with_label_values(&["demo"]).inc();
        let text = format!("Too many requests; try again in {} s", left.reset_s);
        let answer =
            failure(429, "RATE_LIMIT_EXCEEDED", &text, &json!({ "limit": limit, "reset": left.reset_s }));
        request.into_response(answer).map_into_boxed_body()
    };
    let headers = response.headers_mut();
    let mut tell = |name: &'static str, text: String| {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    tell("ratelimit-policy", format!("{limit};w={}", window.as_secs()));
    tell("ratelimit-limit", limit.to_string());
    tell("ratelimit-remaining", left.remaining.to_string());
    tell("ratelimit-reset", left.reset_s.to_string());
    if !left.allowed {
        headers.insert(RETRY_AFTER, HeaderValue::from(left.reset_s));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_lets_so_many_through_and_then_the_next_one_does() {
        let (rate, address) = (ApiRate::default(), IpAddr::from([127, 0, 0, 1]));
        let take = |now_ms| rate.take(address, 3, 1_000, now_ms);
        let first: Vec<_> = (0..4).map(|_| take(500)).map(|left| (left.allowed, left.remaining)).collect();
        assert_eq!(first, [(true, 2), (true, 1), (true, 0), (false, 0)]);
        assert_eq!((take(1_499).allowed, take(1_499).reset_s), (false, 1));
        assert!(take(1_500).allowed);
        assert!(rate.take(IpAddr::from([127, 0, 0, 2]), 3, 1_000, 500).allowed);
    }
}
