//! One list of all codes, and how to find one in it.

use crate::base::{
    Code,
    codes::{definition, plan, run, serve, store, use_},
};

/// A family of codes: a constant of each and the table of all. The long form says the exit code and whether trying again
/// helps; the short one is of faults in definitions, where both are always the same.
macro_rules! codes {
    ($($name:ident $code:literal $title:literal $story:literal;)*) => {
        $crate::base::codes::table::codes! { $($name $code 10 false $title $story;)* }
    };
    ($($name:ident $code:literal $exit:literal $retryable:literal $title:literal $story:literal;)*) => {
        $(#[doc = $title] pub const $name: $crate::base::Code = $crate::base::Code($code);)*

        pub(super) const CODES: &[$crate::base::codes::CodeInfo] = &[$($crate::base::codes::CodeInfo {
            code: $name, title: $title, story: $story, exit: $exit, retryable: $retryable,
        },)*];
    };
}
pub(super) use codes;

/// What `orch explain` says of one code.
#[derive(Debug, Clone, Copy)]
pub struct CodeInfo {
    /// The code.
    pub code: Code,
    /// One line: what is wrong.
    pub title: &'static str,
    /// The story: why it is an error and how to fix it, with a wrong and a right example where that helps.
    pub story: &'static str,
    /// The exit code that a command ends with.
    pub exit: u8,
    /// Whether the same command may succeed later without an edit.
    pub retryable: bool,
}

/// All codes, in order.
pub fn all() -> impl Iterator<Item = &'static CodeInfo> {
    definition::CODES
        .iter()
        .chain(plan::CODES)
        .chain(run::CODES)
        .chain(store::CODES)
        .chain(use_::CODES)
        .chain(serve::CODES)
}

/// The entry of a code, written as `E0107` in any case.
#[must_use]
pub fn find(code: &str) -> Option<&'static CodeInfo> {
    all().find(|info| info.code.0.eq_ignore_ascii_case(code.trim()))
}

#[cfg(test)]
mod tests {
    use super::{all, find};

    #[test]
    fn codes_are_unique_and_sorted() {
        let codes: Vec<_> = all().map(|info| info.code.0).collect();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
    }

    #[test]
    fn every_entry_says_something() {
        for info in all() {
            assert!(!info.title.is_empty() && !info.title.ends_with('.'), "{}", info.code);
            assert!(info.story.trim().len() > 30, "{}", info.code);
        }
    }

    #[test]
    fn a_code_is_found_in_any_case() {
        assert_eq!(find(" e0107 ").map(|info| info.code.0), Some("E0107"));
        assert!(find("E9999").is_none());
    }
}
