//! Codes of the family `E05xx`: settings and the use of commands.

use crate::base::codes::table::codes;

codes! {
    INPUT "E0501" 2 false "an input of the workflow is wrong"
        "A required input is missing, one is not declared, or a value does not fit its schema.\n\
         Fix: `orch show NAME` lists the inputs; give them as words, as `-i name=value` or with `--inputs FILE`.";
    UNREADABLE_SETTINGS "E0502" 10 false "the settings cannot be read"
        "An `orch.toml` is there, but it cannot be opened, is no plain file, is larger than 1 MB, or is not UTF-8 text.\n\
         Fix: correct its permissions, or move it away.";
    BAD_SYNTAX "E0503" 10 false "the settings are not TOML"
        "`orch.toml` breaks a rule of TOML at the marked place.\n\
         Wrong: runtime = shell\nRight: runtime = \"shell\"";
    UNKNOWN_KEY "E0504" 10 false "there is no such setting"
        "No setting is ever ignored: a misspelled `budget` must not mean `no budget`. This is true of `ORCH_…` variables \
         that are nearly right as well.\n\
         Fix: take the suggestion. `orch doctor` lists all settings, `orch schema config` prints their schema.";
    BAD_VALUE "E0505" 10 false "a setting has a value that it cannot have"
        "The value has the wrong type or is out of its bounds.\n\
         Wrong: parallel = 0\nRight: parallel = 4\n\
         Durations have a unit: \"30s\", \"10m\", \"2h\". Counts may be written as \"20k\" or \"3M\".";
    CONTRADICTION "E0506" 10 false "two settings contradict each other"
        "Each value is possible, both together are not: a limit could never be reached, or nothing could ever run.\n\
         Fix: change one of them; `orch doctor` shows where each value came from.";
    UNKNOWN_RUNTIME "E0507" 10 false "there is no such runtime"
        "Agents run on a runtime: a program that `orch.toml` declares, or `replay`, which answers from recordings.\n\
         Fix: declare it:\n  [runtimes.shell]\n  command = [\"./agents/shell.sh\"]";
    NOT_FOUND "E0511" 11 false "there is no such definition"
        "The name is no workflow, command, agent, skill or gate of this project, of your own folder or of the library \
         in the binary.\n\
         Fix: `orch list` names them all. A file is named by its path: `orch run workflows/build.yaml`.";
    NOT_RUNNABLE "E0512" 2 false "this definition cannot be run by itself"
        "Workflows and slash commands run. Agents, skills and gates are used by their steps.\n\
         Fix: name it in a step: `- { id: review, agent: NAME, prompt: \"…\" }`.";
    UNKNOWN_CODE "E0513" 11 false "there is no such code"
        "`orch explain` knows error codes such as E0107, and `exit-codes`.\n\
         Fix: take the code from the message, `error[E0107]: …`.";
    UNKNOWN_SCHEMA "E0514" 11 false "there is no such schema"
        "`orch schema` without a name lists the schemas.";
    FILE_EXISTS "E0515" 2 false "a file is in the way"
        "`orch init` never writes over a file whose content is not its own.\n\
         Fix: take another folder, move the file away, or allow it with `--force`.";
    UNKNOWN_TEMPLATE "E0516" 11 false "there is no such template or sample"
        "`orch init --list` names the templates and the samples.";
    WRITE "E0517" 1 true "a file cannot be written"
        "The system refused to make a folder or a file: permissions, a read-only or a full disk.\n\
         Fix: the message names the path; correct it and run the command again.";
    OUTPUT "E0518" 1 true "the output cannot be written"
        "Standard output refused the text, for example because the disk of its file is full. A closed pipe is no error.";
    FOLDER "E0519" 11 false "the folder is not there"
        "`-C DIR` names the folder that the command works in. `run` and `init` make it; all others need it.\n\
         Fix: correct the path.";
    USAGE "E0520" 2 false "the command line cannot be understood"
        "A verb, a flag or its value is wrong.\n\
         Fix: `orch help VERB` shows what it takes, with an example.";
    SOURCE "E0540" 2 false "a source cannot be added"
        "`orch add` takes a folder, an https or ssh URL of a git repository, or OWNER/REPOSITORY on GitHub. `PLUGIN@` before it takes \
         one plugin of a marketplace, `#FOLDER` behind it one folder.\n\
         Protocols that run programs or are not protected are refused.";
    FETCH "E0541" 1 true "a source cannot be read"
        "The folder cannot be read, or git could not fetch the repository: the address, the access, the network, or the name after `--ref`.\n\
         Fix: the message has git's own words. Nothing was changed.";
    NO_DEFINITIONS "E0542" 11 false "a source has nothing to add"
        "Definitions stand in `agents/`, `skills/`, `commands/`, `workflows/`, in the folders of a plugin, or in a tool's own folder.\n\
         Fix: take the folder that holds them: `orch add SOURCE#FOLDER`.";
    NAME_ADDED "E0543" 2 false "a name is in the library already"
        "Each folder in `library/` has a name of its own.\n\
         Fix: `orch update NAME` brings it up to date; `--name` adds another one beside it.";
    EDITED "E0544" 1 false "an added folder was edited"
        "What was added is pinned by its digest; an update or a removal would lose what was edited here.\n\
         Fix: keep own versions in the project's own folders, which come first; `--force` goes on and keeps the edited files aside.";
    SOURCE_LIMIT "E0545" 1 false "a source is too large"
        "A source may have 20,000 files of use with 128 MB together, each 8 MB at most.\n\
         Fix: take one folder of it: `orch add SOURCE#FOLDER`.";
    LIBRARY_BUSY "E0546" 1 true "another orch changes the library"
        "Only one `orch add`, `orch update` or `orch remove` works in a library at a time.\n\
         Fix: wait for it to end, then try again.";
    LOCK_FILE "E0547" 1 false "the lock file of the library cannot be read"
        "`library.lock` says where added folders came from; without it nothing can be added, updated or removed.\n\
         Fix: take the file from your version control, or remove it and add the repositories anew.";
    NOT_ADDED "E0548" 11 false "nothing of that name was added"
        "`orch update` and `orch remove` work on what `orch add` took in.\n\
         Fix: `orch list --source` shows where definitions come from.";
    NOT_TRUSTED "E0560" 40 false "commands of a definition are not trusted"
        "A slash command or a skill from a file may hold commands whose output becomes a part of the prompt, and an agent may \
         bring an MCP server, which is a program, or name one that the project declares. They run with your \
         rights, so they run only where you have said so, for this project and for exactly this text. Nothing was started. A \
         change of the file, or of a script that it runs, asks again.\n\
         Fix: `orch trust NAME` shows the commands and asks. Where nobody is there: `orch run NAME --trust DIGEST`, with the \
         digest that `orch trust NAME` shows.";
    TRUST_NOT_GIVEN "E0561" 40 false "nobody has said yes"
        "`orch trust` asks a person on a terminal; `--yes` does not answer this question, because a script must not trust what \
         it has not seen.\n\
         Fix: run it on a terminal, or give the digest of what you have read: `orch trust NAME --digest DIGEST`.";
    TRUST_STORE "E0562" 1 true "trust cannot be kept"
        "What you trust is kept outside of every project, in `$XDG_STATE_HOME/orch/trust`, else `~/.local/state/orch/trust`, for \
         your eyes only. That folder cannot be found or written.\n\
         Fix: set HOME, or correct the folder's permissions.";
    NOTHING_TO_TRUST "E0563" 2 false "there is nothing to trust"
        "Only what holds commands, or brings MCP servers of the project, needs trust; this one runs without it, or was not \
         trusted.\n\
         Fix: `orch trust --list` names all that hold commands.";
    IMPORT_SOURCE "E0570" 11 false "the source of an import cannot be read"
        "`orch import` takes a file, a folder or the name of a /command. What was named is not there, is no plain text, or \
         is larger than 512 KB.\n\
         Fix: correct the path, or split the file.";
    IMPORT_UNKNOWN "E0571" 10 false "the source is nothing that can be imported"
        "It has no steps, no phases and no text, or the keys that its format needs are missing.\n\
         Fix: say what it is with `--from prose|archon|github-actions|makefile|justfile|dagu`.";
    IMPORT_EXISTS "E0572" 2 false "the file to write is there already"
        "`orch import` never writes over a file: you may have edited it since.\n\
         Fix: name another one with `-o`, look at the text with `--dry-run`, or replace it with `--force`.";
    IMPORT_OUTSIDE "E0573" 2 false "the file to write is outside of the project"
        "Workflows live in the project, and `orch import` follows no link out of it.\n\
         Fix: name a file below the project's root: `-o workflows/NAME.md`.";
    IMPORT_INVALID "E0574" 70 false "the imported workflow would have faults"
        "Every workflow that `orch import` writes is checked first. This one failed the check, so nothing was written.\n\
         Fix: please report it with the source. `--form yaml` may help meanwhile.";
    IMPORT_CIRCLE "E0575" 10 false "the steps of the source wait for each other"
        "Each of the steps that the message names waits for the next one, and the last one for the first. Such a source can start \
         nowhere, in its own runner as little as in `orch`, so nothing was written.\n\
         Fix: take one of these dependencies out of the source, and import it again.";
    UNKNOWN_CASES "E0576" 11 false "there are no cases of that name"
        "`orch test` takes the name of a workflow or a /command that has cases, or the path of a file or folder of cases.\n\
         Fix: correct the name; without one all cases of the project run.";
    TEST_REPORT "E0577" 1 true "the test report cannot be written"
        "The file that `--junit` names cannot be written. The cases have run; their results are on standard output.\n\
         Fix: correct the path or its permissions.";
    CASE "E0578" 10 false "a case does not fit what it tests"
        "A case names a step, gate, input or output that its workflow has not, or an answer that the step cannot give. It \
         would prove nothing, so no case was run.\n\
         Fix: correct the name; `orch show NAME` lists the steps and inputs.";
    NO_CASES "E0579" 11 false "there is nothing to test"
        "`orch test` runs the cases in `workflows/tests/` and `.orch/workflows/tests/`, and there are none.\n\
         Fix: write `workflows/tests/NAME.yaml`; docs/testing.md has an example.";
    TOOL_ARGUMENTS "E0580" 2 false "an MCP client's request does not fit the tool"
        "Each tool of `orch mcp` has a schema for its arguments. An argument is missing, not known, of another type or too \
         long; the message names it. Nothing was done.\n\
         Fix: `tools/list` shows the schemas.";
    TOOL_ANSWER "E0581" 2 false "the answer to an MCP client is too long"
        "An answer of `orch mcp` has at most 512 KB, because a model reads it.\n\
         Fix: ask for less, or read the whole on the command line: `orch status RUN --json`.";
    BLOCKED "E0590" 42 false "a command is blocked by its risk or by a policy"
        "Before a run starts, every command that its plan names is judged: what it deletes, publishes, installs, sends or \
         changes on other machines. L4 never passes. L3 needs a person who agrees to exactly this command; the digest in the \
         message is of the command and of this project, so a change of one letter asks again.\n\
         Fix: `orch run NAME --trust DIGEST` for this run, or the command under `commands:` in ~/.config/orch/policy.yaml. \
         `orch show policy` shows what holds.";
    POLICY "E0591" 10 false "the policy has faults"
        "A policy that cannot be read might have refused what is to run, so nothing starts.\n\
         Fix: `orch check` shows every fault with its place.";
    AUDIT "E0592" 31 false "the audit log cannot be used"
        "What is started and decided is written to `.orch/state/audit/log.jsonl` and signed with a key in \
         ~/.local/state/orch. One of them cannot be read or written, or others may read the key.\n\
         Fix: correct the permissions: 0600 for the key, a folder of your own for both.";
    AUDIT_CHANGED "E0593" 31 false "the audit log was changed"
        "An entry was changed, moved or taken out, or the end was cut off. Entries are dropped only from a log that is whole.\n\
         Fix: `orch audit verify` shows what and where; keep the file as it is, and begin a new one by moving the folder away.";
    INTERNAL "E0599" 70 false "a bug in orch"
        "Something happened that cannot happen. Nothing that was acknowledged is lost: the journal holds it.\n\
         Fix: please report it with the message and `orch doctor --json`.";
}
