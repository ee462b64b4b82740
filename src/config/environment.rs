//! What the process was given: read once, then passed down.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    thread,
};

use crate::execute::process::surroundings;
use crate::{definition::load::UserFolders, execute::process::allow_list_env};

/// The name of the settings file, in the project's root and in the user's folder.
pub(super) const FILE_NAME: &str = "orch.toml";

/// A snapshot of the environment. Nothing else in the program asks the system for it.
#[derive(Debug, Clone)]
pub struct Environment {
    variables: Vec<(OsString, OsString)>,
    folder: PathBuf,
    cores: u32,
}

impl Environment {
    /// Reads the environment of this process.
    #[must_use]
    pub fn capture() -> Self {
        let cores = thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX));
        // Without a current folder every relative path is wrong anyway; `.` makes the fault appear where it is used.
        let folder = env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        Self { variables: env::vars_os().collect(), folder, cores }
    }

    /// An environment made by hand, for tests and embedders.
    #[must_use]
    pub fn of(variables: impl IntoIterator<Item = (OsString, OsString)>, folder: PathBuf, cores: u32) -> Self {
        Self { variables: variables.into_iter().collect(), folder, cores }
    }

    /// The value of a variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_os_str())
    }

    /// All variables, in the order of the process.
    pub fn variables(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// The folder the process was started in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Cores that this process may use; at least 1.
    #[must_use]
    pub fn cores(&self) -> u32 {
        self.cores.max(1)
    }

    /// The user's home folder.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        self.folder_of("HOME")
    }

    /// The user's folder for `orch`: `$XDG_CONFIG_HOME/orch`, else `~/.config/orch`.
    #[must_use]
    pub fn user_folder(&self) -> Option<PathBuf> {
        let base = self.folder_of("XDG_CONFIG_HOME").or_else(|| self.home().map(|home| home.join(".config")));
        base.map(|base| base.join("orch"))
    }

    /// Where the user's own trust in definitions is kept: never in a project, which could then trust itself.
    #[must_use]
    pub fn trust_folder(&self) -> Option<PathBuf> {
        self.state_folder().map(|folder| folder.join("trust"))
    }

    /// The file that names the runtimes which the user has let be used without being named.
    #[must_use]
    pub fn agreed_file(&self) -> Option<PathBuf> {
        self.state_folder().map(|folder| folder.join("runtimes"))
    }

    /// The secret by which entries of step caches are known to be this user's own: never in a project, where an agent
    /// could read it.
    #[must_use]
    pub fn seal_file(&self) -> Option<PathBuf> {
        self.state_folder().map(|folder| folder.join("cache.key"))
    }

    /// Where all processes of the user keep how hard runtimes are used.
    #[must_use]
    pub fn runtimes_folder(&self) -> Option<PathBuf> {
        self.state_folder().map(|folder| folder.join("runtimes.d"))
    }

    /// What `orch` keeps for the user outside of every project.
    #[must_use]
    pub fn state_folder(&self) -> Option<PathBuf> {
        let base = self.folder_of("XDG_STATE_HOME").or_else(|| self.home().map(|home| home.join(".local/state")));
        // Inside the sandbox of another run that place is hidden and nobody writes there: a run inside keeps its own.
        let temp = || self.folder_of("TMPDIR").map(|temp| temp.join("state"));
        let inner = self.variable("XDG_STATE_HOME").is_none().then(surroundings).flatten().and_then(|_| temp());
        inner.or(base).map(|base| base.join("orch"))
    }

    /// The folders of the user that may hold definitions.
    #[must_use]
    pub fn user_folders(&self) -> UserFolders {
        // Where a tool's folder may be moved by a variable, it is looked for where that tool looks.
        let moved = [(".claude", "CLAUDE_CONFIG_DIR"), (".codex", "CODEX_HOME"), (".config", "XDG_CONFIG_HOME")];
        let moved = moved.into_iter().filter_map(|(name, variable)| Some((name, self.folder_of(variable)?)));
        UserFolders { orch: self.user_folder(), home: self.home(), moved: moved.collect() }
    }

    /// The user's settings file, whether it is there or not.
    #[must_use]
    pub fn user_file(&self) -> Option<PathBuf> {
        self.user_folder().map(|folder| folder.join(FILE_NAME))
    }

    /// What every child may see.
    #[must_use]
    pub fn child_variables(&self) -> Vec<(OsString, OsString)> {
        allow_list_env(self.variables.iter().cloned())
    }

    /// The first file of that name on `PATH` that somebody may execute.
    #[must_use]
    pub fn find_program(&self, name: &str) -> Option<PathBuf> {
        use std::os::unix::fs::PermissionsExt as _;
        let is_program = |path: &Path| {
            path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
        };
        env::split_paths(self.variable("PATH")?).map(|folder| folder.join(name)).find(|path| is_program(path))
    }

    fn folder_of(&self, name: &str) -> Option<PathBuf> {
        self.variable(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }
}
