//! Where definitions are found: the folders of all tools, plugins, precedence, names that find them, and loading again.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use orch::{
    base::{Severity, render},
    definition::{
        Base, CommandBody, Library, ManifestKind, RuleKind, Scope, Style,
        load::{Loader, UserFolders, load},
    },
};

struct Project(tempfile::TempDir);

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            project.write(name, text);
        }
        project
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }
}

fn agent(name: &str, description: &str) -> String {
    format!("---\nname: {name}\ndescription: {description}\n---\nBody of {description}\n")
}

fn plain(description: &str) -> String {
    format!("---\ndescription: {description}\n---\nBody of {description}\n")
}

/// `kind name scope dialect plugin` of all that does not come with the binary.
fn lines(library: &Library) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    let mut add = |kind: &str, name: &str, origin: &orch::definition::Origin| {
        if origin.scope != Scope::Builtin {
            let plugin = origin.plugin.as_deref().unwrap_or("-");
            lines.insert(format!(
                "{kind} {name} {:?} {:?} {plugin} {}",
                origin.scope,
                origin.dialect,
                origin.path.display()
            ));
        }
    };
    library.agents.all().for_each(|(one, _)| add("agent", &one.name, &one.origin));
    library.skills.all().for_each(|(one, _)| add("skill", &one.name, &one.origin));
    library.commands.all().for_each(|(one, _)| add("command", &one.name, &one.origin));
    library.workflows.all().for_each(|(one, _)| add("workflow", &one.workflow.name.value, &one.origin));
    library.gates.all().for_each(|(one, _)| add("gate", &one.name, &one.origin));
    library.rules.all().for_each(|(one, _)| add("rule", &one.name, &one.origin));
    lines
}

fn has(library: &Library, expected: &[&str]) {
    let found = lines(library);
    let wanted: BTreeSet<String> = expected.iter().map(|line| (*line).to_owned()).collect();
    let missing: Vec<_> = wanted.difference(&found).collect();
    let extra: Vec<_> = found.difference(&wanted).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:#?}\nextra {extra:#?}");
}

fn warnings(library: &Library) -> Vec<String> {
    let bad = library.diagnostics.iter().filter(|fault| fault.severity > Severity::Info);
    bad.map(|fault| render::render(fault, false)).collect()
}

#[test]
fn files_of_every_tool_are_found_where_it_keeps_them() {
    let (a, c) = (agent("one", "d"), plain("d"));
    let project = Project::new(&[
        (".claude/agents/deep/claude.md", &a.replace("one", "claude-one")),
        (".claude/skills/s/SKILL.md", &a.replace("one", "s")),
        (".claude/commands/ns/go.md", &c),
        (".claude/output-styles/terse.md", &a.replace("one", "Terse")),
        (".claude/rules/sub/tests.md", "---\npaths: 'tests/**'\n---\nRule.\n"),
        (".agents/skills/open/SKILL.md", &a.replace("one", "open")),
        (
            ".codex/agents/x.toml",
            "name = \"codex-one\"\ndescription = \"d\"\ndeveloper_instructions = '''\nDo.\n'''\nmodel = \"m\"\nsandbox_mode = \"read-only\"\n",
        ),
        (".codex/skills/cs/SKILL.md", &a.replace("one", "cs")),
        (".codex/prompts/draft.md", &c),
        (".gemini/agents/g.md", &a.replace("one", "gemini-one")),
        (".gemini/skills/gs/SKILL.md", &a.replace("one", "gs")),
        (".gemini/commands/git/commit.toml", "description = \"d\"\nprompt = \"\"\"\nCommit {{args}}\n\"\"\"\n"),
        (".gemini/commands/not.md", &c),
        (".github/agents/plan.agent.md", &plain("d")),
        (".github/agents/other.md", &a.replace("one", "other")),
        (".github/chatmodes/chat.chatmode.md", &a.replace("one", "chat")),
        (".github/prompts/fix.prompt.md", &c),
        (".github/prompts/notes.md", &c),
        (".github/instructions/rust.instructions.md", "---\napplyTo: '**/*.rs,**/*.{toml,lock}'\n---\nRule.\n"),
        (".opencode/agent/oc.md", &c),
        (".opencode/agents/ocs.md", &c),
        (".opencode/command/run.md", &c),
        (".opencode/commands/runs.md", &c),
        (".cursor/agents/cu.md", &a.replace("one", "cu")),
        (".cursor/commands/cc.md", "Plain text.\n"),
        (".cursor/rules/r.mdc", "---\ndescription: d\nglobs: src/*.ts\nalwaysApply: true\n---\nRule.\n"),
        (".kiro/agents/k.md", &a.replace("one", "k")),
        ("templates/commands/specify.md", &c),
        ("templates/spec-template.md", ""),
    ]);
    let library = load(&project.path(), None);
    has(
        &library,
        &[
            "agent chat Dialect Copilot - .github/chatmodes/chat.chatmode.md",
            "agent claude-one Dialect ClaudeCode - .claude/agents/deep/claude.md",
            "agent codex-one Dialect Codex - .codex/agents/x.toml",
            "agent cu Dialect Cursor - .cursor/agents/cu.md",
            "agent gemini-one Dialect Gemini - .gemini/agents/g.md",
            "agent k Dialect Kiro - .kiro/agents/k.md",
            "agent oc Dialect OpenCode - .opencode/agent/oc.md",
            "agent ocs Dialect OpenCode - .opencode/agents/ocs.md",
            "agent other Dialect Copilot - .github/agents/other.md",
            "agent plan Dialect Copilot - .github/agents/plan.agent.md",
            "command cc Dialect Cursor - .cursor/commands/cc.md",
            "command draft Dialect Codex - .codex/prompts/draft.md",
            "command fix Dialect Copilot - .github/prompts/fix.prompt.md",
            "command git:commit Dialect Gemini - .gemini/commands/git/commit.toml",
            "command ns:go Dialect ClaudeCode - .claude/commands/ns/go.md",
            "command run Dialect OpenCode - .opencode/command/run.md",
            "command runs Dialect OpenCode - .opencode/commands/runs.md",
            "command specify Dialect SpecKit - templates/commands/specify.md",
            "rule r Dialect Cursor - .cursor/rules/r.mdc",
            "rule rust Dialect Copilot - .github/instructions/rust.instructions.md",
            "rule sub/tests Dialect ClaudeCode - .claude/rules/sub/tests.md",
            "rule terse Dialect ClaudeCode - .claude/output-styles/terse.md",
            "skill cs Dialect Codex - .codex/skills/cs/SKILL.md",
            "skill gs Dialect Gemini - .gemini/skills/gs/SKILL.md",
            "skill open Dialect AgentSkills - .agents/skills/open/SKILL.md",
            "skill s Dialect ClaudeCode - .claude/skills/s/SKILL.md",
        ],
    );
    assert_eq!(warnings(&library), Vec::<String>::new());
    let rule = |name: &str| library.rules.get(name).unwrap();
    assert_eq!((rule("rust").globs.join(" "), rule("rust").always), ("**/*.rs **/*.{toml,lock}".to_owned(), false));
    assert_eq!((rule("r").globs.join(" "), rule("r").always), ("src/*.ts".to_owned(), true));
    assert_eq!((rule("terse").kind, rule("sub/tests").always), (RuleKind::OutputStyle, false));
    let codex = library.agents.get("codex-one").unwrap();
    assert_eq!((codex.model.as_deref(), codex.body.as_str()), (Some("m"), "Do."));
    assert_eq!(codex.meta.extra("sandbox_mode").unwrap(), "read-only");
    let command = library.commands.get("git:commit").unwrap();
    let CommandBody::Prose { text, arguments, .. } = &command.body else { panic!("{command:?}") };
    assert_eq!(
        (text.value.as_str(), arguments.style, arguments.base),
        ("Commit {{args}}\n", Style::Gemini, Base::Zero)
    );
    assert_eq!(&command.origin.source.text[text.span.start..text.span.end], "\nCommit {{args}}\n");
}

#[test]
fn the_users_folders_come_after_the_project_and_may_be_moved() {
    let project = Project::new(&[
        ("p/.claude/agents/a.md", &agent("a", "project")),
        ("home/.claude/agents/a.md", &agent("a", "home")),
        ("home/.claude/commands/h.md", &plain("home")),
        ("home/.codex/prompts/left.md", &plain("not looked at")),
        ("codex/prompts/moved.md", &plain("moved")),
        ("home/.config/opencode/command/oc.md", &plain("oc")),
        ("home/.config/orch/agents/a.md", &agent("a", "user")),
    ]);
    let root = project.path();
    let user = UserFolders {
        orch: Some(root.join("home/.config/orch")),
        home: Some(root.join("home")),
        moved: vec![(".codex", root.join("codex"))],
    };
    let library = Loader::new(&root.join("p")).user(user.clone()).load();
    let order: Vec<_> =
        library.agents.all().filter(|(agent, _)| agent.name == "a").map(|(a, _)| a.origin.scope).collect();
    assert_eq!(order, [Scope::Dialect, Scope::User, Scope::UserDialect]);
    assert!(library.commands.get("h").is_some() && library.commands.get("oc").is_some());
    assert!(library.commands.get("moved").is_some() && library.commands.get("left").is_none());
    assert_eq!(warnings(&library), Vec::<String>::new());
    // A project in the home folder itself: each file stands once.
    let library = Loader::new(&root.join("home")).user(user).load();
    let order: Vec<_> =
        library.agents.all().filter(|(agent, _)| agent.name == "a").map(|(a, _)| a.origin.scope).collect();
    assert_eq!(order, [Scope::Dialect, Scope::User]);
}

#[test]
fn names_find_a_definition_in_every_spelling() {
    let project = Project::new(&[
        ("agents/quality/file-name.md", &agent("Code_Reviewer", "d")),
        ("plugins/kit/agents/sub/helper.md", &agent("helper", "of the kit")),
        ("plugins/kit/commands/go.md", &plain("kit")),
        (".claude/agents/helper.md", &agent("helper", "near")),
    ]);
    let library = load(&project.path(), None);
    for name in [
        "code-reviewer",
        "Code Reviewer",
        "CODE_REVIEWER",
        "@code-reviewer",
        "@agent-code-reviewer",
        "file-name",
        "quality/file-name",
        "agents/quality/file-name.md",
    ] {
        assert_eq!(library.agents.get(name).map(|agent| agent.name.as_str()), Some("code-reviewer"), "{name}");
    }
    assert!(library.agents.get("reviewer").is_none() && library.agents.get("@agent-").is_none());
    let description = |name: &str| library.agents.get(name).map(|agent| agent.description.clone());
    assert_eq!(description("helper").as_deref(), Some("near"));
    for name in ["kit:helper", "Kit:Helper", "kit:sub:helper", "@kit:helper", "plugins/kit/agents/sub/helper.md"] {
        assert_eq!(description(name).as_deref(), Some("of the kit"), "{name}");
    }
    assert!(library.commands.get("kit:go").is_some());
}

#[test]
fn plugins_and_marketplaces_say_which_files_are_theirs() {
    let skill = |name: &str| agent(name, "d");
    let project = Project::new(&[
        (
            ".claude-plugin/marketplace.json",
            "\u{feff}{ // a comment\n \"name\": \"shop\", \"plugins\": [\n  {\"name\": \"docs\", \"source\": \"./\", \"strict\": false, \"skills\": [\"./skills/pdf\"]},\n  {\"name\": \"core\", \"source\": \"./categories/01\"},\n  {\"name\": \"far\", \"source\": {\"source\": \"github\", \"repo\": \"x/y\"}},\n  {\"name\": \"out\", \"source\": \"../outside\"},\n  {\"name\": \"link\", \"source\": \"./link\"},\n ],\n}",
        ),
        ("skills/pdf/SKILL.md", &skill("pdf")),
        ("skills/xls/SKILL.md", &skill("xls")),
        (
            "categories/01/.claude-plugin/plugin.json",
            "{\"name\": \"ignored\", \"agents\": [\"./x.md\", \"../y.md\"], \"author\": 3}",
        ),
        ("categories/01/x.md", &agent("x", "d")),
        ("categories/01/agents/replaced.md", &agent("replaced", "d")),
        ("categories/01/commands/c.md", &plain("d")),
        ("categories/01/hooks/hooks.json", "{\"hooks\": {}}"),
        ("categories/y.md", &agent("y", "d")),
        ("plugins/plain/agents/README.md", "# About\n"),
        ("plugins/plain/agents/p.md", &agent("p", "d")),
        ("plugins/one/SKILL.md", &skill("one")),
        ("plugins/one/.claude-plugin/plugin.json", "{\"name\": \"one\"}"),
        (".gemini/extensions/ext/gemini-extension.json", "{\"name\": \"ext\"}"),
        (".gemini/extensions/ext/commands/e.toml", "prompt = 'x'"),
        (".mcp.json", "{}"),
        (".claude/settings.json", "{\"permissions\": {}}"),
    ]);
    let outside = Project::new(&[("agents/far.md", &agent("far", "d"))]);
    symlink(outside.path(), project.path().join("link")).unwrap();
    let library = load(&project.path(), None);
    has(
        &library,
        &[
            "agent p Dialect ClaudeCode plain plugins/plain/agents/p.md",
            "agent x Dialect ClaudeCode core categories/01/x.md",
            "command c Dialect ClaudeCode core categories/01/commands/c.md",
            "command e Dialect Gemini ext .gemini/extensions/ext/commands/e.toml",
            "skill one Dialect ClaudeCode one plugins/one/SKILL.md",
            "skill pdf Project ClaudeCode docs skills/pdf/SKILL.md",
            "skill xls Project Orch - skills/xls/SKILL.md",
        ],
    );
    let recorded: Vec<_> =
        library.manifests.iter().map(|one| (one.kind, one.name.as_str(), one.plugin.as_deref())).collect();
    assert_eq!(
        recorded,
        [
            (ManifestKind::Mcp, ".mcp.json", None),
            (ManifestKind::Marketplace, "shop", None),
            (ManifestKind::Plugin, "ignored", Some("core")),
            (ManifestKind::Hooks, "categories/01/hooks/hooks.json", Some("core")),
            (ManifestKind::Plugin, "one", Some("one")),
            (ManifestKind::Extension, "ext", Some("ext")),
        ]
    );
    assert!(library.skills.get("docs:pdf").is_some() && library.skills.get("docs:xls").is_none());
    assert_eq!(warnings(&library), Vec::<String>::new());
}

#[test]
fn one_warning_names_all_that_share_a_name_in_one_scope() {
    let project = Project::new(&[
        (".claude/agents/a.md", &agent("same", "first")),
        (".claude/agents/b.md", &agent("Same", "second")),
        (".claude/agents/c.md", &agent("same", "third")),
        (".cursor/agents/a.md", &agent("same", "another tool")),
        ("agents/a.md", &agent("same", "own")),
        ("plugins/one/agents/a.md", &agent("same", "plugin one")),
        ("plugins/two/agents/a.md", &agent("same", "plugin two")),
    ]);
    let library = load(&project.path(), None);
    let found = warnings(&library);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("2 more files define an agent `same`"), "{}", found[0]);
    for path in ["a.md", "b.md", "c.md"] {
        assert!(found[0].contains(&format!(".claude/agents/{path}")), "{}", found[0]);
    }
    assert_eq!(library.agents.get("same").unwrap().description, "own");
    assert_eq!(library.agents.get(".claude/agents/c.md").unwrap().description, "third");
    assert_eq!(library.agents.all().filter(|(agent, _)| agent.name == "same").count(), 7);
}

#[test]
fn odd_places_are_read_and_named() {
    let project = Project::new(&[
        (".claude/skills/group/deep/SKILL.md", &agent("deep", "d")),
        (".claude/skills/lower/skill.md", &agent("lower", "d")),
        (".claude/skills/flat.md", &agent("flat", "d")),
        (".claude/skills/README.md", "# About\n"),
        (".claude/agents/x.MD", &agent("upper", "d")),
        (".claude/agents/y.markdown", &agent("long", "d")),
        ("skills/group/own/SKILL.md", &agent("own", "d")),
    ]);
    let library = load(&project.path(), None);
    let mut odd: Vec<_> = library.diagnostics.iter().filter(|fault| fault.code.0 == "E0170").collect();
    assert!(odd.iter().all(|fault| fault.severity == Severity::Info && fault.elsewhere[0].tool == "Claude Code"));
    odd.sort_by_key(|fault| fault.source.path.clone());
    let odd: Vec<_> = odd.iter().map(|fault| fault.source.path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(odd, ["x.MD", "y.markdown", "flat.md", "SKILL.md", "skill.md"]);
    for name in ["deep", "lower", "own"] {
        assert!(library.skills.get(name).is_some(), "{name}");
    }
    assert!(library.skills.get("flat").is_some() && library.skills.get("readme").is_none());
    assert!(library.agents.get("upper").is_some() && library.agents.get("long").is_some());
    assert_eq!(warnings(&library), Vec::<String>::new());
}

/// Everything that a library says, as a text.
fn all(library: &Library) -> String {
    let order: Vec<_> = library.agents.all().map(|(agent, by)| (&agent.origin.path, by.is_some())).collect();
    format!("{:#?}{order:?}", lines(library)) + &format!("{:?}{:?}", library.diagnostics, library.manifests)
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let project = Project::new(&[]);
    for number in 0..600 {
        let name = number % 90;
        project.write(
            &format!(".claude/agents/{}/a{number}.md", number % 7),
            &agent(&format!("a{name}"), &format!("number {number}")),
        );
    }
    let one = Loader::new(&project.path()).load();
    for threads in [2, 3, 8] {
        assert_eq!(all(&Loader::new(&project.path()).threads(threads).load()), all(&one));
    }
    assert!(!one.diagnostics.is_empty());
}

#[test]
fn a_second_load_reads_what_has_changed_and_nothing_else() {
    let project = Project::new(&[
        (".claude/agents/a.md", &agent("a", "first")),
        (".claude/agents/b.md", &agent("b", "stays")),
        ("workflows/w.yaml", "steps:\n  - { prompt_file: p.md, agent: a }\n"),
        ("workflows/p.md", "One\n"),
        ("plugins/x/agents/c.md", &agent("c", "d")),
    ]);
    let root = project.path();
    // Older than the clock of any file system can tell apart.
    let age = |path: &Path| {
        let old = SystemTime::now() - Duration::from_secs(100);
        fs::File::open(path).unwrap().set_modified(old).unwrap();
    };
    let mut loader = Loader::new(&root).threads(2);
    let same = |loader: &mut Loader, step: &str| {
        let library = loader.load();
        assert_eq!(all(&library), all(&load(&root, None)), "{step}");
        library
    };
    same(&mut loader, "first");
    assert_eq!(loader.files_read(), 5);

    // Once the files are older than two changes that cannot be told apart, nothing is read again.
    let deadline = Instant::now() + Duration::from_secs(20);
    while loader.files_read() > 0 {
        assert!(Instant::now() < deadline, "{} files are still read", loader.files_read());
        loader.load();
    }
    same(&mut loader, "nothing changed");
    project.write(".claude/agents/b.md", &agent("b", "stays as it is"));
    same(&mut loader, "one file");
    assert_eq!(loader.files_read(), 1);

    // Saved in place, with the same length and the old time of change.
    let path = root.join(".claude/agents/a.md");
    fs::write(&path, agent("a", "secnd")).unwrap();
    age(&path);
    assert_eq!(same(&mut loader, "in place").agents.get("a").unwrap().description, "secnd");

    // Changes that follow each other faster than the clock of the file system.
    for number in 100..400 {
        fs::write(&path, agent("a", &format!("{number}"))).unwrap();
        assert_eq!(loader.load().agents.get("a").unwrap().description, format!("{number}"));
    }

    // Saved by renaming.
    project.write("tmp", &agent("a", "third"));
    fs::rename(root.join("tmp"), &path).unwrap();
    assert_eq!(same(&mut loader, "renamed").agents.get("a").unwrap().description, "third");

    // A file that a workflow names: changed, gone, and there again.
    let prompt =
        |library: &Library| format!("{:?}", library.workflows.get("w").map(|entry| entry.workflow.steps.clone()));
    project.write("workflows/p.md", "Two\n");
    assert!(prompt(&same(&mut loader, "prompt")).contains("Two"));
    fs::remove_file(root.join("workflows/p.md")).unwrap();
    assert!(same(&mut loader, "no prompt").workflows.get("w").is_none());
    project.write("workflows/p.md", "Three\n");
    assert!(prompt(&same(&mut loader, "prompt again")).contains("Three"));

    // Removed, broken, unreadable as text, and another plugin's name for the same file.
    fs::remove_file(root.join(".claude/agents/b.md")).unwrap();
    project.write(".claude/agents/d.md", "---\nname: [\n---\n");
    same(&mut loader, "removed and broken");
    project.write("plugins/x/.claude-plugin/plugin.json", "{\"name\": \"y\"}");
    assert!(same(&mut loader, "plugin").agents.get("y:c").is_some());
    symlink(root.join(".claude/agents"), root.join(".claude/agents/loop")).unwrap();
    same(&mut loader, "link");
    assert_eq!(loader.folders().len(), 3);
}

#[test]
fn an_agent_that_prose_of_another_tool_names_may_be_missing() {
    let command = |agent: &str| format!("---\ndescription: d\nagent: {agent}\n---\nDo it.\n");
    let project = Project::new(&[
        (".opencode/command/near.md", &command("code-reviwer")),
        (".opencode/command/mode.md", &command("build")),
        (".opencode/command/there.md", &command("Code Reviewer")),
        ("commands/own.md", &command("code-reviwer")),
    ]);
    let library = load(&project.path(), None);
    let compiled = |name: &str| orch::plan::compile_command(&library, library.commands.get(name).unwrap());
    let near = compiled("near").unwrap();
    assert_eq!(near.warnings.len(), 1, "{:?}", near.warnings);
    let warning = &near.warnings[0];
    assert_eq!((warning.code.0, warning.severity), ("E0201", Severity::Warning));
    assert_eq!(&warning.source.text[warning.span.start..warning.span.end], "code-reviwer");
    assert!(warning.help.contains("`code-reviewer`") && near.plan.agents.is_empty(), "{warning:?}");
    assert!(compiled("mode").unwrap().warnings.is_empty());
    assert_eq!(compiled("there").unwrap().plan.agents[0].name, "code-reviewer");
    assert_eq!(compiled("own").unwrap_err()[0].severity, Severity::Error);
}
