//! Did-you-mean.

/// The candidate nearest to `word`, if it is near enough to be a slip of the fingers.
///
/// Distance is Damerau-Levenshtein; one slip is allowed for each three characters, at least one.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(1);
    let word_lower = word.to_lowercase();
    let (length, letters) = shape(&word_lower);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let (other_length, other_letters) = shape(&lower);
            // One slip changes the length by one at most, and adds and removes one letter at most. Most candidates are
            // out by this, which costs far less than their distance.
            let near = length.abs_diff(other_length) <= allowed
                && (letters & !other_letters).count_ones() as usize <= allowed
                && (other_letters & !letters).count_ones() as usize <= allowed;
            near.then(|| (strsim::damerau_levenshtein(&word_lower, &lower), candidate))
        })
        .filter(|(distance, _)| *distance <= allowed)
        // Among equals, a word of the same length: letters are swapped more often than lost.
        .min_by_key(|(distance, candidate)| (*distance, candidate.len().abs_diff(word.len()), candidate.len()))
        .map(|(_, candidate)| candidate)
}

/// The number of characters, and which there are: one bit for each, shared by those that are equal in their last six
/// bits.
fn shape(word: &str) -> (usize, u64) {
    word.chars().fold((0, 0), |(length, letters), c| (length + 1, letters | 1 << (u32::from(c) % 64)))
}
