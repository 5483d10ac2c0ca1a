//! Whose address a request counts for, behind trusted proxies too.
//!
//! The address of the socket, unless that is a trusted proxy (`gateway.trusted_proxies`). Then the headers that proxies
//! add are read from the right: the first address that is no trusted proxy is the client's. What stands further left
//! the client may have written itself.

use std::net::{IpAddr, SocketAddr};

use actix_http::header::{HeaderMap, HeaderName};

use crate::base::Cidr;

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address, as `Forwarded` (RFC 7239) or `X-Forwarded-For` tell it. Where both are there and disagree, one
/// of them is the client's own invention, and the proxy's address counts.
pub(super) fn client_address(
    peer: Option<SocketAddr>,
    headers: &HeaderMap,
    trusted: &[Cidr],
) -> Option<IpAddr> {
    let peer = peer?.ip();
    let is_trusted = |address: IpAddr| trusted.iter().any(|block| block.contains(address));
    if !is_trusted(peer) {
        return Some(peer);
    }
    let values = |name: &HeaderName| -> Vec<String> {
        let texts = headers.get_all(name).filter_map(|value| value.to_str().ok());
        texts.flat_map(|text| text.split(',')).map(|part| part.trim().to_owned()).collect()
    };
    let nearest = |nodes: Vec<String>, read: fn(&str) -> Option<IpAddr>| {
        let mut client = peer;
        for node in nodes.iter().rev() {
            // What cannot be read was not written by a proxy that we trust.
            let Some(address) = read(node) else { break };
            client = address;
            if !is_trusted(address) {
                break;
            }
        }
        client
    };
    let (forwarded, listed) = (values(&FORWARDED), values(&X_FORWARDED_FOR));
    Some(match (forwarded.is_empty(), listed.is_empty()) {
        (true, _) => nearest(listed, node),
        (false, true) => nearest(forwarded, forwarded_for),
        (false, false) => {
            let (one, other) = (nearest(forwarded, forwarded_for), nearest(listed, node));
            if one == other { one } else { peer }
        }
    })
}

/// The address of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| node(value.trim().trim_matches('"')))?
    })
}

/// An address with or without a port; IPv6 with one has brackets.
fn node(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_http::header::HeaderValue;

    use super::*;

    fn client(peer: &str, headers: &[(&'static str, &'static str)]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        client_address(Some(peer), &map, &trusted).unwrap().to_string()
    }

    #[test]
    fn the_nearest_address_that_is_no_trusted_proxy_counts() {
        let listed = "x-forwarded-for";
        assert_eq!(client("192.0.2.1", &[(listed, "1.1.1.1")]), "192.0.2.1", "nobody trusts this peer");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[(listed, "6.6.6.6, 1.1.1.1")]), "1.1.1.1", "from the right");
        assert_eq!(client("10.0.0.1", &[(listed, "6.6.6.6, 1.1.1.1, 10.0.0.9")]), "1.1.1.1", "past proxies");
        assert_eq!(
            client("10.0.0.1", &[(listed, "1.1.1.1"), (listed, "2.2.2.2")]),
            "2.2.2.2",
            "several lines"
        );
        assert_eq!(client("10.0.0.1", &[(listed, "1.1.1.1, nonsense")]), "10.0.0.1");
        assert_eq!(client("::1", &[(listed, "[2001:db8::1]:443")]), "2001:db8::1");
        assert_eq!(client("10.0.0.1", &[(listed, "1.1.1.1:5000")]), "1.1.1.1");
        assert_eq!(
            client("10.0.0.1", &[("forwarded", "for=6.6.6.6, For=\"1.1.1.1:80\";proto=https")]),
            "1.1.1.1"
        );
        assert_eq!(client("10.0.0.1", &[("forwarded", "for=\"[2001:db8::1]\"")]), "2001:db8::1");
        assert_eq!(client("10.0.0.1", &[("forwarded", "for=6.6.6.6"), (listed, "1.1.1.1")]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[("forwarded", "for=1.1.1.1"), (listed, "1.1.1.1")]), "1.1.1.1");
    }
}
