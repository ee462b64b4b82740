//! Commands that are prose, skills and memory files, through the program itself: what an agent is really told.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use serde_json::Value;
use support::{Done, Project};

/// A runtime that hands its whole prompt back.
const ECHO: &str = "[runtimes.echo]\ncommand = [\"sh\", \"-c\", \"cat\"]\n";

fn project() -> Project {
    Project::new().file("orch.toml", ECHO)
}

/// The prompt that the agent of the last run has got.
fn told(project: &Project, words: &[&str]) -> String {
    let done = project.run(words);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    newest(project, "order.json").map_or_else(String::new, |path| fs::read_to_string(path).unwrap())
}

/// A part of the order of the last run's agent.
fn order(project: &Project, words: &[&str], field: &str) -> String {
    let order: Value = serde_json::from_str(&told(project, words)).unwrap();
    order[field].as_str().unwrap_or_default().to_owned()
}

fn task(project: &Project, words: &[&str]) -> String {
    order(project, words, "task")
}

fn newest(project: &Project, name: &str) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut open = vec![project.root().join(".orch/state")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().is_some_and(|other| other == name) {
                found.push(path);
            }
        }
    }
    found.into_iter().max_by_key(|path| path.metadata().unwrap().modified().unwrap())
}

/// Trusts a command as a person without a terminal does: by the digest that was shown.
fn trust(project: &Project, name: &str) -> String {
    let shown = project.run(&["trust", name, "--list", "--json"]).json(0);
    let digest = shown["items"][0]["digest"].as_str().unwrap().to_owned();
    let done = project.run(&["trust", name, "--digest", &digest]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    digest
}

#[track_caller]
fn refused(done: &Done, code: i32, id: &str) {
    assert_eq!(done.code, Some(code), "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains(id), "{}", done.stderr);
}

#[test]
fn arguments_are_values_and_never_read_again() {
    let project = project()
        .file(".claude/commands/fix.md", "Fix $0 of $ARGUMENTS {{ x }} {% if %}; $1")
        .file(".claude/commands/plain.md", "Plain.\n");
    assert_eq!(
        task(&project, &["run", "/fix", "'a b' {{inputs}}"]),
        "Fix a b of 'a b' {{inputs}} {{ x }} {% if %}; {{inputs}}"
    );
    assert_eq!(
        task(&project, &["run", "/fix", "'$1 $ARGUMENTS' !`touch pwned`"]),
        "Fix $1 $ARGUMENTS of '$1 $ARGUMENTS' !`touch pwned` {{ x }} {% if %}; !`touch"
    );
    assert!(!project.root().join("pwned").exists());
    assert_eq!(task(&project, &["run", "/plain", "more words"]), "Plain.\n\nARGUMENTS: more words");
    assert_eq!(task(&project, &["run", "/plain"]), "Plain.");
}

#[test]
fn values_of_the_session() {
    let project = project().file(".claude/commands/where.md", "${CLAUDE_SESSION_ID}|${CLAUDE_PROJECT_DIR}|${OTHER}");
    let told = task(&project, &["run", "/where"]);
    let run = project.run(&["runs", "--json"]).json(0)[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(told, format!("{run}|{}|${{OTHER}}", project.root().display()));
}

#[test]
fn commands_run_only_under_trust() {
    let text = "---\nallowed-tools: Bash(touch *)\n---\nState: !`touch ran && echo said {{x}} $0`\n";
    let project = project().file(".claude/commands/state.md", text);
    refused(&project.run(&["run", "/state", "arg"]), 40, "E0560");
    refused(&project.run(&["run", "/state", "arg", "--yes"]), 40, "E0560");
    refused(&project.run(&["trust", "/state", "--yes"]), 40, "E0561");
    refused(&project.run(&["trust", "/state", "--digest", "0000"]), 40, "E0561");
    refused(&project.run(&["run", "/state", "--trust", "yes"]), 40, "E0560");
    assert!(!project.root().join("ran").exists());
    assert!(!project.root().join(".orch/state/runs").exists() || newest(&project, "order.json").is_none());

    let digest = trust(&project, "/state");
    // What the command says is a value as well: it is neither a template nor a placeholder.
    assert_eq!(task(&project, &["run", "/state", "$ARGUMENTS"]), "State: said {{x}} $ARGUMENTS");
    assert!(project.root().join("ran").exists());

    // One byte more, and nobody has seen it.
    project.write(".claude/commands/state.md", &format!("{text} "));
    refused(&project.run(&["run", "/state"]), 40, "has changed since it was trusted");
    refused(&project.run(&["run", "/state", "--trust", &digest]), 40, "E0560");
    project.write(".claude/commands/state.md", text);
    assert_eq!(project.run(&["run", "/state"]).code, Some(0));
    assert_eq!(project.run(&["trust", "/state", "--revoke"]).code, Some(0));
    refused(&project.run(&["run", "/state"]), 40, "is not trusted");
    refused(&project.run(&["trust", "/state", "--revoke"]), 2, "E0563");
    // In a script: exactly what was read, for this once.
    assert_eq!(project.run(&["run", "/state", "--trust", &digest]).code, Some(0));
    refused(&project.run(&["run", "/state", "--trust", &digest[..12]]), 40, "E0560");
    refused(&project.run(&["run", "/state"]), 40, "E0560");
}

#[test]
fn trust_shows_exactly_what_would_run_and_what_has_changed() {
    let project = project()
        .file(".claude/commands/a.md", "!`git status`\n\n```!\necho one\necho two\n```\n")
        .file(".claude/commands/b.md", "`!`not a command`` KEY=!`none`")
        .file(".gemini/commands/c.md", "no commands");
    let done = project.run(&["trust", "--list"]);
    let digest = done.stdout.split("digest ").nth(1).unwrap().trim().to_owned();
    done.is(
        0,
        &format!(
            "/a  .claude/commands/a.md\n  not trusted\n    $ git status\n    $ echo one\n      echo two\n    and the project's settings: orch.toml, .claude/ (2 files), .gemini/ (1 file)\n  digest {digest}\n"
        ),
        "",
    );
    trust(&project, "a");
    project.write(".claude/commands/a.md", "!`git diff`\n\n```!\necho one\necho two\n```\n");
    let shown = project.run(&["trust", "/a", "--list"]).stdout;
    assert!(
        shown.contains(
            "changed since it was trusted\n  + $ git diff\n    $ echo one\n      echo two\n  - $ git status\n"
        ),
        "{shown}"
    );
    refused(&project.run(&["trust", "/b", "--list"]), 2, "E0563");
}

#[test]
fn a_script_that_a_command_runs_is_a_part_of_what_is_trusted() {
    let project = project()
        .file(".claude/commands/s.md", "!`sh ./scripts/state.sh \"$0\"`")
        .file("scripts/state.sh", "echo state of $1");
    trust(&project, "/s");
    assert_eq!(task(&project, &["run", "/s", "'a; touch pwned'"]), "state of a; touch pwned");
    project.write("scripts/state.sh", "touch pwned");
    refused(&project.run(&["run", "/s"]), 40, "has changed");
    assert!(!project.root().join("pwned").exists());
}

#[test]
fn a_project_cannot_trust_itself() {
    let text = "!`touch pwned`";
    let project = project().file(".claude/commands/x.md", text);
    trust(&project, "/x");
    // The grant itself, in every place that a repository could bring it to.
    let home = project.root().parent().unwrap().join("home");
    let grants = home.join(".local/state/orch/trust");
    let grant = fs::read_dir(&grants).unwrap().next().unwrap().unwrap().path();
    let name = grant.file_name().unwrap().to_str().unwrap().to_owned();
    let kept = fs::read_to_string(&grant).unwrap();
    fs::remove_dir_all(&grants).unwrap();
    for folder in [".local/state/orch/trust", ".orch/trust", ".orch/state/trust", "trust", ".config/orch/trust"] {
        project.write(&format!("{folder}/{name}"), &kept);
    }
    project.write("orch.toml", ECHO);
    refused(&project.run(&["run", "/x"]), 40, "E0560");
    for setting in ["trust = true", "trusted = [\"x\"]", "[trust]\nfolder = \".orch/trust\""] {
        project.write("orch.toml", &format!("{setting}\n{ECHO}"));
        assert_eq!(project.run(&["run", "/x"]).code, Some(10), "{setting}");
    }
    assert!(!project.root().join("pwned").exists());
}

#[test]
fn a_command_that_fails_ends_the_invocation() {
    let project = project().file(".claude/commands/x.md", "Say !`echo first; exit 3` please");
    trust(&project, "/x");
    let done = project.run(&["run", "/x"]);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    assert!(newest(&project, "order.json").is_none(), "no agent was told anything");
    assert!(done.stderr.contains("exit code 3"), "{}", done.stderr);
}

#[test]
fn commands_are_steps_of_the_plan() {
    let project = project().file(".claude/commands/x.md", "A !`git status --short` B !`ls`");
    let plan = project.run(&["plan", "/x"]).stdout;
    assert!(plan.contains("shell_1: run") && plan.contains("$ bash -c git status --short"), "{plan}");
    assert!(plan.contains("needs trust: 2 commands of .claude/commands/x.md"), "{plan}");
    let json = project.run(&["plan", "/x", "--json"]).json(0);
    assert_eq!(json["trust"]["commands"], serde_json::json!(["git status --short", "ls"]));
}

#[test]
fn arguments_of_commands_are_words_and_no_shell_text() {
    let project = project().file(".claude/commands/x.md", "!`printf '<%s>' $0 \"$1\"` !`echo 'a $0'`");
    trust(&project, "/x");
    assert_eq!(
        task(&project, &["run", "/x", "'$(touch pwned)' '; touch pwned'"]),
        "<$(touch><pwned)><; touch pwned> a $(touch pwned)"
    );
    assert!(!project.root().join("pwned").exists());
}

#[test]
fn files_that_a_prompt_names_are_told_with_it() {
    let project = project()
        .file(".claude/commands/x.md", "Look at @src/a.txt and @gone.md, mail me@src/a.txt, $0 !`echo @secret.txt`")
        .file("src/a.txt", "the text of a")
        .file("b.txt", "the text of b")
        .file("secret.txt", "a secret");
    symlink("/etc/passwd", project.root().join("link.txt")).unwrap();
    trust(&project, "/x");
    let order: Value = serde_json::from_str(&told(&project, &["run", "/x", "@b.txt @../secret @link.txt"])).unwrap();
    assert_eq!(order["task"], "Look at @src/a.txt and @gone.md, mail me@src/a.txt, @b.txt @secret.txt");
    let context = order["context"].as_str().unwrap();
    assert!(context.contains("the text of a") && context.contains("the text of b"), "{context}");
    // A command's output names no file, whatever it says.
    assert!(!context.contains("a secret") && !context.contains("root:"), "{context}");
    let paths: Vec<_> =
        order["attached"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["src/a.txt", "b.txt"]);
}

#[test]
fn the_journal_says_which_files_were_told() {
    let project = project().file(".claude/commands/x.md", "@a.txt").file("a.txt", "text");
    assert_eq!(project.run(&["run", "/x"]).code, Some(0));
    let store = fs::read(project.root().join(".orch/state/orch.db")).unwrap();
    let wal = fs::read(project.root().join(".orch/state/orch.db-wal")).unwrap_or_default();
    let digest = orch::base::Digest::of(b"text");
    let wanted = format!("\"attached\":[{{\"path\":\"a.txt\",\"digest\":\"{}\"", digest.as_str());
    let found = [store, wal].iter().any(|bytes| bytes.windows(wanted.len()).any(|part| part == wanted.as_bytes()));
    assert!(found, "{wanted}");
}

#[test]
fn a_skill_is_started_like_a_command() {
    let skill = "---\nname: greet\ndescription: Greets\n---\nGreet $ARGUMENTS from ${CLAUDE_SKILL_DIR}.\n";
    let project = project()
        .file(".claude/skills/greet/SKILL.md", skill)
        .file(".claude/commands/greet.md", "The command $ARGUMENTS");
    let folder = project.root().join(".claude/skills/greet");
    let folder = folder.display();
    assert_eq!(
        task(&project, &["run", "/greet", "Ada"]),
        format!("Base directory for this skill: {folder}\n\nGreet Ada from {folder}.")
    );
    // A nearer command wins; without the slash it is the command.
    assert_eq!(task(&project, &["run", "greet", "Ada"]), "The command Ada");
    project.write("commands/greet.md", "Nearer $ARGUMENTS");
    assert_eq!(task(&project, &["run", "/greet", "Ada"]), "Nearer Ada");
}

#[test]
fn skills_apply_by_themselves_and_say_why() {
    let step = |more: &str| {
        format!("name: w\nsteps:\n  - {{ id: one, prompt: \"Tidy the frobnicator in src/x.zig\"{more} }}\n")
    };
    let project = project()
        .file("skills/frob/SKILL.md", "---\ndescription: d\ntriggers: [frobnicator]\n---\nFROB TEXT\n")
        .file("skills/zig/SKILL.md", "---\ndescription: d\ntriggers: ['**/*.zig']\n---\nZIG TEXT\n")
        .file("skills/other/SKILL.md", "---\ndescription: d\ntriggers: [frob]\n---\nOTHER TEXT\n")
        .file("workflows/w.yaml", &step(""));
    let plan = project.run(&["plan", "w"]).stdout;
    assert!(plan.contains("skill frob: keyword `frobnicator`"), "{plan}");
    assert!(plan.contains("skill zig: file `src/x.zig` is of `**/*.zig`"), "{plan}");
    assert!(!plan.contains("other"), "{plan}");
    let json = project.run(&["plan", "w", "--json"]).json(0);
    assert_eq!(json["steps"][0]["work"]["activated"][0]["why"], "keyword `frobnicator`");
    let order = told(&project, &["run", "w"]);
    assert!(order.contains("FROB TEXT") && order.contains("ZIG TEXT") && !order.contains("OTHER TEXT"), "{order}");

    project.write("workflows/w.yaml", &step(", skills: []"));
    assert!(!told(&project, &["run", "w"]).contains("TEXT"));
    project.write("workflows/w.yaml", &step(", skills: [other]"));
    let order = told(&project, &["run", "w"]);
    assert!(order.contains("OTHER TEXT") && !order.contains("FROB TEXT"), "{order}");
    project.write("workflows/w.yaml", &step(""));
    project.write("orch.toml", &format!("skills = \"named\"\n{ECHO}"));
    assert!(!told(&project, &["run", "w"]).contains("TEXT"));
}

#[test]
fn memory_files_are_told_once_and_where_they_belong() {
    let project = project()
        .file("AGENTS.md", "AGENTS MEMORY")
        .file("CLAUDE.md", "CLAUDE MEMORY @docs/more.md")
        .file("docs/more.md", "MORE MEMORY")
        .file("GEMINI.md", "GEMINI MEMORY")
        .file(".claude/commands/c.md", "Do it")
        .file("commands/o.md", "Do it");
    let context = |words: &[&str]| order(&project, words, "context");
    let told = context(&["run", "/o"]);
    assert!(told.contains("AGENTS MEMORY") && !told.contains("CLAUDE MEMORY"), "{told}");
    let told = context(&["run", "/c"]);
    assert!(
        told.contains("CLAUDE MEMORY") && told.contains("MORE MEMORY") && !told.contains("AGENTS MEMORY"),
        "{told}"
    );
    let plan = project.run(&["plan", "/c"]).stdout;
    assert!(plan.contains("memory CLAUDE.md docs/more.md"), "{plan}");

    project.write("orch.toml", &format!("memory = [\"GEMINI.md\"]\n{ECHO}"));
    assert!(context(&["run", "/o"]).contains("GEMINI MEMORY"));
    project.write("orch.toml", &format!("memory = []\n{ECHO}"));
    assert_eq!(context(&["run", "/o"]), "");
    assert_eq!(context(&["run", "/c"]), "");
    // A runtime that reads them itself is not told twice.
    project.write("orch.toml", &format!("{ECHO}reads_memory = true\n"));
    assert_eq!(context(&["run", "/c"]), "");
}

#[test]
fn memory_that_is_too_large_becomes_a_reference() {
    let project = project()
        .file("AGENTS.md", &"long memory ".repeat(2_000))
        .file("workflows/w.yaml", "name: w\nsteps:\n  - { id: one, prompt: Hi, context_budget: 200 }\n");
    let told = order(&project, &["run", "w"], "context");
    assert!(told.len() < 1_000 && told.contains("more tokens in AGENTS.md"), "{told}");
}

/// Every line of the table in `docs/commands.md` is what happens.
#[test]
fn the_documentation_of_placeholders_is_true() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/commands.md")).unwrap();
    let mut seen = 0;
    for line in page.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
        let [tool, text, typed, expected] = cells[..] else { panic!("{line}") };
        let (path, text) = match tool {
            "Claude Code" => (".claude/commands/x.md", text.to_owned()),
            "Codex" => (".codex/prompts/x.md", text.to_owned()),
            "opencode" => (".opencode/command/x.md", text.to_owned()),
            "Gemini CLI" => (".gemini/commands/x.toml", format!("prompt = '{text}'\n")),
            "Copilot" => (".github/prompts/x.prompt.md", text.to_owned()),
            other => panic!("{other}"),
        };
        let project = project().file(path, &text);
        assert_eq!(task(&project, &["run", "/x", typed]), expected.replace('⏎', "\n"), "{line}");
        seen += 1;
    }
    assert_eq!(seen, 11);
}

/// The warning about the first word, its fix, and what must not be warned of.
#[test]
fn numbers_of_words_that_an_author_may_not_mean() {
    let project = project()
        .file(".claude/commands/one.md", "---\ndescription: d\n---\nFix issue $1 on $2.\n")
        .file(".claude/commands/money.md", "It costs $1.00 and `awk '{print $1}'` says so.\n")
        .file(".claude/commands/clean.md", "Fix $0 and $1, $ARGUMENTS, $HOME, ${X}.\n\n```sh\necho $1\n```\n")
        .file(".codex/prompts/codex.md", "Fix $1.\n");
    let check = project.run(&["check", "--json"]);
    let found: Vec<(String, String, String)> = check.json(0)["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        // A file without frontmatter is said to be one, which is not what this test is about.
        .filter(|one| one["code"] != "E0129")
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            (text("code"), text("severity"), text("path"))
        })
        .collect();
    let count = |code: &str, file: &str| found.iter().filter(|one| one.0 == code && one.2.ends_with(file)).count();
    assert_eq!((count("E0226", "one.md"), count("E0227", "money.md")), (1, 2), "{}", check.stdout);
    assert_eq!(found.len(), 3, "{}", check.stdout);
    assert!(found.iter().all(|one| one.1 == if one.0 == "E0226" { "warning" } else { "info" }), "{found:?}");
    let text = project.run(&["check"]);
    let text = format!("{}{}", text.stdout, text.stderr);
    assert!(text.contains("for `/one one two` this is `two`; counted from 1 it would be `one`"), "{text}");

    assert_eq!(project.run(&["check", "--fix", "--yes"]).code, Some(0));
    assert_eq!(
        project.read(".claude/commands/one.md"),
        "---\ndescription: d\nargument-base: 1\n---\nFix issue $1 on $2.\n"
    );
    assert_eq!(task(&project, &["run", "/one", "a b"]), "Fix issue a on b.");
}
