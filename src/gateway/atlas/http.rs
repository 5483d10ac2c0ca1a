//! HTTP on the port of the store.
//!
//! A page in a browser can make it send HTTP to any port of its machine. The lines of such a request would be taken for
//! inline commands, those of its body among them. So a connection that speaks HTTP is closed before more is read, as
//! Redis does.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use super::port::Port;
use super::request::Args;

/// Methods that are no commands of ours, or not with these parts.
const METHODS: [&[u8]; 8] = [b"get", b"head", b"put", b"delete", b"options", b"patch", b"trace", b"connect"];

/// Whether this is the first line of an HTTP request, or its `Host` header. `POST` and `Host:` are no commands, however
/// they are sent; the other methods are told by the version behind them.
pub(super) fn is_http(args: Args<'_>) -> bool {
    let name = args.get(0);
    match name.len() {
        4 if name.eq_ignore_ascii_case(b"post") => true,
        5.. if name[..5].eq_ignore_ascii_case(b"host:") => true,
        3..=7 if args.len() == 3 && args.get(2).starts_with(b"HTTP/") => {
            METHODS.iter().any(|method| name.eq_ignore_ascii_case(method))
        }
        _ => false,
    }
}

/// Whether a line on a connection of JSON lines is one of HTTP.
pub(super) fn is_http_line(line: &[u8]) -> bool {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let name = words.next().unwrap_or_default();
    let rest = words.next_back().unwrap_or_default();
    name.eq_ignore_ascii_case(b"post")
        || name.len() >= 5 && name[..5].eq_ignore_ascii_case(b"host:")
        || rest.starts_with(b"HTTP/") && METHODS.iter().any(|method| name.eq_ignore_ascii_case(method))
}

/// Counts it, and logs it once: who tries it once tries it again.
pub(super) fn tell(port: &Port, address: SocketAddr, args: Args<'_>) {
    port.store.metrics().atlas.connections_refused.with_label_values(&["http"]).inc();
    if !port.http_told.swap(true, Ordering::Relaxed) {
        let line = String::from_utf8_lossy(args.get(0)).into_owned();
        tracing::warn!(
            %address,
            line,
            "HTTP on the port of the store, perhaps by a web page: such connections are closed; further ones are only counted"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(words: &[&str]) -> bool {
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        for word in words {
            let start = bytes.len();
            bytes.extend_from_slice(word.as_bytes());
            places.push(start..bytes.len());
        }
        is_http(Args::new(&bytes, &places))
    }

    #[test]
    fn http_is_told_from_commands() {
        for line in [
            &["POST", "/", "HTTP/1.1"][..],
            &["post"],
            &["Host:", "127.0.0.1:6379"],
            &["host:127.0.0.1"],
            &["GET", "/x", "HTTP/1.1"],
            &["OPTIONS", "*", "HTTP/1.0"],
        ] {
            assert!(http(line), "{line:?}");
        }
        for line in
            [&["GET", "a"][..], &["SET", "a", "HTTP/1.1"], &["DEL", "a", "b"], &["GET", "a", "b"], &[""]]
        {
            assert!(!http(line), "{line:?}");
        }
        assert!(
            is_http_line(b"GET /a HTTP/1.1\r")
                && is_http_line(b"Host: a")
                && is_http_line(b"POST / HTTP/1.1")
        );
        assert!(!is_http_line(b"{\"cmd\":\"GET\"}") && !is_http_line(b""));
    }
}
