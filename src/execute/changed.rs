//! What has changed in a workspace since a baseline, and whether that is within bounds.
//!
//! Contents are compared, not what version control believes: an index can be told to look away. Where the workspace is
//! the root of a git work tree, files that its ignore rules left out at the time of the baseline are left out; rules
//! that an agent adds later hide nothing.

use std::{collections::BTreeMap, fs, io::Read, path::Path, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    base::{Digest, Evidence, Judgement, Outcome, Verdict},
    execute::{
        assignment::Place,
        executor::{Ended, Executor, Program, blocking, ended, make_attempt_dir},
        gate::judgement,
        globs::Globs,
        process::{Limits, StopToken},
        tree::{Snapshot, is_outside, open_beneath, open_plain, path_text, walk},
    },
};

/// Ignore rules that are read, in bytes.
const RULES_BYTES_MAX: usize = 1024 * 1024;
/// The longest list of files in the evidence, in bytes.
const LIST_BYTES_MAX: usize = 4 * 1024;
/// Files named in a reason.
const NAMED_MAX: usize = 5;

/// What a workspace held at some moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Every file and the digest of its content.
    pub(super) files: BTreeMap<String, Digest>,
    /// The ignore rules of that moment, as from the root; `None` where git is not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rules: Option<String>,
}

/// Why a workspace cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// Somebody stopped it.
    #[error("it was stopped")]
    Stopped,
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

impl Executor {
    /// What the workspace holds now. To be taken before the first step that a `changed` gate judges.
    ///
    /// # Errors
    /// A workspace that cannot be read or is over the limits.
    pub async fn baseline(&self, place: &Place, stop: StopToken) -> Result<Baseline, BaselineError> {
        let rules = if place.workspace.join(".git").exists() {
            let workspace = place.workspace.clone();
            Some(blocking(move || ignore_rules(&workspace)).await.map_err(BaselineError::Unreadable)?)
        } else {
            None
        };
        let files = self.files(place, rules.as_deref(), stop).await?;
        Ok(Baseline { files, rules })
    }

    pub(super) async fn gate_changed(
        &self,
        max_files: Option<u32>,
        allow: &[String],
        deny: &[String],
        baseline: &Arc<Baseline>,
        place: &Place,
        stop: StopToken,
    ) -> Outcome {
        let verdict = match self.files(place, baseline.rules.as_deref(), stop).await {
            Ok(files) => judge(&baseline.files, &files, max_files, allow, deny),
            Err(BaselineError::Stopped) => return Outcome::Stopped,
            Err(BaselineError::Unreadable(reason)) => {
                judgement(Verdict::Error, format!("what has changed cannot be seen: {reason}"))
            }
        };
        self.judged(place, async { verdict }).await
    }

    /// The files that the rules of the baseline do not leave out.
    pub(super) async fn files(
        &self,
        place: &Place,
        rules: Option<&str>,
        stop: StopToken,
    ) -> Result<BTreeMap<String, Digest>, BaselineError> {
        let listed = match rules {
            Some(rules) => Some(self.listed(place, rules, stop).await?),
            None => None,
        };
        let (executor, workspace) = (self.clone(), place.workspace.clone());
        let digests = blocking(move || {
            let mut files = walk(&workspace, Path::new(""))?;
            if let Some(listed) = listed {
                files = only(&workspace, files, &listed);
            }
            executor.shared.trees.contents(&workspace, &files)
        });
        let digests = digests.await.map_err(|fault| BaselineError::Unreadable(fault.to_string()))?;
        Ok(digests.into_iter().map(|(path, (_, digest))| (path_text(&path), digest)).collect())
    }

    /// The paths that git knows or that no rule leaves out, each ended by a NUL byte.
    async fn listed(&self, place: &Place, rules: &str, stop: StopToken) -> Result<Vec<u8>, BaselineError> {
        let fault = |reason: String| BaselineError::Unreadable(reason);
        let rules_file = place.attempt_dir.join("ignore");
        let made = make_attempt_dir(place).and_then(|()| fs::write(&rules_file, rules));
        made.map_err(|error| fault(format!("write `{}`: {error}", rules_file.display())))?;
        let listing = ["git", "-c", "core.fsmonitor=false", "ls-files", "-z", "--cached", "--others", "--exclude-from"];
        let argv = listing.map(str::to_owned).into_iter().chain([rules_file.display().to_string()]).collect();
        let env = vec![("GIT_OPTIONAL_LOCKS".to_owned(), "0".to_owned())];
        let limits = Limits::default();
        // Its output goes beside the attempt's own, which a gate of another kind may have.
        // It is `orch` itself that asks here, with arguments of its own.
        let place = Place { attempt_dir: place.attempt_dir.join("changed"), sandbox: None, ..place.clone() };
        let report = self.start(Program::of(argv, env, limits.clone()), &place, stop, None).await;
        match ended(&report.end, &limits) {
            Ended::Stopped => return Err(BaselineError::Stopped),
            Ended::Lost => return Err(fault("git was lost".into())),
            Ended::Not(_, reason) => return Err(fault(format!("git {reason}"))),
            Ended::Signal(signal) => return Err(fault(format!("git was ended by signal {signal}"))),
            Ended::Code(0) => {}
            Ended::Code(code) => {
                let said = report.stderr.text();
                return Err(fault(format!("git ended with exit code {code}: {}", said.trim())));
            }
        }
        let stdout = &report.stdout;
        if stdout.total == (stdout.head.len() + stdout.tail.len()) as u64 {
            return Ok([&stdout.head[..], &stdout.tail].concat());
        }
        let mut listed = Vec::new();
        let read = open_plain(&place.logs().stdout).and_then(|mut log| log.read_to_end(&mut listed));
        match read {
            Ok(_) if listed.len() as u64 == stdout.total => Ok(listed),
            Ok(_) => Err(fault("the list of files is too long".into())),
            Err(error) => Err(fault(format!("read the list of files: {error}"))),
        }
    }
}

/// The files of a snapshot that git lists. What the walk leaves out stays left out.
fn only(workspace: &Path, files: Snapshot, listed: &[u8]) -> Snapshot {
    use std::os::unix::ffi::OsStrExt;
    let listed: std::collections::HashSet<&[u8]> = listed.split(|byte| *byte == 0).collect();
    let is_listed = |path: &Path| listed.contains(path.as_os_str().as_bytes());
    files.into_iter().filter(|(path, _)| is_listed(path) && !is_outside(workspace, path)).collect()
}

/// All ignore rules of a work tree as one file for its root.
fn ignore_rules(workspace: &Path) -> Result<String, String> {
    let mut rules = String::new();
    let mut files: Vec<_> = walk(workspace, Path::new(""))
        .map_err(|fault| fault.to_string())?
        .into_keys()
        .filter(|path| path.file_name().is_some_and(|name| name == ".gitignore"))
        .collect();
    // A rule of a deeper folder comes later, because the last one that matches decides.
    files.sort_by_key(|path| path.components().count());
    for path in files {
        let mut text = String::new();
        let read =
            open_beneath(workspace, &path).and_then(|file| file.take(RULES_BYTES_MAX as u64).read_to_string(&mut text));
        read.map_err(|error| format!("read `{}`: {error}", path.display()))?;
        let folder = path.parent().map(path_text).unwrap_or_default();
        text.lines().for_each(|line| rules.push_str(&from_root(&folder, line)));
        if rules.len() > RULES_BYTES_MAX {
            return Err("the ignore rules are too long".into());
        }
    }
    Ok(rules)
}

/// A rule of `folder/.gitignore` as a rule of the root, with its line end.
fn from_root(folder: &str, line: &str) -> String {
    if folder.is_empty() || line.trim().is_empty() || line.starts_with('#') {
        return format!("{line}\n");
    }
    let (not, pattern) = line.strip_prefix('!').map_or(("", line), |pattern| ("!", pattern));
    let is_anchored = pattern.trim_end().trim_end_matches('/').contains('/');
    let between = if is_anchored { "" } else { "/**" };
    format!("{not}/{folder}{between}/{}\n", pattern.trim_start_matches('/'))
}

/// Compares two moments and judges the difference.
fn judge(
    before: &BTreeMap<String, Digest>,
    after: &BTreeMap<String, Digest>,
    max_files: Option<u32>,
    allow: &[String],
    deny: &[String],
) -> Judgement {
    let (allowed, denied) = match (Globs::new(allow), Globs::new(deny)) {
        (Ok(allowed), Ok(denied)) => (allowed, denied),
        (Err(reason), _) | (_, Err(reason)) => return judgement(Verdict::Error, reason),
    };
    let mut changed: Vec<(&str, &str)> = Vec::new();
    for (path, digest) in after {
        match before.get(path) {
            None => changed.push(("A", path)),
            Some(known) if known != digest => changed.push(("M", path)),
            Some(_) => {}
        }
    }
    changed.extend(before.keys().filter(|path| !after.contains_key(*path)).map(|path| ("D", path.as_str())));
    changed.sort_by_key(|(_, path)| *path);
    let those = |is_wanted: &dyn Fn(&Path) -> bool| -> Vec<&str> {
        changed.iter().map(|(_, path)| *path).filter(|path| is_wanted(Path::new(path))).collect()
    };
    let mut faults = Vec::new();
    let forbidden = those(&|path| denied.is_match(path));
    if !forbidden.is_empty() {
        faults.push(format!("changed what is denied: {}", named(&forbidden)));
    }
    let foreign = those(&|path| !allow.is_empty() && !allowed.is_match(path));
    if !foreign.is_empty() {
        faults.push(format!("changed what is not allowed: {}", named(&foreign)));
    }
    if let Some(max) = max_files.filter(|max| changed.len() > *max as usize) {
        faults.push(format!("changed {} files, at most {max} may", changed.len()));
    }
    let verdict = if faults.is_empty() { Verdict::Pass } else { Verdict::Fail };
    let evidence = Evidence { last_lines: list(&changed), ..Evidence::default() };
    Judgement { verdict, reason: faults.join("; "), evidence }
}

pub(super) fn named(paths: &[&str]) -> String {
    let more = paths.len().saturating_sub(NAMED_MAX);
    let shown: Vec<_> = paths.iter().take(NAMED_MAX).map(|path| format!("`{path}`")).collect();
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

fn list(changed: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (place, (kind, path)) in changed.iter().enumerate() {
        if text.len() + path.len() > LIST_BYTES_MAX - 32 {
            text.push_str(&format!("and {} more", changed.len() - place));
            break;
        }
        text.push_str(&format!("{kind} {path}\n"));
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_of_a_folder_becomes_one_of_the_root() {
        for (folder, line, expected) in [
            ("", "*.log", "*.log\n"),
            ("a/b", "*.log", "/a/b/**/*.log\n"),
            ("a", "build/", "/a/**/build/\n"),
            ("a", "/x", "/a/x\n"),
            ("a", "x/y", "/a/x/y\n"),
            ("a", "!keep", "!/a/**/keep\n"),
            ("a", "# no", "# no\n"),
        ] {
            assert_eq!(from_root(folder, line), expected);
        }
    }

    #[test]
    fn a_difference_is_judged() {
        let files = |all: &[(&str, &str)]| -> BTreeMap<String, Digest> {
            all.iter().map(|(path, text)| ((*path).to_owned(), Digest::of(text.as_bytes()))).collect()
        };
        let before = files(&[("a", "1"), ("b", "1"), ("gone", "1")]);
        let after = files(&[("a", "1"), ("b", "2"), (".github/x", "1")]);
        let judge = |max, allow: &[&str], deny: &[&str]| {
            let owned = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
            judge(&before, &after, max, &owned(allow), &owned(deny))
        };
        let free = judge(Some(3), &[], &[]);
        assert_eq!((free.verdict, free.evidence.last_lines.as_str()), (Verdict::Pass, "A .github/x\nM b\nD gone"));
        for (judgement, reason) in [
            (judge(Some(2), &[], &[]), "changed 3 files, at most 2 may"),
            (judge(None, &[], &[".github/**"]), "changed what is denied: `.github/x`"),
            (judge(None, &["b", ".github"], &[]), "changed what is not allowed: `gone`"),
        ] {
            assert_eq!((judgement.verdict, judgement.reason.as_str()), (Verdict::Fail, reason));
        }
        assert_eq!(judge(None, &["["], &[]).verdict, Verdict::Error);
    }
}
