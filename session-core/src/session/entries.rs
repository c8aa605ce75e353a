//! [`Entries`]: a small map from names of values to what is to happen to them, in the order of names.

/// Sorted by name, each name once.
///
/// A vector, because a request changes a value or two: a `BTreeMap` takes a node of 900 bytes for the first one.
#[derive(Clone)]
pub(super) struct Entries<T>(Vec<(Box<str>, T)>);

impl<T> Entries<T> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, name: &str) -> Option<&T> {
        let place = self.place(name).ok()?;
        self.0.get(place).map(|(_, entry)| entry)
    }

    /// Puts an entry in place of the one that was there.
    pub(super) fn insert(&mut self, name: Box<str>, entry: T) {
        match self.place(&name) {
            Ok(place) => self.0[place].1 = entry,
            Err(place) => self.0.insert(place, (name, entry)),
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<T> {
        let place = self.place(name).ok()?;
        Some(self.0.remove(place).1)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, entry)| (&**name, entry))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut T)> {
        self.0.iter_mut().map(|(name, entry)| (&**name, entry))
    }

    /// Where the name is, or where it would be.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(name))
    }
}

impl<T> IntoIterator for Entries<T> {
    type Item = (Box<str>, T);
    type IntoIter = std::vec::IntoIter<(Box<str>, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
