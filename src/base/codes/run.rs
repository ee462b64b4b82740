//! Codes of the family `E03xx`: starting, moving and answering runs.

use crate::base::codes::table::codes;

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
        "A step goes on with another step's session, or its agent uses an MCP server, and the runtime that it would \
         run on has no sessions or takes no servers; or a rule under `permissions:` is one that the runtime cannot keep, or a step works \
         without limits and the runtime cannot. Nothing was started.\n\
         Fix: name another runtime with `runtime:` or `--runtime`; `orch runtimes` shows what each can do.";
    TOO_DEEP "E0317" 2 false "too many runs inside each other"
        "An agent or a command of a run started a run, that one the next, and so on. The message names the chain. Each such \
         run has a budget of its own, so a workflow that starts itself would spend without end; nothing was started.\n\
         Fix: call the inner workflow with `workflow:`, which shares one budget, or look why it starts itself again.";
    MAY_NOT_DECIDE "E0319" 2 false "an MCP client may not decide"
        "The questions of a run are for people. An agent that could answer them over MCP could approve its own work, so \
         `orch mcp` takes no decisions unless the person who starts it says so.\n\
         Fix: a person types `orch approve RUN STEP` or `orch reject RUN STEP`; or starts the server with `--allow-approve`.";
    SERVER_CHANGED "E0320" 2 false "an MCP server is declared otherwise now"
        "A run keeps the servers it began with. The values of their variables are in no plan and in no journal: they are read \
         again from the file that declares the server, and that file says something else now, or the server is gone.\n\
         Fix: put the declaration back, then `orch resume RUN`; or start a new run.";
    SERVER_VARIABLE "E0321" 43 false "a variable of an MCP server is not set"
        "The declaration of an MCP server refers to a variable of the environment, such as `${TOKEN}`, and it is not set and \
         has no default. Nothing was started.\n\
         Fix: set it in the shell that starts `orch`, and run again.";
    TOO_MANY_APART "E0322" 2 true "too many runs were begun by one server"
        "`orch mcp` begins runs that go on without it. At most 16 of those that one server has begun may go on at the same \
         time, so that an agent that begins them in a circle is stopped.\n\
         Fix: wait until one ends. `orch runs --status running` lists them, `orch cancel RUN` ends one.";
    DANGER "E0324" 40 false "nobody has allowed work without limits"
        "A step says `danger: true`: its agent would do everything with no question asked. A file cannot say that alone. A person \
          trusts the definition as it stands (`orch trust NAME`), and gives the word. Nothing was started.\n\
         Fix: `orch run NAME --allow-danger`, or danger = true under [runtimes.NAME] in your own ~/.config/orch/orch.toml; better, \
          take `danger: true` away and name what the agent needs under `tools:`.";
    RECORDING_EXISTS "E0330" 2 false "there is a recording of that name"
        "`orch run --record` never replaces a recording that it was not told to replace: it may be the only one of that \
         session. Where the file appeared while the run was recorded, the turns are still kept in the run's folder.\n\
         Fix: give another name, `--record=NAME`, or `--force` to replace it.";
    RECORDING_WRITE "E0331" 1 true "the recording cannot be written"
        "The run has ended as it was told; only its recording is not there. The disk may be full, the folder may not be \
         writable, or the agents have written more than the 16 MB that a recording may hold.\n\
         Fix: look at the path in the message. What a tool builds does not belong into a recording: let the agent build \
         outside of the workspace.";
    MISFIT "E0332" 31 false "the journal of a run does not fit"
        "`orch replay` steps through the journal and checks each record: an attempt begins because it was asked for, and ends \
         once, after it had begun. The record in the message could not have been written there by `orch`: the journal was \
         changed, or belongs to another plan.\n\
         Fix: `orch replay RUN --at SEQ` shows the state before that record. Do not go on with this run.";
    NO_RECORD "E0333" 11 false "the run has no such record"
        "The records of a run's journal are counted from 1.\n\
         Fix: `orch replay RUN` lists them.";
    NO_FORK "E0334" 2 false "the run cannot be forked from that step"
        "`orch retry RUN --from STEP` takes over what was done before the step. Something that the step waits for was not \
         done in that run, so there is nothing to take over.\n\
         Fix: begin at the step that was not done; the message names it.";
    NO_CHECKPOINT "E0340" 11 false "the run has no such checkpoint"
        "Runs keep the state before them, and that of each finished step, where an agent may write, where work is isolated, or \
         where a step says `checkpoint:`. Runs of commands alone keep none.\n\
         Fix: the help names the checkpoints that are there; `orch rollback RUN --to NAME` takes one of them.";
    IN_THE_WAY "E0341" 1 false "files are in the way of a rollback"
        "A file that no checkpoint would hold, such as one that git ignores, stands where one has to come back. It would be \
         lost, so nothing was changed.\n\
         Fix: move it away, or take back other paths: `orch rollback RUN PATH`.";
    NO_GIT "E0342" 43 false "git is not there or too old"
        "Checkpoints and workspaces are made with git, in a project without a repository too. They need git 2.40 or newer.\n\
         Fix: install it, or change the PATH.";
    WORKSPACE "E0343" 1 true "a checkpoint or a workspace cannot be used"
        "Git has said no, a file cannot be read, something is larger than a checkpoint may be, or another process works on the \
         repository. Nothing of the project was changed.\n\
         Fix: look at what the message names, and try again.";
    NO_SANDBOX "E0344" 41 false "what is to be confined cannot be confined here"
        "A step, the settings or `--sandbox` ask for a sandbox, or the run has agents and nobody has said that they shall work \
         without one, and this machine cannot make it: its kernel, its settings or the \
         container that `orch` runs in refuse what is needed. Nothing was started, because a sandbox that is not there would \
         protect nobody.\n\
         Fix: `orch doctor` says what was tried and what to change. Where there is no way, `sandbox: off` in the step runs \
         it with all your rights; so does `--sandbox off` where no step says anything of it, and `sandbox = \"off\"` in orch.toml for every run.";
    NO_SECRET "E0350" 43 false "a secret has no value"
        "A step gets a secret, and its value is not where the definition says: the variable is not set, the file is not there, or \
         the program that should print it has failed. Values are looked for before anything starts, and again by `orch resume`.\n\
         Fix: set the variable in the shell that starts `orch`, write the file, or unlock the store.";
    OPEN_SECRET "E0351" 43 false "others may read the file of a secret"
        "The value of a secret stands in a file that the group or everybody may read, or that belongs to another user. Whoever can read \
         it there needs no step to leak it. Nothing was started.\n\
         Fix: chmod 600 FILE";
    SHOWN_SECRET "E0352" 2 false "a secret would be written down"
        "What a definition says and what a run is given as inputs is kept in the journal, shown by `orch status` and told to agents. Here \
         one of them holds the value of a secret, or what looks like a key. Nothing was started.\n\
         Fix: declare it by reference, `secrets: { npm_token: { env: NPM_TOKEN } }`, and name it on the step that needs it: \
         `secrets: [npm_token]`.";
    SHORT_SECRET "E0353" 43 false "a secret is too short to be kept out of texts"
        "Secrets are taken out of everything that is kept and shown. A value of fewer than six bytes stands in ordinary texts by \
         chance, so it could not be.\n\
         Fix: take a longer one.";
    DECIDED_BEFORE "E0360" 11 false "somebody else was first"
        "A question is decided once. Somebody else's decision, another one of yours, or the end of the run came before this one, \
         and the message says which. Nothing was changed by this one.\n\
         Fix: `orch status RUN` shows where the run stands.";
    OUTDATED "E0361" 20 true "the files are no longer as they were shown"
        "A decision counts for exactly what the question showed. Since then files have changed, so nobody has seen what would be \
         taken. Nothing was decided; the question is put anew with what is there now.\n\
         Fix: look again: `orch inbox --show`; where no process drives the run, `orch resume RUN` puts the question first.";
    NOT_TAKEN "E0362" 30 true "nobody has taken the decision yet"
        "The process that drives the run has not read the decision within five seconds. It is left for it, or for whoever goes \
         on with the run, and counts then unless another one comes first.\n\
         Fix: `orch status RUN` shows what has become of it.";
    COMMENT "E0363" 2 false "a comment is about nothing that was shown"
        "`orch pushback` sends comments on the lines of the difference that the question shows, so that the agent finds what is \
         meant. A comment names a file or lines that are not in it, or says nothing. All such comments are named; nothing was \
         decided.\n\
         Fix: `orch diff RUN STEP` shows the lines. Without a place, a comment is about all of it.";
    NO_PUSHBACK "E0364" 2 false "this question cannot be pushed back"
        "A push-back sends comments to the agent that did the work. Here there is none: the question is an `approve:` step or a \
         form, the work is that of a command, a merge or a group without an agent under `on_gate_fail`, or the step was pushed \
         back ten times.\n\
         Fix: `orch approve` or `orch reject`.";
    LINKED_STATE "E0365" 31 false "the folder of the runs is a link, or holds one"
        "`.orch/state` is where `orch` keeps the runs, logs and workspaces of a project. A repository can bring a symbolic link in its          place, and every run would then write and delete where the link leads. Nothing was read or written there.\n\
         Fix: remove the link.";
    NEVER_TRUSTED "E0366" 40 false "a definition cannot be looked at whole"
        "A person trusts a definition with everything that it sets going: scripts, the folders of its skills, and the project's          settings of agent programs (`.claude`, `.codex`, `.gemini`, `.mcp.json`, `.env`, `orch.toml`). Here these are more than 4,000          files or 512 MB, lie too deep or cannot be read, so a change in the rest would go unseen. Nothing was started.\n\
         Fix: take away what does not belong into these folders, or correct their permissions.";
    NO_CONTAINER "E0375" 41 false "a container cannot be made here"
        "A step, the settings or `--sandbox` ask for `container`, and no image is named, neither docker nor podman answers, the image is \
         not on this machine, or the step asks for what a container cannot keep (a list of hosts). Nothing was started.\n\
         Fix: `[container]` with `image = \"NAME:TAG\"` in orch.toml, `podman pull NAME:TAG`, or `sandbox: workspace-write`.";
    INNER_STATE "E0376" 41 false "a run inside another has no place for its state"
        "This `orch` was started by a confined step of another run. What it keeps (`.orch/state` of its project, `~/.local/state/orch`) is \
         in a place that the sandbox around it keeps from it: the project is the outer run's own, or lies outside of its workspace. \
         Nothing was started.\n\
         Fix: let the outer workflow call the inner one with `workflow:`; or copy the project into the workspace or \"$TMPDIR\" and run it \
         there; or give the outer step `sandbox: off`.";
    NO_UPSTREAM "E0377" 41 false "the proxy of the environment cannot be used"
        "A step reaches a list of hosts (`network: [HOST]`). `orch` connects for it, and your environment says by which proxy \
         (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`): one that speaks SOCKS or TLS, or a value that names no host. Going past it would not be \
         what you said. Nothing was started.\n\
         Fix: name a proxy that speaks plain HTTP (`http://HOST:PORT`), except hosts with `NO_PROXY`, or unset the variable.";
}
