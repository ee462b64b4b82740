//! What all readers share: lines of places in the source.

/// Where lines begin.
#[derive(Debug)]
pub(super) struct Lines(Vec<usize>);

impl Lines {
    /// The lines of a text.
    pub fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// The line of a place, from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset).max(1)
    }

    /// The line of the first character that is no space, from a place on.
    pub fn line_of_text(&self, text: &str, from: usize) -> usize {
        let rest = text.get(from..).unwrap_or_default();
        self.line(from + rest.len() - rest.trim_start().len())
    }
}
