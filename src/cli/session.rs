//! One invocation: what was typed, what the process was given, where the output goes.

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

use crate::{
    cli::{
        args::{ColorArg, Global},
        clean::one_line,
        failure::Failure,
        log,
        out::Out,
    },
    config::{ColorChoice, Environment, Flags, LogLevel},
    service::{Opening, Project},
};

/// One invocation.
pub struct Session {
    /// Flags of every verb.
    pub global: Global,
    /// What the process was given.
    pub environment: Environment,
    /// This program's own file; children are started from it.
    pub program: PathBuf,
    /// Where data and talk go.
    pub out: Out,
}

impl Session {
    /// A session with the colours that the flag asks for.
    #[must_use]
    pub fn new(global: Global, environment: Environment, program: PathBuf) -> Self {
        let out = Out::new(stream_choice(color_flag(global.color)));
        Self { global, environment, program, out }
    }

    /// Opens the project around the folder of `-C`, or the current one.
    ///
    /// # Errors
    /// When the folder is not there, or the settings have faults.
    pub fn project(&mut self) -> Result<Project, Failure> {
        self.open(Opening::Search, Flags::new())
    }

    /// Opens the project around the folder of `-C`, with flags.
    ///
    /// # Errors
    /// When the folder is not there, or the settings or flags have faults.
    pub fn project_with(&mut self, flags: Flags) -> Result<Project, Failure> {
        self.open(Opening::Search, flags)
    }

    /// Opens the project for `run`: the folder of `-C` is made and becomes the root.
    ///
    /// # Errors
    /// When the folder cannot be made, or the settings or flags have faults.
    pub fn project_to_run(&mut self, flags: Flags) -> Result<Project, Failure> {
        let opening = if self.global.folder.is_some() { Opening::Make } else { Opening::Search };
        self.open(opening, flags)
    }

    fn open(&mut self, opening: Opening, flags: Flags) -> Result<Project, Failure> {
        let flags = flags.with("color", "--color", self.global.color.map(color_word));
        let start = self.global.folder.clone().unwrap_or_default();
        let project = Project::open(&start, opening, &self.environment, &flags)?;
        self.out = Out::new(stream_choice(project.settings().color));
        self.start_log(&project, false);
        Ok(project)
    }

    /// Begins to say what `orch` itself does, as the settings want it; a server says more than a verb that shows its run.
    pub(super) fn start_log(&mut self, project: &Project, is_server: bool) {
        let settings = project.settings();
        let (verbose, quiet) = (self.global.verbose, self.global.quiet);
        let set = if is_server && !settings.is_set("log_level") { LogLevel::Info } else { settings.log_level };
        let wish = log::Wish {
            // A server has no report that `-v` could make longer.
            level: log::level(set, verbose + u8::from(is_server && verbose > 0), quiet && is_server),
            log: settings.log.clone(),
            colours: self.out.has_colours(),
            story: is_server,
            redactor: project.log_redactor(),
        };
        if let Some(fault) = log::start(wish) {
            self.out.talk(&format!("{}\n", one_line(&fault)));
        }
    }

    /// The folder of `-C` as an absolute path, or the current one.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.environment.folder().join(self.global.folder.as_deref().unwrap_or(Path::new("")))
    }

    /// Whether a person is there to be asked.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        !self.global.no_input && !self.global.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }
}

fn color_word(color: ColorArg) -> &'static str {
    match color {
        ColorArg::Auto => "auto",
        ColorArg::Always => "always",
        ColorArg::Never => "never",
    }
}

fn color_flag(color: Option<ColorArg>) -> ColorChoice {
    match color {
        Some(ColorArg::Auto) | None => ColorChoice::Auto,
        Some(ColorArg::Always) => ColorChoice::Always,
        Some(ColorArg::Never) => ColorChoice::Never,
    }
}

fn stream_choice(color: ColorChoice) -> anstream::ColorChoice {
    match color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
}
