//! Starts logging for the whole process.

use std::io::IsTerminal;

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::SubscriberInitExt;

use super::format::{JsonLines, LogFormat, TextLines};
use super::options::TelemetryOptions;
use super::writer::LogQueue;

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
    /// The thread that writes the lines cannot be started.
    #[error("the thread that writes the log cannot be started")]
    Thread(#[source] std::io::Error),
    /// Something in this process logs already.
    #[error("logging was started before")]
    Started,
}

/// The end of the lines of this process: what waits is written when it is dropped, unless that takes long.
#[derive(Debug)]
pub struct LogGuard(LogQueue);

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// Sends log lines of this process to standard output, until the guard is dropped. Once per process. Whoever logs never
/// waits for that, and a log that cannot be written stops nothing.
///
/// # Errors
/// If the level is unreadable or if logging was started before.
pub fn init_logging(options: &TelemetryOptions) -> Result<LogGuard, LoggingError> {
    let level = &options.log_level;
    let filter =
        EnvFilter::try_new(level).map_err(|source| LoggingError::Level { level: level.clone(), source })?;
    // Lines of these about workers tell nothing that ours do not, and those about connections can be made by anybody.
    let quiet = ["actix_server=warn", "actix_http=off", "h2=off", "rustls=off"];
    let quiet = quiet.iter().filter(|it| !level.contains(it.split('=').next().unwrap_or_default()));
    let filter = quiet.filter_map(|it| it.parse().ok()).fold(filter, EnvFilter::add_directive);
    let terminal = std::io::stdout().is_terminal();
    let format = options.log_format.resolve(terminal);
    let notice = move |lines| super::format::dropped(format, lines);
    let queue = LogQueue::start(std::io::stdout(), notice).map_err(LoggingError::Thread)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(queue.clone())
        .log_internal_errors(false);
    let started = match format {
        LogFormat::Text => builder.event_format(TextLines { colour: terminal }).finish().try_init(),
        _ => builder.event_format(JsonLines).finish().try_init(),
    };
    started.map(|()| LogGuard(queue)).map_err(|_| LoggingError::Started)
}

/// What is wrong with a filter. The parser takes a word that it does not know for the name of a module, and turns
/// everything else off.
pub(super) fn level_problem(filter: &str) -> Option<String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let wrong = filter.split(',').map(str::trim).find(|part| {
        let level = part.rsplit_once('=').map_or(*part, |(_, level)| level);
        !LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level))
    });
    wrong.map(|part| {
        format!("\"{part}\" is neither a level (off, error, warn, info, debug, trace) nor a module and its level, such as helios::starling=debug")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_level_is_told() {
        for fine in ["info", "WARN", "info,helios::starling=debug", "off", "helios[span{x=1}]=trace"] {
            assert_eq!(level_problem(fine), None, "{fine}");
        }
        for wrong in ["inof", "", "info,helios::starling", "info,helios=verbose", "info,,debug"] {
            assert!(level_problem(wrong).is_some(), "{wrong}");
        }
    }
}
