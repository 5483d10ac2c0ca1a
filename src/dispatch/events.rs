//! What can go wrong in a handler, told to the log and the metrics in one place.

use tracing::{error, warn};

use super::context::Context;
use super::error::MethodError;
use crate::telemetry::Metrics;

/// A second answer, or one after the time was up.
pub(super) fn late_answer(context: &Context, metrics: &Metrics) {
    metrics.late_answers.inc();
    warn!(method = context.method(), request_id = %context.request_id(), "a request was answered again");
}

/// A handler panicked. The panic hook has printed where.
pub(super) fn panicked(context: &Context, metrics: &Metrics) {
    metrics.handler_panics.inc();
    error!(method = context.method(), request_id = %context.request_id(), "a method handler panicked");
}

/// A caller was answered with an error.
pub(super) fn failed(context: &Context, error: &MethodError) {
    tracing::debug!(
        method = context.method(),
        request_id = %context.request_id(),
        code = error.code(),
        "a request failed"
    );
}
