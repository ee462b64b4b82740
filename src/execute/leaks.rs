//! The gate `secrets`: no key stands in what has changed since the baseline.
//!
//! What cannot be looked through is an error and never passes. Invariant: no verdict holds a value that was found.

use std::{collections::BTreeMap, io::Read as _, path::Path, sync::Arc};

use crate::{
    base::{Digest, Evidence, Judgement, Outcome, Verdict},
    execute::{
        assignment::Place,
        changed::{Baseline, BaselineError},
        executor::{Executor, blocking},
        gate::judgement,
        globs::Globs,
        process::StopToken,
    },
    guard::{Leak, Leaks, Root},
};

/// The largest file that is looked through, in bytes.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// All files of one look, in bytes.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Keys named in a reason.
const NAMED_MAX: usize = 5;
/// The longest list of keys in the evidence, in bytes.
const LIST_BYTES_MAX: usize = 4 * 1024;

/// Where is looked, and what is allowed.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Globs of the files; all where empty.
    pub paths: Vec<String>,
    /// Whether files that have not changed are looked through as well.
    pub all: bool,
    /// What only looks like a key.
    pub allow: Vec<Excuse>,
}

/// What only looks like a key.
#[derive(Debug, Clone, Default)]
pub struct Excuse {
    /// A glob of files; any file where absent.
    pub path: Option<String>,
    /// The first digits of the digest of one key; any key where absent.
    pub digest: Option<String>,
    /// Why it is no secret.
    pub why: String,
}

/// A key, and where it stands.
struct Found {
    path: String,
    leak: Leak,
}

impl Executor {
    pub(super) async fn gate_secrets(
        &self,
        search: Search,
        baseline: &Arc<Baseline>,
        place: &Place,
        stop: StopToken,
    ) -> Outcome {
        let verdict = match self.files(place, baseline.rules.as_deref(), stop).await {
            Ok(files) => {
                let (baseline, redactor) = (Arc::clone(baseline), self.redactor.clone());
                let workspace = place.workspace.clone();
                blocking(move || {
                    let wanted = wanted(&search, &baseline, files);
                    let judged = wanted.and_then(|paths| {
                        let leaks = Leaks::new(&redactor)?;
                        Ok(verdict(&leaks, &look(&leaks, &workspace, &paths)?, &search))
                    });
                    judged.and_then(|judged| judged).unwrap_or_else(|reason| {
                        judgement(Verdict::Error, format!("what has changed cannot be looked through: {reason}"))
                    })
                })
                .await
            }
            Err(BaselineError::Stopped) => return Outcome::Stopped,
            Err(BaselineError::Unreadable(reason)) => {
                judgement(Verdict::Error, format!("what has changed cannot be seen: {reason}"))
            }
        };
        self.judged(place, async { verdict }).await
    }
}

/// The files that are looked through.
fn wanted(search: &Search, baseline: &Baseline, files: BTreeMap<String, Digest>) -> Result<Vec<String>, String> {
    let globs = Globs::new(&search.paths)?;
    let is_wanted = |path: &str| search.paths.is_empty() || globs.is_match(Path::new(path));
    let is_new = |path: &str, digest: &Digest| search.all || baseline.files.get(path) != Some(digest);
    Ok(files
        .into_iter()
        .filter(|(path, digest)| is_wanted(path) && is_new(path, digest))
        .map(|(path, _)| path)
        .collect())
}

/// All keys in some files.
fn look(leaks: &Leaks, workspace: &Path, paths: &[String]) -> Result<Vec<Found>, String> {
    let (mut found, mut left) = (Vec::new(), BYTES_MAX);
    for path in paths {
        let shown = leaks.shown(path);
        let bytes = read(workspace, path).map_err(|reason| format!("`{shown}`: {reason}"))?;
        left = left.checked_sub(bytes.len() as u64).ok_or_else(|| {
            format!("the files are larger than {} MB together: name fewer with `paths`", BYTES_MAX / (1024 * 1024))
        })?;
        found.extend(leaks.find(&bytes).into_iter().map(|leak| Found { path: path.clone(), leak }));
    }
    Ok(found)
}

/// The content of a file; of a link, where it leads.
fn read(workspace: &Path, path: &str) -> Result<Vec<u8>, String> {
    use std::os::unix::ffi::OsStrExt as _;
    let path = Path::new(path);
    let root = Root::open(workspace).map_err(|error| error.to_string())?;
    let about = root.look(path).map_err(|error| error.to_string())?;
    if about.is_symlink() {
        return root.link(path).map(|to| to.as_os_str().as_bytes().to_vec()).map_err(|error| error.to_string());
    }
    let mut bytes = Vec::new();
    let file = root.read(path).map_err(|error| error.to_string())?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("it is larger than {} MB: leave it out with `paths`", FILE_BYTES_MAX / (1024 * 1024)));
    }
    Ok(bytes)
}

/// Judges what was found.
fn verdict(leaks: &Leaks, found: &[Found], search: &Search) -> Result<Judgement, String> {
    let excuses: Vec<_> =
        search.allow.iter().map(|excuse| Ok((Globs::new(&excuse.path)?, excuse))).collect::<Result<_, String>>()?;
    let excuse = |found: &Found| {
        let fits = excuses.iter().find(|(globs, excuse)| {
            let digest = found.leak.digest.as_ref().map_or("", Digest::as_str);
            (excuse.path.is_none() || globs.is_match(Path::new(&found.path)))
                && excuse.digest.as_ref().is_none_or(|known| digest.starts_with(known.as_str()))
        });
        fits.map(|(_, excuse)| *excuse)
    };
    let place = |found: &Found| format!("{}:{}", leaks.shown(&found.path), found.leak.line);
    let (mut faults, mut lines) = (Vec::new(), Vec::new());
    for found in found {
        let digest = found.leak.digest.as_ref().map(|digest| format!(" (digest {})", digest.short()));
        let line = format!("{} {}{}", place(found), found.leak.kind, digest.unwrap_or_default());
        match excuse(found) {
            Some(excuse) => lines.push(format!("{line}: allowed, {}", excuse.why)),
            None => {
                faults.push(format!("`{}` ({})", place(found), found.leak.kind));
                lines.insert(faults.len() - 1, line);
            }
        }
    }
    let evidence = Evidence { last_lines: cut(&lines), ..Evidence::default() };
    if faults.is_empty() {
        return Ok(Judgement { verdict: Verdict::Pass, reason: String::new(), evidence });
    }
    let more = faults.len().saturating_sub(NAMED_MAX);
    let named = faults.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let reason =
        format!("what looks like a secret stands in {named}{more}: take it out, and read it from the environment");
    Ok(Judgement { verdict: Verdict::Fail, reason, evidence })
}

fn cut(lines: &[String]) -> String {
    let mut text = String::new();
    for (place, line) in lines.iter().enumerate() {
        if text.len() + line.len() > LIST_BYTES_MAX - 32 {
            text.push_str(&format!("and {} more", lines.len() - place));
            break;
        }
        text.push_str(line);
        text.push('\n');
    }
    text.trim_end().to_owned()
}
