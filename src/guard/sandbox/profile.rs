//! From a place and a mode to the lists that a machine has to keep.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lists::{AGENTS, NEVER_NEW, SECRETS, STARTUP, WORKSPACE};
use crate::base::{Network, SandboxMode};

/// What a path is made as where it is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An empty folder.
    Folder,
    /// A file with this text, which means nothing to whoever reads it.
    Text(&'static str),
    /// A file that `orch` itself writes meanwhile.
    Log,
}

/// A path that is held as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Where.
    pub path: PathBuf,
    /// What stands there while the attempt works, if nothing did before.
    pub kind: Kind,
}

/// By what a machine keeps a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Own namespaces, Landlock, a filter of system calls.
    Namespaces,
    /// The same, with namespaces made by the system's bubblewrap.
    Bubblewrap,
    /// The sandbox of another run that this one is in, with Landlock and a filter of its own on top.
    Surroundings,
}

impl Method {
    /// In one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Bubblewrap => "bubblewrap",
            Self::Surroundings => "surroundings",
        }
    }
}

/// What an attempt may do. All paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Trees and files that may be written.
    pub writes: Vec<PathBuf>,
    /// What below those may not be changed; it is there.
    pub held: Vec<PathBuf>,
    /// What may not be read, where it is there.
    pub hidden: Vec<PathBuf>,
    /// What stands there in place of something: first the file, then what it replaces.
    #[serde(default)]
    pub replaced: Vec<(PathBuf, PathBuf)>,
    /// The attempt's own folder for temporary files; one of `writes`.
    pub temp: PathBuf,
    /// Whom it may reach.
    pub network: Network,
    /// Where the helper hands the socket to by which single hosts are reached.
    #[serde(default)]
    pub doorway: Option<String>,
    /// Whether it may make sandboxes of its own.
    pub nests: bool,
    /// What a run inside is told of the sandbox that it is in.
    #[serde(default)]
    pub mark: Option<Mark>,
}

/// What a run inside a confined attempt is told of the sandbox that it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The attempt around it.
    pub attempt: String,
    /// How far that one is confined.
    pub mode: SandboxMode,
    /// Whom it may reach.
    pub network: Network,
}

impl Mark {
    /// Whether what reaches these at most is kept by the sandbox around it.
    ///
    /// # Errors
    /// With what to do where it is not.
    pub fn admits(&self, network: &Network) -> Result<(), String> {
        match (network, &self.network) {
            (Network::Any, _) | (Network::None, Network::None) => Ok(()),
            (asked, around) if asked == around => Ok(()),
            _ => Err(format!(
                "the sandbox of `{}` around this run reaches more hosts than a step here may, and inside nothing \
                 narrower can be made; give the step there the same `network:`",
                self.attempt
            )),
        }
    }
}

/// What a profile is made from.
#[derive(Debug, Clone)]
pub struct Site<'a> {
    /// How far.
    pub mode: SandboxMode,
    /// Whom it may reach.
    pub network: Network,
    /// Whether a program with a sandbox of its own works there.
    pub nests: bool,
    /// Where it works.
    pub workspace: &'a Path,
    /// The attempt's name.
    pub name: &'a str,
    /// The attempt's own folder.
    pub attempt: &'a Path,
    /// The user's home.
    pub home: Option<&'a Path>,
    /// What `orch` keeps for itself: nobody reads it.
    pub own: &'a [PathBuf],
    /// Where else it may write, as the step says it.
    pub declared: &'a [String],
    /// Where an agent's program keeps its sessions and logins.
    pub homes: &'a [PathBuf],
    /// Where programs keep what they have downloaded.
    pub caches: &'a [PathBuf],
}

impl Site<'_> {
    /// The attempt's own folder for temporary files.
    #[must_use]
    pub fn temp(&self) -> PathBuf {
        self.attempt.join("tmp")
    }

    /// Where else it may write.
    fn declared(&self) -> impl Iterator<Item = PathBuf> {
        self.declared.iter().map(|text| match (text.strip_prefix("~/"), self.home) {
            (Some(rest), Some(home)) => plain(&home.join(rest)),
            _ => plain(&self.workspace.join(text)),
        })
    }

    fn writes_workspace(&self) -> bool {
        matches!(self.mode, SandboxMode::WorkspaceWrite | SandboxMode::Container)
    }

    /// What may be written.
    fn writes(&self) -> Vec<PathBuf> {
        let mut writes = vec![self.attempt.to_path_buf()];
        if self.writes_workspace() {
            writes.push(self.workspace.to_path_buf());
            writes.extend(self.declared());
            // Who may download may keep it, as builds outside do.
            if self.network != Network::None {
                writes.extend(self.caches.iter().cloned());
            }
        }
        writes.extend(self.homes.iter().cloned());
        writes
    }

    /// What is held: made where it is not there, looked at before and after.
    #[must_use]
    pub fn held(&self) -> Vec<Held> {
        let writes = self.writes();
        let declared: Vec<PathBuf> = self.declared().collect();
        let mut held = Vec::new();
        let mut hold = |path: PathBuf, kind: Kind| {
            let is_writable = writes.iter().any(|root| path != *root && path.starts_with(root));
            // What a step names itself it may change.
            let is_declared = declared.iter().any(|root| path.starts_with(root) && root != self.workspace);
            if is_writable && !is_declared && held.iter().all(|held: &Held| held.path != path) {
                held.push(Held { path, kind });
            }
        };
        for name in ["order.json", "stdout.log", "stderr.log"] {
            hold(self.attempt.join(name), Kind::Log);
        }
        if self.writes_workspace() {
            WORKSPACE.iter().for_each(|(name, kind)| hold(self.workspace.join(name), *kind));
        }
        if let Some(home) = self.home {
            STARTUP.iter().chain(AGENTS).for_each(|(name, kind)| hold(home.join(name), *kind));
        }
        held
    }

    /// What must not appear.
    #[must_use]
    pub fn never_new(&self) -> Vec<PathBuf> {
        let names = if self.writes_workspace() { NEVER_NEW } else { &[] };
        names.iter().map(|name| self.workspace.join(name)).collect()
    }

    /// What the machine has to keep.
    #[must_use]
    pub fn profile(&self) -> Profile {
        let secrets = self.home.into_iter().flat_map(|home| SECRETS.iter().map(move |name| home.join(name)));
        let mut hidden: Vec<PathBuf> = secrets.chain(self.own.iter().cloned()).collect();
        let declared: Vec<PathBuf> = self.declared().collect();
        hidden.retain(|path| !declared.contains(path));
        Profile {
            writes: self.writes(),
            held: self.held().into_iter().map(|held| held.path).collect(),
            hidden,
            replaced: Vec::new(),
            temp: self.temp(),
            network: self.network.clone(),
            doorway: None,
            nests: self.nests,
            mark: Some(Mark { attempt: self.name.to_owned(), mode: self.mode, network: self.network.clone() }),
        }
    }
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::sandbox::CACHES;

    fn site<'a>(mode: SandboxMode, own: &'a [PathBuf], declared: &'a [String]) -> Site<'a> {
        Site {
            mode,
            network: Network::None,
            nests: false,
            workspace: Path::new("/home/me/project"),
            name: "r/1",
            attempt: Path::new("/home/me/project/.orch/state/runs/r/attempts/1"),
            home: Some(Path::new("/home/me")),
            own,
            declared,
            homes: &[],
            caches: &[],
        }
    }

    fn paths(held: &[Held]) -> Vec<&str> {
        held.iter().map(|held| held.path.to_str().unwrap()).collect()
    }

    #[test]
    fn a_workspace_is_written_but_not_what_runs_later() {
        let own = [PathBuf::from("/home/me/project/.orch/state")];
        let site = site(SandboxMode::WorkspaceWrite, &own, &[]);
        let profile = site.profile();
        assert!(profile.writes.contains(&PathBuf::from("/home/me/project")));
        assert!(profile.held.contains(&PathBuf::from("/home/me/project/.git/hooks")));
        assert!(profile.held.contains(&PathBuf::from("/home/me/project/.claude")));
        assert!(profile.held.contains(&PathBuf::from("/home/me/project/.orch")));
        assert!(profile.hidden.contains(&PathBuf::from("/home/me/.ssh")));
        assert!(profile.hidden.contains(&own[0]));
        assert!(!paths(&site.held()).contains(&"/home/me/.bashrc"), "the home cannot be written at all");
    }

    #[test]
    fn a_home_that_is_the_workspace_keeps_what_shells_run() {
        let mut site = site(SandboxMode::WorkspaceWrite, &[], &[]);
        site.workspace = Path::new("/home/me");
        let held = site.held();
        assert!(paths(&held).contains(&"/home/me/.bashrc"));
        assert!(paths(&held).contains(&"/home/me/.claude"));
    }

    #[test]
    fn read_only_writes_in_its_own_folder_only() {
        let declared = ["/srv/out".to_owned()];
        let site = site(SandboxMode::ReadOnly, &[], &declared);
        assert_eq!(site.profile().writes, [site.attempt]);
        assert!(site.never_new().is_empty());
    }

    #[test]
    fn who_may_download_may_keep_it() {
        let caches = [PathBuf::from("/home/me/.cargo/registry")];
        for (mode, network, expected) in [
            (SandboxMode::WorkspaceWrite, Network::Any, true),
            (SandboxMode::WorkspaceWrite, Network::Hosts(vec!["static.crates.io".to_owned()]), true),
            (SandboxMode::WorkspaceWrite, Network::None, false),
            (SandboxMode::ReadOnly, Network::Any, false),
        ] {
            let site = Site { mode, network, caches: &caches, ..site(mode, &[], &[]) };
            assert_eq!(site.profile().writes.contains(&caches[0]), expected, "{site:?}");
        }
        // Neither a folder of programs nor one of settings, nor a folder with either in it.
        for (_, parts) in CACHES {
            for part in *parts {
                let plain = !part.split('/').any(|name| matches!(name, "bin" | "shims" | "toolchains"));
                let holds = STARTUP.iter().chain(AGENTS).any(|(name, _)| Path::new(name).starts_with(part));
                let hides = SECRETS.iter().any(|name| Path::new(name).starts_with(part));
                assert!(plain && !holds && !hides, "{part}");
            }
        }
    }

    #[test]
    fn what_a_step_names_is_its_own_affair() {
        let declared = [".vscode".to_owned(), "~/.aws".to_owned(), "/srv/out".to_owned()];
        let site = site(SandboxMode::WorkspaceWrite, &[], &declared);
        let profile = site.profile();
        assert!(!profile.held.contains(&PathBuf::from("/home/me/project/.vscode")));
        assert!(profile.held.contains(&PathBuf::from("/home/me/project/.git/config")));
        assert!(!profile.hidden.contains(&PathBuf::from("/home/me/.aws")));
        assert!(profile.writes.contains(&PathBuf::from("/srv/out")));
    }
}
