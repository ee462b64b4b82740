//! Reads a git repository without checking it out: one fetch into an empty bare repository, then objects.
//!
//! Invariant: nothing that the repository says is carried out. There is no working tree, so there are no filters, no
//! submodules, no links and no attributes; hooks are looked for in an empty place; one protocol is allowed.

use std::{
    ffi::OsString,
    fs,
    io::{BufRead as _, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::service::{
    added::files::{ENTRIES_MAX, Entry, Listing},
    refusal::Refusal,
};

/// How long one call of git may take.
const TIME_MAX: Duration = Duration::from_secs(600);
/// What one call of git may print.
const OUTPUT_MAX: u64 = 256 * 1024 * 1024;
/// The largest file that git may write, in blocks of 512 bytes: 1 GB.
const FILE_BLOCKS_MAX: &str = "2097152";
/// How often a running git is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// A repository that was fetched.
#[derive(Debug)]
pub(super) struct Repository {
    folder: PathBuf,
    protocol: &'static str,
    env: Vec<(OsString, OsString)>,
    /// The commit.
    pub commit: String,
}

impl Repository {
    /// Fetches one commit of `url` into `folder`, which must be empty: that of `reference`, or the default branch's.
    pub fn fetch(
        folder: &Path,
        url: &str,
        protocol: &'static str,
        reference: Option<&str>,
        env: &[(OsString, OsString)],
    ) -> Result<Self, Refusal> {
        let mut repository = Self { folder: folder.to_path_buf(), protocol, env: env.to_vec(), commit: String::new() };
        let wanted = reference.unwrap_or("HEAD");
        if wanted.starts_with('-')
            || wanted.contains(':')
            || wanted.chars().any(|letter| letter.is_control() || letter == ' ')
        {
            let message = format!("`{}` is no branch, tag or commit", wanted.escape_debug());
            return Err(Refusal::new(2, "E0540", message, "give its name after `--ref`"));
        }
        repository.run(&["init", "--quiet", "--bare", "--template=", "."])?;
        let fetch = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-commit-graph"];
        let shallow = [&fetch[..], &["--depth=1", "--", url, wanted]].concat();
        let is_short = wanted.len() < 40 && wanted.len() >= 7 && wanted.bytes().all(|byte| byte.is_ascii_hexdigit());
        let found = match repository.run(&shallow) {
            Ok(_) => "FETCH_HEAD".to_owned(),
            // The first digits of a commit: only a whole history can tell which one.
            Err(_) if is_short => {
                repository.run(&[&fetch[..], &["--", url, "+refs/heads/*:refs/remotes/a/*"]].concat())?;
                wanted.to_owned()
            }
            Err(refusal) => return Err(refusal),
        };
        let commit = repository.run(&[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &format!("{found}^{{commit}}"),
        ])?;
        repository.commit = String::from_utf8_lossy(&commit).trim().to_owned();
        Ok(repository)
    }

    /// Its files.
    pub fn list(&self) -> Result<Listing, Refusal> {
        let text = self.run(&["ls-tree", "-r", "-z", "-l", "--full-tree", &self.commit])?;
        let mut listing = Listing::default();
        for line in text.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
            let line = String::from_utf8_lossy(line);
            let Some((head, path)) = line.split_once('\t') else { continue };
            let mut words = head.split_whitespace();
            let (mode, key) = (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default().to_owned());
            let bytes = words.next().and_then(|length| length.parse().ok());
            let path = path.to_owned();
            match (mode, bytes) {
                _ if path.contains('\u{fffd}') => listing.skipped.push((path, "its name is not text")),
                ("100644" | "100755" | "100664", Some(bytes)) => {
                    listing.files.push(Entry { path, bytes, executable: mode == "100755", key });
                }
                ("120000", _) => listing.skipped.push((path, "links are not followed")),
                ("160000", _) => listing.skipped.push((path, "other repositories are not fetched")),
                _ => listing.skipped.push((path, "it is no plain file")),
            }
            if listing.files.len() > ENTRIES_MAX {
                let message = format!("the repository has more than {ENTRIES_MAX} files");
                return Err(Refusal::new(1, "E0545", message, "ask its owners for a smaller one"));
            }
        }
        Ok(listing)
    }

    /// Hands the content of each file to `take`, in their order.
    pub fn contents(
        &self,
        files: &[Entry],
        mut take: impl FnMut(&Entry, &[u8]) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut child = self
            .command(&["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| no_git(&error))?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(broken("git has no pipes"));
        };
        let keys: String = files.iter().map(|file| format!("{}\n", file.key)).collect();
        // On a thread of its own: git stops reading while nobody reads what it prints.
        let writer = thread::spawn(move || input.write_all(keys.as_bytes()).is_ok());
        let mut output = std::io::BufReader::new(output);
        let outcome = files.iter().try_for_each(|file| {
            let content = read_object(&mut output, file).map_err(|error| broken(&error.to_string()))?;
            take(file, &content)
        });
        if outcome.is_err() {
            child.kill().ok();
        }
        drop(output);
        let wrote = writer.join().unwrap_or(false);
        let ended = child.wait().map_err(|error| broken(&error.to_string()))?;
        outcome?;
        if wrote && ended.success() { Ok(()) } else { Err(broken("git ended with a fault")) }
    }

    /// Runs git to its end; gives what it has printed.
    fn run(&self, words: &[&str]) -> Result<Vec<u8>, Refusal> {
        let mut child = self.command(words).stdin(Stdio::null()).spawn().map_err(|error| no_git(&error))?;
        let read = |stream: Option<Box<dyn std::io::Read + Send>>| {
            thread::spawn(move || {
                let mut bytes = Vec::new();
                stream.map(|stream| stream.take(OUTPUT_MAX + 1).read_to_end(&mut bytes));
                bytes
            })
        };
        let output = read(child.stdout.take().map(|stream| Box::new(stream) as Box<_>));
        let errors = read(child.stderr.take().map(|stream| Box::new(stream) as Box<_>));
        let success = wait(&mut child)?;
        let (output, errors) = (output.join().unwrap_or_default(), errors.join().unwrap_or_default());
        if success && output.len() as u64 <= OUTPUT_MAX {
            return Ok(output);
        }
        let errors = String::from_utf8_lossy(&errors);
        let line = errors.lines().map(str::trim).find(|line| line.starts_with("fatal:") || line.starts_with("error:"));
        let line = line.or_else(|| errors.lines().next()).unwrap_or("git says no more");
        let message = format!("git cannot fetch the repository: {}", line.escape_debug());
        let help = "check the address, your access to it, and the name after `--ref`";
        Err(Refusal::new(1, "E0541", message, help).retryable())
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("sh");
        // The shell sets a limit that git itself has not: a repository of any size must not fill the disk.
        command.args(["-c", "ulimit -f \"$1\"; shift; exec git \"$@\"", "sh", FILE_BLOCKS_MAX]);
        for setting in [
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
            "core.attributesFile=/dev/null",
            "submodule.recurse=false",
            "protocol.ext.allow=never",
            "gc.auto=0",
            "maintenance.auto=false",
            "transfer.bundleURI=false",
        ] {
            command.args(["-c", setting]);
        }
        command.args(words).current_dir(&self.folder).env_clear().envs(self.env.iter().cloned());
        for (name, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_ALLOW_PROTOCOL", self.protocol),
            ("GIT_CEILING_DIRECTORIES", "/"),
            ("GIT_DIR", "."),
        ] {
            command.env(name, value);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// One answer of `cat-file --batch`.
fn read_object(output: &mut impl std::io::BufRead, file: &Entry) -> std::io::Result<Vec<u8>> {
    let mut head = String::new();
    output.by_ref().take(1024).read_line(&mut head)?;
    let length = head.split_whitespace().nth(2).and_then(|length| length.parse::<u64>().ok());
    if length != Some(file.bytes) {
        return Err(std::io::Error::other("an object is not what the tree says"));
    }
    let mut content = vec![0; usize::try_from(file.bytes).map_err(std::io::Error::other)? + 1];
    output.read_exact(&mut content)?;
    content.pop();
    Ok(content)
}

fn wait(child: &mut Child) -> Result<bool, Refusal> {
    let begin = Instant::now();
    loop {
        if let Some(ended) = child.try_wait().map_err(|error| broken(&error.to_string()))? {
            return Ok(ended.success());
        }
        if begin.elapsed() > TIME_MAX {
            child.kill().ok();
            child.wait().ok();
            let message = format!("git took longer than {} minutes", TIME_MAX.as_secs() / 60);
            return Err(
                Refusal::new(1, "E0541", message, "try again, or clone it yourself and add the folder").retryable()
            );
        }
        thread::sleep(LOOK);
    }
}

fn no_git(error: &std::io::Error) -> Refusal {
    Refusal::new(1, "E0541", format!("git cannot be started: {error}"), "install git, or add a folder")
}

fn broken(why: &str) -> Refusal {
    Refusal::new(1, "E0541", format!("the repository cannot be read: {why}"), "try again").retryable()
}

/// Removes a scratch folder, whatever is in it.
pub(super) fn clear(folder: &Path) {
    fs::remove_dir_all(folder).ok();
}
