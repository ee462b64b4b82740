//! Rows by key.

/// Rows, each with a key of its own.
#[derive(Debug, Default)]
pub struct Table<K, V> {
    rows: Vec<(K, V)>,
}

impl<K: Ord, V> Table<K, V> {
    /// A table of rows in any order. Of two rows with one key the first is kept.
    pub fn new(rows: impl IntoIterator<Item = (K, V)>) -> Self {
        Self { rows: rows.into_iter().collect() }
    }

    /// The row of a key.
    pub fn find(&self, key: &K) -> Option<&V> {
        self.rows.iter().find(|(own, _)| own == key).map(|(_, row)| row)
    }
}
