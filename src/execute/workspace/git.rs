//! Calls git, the only place that does for workspaces. Knows how a call is held; not what it is for.
//!
//! Invariant: a call runs no code that a repository or a user's settings name, asks nobody, and touches no network.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    fs::File,
    io::{Read, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::WorkspaceFault;

/// How long one call may take.
const TIME_MAX: Duration = Duration::from_secs(600);
/// What one call may print into memory.
const OUTPUT_MAX: usize = 512 * 1024 * 1024;
/// What is shown of its complaints.
const SAID_MAX: usize = 2000;

/// What is set in every call, and why. A test lets them meet a repository that sets all of it to a program.
pub const HELD: &[(&str, &str)] = &[
    ("core.hooksPath=/dev/null", "hooks are programs of the repository"),
    ("core.fsmonitor=false", "a monitor is a program that a look at the files starts"),
    ("core.attributesFile=/dev/null", "attributes name filters and merge drivers, which are programs"),
    ("core.untrackedCache=false", "it can be told to overlook files"),
    ("core.checkStat=default", "less would overlook changes"),
    ("core.trustCTime=true", "a change with its time set back is a change"),
    ("core.protectNTFS=false", "names that other systems refuse are names here"),
    ("core.quotePath=false", "names are read as bytes"),
    ("core.alternateRefsCommand=", "it is a program"),
    ("core.sshCommand=false", "nothing is fetched"),
    ("core.pager=cat", "a pager is a program"),
    ("credential.helper=", "a helper is a program, and nobody is asked for a password"),
    ("diff.external=", "it is a program"),
    ("commit.gpgSign=false", "signing asks and runs a program"),
    ("submodule.recurse=false", "submodules are repositories of others, with settings of their own"),
    ("gc.auto=0", "collecting is left to the user"),
    ("maintenance.auto=false", "the same"),
    ("merge.renames=true", "the user's setting would change how a merge ends"),
    ("merge.directoryRenames=conflict", "a file is not moved to where nobody put it"),
    ("merge.conflictStyle=merge", "marks look the same everywhere"),
    ("advice.objectNameWarning=false", "words for people are not read"),
];

/// The same for what the environment says.
const HELD_ENV: &[(&str, &str)] = &[
    ("LC_ALL", "C"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ASKPASS", "false"),
    ("GIT_EDITOR", "false"),
    ("GIT_SEQUENCE_EDITOR", "false"),
    ("GIT_PAGER", "cat"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_NO_LAZY_FETCH", "1"),
    // An empty list: no protocol at all.
    ("GIT_ALLOW_PROTOCOL", ""),
    ("GIT_LITERAL_PATHSPECS", "1"),
];

/// The name of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Oid(String);

impl Oid {
    /// Reads a whole name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_name =
            matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        is_name.then(|| Self(text.to_owned()))
    }

    /// All its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'0')
    }
}

impl TryFrom<String> for Oid {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{}` is no name of an object", text.escape_debug()))
    }
}

impl From<Oid> for String {
    fn from(oid: Oid) -> Self {
        oid.0
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The git program with the environment it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Git {
    /// The search path, the home folder and the like; nothing else is inherited.
    env: Vec<(OsString, OsString)>,
}

impl Git {
    /// Of the allow-listed environment only what a program needs to be found and to keep temporary files.
    pub fn new(env: &[(OsString, OsString)]) -> Self {
        let is_needed = |name: &OsStr| ["PATH", "HOME", "TMPDIR", "XDG_CONFIG_HOME"].iter().any(|known| name == *known);
        Self { env: env.iter().filter(|(name, _)| is_needed(name)).cloned().collect() }
    }

    /// A call of a verb.
    pub fn call<'a>(&'a self, words: &[&'a str]) -> Call<'a> {
        let words = words.iter().map(|word| OsString::from(*word)).collect();
        let (env, folder, ignored, input, output) = (Vec::new(), None, None, Input::Nothing, None);
        Call { git: self, words, env, folder, ignored, input, output, is_own: true }
    }

    /// A variable that it gets.
    pub fn variable(&self, wanted: &str) -> Option<&OsStr> {
        self.env.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_os_str())
    }

    /// Refuses a version that is too old.
    pub fn check_version(&self) -> Result<(), WorkspaceFault> {
        let text = self.call(&["version"]).text()?;
        let number = text.split_whitespace().nth(2).unwrap_or_default();
        let mut parts = number.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
        let found = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if found < (2, 40) {
            Err(WorkspaceFault::OldGit { found: text.trim().escape_debug().to_string() })
        } else {
            Ok(())
        }
    }
}

enum Input<'a> {
    Nothing,
    Bytes(&'a [u8]),
    File(File),
}

/// One call.
pub(super) struct Call<'a> {
    git: &'a Git,
    words: Vec<OsString>,
    env: Vec<(&'static str, OsString)>,
    folder: Option<&'a Path>,
    /// The user's list of what to ignore everywhere.
    ignored: Option<&'a Path>,
    input: Input<'a>,
    output: Option<File>,
    /// Whether the settings of the user and the machine stay out.
    is_own: bool,
}

impl<'a> Call<'a> {
    /// Adds words that may be no text.
    pub fn words<W: Into<OsString>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// The files that it works on.
    pub fn tree(self, folder: &'a Path) -> Self {
        let mut call = self.env("GIT_WORK_TREE", folder);
        call.folder = Some(folder);
        call
    }

    /// The index that it works with.
    pub fn index(self, file: &Path) -> Self {
        self.env("GIT_INDEX_FILE", file)
    }

    /// Where it starts.
    pub fn at(mut self, folder: &'a Path) -> Self {
        self.folder = Some(folder);
        self
    }

    /// What the user ignores everywhere; without it, nothing is.
    pub fn ignoring(mut self, list: Option<&'a Path>) -> Self {
        self.ignored = list;
        self
    }

    /// What it reads.
    pub fn input(mut self, bytes: &'a [u8]) -> Self {
        self.input = Input::Bytes(bytes);
        self
    }

    /// What it reads, from a file.
    pub fn input_file(mut self, file: File) -> Self {
        self.input = Input::File(file);
        self
    }

    /// Where it prints to.
    pub fn output_file(mut self, file: File) -> Self {
        self.output = Some(file);
        self
    }

    /// Lets the settings of the user and the machine in, for questions that they answer.
    pub fn with_settings(mut self) -> Self {
        self.is_own = false;
        self
    }

    /// What it printed; every exit code but 0 is a fault.
    pub fn run(self) -> Result<Vec<u8>, WorkspaceFault> {
        self.run_any(&[0]).map(|(_, output)| output)
    }

    /// The same as text, without the line break at its end.
    pub fn text(self) -> Result<String, WorkspaceFault> {
        let output = self.run()?;
        Ok(String::from_utf8_lossy(output.strip_suffix(b"\n").unwrap_or(&output)).into_owned())
    }

    /// The same as the name of an object.
    pub fn oid(self) -> Result<Oid, WorkspaceFault> {
        let verb = self.verb();
        let text = self.text()?;
        Oid::parse(&text).ok_or_else(|| WorkspaceFault::Git {
            verb,
            said: format!("`{}` is no name of an object", text.escape_debug()),
        })
    }

    /// What it printed, where its exit code is one of these.
    pub fn run_any(mut self, codes: &[i32]) -> Result<(i32, Vec<u8>), WorkspaceFault> {
        let verb = self.verb();
        let mut child = self.command().spawn().map_err(WorkspaceFault::NoGit)?;
        let (ended, end) = mpsc::channel();
        let output = child.stdout.take();
        let errors = child.stderr.take();
        let input = child.stdin.take();
        let bytes = match std::mem::replace(&mut self.input, Input::Nothing) {
            Input::Bytes(bytes) => bytes,
            Input::Nothing | Input::File(_) => &[],
        };
        let (stdout, stderr, is_late) = thread::scope(|scope| {
            scope.spawn(move || input.map(|mut input| input.write_all(bytes)));
            let stderr = scope.spawn(move || drain(errors, SAID_MAX));
            scope.spawn(move || {
                let stdout = drain(output, OUTPUT_MAX);
                ended.send(stdout).ok();
            });
            match end.recv_timeout(TIME_MAX) {
                Ok(stdout) => (stdout, stderr.join().unwrap_or_default(), false),
                Err(_) => {
                    child.kill().ok();
                    (Vec::new(), Vec::new(), true)
                }
            }
        });
        let status = child.wait().map_err(WorkspaceFault::NoGit)?;
        if is_late {
            return Err(WorkspaceFault::Slow { verb, minutes: TIME_MAX.as_secs() / 60 });
        }
        if stdout.len() > OUTPUT_MAX {
            return Err(WorkspaceFault::Flood { verb, bytes_max: OUTPUT_MAX });
        }
        match status.code() {
            Some(code) if codes.contains(&code) => Ok((code, stdout)),
            _ => Err(WorkspaceFault::Git { verb, said: said(&stderr, status) }),
        }
    }

    fn verb(&self) -> String {
        self.words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn command(&mut self) -> Command {
        let mut command = Command::new("git");
        for (setting, _) in HELD {
            command.args(["-c", setting]);
        }
        if self.is_own {
            // Else git takes the list of the home folder, even where the user's settings name another.
            let mut setting = OsString::from("core.excludesFile=");
            setting.push(self.ignored.unwrap_or(Path::new("/dev/null")));
            command.arg("-c").arg(setting);
        }
        command.args(&self.words).env_clear().envs(self.git.env.iter().cloned());
        command.envs(HELD_ENV.iter().copied());
        if self.is_own {
            command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        }
        command.envs(self.env.iter().map(|(name, value)| (*name, value)));
        if let Some(folder) = self.folder {
            command.current_dir(folder);
        }
        match &mut self.input {
            Input::Nothing => command.stdin(Stdio::null()),
            Input::Bytes(_) => command.stdin(Stdio::piped()),
            Input::File(file) => match file.try_clone() {
                Ok(file) => command.stdin(file),
                Err(_) => command.stdin(Stdio::null()),
            },
        };
        match self.output.take() {
            Some(file) => command.stdout(file),
            None => command.stdout(Stdio::piped()),
        };
        command.stderr(Stdio::piped());
        command
    }
}

/// Reads to the end and keeps one byte more than `bytes_max` at most.
fn drain(stream: Option<impl Read>, bytes_max: usize) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else { return kept };
    stream.by_ref().take(bytes_max as u64 + 1).read_to_end(&mut kept).ok();
    std::io::copy(&mut stream, &mut std::io::sink()).ok();
    kept
}

fn said(stderr: &[u8], status: std::process::ExitStatus) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(5).collect();
    let words = lines.join("; ").escape_debug().to_string();
    if words.is_empty() { format!("it ended with {status} and no word") } else { words }
}

/// The parts of a text that a NUL byte ends.
pub(super) fn parts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty())
}

/// A path from git's bytes.
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// Paths as git reads them, each ended by a NUL byte.
pub(super) fn list_of<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut list = Vec::new();
    for path in paths {
        list.extend_from_slice(path.as_os_str().as_bytes());
        list.push(0);
    }
    list
}
