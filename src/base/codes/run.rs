//! Codes of the family `E03xx`: starting, moving and answering runs.

use crate::base::{Code, codes::CodeInfo};

macro_rules! codes {
    ($($name:ident $code:literal $exit:literal $retryable:literal $title:literal $story:literal;)*) => {
        $(#[doc = $title] pub const $name: Code = Code($code);)*

        pub(super) const CODES: &[CodeInfo] =
            &[$(CodeInfo { code: $name, title: $title, story: $story, exit: $exit, retryable: $retryable },)*];
    };
}

codes! {
    UNKNOWN_RUN "E0301" 11 false "there is no such run"
        "A run is named by its id or by the beginning of it, as long as only one run of the project begins so. Without a \
         name the latest run is meant.\n\
         Fix: `orch runs` lists the runs of this project; `-C DIR` names another project.";
    NO_RANDOM "E0302" 70 false "the system gives no random numbers"
        "The id of a run and the seed of its retries are random. The system refused to give random bytes.\n\
         Fix: look at why `getrandom` fails in this system or container; nothing was started.";
    NOT_WRITABLE "E0303" 70 false "a plan or a decision has no stored form"
        "What is written to the journal is turned into JSON first, and that failed. It is a bug of `orch`; nothing was started \
         and nothing was lost.\n\
         Fix: please report it with the message and `orch doctor --json`.";
    RUN_ENDED "E0304" 2 false "the run has ended"
        "A run that has ended does not move any more: it cannot be resumed or cancelled, and one that has succeeded has \
         nothing to retry.\n\
         Fix: `orch retry RUN --failed` runs the failed steps again; `orch run` starts anew.";
    RUN_GOES_ON "E0305" 2 false "the run has not ended"
        "`orch retry` runs the failed steps of an ended run again. This run still waits, or was interrupted.\n\
         Fix: `orch resume RUN` goes on with it; `orch status RUN` says what it waits for.";
    NO_KEEPER "E0306" 70 false "the keeper of processes cannot be started"
        "All commands and agents are children of a small process, the keeper, which ends them when `orch` ends. It is the \
         `orch` program itself, started a second time, and the system refused to start it.\n\
         Fix: look at the limit of processes (`ulimit -u`) and at whether the file of the program is still there; then \
         `orch resume RUN`.";
    NO_QUESTION "E0307" 11 false "the run does not ask that"
        "`orch approve` and `orch reject` answer a question that is open now. Somebody may have answered it already, or the \
         run has not come that far.\n\
         Fix: `orch inbox` lists what waits for you, `orch status RUN` what this run waits for.";
    WHICH_QUESTION "E0308" 2 false "the run asks more than one thing"
        "An answer is never given to a question that you may not have meant.\n\
         Fix: name the step: `orch approve RUN STEP`.";
    NOT_UNKNOWN "E0309" 11 false "the step's outcome is not unknown"
        "`orch resume RUN --step STEP --as retry|done|failed` answers for an attempt that was started and of which nobody \
         knows how it ended. This step has no such attempt.\n\
         Fix: `orch status RUN` shows what the run waits for.";
    BAD_FORM "E0310" 2 false "the form is not filled in"
        "The step asks for values of a declared shape, and these do not fit.\n\
         Fix: give each field: `orch approve RUN STEP --set NAME=VALUE`.";
    NO_RUNTIME "E0311" 43 false "an agent has no runtime"
        "Agents run on a runtime: a program that `orch.toml` declares, or `replay`, which answers from a recording made for \
         exactly this workflow and these inputs. None fits here; nothing was started.\n\
         Fix: declare one:\n  [runtimes.shell]\n  command = [\"./agents/shell.sh\"]";
    NO_PROGRAM "E0312" 43 false "a program is not on the PATH"
        "All programs that steps and gates name are looked up before anything runs. Where a gate names one, the exit code \
         is 22: a gate without a verdict never passes.\n\
         Fix: install the program, or change the PATH.";
    UNREADABLE_TREE "E0313" 1 false "the working tree cannot be read"
        "The gate `changed` compares the tree with what it was at the start of the run, and a part of it cannot be read, or \
         the picture of it cannot be kept.\n\
         Fix: look at the path in the message, or leave the gate out.";
    NO_STEP "E0314" 11 false "the run has no such step"
        "Steps are named by their path: `quality/review`, `build[KEY]/code` for an item, `polish#2/improve` for an \
         iteration.\n\
         Fix: `orch status RUN` lists the steps.";
    FIRST_USE "E0315" 43 false "a real runtime would be used for the first time"
        "No runtime is named, and an agent program is installed. A real agent can cost money and change files, so `orch` does \
         not use one for the first time without a yes; on a terminal it asks once.\n\
         Fix: say it with `--runtime NAME`, or in orch.toml: runtime = \"NAME\".";
    LACKING "E0316" 43 false "a step needs what its runtime cannot do"
        "A step goes on with another step's session, or its agent names tools of an MCP server, and the runtime that it would \
         run on has no sessions or takes no servers. Nothing was started.\n\
         Fix: name another runtime with `runtime:` or `--runtime`; `orch runtimes` shows what each can do.";
    TOO_DEEP "E0317" 2 false "too many runs inside each other"
        "An agent or a command of a run started a run, that one the next, and so on. The message names the chain. Each such \
         run has a budget of its own, so a workflow that starts itself would spend without end; nothing was started.\n\
         Fix: call the inner workflow with `workflow:`, which shares one budget, or look why it starts itself again.";
    NOT_BUILT_IN "E0318" 43 false "a runtime speaks a protocol that is not in this build"
        "A step would run on a runtime with `protocol = \"acp\"`, and this orch was built without the Agent Client Protocol. \
         Nothing was started.\n\
         Fix: cargo install orch --features acp; or name another runtime with `runtime:` or `--runtime`.";
}
