//! The public errors. `protocol-spec/errors.json` is the table for people and other languages; a test
//! holds the two together.

/// Who has to do something about an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Whoever sent the request.
    Caller,
    /// This server or its application.
    Server,
    /// Another peer.
    Peer,
}

impl Fault {
    /// The word in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Server => "server",
            Self::Peer => "peer",
        }
    }
}

macro_rules! error_codes {
    ($( $variant:ident $name:literal $fault:ident retry $retry:literal http $status:literal $text:literal )*) => {
        /// A code of the public table.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum ErrorCode {
            $(
                #[doc = $text]
                $variant,
            )*
        }

        impl ErrorCode {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// The code on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }

            /// Who has to do something about it.
            pub fn fault(self) -> Fault {
                match self { $( Self::$variant => Fault::$fault, )* }
            }

            /// Whether the same request may succeed later.
            pub fn retryable(self) -> bool {
                match self { $( Self::$variant => $retry, )* }
            }

            /// The status of the same error over HTTP.
            pub fn http_status(self) -> u16 {
                match self { $( Self::$variant => $status, )* }
            }

            /// The text that a peer is told when there is nothing better to say.
            pub fn text(self) -> &'static str {
                match self { $( Self::$variant => $text, )* }
            }
        }
    };
}

error_codes! {
    ProtocolViolation "PROTOCOL_VIOLATION" Caller retry false http 400 "Message processing failed"
    MethodNotFound "METHOD_NOT_FOUND" Caller retry false http 404 "The method does not exist"
    ValidationError "VALIDATION_ERROR" Caller retry false http 400 "Invalid method payload"
    MethodError "METHOD_ERROR" Server retry false http 500 "Method execution failed"
    RequestTimeout "REQUEST_TIMEOUT" Server retry true http 504 "Method execution timed out"
    RequestCancelled "REQUEST_CANCELLED" Caller retry false http 499 "The request was cancelled"
    RequestLimitExceeded "REQUEST_LIMIT_EXCEEDED" Caller retry true http 429 "Too many requests of this connection are unanswered"
    RateLimitExceeded "RATE_LIMIT_EXCEEDED" Caller retry true http 429 "Too fast; try again later"
    MethodBusy "METHOD_BUSY" Server retry true http 503 "The method runs as often as it may"
    ResponseTooLarge "RESPONSE_TOO_LARGE" Server retry false http 500 "The answer is longer than a message may be"
    InternalError "INTERNAL_ERROR" Server retry false http 500 "Internal error"
    ServerDraining "SERVER_DRAINING" Server retry true http 503 "The server stops; connect again"
    PermissionDenied "PERMISSION_DENIED" Caller retry false http 403 "Not allowed"
    Unauthenticated "UNAUTHENTICATED" Caller retry false http 401 "Log in first"
    InvalidCredentials "INVALID_CREDENTIALS" Caller retry false http 401 "The name or the password is wrong"
    NameTaken "NAME_TAKEN" Caller retry false http 400 "The name is taken"
    NotFound "NOT_FOUND" Caller retry false http 404 "There is no such thing"
    Conflict "CONFLICT" Caller retry false http 409 "It cannot be done as things are"
    ProxyForbidden "PROXY_FORBIDDEN" Caller retry false http 403 "Proxy is disabled by the server"
    ProxyError "PROXY_ERROR" Peer retry true http 502 "The other peer could not be reached"
    ProxyTimeout "PROXY_TIMEOUT" Peer retry true http 504 "The other peer did not answer in time"
    StoreUnavailable "STORE_UNAVAILABLE" Server retry true http 503 "The store takes no writes now"
    DiskFull "DISK_FULL" Server retry true http 507 "The disk is full"
    QuotaExceeded "QUOTA_EXCEEDED" Server retry false http 507 "The store may not hold more"
    PositionLost "POSITION_LOST" Caller retry false http 410 "The history does not go back so far"
    UniverseNotFound "UNIVERSE_NOT_FOUND" Caller retry false http 404 "There is no such universe or file"
    SnapshotNotFound "SNAPSHOT_NOT_FOUND" Caller retry false http 404 "There is no such snapshot, commit or tag"
    MergeConflict "MERGE_CONFLICT" Caller retry false http 409 "Both sides have changed the same"
    ValueTooLarge "VALUE_TOO_LARGE" Caller retry false http 413 "Something is longer than it may be"
    UniverseLimitExceeded "UNIVERSE_LIMIT_EXCEEDED" Caller retry true http 429 "There are as many universes as there may be"
    LeaseLost "LEASE_LOST" Caller retry false http 409 "The lease of the job is over"
    QueueFull "QUEUE_FULL" Caller retry true http 429 "As many jobs wait as may"
    RequestInterrupted "REQUEST_INTERRUPTED" Server retry false http 409 "The request has run or begun to; what it gave is not known"
    StateSaveFailed "STATE_SAVE_FAILED" Server retry true http 500 "The state of the session could not be saved"
    StateTooLarge "STATE_TOO_LARGE" Server retry false http 413 "The state of the session does not fit into a token"
    ConnectionLost "CONNECTION_LOST" Peer retry true http 503 "The connection ended before the answer"
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_public_table_says_the_same() {
        let table: Value = serde_json::from_str(include_str!("../../protocol-spec/errors.json")).unwrap();
        let rows = table["errors"].as_array().unwrap();
        let names: Vec<_> = rows.iter().map(|row| row["code"].as_str().unwrap()).collect();
        let ours: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names, ours);
        for (row, code) in rows.iter().zip(ErrorCode::ALL) {
            assert_eq!(row["fault"], code.fault().as_str(), "{code:?}");
            assert_eq!(row["retryable"], code.retryable(), "{code:?}");
            assert_eq!(row["http"], code.http_status(), "{code:?}");
            assert_eq!(row["text"], code.text(), "{code:?}");
            assert!(row["details"].is_string() && row["since"].is_string(), "{code:?}");
        }
    }

    #[test]
    fn names_are_upper_snake_and_short() {
        for code in ErrorCode::ALL {
            let name = code.as_str();
            assert!(name.len() <= 63 && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'));
        }
    }
}
