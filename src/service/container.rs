//! What makes containers on this machine: a program that speaks as docker does, and the image that the settings name.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    base::RunId,
    config::Environment,
    execute::{Engine, process::sweep_containers},
    service::{project::is_root, refusal::Refusal},
};

/// The engines in the order in which they are tried, where the settings name none.
const ENGINES: [&str; 2] = ["docker", "podman"];
/// What an engine's program is told of its user's machine; nothing of a step.
const VARIABLES: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "CONTAINER_HOST",
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
    "CONTAINERS_REGISTRIES_CONF",
];

/// Letters of what an engine says.
const SAID_MAX: usize = 200;

/// What the settings say of containers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerWish {
    /// The engine; any of the known ones where absent.
    pub engine: Option<String>,
    /// The image.
    pub image: Option<String>,
    /// The most memory of one.
    pub memory_bytes: u64,
    /// The most processes in one.
    pub processes: u64,
    /// The engines of this machine that may be used.
    pub found: Vec<(String, PathBuf)>,
    /// What their programs are told.
    pub env: Vec<(String, String)>,
}

impl ContainerWish {
    /// Looks at what is there.
    pub(super) fn on(mut self, environment: &Environment) -> Self {
        let wanted = |name: &&str| self.engine.as_deref().is_none_or(|engine| engine == *name);
        let engines = ENGINES.into_iter().filter(wanted);
        self.found = engines.filter_map(|name| Some((name.to_owned(), environment.find_program(name)?))).collect();
        let value = |name: &&str| Some(((*name).to_owned(), environment.variable(name)?.to_str()?.to_owned()));
        self.env = VARIABLES.iter().filter_map(value).collect();
        self
    }

    /// What makes the containers of a run.
    ///
    /// # Errors
    /// With exit 41 where there is no image, no engine that works, or the image is not on this machine.
    pub(super) fn engine(&self, steps: &str) -> Result<Engine, Refusal> {
        let refused = |message: String, help: String| Refusal::new(41, "E0375", message, help);
        let Some(image) = &self.image else {
            return Err(refused(
                format!("the settings name no image for `sandbox: container`: {steps}"),
                "write `[container]` and `image = \"NAME:TAG\"` into orch.toml, or take `sandbox: workspace-write`"
                    .to_owned(),
            ));
        };
        let mut tried = Vec::new();
        for (name, program) in &self.found {
            match self.ask(program, &["version"]) {
                Ok(()) => {
                    if let Err(said) = self.ask(program, &["image", "inspect", image]) {
                        let help = format!("`{name} pull {image}`, or build it; `orch` downloads none by itself");
                        return Err(refused(format!("`{name}` has no image `{image}` ({said}): {steps}"), help));
                    }
                    return Ok(self.made(name, program, image));
                }
                Err(said) => tried.push(format!("{name}: {said}")),
            }
        }
        let what = match &self.engine {
            Some(engine) => format!("`{engine}` is not on PATH"),
            None => "neither docker nor podman is on PATH".to_owned(),
        };
        let why = if tried.is_empty() { what } else { tried.join("; ") };
        let help = "install podman or start docker, so that `docker version` or `podman version` succeeds, or take \
                    `sandbox: workspace-write`";
        Err(refused(format!("nothing makes containers here ({why}): {steps}"), help.to_owned()))
    }

    /// Takes away what an earlier owner left of a run; gives how many containers.
    pub(super) fn sweep(&self, run: &RunId) -> usize {
        if self.image.is_none() {
            return 0;
        }
        self.found.iter().map(|(_, program)| sweep_containers(program, &self.env, run.as_str())).sum()
    }

    fn made(&self, name: &str, program: &Path, image: &str) -> Engine {
        Engine {
            program: program.to_owned(),
            env: self.env.clone(),
            maps_users: name == "podman" && !is_root(),
            image: image.to_owned(),
            memory_bytes: self.memory_bytes,
            processes: self.processes,
        }
    }

    /// Calls an engine; its last words where it fails.
    fn ask(&self, program: &Path, words: &[&str]) -> Result<(), String> {
        let mut command = Command::new(program);
        command.args(words).env_clear().envs(self.env.iter().map(|(name, value)| (name, value)));
        let done = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
        Err(last.trim().chars().take(SAID_MAX).collect())
    }
}
