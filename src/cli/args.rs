//! The command line: global flags, verbs, and the arguments of the verbs about runs.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cli::{
    add::{AddArgs, RemoveArgs},
    audit::AuditArgs,
    cache::{CacheArgs, ReuseArgs},
    channels::NotifyArgs,
    check::CheckArgs,
    completions::CompletionsArgs,
    cost::CostArgs,
    dev::DevArgs,
    diff::DiffArgs,
    doctor::DoctorArgs,
    explain::ExplainArgs,
    help::HelpArgs,
    import::ImportArgs,
    init::InitArgs,
    keys::KeysArgs,
    list::ListArgs,
    lsp::LspArgs,
    mcp::McpArgs,
    plan::PlanArgs,
    pushback::PushbackArgs,
    replay::ReplayArgs,
    rollback::{GcArgs, RollbackArgs},
    runtimes::RuntimesArgs,
    schema::SchemaArgs,
    serve::ServeArgs,
    show::ShowArgs,
    test::TestArgs,
    trust::TrustArgs,
    update::UpdateArgs,
    values::{Pair, pair},
};
use crate::service::{BudgetWish, parse_budget};

/// `orch` and everything after it.
#[derive(Debug, Parser)]
#[command(
    name = "orch",
    version,
    about = "Runs teams of coding agents the way a build tool runs compilers",
    after_help = "First steps:\n  orch init            write a small project that runs without an account\n  \
                  orch run hello       run it\n  orch list            see what else can be run\n\n\
                  More: orch help VERB, orch help exit-codes, orch explain CODE",
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Cli {
    /// Flags of every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Flags of every verb.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// Print JSON for programs instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
    /// Say less
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more; twice for what orch itself does
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// When to use colours [default: auto]
    #[arg(long, global = true, value_name = "WHEN")]
    pub color: Option<ColorArg>,
    /// Work in DIR as if started there; `run` and `init` make it, and it becomes the project's root
    #[arg(short = 'C', global = true, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Answer yes to orch's own questions; never to an approval
    #[arg(long, global = true)]
    pub yes: bool,
    /// Never ask anything
    #[arg(long, global = true)]
    pub no_input: bool,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorArg {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write a small project that runs without an account
    Init(InitArgs),
    /// List workflows, commands, agents, skills and gates
    List(ListArgs),
    /// Show one definition: inputs, steps, file
    Show(ShowArgs),
    /// Find every fault in definitions; runs nothing
    Check(CheckArgs),
    /// Run the cases of workflows with stubbed agents and commands; touches nothing
    Test(TestArgs),
    /// Turn a prose command or another runner's file into a workflow
    Import(ImportArgs),
    /// Show what a run would do: the graph, gates, prompts and commands
    Plan(PlanArgs),
    /// Run a workflow or a slash command
    Run(RunArgs),
    /// Show the commands that slash commands and skills hold, and say that they may run
    Trust(TrustArgs),
    /// Look at the log of what was started, decided and refused: verify, export, prune
    Audit(AuditArgs),
    /// Watch definitions: say what each edit changes, and run again what it changed
    Dev(DevArgs),
    /// Follow a run, from its beginning
    Watch(WatchArgs),
    /// List runs, the latest first
    Runs(RunsArgs),
    /// Show where a run stands, why it waits, and what moves it
    Status(StatusArgs),
    /// Say what runs have cost: by step, agent and model, or by day
    Cost(CostArgs),
    /// Say what the step cache holds, or empty it
    Cache(CacheArgs),
    /// Print what steps have printed
    Logs(LogsArgs),
    /// List what waits for you
    Inbox(InboxArgs),
    /// Say yes to a question of a run
    Approve(ApproveArgs),
    /// Say no to a question of a run
    Reject(RejectArgs),
    /// Send the work that a question is about back to its agent, with comments
    Pushback(PushbackArgs),
    /// Go on with a run after a crash, a wait or an answer
    Resume(ResumeArgs),
    /// Run the failed steps of a run again, or fork a run from a step
    Retry(RetryArgs),
    /// Tell the story of a run from its journal, and check that the journal fits
    Replay(ReplayArgs),
    /// End a run and everything it has started
    Cancel(CancelArgs),
    /// Take the project's files back to before a run, or to one of its steps
    Rollback(RollbackArgs),
    /// Show what a run has changed
    Diff(DiffArgs),
    /// Remove workspaces that nobody needs
    Gc(GcArgs),
    /// List the programs that can run agents, and what each can do; test one
    Runtimes(RuntimesArgs),
    /// Take agents, skills and commands of a folder or a git repository into the library
    Add(AddArgs),
    /// Take what was added out of the library
    Remove(RemoveArgs),
    /// Bring what was added up to date
    Update(UpdateArgs),
    /// Serve editors: faults, completion, meanings, definitions and fixes as you type
    Lsp(LspArgs),
    /// Serve the dashboard and the API: watch, start and decide from a browser or a program
    Serve(ServeArgs),
    /// Make, list and take away the keys of programs and people that ask the server
    Keys(KeysArgs),
    /// List the channels by which people are told what runs need; test one
    Notify(NotifyArgs),
    /// Serve MCP clients: list, plan and run workflows, and say where runs stand
    Mcp(McpArgs),
    /// Look at everything a run needs and say how to mend what is wrong
    Doctor(DoctorArgs),
    /// Print the JSON Schema of a file or of an output
    Schema(SchemaArgs),
    /// Tell the story of an error code, or list the exit codes
    Explain(ExplainArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Explain a verb, or the exit codes
    Help(HelpArgs),
}

/// What to do when a person is asked and nobody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ApprovalArg {
    /// Ask on a terminal; elsewhere park the run, print the command that goes on, and exit with 20
    Wait,
    /// Say no
    Fail,
    /// Say yes
    Approve,
}

impl ApprovalArg {
    /// The word, as the settings write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Fail => "fail",
            Self::Approve => "approve",
        }
    }
}

/// How far programs are confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SandboxArg {
    /// Not at all, where the step does not say otherwise
    Off,
    /// They write in their workspace only
    WorkspaceWrite,
    /// They write nothing
    ReadOnly,
    /// In a container of the settings' image
    Container,
}

impl SandboxArg {
    /// The word, as the definition writes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::WorkspaceWrite => "workspace-write",
            Self::ReadOnly => "read-only",
            Self::Container => "container",
        }
    }
}

/// How an attempt of unknown outcome ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutcomeArg {
    /// It did not; run it again
    Retry,
    /// It was done
    Done,
    /// It failed
    Failed,
}

/// Arguments of `orch run`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch run /new-project \"a word counter\"\n  \
    orch -C ./demo run /new-project \"a word counter\" --on-approval approve\n  \
    orch run review -i pr=42 --budget usd=2,time=30m\n  \
    orch run review -i pr=42 --record && orch run review -i pr=42 --runtime replay\n\n\
    Ends with 0 when everything is done and proven; `orch help exit-codes` lists the other ends.")]
pub struct RunArgs {
    /// A workflow, a /command, or the path of a file
    pub name: String,
    /// Values for the inputs that take words, in their order
    #[arg(value_name = "WORDS")]
    pub words: Vec<String>,
    /// Give an input by name; may be repeated
    #[arg(short, long = "input", value_name = "NAME=VALUE", value_parser = pair)]
    pub inputs: Vec<Pair>,
    /// Read inputs from a JSON or YAML file
    #[arg(long = "inputs", value_name = "FILE")]
    pub inputs_file: Option<PathBuf>,
    /// Attempts at once, 1 to 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub parallel: Option<u32>,
    /// What the run may spend: usd=5,tokens=1M,time=1h,agents=20
    #[arg(long, value_name = "LIMITS", value_parser = parse_budget)]
    pub budget: Option<BudgetWish>,
    /// What to do when a person is asked and nobody is there [default: wait]
    #[arg(long, value_name = "WHAT")]
    pub on_approval: Option<ApprovalArg>,
    /// The runtime of agents that name none; `replay` answers for all agents
    #[arg(long, value_name = "NAME")]
    pub runtime: Option<String>,
    /// Record what agents say and write, as NAME or into DIR, for `--runtime replay` [default: the workflow's name]
    #[arg(long, value_name = "NAME|DIR", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub record: Option<String>,
    /// Replace a recording of that name
    #[arg(long, requires = "record")]
    pub force: bool,
    /// The step cache.
    #[command(flatten)]
    pub reuse: ReuseArgs,
    /// Trust the commands it holds for this run, if they have exactly this digest; `orch trust NAME` shows it
    #[arg(long, value_name = "DIGEST")]
    pub trust: Vec<String>,
    /// Confine what the run starts, and no step less than this, whatever the definition says
    #[arg(long, value_name = "MODE")]
    pub sandbox: Option<SandboxArg>,
    /// Let steps that say `danger: true` work without limits in this run; the definition must be trusted as well
    #[arg(long)]
    pub allow_danger: bool,
}

/// Arguments of `orch watch`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  orch watch 7f3k")]
pub struct WatchArgs {
    /// The run, or the beginning of its id [default: the latest]
    pub run: Option<String>,
}

/// Arguments of `orch runs`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  orch runs --status failed --workflow new-project --limit 5")]
pub struct RunsArgs {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Only runs with this status: running, waiting, interrupted, succeeded, failed, cancelled
    #[arg(long, value_name = "STATUS", value_parser = ["running", "waiting", "interrupted", "succeeded", "failed", "cancelled"])]
    pub status: Option<String>,
    /// Only runs of this workflow
    #[arg(long, value_name = "NAME")]
    pub workflow: Option<String>,
}

/// Arguments of `orch status`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  orch status 7f3k")]
pub struct StatusArgs {
    /// The run, or the beginning of its id [default: the latest]
    pub run: Option<String>,
}

/// Arguments of `orch logs`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch logs 7f3k quality/review\n  orch logs 7f3k --failed --tail 50")]
pub struct LogsArgs {
    /// The run, or the beginning of its id [default: the latest]
    pub run: Option<String>,
    /// The step's path [default: all steps]
    pub step: Option<String>,
    /// Only this attempt, counted from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: Option<u32>,
    /// Only the last N lines of each
    #[arg(long, value_name = "N")]
    pub tail: Option<usize>,
    /// Only attempts that failed
    #[arg(long)]
    pub failed: bool,
}

/// Arguments of `orch inbox`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch inbox\n  orch inbox --show")]
pub struct InboxArgs {
    /// With all that has changed of what is asked about
    #[arg(long)]
    pub show: bool,
}

/// Arguments of `orch approve`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  orch approve 7f3k design\n  orch approve 7f3k form --set title=Report --set pages=3"
)]
pub struct ApproveArgs {
    /// The run, or the beginning of its id
    pub run: String,
    /// The step's path; needed where the run asks more than one thing
    pub step: Option<String>,
    /// A word for the record
    #[arg(long, value_name = "TEXT")]
    pub comment: Option<String>,
    /// Fill in a field of a form; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    pub fields: Vec<Pair>,
}

/// Arguments of `orch reject`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  orch reject 7f3k design --comment \"no database, please\"\n\n\
    A no is final: the step ends as it does when its tries are used up. `orch pushback` sends the work back instead.")]
pub struct RejectArgs {
    /// The run, or the beginning of its id
    pub run: String,
    /// The step's path; needed where the run asks more than one thing
    pub step: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub comment: Option<String>,
}

/// Arguments of `orch resume`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch resume 7f3k\n  orch resume 7f3k --step deploy --as done\n  \
    orch resume 7f3k --budget usd=10")]
pub struct ResumeArgs {
    /// The run, or the beginning of its id [default: the latest]
    pub run: Option<String>,
    /// The step whose outcome is unknown
    #[arg(long, value_name = "STEP", requires = "outcome")]
    pub step: Option<String>,
    /// How it ended
    #[arg(long = "as", value_name = "OUTCOME", requires = "step", id = "outcome")]
    pub outcome: Option<OutcomeArg>,
    /// Raise what the run may spend: usd=5,tokens=1M,time=1h,agents=20
    #[arg(long, value_name = "LIMITS", value_parser = parse_budget)]
    pub budget: Option<BudgetWish>,
    /// What to do when a person is asked and nobody is there [default: wait]
    #[arg(long, value_name = "WHAT")]
    pub on_approval: Option<ApprovalArg>,
    /// Attempts at once, 1 to 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub parallel: Option<u32>,
    /// The step cache.
    #[command(flatten)]
    pub reuse: ReuseArgs,
}

/// Arguments of `orch retry`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch retry 7f3k --failed\n  orch retry 7f3k --from design\n  \
    orch retry 7f3k --from build/code --with stack=rust\n\n\
    `--failed` goes on with the same run. `--from` makes a new run that takes over what was done before STEP, and does\n\
    STEP and all that waits for it again; the old run stays as it is. Files are not taken back.")]
pub struct RetryArgs {
    /// The run, or the beginning of its id [default: the latest]
    pub run: Option<String>,
    /// Run the steps that failed, and those that were cancelled because of them
    #[arg(long, required_unless_present = "from", conflicts_with = "from")]
    pub failed: bool,
    /// Make a new run that begins at this step: a path of the run, or of the workflow
    #[arg(long, value_name = "STEP")]
    pub from: Option<String>,
    /// Change an input of the new run; may be repeated
    #[arg(long, value_name = "NAME=VALUE", requires = "from", conflicts_with = "failed", value_parser = pair)]
    pub with: Vec<Pair>,
    /// Raise what the run may spend: usd=5,tokens=1M,time=1h,agents=20
    #[arg(long, value_name = "LIMITS", value_parser = parse_budget)]
    pub budget: Option<BudgetWish>,
    /// What to do when a person is asked and nobody is there [default: wait]
    #[arg(long, value_name = "WHAT")]
    pub on_approval: Option<ApprovalArg>,
    /// Attempts at once, 1 to 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub parallel: Option<u32>,
    /// The step cache.
    #[command(flatten)]
    pub reuse: ReuseArgs,
}

/// Arguments of `orch cancel`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  orch cancel 7f3k")]
pub struct CancelArgs {
    /// The run, or the beginning of its id
    pub run: String,
    /// Kill at once instead of asking attempts to stop
    #[arg(long)]
    pub now: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_has_help_and_an_example() {
        for verb in Cli::command().get_subcommands() {
            assert!(verb.get_about().is_some(), "{}", verb.get_name());
            let example = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(example.contains("Example"), "{}", verb.get_name());
        }
    }

    #[test]
    fn flags_may_stand_behind_the_words() {
        let cli = Cli::try_parse_from(["orch", "run", "/x", "an", "idea", "--parallel", "3", "-C", "demo"]).unwrap();
        let Verb::Run(run) = cli.verb else { panic!() };
        assert_eq!((run.words.len(), run.parallel), (2, Some(3)));
        assert_eq!(cli.global.folder, Some("demo".into()));
    }
}
