//! Patterns of KEYS and SCAN: `*`, `?`, `[a-c]`, `[^a]` and `\` before a character that means itself.

/// Whether a key fits a pattern.
pub(super) fn fits(pattern: &[u8], key: &[u8]) -> bool {
    let (mut p, mut k) = (0, 0);
    // Where to go on if the last star has to take one more.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, k));
                p += 1;
                continue;
            }
            None if k == key.len() => return true,
            None => None,
            Some(_) => key.get(k).and_then(|byte| one(&pattern[p..], *byte)),
        };
        match (step, star) {
            (Some(taken), _) => (p, k) = (p + taken, k + 1),
            (None, Some((after, from))) if from < key.len() => {
                star = Some((after, from + 1));
                (p, k) = (after, from + 1);
            }
            _ => return false,
        }
    }
}

/// The bytes that every fitting key begins with.
pub(super) fn literal_prefix(pattern: &[u8]) -> &[u8] {
    let special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'\\');
    &pattern[..pattern.iter().position(special).unwrap_or(pattern.len())]
}

/// If the first element of a pattern, which is no star, fits a byte: how long the element is.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', rest @ ..] => class(rest, byte).and_then(|(fits, taken)| fits.then_some(taken + 1)),
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

/// Whether a byte is in a class, and how long the class is. One without an end ends with the pattern.
fn class(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = pattern.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match &pattern[at.min(pattern.len())..] {
            [] => return Some((found != negated, pattern.len())),
            [b']', ..] => return Some((found != negated, at + 1)),
            [b'\\', escaped, ..] => {
                found |= *escaped == byte;
                at += 2;
            }
            [from, b'-', to, ..] if *to != b']' => {
                let (low, high) = (from.min(to), from.max(to));
                found |= (low..=high).contains(&&byte);
                at += 3;
            }
            [literal, ..] => {
                found |= *literal == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_redis_has_them() {
        let cases = [
            ("*", "", true),
            ("*", "any", true),
            ("", "", true),
            ("", "a", false),
            ("a", "a", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "hllo", true),
            ("h*llo", "heeeello", true),
            ("h*llo", "heeeell", false),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("h[a-b]llo", "hcllo", false),
            ("a\\*c", "a*c", true),
            ("a\\*c", "abc", false),
            ("*:*:c", "a:b:c", true),
            ("*a*b", "xaxxb", true),
            ("*a*b", "xaxxbx", false),
            ("[", "a", false),
            ("[a", "a", true),
            ("a*", "b", false),
            ("**", "x", true),
        ];
        for (pattern, key, expected) in cases {
            assert_eq!(fits(pattern.as_bytes(), key.as_bytes()), expected, "{pattern} {key}");
        }
        assert_eq!(literal_prefix(b"user:?"), b"user:");
        assert_eq!(literal_prefix(b"user"), b"user");
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let pattern = b"*a".repeat(50);
        assert!(!fits(&pattern, &b"a".repeat(4_000).iter().chain(b"b").copied().collect::<Vec<_>>()));
    }
}
