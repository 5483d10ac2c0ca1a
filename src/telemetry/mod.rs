//! What the operator sees: the metric table, log lines, and the request that a log line belongs to.
//!
//! Rooms describe what happened; names and labels live here. Labels come from closed sets, never from ids
//! or from what a peer sent.

mod atlas;
mod format;
mod jobs;
mod logging;
mod metrics;
mod options;
mod scope;
mod sessions;
mod topics;
mod universes;
mod writer;

pub use atlas::AtlasMetrics;
pub use format::LogFormat;
pub use jobs::JobMetrics;
pub use logging::{LogGuard, LoggingError, init_logging};
pub use metrics::{CallMetrics, Metrics};
pub use options::TelemetryOptions;
pub use scope::{RequestScope, current_request_id, enter_request};
pub use sessions::SessionMetrics;
pub use topics::TopicMetrics;
pub use universes::UniverseMetrics;
pub use writer::log_lines_dropped;
