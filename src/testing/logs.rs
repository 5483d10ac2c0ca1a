//! What a test logs, however much that is, holds no secret: every line at trace level is looked through.

use std::fmt::{self, Write};
use std::sync::Once;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// What passwords of tests have in them, so that they are known where they should not be.
const PASSWORDS: [&str; 3] = ["horse", "secret password", "root password"];

/// Characters that tokens and keys are made of.
fn is_token(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.' | '$' | '/')
}

/// The secret in a line: a password of a test, a hash, an access or state token, an API key or a refresh token.
fn secret_in(line: &str) -> Option<&str> {
    if let Some(found) = PASSWORDS.iter().find(|word| line.contains(**word)) {
        return Some(found);
    }
    line.split(|letter| !is_token(letter)).find(|word| {
        let hash = word.len() >= 50 && ["$2a$", "$2b$", "$2y$"].iter().any(|start| word.contains(start));
        let given = ["hk_", "hrt_"]
            .iter()
            .any(|start| word.find(start).is_some_and(|at| word[at..].len() >= start.len() + 32 + 1 + 43));
        let mut parts = word.rsplit('.');
        let signed =
            word.contains("eyJ") && parts.next().is_some_and(|it| it.len() >= 43) && parts.count() >= 2;
        hash || given || signed
    })
}

/// Lines with secrets, of all servers of this process.
static FOUND: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct SecretWatch;

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl Line {
    fn check(&self) {
        if secret_in(&self.0).is_some() {
            FOUND.lock().push(self.0.clone());
        }
    }
}

impl<S: Subscriber> Layer<S> for SecretWatch {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let mut line = Line::default();
        attributes.record(&mut line);
        line.check();
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        values.record(&mut line);
        line.check();
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        line.check();
    }
}

/// Looks through all that this process logs from now on. A subscriber that was there before stays in its place.
pub(super) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(tracing_subscriber::registry().with(SecretWatch).try_init()));
}

/// The lines with secrets so far.
pub(super) fn found() -> Vec<String> {
    std::mem::take(&mut *FOUND.lock())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_seen_in_spans_and_events_and_nothing_else_is_one() {
        watch();
        let key = format!("hk_{}_{}", "0".repeat(32), "s".repeat(43));
        let token = format!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.{}", "s".repeat(43));
        let hash = format!("$2b$04${}", "h".repeat(53));
        for secret in [key.as_str(), &token, &hash, "correct horse"] {
            tracing::trace!(text = secret, "an event");
            assert_eq!(found().len(), 1, "{secret}");
            tracing::trace_span!("a span", text = format!("Bearer {secret}, and more"));
            assert_eq!(found().len(), 1, "{secret}");
        }
        for text in ["hk_ is how keys begin", "version 0.1.0", "/api/v1/rpc/kv:get", "a.b.c"] {
            tracing::trace!(text, "an event");
        }
        assert_eq!(found(), Vec::<String>::new());
    }
}
