//! How a log line looks: one JSON object a line for machines, one short line for people.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::scope::current_request_id;

/// The form of log lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// One JSON object a line.
    Json,
    /// One short line for people.
    Text,
}

impl LogFormat {
    /// Settles `Auto`.
    pub(super) fn resolve(self, terminal: bool) -> Self {
        match self {
            Self::Auto if terminal => Self::Text,
            Self::Auto => Self::Json,
            chosen => chosen,
        }
    }
}

/// `{timestamp, level, component, message, request_id?, extra{}}`.
pub(super) struct JsonLines;

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'static str,
    component: &'a str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    extra: Map<String, Value>,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = Line {
            timestamp: Timestamp::now().to_string(),
            level: level_name(event.metadata().level()),
            component: component(event.metadata().target()),
            message: fields.message,
            request_id: fields.request_id.or_else(current_request_id),
            extra: fields.extra,
        };
        writeln!(out, "{}", serde_json::to_string(&line).map_err(|_| fmt::Error)?)
    }
}

/// The line that tells how many lines are missing.
pub(super) fn dropped(format: LogFormat, lines: u64) -> String {
    let message = format!("{lines} log lines are missing here: they could not be written in time");
    if format == LogFormat::Text {
        return format!("{} WARN  telemetry: {message}\n", Timestamp::now().strftime("%H:%M:%S"));
    }
    let (level, component) = (level_name(&Level::WARN), "telemetry");
    let extra = Map::from_iter([("dropped".to_owned(), Value::from(lines))]);
    let line =
        Line { timestamp: Timestamp::now().to_string(), level, component, message, request_id: None, extra };
    // A line of our own can always be written as JSON.
    serde_json::to_string(&line).unwrap_or_default() + "\n"
}

/// `12:30:45 INFO  app: listening address=127.0.0.1:8080`.
pub(super) struct TextLines {
    pub(super) colour: bool,
}

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = event.metadata().level();
        let (on, off) = if self.colour { (colour(level), "\x1b[0m") } else { ("", "") };
        let time = Timestamp::now().strftime("%H:%M:%S");
        write!(out, "{time} {on}{:<5}{off} ", level_name(level))?;
        write!(out, "{}: {}", component(event.metadata().target()), fields.message)?;
        if let Some(id) = fields.request_id.or_else(current_request_id) {
            write!(out, " request_id={id}")?;
        }
        for (name, value) in &fields.extra {
            write!(out, " {name}={value}")?;
        }
        for span in ctx.event_scope().into_iter().flatten() {
            if let Some(text) = span.extensions().get::<FormattedFields<N>>() {
                write!(out, " {}{{{text}}}", span.name())?;
            }
        }
        writeln!(out)
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    request_id: Option<String>,
    extra: Map<String, Value>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("request_id", Value::String(text)) => self.request_id = Some(text),
            (name, value) => drop(self.extra.insert(name.to_owned(), value)),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}");
        self.add(field, text.into());
    }
}

/// The room a line comes from: `helios::starling::connection` is `starling`.
fn component(target: &str) -> &str {
    match target.strip_prefix("helios::") {
        Some(path) => path.split("::").next().unwrap_or(path),
        None => target,
    }
}

fn level_name(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

fn colour(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[2m",
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing::{info, warn};

    use super::*;
    use crate::telemetry::enter_request;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn capture(format: LogFormat, log: impl FnOnce()) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let builder = tracing_subscriber::fmt().with_writer(move || writer.clone());
        match format {
            LogFormat::Text => {
                tracing::subscriber::with_default(
                    builder.event_format(TextLines { colour: false }).finish(),
                    log,
                );
            }
            _ => tracing::subscriber::with_default(builder.event_format(JsonLines).finish(), log),
        }
        String::from_utf8(sink.0.lock().clone()).unwrap()
    }

    #[test]
    fn a_json_line_has_the_agreed_fields() {
        let text = capture(LogFormat::Json, || {
            let _scope = enter_request(*b"00000000-0000-4000-8000-000000000000");
            info!(port = 8080, address = %"127.0.0.1", "listening\nnow");
        });
        let line: Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["component"], "telemetry");
        assert_eq!(line["message"], "listening\nnow");
        assert_eq!(line["request_id"], "00000000-0000-4000-8000-000000000000");
        assert_eq!(line["extra"]["port"], 8080);
        assert_eq!(line["extra"]["address"], "127.0.0.1");
        assert!(line["timestamp"].as_str().unwrap().parse::<Timestamp>().is_ok());
        assert_eq!(text.matches('\n').count(), 1, "one line each");
    }

    #[test]
    fn a_text_line_is_short() {
        let text = capture(LogFormat::Text, || warn!(code = 1008, "closed"));
        assert!(text.contains("WARN  telemetry: closed code=1008"), "{text}");
    }
}
