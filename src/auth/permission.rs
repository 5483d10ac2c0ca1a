//! What a permission is called, and which of them one grants.
//!
//! A permission is a name such as `kv:get`; a grant is such a name, `kv:*` for all below a namespace, or `*` for
//! all there are. `admin:*` means everything too, as existing servers have it.

/// The grant of administrators: everything.
pub(super) const EVERYTHING: &str = "admin:*";

/// Whether a grant gives a permission.
pub fn grants(grant: &str, permission: &str) -> bool {
    match grant.strip_suffix('*') {
        Some(_) if grant == EVERYTHING => true,
        Some(prefix) => prefix.is_empty() || (prefix.ends_with(':') && permission.starts_with(prefix)),
        None => grant == permission,
    }
}

/// Whether a grant gives all that another one gives.
pub(super) fn covers(grant: &str, other: &str) -> bool {
    match other.strip_suffix('*') {
        // Everything is only covered by everything.
        Some(_) if other == EVERYTHING || other == "*" => grant == EVERYTHING || grant == "*",
        Some(namespace) => grant == other || grants(grant, namespace),
        None => grants(grant, other),
    }
}

/// Whether a text can be granted: segments joined by `:`, the last of which may be `*`.
pub fn is_grant(text: &str) -> bool {
    let name = text.strip_suffix(":*").unwrap_or(text);
    text == "*" || (text.len() <= GRANT_MAX && name.split(':').all(is_segment))
}

fn is_segment(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The longest grant.
const GRANT_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_give_whole_names_and_namespaces() {
        assert!(grants("chat:send", "chat:send") && grants("chat:*", "chat:send"));
        assert!(grants("chat:*", "chat:room:send"), "and all below");
        assert!(grants("*", "anything") && grants("admin:*", "kv:set"));
        assert!(!grants("chat:*", "chats:send") && !grants("chat:*", "chat"));
        assert!(!grants("ch*", "chat:send"), "only whole segments");
        assert!(!grants("kv:get", "kv:get_all"));
    }

    #[test]
    fn a_grant_covers_what_gives_no_more() {
        for (grant, other) in [
            ("kv:*", "kv:get"),
            ("kv:*", "kv:*"),
            ("*", "kv:*"),
            ("admin:*", "*"),
            ("*", "admin:*"),
            ("a:*", "a:b:*"),
        ] {
            assert!(covers(grant, other), "{grant} covers {other}");
        }
        for (grant, other) in [
            ("kv:get", "kv:*"),
            ("kv:*", "*"),
            ("a:b:*", "a:*"),
            ("admin:users", "admin:*"),
            ("kv:*", "admin:*"),
        ] {
            assert!(!covers(grant, other), "{grant} does not cover {other}");
        }
    }

    #[test]
    fn a_grant_has_a_form() {
        for grant in ["*", "kv:*", "kv:get", "topic:publish:chat", "admin:*", "a"] {
            assert!(is_grant(grant), "{grant}");
        }
        for none in ["", ":*", "kv:", "kv::get", "k*", "kv:get*", "kv:*:get", "a b", "**", "kv:é"] {
            assert!(!is_grant(none), "{none}");
        }
    }
}
