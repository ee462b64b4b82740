//! Words of a text, and what remains of a word when its endings and the words that say nothing are left out.
//!
//! Knows English, roughly: two forms of one word should meet, which form that is does not matter.

use std::{collections::HashSet, sync::OnceLock};

/// A stem has at least so many letters.
const STEM_MIN: usize = 3;

/// Words that say nothing about what a step is for: those of grammar, and those that every task has.
const IDLE: &str = " a about after all also an and any anything apply are as at be because been before being both but by can \
    change code could create do does done each either else every few file for from get give go had has have help here how i \
    if in into is it its just keep kind know let like make many may mean might more most must need new no none not now of off \
    on once one only onto or other our out over own part per place please project provide run same say see set should show so \
    some someone something step such sure take task tell than that the their them then there these they thing this those \
    through to together two under until up us use user using very want was way we well were what when where which while who \
    why will with within without work would write written you your ";

/// The words of a text in lower case. Letters, digits and the marks inside of `c++`, `c#` and `.net` make words.
pub(super) fn words(text: &str) -> impl Iterator<Item = String> {
    let cuts = |letter: char| !(letter.is_alphanumeric() || matches!(letter, '+' | '#'));
    text.split(cuts).filter(|word| word.chars().any(char::is_alphanumeric)).map(str::to_lowercase)
}

/// The stem of a word; `None` where it says nothing.
pub(super) fn stem(word: &str) -> Option<String> {
    static IDLE_STEMS: OnceLock<HashSet<String>> = OnceLock::new();
    let idle = IDLE_STEMS.get_or_init(|| IDLE.split_whitespace().map(without_ending).collect());
    let stem = without_ending(word);
    (word.len() >= STEM_MIN && !idle.contains(&stem)).then_some(stem)
}

fn without_ending(word: &str) -> String {
    const ENDINGS: [&str; 9] = ["ments", "ment", "ings", "ing", "ies", "ed", "es", "s", "ly"];
    let bare = ENDINGS.iter().find_map(|ending| word.strip_suffix(ending).filter(|rest| rest.len() >= STEM_MIN));
    let mut stem = bare.unwrap_or(word).to_owned();
    // `running` and `run`, `making` and `make`, `query` and `queries`.
    let mut last = stem.chars().rev();
    if let (Some(one), Some(other)) = (last.next(), last.next())
        && one == other
        && !"aeiousl".contains(one)
        && stem.len() > STEM_MIN
    {
        stem.pop();
    }
    if stem.len() > STEM_MIN && stem.ends_with(['e', 'y']) {
        stem.pop();
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_word_meet() {
        for forms in [
            &["review", "reviews", "reviewed", "reviewing"][..],
            &["measure", "measures", "measurement", "measurements", "measuring"],
            &["fix", "fixes", "fixed", "fixing"],
            &["plan", "plans", "planned", "planning"],
            &["query", "queries"],
            &["cache", "caches", "cached", "caching"],
        ] {
            let stems: Vec<_> = forms.iter().map(|form| stem(form)).collect();
            assert!(stems.iter().all(|one| one.is_some() && *one == stems[0]), "{forms:?} {stems:?}");
        }
        assert_ne!(stem("test"), stem("tester"));
    }

    #[test]
    fn idle_words_say_nothing() {
        for word in ["the", "files", "project", "makes", "using", "works", "a"] {
            assert_eq!(stem(word), None, "{word}");
        }
        assert_eq!(words("C++, C# and .NET; it's").collect::<Vec<_>>(), ["c++", "c#", "and", "net", "it", "s"]);
    }
}
