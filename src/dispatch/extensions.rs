//! Values that an application keeps with a session, one of each type.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;

use parking_lot::Mutex;

type Values = HashMap<TypeId, Box<dyn Any + Send>>;

/// At most one value of each type. Empty, it takes two words.
#[derive(Default)]
pub struct Extensions(Mutex<Option<Box<Values>>>);

impl Extensions {
    /// Calls `use_it` with the value of type `T`, made by `Default` the first time. No other value of this
    /// session can be used meanwhile.
    pub fn with<T: Default + Send + 'static, R>(&self, use_it: impl FnOnce(&mut T) -> R) -> R {
        let mut values = self.0.lock();
        let entry = values.get_or_insert_default().entry(TypeId::of::<T>());
        let value = entry.or_insert_with(|| Box::<T>::default());
        match value.downcast_mut() {
            Some(value) => use_it(value),
            // The key is the type, so this cannot happen; a fresh value is better than a panic.
            None => use_it(&mut T::default()),
        }
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Extensions")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_value_of_each_type() {
        let extensions = Extensions::default();
        extensions.with(|count: &mut u32| *count += 1);
        extensions.with(|text: &mut String| text.push('a'));
        assert_eq!(extensions.with(|count: &mut u32| *count), 1);
        assert_eq!(extensions.with(|text: &mut String| text.clone()), "a");
    }
}
