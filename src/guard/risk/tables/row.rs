//! One rule of a table.

use super::{local, remote, system};
use crate::definition::policy::{Level, RiskClass};

/// A rule: this program, with these words and one of these flags, is that dangerous.
#[derive(Debug, Clone, Copy)]
pub struct RuleRow {
    /// Its name in messages.
    pub id: &'static str,
    /// The programs.
    pub programs: &'static [&'static str],
    /// What the words behind the program begin with; `a|b` is either, `*` a part, `**` any number of words.
    pub words: &'static [&'static str],
    /// One of these stands anywhere; none is needed where the list is empty.
    pub flags: &'static [&'static str],
    /// How dangerous.
    pub level: Level,
    /// In which way.
    pub class: RiskClass,
    /// Why, one line.
    pub why: &'static str,
    /// What to do instead.
    pub instead: &'static str,
}

macro_rules! table {
    ($($id:literal [$($program:literal)*] [$($word:literal)*] [$($flag:literal)*] $level:ident $class:ident $why:literal $instead:literal;)*) => {
        pub(super) const ROWS: &[super::row::RuleRow] = &[$(super::row::RuleRow {
            id: $id,
            programs: &[$($program),*],
            words: &[$($word),*],
            flags: &[$($flag),*],
            level: crate::definition::policy::Level::$level,
            class: crate::definition::policy::RiskClass::$class,
            why: $why,
            instead: $instead,
        },)*];
    };
}

pub(super) use table;

/// All rules.
pub fn rows() -> impl Iterator<Item = &'static RuleRow> {
    local::ROWS.iter().chain(remote::ROWS).chain(system::ROWS)
}
