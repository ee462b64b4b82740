//! `orch cache`: what the step cache of the project holds, and emptying it; and the flags with which a run uses it.

use clap::{Args, Subcommand};

use crate::{
    cli::{failure::Failure, session::Session},
    service::{CacheState, CacheWish, cache_state, clear_cache},
};

/// Arguments of `orch cache`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch cache\n  orch cache clear")]
pub struct CacheArgs {
    /// What to do with it [default: show]
    #[command(subcommand)]
    pub what: Option<CacheVerb>,
}

/// What is done with the step cache.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum CacheVerb {
    /// Say what it holds
    Show,
    /// Empty it: the next runs do all their work
    Clear,
}

/// What a command that runs steps does with the step cache; a run that goes on is told again.
#[derive(Debug, Clone, Copy, Args)]
pub struct ReuseArgs {
    /// Take nothing from the step cache and keep nothing in it
    #[arg(long, conflicts_with = "refresh")]
    pub no_cache: bool,
    /// Take nothing from the step cache; what is done now takes the place of what is there
    #[arg(long)]
    pub refresh: bool,
}

impl ReuseArgs {
    /// What they mean.
    pub(super) fn wish(self) -> CacheWish {
        match (self.no_cache, self.refresh) {
            (true, _) => CacheWish::Off,
            (false, true) => CacheWish::Refresh,
            (false, false) => CacheWish::Use,
        }
    }
}

pub(super) fn run(session: &mut Session, args: &CacheArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let (state, text) = match args.what.unwrap_or(CacheVerb::Show) {
        CacheVerb::Show => {
            let state = cache_state(&project);
            let text = shown(&state);
            (state, text)
        }
        CacheVerb::Clear => {
            let state = clear_cache(&project)?;
            let text = format!("emptied the step cache: {}\n", held(&state));
            (state, text)
        }
    };
    if session.global.json {
        session.out.json(&state)?;
    } else {
        session.out.data(&text)?;
    }
    Ok(0)
}

fn shown(state: &CacheState) -> String {
    let off = if state.on { "" } else { "; it is off: `cache.steps` in orch.toml" };
    format!("{}: {}, at most {}{off}\n", state.folder, held(state), megabytes(state.bytes_max))
}

fn held(state: &CacheState) -> String {
    let entries = state.used.entries;
    format!("{entries} step{} in {}", if entries == 1 { "" } else { "s" }, megabytes(state.used.bytes))
}

/// Whole tenths of megabytes; what is there is never nothing.
fn megabytes(bytes: u64) -> String {
    let tenths = bytes.div_ceil(100_000);
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
