//! Which skills apply to a step although nobody names them, and why.
//!
//! Reads what the step's own text says and which files it names; values of a run are not there yet, so they take no
//! part. What makes a skill apply is the library's `Activation`; here it meets the step and its budget. Knows nothing
//! of edges.

use crate::{
    definition::{
        Dialect, Library, ToolMode,
        workflow::{Step, StepKind},
    },
    plan::{
        compile::compiler::Compiler,
        told::{Activated, PlanSkill},
    },
    template::estimate_tokens,
};

/// Skills that one step gets without being asked.
const ACTIVATED_MAX: usize = 3;
/// Their share of the step's context, as a divisor.
const BUDGET_SHARE: u64 = 4;
/// The most of a prompt that is looked at, in bytes.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// The skills that a step with this text and these files would get without asking, at most as many as a step gets, the
/// nearest scope and the strongest reason first, each text with why. How much of the context they take is not asked.
#[must_use]
pub fn activated_skills<'a>(library: &'a Library, cases: &[(&str, &[String])]) -> Vec<Vec<(&'a str, String)>> {
    let one = |(text, files): &(&str, &[String])| {
        let text = plain_text(text);
        let mut all = files_in(&text);
        all.extend(files.iter().cloned());
        let found = library.activated(&text, &all).into_iter().take(ACTIVATED_MAX);
        found.map(|(skill, why)| (skill.name.as_str(), why)).collect()
    };
    cases.iter().map(one).collect()
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
        let matched = library.activated(&text, &files);
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
