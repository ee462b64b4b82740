//! Which skills apply to a step although nobody names them, and why.
//!
//! Reads what the step's own text says and which files it names; values of a run are not there yet, so they take no
//! part. The rules are few and the reason is kept: a keyword or a glob of `triggers:`, a glob of `paths:`, or enough words
//! of the description. Knows nothing of edges.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::{
    definition::{
        Dialect, Library, Skill, ToolMode,
        workflow::{Step, StepKind},
    },
    plan::{
        compile::{
            compiler::Compiler,
            stems::{stem, words},
        },
        told::Activated,
        types::PlanSkill,
    },
    template::estimate_tokens,
};

/// Skills that one step gets without being asked.
const ACTIVATED_MAX: usize = 3;
/// Their share of the step's context, as a divisor.
const BUDGET_SHARE: u64 = 4;
/// The most of a prompt that is looked at, in bytes.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// All skills that may be activated, by what activates them.
pub(super) struct Activator<'a> {
    skills: Vec<&'a Skill>,
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

impl<'a> Activator<'a> {
    pub(super) fn new(library: &'a Library) -> Self {
        let mut skills: Vec<&Skill> = library.skills.iter().filter(|skill| skill.meta.model_invocable).collect();
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
        made.skills = skills;
        made
    }

    /// The skills that apply to a text and to files, nearest scope first, the strongest reason first, each with why.
    pub(super) fn matches(&self, text: &str, files: &[String]) -> Vec<(&'a Skill, String)> {
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
        found.sort_by_key(|(place, (rank, _))| (self.skills[*place].origin.scope, *rank, *place));
        found.into_iter().map(|(place, (_, why))| (self.skills[place], why)).collect()
    }
}

/// The skills that a step with this text and these files would get without asking, at most as many as a step gets, the
/// nearest scope and the strongest reason first, each text with why. How much of the context they take is not asked.
#[must_use]
pub fn activated_skills<'a>(library: &'a Library, cases: &[(&str, &[String])]) -> Vec<Vec<(&'a str, String)>> {
    let activator = Activator::new(library);
    let one = |(text, files): &(&str, &[String])| {
        let text = plain_text(text);
        let mut all = files_in(&text);
        all.extend(files.iter().cloned());
        let found = activator.matches(&text, &all).into_iter().take(ACTIVATED_MAX);
        found.map(|(skill, why)| (skill.name.as_str(), why)).collect()
    };
    cases.iter().map(one).collect()
}

/// The stems of what a skill says it is for.
fn about(skill: &Skill) -> BTreeSet<String> {
    let more = skill.meta.when_to_use.as_deref().unwrap_or_default();
    words(&skill.description).chain(words(more)).filter_map(|word| stem(&word)).collect()
}

impl<'a> Compiler<'a> {
    /// Adds the skills that apply to a step which names none, and says why.
    pub(super) fn activate(&mut self, step: &'a Step, context_budget: u64, skills: &mut Vec<u32>) -> Vec<Activated> {
        let library = self.library;
        if step.skills.is_some() || !library.choices.activates_skills || library.skills.iter().next().is_none() {
            return Vec::new();
        }
        let StepKind::Agent { prompt: Some(prompt), .. } = &step.kind else { return Vec::new() };
        let text = plain_text(&prompt.text.value);
        let mut files = files_in(&text);
        files.extend(step.files.iter().map(|file| plain_text(&file.value)).filter(|file| !file.contains('\u{0}')));
        let matched = self.activator.get_or_insert_with(|| Activator::new(library)).matches(&text, &files);
        let mut left = context_budget / BUDGET_SHARE;
        let mut activated: Vec<Activated> = Vec::new();
        for (skill, why) in matched {
            let cost = estimate_tokens(&skill.body) as u64;
            if activated.len() == ACTIVATED_MAX {
                break;
            }
            let known = skills.iter().any(|place| self.pins.skills[*place as usize].name == skill.name);
            if cost > left || known {
                continue;
            }
            left -= cost;
            let pin = || PlanSkill { name: skill.name.clone(), body: skill.body.to_string() };
            let place = self.pins.skill(&skill.name, pin);
            skills.push(place);
            activated.push(Activated { skill: place, why });
        }
        activated
    }

    /// The tools that remain: a skill written for `orch` narrows them to its own. In other tools the same list gives
    /// leave beforehand and takes nothing away.
    pub(super) fn narrowed(&self, tools: Option<Vec<String>>, skills: &[u32]) -> Option<Vec<String>> {
        let mut tools = tools;
        for place in skills {
            let name = &self.pins.skills[*place as usize].name;
            let Some(skill) = self.library.skills.get(name) else { continue };
            let narrows = matches!(skill.allowed_tools.mode, ToolMode::List | ToolMode::None);
            if skill.origin.dialect != Dialect::Orch || !narrows {
                continue;
            }
            let allowed = skill.allowed_tools.allowed().unwrap_or_default();
            tools = Some(match tools {
                None => allowed,
                Some(tools) => tools.into_iter().filter(|tool| allowed.iter().any(|one| covers(one, tool))).collect(),
            });
        }
        tools
    }
}

/// Whether a tool is what a rule allows, or a part of it.
fn covers(rule: &str, tool: &str) -> bool {
    rule == tool || tool.strip_prefix(rule).is_some_and(|rest| rest.starts_with('('))
}

/// A template's own words, without what stands between braces.
pub(super) fn plain_text(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = ["{{", "{%", "{#"].iter().filter_map(|open| rest.find(open)).min() {
        plain.push_str(&rest[..start]);
        // A mark that no word and no path has, so that nothing grows together.
        plain.push('\u{0}');
        let close = match rest.as_bytes()[start + 1] {
            b'{' => "}}",
            b'%' => "%}",
            _ => "#}",
        };
        rest = rest[start..].find(close).map_or("", |end| &rest[start + end + 2..]);
    }
    plain.push_str(rest);
    plain
}

/// The words of a text that look like paths of files.
pub(super) fn files_in(text: &str) -> Vec<String> {
    const FILES_MAX: usize = 200;
    let trims = |letter: char| !(letter.is_alphanumeric() || "_-./*".contains(letter));
    let words = text.split(|letter: char| letter.is_whitespace() || "`'\"()[]<>,;".contains(letter));
    let paths =
        words.map(|word| word.trim_matches(trims).trim_end_matches('.').trim_start_matches("./")).filter(|word| {
            let ending = word.rsplit('/').next().and_then(|name| name.rsplit_once('.'));
            let has_ending = ending.is_some_and(|(_, ending)| {
                (1..=8).contains(&ending.len()) && ending.starts_with(|first: char| first.is_ascii_alphabetic())
            });
            has_ending && !word.contains('\u{0}') && !word.contains("://")
        });
    paths.take(FILES_MAX).map(str::to_owned).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    #[test]
    fn only_own_words_and_paths_count() {
        assert_eq!(plain_text("a {{ rust }} b {% if bug %}c{# d #}"), "a \u{0} b \u{0}c\u{0}");
        assert_eq!(
            files_in("see `src/a.rs`, b.md. http://x.rs v1.2 ./c/d.toml, e.g. x{\u{0}.rs"),
            ["src/a.rs", "b.md", "c/d.toml", "e.g"]
        );
    }

    #[test]
    fn a_rule_covers_its_parts() {
        assert!(covers("Bash", "Bash(git *)") && covers("Read", "Read"));
        assert!(!covers("Bash(git *)", "Bash") && !covers("Read", "Reader"));
    }
}
