//! What a subscriber wants of a topic: publications are chosen by their tags, where they are published.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Tags of a publication: names and texts.
pub type Tags = BTreeMap<String, String>;

/// Tags that a publication must have: for each name one of some texts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Filter(BTreeMap<Box<str>, Vec<Box<str>>>);

/// Names of a filter, and texts of one name.
const NAMES_MAX: usize = 16;
const TEXTS_MAX: usize = 100;

/// No publication has longer tags.
const BYTES_MAX: usize = 256;

fn short(name: &str) -> String {
    name.chars().take(32).collect()
}

impl Filter {
    /// Whether a publication with these tags is wanted.
    pub fn admits(&self, tags: Option<&Tags>) -> bool {
        self.0.iter().all(|(name, wanted)| {
            let tag = tags.and_then(|tags| tags.get(&**name));
            tag.is_some_and(|tag| wanted.iter().any(|text| **text == **tag))
        })
    }

    /// Whether it admits everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Value> for Filter {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let Value::Object(members) = value else {
            return Err("a filter is an object: {\"tag\": \"text\"} or {\"tag\": [\"text\", ...]}".to_owned());
        };
        if let Some(name) = members.keys().find(|name| name.len() > BYTES_MAX) {
            return Err(format!("/{}…: a tag has at most {BYTES_MAX} bytes", short(name)));
        }
        if members.len() > NAMES_MAX {
            return Err(format!("a filter has at most {NAMES_MAX} names"));
        }
        let text = |name: &str, value: Value| match value {
            Value::String(text) if text.len() <= BYTES_MAX => Ok(text.into_boxed_str()),
            Value::String(_) => Err(format!("/{}: a tag has at most {BYTES_MAX} bytes", short(name))),
            other => Err(format!("/{name}: a tag is a text, not {other}")),
        };
        let one = |(name, value): (String, Value)| {
            let texts = match value {
                Value::Array(texts) if texts.len() <= TEXTS_MAX => {
                    texts.into_iter().map(|value| text(&name, value)).collect::<Result<Vec<_>, _>>()?
                }
                Value::Array(_) => return Err(format!("/{name}: at most {TEXTS_MAX} texts")),
                other => vec![text(&name, other)?],
            };
            Ok((name.into_boxed_str(), texts))
        };
        members.into_iter().map(one).collect::<Result<_, _>>().map(Self)
    }
}

impl From<Filter> for Value {
    fn from(filter: Filter) -> Self {
        serde_json::json!(filter.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tags(of: &[(&str, &str)]) -> Tags {
        of.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn every_name_must_have_one_of_its_texts() {
        let filter = Filter::try_from(json!({ "room": "a", "level": ["warn", "error"] })).unwrap();
        assert!(filter.admits(Some(&tags(&[("room", "a"), ("level", "warn"), ("more", "x")]))));
        assert!(!filter.admits(Some(&tags(&[("room", "b"), ("level", "warn")]))));
        assert!(!filter.admits(Some(&tags(&[("room", "a")]))));
        assert!(!filter.admits(None));
        assert!(Filter::default().admits(None));
        let written: Value = filter.clone().into();
        assert_eq!(Filter::try_from(written).unwrap(), filter);
    }

    #[test]
    fn what_is_no_filter_is_refused_with_its_place() {
        assert!(Filter::try_from(json!([1])).is_err());
        assert_eq!(Filter::try_from(json!({ "a": 1 })).unwrap_err(), "/a: a tag is a text, not 1");
        assert!(Filter::try_from(json!({ "a": vec!["x"; 101] })).is_err());
    }
}
