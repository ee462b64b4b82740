//! Codes of the family `E02xx`: faults that show when a workflow is compiled. All are found before anything runs.

use crate::base::codes::table::codes;

codes! {
    UNKNOWN_AGENT "E0201" "no agent has that name"
        "A step, a gate's `on_gate_fail` or a command names an agent that is in none of the folders. Names are compared \
         without regard to case, with space, `_` and `-` alike. `orch list --all` shows every agent and its file.";
    UNKNOWN_SKILL "E0202" "no skill has that name"
        "`skills:` names a skill that is in none of the folders. A skill's name is its folder's: `skills/NAME/SKILL.md`. \
         Where an agent's own file names it, this is a warning and the agent works without it.";
    UNKNOWN_GATE "E0203" "no gate has that name"
        "`gate: [NAME]` refers to a file in `gates/`. To write the check in place, use one of the kinds: \
         `run`, `check`, `schema`, `files`, `changed`, `approve`.";
    UNKNOWN_WORKFLOW "E0204" "no workflow has that name"
        "A step's or a command's `workflow:` names a workflow that is in none of the folders.";
    CONTAINS_ITSELF "E0205" "a workflow or a gate contains itself"
        "A called workflow is put in place of the call when the plan is made, so a workflow that calls itself, directly \
         or through others, would never end. Repeat with `loop:` or `each:` instead.";
    TOO_LARGE "E0206" "the workflow is too large"
        "Bounds: 20,000 steps with all called workflows in place, 16 calls inside each other, 64 containers inside each \
         other. A fan-out (`each:`) counts its children once, however many items it has.";
    NAME_TAKEN "E0207" "a name is taken"
        "Siblings have different ids; an `as:` differs from the ids beside its children; the words `inputs env models \
         this item index iteration result loop` and those of the expression language (`and or not in is if else true \
         false none null`) are nobody's id.";
    UNKNOWN_NEED "E0208" "`needs` names no sibling"
        "`needs:` takes ids of steps in the same list. A step deeper or further out is waited for by reading it, by \
         `needs` on the container, or by the container's own id.";
    UNKNOWN_NAME "E0209" "a text reads a name that does not exist"
        "Scope is lexical: a text sees the steps beside its own, those beside its containers, the items and iterations \
         around it, and `inputs`. Steps inside a container are read through it: `quality.review.issues`.";
    UNKNOWN_INPUT "E0210" "a text reads an input that is not declared"
        "`inputs.NAME` must stand under `inputs:`.";
    UNKNOWN_FIELD "E0211" "a text reads a field that the value does not have"
        "`step.field` is a field of that step's `output:`; the envelope is `step.result.X` with `status summary \
         files_changed tests_passing next_steps attempts text`. A step inside a container is `container.step`. As a \
         warning: the step declares no `output:`, so nothing promises the field.";
    NOT_VISIBLE "E0212" "a step cannot be read from there"
        "A step cannot read itself or the container it stands in, and the steps of an `each` cannot be read one by one \
         from outside: there is one for each item, and the `each` itself is the list of them.";
    MISPLACED_WORD "E0213" "a word means nothing in that place"
        "`this` belongs to gates, `result` alone to `summary:`, `item` and `index` to the steps of an `each`, `iteration` \
         to those of a `loop`. The environment is not read by texts: declare an input.";
    BAD_TEXT "E0214" "a text or expression does not parse"
        "Bare expressions stand in `when until each check expect`; everywhere else values stand in `{{ }}`. Filters and \
         tests are those of Jinja that read nothing outside; values have no methods.";
    CYCLE "E0215" "steps wait for each other"
        "Each step of a `steps:` list needs the one above it unless it has `needs:`, and reading another step's value \
         needs that step. Here the edges form a circle; the message names each edge, its kind and its line. Move a step, \
         remove a reference, or write `needs:` to replace the implied edge.";
    BAD_JOIN "E0216" "a join can never be met"
        "`join: { at_least: n }` asks for at least 1 and at most as many steps as the step needs; `join: any` asks for at \
         least one need.";
    EARLY_READ "E0217" "a value may not exist yet"
        "With `join: any` or `at_least` a step starts before all its needs are done, so a text may read their values only \
         behind `is defined` or `default(…)`.";
    NEVER_RUNS "E0218" "a step can never run"
        "Its `when:` is false as written, or it needs a step that always ends the run.";
    SHARED_FILES "E0219" "agents may write the same files at once"
        "Agents that can write and may run at the same time in the shared workspace must declare `files:` that do not \
         overlap. Agents with read-only tools and `run:` steps are free. For an `each` with more than one item at a time \
         each path must hold a `{{ }}` of the item, so that every item has its own.";
    SHARED_SESSION "E0220" "a session cannot be shared"
        "`context: share:S` goes on with the session of an agent step that is finished. One session has one user at a \
         time: two steps that share it must be ordered, and an `each` that shares a session from outside it needs \
         `max_parallel: 1`. `batch:` on an `each` gives the session of one item to the next: there must be an agent step \
         among its steps, none of them may share a session, and all of them work in the shared workspace.";
    NO_LIST "E0221" "an `each` runs over something that is no list"
        "`each:` is an expression whose value is a list.";
    BAD_INPUTS "E0222" "a called workflow gets the wrong inputs"
        "`with:` on a `workflow:` step gives the called workflow's inputs: only declared ones, all that are required, each \
         of its type.";
    BAD_SCHEMA "E0223" "a schema cannot be used"
        "A schema is JSON Schema, draft 2020-12. References to other files or the network are not followed.";
    CALLEE_BOUNDS "E0224" "a part of a called workflow does not apply"
        "A run has one budget and one set of limits, those of the workflow that was started; a called workflow's own do \
         not apply. The same holds for a model tier that both define: the caller's is used.";
    NEAR_TIER "E0225" "a name is close to a model tier"
        "`model:` takes a tier of `models:` or the name of a model, which is passed on as it is. This one is neither a \
         tier nor far enough from one to be no slip.";
    ARGUMENT_BASE "E0226" "the arguments of a command are ambiguous"
        "In commands for Claude Code `$0` is the first word and `$1` the second; other tools count from 1. This text \
         uses `$1` but never `$0`.\n\
         Fix: write `$0`, or say `argument-base: 1` in the frontmatter of the file.";
    ACCIDENTAL "E0227" "a dollar and a number may not be meant as a word"
        "In a prompt `$1` stands for a word after the command. Here it looks like money (`$1.00`) or like a field of awk in \
         shell code, and would be replaced all the same when so many words are given.\n\
         Fix: keep it with a backslash (`\\$1`), in Codex prompts with a second dollar (`$$1`).";
    LEFT "E0228" "a placeholder has no value"
        "The tool that the file was written for puts in a value here that nothing gives: the settings of a plugin. The \
         placeholder stays as it is.\n\
         Fix: write the value itself.";
    UNKNOWN_SERVER "E0229" "no MCP server has that name"
        "An agent asks for an MCP server, or may use its tools (`mcp__NAME__tool`), and no file declares it. Servers are \
         declared in the agent's own `mcpServers:`, in `orch.toml` as `[mcp.NAME]`, or in the project's `.mcp.json`, \
         `.gemini/settings.json`, `.cursor/mcp.json`, `.vscode/mcp.json` or `opencode.json`. Where only tools name it, this is \
         a warning and the step works without them.";
    SERVER_FORM "E0230" "an MCP server cannot be handed to an agent"
        "Only servers that are programs, which speak over their standard input and output, are handed on; one that is reached \
         by an address is not. Its name has letters, digits, `_` and `-`. Its command reads no variables, because arguments are \
         seen by every process of the machine: secrets belong into its `env`, by reference.\n\
         Wrong: { \"command\": \"db\", \"args\": [\"--token\", \"${TOKEN}\"] }\n\
         Right: { \"command\": \"db\", \"env\": { \"TOKEN\": \"${TOKEN}\" } }";
    CACHE_IN_VAIN "E0235" "a step cannot be cached"
        "`cache:` takes the work of an earlier run where the same is to be done again. A step that goes on with the session \
         of another (`context: share:`) has another beginning in every run, and the files of a scratch folder are gone with \
         their run, so nothing of it could ever be taken.\n\
         Fix: remove `cache:`, take `context: fork:` in place of `share:`, or let the step work in the project's folder.";
    WORKTREE_INSIDE "E0236" "a worktree inside a worktree"
        "What stands in a step with `workspace: worktree` works in its worktree and comes back with it; it cannot have \
         another one of its own.\n\
         Fix: remove `workspace:` and `merge:` from the inner step.";
}
