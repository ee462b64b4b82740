//! `orch completions`.

use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::{Shell, generate};

use crate::cli::{args::Cli, failure::Failure, session::Session};

/// Arguments of `orch completions`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch completions bash > ~/.local/share/bash-completion/completions/orch\n  \
    orch completions zsh > ~/.zfunc/_orch\n  orch completions fish > ~/.config/fish/completions/orch.fish")]
pub struct CompletionsArgs {
    /// The shell
    pub shell: ShellArg,
}

/// A shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShellArg {
    /// Bash
    Bash,
    /// Zsh
    Zsh,
    /// Fish
    Fish,
}

pub(super) fn run(session: &mut Session, args: &CompletionsArgs) -> Result<u8, Failure> {
    let shell = match args.shell {
        ShellArg::Bash => Shell::Bash,
        ShellArg::Zsh => Shell::Zsh,
        ShellArg::Fish => Shell::Fish,
    };
    // The generator panics when its writer fails, so it writes to memory.
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "orch", &mut script);
    session.out.data(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
