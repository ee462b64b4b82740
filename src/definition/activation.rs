//! Which skills apply to a text and to files, and why.
//!
//! The rules are few and the reason is kept: a keyword or a glob of `triggers:`, a glob of `paths:`, or enough words of
//! the description. Knows nothing of steps. Invariant: the index is made once for a library and all its copies, because
//! making it costs far more than asking it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, OnceLock},
};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::definition::{
    agent::Skill,
    library::Shelf,
    origin::Scope,
    stems::{stem, words},
};

/// The index of a library's skills, made when it is first asked.
#[derive(Debug, Clone, Default)]
pub struct Activation {
    index: Arc<OnceLock<Index>>,
}

impl Activation {
    /// The names of the skills that apply to a text and to files, nearest scope first, the strongest reason first, each
    /// with why. `skills` are those of the library that this belongs to.
    pub(super) fn matches(&self, skills: &Shelf<Skill>, text: &str, files: &[String]) -> Vec<(&str, String)> {
        self.index.get_or_init(|| Index::new(skills)).matches(text, files)
    }
}

/// All skills that may be activated, by what activates them.
#[derive(Debug)]
struct Index {
    /// Their names and scopes, nearest first.
    skills: Vec<(String, Scope)>,
    /// The first word of a keyword, the keyword's words, the skill.
    keywords: HashMap<String, Vec<(Vec<String>, usize)>>,
    globs: GlobSet,
    /// For each glob its text and its skill.
    glob_skills: Vec<(String, usize)>,
    /// A stem of a description, and the skills.
    stems: HashMap<String, Vec<usize>>,
    /// How many of its stems a step must have.
    needed: Vec<usize>,
}

impl Index {
    fn new(skills: &Shelf<Skill>) -> Self {
        let mut skills: Vec<&Skill> = skills.iter().filter(|skill| skill.meta.model_invocable).collect();
        skills.sort_by_key(|skill| skill.origin.scope);
        let mut made = Self {
            skills: Vec::new(),
            keywords: HashMap::new(),
            globs: GlobSet::empty(),
            glob_skills: Vec::new(),
            stems: HashMap::new(),
            needed: Vec::new(),
        };
        let mut globs = GlobSetBuilder::new();
        for (place, skill) in skills.iter().enumerate() {
            let (by_glob, by_word): (Vec<&String>, Vec<&String>) =
                skill.triggers.iter().partition(|trigger| trigger.contains(['*', '?', '/']));
            for glob in by_glob.into_iter().chain(&skill.globs) {
                if let Ok(read) = GlobBuilder::new(glob.trim_start_matches("./")).literal_separator(true).build() {
                    globs.add(read);
                    made.glob_skills.push((glob.clone(), place));
                }
            }
            for keyword in by_word {
                let phrase: Vec<String> = words(keyword).collect();
                if let Some(first) = phrase.first().cloned() {
                    made.keywords.entry(first).or_default().push((phrase, place));
                }
            }
            // `paths:` is a filter: such a skill waits for its files.
            let about = if skill.globs.is_empty() { about(skill) } else { BTreeSet::new() };
            made.needed.push(if about.is_empty() { usize::MAX } else { about.len().div_ceil(3).clamp(2, 4) });
            for stem in about {
                made.stems.entry(stem).or_default().push(place);
            }
        }
        made.globs = globs.build().unwrap_or_else(|_| GlobSet::empty());
        made.skills = skills.into_iter().map(|skill| (skill.name.clone(), skill.origin.scope)).collect();
        made
    }

    /// The skills that apply to a text and to files, nearest scope first, the strongest reason first, each with why.
    fn matches(&self, text: &str, files: &[String]) -> Vec<(&str, String)> {
        // 0 is a keyword, 1 a file, 2 a description.
        let mut found: BTreeMap<usize, (u8, String)> = BTreeMap::new();
        let mut add = |place: usize, rank: u8, why: String| {
            let known = found.get(&place).is_some_and(|(other, _)| *other <= rank);
            if !known {
                found.insert(place, (rank, why));
            }
        };
        let said: Vec<String> = words(text).collect();
        for (at, word) in said.iter().enumerate() {
            for (phrase, place) in self.keywords.get(word).into_iter().flatten() {
                if said[at..].starts_with(phrase) {
                    add(*place, 0, format!("keyword `{}`", phrase.join(" ")));
                }
            }
        }
        for file in files {
            for glob in self.globs.matches(file) {
                let (glob, place) = &self.glob_skills[glob];
                add(*place, 1, format!("file `{file}` is of `{glob}`"));
            }
        }
        let stems: BTreeSet<String> = said.iter().filter_map(|word| stem(word)).collect();
        let mut shared: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for stem in &stems {
            for place in self.stems.get(stem).into_iter().flatten() {
                shared.entry(*place).or_default().push(stem);
            }
        }
        for (place, stems) in shared.into_iter().filter(|(place, stems)| stems.len() >= self.needed[*place]) {
            let shown: Vec<String> = stems.iter().take(4).map(|stem| format!("`{stem}`")).collect();
            add(place, 2, format!("description: {}", shown.join(", ")));
        }
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_by_key(|(place, (rank, _))| (self.skills[*place].1, *rank, *place));
        found.into_iter().map(|(place, (_, why))| (self.skills[place].0.as_str(), why)).collect()
    }
}

/// The stems of what a skill says it is for.
fn about(skill: &Skill) -> BTreeSet<String> {
    let more = skill.meta.when_to_use.as_deref().unwrap_or_default();
    words(&skill.description).chain(words(more)).filter_map(|word| stem(&word)).collect()
}
