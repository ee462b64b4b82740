//! A list of replacements in a text, and the way back from places in the new text to places in the old one.
//!
//! The same replacements repair a text while it is read and are what `orch check --fix` writes, so the two cannot
//! disagree. Knows nothing of YAML.

use std::ops::Range;

use crate::base::{Edit, Span};

/// One replacement, and where it begins in the new text and among the texts of the patch.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    old: Range<usize>,
    new: usize,
    text: usize,
}

/// Replacements in the order of their places; they do not overlap.
///
/// Their texts stand in one: a hostile file is repaired in hundreds of thousands of places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Patch {
    pieces: Vec<Piece>,
    texts: String,
    /// By how much the new text is longer so far.
    shift: isize,
}

impl Patch {
    /// A patch of replacements in any order; of two that overlap, the later one in the list is left out.
    pub fn of<'t>(edits: impl IntoIterator<Item = (Range<usize>, &'t str)>) -> Self {
        let mut edits: Vec<(Range<usize>, &str)> = edits.into_iter().collect();
        edits.sort_by_key(|(old, _)| (old.start, old.end));
        let mut patch = Self::default();
        edits.into_iter().for_each(|(old, text)| patch.push(old, text));
        patch
    }

    /// Adds a replacement behind the others; one that overlaps the last is left out.
    pub fn push(&mut self, old: Range<usize>, text: &str) {
        if self.pieces.last().is_some_and(|last| old.start < last.old.end) {
            return;
        }
        let new = old.start.saturating_add_signed(self.shift);
        self.shift += text.len() as isize - old.len() as isize;
        self.pieces.push(Piece { old, new, text: self.texts.len() });
        self.texts.push_str(text);
    }

    /// What stands in the place of a piece afterwards.
    fn text(&self, piece: usize) -> &str {
        let end = self.pieces.get(piece + 1).map_or(self.texts.len(), |next| next.text);
        &self.texts[self.pieces[piece].text..end]
    }

    /// How many replacements there are.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether nothing is replaced.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The new text.
    pub fn apply(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + self.texts.len());
        let mut at = 0;
        for (place, piece) in self.pieces.iter().enumerate() {
            out.push_str(&text[at..piece.old.start]);
            out.push_str(self.text(place));
            at = piece.old.end;
        }
        out.push_str(&text[at..]);
        out
    }

    /// The place in the old text of a place in the new one; inside a replacement it is the nearest that there is.
    pub fn back(&self, at: usize) -> usize {
        let after = self.pieces.partition_point(|piece| piece.new <= at);
        let Some(place) = after.checked_sub(1) else { return at };
        let (piece, length) = (&self.pieces[place], self.text(place).len());
        let inside = at - piece.new;
        if inside >= length { piece.old.end + (inside - length) } else { piece.old.start + inside.min(piece.old.len()) }
    }

    /// The replacements as edits of a source in which the old text starts at `base`.
    pub fn edits(&self, base: usize) -> Vec<Edit> {
        let edit = |(place, piece): (usize, &Piece)| Edit {
            span: Span::new(base + piece.old.start..base + piece.old.end),
            text: self.text(place).to_owned(),
        };
        self.pieces.iter().enumerate().map(edit).collect()
    }
}

/// The one edit that turns `old` into `new`, both of which start at `base`.
pub(super) fn difference(old: &str, new: &str, base: usize) -> Edit {
    let mut start = old.bytes().zip(new.bytes()).take_while(|(one, other)| one == other).count();
    while !old.is_char_boundary(start) {
        start -= 1;
    }
    let rest = old.len().min(new.len()) - start;
    let tail = old.bytes().rev().zip(new.bytes().rev()).take(rest).take_while(|(one, other)| one == other).count();
    let mut end = old.len() - tail;
    while !old.is_char_boundary(end) {
        end += 1;
    }
    let text = new[start..new.len() - (old.len() - end)].to_owned();
    Edit { span: Span::new(base + start..base + end), text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_go_back() {
        let patch = Patch::of([(4..5, "xyz"), (1..1, "--"), (6..8, ""), (7..9, "gone")]);
        assert_eq!(patch.apply("0123456789"), "0--123xyz589");
        let back: Vec<usize> = (0..=12).map(|at| patch.back(at)).collect();
        assert_eq!(back, [0, 1, 1, 1, 2, 3, 4, 5, 5, 5, 8, 9, 10]);
    }

    proptest! {
        #[test]
        fn the_difference_makes_the_new_text(old in "[aé\\n ]{0,12}", new in "[aé\\n ]{0,12}") {
            let edit = difference(&old, &new, 0);
            let made = format!("{}{}{}", &old[..edit.span.start], edit.text, &old[edit.span.end..]);
            prop_assert_eq!(made, new);
        }
    }
}
