//! Families of keys that the server keeps for itself: accounts, roles, the audit log, sessions, jobs and the like.
//!
//! Everything else is the application's: its keys below `kv:`, and whatever else clients of the port write. What a
//! program without the rights of an administrator reaches, and what a FLUSHALL clears, is decided by this list.

use std::sync::Arc;

use super::state::{Page, View};
use super::value::{Entry, Key};

/// What the keys of the server begin with. A room that keeps something new in the store adds its family here. None is
/// the beginning of another.
pub const RESERVED: [&str; 13] = [
    "audit:",
    "auth:",
    "cluster:",
    "job:",
    "notify:",
    "proxy:",
    "queue:",
    "rate:",
    "rbac:",
    "research:",
    "session:",
    "topic:",
    "universe:",
];

/// Whether a key is one of the server's own.
pub fn is_reserved(key: &[u8]) -> bool {
    family(key).is_some()
}

fn family(key: &[u8]) -> Option<&'static str> {
    RESERVED.into_iter().find(|family| key.starts_with(family.as_bytes()))
}

/// The families, as a command keeps them.
pub fn reserved() -> Arc<[Key]> {
    RESERVED.iter().map(|family| Key::from(family.as_bytes())).collect()
}

/// Which keys somebody sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keyspace {
    /// All of them, the server's own too.
    Everything,
    /// Those of the application.
    Application,
}

impl Keyspace {
    /// Whether a key is one of them.
    pub fn has(self, key: &[u8]) -> bool {
        self == Self::Everything || !is_reserved(key)
    }

    /// How many keys there are.
    pub fn len(self, view: &View) -> usize {
        match self {
            Self::Everything => view.len(),
            Self::Application => {
                let reserved = RESERVED.iter().map(|family| view.count(family.as_bytes())).sum();
                view.len().saturating_sub(reserved)
            }
        }
    }

    /// How many of them have an end.
    pub fn ending(self, view: &View) -> usize {
        match self {
            Self::Everything => view.ending(),
            Self::Application => {
                let ends = |family: &&str| {
                    view.prefix(family.as_bytes()).filter(|(_, entry)| entry.expires_at != 0).count()
                };
                view.ending().saturating_sub(RESERVED.iter().map(ends).sum())
            }
        }
    }

    /// The keys that begin with `prefix`, in order.
    pub fn prefix<'a>(self, view: &'a View, prefix: &[u8]) -> impl Iterator<Item = (&'a [u8], &'a Entry)> {
        view.prefix(prefix).filter(move |(key, _)| self.has(key))
    }

    /// At most `limit` keys that begin with `prefix`, from `start` on. Once their bytes are more than `bytes` none
    /// follows. Families of the server are passed over, however much is in them.
    pub fn page(self, view: &View, prefix: &[u8], start: &[u8], limit: usize, bytes: usize) -> Page {
        if self == Self::Everything {
            return view.page(prefix, start, limit, bytes);
        }
        let (mut entries, mut taken) = (Vec::new(), 0);
        let mut at = start.max(prefix).to_vec();
        'families: loop {
            let from = at.clone();
            for (key, entry) in view.range_from(&from) {
                if let Some(family) = family(key) {
                    at = after(family);
                    continue 'families;
                }
                if !key.starts_with(prefix) {
                    return Page { entries, next: None };
                }
                if entries.len() == limit || taken > bytes {
                    return Page { entries, next: Some(key.to_vec()) };
                }
                taken += key.len() + entry.value.len();
                entries.push((key.to_vec(), entry.clone()));
            }
            return Page { entries, next: None };
        }
    }
}

/// The first key behind a family.
fn after(family: &str) -> Vec<u8> {
    let mut key = family.as_bytes().to_vec();
    // Each ends in a colon.
    if let Some(last) = key.last_mut() {
        *last += 1;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_apart_and_end_in_a_colon() {
        for family in RESERVED {
            assert!(family.ends_with(':') && family.len() > 1, "{family}");
            let others = RESERVED.iter().filter(|other| other.starts_with(family));
            assert_eq!(others.count(), 1, "{family} is the beginning of another");
            assert!(!after(family).starts_with(family.as_bytes()));
        }
        assert!(!is_reserved(b"kv:auth:user:1") && !is_reserved(b"author") && is_reserved(b"auth:user:1"));
    }
}
