//! Which request the current thread is working on, so that every log line can name it.
//!
//! A span for each request costs more than the request itself, so the id is kept in a thread-local cell
//! while a handler is polled. The log formats read it; a handler that hands its work to another task takes
//! the id from its context.

use std::cell::Cell;

/// Length of a request id in bytes: the text form of a UUID.
const ID_LEN: usize = 36;

thread_local! {
    static CURRENT: Cell<Option<[u8; ID_LEN]>> = const { Cell::new(None) };
}

/// While this lives, log lines of the thread carry the request id.
#[derive(Debug)]
pub struct RequestScope {
    before: Option<[u8; ID_LEN]>,
}

/// Enters the scope of a request. Scopes nest.
pub fn enter_request(id: [u8; ID_LEN]) -> RequestScope {
    RequestScope { before: CURRENT.replace(Some(id)) }
}

/// The id of the request in whose scope the thread is.
pub fn current_request_id() -> Option<String> {
    CURRENT.get().map(|id| String::from_utf8_lossy(&id).into_owned())
}

impl Drop for RequestScope {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_nest_and_end() {
        assert_eq!(current_request_id(), None);
        let outer = enter_request([b'a'; ID_LEN]);
        {
            let _inner = enter_request([b'b'; ID_LEN]);
            assert_eq!(current_request_id().unwrap(), "b".repeat(ID_LEN));
        }
        assert_eq!(current_request_id().unwrap(), "a".repeat(ID_LEN));
        drop(outer);
        assert_eq!(current_request_id(), None);
    }
}
