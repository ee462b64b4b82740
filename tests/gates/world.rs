//! A project with the programs that a test gives it, and a gate that judges it.

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::support::Project;

/// Programs that every Unix has and that the gates are written with.
const PLAIN: &[&str] = &[
    "awk", "basename", "cat", "chmod", "cp", "cut", "dirname", "env", "false", "find", "git", "grep", "gzip", "head",
    "ls", "mkdir", "mktemp", "mv", "printf", "rm", "sed", "sh", "sleep", "sort", "tail", "tee", "touch", "tr", "true",
    "uname", "uniq", "wc", "xargs",
];

/// A project and its PATH.
pub struct World {
    project: Project,
    bin: TempDir,
    inputs: Vec<(String, String)>,
    /// The step that the gate stands on.
    step: String,
}

/// What a gate has said.
#[derive(Debug)]
pub struct Judged {
    /// `pass`, `fail` or `error`.
    pub verdict: String,
    /// All that its commands printed, and the reason.
    pub said: String,
}

impl World {
    /// A repository of git without any file but `orch.toml`.
    pub fn new() -> Self {
        let world = Self::without_git();
        let done = Command::new("git").args(["init", "-q"]).current_dir(world.project.root()).status().unwrap();
        assert!(done.success(), "git init");
        world.file(".gitignore", "target\n.orch\nignored\n")
    }

    /// A folder that is no repository.
    pub fn without_git() -> Self {
        let bin = TempDir::new().unwrap();
        for name in PLAIN {
            symlink(on_path(name).unwrap_or_else(|| panic!("this test needs `{name}`")), bin.path().join(name))
                .unwrap();
        }
        let step = "run: \"true\"".to_owned();
        Self { project: Project::new(), bin, inputs: Vec::new(), step }
    }

    /// A Rust crate without dependencies, and the real cargo.
    pub fn rust(lib: &str) -> Self {
        Self::new()
            .file(
                "Cargo.toml",
                "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\nlicense = \"MIT\"\n",
            )
            .file("src/lib.rs", lib)
            .real("cargo")
            .real("rustc")
    }

    pub fn file(self, path: &str, text: &str) -> Self {
        self.project.write(path, text);
        self
    }

    pub fn root(&self) -> PathBuf {
        self.project.root()
    }

    pub fn has(path: &str) -> bool {
        on_path(path).is_some()
    }

    /// The real program of this machine, which sees all of its PATH. It must be there.
    pub fn real(self, name: &str) -> Self {
        let program = on_path(name).unwrap_or_else(|| panic!("this test needs `{name}`"));
        // The project's home folder is an empty one, but cargo finds its toolchain in the real one.
        let home = env::var("HOME").unwrap_or_default();
        let folder = |variable: &str, inside: &str| env::var(variable).unwrap_or_else(|_| format!("{home}/{inside}"));
        let (cargo, rustup) = (folder("CARGO_HOME", ".cargo"), folder("RUSTUP_HOME", ".rustup"));
        let text = format!(
            "export PATH='{}' CARGO_HOME='{cargo}' RUSTUP_HOME='{rustup}' CARGO_NET_OFFLINE=true\nexec '{}' \"$@\"",
            env::var("PATH").unwrap(),
            program.display()
        );
        self.program(name, &text)
    }

    /// A stand-in for a program that cannot be had in a test: it is a script of ours.
    pub fn fake(self, name: &str, script: &str) -> Self {
        self.program(name, script)
    }

    fn program(self, name: &str, script: &str) -> Self {
        let place = self.bin.path().join(name);
        // What is there is a link to a program of this machine, which must not be written through.
        let _ = fs::remove_file(&place);
        fs::write(&place, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    pub fn input(mut self, name: &str, value: &str) -> Self {
        self.inputs.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A step that hands on such an output: a schema and a value, both in one line.
    pub fn hands_on(mut self, schema: &str, value: &str) -> Self {
        self.step = format!("run: |\n      printf '%s' '{value}' >\"$ORCH_OUTPUT\"\n    output: {schema}");
        self
    }

    /// Runs a workflow of one step with that gate.
    pub fn judge(&self, gate: &str) -> Judged {
        let declared: Vec<_> = self.inputs.iter().map(|(name, _)| format!("{name}: {{ type: string }}")).collect();
        let workflow = format!(
            "name: judged\ninputs: {{ {} }}\nsteps:\n  - id: step\n    {}\n    recovery: retry\n    gate: [{gate}]\n",
            declared.join(", "),
            self.step
        );
        self.project.write(".orch/workflows/judged.yaml", &workflow);
        let mut words = vec!["run".to_owned(), "judged".to_owned()];
        for (name, value) in &self.inputs {
            words.extend(["-i".to_owned(), format!("{name}={value}")]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ran = self.orch(&words);
        let status: serde_json::Value =
            serde_json::from_str(&self.orch(&["status", "--json"])).unwrap_or_else(|_| panic!("{ran}"));
        let gates = status["steps"][0]["gates"].as_array().unwrap_or_else(|| panic!("{ran}"));
        // All before the last one that was judged have passed.
        let last = gates.iter().rev().find(|gate| gate["verdict"] != "none").unwrap_or_else(|| panic!("{ran}"));
        let said = format!("{}\n{}", last["reason"].as_str().unwrap(), self.orch(&["logs"]));
        Judged { verdict: last["verdict"].as_str().unwrap().to_owned(), said }
    }

    /// Runs `orch` with the PATH of this world; both streams.
    pub fn orch(&self, words: &[&str]) -> String {
        let output = self.project.command(words).env("PATH", self.bin.path()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if output.stdout.is_empty() { text(output.stderr) } else { text(output.stdout) }
    }

    #[track_caller]
    pub fn passes(&self, gate: &str, words: &str) {
        self.judge(gate).is("pass", words);
    }

    #[track_caller]
    pub fn fails(&self, gate: &str, words: &str) {
        self.judge(gate).is("fail", words);
    }

    #[track_caller]
    pub fn errs(&self, gate: &str, words: &str) {
        self.judge(gate).is("error", words);
    }
}

impl Judged {
    #[track_caller]
    pub fn is(&self, verdict: &str, words: &str) {
        assert!(self.verdict == verdict && self.said.contains(words), "expected {verdict} with `{words}`: {self:#?}");
    }
}

/// Where a program lies. The shims of version managers do not work without their own variables, so they do not count.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|place| place.is_file() && !place.parent().is_some_and(|folder| folder.ends_with(Path::new("shims"))))
}

/// Says loudly that a part of a test is left out because this machine lacks a program.
pub fn skips_without(name: &str) -> bool {
    let lacks = !World::has(name);
    if lacks {
        eprintln!("SKIPPED: `{name}` is not on this machine");
    }
    lacks
}
