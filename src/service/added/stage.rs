//! Takes the wanted part of a source into a folder that nobody looks at yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::{
    base::{Digest, did_you_mean},
    definition::load::{Survey, survey, tree_digest, tree_files},
    guard::contained_path,
    service::{
        added::{
            files::{Entry, Listing, is_licence, list_folder},
            git::Repository,
            source::{Place, Source},
        },
        project::Project,
        refusal::Refusal,
    },
};

/// What was taken.
#[derive(Debug)]
pub(super) struct Staged {
    /// The commit, where the source is a git repository.
    pub commit: Option<String>,
    /// The digest of the folder.
    pub digest: Digest,
    /// How many files it has.
    pub files: u64,
    /// Definitions by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// What was left out, and why.
    pub skipped: Vec<(String, &'static str)>,
}

/// What is wanted of a source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Where from.
    pub source: &'a Source,
    /// The branch, tag or commit.
    pub reference: Option<&'a str>,
    /// The kinds; empty for all.
    pub only: &'a [String],
    /// The name that it will have.
    pub name: &'a str,
}

/// Fills `folder`, which is there and empty. `scratch` is another such folder, for the repository itself.
pub(super) fn stage(project: &Project, wanted: Wanted<'_>, folder: &Path, scratch: &Path) -> Result<Staged, Refusal> {
    let source = wanted.source;
    let (commit, listing) = match &source.place {
        Place::Folder(root) => {
            if let Some(reference) = wanted.reference {
                let message = format!("`--ref {reference}` needs a git repository, and the source is a folder");
                return Err(Refusal::new(
                    2,
                    "E0540",
                    message,
                    "write `file://` before its path to take a commit of it",
                ));
            }
            let listing = list_folder(root)?.choose(&source.folder)?;
            for file in &listing.files {
                let content = fs::read(&file.key).map_err(|error| unreadable(&file.key, &error))?;
                write(folder, file, &content)?;
            }
            (None, listing)
        }
        Place::Git { url, protocol } => {
            let mut env = project.environment().child_variables();
            let agent = project.environment().variable("SSH_AUTH_SOCK");
            env.extend(agent.map(|socket| ("SSH_AUTH_SOCK".into(), socket.to_owned())));
            let repository = Repository::fetch(scratch, url, protocol, wanted.reference, &env)?;
            let listing = repository.list()?.choose(&source.folder)?;
            repository.contents(&listing.files, |file, content| write(folder, file, content))?;
            (Some(repository.commit), listing)
        }
    };
    let Listing { files, skipped } = listing;
    let found = survey(folder, wanted.name);
    let keep = keep(folder, &found, wanted)?;
    if keep.definitions.is_empty() {
        return Err(nothing(&files, wanted));
    }
    prune(folder, &keep.files)?;
    let mut kinds = BTreeMap::new();
    for kind in keep.definitions {
        *kinds.entry(kind).or_default() += 1;
    }
    let digest = tree_digest(folder).map_err(|why| broken(&why))?;
    let files = tree_files(folder).map_err(|why| broken(&why))?.len() as u64;
    Ok(Staged { commit, digest, files, kinds, skipped })
}

/// Writes one file where nothing stands yet.
fn write(folder: &Path, file: &Entry, content: &[u8]) -> Result<(), Refusal> {
    let refuse = |why: String| {
        Refusal::new(
            1,
            "E0517",
            format!("{} cannot be written: {why}", file.path),
            "free the disk, or correct its permissions",
        )
        .retryable()
    };
    let path = contained_path(folder, Path::new(&file.path)).map_err(|error| refuse(error.to_string()))?;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|error| refuse(error.to_string()))?;
    }
    let mut open = fs::OpenOptions::new();
    let mut out = open.write(true).create_new(true).open(&path).map_err(|error| refuse(error.to_string()))?;
    std::io::Write::write_all(&mut out, content).map_err(|error| refuse(error.to_string()))?;
    let mode = if file.executable { 0o755 } else { 0o644 };
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(|error| refuse(error.to_string()))
}

/// What stays.
struct Keep {
    definitions: Vec<&'static str>,
    files: BTreeSet<PathBuf>,
}

fn keep(folder: &Path, found: &Survey, wanted: Wanted<'_>) -> Result<Keep, Refusal> {
    let plugins: BTreeSet<&str> = found.files.iter().filter_map(|file| file.plugin.as_deref()).collect();
    if let Some(plugin) = &wanted.source.plugin
        && !plugins.contains(plugin.as_str())
    {
        let near = did_you_mean(plugin, plugins.iter().copied());
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if plugins.is_empty() => "add all of it: leave out `PLUGIN@`".to_owned(),
            None => format!("it has {}", plugins.iter().take(12).copied().collect::<Vec<_>>().join(", ")),
        };
        return Err(Refusal::new(11, "E0542", format!("the source has no plugin `{plugin}` with definitions"), help));
    }
    let all = tree_files(folder).map_err(|why| broken(&why))?;
    let mut keep = Keep { definitions: Vec::new(), files: BTreeSet::new() };
    let is_wanted = |file: &&crate::definition::load::Surveyed| {
        (wanted.only.is_empty() || wanted.only.iter().any(|kind| kind == file.kind))
            && (wanted.source.plugin.is_none() || file.plugin == wanted.source.plugin)
    };
    for file in found.files.iter().filter(is_wanted) {
        keep.definitions.push(file.kind);
        keep.files.insert(file.path.clone());
        keep.files.extend(file.asked.iter().filter(|path| path.is_file()).cloned());
        let is_folder_skill = file.path.file_name().is_some_and(|name| name.eq_ignore_ascii_case("skill.md"));
        if let Some(skill) = file.path.parent().filter(|_| is_folder_skill) {
            keep.files.extend(all.iter().map(|path| folder.join(path)).filter(|path| path.starts_with(skill)));
        }
    }
    keep.files.extend(found.manifests.iter().cloned());
    let above: BTreeSet<PathBuf> =
        keep.files.iter().flat_map(|file| file.ancestors().skip(1)).map(Path::to_path_buf).collect();
    let licences = all.iter().map(|path| folder.join(path)).filter(|path| is_licence(path));
    let licences: Vec<_> = licences.filter(|path| path.parent().is_some_and(|parent| above.contains(parent))).collect();
    keep.files.extend(licences);
    Ok(keep)
}

/// Removes everything that does not stay, and folders that have nothing left.
fn prune(folder: &Path, keep: &BTreeSet<PathBuf>) -> Result<(), Refusal> {
    for path in tree_files(folder).map_err(|why| broken(&why))? {
        let path = folder.join(path);
        if !keep.contains(&path) {
            fs::remove_file(&path).map_err(|error| unreadable(&path.to_string_lossy(), &error))?;
            let mut parent = path.parent();
            // Only empty folders can be removed so, which is the point.
            while let Some(above) = parent.filter(|above| *above != folder && fs::remove_dir(above).is_ok()) {
                parent = above.parent();
            }
        }
    }
    Ok(())
}

/// Says where definitions are, if not where they were looked for.
fn nothing(files: &[Entry], wanted: Wanted<'_>) -> Refusal {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let parts: Vec<&str> = file.path.split('/').collect();
        let at = parts.iter().position(|part| ["agents", "commands", "skills"].contains(part));
        if let Some(at) = at.filter(|at| *at > 0) {
            *places.entry(parts[..at].join("/")).or_default() += 1;
        }
    }
    let mut places: Vec<_> = places.into_iter().collect();
    places.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    let shown: Vec<String> =
        places.iter().take(3).map(|(place, count)| format!("`#{place}` ({count} files)")).collect();
    let help = if !wanted.only.is_empty() {
        "leave out `--only` to see what it has".to_owned()
    } else if shown.is_empty() {
        "definitions stand in `agents/`, `skills/`, `commands/`, `workflows/` or a tool's own folder".to_owned()
    } else {
        format!("take a folder of it, written behind the source: {}", shown.join(", "))
    };
    Refusal::new(11, "E0542", "the source has no definitions where orch looks for them", help)
}

fn unreadable(path: &str, error: &std::io::Error) -> Refusal {
    Refusal::new(1, "E0541", format!("{path} cannot be read: {error}"), "check that you may read it").retryable()
}

fn broken(why: &str) -> Refusal {
    Refusal::new(1, "E0517", format!("the new folder cannot be read: {why}"), "try again").retryable()
}
