//! Values that a session keeps by name: JSON, bounded, and written down for the next process.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use parking_lot::Mutex;
use serde_json::Value;
use thiserror::Error;

/// Why a value is not kept.
#[derive(Debug, Error)]
pub enum DataError {
    /// A name has 1 to 128 characters.
    #[error("a name has 1 to {NAME_MAX} characters, not {0}")]
    Name(usize),
    /// All values of a session together would be too much.
    #[error("a session keeps at most {limit} bytes, not {bytes}")]
    TooMuch {
        /// What it would be.
        bytes: usize,
        /// What it may be.
        limit: usize,
    },
    /// The value cannot be written as JSON.
    #[error("the value is no JSON")]
    Json(#[source] serde_json::Error),
}

const NAME_MAX: usize = 128;

/// Values by name. Empty, it takes three words.
pub struct SessionData {
    bytes_max: usize,
    values: Mutex<Option<Box<Values>>>,
}

#[derive(Default)]
struct Values {
    values: BTreeMap<String, Value>,
    bytes: usize,
    /// Names whose values are not written down as they are.
    changed: BTreeSet<String>,
}

impl SessionData {
    /// Nothing yet, and at most so many bytes of names and values ever.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, values: Mutex::new(None) }
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.values.lock().as_ref().and_then(|values| values.values.get(name).cloned())
    }

    /// All names and values.
    pub fn all(&self) -> BTreeMap<String, Value> {
        self.values.lock().as_ref().map(|values| values.values.clone()).unwrap_or_default()
    }

    /// Sets the value of a name.
    ///
    /// # Errors
    /// If the name is too long, or it would be too much.
    pub fn set(&self, name: &str, value: Value) -> Result<(), DataError> {
        let characters = name.chars().count();
        if characters == 0 || characters > NAME_MAX {
            return Err(DataError::Name(characters));
        }
        let mut values = self.values.lock();
        let values = values.get_or_insert_default();
        let before = values.values.get(name).map_or(0, |value| weight(name, value));
        let bytes = values.bytes - before + weight(name, &value);
        if bytes > self.bytes_max {
            return Err(DataError::TooMuch { bytes, limit: self.bytes_max });
        }
        values.bytes = bytes;
        values.values.insert(name.to_owned(), value);
        values.changed.insert(name.to_owned());
        Ok(())
    }

    /// Takes a value away. Says whether there was one.
    pub fn remove(&self, name: &str) -> bool {
        let mut values = self.values.lock();
        let Some(values) = values.as_mut() else { return false };
        let Some(value) = values.values.remove(name) else { return false };
        values.bytes -= weight(name, &value);
        values.changed.insert(name.to_owned());
        true
    }

    /// Names whose values have changed since the last call, and what they are now.
    pub fn take_changed(&self) -> Vec<(String, Option<Value>)> {
        let mut values = self.values.lock();
        let Some(values) = values.as_mut() else { return Vec::new() };
        let changed = std::mem::take(&mut values.changed);
        let now = |name: String| {
            let value = values.values.get(&name).cloned();
            (name, value)
        };
        changed.into_iter().map(now).collect()
    }

    /// The change of a name could not be written down: it is told once more.
    pub fn change_again(&self, name: &str) {
        self.values.lock().get_or_insert_default().changed.insert(name.to_owned());
    }

    /// Begins with what was written down. What was set meanwhile is newer.
    pub fn restore(&self, written: impl IntoIterator<Item = (String, Value)>) {
        for (name, value) in written {
            // It fitted once; a limit that was lowered since is met by the next one who sets something.
            let mut values = self.values.lock();
            let values = values.get_or_insert_default();
            if values.values.contains_key(&name) || values.changed.contains(&name) {
                continue;
            }
            values.bytes += weight(&name, &value);
            values.values.insert(name, value);
        }
    }
}

fn weight(name: &str, value: &Value) -> usize {
    name.len() + serde_json::to_string(value).map_or(0, |text| text.len())
}

impl fmt::Debug for SessionData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionData")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_kept_up_to_a_limit_and_changes_are_told_once() {
        let data = SessionData::new(20);
        data.set("a", json!([1, 2])).unwrap();
        data.set("b", json!("x")).unwrap();
        assert!(matches!(
            data.set("c", json!("0123456789")),
            Err(DataError::TooMuch { bytes: 23, limit: 20 })
        ));
        data.set("a", json!(1)).unwrap();
        assert!(data.remove("b") && !data.remove("b"));
        let changed = data.take_changed();
        assert_eq!(changed, [("a".to_owned(), Some(json!(1))), ("b".to_owned(), None)]);
        assert!(data.take_changed().is_empty());
        assert!(data.set("", json!(1)).is_err() && data.set(&"n".repeat(129), json!(1)).is_err());
        assert_eq!(data.all().len(), 1);
    }
}
