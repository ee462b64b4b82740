//! What people type and what they see: one file a subcommand, terminal reports, exit codes.
//!
//! Data goes to standard output, talk to standard error. All text that comes from definitions, agents and commands
//! passes through `clean`, so that it cannot steer the terminal.

mod add;
mod args;
mod audit;
mod cache;
mod channels;
mod check;
mod clean;
mod completions;
mod cost;
mod decide;
mod dev;
mod dev_report;
mod dev_run;
mod diff;
mod doctor;
mod drive;
mod ending;
mod entry;
mod exit;
mod explain;
mod failure;
mod help;
mod import;
mod init;
mod junit;
mod keys;
mod list;
mod live;
mod log;
mod logs;
mod lsp;
mod mcp;
mod out;
mod plan;
mod pushback;
mod replay;
mod report;
mod report_words;
mod resume;
mod rollback;
mod run;
mod runs;
mod runtimes;
mod schema;
mod serve;
mod session;
mod show;
mod style;
mod test;
mod trust;
mod update;
mod values;
mod watch;

pub use args::{
    ApprovalArg, ApproveArgs, CancelArgs, Cli, ColorArg, Global, InboxArgs, LogsArgs, OutcomeArg, RejectArgs,
    ResumeArgs, RetryArgs, RunArgs, RunsArgs, StatusArgs, Verb, WatchArgs,
};
pub use clean::{clean, one_line};
pub use ending::Ending;
pub use entry::main;
pub use exit::Exit;
pub use failure::Failure;
pub use live::{Screen, ScreenKind};
pub use out::Out;
pub use report::{Look, Report, RunningAttempt};
pub use session::Session;
pub use values::Pair;
