//! All that is looked for, found in one pass: a small table says of every three bytes whether a pattern may begin there,
//! and the few places that it names are looked at.
//!
//! An automaton over the same patterns is slower on what holds no secret, which is almost everything, and many times
//! larger.

use std::ops::Range;

/// Bits of the table, as a power of two.
const TABLE_BITS: u32 = 16;

/// Knows the patterns.
pub(super) struct Patterns<T> {
    /// By their bytes, each with what it stands for.
    sorted: Vec<(Vec<u8>, T)>,
    /// For the first two bytes of patterns, where they stand in `sorted`.
    ranges: Vec<(u16, Range<usize>)>,
    /// Which three bytes a pattern may begin with.
    table: Vec<u64>,
    longest: usize,
}

impl<T: Copy> Patterns<T> {
    /// # Panics
    /// Where a pattern has fewer than two bytes.
    pub(super) fn new(mut patterns: Vec<(Vec<u8>, T)>) -> Self {
        patterns.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut ranges: Vec<(u16, Range<usize>)> = Vec::new();
        let mut table = vec![0u64; 1 << (TABLE_BITS - 6)];
        for (place, (pattern, _)) in patterns.iter().enumerate() {
            let pair = u16::from(pattern[0]) << 8 | u16::from(pattern[1]);
            match ranges.last_mut() {
                Some((last, range)) if *last == pair => range.end = place + 1,
                Some(_) | None => ranges.push((pair, place..place + 1)),
            }
            let third = pattern.get(2).map_or(0..=255, |third| *third..=*third);
            for third in third {
                let slot = slot(u32::from(pair) << 8 | u32::from(third));
                table[slot >> 6] |= 1 << (slot & 63);
            }
        }
        let longest = patterns.iter().map(|(pattern, _)| pattern.len()).max().unwrap_or_default();
        Self { sorted: patterns, ranges, table, longest }
    }

    /// Calls this for every pattern at every place, in the order of the places.
    pub(super) fn find(&self, bytes: &[u8], mut found: impl FnMut(usize, usize, T)) {
        let mut at = |start: usize| {
            for (pattern, what) in self.beginning_with(&bytes[start..]) {
                if bytes[start..].starts_with(pattern) {
                    found(start, start + pattern.len(), *what);
                }
            }
        };
        let mut three = bytes.iter().take(2).fold(0, |three, byte| three << 8 | u32::from(*byte));
        for (start, byte) in bytes.iter().skip(2).enumerate() {
            three = (three << 8 | u32::from(*byte)) & 0x00ff_ffff;
            let slot = slot(three);
            if self.table[slot >> 6] >> (slot & 63) & 1 == 1 {
                at(start);
            }
        }
        if let Some(last) = bytes.len().checked_sub(2) {
            at(last);
        }
    }

    /// Those that have the first two bytes of these.
    fn beginning_with(&self, bytes: &[u8]) -> &[(Vec<u8>, T)] {
        let [first, second, ..] = *bytes else { return &[] };
        let pair = u16::from(first) << 8 | u16::from(second);
        let place = self.ranges.binary_search_by_key(&pair, |(pair, _)| *pair);
        place.map_or(&[], |place| &self.sorted[self.ranges[place].1.clone()])
    }

    /// Where the longest end of the bytes begins that is the beginning of a pattern and not the whole of it; their length
    /// where there is none.
    pub(super) fn partial_suffix(&self, bytes: &[u8]) -> usize {
        let from = (bytes.len() + 1).saturating_sub(self.longest);
        (from..bytes.len()).find(|start| self.is_beginning(&bytes[*start..])).unwrap_or(bytes.len())
    }

    fn is_beginning(&self, end: &[u8]) -> bool {
        if let [one] = end {
            return self.ranges.iter().any(|(pair, _)| pair.to_be_bytes()[0] == *one);
        }
        let slot = slot(end.iter().take(3).fold(0, |three, byte| three << 8 | u32::from(*byte)));
        let may_be = end.len() < 3 || self.table[slot >> 6] >> (slot & 63) & 1 == 1;
        // The one right behind it in order is the first that can begin with it.
        may_be && {
            let near = self.beginning_with(end);
            let place = near.partition_point(|(pattern, _)| pattern.as_slice() <= end);
            near.get(place).is_some_and(|(pattern, _)| pattern.starts_with(end))
        }
    }
}

fn slot(three: u32) -> usize {
    (three.wrapping_mul(0x9e37_79b1) >> (32 - TABLE_BITS)) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn patterns(all: &[&str]) -> Patterns<usize> {
        Patterns::new(all.iter().enumerate().map(|(place, text)| (text.as_bytes().to_vec(), place)).collect())
    }

    #[test]
    fn the_longest_beginning_counts_and_a_whole_is_none() {
        let all = patterns(&["abc", "abcdef", "cx", "qz"]);
        for (text, expected) in
            [("", 0), ("zz", 2), ("zab", 1), ("zabc", 1), ("zabcdef", 7), ("abcde", 0), ("zc", 1), ("zcx", 3), ("q", 0)]
        {
            assert_eq!(all.partial_suffix(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn all_that_is_there_is_found_and_nothing_else(
            all in proptest::collection::vec("[ab]{2,5}", 1..6),
            text in "[abc]{0,30}",
        ) {
            let words: Vec<&str> = all.iter().map(String::as_str).collect();
            let mut found = Vec::new();
            patterns(&words).find(text.as_bytes(), |start, end, what| found.push((start, end, what)));
            let mut expected = Vec::new();
            for start in 0..text.len() {
                for (place, word) in words.iter().enumerate().filter(|(_, word)| text[start..].starts_with(**word)) {
                    expected.push((start, start + word.len(), place));
                }
            }
            found.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
