//! Did-you-mean.

/// The candidate nearest to `word`, if it is near enough to be a slip of the fingers.
///
/// Distance is Damerau-Levenshtein; one slip is allowed for each three characters, at least one.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        // Among equals, a word of the same length: letters are swapped more often than lost.
        .min_by_key(|(distance, candidate)| (*distance, candidate.len().abs_diff(word.len()), candidate.len()))
        .map(|(_, candidate)| candidate)
}
