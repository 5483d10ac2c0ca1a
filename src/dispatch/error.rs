//! What a method answers when it fails.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use super::send_error::{CallError, SendError};
use crate::protocol::{ErrorCode, Failure, Payload};

/// A failure that the caller is told: code, text, details. Nothing else of it ever leaves the server.
#[derive(Clone, PartialEq, Debug)]
pub struct MethodError {
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    details: Option<Payload>,
}

impl MethodError {
    /// A failure with a code of the application (upper snake case, by custom with the prefix `APP_`) and a
    /// text for people.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), message: message.into(), details: None }
    }

    /// A failure from the public table with a text of its own.
    pub fn of(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code.as_str(), message)
    }

    /// The payload does not fit. `errors` say what and where.
    pub fn invalid<E: fmt::Display>(errors: impl IntoIterator<Item = E>) -> Self {
        let errors: Vec<String> = errors.into_iter().map(|error| error.to_string()).collect();
        Self::from(ErrorCode::ValidationError).with_details(&serde_json::json!({ "errors": errors }))
    }

    /// The caller lacks a permission.
    pub fn permission(permission: &str) -> Self {
        let error = Self::of(ErrorCode::PermissionDenied, format!("Permission {permission} is missing"));
        error.with_details(&serde_json::json!({ "permission": permission }))
    }

    /// Adds something for programs to read. A value that JSON cannot carry is left out.
    #[must_use]
    pub fn with_details<T: Serialize + ?Sized>(mut self, details: &T) -> Self {
        self.details = Payload::json(details).ok();
        self
    }

    /// The code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The code if it is of the public table, else one word for all codes of applications: what a metric may
    /// be labelled with, for peers can make codes up.
    pub fn label(&self) -> &'static str {
        let known = ErrorCode::ALL.iter().find(|code| code.as_str() == self.code);
        known.map_or("application", |code| code.as_str())
    }

    /// The text for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// As it goes over the wire.
    pub fn as_failure(&self) -> Failure<'_> {
        let details = self.details.as_ref().map(Payload::as_raw);
        Failure { code: Cow::Borrowed(&self.code), message: Cow::Borrowed(&self.message), details }
    }
}

impl From<ErrorCode> for MethodError {
    fn from(code: ErrorCode) -> Self {
        Self::of(code, code.text())
    }
}

impl From<&Failure<'_>> for MethodError {
    /// An error that another peer gave, to be passed on. Details that JSON cannot carry are left out.
    fn from(failure: &Failure<'_>) -> Self {
        let error = Self::new(failure.code.to_string(), failure.message.to_string());
        match failure.details.and_then(|details| details.read::<serde_json::Value>().ok()) {
            Some(details) => error.with_details(&details),
            None => error,
        }
    }
}

impl From<SendError> for MethodError {
    /// A notification that did not get out is no reason to tell the caller about outboxes.
    fn from(_: SendError) -> Self {
        Self::from(ErrorCode::MethodError)
    }
}

impl From<CallError> for MethodError {
    /// What another peer answered is passed on as it is.
    fn from(error: CallError) -> Self {
        match error {
            CallError::Failed(failure) => failure,
            CallError::Timeout(_) => Self::of(ErrorCode::RequestTimeout, error.to_string()),
            CallError::Lost => Self::from(ErrorCode::ConnectionLost),
            CallError::Send(error) => error.into(),
        }
    }
}

impl fmt::Display for MethodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for MethodError {}
