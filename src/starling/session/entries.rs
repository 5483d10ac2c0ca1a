//! A map of few entries: sorted, and exactly as large as they are. Most sessions have one or two subscriptions, for which
//! a tree would set aside a whole node.

/// Values by name, in the order of the names.
#[derive(Debug)]
pub(super) struct Entries<T>(Vec<(Box<str>, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Entries<T> {
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.place(name).ok().map(|at| &self.0[at].1)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.place(name).ok().map(|at| &mut self.0[at].1)
    }

    /// Sets the value of a name, and drops the one before.
    pub(super) fn insert(&mut self, name: &str, value: T) {
        match self.place(name) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => {
                if self.0.len() < 4 {
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, (name.into(), value));
            }
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<T> {
        let value = self.place(name).ok().map(|at| self.0.remove(at).1);
        if self.0.len() * 4 < self.0.capacity() {
            self.0.shrink_to_fit();
        }
        value
    }

    /// Takes out what is not wanted.
    pub(super) fn take_unless(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<(Box<str>, T)> {
        self.0.extract_if(.., |(name, _)| !wanted(name)).collect()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut T)> {
        self.0.iter_mut().map(|(name, value)| (&**name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_map_in_the_order_of_names() {
        let mut entries = Entries::default();
        for (name, value) in [("b", 1), ("a", 2), ("c", 3), ("b", 4), ("d", 5), ("e", 6)] {
            entries.insert(name, value);
        }
        assert_eq!(entries.names().collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
        assert_eq!((entries.len(), entries.get("b"), entries.get("x")), (5, Some(&4), None));
        assert_eq!((entries.remove("a"), entries.remove("a")), (Some(2), None));
        entries.iter_mut().for_each(|(_, value)| *value += 1);
        *entries.get_mut("c").unwrap() = 0;
        let taken = entries.take_unless(|name| name == "c" || name == "b");
        assert_eq!(taken, [("d".into(), 6), ("e".into(), 7)]);
        assert_eq!(entries.values().copied().collect::<Vec<_>>(), [5, 0]);
    }
}
