//! The words people read are true: the README's commands and examples work, the reference says everything that the program
//! knows, and links lead somewhere.
//!
//! `UPDATE=1 cargo test --test docs` writes the generated pages anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use clap::{Arg, Command, CommandFactory as _, Parser as _};
use orch::{
    base::codes,
    cli::{Cli, Exit},
    config::{KEYS, variable_name},
    definition::policy::{Level, RiskClass},
    guard::risk::rows,
    plan::truth,
    runtime::{
        AcpSettings, Adapter as _, PROGRAMS, ProgramSettings, Replay,
        service::{SERVICES, Service},
    },
    service::SCHEMAS,
};
use serde_json::Value;
use support::Project;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// One line of a table: no bars, no line breaks.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

// --- docs/reference.md

fn verbs(text: &mut String) {
    let mut command = Cli::command();
    command.build();
    let _ = writeln!(text, "## Everywhere\n");
    let _ = writeln!(text, "These flags stand before or behind every verb.\n");
    flags(text, command.get_arguments().filter(|flag| flag.is_global_set()));
    let _ = writeln!(text, "## Verbs\n");
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "### `orch {}`\n\n{about}.\n", verb.get_name());
        flags(text, verb.get_arguments().filter(|flag| !flag.is_global_set()));
        let example = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines: Vec<_> = example.lines().map(str::trim).filter(|line| line.starts_with("orch ")).collect();
        let _ =
            writeln!(text, "```console\n{}```\n", lines.iter().map(|line| format!("$ {line}\n")).collect::<String>());
    }
}

fn flags<'f>(text: &mut String, flags: impl Iterator<Item = &'f Arg>) {
    let flags: Vec<_> = flags.filter(|flag| !flag.is_hide_set() && flag.get_id() != "help").collect();
    if flags.is_empty() {
        return;
    }
    let _ = writeln!(text, "| | |\n| --- | --- |");
    for flag in flags {
        let value = flag.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
        let takes_value = flag.get_action().takes_values();
        let value = value.filter(|_| takes_value);
        let mut names: Vec<String> = Vec::new();
        names.extend(flag.get_short().map(|short| format!("-{short}")));
        names.extend(flag.get_long().map(|long| format!("--{long}")));
        let mut shown = match (names.is_empty(), value) {
            (true, value) => value.unwrap_or_default(),
            (false, Some(value)) => format!("{} {value}", names.join(", ")),
            (false, None) => names.join(", "),
        };
        if flag.is_required_set() && names.is_empty() {
            shown.push_str(" (required)");
        }
        let mut help = flag.get_help().map(ToString::to_string).unwrap_or_default();
        let values: Vec<_> = flag.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        if takes_value && !values.is_empty() {
            let _ = write!(help, " ({})", values.join(", "));
        }
        let _ = writeln!(text, "| `{}` | {} |", cell(&shown), cell(&help));
    }
    text.push('\n');
}

/// What a key takes, in a few words.
fn takes(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or(name).replace('_', " ");
    }
    if let Some(words) = schema["enum"].as_array() {
        return words
            .iter()
            .map(|word| word.as_str().map_or(word.to_string(), ToOwned::to_owned))
            .collect::<Vec<_>>()
            .join(", ");
    }
    let several = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array());
    if let Some(several) = several {
        return several.iter().map(takes).collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("list of {}", takes(&schema["items"])),
        Value::String(kind) if kind == "object" => "mapping".to_owned(),
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any value".to_owned(),
    }
}

/// The keys of each place of the workflow language.
fn language(text: &mut String) {
    let schema: Value = serde_json::from_str(&read("schemas/workflow.schema.json")).unwrap();
    let _ = writeln!(
        text,
        "## The workflow language\n\nNo key is ever ignored: one that is not in these tables is an error.\n"
    );
    let definitions = schema["definitions"].as_object().unwrap();
    let tables = definitions.iter().filter(|(_, table)| table["properties"].is_object());
    let mut count = 0;
    for (name, table) in tables {
        let _ = writeln!(text, "### {}\n\n| key | takes | |\n| --- | --- | --- |", title(name));
        for (key, value) in table["properties"].as_object().unwrap() {
            let doc = value["description"].as_str().unwrap_or_default();
            let _ = writeln!(text, "| `{key}` | {} | {} |", cell(&takes(value)), cell(doc));
            count += 1;
        }
        text.push('\n');
    }
    assert!(count > 80, "the schema has its keys elsewhere now: {count}");
}

fn title(name: &str) -> String {
    match name {
        "workflow" => "A workflow".to_owned(),
        "step" => "A step".to_owned(),
        "input" => "An input".to_owned(),
        other => format!("`{other}`"),
    }
}

fn settings(text: &mut String) {
    let _ = writeln!(text, "## Settings\n");
    let _ = writeln!(
        text,
        "Defaults, then `~/.config/orch/orch.toml`, then the project's `orch.toml`, then the environment, then flags; the later \
         wins. `orch doctor` shows every value and where it comes from.\n"
    );
    let _ = writeln!(text, "| key | variable | default | |\n| --- | --- | --- | --- |");
    for key in KEYS {
        let default = key.default.map_or("none".to_owned(), |value| format!("`{value}`"));
        let _ = writeln!(text, "| `{}` | `{}` | {default} | {} |", key.path, variable_name(key.path), cell(key.help));
    }
    text.push('\n');
}

/// What each runtime can do, as its adapter says: rows are abilities.
fn runtimes(text: &mut String) {
    let programs = PROGRAMS.iter().map(|kind| (kind.name, (kind.make)(ProgramSettings::default()).capabilities()));
    let services = SERVICES.iter().map(|kind| {
        let settings = kind.settings(|_| None);
        (kind.name, Service::new(kind.name, settings, kind.needs_key()).capabilities())
    });
    // The same in every build: what a protocol allows does not depend on who speaks it.
    let acp = [("an ACP agent", AcpSettings::default().capabilities())];
    let recordings = [("replay", Replay::default().capabilities())];
    let all: Vec<(&str, Value)> = programs
        .chain(services)
        .chain(acp)
        .chain(recordings)
        .map(|(name, can)| (name, serde_json::to_value(can).unwrap()))
        .collect();
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let _ = writeln!(
        text,
        "## Runtimes\n\nWhat each can do, as its adapter says. `orch runtimes` shows what is there on a machine; a plan that \
         needs what its runtime lacks is refused. A command of your own has `sessions` and `reads_memory` where its table \
         says so, an agent that speaks the Agent Client Protocol (`protocol = \"acp\"`) `reads_memory`.\n\n| | {} |\n| --- |{}",
        names.join(" | "),
        " --- |".repeat(names.len())
    );
    for ability in all[0].1.as_object().unwrap().keys() {
        let marks: Vec<&str> = all.iter().map(|(_, can)| if can[ability] == true { "yes" } else { "" }).collect();
        let _ = writeln!(text, "| {} | {} |", ability.replace('_', " "), marks.join(" | "));
    }
    text.push('\n');
}

/// What the risk classifier knows of programs, row by row.
fn risk(text: &mut String) {
    let _ = writeln!(
        text,
        "## Risk\n\nLevels and classes of the [risk classifier](safety.md), and its rules about programs. Files, shells, git's \
         settings, code in a command and the network are judged by what they touch.\n\n| level | |\n| --- | --- |"
    );
    for level in Level::ALL {
        let _ = writeln!(text, "| {} | {} |", level.word(), level.meaning());
    }
    let _ = writeln!(text, "\n| class | |\n| --- | --- |");
    for class in RiskClass::ALL {
        let _ = writeln!(text, "| `{}` | {} |", class.word(), class.meaning());
    }
    let _ = writeln!(
        text,
        "\n| level | class | programs | words | one of the flags | |\n| --- | --- | --- | --- | --- | --- |"
    );
    for row in rows() {
        let (level, class) = (row.level.word(), row.class.word());
        let list = |words: &[&str]| {
            let shown: Vec<_> = words.iter().take(6).copied().collect();
            let more = if words.len() > 6 { format!(" and {} more", words.len() - 6) } else { String::new() };
            if shown.is_empty() { String::new() } else { format!("`{}`{more}", cell(&shown.join(" "))) }
        };
        let _ = writeln!(
            text,
            "| {level} | {class} | {} | {} | {} | {} |",
            list(row.programs),
            list(row.words),
            list(row.flags),
            cell(row.why)
        );
    }
    text.push('\n');
}

fn reference() -> String {
    let mut text =
        "# Reference\n\nMade by `UPDATE=1 cargo test --test docs` from the program itself; do not edit.\n\n".to_owned();
    text.push_str("[Verbs](#verbs), [the workflow language](#the-workflow-language), [settings](#settings), [runtimes](#runtimes), [risk](#risk), [schemas](#schemas), \
                   [exit codes](#exit-codes), [error codes](#error-codes). When a step starts: [the truth table](truth-table.md).\n\n");
    verbs(&mut text);
    language(&mut text);
    settings(&mut text);
    runtimes(&mut text);
    risk(&mut text);
    text.push_str("## Schemas\n\n`orch schema NAME` prints them.\n\n| name | |\n| --- | --- |\n");
    for (name, body) in SCHEMAS {
        let schema: Value = serde_json::from_str(body).unwrap();
        let what = schema["description"].as_str().or_else(|| schema["title"].as_str()).unwrap_or_default();
        let _ = writeln!(text, "| [`{name}`](../schemas/{name}.schema.json) | {} |", cell(what));
    }
    let _ = writeln!(text, "\n## Exit codes\n\n{}", exit_codes());
    text.push_str(
        "## Error codes\n\n`orch explain CODE` tells the whole story.\n\n| code | exit | |\n| --- | --- | --- |\n",
    );
    for info in codes::all() {
        let _ = writeln!(text, "| `{}` | {} | {} |", info.code, info.exit, cell(info.title));
    }
    text
}

fn exit_codes() -> String {
    let mut text = "| code | meaning |\n| --- | --- |\n".to_owned();
    for exit in Exit::ALL {
        let _ = writeln!(text, "| {} | {} |", exit.code(), cell(exit.meaning()));
    }
    text
}

/// Compares a generated page, or writes it where that was asked for.
fn generated(path: &str, wanted: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(root().join(path), wanted).unwrap();
    }
    assert!(read(path) == wanted, "{path} is old: UPDATE=1 cargo test --test docs");
}

#[test]
fn the_reference_says_what_the_program_knows() {
    generated("docs/reference.md", &reference());
}

#[test]
fn the_truth_table_is_the_one_of_the_code() {
    assert!(read("docs/truth-table.md") == truth::markdown(), "docs/truth-table.md is old");
}

#[test]
fn the_readme_has_the_table_of_exit_codes() {
    let readme = read("README.md");
    let (start, end) = ("<!-- exit codes -->\n", "<!-- end -->");
    let before = readme.split_once(start).expect("the mark is there").0;
    let after = readme.split_once(end).expect("the mark is there").1;
    generated("README.md", &format!("{before}{start}{}{end}{after}", exit_codes()));
}

// --- README.md and the guides

/// The fenced blocks of a page: language and text.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => open = Some((language.trim().to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// Pages that a person wrote or that are made for people.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(ToOwned::to_owned).to_vec();
    let mut guides: Vec<_> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    guides.sort();
    pages.extend(guides.into_iter().filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")));
    pages
}

/// The commands of a page: lines with `$ ` in console blocks.
fn commands(page: &str) -> Vec<String> {
    let consoles = blocks(page).into_iter().filter(|(language, _)| language == "console");
    consoles
        .flat_map(|(_, text)| {
            text.lines().filter_map(|line| line.strip_prefix("$ ").map(ToOwned::to_owned)).collect::<Vec<_>>()
        })
        .map(|line| line.split(" #").next().unwrap_or_default().trim().to_owned())
        .collect()
}

/// Checks that a command exists as it is written; parts joined by `&&` are commands each.
fn command_exists(page: &str, line: &str) {
    line.split(" > ").next().unwrap_or(line).split(" && ").for_each(|part| part_exists(page, part));
}

fn part_exists(page: &str, line: &str) {
    let words = shell_words::split(line).unwrap_or_else(|error| panic!("{page}: `{line}`: {error}"));
    let arguments = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["orch", ref rest @ ..] | ["cargo", "run", "--quiet", "--", ref rest @ ..] => rest.to_vec(),
        // How a client of `orch mcp` is told of it.
        ["claude" | "codex" | "gemini", "mcp", "add", "orch", "--", "orch", ref rest @ ..]
        | ["claude" | "codex" | "gemini", "mcp", "add", "orch", "orch", ref rest @ ..] => rest.to_vec(),
        ["cargo", "test" | "fmt" | "clippy" | "bench" | "install", ..] | ["cd", _] | [".ci/run"] => return,
        _ => panic!("{page}: nobody knows how to check `{line}`"),
    };
    if let Err(error) = Cli::try_parse_from(["orch"].into_iter().chain(arguments)) {
        let is_help =
            matches!(error.kind(), clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion);
        assert!(is_help, "{page}: `{line}`: {error}");
    }
}

#[test]
fn every_command_in_the_pages_exists() {
    let mut count = 0;
    for page in pages() {
        for line in commands(&read(&page)) {
            command_exists(&page, &line);
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

#[test]
fn every_command_in_the_help_exists() {
    let mut command = Cli::command();
    command.build();
    let texts = |command: &Command| command.get_after_help().map(ToString::to_string).unwrap_or_default();
    for text in command.get_subcommands().map(texts).chain([texts(&command)]) {
        for line in text.lines().map(str::trim).filter(|line| line.starts_with("orch ")) {
            // In the list of first steps the words stand behind two spaces.
            command_exists("help", line.split("  ").next().unwrap_or(line));
        }
    }
}

#[test]
fn the_examples_of_the_pages_pass_check() {
    let mut count = 0;
    for page in pages() {
        for (language, text) in blocks(&read(&page)) {
            let path = match &text {
                _ if language != "yaml" => continue,
                text if text.contains("\nsteps:") => "workflows/example.yaml",
                text if text.contains("\nchecks:") => "gates/example.yaml",
                // A recording, or a part of a file.
                _ => continue,
            };
            let done = Project::new().file(path, &text).run(&["check", path]);
            assert_eq!(done.code, Some(0), "{page}:\n{text}\n{}{}", done.stdout, done.stderr);
            count += 1;
        }
    }
    assert!(count >= 2, "{count}");
}

#[test]
fn the_first_steps_of_the_readme_work() {
    let project = Project::bare();
    let readme = read("README.md");
    for line in ["orch init", "orch run hello", "orch list", "orch status", "orch runs"] {
        assert!(commands(&readme).iter().any(|command| command == line), "the README does not say `{line}`");
        let done = project.run(&line.split(' ').skip(1).collect::<Vec<_>>());
        assert_eq!(done.code, Some(0), "{line}: {}{}", done.stdout, done.stderr);
    }
}

#[test]
fn what_is_printed_for_programs_agrees_with_its_schema() {
    let project = Project::bare();
    let workflow = "name: stuck\nsteps:\n  - { id: works, run: 'true' }\n  - { id: fails, run: 'false', retry: 0, gate: [{ run: 'true' }] }\n";
    assert_eq!(project.run(&["init"]).code, Some(0));
    project.write("workflows/stuck.yaml", workflow);
    project.write("workflows/asks.yaml", "name: asks\nsteps:\n  - { id: sure, approve: Sure? }\n");
    for (name, code) in [("hello", 0), ("stuck", 1), ("asks", 20)] {
        assert_eq!(project.run(&["run", name]).code, Some(code), "{name}");
        agrees("status", &project.run(&["status", "--json"]).json(0));
        let told = project.run(&["replay", "--json"]);
        assert!(told.code == Some(0) && told.stdout.lines().count() > 1, "{}", told.stderr);
        told.stdout.lines().for_each(|line| agrees("replay", &serde_json::from_str(line).unwrap()));
    }
    agrees("runs", &project.run(&["runs", "--json"]).json(0));
    agrees("list", &project.run(&["list", "--all", "--json"]).json(0));
}

/// Checks a document against its schema, and the schema against the document: no field is missing in it.
fn agrees(name: &str, document: &Value) {
    let schema: Value = serde_json::from_str(orch::service::schema(name).unwrap()).unwrap();
    assert_eq!(orch::base::schema_faults(&schema, document).unwrap(), Vec::<String>::new(), "{name}");
    assert!(name == "list" || names_all(&schema, document), "{name}");
}

fn names_all(schema: &Value, document: &Value) -> bool {
    let branch =
        schema["anyOf"].as_array().and_then(|several| several.iter().find(|one| one["properties"].is_object()));
    let schema = branch.unwrap_or(schema);
    match document {
        Value::Array(items) => items.iter().all(|item| names_all(&schema["items"], item)),
        Value::Object(fields) if schema["properties"].is_object() => fields.iter().all(|(name, value)| {
            let known = &schema["properties"][name];
            assert!(known.is_object(), "the schema does not know `{name}`");
            names_all(known, value)
        }),
        _ => true,
    }
}

#[test]
fn links_lead_somewhere() {
    let mut count = 0;
    for page in pages() {
        let text = read(&page);
        let folder: PathBuf = root().join(&page).parent().unwrap().to_owned();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap();
            if target.starts_with("https://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
            let path = if file.is_empty() { root().join(&page) } else { folder.join(file) };
            assert!(path.exists(), "{page}: {target}");
            if let Some(anchor) = anchor {
                let text = fs::read_to_string(&path).unwrap();
                let anchors: Vec<_> = text.lines().filter(|line| line.starts_with('#')).map(anchor_of).collect();
                assert!(anchors.iter().any(|one| one == anchor), "{page}: {target}");
            }
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}

/// The anchor that a heading gets.
fn anchor_of(line: &str) -> String {
    let words = line.trim_start_matches('#').trim().to_lowercase();
    words
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn the_pages_name_no_code_that_is_gone() {
    for page in pages() {
        let text = read(&page);
        for (at, _) in text.match_indices("E0") {
            let code = text[at..].get(..5).unwrap_or_default();
            if code.len() == 5 && code[2..].bytes().all(|byte| byte.is_ascii_digit()) {
                assert!(codes::find(code).is_some(), "{page}: {code}");
            }
        }
    }
}
