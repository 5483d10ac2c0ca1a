//! A registered method: its name, its rules, its handler.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jsonschema::Validator as SchemaValidator;
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::BoxFuture;
use super::context::Context;
use super::error::MethodError;
use super::limits::Rules;
use super::options::MethodDefaults;
use super::reply::Reply;
use crate::protocol::{ErrorCode, MethodName, Payload, Raw};
use crate::telemetry::CallMetrics;

/// Checks a payload before the handler sees it. Each error says what does not fit and where.
pub type Validator = Arc<dyn Fn(Option<Raw<'_>>) -> Result<(), Vec<String>> + Send + Sync>;

/// What is told of a payload that does not fit: so many errors, each with so many characters.
const ERRORS_MAX: usize = 16;
const ERROR_CHARS_MAX: usize = 256;

pub(super) type Handler =
    Box<dyn Fn(Context, Option<Payload>) -> BoxFuture<Result<Reply, MethodError>> + Send + Sync>;

/// The rules of one method. What is not said follows the configuration.
#[derive(Clone, Default)]
pub struct MethodOptions {
    /// Time that it has to answer.
    pub timeout: Option<Duration>,
    /// Calls that may run at the same time.
    pub concurrency: Option<usize>,
    /// JSON Schema of the payload: checked, and told to whoever asks for the methods.
    pub schema: Option<Value>,
    /// A check of the payload that a schema cannot say.
    pub validator: Option<Validator>,
    /// What a caller must be permitted.
    pub permission: Option<String>,
    /// Its answer holds something that is not to be on any disk.
    pub secret_answer: bool,
    /// Its payload holds something that is not to be repeated, so what does not fit is told without its value.
    pub secret_payload: bool,
    /// It is about the session of the caller, so that whoever has none cannot call it: HTTP.
    pub needs_session: bool,
    /// Peers can neither see nor call it.
    pub private: bool,
    /// Calling twice is the same as once, so a client may repeat it.
    pub idempotent: bool,
    /// The handler checks the payload by itself; the schema is only told.
    pub checks_itself: bool,
    /// One sentence for people.
    pub description: String,
}

impl MethodOptions {
    /// Options with a description.
    pub fn described(description: impl Into<String>) -> Self {
        Self { description: description.into(), ..Self::default() }
    }

    /// Takes the schema of the parameters from their type.
    #[must_use]
    pub fn with_schema_of<P: JsonSchema>(mut self) -> Self {
        self.schema = Some(schemars::schema_for!(P).to_value());
        self
    }

    /// Sets the time that it has to answer.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Says that its answer holds something that is not to be on any disk.
    #[must_use]
    pub fn with_secret_answer(mut self) -> Self {
        self.secret_answer = true;
        self
    }

    /// Says that nothing of its payload is to be repeated, not even where it does not fit.
    #[must_use]
    pub fn with_secret_payload(mut self) -> Self {
        self.secret_payload = true;
        self
    }

    /// Says that it is about the session of the caller.
    #[must_use]
    pub fn of_session(mut self) -> Self {
        self.needs_session = true;
        self
    }

    /// Says that calling twice is the same as once.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }
}

impl fmt::Debug for MethodOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MethodOptions({:?})", self.description)
    }
}

/// A method that can be called.
pub struct Method {
    name: MethodName,
    options: MethodOptions,
    timeout: Duration,
    concurrency: usize,
    running: AtomicUsize,
    schema: Option<SchemaValidator>,
    handler: Handler,
    pub(super) metrics: CallMetrics,
    pub(super) limits: Rules,
}

impl Method {
    /// Puts a method together.
    ///
    /// # Errors
    /// If its schema is no JSON Schema.
    pub(super) fn new(
        name: MethodName,
        options: MethodOptions,
        defaults: &MethodDefaults,
        handler: Handler,
        metrics: CallMetrics,
    ) -> Result<Self, String> {
        let schema = options.schema.as_ref().map(jsonschema::validator_for).transpose();
        Ok(Self {
            timeout: options.timeout.unwrap_or(defaults.timeout.get()),
            concurrency: match options.concurrency.unwrap_or(defaults.concurrency) {
                0 => usize::MAX,
                limit => limit,
            },
            running: AtomicUsize::new(0),
            schema: schema.map_err(|error| error.to_string())?.filter(|_| !options.checks_itself),
            limits: Rules::default(),
            name,
            options,
            handler,
            metrics,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Its rules.
    pub fn options(&self) -> &MethodOptions {
        &self.options
    }

    /// Time that it has to answer.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What peers are told about it.
    pub fn describe(&self) -> Value {
        let options = &self.options;
        let mut about = json!({
            "name": self.name(),
            "description": options.description,
            "timeoutMs": self.timeout.as_millis() as u64,
            "idempotent": options.idempotent,
        });
        if let Some(schema) = &options.schema {
            about["schema"] = schema.clone();
        }
        if options.needs_session {
            about["needsSession"] = true.into();
        }
        if let Some(permission) = &options.permission {
            about["permission"] = permission.as_str().into();
        }
        about
    }

    /// Whether one more call may run; give it back with [`Method::leave`].
    pub(super) fn enter(&self) -> Result<(), MethodError> {
        // Without a limit there is nothing to count.
        if self.concurrency == usize::MAX || self.running.fetch_add(1, Ordering::Relaxed) < self.concurrency {
            return Ok(());
        }
        self.leave();
        Err(ErrorCode::MethodBusy.into())
    }

    pub(super) fn leave(&self) {
        if self.concurrency != usize::MAX {
            self.running.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn check(&self, payload: Option<Raw<'_>>) -> Result<(), MethodError> {
        if let Some(schema) = &self.schema {
            let value: Value = match payload.map(Raw::read).transpose() {
                Ok(value) => value.unwrap_or(Value::Null),
                Err(error) => return Err(MethodError::invalid([error])),
            };
            let errors: Vec<String> = schema
                .iter_errors(&value)
                .take(ERRORS_MAX)
                .map(|error| {
                    let text = match self.options.secret_payload {
                        true => shortened(&error.masked()),
                        false => shortened(&error),
                    };
                    format!("{}: {text}", pointer(&error.instance_path().to_string()))
                })
                .collect();
            if !errors.is_empty() {
                return Err(MethodError::invalid(errors));
            }
        }
        match &self.options.validator {
            Some(validator) => validator(payload).map_err(MethodError::invalid),
            None => Ok(()),
        }
    }

    pub(super) fn call(
        &self,
        context: Context,
        payload: Option<Payload>,
    ) -> BoxFuture<Result<Reply, MethodError>> {
        (self.handler)(context, payload)
    }
}

/// The text of an error; it may quote the whole payload.
fn shortened(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    match text.char_indices().nth(ERROR_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn pointer(path: &str) -> &str {
    if path.is_empty() { "payload" } else { path }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Method({})", self.name)
    }
}
