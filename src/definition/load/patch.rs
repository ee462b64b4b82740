//! A list of replacements in a text, and the way back from places in the new text to places in the old one.
//!
//! The same replacements repair a text while it is read and are what `orch check --fix` writes, so the two cannot
//! disagree. Knows nothing of YAML.

use std::ops::Range;

use crate::base::{Edit, Span};

/// One replacement, and where it stands in the new text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    old: Range<usize>,
    new: Range<usize>,
    text: String,
}

/// Replacements in the order of their places; they do not overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Patch {
    pieces: Vec<Piece>,
}

impl Patch {
    /// A patch of replacements in any order; of two that overlap, the later one in the list is left out.
    pub fn of(edits: Vec<(Range<usize>, String)>) -> Self {
        let mut edits = edits;
        edits.sort_by_key(|(old, _)| (old.start, old.end));
        let (mut pieces, mut end, mut shift) = (Vec::<Piece>::with_capacity(edits.len()), 0, 0isize);
        for (old, text) in edits {
            if old.start < end {
                continue;
            }
            let start = old.start.saturating_add_signed(shift);
            let new = start..start + text.len();
            shift += text.len() as isize - old.len() as isize;
            end = old.end;
            pieces.push(Piece { old, new, text });
        }
        Self { pieces }
    }

    /// Whether nothing is replaced.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The new text.
    pub fn apply(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 64);
        let mut at = 0;
        for piece in &self.pieces {
            out.push_str(&text[at..piece.old.start]);
            out.push_str(&piece.text);
            at = piece.old.end;
        }
        out.push_str(&text[at..]);
        out
    }

    /// The place in the old text of a place in the new one; inside a replacement it is the nearest that there is.
    pub fn back(&self, at: usize) -> usize {
        let after = self.pieces.partition_point(|piece| piece.new.start <= at);
        let Some(piece) = after.checked_sub(1).map(|last| &self.pieces[last]) else { return at };
        if at >= piece.new.end {
            piece.old.end + (at - piece.new.end)
        } else {
            piece.old.start + (at - piece.new.start).min(piece.old.len())
        }
    }

    /// The replacements as edits of a source in which the old text starts at `base`.
    pub fn edits(&self, base: usize) -> Vec<Edit> {
        let edit = |piece: &Piece| Edit {
            span: Span::new(base + piece.old.start..base + piece.old.end),
            text: piece.text.clone(),
        };
        self.pieces.iter().map(edit).collect()
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
        let patch = Patch::of(vec![(4..5, "xyz".to_owned()), (1..1, "--".to_owned()), (6..8, String::new())]);
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
