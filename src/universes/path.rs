//! Where something lies in a universe. One tree holds three spaces of keys: JSON values by their JSON Pointer
//! (RFC 6901), files by their relative path, and keys of the application by their name in the store.

use crate::store::Key;

/// What the keys of JSON values begin with. A pointer follows.
pub(super) const JSON: &[u8] = b"json:";

/// What the keys of files begin with. A relative path follows.
pub(super) const FILE: &[u8] = b"file:";

/// What the keys of applications begin with, here and in the store.
pub(super) const KV: &[u8] = b"kv:";

/// Why a text is no path.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PathError {
    /// It is no JSON Pointer.
    #[error("\"{0}\" is no JSON Pointer: it begins with / and writes ~ as ~0 and / as ~1")]
    Pointer(String),
    /// It is no name of a file.
    #[error(
        "\"{0}\" is no relative path: names between slashes, none of them empty, . or .., none with a \\, : or \
             control character"
    )]
    File(String),
    /// It is too long.
    #[error("a path has at most {limit} bytes, not {bytes}")]
    Length {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
}

/// The key of a JSON value.
pub(super) fn json_key(pointer: &str) -> Key {
    [JSON, pointer.as_bytes()].concat().into()
}

/// The key of a file.
pub(super) fn file_key(path: &str, limit: usize) -> Result<Key, PathError> {
    if path.len() > limit {
        return Err(PathError::Length { bytes: path.len(), limit });
    }
    let fine = |name: &str| {
        let plain = |it: char| !matches!(it, '\\' | ':') && !it.is_control();
        !matches!(name, "" | "." | "..") && name.chars().all(plain)
    };
    if path.split('/').all(fine) {
        Ok([FILE, path.as_bytes()].concat().into())
    } else {
        Err(PathError::File(path.to_owned()))
    }
}

/// Whether a text is a JSON Pointer.
pub(super) fn check_pointer(pointer: &str, limit: usize) -> Result<(), PathError> {
    if pointer.len() > limit {
        return Err(PathError::Length { bytes: pointer.len(), limit });
    }
    let escapes = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if (pointer.is_empty() || pointer.starts_with('/')) && escapes {
        Ok(())
    } else {
        Err(PathError::Pointer(pointer.to_owned()))
    }
}

/// A name as a step of a pointer.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The name that a step of a pointer stands for.
pub(super) fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// The key as people write it: `/a/b` for JSON, `src/a.txt` for a file, `kv:cart` for a key.
pub(super) fn shown(key: &[u8]) -> String {
    let plain = key.strip_prefix(JSON).or_else(|| key.strip_prefix(FILE)).unwrap_or(key);
    String::from_utf8_lossy(plain).into_owned()
}

/// The key that was shown like this.
pub(super) fn hidden(shown: &str, limit: usize) -> Result<Key, PathError> {
    match shown {
        _ if shown.starts_with("kv:") => Ok(shown.as_bytes().into()),
        _ if shown.starts_with('/') => check_pointer(shown, limit).map(|()| json_key(shown)),
        _ => file_key(shown, limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_as_they_are_or_refused() {
        for fine in ["a", "src/b.txt", "ä/ü", "a b", "...", ".git", "a~b"] {
            let key = file_key(fine, 100).unwrap();
            assert_eq!(hidden(&shown(&key), 100).as_ref(), Ok(&key), "{fine}");
        }
        for wrong in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\\b", "c:a", "a\0", "a\nb"] {
            assert!(file_key(wrong, 100).is_err(), "{wrong:?}");
        }
        for fine in ["", "/", "/a/b", "/a~0b~1c", "//"] {
            assert!(check_pointer(fine, 100).is_ok(), "{fine}");
        }
        for wrong in ["a", "a/b", "/~", "/~2", "/a~"] {
            assert!(check_pointer(wrong, 100).is_err(), "{wrong}");
        }
        assert_eq!(file_key("long", 3), Err(PathError::Length { bytes: 4, limit: 3 }));
        for name in ["a/b", "~1", "~", "/", ""] {
            assert_eq!(unescaped(&escaped(name)), name);
        }
    }
}
