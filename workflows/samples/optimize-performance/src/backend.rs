//! Puts orders together.

/// Every item once, where it stood first.
pub fn unique<T: Ord + Clone>(items: &[T]) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for item in items {
        if !kept.contains(item) {
            kept.push(item.clone());
        }
    }
    kept
}
