//! gates/README.md names every gate of the folder and nothing else, and every script is used.

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::names_in;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("gates")
}

fn gates() -> BTreeSet<String> {
    names_in(&folder()).iter().filter_map(|name| name.strip_suffix(".yaml")).map(str::to_owned).collect()
}

#[test]
fn the_readme_has_a_row_for_each_gate() {
    let text = fs::read_to_string(folder().join("README.md")).unwrap();
    let rows: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name).collect();
    let named: BTreeSet<String> = rows.iter().map(|row| (*row).to_owned()).collect();
    assert_eq!(named.len(), rows.len(), "a gate stands there twice");
    assert_eq!(named, gates());
}

#[test]
fn the_readme_names_every_tool_that_a_script_looks_for() {
    let text = fs::read_to_string(folder().join("README.md")).unwrap();
    for gate in gates() {
        let Ok(script) = fs::read_to_string(folder().join(format!("scripts/{gate}.sh"))) else { continue };
        let row = text.lines().find(|line| line.starts_with(&format!("| `{gate}`"))).unwrap();
        let words: Vec<&str> = script.split_whitespace().collect();
        let asks = |before: &str| ["if", "elif", "&&", "||", "{"].contains(&before);
        let looked = words.windows(3).filter(|three| asks(three[0]) && matches!(three[1], "has" | "has_cargo"));
        // What tools.sh looks for on behalf of a script counts as the script's own.
        let shared = script.contains("python_tests ").then_some("pytest");
        for tool in looked.map(|three| three[2].trim_end_matches(';')).chain(shared) {
            // Language runtimes are not what a project chooses for a gate.
            let plain =
                ["cargo", "go", "npm", "node", "python3", "pnpm", "yarn", "curl", "\"$manager\"", "make", "just"];
            if tool.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && !plain.contains(&tool) {
                assert!(row.contains(tool), "{gate} looks for {tool}: {row}");
            }
        }
    }
}

#[test]
fn every_gate_has_a_description_and_every_script_is_used() {
    let mut used = BTreeSet::new();
    for gate in gates() {
        let text = fs::read_to_string(folder().join(format!("{gate}.yaml"))).unwrap();
        assert!(text.starts_with(&format!("name: {gate}\ndescription: ")), "{gate}");
        for rest in text.split("scripts/").skip(1) {
            used.insert(rest.split([',', ']']).next().unwrap().to_owned());
        }
    }
    let there: BTreeSet<String> = names_in(&folder().join("scripts")).into_iter().collect();
    assert_eq!(used, there);
}

/// What a project sees is the shipped text: no bash, no trailing space, short lines of fallbacks.
#[test]
fn scripts_are_plain_sh() {
    for name in names_in(&folder().join("scripts")) {
        let path = folder().join("scripts").join(&name);
        let done = std::process::Command::new("sh").arg("-n").arg(&path).output().unwrap();
        assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
        let text = fs::read_to_string(&path).unwrap();
        for bash in ["if [[", "<<<", "function ()", "local ", "pipefail", "&>"] {
            assert!(!text.contains(bash), "{name} uses `{bash}`");
        }
    }
}
