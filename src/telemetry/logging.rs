//! Starts logging for the whole process.

use std::io::IsTerminal;

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::SubscriberInitExt;

use super::format::{JsonLines, LogFormat, TextLines};
use super::options::TelemetryOptions;

/// Why logging did not start.
#[derive(Debug, Error)]
pub enum LoggingError {
    /// `telemetry.log_level` is not a level or a filter.
    #[error("telemetry.log_level = \"{level}\" is not a level or a filter")]
    Level {
        /// What was written.
        level: String,
        /// What the parser said.
        #[source]
        source: ParseError,
    },
    /// Something in this process logs already.
    #[error("logging was started before")]
    Started,
}

/// Sends log lines of this process to standard output. Once per process.
///
/// # Errors
/// If the level is unreadable or if logging was started before.
pub fn init_logging(options: &TelemetryOptions) -> Result<(), LoggingError> {
    let level = &options.log_level;
    let filter =
        EnvFilter::try_new(level).map_err(|source| LoggingError::Level { level: level.clone(), source })?;
    // Its lines about workers tell nothing that ours do not.
    let quiet = "actix_server=warn".parse().ok().filter(|_| !level.contains("actix_server"));
    let filter = quiet.into_iter().fold(filter, EnvFilter::add_directive);
    let terminal = std::io::stdout().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let started = match options.log_format.resolve(terminal) {
        LogFormat::Text => builder.event_format(TextLines { colour: terminal }).finish().try_init(),
        _ => builder.event_format(JsonLines).finish().try_init(),
    };
    started.map_err(|_| LoggingError::Started)
}
