//! The keys of the workflow language: one table a place, read by the loader and by `orch schema` alike.
//!
//! A key that is not in its table is an error, and a key in a table that no reader asks for is one too, so nothing is
//! ever accepted and ignored. `schema` is the JSON Schema of the value, in JSON.

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    /// Its name.
    pub name: &'static str,
    /// JSON Schema of its value.
    pub schema: &'static str,
    /// One line for editors.
    pub doc: &'static str,
}

/// The keys of one place.
#[derive(Debug)]
pub(super) struct Table {
    /// The place, for messages: "a step", "`retry:`".
    pub what: &'static str,
    /// Its name among the definitions of the JSON Schema.
    pub name: &'static str,
    /// The keys.
    pub keys: &'static [Key],
    /// Keys that must be there.
    pub required: &'static [&'static str],
}

macro_rules! table {
    ($(#[$doc:meta])* $id:ident $name:literal $what:literal [$($required:literal)*] { $($key:literal $schema:literal $text:literal;)* }) => {
        $(#[$doc])*
        pub(super) static $id: Table = Table {
            what: $what,
            name: $name,
            keys: &[$(Key { name: $key, schema: $schema, doc: $text },)*],
            required: &[$($required),*],
        };
    };
}

pub(super) use table;

table! {
    /// The document.
    WORKFLOW "workflow" "a workflow" ["steps"] {
        "$schema" r#"{"type":"string"}"# "Where an editor finds this schema";
        "name" r##"{"$ref":"#/definitions/name"}"## "The name; the file's name where absent";
        "description" r#"{"type":"string"}"# "One line for lists";
        "inputs" r##"{"type":"object","propertyNames":{"$ref":"#/definitions/id"},"additionalProperties":{"anyOf":[{"$ref":"#/definitions/type_text"},{"$ref":"#/definitions/input"}]}}"## "What a run is given";
        "models" r#"{"type":"object","additionalProperties":{"type":"object","additionalProperties":{"anyOf":[{"type":"string"},{"type":"array","minItems":1,"items":{"type":"string"}}]}}}"# "Tiers: runtime (or any) to a model, or to several that are tried one after the other";
        "budget" r##"{"$ref":"#/definitions/budget"}"## "What a run may spend";
        "limits" r##"{"$ref":"#/definitions/limits"}"## "How much may run at once";
        "on_failure" r##"{"$ref":"#/definitions/on_failure"}"## "What a failure does to the steps beside it";
        "secrets" r##"{"type":"object","propertyNames":{"$ref":"#/definitions/id"},"additionalProperties":{"$ref":"#/definitions/secret"}}"## "Where values are that nobody may read; steps name them";
        "steps" r##"{"$ref":"#/definitions/steps"}"## "The steps, in order";
        "outputs" r##"{"type":"object","propertyNames":{"$ref":"#/definitions/id"}}"## "What the run returns";
    }
}

table! {
    /// One secret: one of `env`, `file` and `command`.
    SECRET "secret" "a secret" [] {
        "env" r#"{"type":"string"}"# "The variable of the environment that holds the value";
        "file" r#"{"type":"string"}"# "The file that holds it, which nobody else may read";
        "command" r#"{"type":"array","minItems":1,"items":{"type":"string"}}"# "A program that prints it, with its arguments";
        "expose_to_model" r#"{"type":"boolean"}"# "Whether agents may get it, and so their models";
    }
}

table! {
    /// One input.
    INPUT "input" "an input" [] {
        "type" r##"{"$ref":"#/definitions/short_type"}"## "A type of the short schema";
        "required" r#"{"type":"boolean"}"# "Whether a run must give it";
        "positional" r#"{"type":"boolean"}"# "Whether it takes the words after the name";
        "default" r#"{}"# "The value where a run gives none";
        "enum" r#"{"type":"array","minItems":1}"# "The values it may have";
        "description" r#"{"type":"string"}"# "One line of help";
    }
}

table! {
    /// The budget.
    BUDGET "budget" "`budget:`" [] {
        "usd" r#"{"type":"number","exclusiveMinimum":0}"# "US dollars";
        "tokens" r##"{"$ref":"#/definitions/count"}"## "Tokens, input and output together";
        "time" r##"{"$ref":"#/definitions/duration"}"## "Wall time";
        "agents" r##"{"$ref":"#/definitions/count"}"## "Starts of agents";
        "on_limit" r#"{"enum":["pause","stop"]}"# "What happens at the limit";
    }
}

table! {
    /// The limits.
    LIMITS "limits" "`limits:`" [] {
        "parallel" r#"{"type":"integer","minimum":1,"maximum":1000}"# "Attempts at once in the whole run";
        "per_runtime" r#"{"type":"object","additionalProperties":{"type":"integer","minimum":1,"maximum":1000}}"# "Attempts at once on one runtime";
    }
}

table! {
    /// A step, of any kind.
    STEP "step" "a step" [] {
        "id" r##"{"$ref":"#/definitions/id"}"## "The id; made from the kind where absent";
        "agent" r#"{"type":"string"}"# "The agent that works";
        "prompt" r#"{"type":"string"}"# "What the agent is told";
        "prompt_file" r#"{"type":"string"}"# "A file with the prompt, from the folder of this file";
        "run" r##"{"$ref":"#/definitions/command"}"## "A command: a text for the shell, or a list of words";
        "approve" r#"{"type":"string"}"# "A question that a person answers with yes or no";
        "ask" r#"{"type":"string"}"# "A form for a person; the fields stand in output";
        "wait" r##"{"anyOf":[{"$ref":"#/definitions/duration"},{"$ref":"#/definitions/wait"}]}"## "A time, or a signal";
        "emit" r##"{"$ref":"#/definitions/id"}"## "A signal that is sent";
        "checkpoint" r##"{"$ref":"#/definitions/id"}"## "The name under which the files are kept as they are now";
        "stop" r##"{"anyOf":[{"type":"string"},{"$ref":"#/definitions/stop"}]}"## "Ends the run";
        "parallel" r##"{"$ref":"#/definitions/steps"}"## "Steps that start at once";
        "each" r#"{"type":"string"}"# "An expression that gives a list; the steps run for each item";
        "loop" r##"{"$ref":"#/definitions/loop"}"## "The steps run until a condition holds";
        "workflow" r#"{"type":"string"}"# "Another workflow that runs here";
        "plan" r##"{"anyOf":[{"type":"string"},{"$ref":"#/definitions/plan"}],"x-unsupported":true}"## "An agent decomposes the work into tasks";
        "steps" r##"{"$ref":"#/definitions/steps"}"## "The steps inside each or loop";
        "as" r##"{"$ref":"#/definitions/id"}"## "The item's name inside each";
        "key" r#"{"type":"string"}"# "A text that names each item of each";
        "max_parallel" r#"{"type":"integer","minimum":1,"maximum":1000}"# "Children or items at once";
        "max_items" r#"{"type":"integer","minimum":1,"maximum":20000}"# "Items at most";
        "batch" r#"{"type":"integer","minimum":1,"maximum":100}"# "Items that go into one session of their agent, one after the other";
        "args" r#"{"type":"array","items":{"type":["string","number","boolean"]}}"# "More words for the command, with {{ }}";
        "with" r##"{"type":"object","propertyNames":{"$ref":"#/definitions/id"}}"## "Values for a workflow, a prompt or a form";
        "files" r##"{"$ref":"#/definitions/texts"}"## "Paths or globs that the step writes";
        "files_from" r#"{"enum":["answer"]}"# "answer: code blocks with a path in the agent's answer become files";
        "needs" r##"{"$ref":"#/definitions/ids"}"## "Replaces the edge from the step above";
        "join" r##"{"anyOf":[{"enum":["all","any"]},{"$ref":"#/definitions/join"}]}"## "How many of the needs must be there";
        "when" r#"{"type":["string","boolean","number"]}"# "An expression; the step runs only if it is true";
        "gate" r##"{"$ref":"#/definitions/gates"}"## "Checks that must pass before anything downstream";
        "on_gate_fail" r##"{"$ref":"#/definitions/on_gate_fail"}"## "What a failed gate leads to";
        "retry" r##"{"anyOf":[{"type":"integer","minimum":0,"maximum":100},{"$ref":"#/definitions/retry"}]}"## "How often a failed attempt is tried again";
        "timeout" r##"{"$ref":"#/definitions/duration"}"## "The longest an attempt may take";
        "idle_timeout" r##"{"$ref":"#/definitions/duration"}"## "The longest an attempt may be silent";
        "recovery" r##"{"anyOf":[{"enum":["retry","idempotent","manual"]},{"$ref":"#/definitions/recovery"}]}"## "What to do with an attempt whose outcome is unknown";
        "optional" r#"{"type":"boolean"}"# "Whether the run may go on when it fails";
        "on_failure" r##"{"$ref":"#/definitions/on_failure"}"## "What a failed child does to the others";
        "model" r#"{"type":"string"}"# "A model or a tier";
        "runtime" r#"{"type":"string"}"# "The runtime";
        "tools" r##"{"$ref":"#/definitions/texts"}"## "Tools that the agent may use";
        "permissions" r##"{"$ref":"#/definitions/permissions"}"## "Rules that narrow what the tools give: Bash(git push:*), Edit(src/**)";
        "danger" r#"{"type":"boolean"}"# "Everything, with no question asked; needs --allow-danger or the user's own settings";
        "sandbox" r##"{"anyOf":[{"enum":["off","read-only","workspace-write","container"]},{"$ref":"#/definitions/sandbox"}]}"## "How far the step's programs are confined";
        "context" r#"{"type":"string","pattern":"^(fresh|(fork|share):[a-z][a-z0-9_]{0,62})$"}"# "fresh, fork:STEP or share:STEP";
        "context_budget" r##"{"$ref":"#/definitions/count"}"## "Tokens of context";
        "skills" r##"{"$ref":"#/definitions/texts"}"## "Skills to load";
        "workspace" r#"{"enum":["shared","worktree","scratch"]}"# "Where the step works: in the project, in a worktree of its own, in an empty folder";
        "merge" r##"{"$ref":"#/definitions/merge"}"## "How what is done in a worktree comes back";
        "output" r##"{"$ref":"#/definitions/output"}"## "A short schema, a full schema or a file with one";
        "cache" r##"{"anyOf":[{"type":"boolean"},{"$ref":"#/definitions/cache"}]}"## "Whether the same work of an earlier run may be taken instead of being done";
        "env" r#"{"type":"object","propertyNames":{"pattern":"^[A-Za-z_][A-Za-z0-9_]*$"},"additionalProperties":{"type":["string","number","boolean"]}}"# "Environment of a command or an agent";
        "secrets" r##"{"anyOf":[{"$ref":"#/definitions/texts"},{"type":"object","propertyNames":{"pattern":"^[A-Za-z_][A-Za-z0-9_]*$"},"additionalProperties":{"$ref":"#/definitions/id"}}]}"## "Secrets that the attempt gets in its environment: names, or variables with names";
        "summary" r#"{"type":"string"}"# "A text that replaces the attempt's own summary";
    }
}

table! {
    /// The value of `loop:`.
    LOOP "loop" "`loop:`" ["max"] {
        "max" r#"{"type":"integer","minimum":1,"maximum":1000}"# "Iterations at most";
        "until" r#"{"type":"string"}"# "An expression; the loop ends when it is true";
        "on_max" r#"{"enum":["fail","continue"]}"# "What the last iteration without success means";
    }
}

table! {
    /// The long form of `wait:`.
    WAIT "wait" "`wait:`" [] {
        "for" r##"{"$ref":"#/definitions/duration"}"## "A time";
        "signal" r##"{"$ref":"#/definitions/id"}"## "A signal of this run";
    }
}

table! {
    /// The long form of `stop:`.
    STOP "stop" "`stop:`" ["status" "text"] {
        "status" r#"{"enum":["succeeded","failed"]}"# "How the run ends";
        "text" r#"{"type":"string"}"# "Why";
    }
}

table! {
    /// The value of `plan:`.
    PLAN "plan" "`plan:`" [] {
        "agent" r#"{"type":"string"}"# "The agent that plans";
        "prompt" r#"{"type":"string"}"# "What it is told";
        "prompt_file" r#"{"type":"string"}"# "A file with the prompt";
        "max_tasks" r#"{"type":"integer","minimum":1,"maximum":1000}"# "Tasks at most";
    }
}

table! {
    /// The long form of `join:`.
    JOIN "join" "`join:`" ["at_least"] {
        "at_least" r#"{"type":"integer","minimum":1,"maximum":20000}"# "How many of the needs must be there";
    }
}

table! {
    /// The long form of `retry:`.
    RETRY "retry" "`retry:`" ["tries"] {
        "tries" r#"{"type":"integer","minimum":0,"maximum":100}"# "Extra attempts";
        "delay" r##"{"$ref":"#/definitions/duration"}"## "The first delay; doubles each time";
        "max_delay" r##"{"$ref":"#/definitions/duration"}"## "The longest delay";
        "on" r#"{"enum":["transient","any"]}"# "Which failures are tried again";
    }
}

table! {
    /// The long form of `recovery:`.
    RECOVERY "recovery" "`recovery:`" ["reconcile"] {
        "reconcile" r#"{"type":"string"}"# "A command that says what happened: exit 0 it was done, 1 do it again";
    }
}

table! {
    /// The value of `on_gate_fail:`.
    ON_GATE_FAIL "on_gate_fail" "`on_gate_fail:`" [] {
        "feedback" r#"{"type":"boolean"}"# "Send the evidence back to the same agent session";
        "agent" r#"{"type":"string"}"# "An agent that gets the evidence instead";
        "tries" r#"{"type":"integer","minimum":0,"maximum":100}"# "Extra attempts";
        "then" r#"{"enum":["fail","ask","continue"]}"# "What happens after the last";
    }
}

table! {
    /// One item of `gate:`.
    GATE "gate" "a gate" [] {
        "run" r##"{"$ref":"#/definitions/command"}"## "A command that must exit with 0";
        "run_file" r##"{"$ref":"#/definitions/some_texts"}"## "Shell scripts from the folder of this file, which become one such command";
        "expect" r#"{"type":["string","boolean","number"]}"# "An expression over output, stdout and exit";
        "timeout" r##"{"$ref":"#/definitions/duration"}"## "The longest the command may take";
        "check" r#"{"type":["string","boolean","number"]}"# "An expression that must be true";
        "schema" r##"{"$ref":"#/definitions/output"}"## "A schema that the output must meet";
        "files" r##"{"$ref":"#/definitions/some_texts"}"## "Paths or globs that must be there";
        "changed" r##"{"$ref":"#/definitions/changed"}"## "Bounds of the change";
        "approve" r#"{"type":"string"}"# "A question that a person must agree to";
        "judge" r##"{"$ref":"#/definitions/judge"}"## "Agents that have not done the work score it against a rubric";
        "secrets" r##"{"anyOf":[{"const":true},{"$ref":"#/definitions/secrets_gate"}]}"## "No key of a known service and no known secret stands in what has changed";
    }
}

table! {
    /// The value of a gate's `changed:`.
    CHANGED "changed" "`changed:`" [] {
        "max_files" r#"{"type":"integer","minimum":0,"maximum":1000000}"# "Files changed at most";
        "allow" r##"{"$ref":"#/definitions/texts"}"## "Globs of which every changed file must match one";
        "deny" r##"{"$ref":"#/definitions/texts"}"## "Globs of which no changed file may match one";
    }
}

table! {
    /// The value of a gate's `secrets:`.
    SECRETS_GATE "secrets_gate" "`secrets:`" [] {
        "paths" r##"{"$ref":"#/definitions/some_texts"}"## "Globs of the files that are looked through; all where absent";
        "all" r#"{"type":"boolean"}"# "Whether files that have not changed are looked through as well";
        "allow" r##"{"type":"array","minItems":1,"items":{"$ref":"#/definitions/allowed_secret"}}"## "What only looks like a key";
    }
}

table! {
    /// One entry of `allow:` of a `secrets` gate.
    ALLOWED_SECRET "allowed_secret" "an entry of `allow:`" ["why"] {
        "path" r#"{"type":"string"}"# "A glob of files";
        "digest" r#"{"type":"string","pattern":"^[0-9a-f]{12,64}$"}"# "The digest of one key, as the gate has shown it";
        "why" r#"{"type":"string","minLength":1}"# "Why it is no secret";
    }
}

table! {
    /// The value of a gate's `judge:`.
    JUDGE "judge" "`judge:`" ["rubric"] {
        "rubric" r#"{"type":"string","minLength":1}"# "The rubric, or a file with it: one word that ends with .md or .txt, from the folder of this file";
        "min" r#"{"type":"number","minimum":0,"maximum":1}"# "The lowest score that passes; 0.7 where absent";
        "judges" r#"{"type":"integer","minimum":1,"maximum":9}"# "How many judge, each in a session of its own; the middle score counts";
        "agent" r#"{"type":"string"}"# "The agent that judges, with those of its tools that only look";
        "model" r#"{"type":"string"}"# "The model or tier that judges";
        "runtime" r#"{"type":"string"}"# "The runtime that it judges on";
        "timeout" r##"{"$ref":"#/definitions/duration"}"## "The longest one of them may take";
    }
}

table! {
    /// The value of `merge:`.
    MERGE "merge" "`merge:`" [] {
        "order" r#"{"enum":["as_finished","as_listed"]}"# "Whose work is merged first";
        "strategy" r#"{"enum":["merge","rebase","squash"]}"# "As which commits the work is kept";
        "gate" r##"{"$ref":"#/definitions/gates"}"## "Checks of each merge, before it is taken";
        "on_conflict" r##"{"anyOf":[{"enum":["ask","fail"]},{"$ref":"#/definitions/on_conflict"}]}"## "Who resolves a conflict";
    }
}

table! {
    /// The value of `on_conflict:`.
    ON_CONFLICT "on_conflict" "`on_conflict:`" [] {
        "agent" r#"{"type":"string"}"# "The agent that resolves it";
        "tries" r#"{"type":"integer","minimum":0,"maximum":100}"# "Attempts";
        "then" r#"{"enum":["fail","ask"]}"# "What happens after the last";
    }
}

table! {
    /// The value of `permissions:`.
    PERMISSIONS "permissions" "`permissions:`" [] {
        "allow" r##"{"$ref":"#/definitions/texts"}"## "All that is allowed, of what the tools give";
        "ask" r##"{"$ref":"#/definitions/texts"}"## "What a person would be asked about: refused, because nobody is there";
        "deny" r##"{"$ref":"#/definitions/texts"}"## "What is refused, whatever else is said";
    }
}

table! {
    /// The long form of `cache:`.
    CACHE "cache" "`cache:`" [] {
        "key" r#"{"type":"string"}"# "A text that names the result";
        "ttl" r##"{"$ref":"#/definitions/duration"}"## "How long a result may be used";
    }
}

table! {
    /// The long form of `sandbox:`.
    SANDBOX "sandbox" "`sandbox:`" [] {
        "mode" r#"{"enum":["off","read-only","workspace-write","container"]}"# "How far";
        "network" r##"{"$ref":"#/definitions/texts"}"## "none, any, or a list of hosts; none for commands and any for agents where absent";
        "write" r##"{"$ref":"#/definitions/texts"}"## "Paths that may be written besides the workspace: absolute, ~/ or from the workspace";
    }
}

table! {
    /// A document of the second dialect.
    DIALECT "dialect" "a file of workflows" ["workflows"] {
        "$schema" r#"{"type":"string"}"# "Where an editor finds this schema";
        "workflows" r##"{"type":"object","minProperties":1,"additionalProperties":{"anyOf":[{"$ref":"#/definitions/tasks"},{"$ref":"#/definitions/iterations"}]}}"## "Name to workflow";
    }
}

table! {
    /// The long form of a workflow of the second dialect.
    ITERATIONS "iterations" "a workflow of tasks" ["steps"] {
        "description" r#"{"type":"string"}"# "One line for lists";
        "max_iterations" r#"{"type":"integer","minimum":1,"maximum":1000}"# "Iterations at most; makes it a loop";
        "min_suggestions_threshold" r#"{"type":"integer","minimum":1,"maximum":1000}"# "Fewer suggestions than this end the loop";
        "steps" r##"{"$ref":"#/definitions/tasks"}"## "The tasks, in order";
    }
}

table! {
    /// A step of the second dialect.
    TASK "task" "a task" ["agent" "task"] {
        "agent" r#"{"type":"string"}"# "The agent that works";
        "task" r#"{"type":"string"}"# "implement, review, refine, suggestions, or a text";
        "description" r#"{"type":"string"}"# "More words for the agent";
        "optional" r#"{"type":"boolean"}"# "Whether the run may go on when it fails";
    }
}

table! {
    /// A named gate's file.
    NAMED_GATE "named_gate" "a named gate" ["checks"] {
        "$schema" r#"{"type":"string"}"# "Where an editor finds this schema";
        "name" r##"{"$ref":"#/definitions/name"}"## "The name; the file's name where absent";
        "description" r#"{"type":"string"}"# "What it proves";
        "checks" r##"{"$ref":"#/definitions/gates"}"## "The checks, in order";
    }
}

/// All tables, in the order of the JSON Schema's definitions.
pub(super) static TABLES: &[&Table] = &[
    &INPUT,
    &SECRET,
    &BUDGET,
    &LIMITS,
    &STEP,
    &LOOP,
    &WAIT,
    &STOP,
    &PLAN,
    &JOIN,
    &RETRY,
    &RECOVERY,
    &ON_GATE_FAIL,
    &GATE,
    &CHANGED,
    &SECRETS_GATE,
    &ALLOWED_SECRET,
    &JUDGE,
    &MERGE,
    &ON_CONFLICT,
    &PERMISSIONS,
    &CACHE,
    &SANDBOX,
    &ITERATIONS,
    &TASK,
];

/// Keys that people know from elsewhere: where it stands, what they write, what to write instead.
pub(super) static FOREIGN: &[(&str, &str, &str)] = &[
    ("step", "max", "it goes inside `loop:`: `loop: { max: 3, until: … }`"),
    ("step", "until", "it goes inside `loop:`: `loop: { max: 3, until: … }`"),
    ("step", "on_max", "it goes inside `loop:`: `loop: { max: 3, on_max: continue }`"),
    ("step", "if", "use `when:`"),
    ("step", "condition", "use `when:`"),
    ("step", "unless", "use `when: not (…)`"),
    ("step", "depends_on", "use `needs:`"),
    ("step", "dependencies", "use `needs:`"),
    ("step", "after", "use `needs:`"),
    ("step", "name", "use `id:`"),
    ("step", "command", "use `run:`"),
    ("step", "cmd", "use `run:`"),
    ("step", "script", "use `run:`"),
    ("step", "shell", "use `run:`"),
    ("step", "task", "use `prompt:`"),
    ("step", "description", "use a comment (`# …`), or say it in `prompt:`"),
    ("step", "instructions", "use `prompt:`"),
    ("step", "foreach", "use `each:`"),
    ("step", "for_each", "use `each:`"),
    ("step", "matrix", "use `each:`"),
    ("step", "retries", "use `retry:`"),
    ("step", "tries", "use `retry: 3`, or `on_gate_fail: { tries: 3 }`"),
    ("step", "outputs", "use `output:`"),
    ("step", "environment", "use `env:`"),
    ("step", "inputs", "use `with:`"),
    ("step", "judge", "it goes inside `gate:`: `gate: [{ judge: … }]`"),
    ("step", "check", "it goes inside `gate:`: `gate: [{ check: … }]`"),
    ("step", "changed", "it goes inside `gate:`: `gate: [{ changed: … }]`"),
    ("step", "continue_on_error", "use `optional: true`"),
    ("step", "allow_failure", "use `optional: true`"),
    ("workflow", "jobs", "use `steps:`, a list"),
    ("workflow", "tasks", "use `steps:`, a list"),
    ("workflow", "stages", "use `steps:`, a list"),
    ("workflow", "on", "workflows are started with `orch run`; remove it"),
    ("workflow", "env", "put `env:` on the steps that need it"),
    ("workflow", "version", "definitions have no version; remove it"),
    ("workflow", "output", "use `outputs:`"),
    ("workflow", "timeout", "use `budget: { time: 2h }`, or `timeout:` on a step"),
    ("workflow", "max_parallel", "use `limits: { parallel: 4 }`"),
    ("on_gate_fail", "max", "use `tries:`"),
    ("retry", "max", "use `tries:`"),
    ("retry", "attempts", "use `tries:`, the number of extra attempts"),
    ("gate", "command", "use `run:`"),
    ("input", "values", "use `enum:`"),
];
