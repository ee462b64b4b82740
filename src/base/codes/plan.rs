//! Codes of the family `E02xx`.

use crate::base::{Code, codes::CodeInfo};

/// Every fault of compiling ends `check`, `plan` and `run` with this exit code.
const EXIT: u8 = 10;

const fn fault(code: &'static str, title: &'static str, story: &'static str) -> CodeInfo {
    CodeInfo { code: Code(code), title, story, exit: EXIT, retryable: false }
}

pub(super) const CODES: &[CodeInfo] = &[
    fault(
        "E0201",
        "no agent has that name",
        "A step, a gate's `on_gate_fail` or a command names an agent that is in none of the folders. Names are compared \
         without regard to case, with space, `_` and `-` alike. `orch list --all` shows every agent and its file.",
    ),
    fault(
        "E0202",
        "no skill has that name",
        "`skills:` names a skill that is in none of the folders. A skill's name is its folder's: `skills/NAME/SKILL.md`. \
         Where an agent's own file names it, this is a warning and the agent works without it.",
    ),
    fault(
        "E0203",
        "no gate has that name",
        "`gate: [NAME]` refers to a file in `gates/`. To write the check in place, use one of the kinds: \
         `run`, `check`, `schema`, `files`, `changed`, `approve`.",
    ),
    fault(
        "E0204",
        "no workflow has that name",
        "A step's or a command's `workflow:` names a workflow that is in none of the folders.",
    ),
    fault(
        "E0205",
        "a workflow or a gate contains itself",
        "A called workflow is put in place of the call when the plan is made, so a workflow that calls itself, directly \
         or through others, would never end. Repeat with `loop:` or `each:` instead.",
    ),
    fault(
        "E0206",
        "the workflow is too large",
        "Bounds: 20,000 steps with all called workflows in place, 16 calls inside each other, 64 containers inside each \
         other. A fan-out (`each:`) counts its children once, however many items it has.",
    ),
    fault(
        "E0207",
        "a name is taken",
        "Siblings have different ids; an `as:` differs from the ids beside its children; the words `inputs env models \
         this item index iteration result loop` and those of the expression language (`and or not in is if else true \
         false none null`) are nobody's id.",
    ),
    fault(
        "E0208",
        "`needs` names no sibling",
        "`needs:` takes ids of steps in the same list. A step deeper or further out is waited for by reading it, by \
         `needs` on the container, or by the container's own id.",
    ),
    fault(
        "E0209",
        "a text reads a name that does not exist",
        "Scope is lexical: a text sees the steps beside its own, those beside its containers, the items and iterations \
         around it, and `inputs`. Steps inside a container are read through it: `quality.review.issues`.",
    ),
    fault("E0210", "a text reads an input that is not declared", "`inputs.NAME` must stand under `inputs:`."),
    fault(
        "E0211",
        "a text reads a field that the value does not have",
        "`step.field` is a field of that step's `output:`; the envelope is `step.result.X` with `status summary \
         files_changed tests_passing next_steps attempts text`. A step inside a container is `container.step`. As a \
         warning: the step declares no `output:`, so nothing promises the field.",
    ),
    fault(
        "E0212",
        "a step cannot be read from there",
        "A step cannot read itself or the container it stands in, and the steps of an `each` cannot be read one by one \
         from outside: there is one for each item, and the `each` itself is the list of them.",
    ),
    fault(
        "E0213",
        "a word means nothing in that place",
        "`this` belongs to gates, `result` alone to `summary:`, `item` and `index` to the steps of an `each`, `iteration` \
         to those of a `loop`. The environment is not read by texts: declare an input.",
    ),
    fault(
        "E0214",
        "a text or expression does not parse",
        "Bare expressions stand in `when until each check expect`; everywhere else values stand in `{{ }}`. Filters and \
         tests are those of Jinja that read nothing outside; values have no methods.",
    ),
    fault(
        "E0215",
        "steps wait for each other",
        "Each step of a `steps:` list needs the one above it unless it has `needs:`, and reading another step's value \
         needs that step. Here the edges form a circle; the message names each edge, its kind and its line. Move a step, \
         remove a reference, or write `needs:` to replace the implied edge.",
    ),
    fault(
        "E0216",
        "a join can never be met",
        "`join: { at_least: n }` asks for at least 1 and at most as many steps as the step needs; `join: any` asks for at \
         least one need.",
    ),
    fault(
        "E0217",
        "a value may not exist yet",
        "With `join: any` or `at_least` a step starts before all its needs are done, so a text may read their values only \
         behind `is defined` or `default(…)`.",
    ),
    fault(
        "E0218",
        "a step can never run",
        "Its `when:` is false as written, or it needs a step that always ends the run.",
    ),
    fault(
        "E0219",
        "agents may write the same files at once",
        "Agents that can write and may run at the same time in the shared workspace must declare `files:` that do not \
         overlap. Agents with read-only tools and `run:` steps are free. For an `each` with more than one item at a time \
         each path must hold a `{{ }}` of the item, so that every item has its own.",
    ),
    fault(
        "E0220",
        "a session cannot be shared",
        "`context: share:S` goes on with the session of an agent step that is finished. One session has one user at a \
         time: two steps that share it must be ordered, and an `each` that shares a session from outside it needs \
         `max_parallel: 1`.",
    ),
    fault("E0221", "an `each` runs over something that is no list", "`each:` is an expression whose value is a list."),
    fault(
        "E0222",
        "`on_gate_fail` without a gate",
        "`on_gate_fail:` says what a failed gate leads to; a step without `gate:` has none.",
    ),
    fault("E0223", "a text is empty", "A prompt, a question or a command that says nothing does nothing."),
    fault(
        "E0224",
        "a key means nothing on that step",
        "No key is accepted and ignored. Some belong to agents (`tools context context_budget skills`), some to agents \
         and commands (`env retry idle_timeout recovery`), `args` to commands, `key` to `each`, `on_failure` to \
         containers.",
    ),
    fault(
        "E0225",
        "a called workflow gets the wrong inputs",
        "`with:` on a `workflow:` step gives the called workflow's inputs: only declared ones, all that are required, each \
         of its type.",
    ),
    fault(
        "E0226",
        "an output schema cannot be used",
        "The output of a step is a mapping with named fields. Their names match `[a-z][a-z0-9_]{0,62}`, and none is \
         called `result`, because `step.result` is the envelope.",
    ),
    fault(
        "E0227",
        "a default does not fit its schema",
        "An input's `default:` must be a value that the input accepts.",
    ),
    fault(
        "E0228",
        "a number is out of range",
        "Counts such as `max`, `max_items`, `max_parallel` and `tries` are bounded.",
    ),
    fault(
        "E0229",
        "a part of a called workflow does not apply",
        "A run has one budget and one set of limits, those of the workflow that was started; a called workflow's own do \
         not apply. The same holds for a model tier that both define: the caller's is used.",
    ),
    fault(
        "E0230",
        "a name is close to a model tier",
        "`model:` takes a tier of `models:` or the name of a model, which is passed on as it is. This one is neither a \
         tier nor far enough from one to be no slip.",
    ),
    fault(
        "E0231",
        "the arguments of a command are ambiguous",
        "In commands for Claude Code `$0` is the first word and `$1` the second; other tools count from 1. This text \
         uses `$1` but never `$0`.",
    ),
];
