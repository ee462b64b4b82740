//! One harness for tests of the program as people use it: a project in a temporary folder, one command, and all of
//! standard output, standard error and the exit code.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// A project in a temporary folder, with a home folder of its own beside it.
pub struct Project {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// What a command has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output, with the project's folder as `[root]` and the home folder as `[home]`.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
}

impl Project {
    /// An empty project: an `orch.toml` marks its root.
    pub fn new() -> Self {
        let project = Self::bare();
        project.file("orch.toml", "")
    }

    /// A folder that is no project yet.
    pub fn bare() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("root")).unwrap();
        fs::create_dir_all(folder.path().join("home")).unwrap();
        Self { folder, variables: Vec::new() }
    }

    /// Writes a file of the project.
    pub fn file(self, path: &str, text: &str) -> Self {
        self.write(path, text);
        self
    }

    /// Writes a file of the project.
    pub fn write(&self, path: &str, text: &str) {
        let full = self.root().join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, text).unwrap();
    }

    /// Writes a file of the user's own settings folder.
    pub fn user_file(self, path: &str, text: &str) -> Self {
        let full = self.folder.path().join("home/.config/orch").join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, text).unwrap();
        self
    }

    /// Sets a variable for the commands that follow.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The project's folder.
    pub fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("root")
    }

    /// The text of a file of the project.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    /// A command with the project's folder and a clean environment.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orch"));
        command.args(words).current_dir(self.root()).env_clear().stdin(Stdio::null());
        command.env("PATH", path_without_agents()).env("HOME", self.home()).env("USER", "tester");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs `orch` to its end.
    pub fn run(&self, words: &[&str]) -> Done {
        self.done(self.command(words).output().unwrap())
    }

    /// Runs `orch` with that on its standard input.
    pub fn run_with(&self, words: &[&str], input: &str) -> Done {
        let mut child =
            self.command(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        self.done(child.wait_with_output().unwrap())
    }

    /// The home folder.
    pub fn home(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("home")
    }

    /// What git says in the project, with no settings but the test's own.
    #[track_caller]
    pub fn git(&self, words: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@t"]).args(words).current_dir(self.root());
        let output = command.env("HOME", self.home()).env("GIT_CONFIG_NOSYSTEM", "1").output().unwrap();
        assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn done(&self, output: std::process::Output) -> Done {
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            let text = text.replace(self.root().to_str().unwrap(), "[root]");
            text.replace(self.home().to_str().unwrap(), "[home]")
        };
        Done { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// The `PATH` without folders that hold agent programs: whoever runs the tests may have some, and none may be started.
pub fn path_without_agents() -> std::ffi::OsString {
    let known = ["claude", "codex", "gemini", "copilot", "opencode"];
    let path = std::env::var_os("PATH").unwrap();
    let folders = std::env::split_paths(&path).filter(|folder| !known.iter().any(|name| folder.join(name).exists()));
    std::env::join_paths(folders).unwrap()
}

impl Done {
    /// Compares everything at once, so that a failure shows everything at once.
    #[track_caller]
    pub fn is(&self, code: i32, stdout: &str, stderr: &str) {
        let expected = Self { code: Some(code), stdout: stdout.to_owned(), stderr: stderr.to_owned() };
        assert!(
            *self == expected,
            "exit {:?}, expected {code}\n--- stdout\n{}--- expected\n{stdout}--- stderr\n{}--- expected\n{stderr}",
            self.code,
            self.stdout,
            self.stderr
        );
    }

    /// The same with another exit code, for commands that succeed in telling of something that did not.
    pub fn with_code(mut self, code: i32) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self.code = Some(code);
        self
    }

    /// Standard output as JSON, after checking the exit code.
    #[track_caller]
    pub fn json(&self, code: i32) -> serde_json::Value {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// Standard error as JSON, after checking the exit code.
    #[track_caller]
    pub fn json_error(&self, code: i32) -> serde_json::Value {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        serde_json::from_str(&self.stderr).unwrap_or_else(|error| panic!("{error}: {}", self.stderr))
    }
}

/// Whether a path is in a list of names, for tests that look into folders.
pub fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
