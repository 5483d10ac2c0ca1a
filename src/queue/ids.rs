//! What jobs are known by.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The id of a job: `j` and a UUIDv7 in 32 hexadecimal digits. Sorted by text they are sorted by the time at which they
/// were made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(Uuid);

impl JobId {
    /// A new id that no other job has, later than all that this process has made.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'j'; 33];
        self.0.simple().encode_lower(&mut text[1..]);
        f.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no id of a job.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("\"{0}\" is no id of a job")]
pub struct InvalidJobId(String);

impl FromStr for JobId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, InvalidJobId> {
        let digits = text.strip_prefix('j').filter(|digits| digits.len() == 32);
        let canonical = digits.filter(|digits| !digits.bytes().any(|byte| byte.is_ascii_uppercase()));
        let id = canonical.and_then(|digits| Uuid::try_parse(digits).ok());
        id.map(Self).ok_or_else(|| InvalidJobId(text.chars().take(64).collect()))
    }
}

/// The type of a job: which handler it is for. A letter, then letters, digits, `.`, `_`, `-` and `:`, at most 64 of them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobType(Arc<str>);

/// The longest type.
const TYPE_MAX: usize = 64;

impl JobType {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for JobType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// The text is no type of jobs.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "\"{0}\" is no type of jobs: a letter, then letters, digits, \".\", \"_\", \"-\" and \":\", at most {TYPE_MAX} of them"
)]
pub struct InvalidJobType(String);

impl FromStr for JobType {
    type Err = InvalidJobType;

    fn from_str(text: &str) -> Result<Self, InvalidJobType> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':');
        let fine = text.len() <= TYPE_MAX
            && text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.bytes().all(fits);
        match fine {
            true => Ok(Self(text.into())),
            false => Err(InvalidJobType(text.chars().take(TYPE_MAX).collect())),
        }
    }
}

/// What proves that somebody has the lease of a job. Each lease has another one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseToken(Uuid);

impl LeaseToken {
    /// A token that nobody can guess.
    pub fn generate() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.simple().encode_lower(&mut Uuid::encode_buffer()))
    }
}

impl fmt::Debug for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeaseToken")
    }
}

impl FromStr for LeaseToken {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

/// As their text, and read from it.
macro_rules! as_text {
    ($($name:ident)*) => { $(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Cow::<'de, str>::deserialize(from)?.parse().map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string" })
            }
        }
    )* };
}

as_text! { JobId JobType LeaseToken }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written_and_sorted_by_their_time() {
        let ids: Vec<JobId> = (0..100).map(|_| JobId::generate()).collect();
        assert!(ids.iter().map(ToString::to_string).is_sorted() && ids.is_sorted());
        assert!(ids.iter().all(|id| id.to_string().parse() == Ok(*id)));
        let one = ids[0].to_string();
        for text in [
            "",
            "j",
            &one[1..],
            &one[..32],
            &one.to_uppercase(),
            &format!("J{}", &one[1..]),
            &format!("{one}0"),
        ] {
            assert!(text.parse::<JobId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_type_is_a_name() {
        for text in ["a", "http.post", "mail:send", "kv_set-2", &"x".repeat(64)] {
            assert_eq!(text.parse::<JobType>().unwrap().as_str(), text);
        }
        for text in ["", "1a", "a/b", "a b", "é", ".a", &"x".repeat(65)] {
            assert!(text.parse::<JobType>().is_err(), "{text}");
        }
    }
}
