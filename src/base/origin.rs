//! Origins of web pages, as RFC 6454 has them, and rules about them.

use std::fmt;

/// Scheme, host and port of a page: `https://example.com`. Written as browsers send it: in lower case, without the port
/// that the scheme implies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    /// Reads an origin; a single slash at its end and the port that its scheme implies are left out.
    ///
    /// # Errors
    /// With what is wrong, if it can never be the origin of a page: a path, several at once, a pattern.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!(
                "\"{text}\" is no origin ({why}): write a scheme and a host, such as \"https://example.com\""
            )
        };
        if text.contains(',') {
            return Err(wrong("it has a comma; give each origin by itself"));
        }
        let (scheme, rest) = text.trim().split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let scheme = scheme.to_ascii_lowercase();
        let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        if scheme.is_empty() || !scheme.bytes().all(named) {
            return Err(wrong("its scheme is none"));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) {
            return Err(wrong("it goes on behind the host"));
        }
        if rest.contains('*') {
            return Err(wrong("patterns are not known here"));
        }
        let (host, port) = split_port(rest).ok_or_else(|| wrong("its port is none"))?;
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err(wrong("it has no host"));
        }
        let port = port.filter(|port| Some(*port) != implied_port(&scheme));
        Ok(Self { host: host.to_ascii_lowercase(), scheme, port })
    }

    /// The host, without a port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether a page of this origin came from the server that was asked under `authority`, a host with or without a
    /// port. A proxy in front may have taken the encryption away, so the scheme does not count.
    pub fn is_of(&self, authority: &str) -> bool {
        let Some((host, port)) = split_port(authority) else { return false };
        let mine = self.port.or_else(|| implied_port(&self.scheme));
        host.eq_ignore_ascii_case(&self.host)
            && port.is_none_or(|port| Some(port) == mine)
            && (port.is_some() || self.port.is_none())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// A host and its port, if it has one; `None` if the port is none.
pub fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let after = authority.rfind(']').map_or(0, |end| end + 1);
    match authority[after..].rfind(':') {
        None => Some((authority, None)),
        Some(colon) => {
            let port = authority[after + colon + 1..].parse().ok()?;
            Some((&authority[..after + colon], Some(port)))
        }
    }
}

fn implied_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// Which origins something is allowed for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Origins {
    any: bool,
    same: bool,
    listed: Vec<Origin>,
}

/// What stands for the origin of the server itself.
pub const SAME_ORIGIN: &str = "same-origin";

impl Origins {
    /// Reads rules: `*` for all, `same-origin` for pages of the server itself, or origins.
    ///
    /// # Errors
    /// With what is wrong with the first that can never match.
    pub fn parse<'a>(rules: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut origins = Self::default();
        for rule in rules {
            match rule.trim() {
                "*" => origins.any = true,
                SAME_ORIGIN => origins.same = true,
                other => origins.listed.push(Origin::parse(other)?),
            }
        }
        Ok(origins)
    }

    /// Whether all origins are allowed.
    pub fn any(&self) -> bool {
        self.any
    }

    /// The origins that are named.
    pub fn listed(&self) -> &[Origin] {
        &self.listed
    }

    /// Whether a page may that says it is of this origin, to the server that was asked under `authority`.
    pub fn allow(&self, origin: &str, authority: Option<&str>) -> bool {
        if self.any {
            return true;
        }
        let Ok(origin) = Origin::parse(origin) else { return false };
        self.listed.contains(&origin)
            || self.same && authority.is_some_and(|authority| origin.is_of(authority))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        let read = |text: &str| Origin::parse(text).unwrap().to_string();
        assert_eq!(read("https://Example.com/"), "https://example.com");
        assert_eq!(read("https://x:443"), "https://x");
        assert_eq!(read("http://x:443"), "http://x:443");
        assert_eq!(read("http://[::1]:8080"), "http://[::1]:8080");
        assert_eq!(read("capacitor://localhost"), "capacitor://localhost");
    }

    #[test]
    fn what_can_never_match_is_refused() {
        for wrong in [
            "https://a,https://b",
            "a,b",
            "https://*.x",
            "https://x/path",
            "https://",
            "x",
            "https://x:y",
            "null",
            "",
        ] {
            assert!(Origin::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_server_knows_its_own_pages() {
        let same = Origins::parse([SAME_ORIGIN]).unwrap();
        for (origin, authority, fits) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", true),
            ("http://127.0.0.1:3000", "127.0.0.1:8080", false),
            ("http://localhost:8080", "127.0.0.1:8080", false),
            ("https://example.com", "example.com", true),
            ("https://example.com", "example.com:443", true),
            ("https://example.com:8443", "example.com", false),
            ("http://evil.example", "127.0.0.1:8080", false),
            ("null", "127.0.0.1:8080", false),
        ] {
            assert_eq!(same.allow(origin, Some(authority)), fits, "{origin} at {authority}");
        }
        let listed = Origins::parse(["https://a.example/"]).unwrap();
        assert!(listed.allow("https://a.example", Some("b.example")));
        assert!(!listed.allow("https://b.example", Some("b.example")));
    }
}
