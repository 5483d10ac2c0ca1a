//! What callers are told when something about accounts fails. Here, and not beside the other rooms' errors, for HTTP
//! has to tell it too, before there is a method.

use serde_json::json;

use super::error::MethodError;
use crate::auth::AccountError;
use crate::protocol::ErrorCode;

impl From<AccountError> for MethodError {
    fn from(error: AccountError) -> Self {
        let text = error.to_string();
        match error {
            AccountError::Invalid(member, text) => Self::invalid([format!("/{member}: {text}")]),
            AccountError::NameTaken => ErrorCode::NameTaken.into(),
            AccountError::WrongCredentials => ErrorCode::InvalidCredentials.into(),
            AccountError::Throttled { retry_after_ms, limit } => {
                let reset = retry_after_ms.div_ceil(1_000);
                let text = format!("Too many failed logins; try again in {reset} s");
                Self::of(ErrorCode::RateLimitExceeded, text).with_details(
                    &json!({ "limit": limit, "reset": reset, "retryAfterMs": retry_after_ms, "policy": "login" }),
                )
            }
            AccountError::RegistrationClosed => {
                Self::of(ErrorCode::PermissionDenied, "Registration is closed")
            }
            AccountError::Refused(refusal) => {
                let reason = refusal.as_str();
                Self::of(ErrorCode::Unauthenticated, format!("The credentials are not good: {reason}"))
                    .with_details(&json!({ "reason": reason }))
            }
            AccountError::NotFound(what) => Self::of(ErrorCode::NotFound, format!("There is no such {what}"))
                .with_details(&json!({ "what": what })),
            AccountError::Conflict(_) => Self::of(ErrorCode::Conflict, text),
            AccountError::TooMany { limit, .. } => {
                Self::of(ErrorCode::Conflict, text).with_details(&json!({ "limit": limit }))
            }
            AccountError::Busy => ErrorCode::MethodBusy.into(),
            AccountError::DiskFull => ErrorCode::DiskFull.into(),
            AccountError::Store(_) => ErrorCode::StoreUnavailable.into(),
            AccountError::Limit(_) => Self::of(ErrorCode::QuotaExceeded, text),
            // What lies where in the store is for the log.
            AccountError::Damaged(_) | AccountError::Internal => {
                tracing::error!(error = text, "something about accounts failed");
                ErrorCode::InternalError.into()
            }
        }
    }
}
