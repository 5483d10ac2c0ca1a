//! What users may be called, and what passwords may be.

use crate::base::UserId;

/// How long a name may be, in characters.
const NAME: std::ops::RangeInclusive<usize> = 3..=64;

/// How long a password may be, in bytes. bcrypt heeds no more.
const PASSWORD: std::ops::RangeInclusive<usize> = 8..=72;

/// Why a text is no name, if it is none.
pub(super) fn name_problem(name: &str) -> Option<&'static str> {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !NAME.contains(&name.len()) {
        return Some("must have 3 to 64 characters");
    }
    if name.parse::<UserId>().is_ok() {
        return Some("must not look like the id of a user");
    }
    (!name.bytes().all(fine)).then_some("may have letters, digits, \".\", \"_\" and \"-\" only")
}

/// Why a password is none for this name, if it is not. It is never quoted.
pub(super) fn password_problem(password: &str, name: &str) -> Option<&'static str> {
    if !PASSWORD.contains(&password.len()) {
        return Some("must have 8 to 72 bytes");
    }
    if password.contains('\0') {
        return Some("must not contain a zero byte");
    }
    password.eq_ignore_ascii_case(name).then_some("must not be the name")
}

/// The form in which names are compared: two that differ in case only are one.
pub(super) fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_three_to_sixty_four_plain_characters() {
        for name in ["ann", "Ann.B_c-9", &"a".repeat(64)] {
            assert_eq!(name_problem(name), None, "{name}");
        }
        for name in ["", "ab", "a b c", "ann!", "änn", "ann\n", &"a".repeat(65)] {
            assert!(name_problem(name).is_some(), "{name:?}");
        }
    }

    #[test]
    fn passwords_have_eight_to_seventy_two_bytes_and_are_not_the_name() {
        for password in ["12345678", "pässwörd", &"x".repeat(72)] {
            assert_eq!(password_problem(password, "ann"), None, "{password}");
        }
        for password in
            ["", "1234567", &"x".repeat(73), &"ä".repeat(37), "annabell", "AnnaBell", "1234\x005678"]
        {
            assert!(password_problem(password, "annabell").is_some(), "{password:?}");
        }
    }
}
