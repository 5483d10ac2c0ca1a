//! Durations as people write them: `250ms`, `30s`, `5m`, `1h`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A length of time in whole milliseconds; in text a whole number with `ms`, `s`, `m`, `h` or `d`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Span(Duration);

impl Span {
    /// `count` milliseconds.
    pub const fn millis(count: u64) -> Self {
        Self(Duration::from_millis(count))
    }

    /// `count` seconds.
    pub const fn secs(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }

    /// The same as the standard library's type.
    pub const fn get(self) -> Duration {
        self.0
    }

    /// Whether it is no time at all, which switches most limits off.
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// The whole number of milliseconds.
    pub fn as_ms(self) -> u64 {
        self.0.as_millis() as u64
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.as_ms();
        let fits = |unit: &&(&str, u64)| ms >= unit.1 && ms.is_multiple_of(unit.1);
        let (name, unit) = UNITS.iter().find(fits).copied().unwrap_or(("s", 1_000));
        write!(f, "{}{name}", ms / unit)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not a duration: write a whole number with ms, s, m, h or d");
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
        let unit = text[digits..].trim_start();
        let (_, ms) = UNITS.iter().find(|(name, _)| unit == *name).ok_or_else(wrong)?;
        number.checked_mul(*ms).map(Self::millis).ok_or_else(wrong)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// A duration as people read it in milliseconds, such as `1.36ms`.
pub fn ms_text(took: Duration) -> String {
    format!("{:.2}ms", took.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_print_the_same() {
        for text in ["0s", "250ms", "30s", "5m", "36h", "2d"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("1500ms".parse(), Ok(Span::millis(1_500)));
        assert_eq!("10 s".parse(), Ok(Span::secs(10)));
    }

    #[test]
    fn nonsense_is_named() {
        for text in ["", "s", "30", "1.5s", "-1s", "30 sec", "99999999999999999999s", "999999999999999999d"] {
            let problem = text.parse::<Span>().unwrap_err();
            assert!(problem.contains(&format!("\"{text}\"")), "{problem}");
        }
    }
}
