//! The shipped commands: each is the documentation of its workflow, to one standard, and what it says is true of it.

use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Output},
};

use clap::Parser as _;
use orch::{
    cli::Cli,
    definition::{CommandBody, Library, load, workflow::Workflow},
};

use crate::{root, standard};

const HEADINGS: &[&str] = &[
    "Purpose",
    "When to use",
    "Inputs",
    "Output",
    "Prerequisites",
    "Example",
    "Success criteria",
    "Troubleshooting",
    "Limits",
];
const COMMANDS: [&str; 7] =
    ["add-feature", "deploy", "fix-bug", "new-project", "optimize-performance", "refactor", "security-audit"];

/// The text below a heading.
fn section(text: &str, heading: &str) -> String {
    let found = standard::sections(text).into_iter().find(|(name, _)| *name == heading);
    found.map(|(_, below)| below).unwrap_or_default()
}

/// What stands in back quotes at the beginning of the rows of the first table.
fn first_rows(text: &str) -> BTreeSet<&str> {
    let rows = text.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect()
}

/// Every `orch` command line of a page: indented, or behind `$ `.
fn lines(text: &str) -> Vec<&str> {
    let shown = text.lines().filter_map(|line| line.strip_prefix("    ").or_else(|| line.strip_prefix("$ ")));
    shown.map(|line| line.trim_start_matches("$ ")).filter(|line| line.starts_with("orch ")).collect()
}

/// Where the page of a command and its workflow disagree, and what the page lacks.
fn faults(name: &str, text: &str, workflow: &Workflow) -> Vec<String> {
    let mut faults = standard::headings(HEADINGS, text);
    if !text.contains(&format!("\n# /{name}\n")) {
        faults.push(format!("no title `# /{name}`"));
    }
    let inputs = section(text, "Inputs");
    let told = first_rows(&inputs);
    let declared: BTreeSet<_> = workflow.inputs.iter().map(|input| input.name.value.as_str()).collect();
    faults.extend(declared.difference(&told).map(|input| format!("the input `{input}` has no row")));
    faults.extend(told.difference(&declared).map(|input| format!("there is no input `{input}`")));
    let output = section(text, "Output");
    let outputs = workflow.outputs.iter().map(|(name, _)| format!("`{}`", name.value));
    faults.extend(outputs.filter(|name| !output.contains(name)).map(|name| format!("the output {name} is not told")));
    let rows = first_rows(&output);
    let steps: BTreeSet<_> = workflow.steps.iter().map(|step| step.id.value.as_str()).collect();
    faults.extend(rows.difference(&steps).map(|step| format!("there is no step `{step}`")));
    if !lines(&section(text, "Example")).iter().any(|line| line.contains(&format!(" run /{name}"))) {
        faults.push("the example does not run it".to_owned());
    }
    faults.extend(lines(text).iter().filter_map(|line| not_a_command(line)));
    faults
}

/// Whether the command line is none: `orch` itself reads it. Without a PATH and with a full disk nothing begins.
fn not_a_command(line: &str) -> Option<String> {
    let words = shell_words::split(line).ok()?;
    if let Err(error) = Cli::try_parse_from(&words) {
        return Some(format!("`{line}`: {error}"));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_orch"));
    command.args(&words[1..]).current_dir(folder.path()).env_clear().env("PATH", "/nonexistent");
    command.env("HOME", folder.path()).env("ORCH_LIMITS_DISK_FLOOR", "1000G");
    let output = command.output().unwrap();
    let refused = matches!(output.status.code(), Some(2 | 10 | 11) | None);
    refused.then(|| format!("`{line}`: {}", told(&output)))
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn workflow<'a>(library: &'a Library, name: &str) -> &'a Workflow {
    &library.workflows.get(name).unwrap_or_else(|| panic!("there is no workflow {name}")).workflow
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(format!("commands/{name}.md"))).unwrap()
}

#[test]
fn the_shipped_commands_keep_the_standard_and_tell_the_truth() {
    let library = load::load(root(), None);
    let mut wrong = Vec::new();
    for name in COMMANDS {
        let command = library.commands.get(name).unwrap_or_else(|| panic!("there is no command {name}"));
        let runs = matches!(&command.body, CommandBody::Workflow(workflow) if workflow.value == name);
        assert!(runs, "{name} runs the workflow of its name");
        assert!(!command.description.is_empty() && command.argument_hint.is_some(), "{name}");
        let faults = faults(name, &page(name), workflow(&library, name));
        wrong.extend(faults.into_iter().map(|fault| format!("commands/{name}.md: {fault}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_shipped_workflow_has_its_command_and_every_command_its_row() {
    let library = load::load(root(), None);
    // A page about the commands is one in Claude Code, too, and loads as it does there.
    let named: BTreeSet<_> = library.commands.names().filter(|name| *name != "readme").collect();
    assert_eq!(named, BTreeSet::from(COMMANDS));
    let workflows: BTreeSet<_> = library.workflows.names().collect();
    assert_eq!(workflows, named);
    let table = fs::read_to_string(root().join("commands/README.md")).unwrap();
    assert_eq!(standard::table(&table, |name| format!("{name}.md"), &named), Vec::<String>::new());
}

#[test]
fn the_repository_has_no_warning() {
    let mut check = Command::new(env!("CARGO_BIN_EXE_orch"));
    // Variables for the tests themselves are no settings.
    std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ORCH_")).for_each(|(name, _)| {
        check.env_remove(name);
    });
    let output = check.args(["check", "--strict"]).current_dir(root()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(told(&output).contains("0 errors, 0 warnings"), "{}", told(&output));
}

#[test]
fn every_rule_about_commands_notices_its_breach() {
    let library = load::load(root(), None);
    let good = page("deploy");
    assert_eq!(faults("deploy", &good, workflow(&library, "deploy")), Vec::<String>::new());
    let breaches: &[(&str, &str, &str)] = &[
        ("\n# /deploy\n", "\n# deploy\n", "no title `# /deploy`"),
        ("## Success criteria\n", "## Criteria\n", "no heading `## Success criteria`"),
        ("## Troubleshooting\n", "## Limits\n\nx\n\n## Troubleshooting\n", "`## Limits` twice"),
        ("| `watch` |", "| watch |", "the input `watch` has no row"),
        ("| `watch` |", "| `look` |", "there is no input `look`"),
        ("`digest` (of the artifact)", "a digest", "the output `digest` is not told"),
        ("| `rehearsal` |", "| `rehearse` |", "there is no step `rehearse`"),
        ("$ orch run /deploy", "$ orch runs # /deploy", "the example does not run it"),
        ("-i strategy=canary", "-i strategy=cannery", "`orch run /deploy 1.1.0 -i strategy=cannery`"),
        ("-i monitor=1", "-i monitors=1", "-i monitors=1"),
        ("-i watch=1", "-i watch=soon", "-i watch=soon"),
        ("$ orch run /deploy 1.1.0", "$ orch run /deploy", "orch run /deploy -i"),
        ("--on-approval approve", "--on-approval yes", "--on-approval yes"),
        ("--sample deploy", "--sample deployment", "orch init --sample deployment demo"),
    ];
    for (from, to, expected) in breaches {
        assert!(good.contains(from), "{from}");
        let faults = faults("deploy", &good.replacen(from, to, 1), workflow(&library, "deploy"));
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected}: {faults:#?}");
    }
}
