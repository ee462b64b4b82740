//! The shipped agents and skills: complete, and each to the documentation standard. Every rule is shown to notice its
//! own breach.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

#[path = "library/commands.rs"]
mod commands;
#[path = "library/standard.rs"]
mod standard;

use std::{collections::BTreeSet, fs, path::Path};

use orch::{
    base::render,
    definition::{Agent, Library, Origin, Scope, Skill, load},
};

const AGENTS: &[&str] = &[
    "accessibility-expert",
    "api-designer",
    "api-documenter",
    "architect",
    "architecture-documenter",
    "backend-developer",
    "ci-cd-engineer",
    "code-archaeologist",
    "code-reviewer",
    "database-specialist",
    "debugger",
    "dependency-analyzer",
    "docker-specialist",
    "feature-orchestrator",
    "frontend-developer",
    "fullstack-developer",
    "infrastructure-engineer",
    "kubernetes-expert",
    "merge-resolver",
    "performance-analyzer",
    "project-orchestrator",
    "requirements-analyzer",
    "security-auditor",
    "technical-writer",
    "test-engineer",
    "workflow-coordinator",
];
/// Who judges or leads does not build.
const READERS: &[&str] = &[
    "accessibility-expert",
    "code-archaeologist",
    "code-reviewer",
    "dependency-analyzer",
    "feature-orchestrator",
    "project-orchestrator",
    "security-auditor",
    "workflow-coordinator",
];
/// The tiers that the shipped workflows declare.
const TIERS: [&str; 2] = ["strategic", "tactical"];
const AGENT_LINES_MAX: usize = 75;
const SKILLS: &[&str] = &["evidence", "rust-conventions", "test-first"];
const SKILLS_MIN: usize = 24;
const SKILL_LINES_MAX: usize = 120;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn named(origin: &Origin, faults: Vec<String>) -> impl Iterator<Item = String> {
    let path = origin.path.display().to_string();
    faults.into_iter().map(move |fault| format!("{path}: {fault}"))
}

/// The name as it is written: the loader would take the file's where there is none.
fn written_name(origin: &Origin) -> Option<&str> {
    origin.source.text.lines().find_map(|line| line.strip_prefix("name: "))
}

fn agent(agent: &Agent, library: &Library) -> Vec<String> {
    let stem = agent.origin.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let mut faults = standard::name(written_name(&agent.origin), stem);
    faults.extend(standard::description(&agent.description));
    faults.extend(standard::purpose(&agent.body, false));
    faults.extend(standard::headings(standard::AGENT_HEADINGS, &agent.body));
    faults.extend(standard::lines(&agent.origin.source.text, AGENT_LINES_MAX));
    faults.extend(standard::tools(agent.tools.allowed().as_deref()));
    if READERS.contains(&agent.name.as_str()) {
        let words = format!("{} {}", agent.constraints.join(" "), agent.body);
        faults.extend(standard::changes_nothing(&agent.tools.allowed().unwrap_or_default(), &words));
    }
    if !agent.model.as_deref().is_some_and(|model| TIERS.contains(&model)) {
        faults.push(format!("the model is {:?}, not a tier", agent.model));
    }
    if agent.capabilities.is_empty() || agent.constraints.is_empty() {
        faults.push("no capabilities or no constraints".to_owned());
    }
    let unknown = agent.skills.iter().filter(|skill| library.skills.get(skill).is_none());
    faults.extend(unknown.map(|skill| format!("there is no skill `{skill}`")));
    faults.extend(agent.meta.extra.iter().map(|extra| format!("`{}` is no key of an agent", extra.key)));
    faults
}

fn skill(skill: &Skill) -> Vec<String> {
    let folder =
        skill.origin.path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    let mut faults = standard::name(written_name(&skill.origin), folder);
    faults.extend(standard::description(&skill.description));
    faults.extend(standard::purpose(&skill.body, true));
    faults.extend(standard::headings(standard::SKILL_HEADINGS, &skill.body));
    faults.extend(standard::lines(&skill.origin.source.text, SKILL_LINES_MAX));
    faults.extend(standard::triggers(&skill.triggers));
    faults.extend(skill.meta.extra.iter().map(|extra| format!("`{}` is no key of a skill", extra.key)));
    faults
}

/// All faults of the agents and skills that lie in the project's own folders.
fn faults(library: &Library) -> Vec<String> {
    let agents: Vec<_> = library.agents.iter().filter(|agent| agent.origin.scope == Scope::Project).collect();
    let skills: Vec<_> = library.skills.iter().filter(|skill| skill.origin.scope == Scope::Project).collect();
    let mut faults: Vec<_> = agents.iter().flat_map(|one| named(&one.origin, agent(one, library))).collect();
    faults.extend(skills.iter().flat_map(|one| named(&one.origin, skill(one))));
    let texts: Vec<_> = agents
        .iter()
        .map(|agent| (agent.name.as_str(), agent.description.as_str()))
        .chain(skills.iter().map(|skill| (skill.name.as_str(), skill.description.as_str())))
        .collect();
    faults.extend(standard::each_its_own(&texts));
    faults
}

#[test]
fn the_shipped_agents_and_skills_keep_the_standard() {
    let library = load::load(root(), None);
    assert!(library.diagnostics.is_empty(), "{}", render::render_all(&library.diagnostics, false));
    assert!(library.agents.iter().all(|one| one.origin.scope == Scope::Project), "what is judged is what lies here");
    assert!(library.skills.iter().all(|one| one.origin.scope == Scope::Project), "what is judged is what lies here");
    let mut faults = faults(&library);
    faults.extend(standard::complete(AGENTS, &library.agents.names().collect()));
    faults.extend(standard::complete(SKILLS, &library.skills.names().collect()));
    assert!(faults.is_empty(), "{faults:#?}");
    let skills = library.skills.names().count();
    assert!(skills >= SKILLS_MIN, "{skills} skills, at least {SKILLS_MIN}");
}

#[test]
fn the_tables_name_what_is_there() {
    let library = load::load(root(), None);
    let text = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let agents: BTreeSet<_> = library.agents.names().collect();
    let mut faults = standard::table(&text("agents/README.md"), |name| format!("{name}.md"), &agents);
    let skills: BTreeSet<_> = library.skills.names().collect();
    faults.extend(standard::table(&text("skills/README.md"), |name| format!("{name}/SKILL.md"), &skills));
    assert!(faults.is_empty(), "{faults:#?}");
}

/// A user has no copy of this repository: what is in its folders must be in the binary, to the byte.
#[test]
fn the_binary_holds_the_same_agents_and_skills() {
    let own = load::load(root(), None);
    let empty = tempfile::tempdir().unwrap();
    let built_in = load::load(empty.path(), None);
    let agents = |library: &Library| {
        library.agents.iter().map(|one| (one.name.clone(), one.origin.digest().clone())).collect::<Vec<_>>()
    };
    let skills = |library: &Library| {
        library.skills.iter().map(|one| (one.name.clone(), one.origin.digest().clone())).collect::<Vec<_>>()
    };
    assert_eq!(agents(&built_in), agents(&own));
    assert_eq!(skills(&built_in), skills(&own));
    assert!(built_in.agents.iter().all(|one| one.origin.scope == Scope::Builtin));
}

const GOOD_AGENT: &str = "---
name: code-reviewer
description: Reads code. Use before work is accepted.
tools: Read, Grep, Bash(git log *)
model: strategic
skills: [evidence]
capabilities: [review]
constraints:
  - Change nothing.
---

You read.

## When to use

Always.

## Inputs

Code.

## How you work

By reading.

## Output

Findings.

## Example

One.

## Limits

Some.
";

const GOOD_SKILL: &str = "---
name: ink
description: How ink is mixed. Use when a step mixes ink.
triggers: [ink-pot, \"**/*.ink\"]
---

# Ink

It is for writing.

## When to use

With paper.

## Inputs

Soot.

## Colours

Black.

## Output

Ink.

## Example

```text
## Limits
```

## Limits

It dries.
";

/// What the standard says of a project with these two files.
fn judged(agent: &str, skill: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [("agents/code-reviewer.md", agent), ("skills/ink/SKILL.md", skill)] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    faults(&load::load(folder.path(), None))
}

#[test]
fn every_rule_notices_its_own_breach() {
    assert_eq!(judged(GOOD_AGENT, GOOD_SKILL), Vec::<String>::new());
    let long = format!("Use {}", "x".repeat(1021));
    let breaches: &[(&str, &str, &str)] = &[
        ("name: code-reviewer\n", "name: reviewer\n", "the name is Some(\"reviewer\")"),
        ("name: code-reviewer\n", "", "the name is None"),
        ("Use before work is accepted.", "It is good.", "does not say when"),
        ("Reads code. Use before work is accepted.", &long, "longer than 1024"),
        ("You read.\n", "", "no purpose"),
        ("## Inputs\n\nCode.\n", "", "no heading `## Inputs`"),
        ("## Inputs\n\nCode.\n", "## Inputs\n", "nothing below `## Inputs`"),
        ("## Inputs\n\nCode.\n", "## Inputs\n\nCode.\n\n## Inputs\n\nMore.\n", "`## Inputs` twice"),
        ("## Inputs\n\nCode.\n\n## How you work\n", "## How you work\n\nWell.\n\n## Inputs\n", "another order"),
        ("By reading.", &"By reading.\n".repeat(60), "75 at most"),
        ("tools: Read, Grep, Bash(git log *)\n", "", "no list of tools"),
        ("tools: Read, Grep", "tools: Read, Reed", "there is no tool `Reed`"),
        ("tools: Read, Grep", "tools: Read, Read", "listed twice"),
        ("tools: Read, Grep", "tools: Read, Edit", "a reader has the tool `Edit`"),
        ("Bash(git log *)", "Bash", "a reader has the tool `Bash`"),
        ("Change nothing.", "Be kind.", "does not say that it changes nothing"),
        ("model: strategic", "model: opus", "not a tier"),
        ("capabilities: [review]\n", "", "no capabilities"),
        ("skills: [evidence]", "skills: [evidenz]", "there is no skill `evidenz`"),
        ("capabilities: [review]\n", "capabilities: [review]\ncolour: red\n", "`colour` is no key of an agent"),
    ];
    for (from, to, expected) in breaches {
        assert!(GOOD_AGENT.contains(from), "{from}");
        let faults = judged(&GOOD_AGENT.replacen(from, to, 1), GOOD_SKILL);
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected}: {faults:#?}");
    }
    let breaches: &[(&str, &str, &str)] = &[
        ("name: ink\n", "name: inks\n", "the file's is `ink`"),
        ("Use when a step mixes ink.", "It is good.", "does not say when"),
        ("# Ink\n", "", "no title"),
        ("It is for writing.\n", "", "no purpose"),
        ("## Limits\n\nIt dries.\n", "", "no heading `## Limits`"),
        ("Black.", &"Black.\n".repeat(90), "120 at most"),
        ("triggers: [ink-pot, \"**/*.ink\"]\n", "", "no triggers"),
        ("ink-pot", "Test", "`Test` fires on everything"),
        ("\"**/*.ink\"", "\"**/*\"", "`**/*` fires on everything"),
        ("\"**/*.ink\"", "\"*.{ink\"", "error parsing glob"),
        ("triggers:", "colour: x\ntriggers:", "`colour` is no key of a skill"),
        (
            "How ink is mixed. Use when a step mixes ink.",
            "Reads code. Use before work is accepted.",
            "has the description of",
        ),
    ];
    for (from, to, expected) in breaches {
        assert!(GOOD_SKILL.contains(from), "{from}");
        let faults = judged(GOOD_AGENT, &GOOD_SKILL.replacen(from, to, 1));
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected}: {faults:#?}");
    }
}

#[test]
fn the_rules_about_sets_and_tables_notice_their_breaches() {
    let names = BTreeSet::from(["ink", "pen"]);
    assert_eq!(standard::complete(&["ink", "quill"], &names), ["`quill` is missing"]);
    for bad in ["Ink", "ink_pot", "-ink", "ink--pot", "ink-", ""] {
        let faults = standard::name(Some(bad), bad);
        assert!(faults.iter().any(|fault| fault.contains("not kebab-case")), "{bad}: {faults:#?}");
    }
    let good = "| skill | for |\n| --- | --- |\n| [`ink`](ink.md) | writing |\n| [`pen`](pen.md) | holding |\n";
    let table = |text: &str| standard::table(text, |name| format!("{name}.md"), &names);
    assert_eq!(table(good), Vec::<String>::new());
    let breaches = [
        ("| [`pen`](pen.md) | holding |\n", "", "`pen` has no row"),
        ("| [`pen`](pen.md) | holding |\n", "| [`ink`](ink.md) | again |\n", "`ink` has two rows"),
        ("[`pen`](pen.md)", "[`quill`](quill.md)", "names `quill`, which is not there"),
        ("(pen.md)", "(ink.md)", "the row of `pen` leads to another file"),
        ("| holding |", "|  |", "the row of `pen` is empty"),
    ];
    for (from, to, expected) in breaches {
        let faults = table(&good.replacen(from, to, 1));
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected}: {faults:#?}");
    }
}
