//! What a repository puts in the place of `orch`'s own folder and files, and links in the place of its settings.

use std::{
    fs,
    os::unix::fs::symlink,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use crate::world::{CANARY, World, tells_of_reads};

/// Every verb that looks at the state, at settings or at definitions, and ends by itself.
const VERBS: &[&[&str]] = &[
    &["list"],
    &["check"],
    &["show", "ok"],
    &["plan", "ok"],
    &["run", "ok"],
    &["trust", "--list"],
    &["audit", "verify"],
    &["audit", "export"],
    &["runs"],
    &["status"],
    &["cost"],
    &["cache"],
    &["cache", "clear"],
    &["logs"],
    &["inbox"],
    &["resume"],
    &["diff"],
    &["gc"],
    &["doctor"],
    &["doctor", "--security"],
    &["replay"],
    &["test"],
    &["runtimes"],
    &["init", "--sample", "ok"],
    &["import", "sub/prose.md"],
    &["update"],
    &["schema", "workflow"],
];

fn try_all(world: &World, what: &str, is_refused: bool) {
    let tells = tells_of_reads(world);
    let before = world.print();
    for words in VERBS {
        world.watch();
        let done = world.project.run(words);
        let text = format!("{}{}", done.stdout, done.stderr);
        assert!(!matches!(done.code, None | Some(70 | 101)), "{what}, {words:?}: {done:?}");
        assert!(!text.contains(CANARY), "{what}, {words:?} shows what stands outside: {text}");
        let read = if tells { world.read() } else { Vec::new() };
        assert!(read.is_empty(), "{what}, {words:?} reads {read:?}");
        assert_eq!(world.print(), before, "{what}, {words:?} changes what stands outside");
        if is_refused && !["schema", "init"].contains(&words[0]) {
            assert_eq!(done.code, Some(31), "{what}, {words:?}: {text}");
            assert!(text.contains("E0365") && text.contains("symbolic link"), "{what}, {words:?}: {text}");
        }
    }
}

/// Each in a world of its own, four at once.
fn for_each(links: &[&str], try_one: impl Fn(&str) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(link) = links.get(next.fetch_add(1, Ordering::Relaxed)) {
                    try_one(link);
                }
            });
        }
    });
}

#[test]
fn a_link_in_the_place_of_the_state_is_refused_by_every_verb() {
    let links = [
        ".orch",
        ".orch/state",
        ".orch/state/orch.db",
        ".orch/state/runs",
        ".orch/state/audit",
        ".orch/state/audit/log.jsonl",
        ".orch/state/cache",
        ".orch/state/artifacts",
        ".orch/state/git",
        ".orch/state/.gitignore",
    ];
    for_each(&links, |link| {
        let world = World::new();
        let place = world.project.root().join(link);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        // Both a folder and a file outside.
        let to = if link.contains('.') && link.rsplit('/').next().unwrap().contains('.') && link != ".orch" {
            world.outside.join("secret.yaml")
        } else {
            world.outside.clone()
        };
        symlink(to, place).unwrap();
        try_all(&world, link, true);
    });
}

#[test]
fn a_link_in_the_place_of_settings_or_definitions_shows_nothing() {
    let links = [
        "policy.yaml",
        "orch.lock",
        ".mcp.json",
        ".gemini/settings.json",
        "workflows/leak.yaml",
        "workflows/leak.md",
        "agents",
        "agents/leak.md",
        "gates/leak.yaml",
        "skills/leak/SKILL.md",
        "commands/leak.md",
        ".claude/commands/leak.md",
        ".claude/agents",
        ".claude-plugin/plugin.json",
        ".claude-plugin/marketplace.json",
        "CLAUDE.md",
        "AGENTS.md",
        "GEMINI.md",
        "library/leak",
        "workflows/ok.test.yaml",
        "tests/leak.yaml",
        "recordings/ok",
        "orch.toml",
    ];
    for_each(&links, |link| {
        let world = World::new();
        let place = world.project.root().join(link);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::remove_file(&place).ok();
        let is_folder = !place.file_name().unwrap().to_string_lossy().contains('.') || link == "agents";
        let to = if is_folder { world.outside.clone() } else { world.outside.join("secret.yaml") };
        symlink(to, place).unwrap();
        try_all(&world, link, false);
    });
}
