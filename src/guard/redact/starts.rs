//! The beginnings of all that is looked for: how much of the end of some bytes may be the beginning of it.

/// Knows the patterns.
pub(super) struct Starts {
    /// Sorted.
    patterns: Vec<Vec<u8>>,
    /// Whether a pattern begins with these two bytes, or with the first of them alone where it is all that is there.
    pairs: Vec<bool>,
    firsts: [bool; 256],
    longest: usize,
}

impl Starts {
    pub(super) fn new(mut patterns: Vec<Vec<u8>>) -> Self {
        patterns.sort();
        patterns.dedup();
        let (mut pairs, mut firsts) = (vec![false; 1 << 16], [false; 256]);
        for pattern in &patterns {
            firsts[usize::from(pattern[0])] = true;
            if let [first, second, ..] = pattern[..] {
                pairs[usize::from(first) << 8 | usize::from(second)] = true;
            }
        }
        let longest = patterns.iter().map(Vec::len).max().unwrap_or_default();
        Self { patterns, pairs, firsts, longest }
    }

    /// Where the longest end of the bytes begins that is the beginning of a pattern and not the whole of it; their length
    /// where there is none.
    pub(super) fn partial_suffix(&self, bytes: &[u8]) -> usize {
        let from = (bytes.len() + 1).saturating_sub(self.longest);
        (from..bytes.len()).find(|start| self.is_beginning(&bytes[*start..])).unwrap_or(bytes.len())
    }

    fn is_beginning(&self, end: &[u8]) -> bool {
        let may_be = match end {
            [first] => self.firsts[usize::from(*first)],
            [first, second, ..] => self.pairs[usize::from(*first) << 8 | usize::from(*second)],
            [] => false,
        };
        // The one right behind it in order is the first that can begin with it.
        may_be && {
            let place = self.patterns.partition_point(|pattern| pattern.as_slice() <= end);
            self.patterns.get(place).is_some_and(|pattern| pattern.starts_with(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_counts_and_a_whole_is_none() {
        let starts = Starts::new([&b"abc"[..], b"abcdef", b"cx", b"q"].map(<[u8]>::to_vec).to_vec());
        for (text, expected) in
            [("", 0), ("zz", 2), ("zab", 1), ("zabc", 1), ("zabcdef", 7), ("abcde", 0), ("zc", 1), ("zcx", 3), ("q", 1)]
        {
            assert_eq!(starts.partial_suffix(text.as_bytes()), expected, "{text}");
        }
    }
}
