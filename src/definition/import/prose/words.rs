//! The turns of phrase of prose commands: phases, shares of effort, conditions, "in parallel", checkpoints, gates.
//!
//! Each function looks at a title or a sentence; nothing here knows where it stands.

/// The word before the number of a heading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// `Phase 3`, `Stage 3`.
    Phase,
    /// `Step 3`.
    Step,
    /// `3.`
    Number,
}

/// The mark at the beginning of a heading: its word, its number, and the title behind it.
pub(super) fn marker(title: &str) -> Option<(Word, u32, &str)> {
    let start = title.find(|c: char| c.is_ascii_alphanumeric())?;
    // What stands before may be emphasis or a picture, but no other text.
    if title[..start].chars().any(char::is_alphabetic) {
        return None;
    }
    let title = &title[start..];
    let lower = title.to_ascii_lowercase();
    let words = [("phase", Word::Phase), ("stage", Word::Phase), ("step", Word::Step)];
    let (word, rest) = match words.iter().find(|(word, _)| lower.starts_with(word)) {
        Some((text, word)) => (*word, title[text.len()..].strip_prefix([' ', '-', '_'])?.trim_start_matches('#')),
        None => (Word::Number, title),
    };
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let (number, after) = rest.split_at(end);
    let number = number_of(number, word)?;
    let behind = after.trim_start_matches(['*', '_', '`']);
    match word {
        // `9.1 Title` is a part of a part, `404 errors` is a title.
        Word::Number => {
            let behind = behind.strip_prefix(['.', ')', ':'])?;
            behind.starts_with([' ', '*']).then_some((word, number, clean_title(behind)))
        }
        Word::Phase | Word::Step => {
            let is_part = behind.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            (!is_part).then_some((word, number, clean_title(behind)))
        }
    }
}

fn number_of(text: &str, word: Word) -> Option<u32> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let roman = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"];
    let named = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    let place = roman.iter().position(|roman| *roman == text);
    let place = place.or_else(|| named.iter().position(|name| text.eq_ignore_ascii_case(name)));
    let place = place.and_then(|place| u32::try_from(place + 1).ok());
    if word == Word::Number { None } else { place }
}

fn clean_title(text: &str) -> &str {
    let is_between = |c: char| c.is_whitespace() || matches!(c, ':' | '*' | '_' | '-' | '–' | '—' | '.');
    text.trim_start_matches(|c| is_between(c) || c == ')').trim_end_matches(is_between)
}

/// A title for an id: without numbers of phases, emphasis and what stands in parentheses.
pub(super) fn short_title(title: &str) -> String {
    let rest = marker(title).map_or(title, |(_, _, rest)| rest);
    let mut out = String::new();
    let mut depth = 0usize;
    for c in rest.chars() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    let out = out.trim();
    if out.chars().any(|c| c.is_ascii_alphanumeric()) { out.to_owned() } else { title.to_owned() }
}

/// The share of effort in a title: `(20%)`, `(10-15% effort)` counts its first number.
pub(super) fn weight(title: &str) -> Option<u32> {
    let at = title.find('%')?;
    let open = title[..at].rfind('(')?;
    let digits: String = title[open + 1..at].chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|weight| *weight <= 100)
}

/// The condition that a title names: `(If Needed)`, `(optional)`.
pub(super) fn condition(title: &str) -> Option<&str> {
    let mut rest = title;
    while let Some(open) = rest.find(['(', '[']) {
        let inner = &rest[open + 1..];
        let close = inner.find([')', ']'])?;
        let part = &inner[..close];
        let lower = part.to_lowercase();
        let first = lower.split([' ', ',']).next().unwrap_or_default();
        if ["if", "when", "unless", "only", "optional", "conditional", "conditionally"].contains(&first)
            || lower.ends_with("if needed")
            || lower.ends_with("if applicable")
        {
            return Some(part);
        }
        rest = &inner[close + 1..];
    }
    None
}

/// Whether a line says that things happen at once.
pub(super) fn is_parallel(line: &str) -> bool {
    let lower = line.to_lowercase();
    let says = [
        "(parallel",
        "in parallel",
        "parallel)",
        "simultaneously",
        "concurrently",
        "at the same time",
        "∥",
        "parallel execution",
        "execute parallel",
        "run parallel",
    ];
    let denies = ["not ", "n't ", "never", "avoid", "instead of", "without "];
    says.iter().any(|word| lower.contains(word)) && !denies.iter().any(|word| lower.contains(word))
}

/// Words that stand before `checkpoint` in its label.
const CHECKPOINTS: [&str; 11] =
    ["phase", "step", "stage", "quality", "user", "human", "approval", "final", "mandatory", "security", "milestone"];

/// Whether a text begins as a checkpoint; gives what stands behind the word.
pub(super) fn checkpoint(text: &str) -> Option<&str> {
    let line = text.lines().next()?;
    let at = line.to_ascii_lowercase().find("checkpoint")?;
    let before = &line[..at];
    // `**Phase 1 Checkpoint**:` is one, `Write a checkpoint to disk` is none.
    let words = before.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut named = words.map(|word| word.to_lowercase());
    let few = named.all(|word| word.parse::<u32>().is_ok() || CHECKPOINTS.contains(&word.as_str()));
    let behind = &line[at + "checkpoint".len()..];
    let number = behind.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit());
    let is_label = number.trim_start().starts_with([':', '*', '—', '–', '-']) || line[at..].starts_with("CHECKPOINT");
    (few && is_label).then(|| text[at + "checkpoint".len()..].trim_start_matches(|c: char| !c.is_alphanumeric()))
}

/// Whether a checkpoint asks a person.
pub(super) fn asks_a_person(text: &str) -> bool {
    let lower = text.to_lowercase();
    let plain = ["approv", "confirm", "human", "sign-off", "sign off", "stakeholder", "permission"];
    let user = ["ask", "wait", "review", "present", "accept", "decide", "consent", "agree"];
    plain.iter().any(|word| lower.contains(word))
        || lower.contains("user") && user.iter().any(|word| lower.contains(word))
}

/// Whether a text states what must hold, so that a gate may be meant.
pub(super) fn is_assertion(line: &str) -> bool {
    let lower = line.to_lowercase();
    let says =
        ["must pass", "must all pass", "tests pass", "all gates", "all quality gates", "no critical", "must be fixed"];
    let bound = ["coverage", "tests"].iter().any(|word| lower.contains(word))
        && ["> ", ">=", "≥", "at least"].iter().any(|word| lower.contains(word))
        && lower.contains(|c: char| c.is_ascii_digit());
    says.iter().any(|word| lower.contains(word)) || bound
}

/// Words of an assertion, and the gates of the library that would prove it, the best first.
const GATES: &[(&[&str], &[&str])] = &[
    (&["coverage", "tests >", "tests ≥"], &["coverage"]),
    (&["integration test"], &["integration-tests"]),
    (&["end-to-end", "end to end", "e2e"], &["e2e-tests"]),
    (&["performance test", "load test", "benchmark"], &["performance-tests"]),
    (&["unit test"], &["unit-tests"]),
    (&["all tests", "tests pass", "test suite"], &["unit-tests", "test-gate", "project-tests"]),
    (&["lint"], &["lint"]),
    (&["type check", "type-check", "typecheck"], &["types"]),
    (&["formatting", "code format"], &["format"]),
    (&["complexity"], &["complexity"]),
    (&["vulnerable dependenc", "dependency audit", "dependencies are"], &["dependency-audit"]),
    (&["static analysis", "sast"], &["static-analysis"]),
    (&["secrets", "secret scan"], &["secret-scan"]),
    (&["licen"], &["licence-check"]),
    (&["builds", "build passes", "build succeeds"], &["project-builds"]),
    (&["no critical", "critical findings", "security scan", "security review"], &["security-gate"]),
    (&["code review", "review passed"], &["review-gate"]),
];

/// What an assertion is about, each with the gates that would prove it.
pub(super) fn gates(line: &str) -> Vec<(&'static str, &'static [&'static str])> {
    let lower = line.to_lowercase();
    let mut found: Vec<(&str, &[&str])> = Vec::new();
    for (words, gates) in GATES {
        if let Some(word) = words.iter().find(|word| lower.contains(**word))
            && !found.iter().any(|(_, others)| others[0] == gates[0])
        {
            found.push((word, gates));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_of_headings() {
        for (title, expected) in [
            ("Phase 1: Requirements (20%)", Some((Word::Phase, 1, "Requirements (20%)"))),
            ("**Step 2 — Build**", Some((Word::Step, 2, "Build"))),
            ("🚀 Phase III. Ship", Some((Word::Phase, 3, "Ship"))),
            ("STAGE one - Look", Some((Word::Phase, 1, "Look"))),
            ("4. Deploy", Some((Word::Number, 4, "Deploy"))),
            ("Step 0", Some((Word::Step, 0, ""))),
            ("Phases of the moon", None),
            ("9.1 Part of a part", None),
            ("Step 9.1 Part", None),
            ("404 errors", None),
            ("The Phase 1 report", None),
            ("", None),
        ] {
            assert_eq!(marker(title), expected, "{title}");
        }
    }

    #[test]
    fn shares_conditions_and_short_titles() {
        assert_eq!(weight("Phase 1: X (20%)"), Some(20));
        assert_eq!(weight("Plan (10-15% effort)"), Some(10));
        assert_eq!(weight("100% done"), None);
        assert_eq!(condition("Phase 6: Rollback (If Needed)"), Some("If Needed"));
        assert_eq!(condition("Docs (5%) [optional]"), Some("optional"));
        assert_eq!(condition("Tests (unit)"), None);
        assert_eq!(short_title("Phase 1: Root Cause (20%)"), "Root Cause");
        assert_eq!(short_title("Step 2"), "Step 2");
    }

    #[test]
    fn parallel_words_and_their_denials() {
        for line in ["### QA (parallel)", "Run these in parallel:", "work simultaneously", "backend ∥ frontend"] {
            assert!(is_parallel(line), "{line}");
        }
        for line in ["Do not run them in parallel", "Avoid working simultaneously", "parallel lines"] {
            assert!(!is_parallel(line), "{line}");
        }
    }

    #[test]
    fn checkpoints_and_who_decides() {
        assert_eq!(checkpoint("**CHECKPOINT**: All tests pass"), Some("All tests pass"));
        assert_eq!(checkpoint("> 🛑 **Checkpoint 2:** ask the user"), Some("2:** ask the user"));
        assert!(checkpoint("## PHASE CHECKPOINT 1 — User Approval").is_some());
        assert_eq!(checkpoint("Write the checkpoint files to disk"), None);
        assert_eq!(checkpoint("Save a checkpoint: the state of the work so far"), None);
        assert!(asks_a_person("Get user approval") && asks_a_person("Confirm with the team"));
        assert!(!asks_a_person("All user stories are covered by tests"));
    }

    #[test]
    fn assertions_name_gates() {
        let names = |line| gates(line).into_iter().map(|(_, gates)| gates[0]).collect::<Vec<_>>();
        assert_eq!(names("Test coverage ≥ 80 % and lint clean"), ["coverage", "lint"]);
        assert_eq!(names("All tests pass"), ["unit-tests"]);
        assert!(is_assertion("tests > 80 %") && is_assertion("All gates must PASS") && !is_assertion("write tests"));
    }
}
