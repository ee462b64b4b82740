//! Codes of the family `E01xx`: faults in definition files. All are found before anything runs.

use crate::base::codes::table::codes;

codes! {
    UNREADABLE "E0101" "a definition file cannot be read"
        "The file is there, but the system refused to hand it over, or it is not a plain file.\n\
         Fix: check its permissions, or move it out of the definition folders.";
    TOO_LARGE "E0102" "a definition file is too large"
        "A definition may have 1 MB. The limit keeps a damaged or hostile file from filling the memory.\n\
         Fix: move long texts to files of their own (`prompt_file:`), or split the workflow and call its parts with `workflow:`.";
    NOT_TEXT "E0103" "a definition file is not UTF-8 text"
        "Definitions are UTF-8 text without NUL characters. UTF-16 files and binary files are refused.\n\
         Fix: save the file as UTF-8. `iconv -f UTF-16 -t UTF-8 old > new` converts one.";
    YAML_SYNTAX "E0104" "the YAML cannot be read"
        "The file breaks a rule of YAML, so what follows the marked place has no sure meaning.\n\
         The usual causes: a value with `: ` or a leading `{{`, `@`, `` ` ``, `*` or `&` that needs quotes; tabs; a quote that is not closed.\n\
         Wrong: prompt: {{ inputs.idea }}\nRight: prompt: \"{{ inputs.idea }}\"";
    YAML_LIMIT "E0105" "the YAML is beyond a limit"
        "Nesting may be 32 deep; a file holds one document with 400,000 values, 256 anchors, 4,096 aliases and 1,024 merge keys.\n\
         Aliases count with all they stand for, so a few lines cannot grow without bound.\n\
         Fix: split the definition, or write the repeated part once and call it with `workflow:`.";
    DUPLICATE_KEY "E0106" "a key is written twice"
        "In one mapping each key stands once. If both were taken, one of them would be lost without a word.\n\
         Fix: keep one of them.";
    TEMPLATE_IN_RUN "E0107" "`run:` may not contain `{{ }}`"
        "A value that is pasted into a shell script can change what the script does. Values arrive as environment variables instead.\n\
         Wrong: run: git tag {{ inputs.version }}\n\
         Right: run: git tag \"$ORCH_INPUT_VERSION\"\n\
         Other values: declare them in `env:` (`env: { TITLE: \"{{ design.title }}\" }`, then \"$TITLE\") or in `args:`.";
    YAML_TAG "E0108" "a YAML tag is refused"
        "Tags such as `!!python/object` ask a reader to build special values. `orch` knows `!!str` only.\n\
         Fix: remove the tag, or quote the value to make it a text.";
    UNKNOWN_KEY "E0109" "a key is not known here"
        "No key is ever ignored: a misspelled `timeout` must not mean `no timeout`.\n\
         Fix: take the suggestion, or one of the keys that the help lists.";
    WRONG_TYPE "E0110" "a value has the wrong shape"
        "The key wants another kind of value: a text, a number, a list, a mapping.\n\
         Fix: the help shows the form that is expected.";
    BAD_VALUE "E0111" "a value is not one of those allowed"
        "The value has the right shape, but is not in the list or the range that the key takes.\n\
         Fix: take one of the values in the help.";
    MISSING_KEY "E0112" "a key is missing"
        "Something cannot work without this key, and there is no sensible default.\n\
         Fix: add the key; the help shows an example.";
    KIND "E0113" "a step does not do exactly one thing"
        "A step has one kind key: agent (with prompt or prompt_file), run, approve, ask, wait, emit, stop, parallel, each, loop, workflow or plan.\n\
         Fix: split the step in two, or add the key that says what it does.";
    MISPLACED_KEY "E0114" "a key means nothing on this kind of step"
        "The key exists, but a step of this kind cannot use it. Accepting it would be a promise that nobody keeps.\n\
         Fix: move it to the step that it is meant for, or remove it.";
    BAD_ID "E0115" "a name has characters that names cannot have"
        "Ids of steps, inputs, output fields and `as` are words in expressions: a lower-case letter, then letters, digits and `_`, 63 at most.\n\
         A hyphen would be read as minus. Wrong: code-review. Right: code_review.";
    RESERVED_NAME "E0116" "a name is reserved"
        "inputs env models this item index iteration result loop have a meaning of their own in expressions.\n\
         Fix: take another name.";
    DUPLICATE_NAME "E0117" "a name is used twice"
        "Two steps of one list with the same id could not be told apart in expressions, logs and commands.\n\
         Fix: rename one of them.";
    BAD_SCHEMA "E0118" "a short schema cannot be read"
        "Types are string, integer, number, boolean, any, [T], { field: T } and `a | b`; \"field?\" is a field that may be absent.\n\
         Example: output: { clean: boolean, issues: [string], \"note?\": string }";
    OUTPUT_NOT_OBJECT "E0119" "an output is not an object"
        "`step.field` names a field, so the output of a step has fields at the top.\n\
         Wrong: output: [string]\nRight: output: { items: [string] }";
    FIELD_RESULT "E0120" "an output field is called `result`"
        "`step.result` is the envelope of the step (status, summary, files_changed, …), so no field can have that name.\n\
         Fix: rename the field.";
    BRACES_IN_EXPRESSION "E0121" "a bare expression contains `{{ }}`"
        "`when`, `until`, `each`, `check` and `expect` are expressions already; braces belong into texts.\n\
         Wrong: when: \"{{ review.clean }}\"\nRight: when: review.clean";
    BAD_QUANTITY "E0122" "a duration or a count cannot be read"
        "Durations have a unit: 500ms, 30s, 10m, 2h, 1d, 1h30m. Counts are whole numbers, with k for a thousand and M for a million.\n\
         Wrong: timeout: 30\nRight: timeout: 30s";
    FILE_MISSING "E0123" "a file that a definition names cannot be read"
        "Paths in a definition start at the folder of the definition. The file is not there, cannot be read, or is not text.\n\
         Fix: correct the path, or create the file.";
    FILE_OUTSIDE "E0124" "a path leaves the project"
        "A definition may read files below its own folder only: no `..`, no absolute path, no link that leads out of the project.\n\
         Fix: move the file into the project and name it from the folder of the definition.";
    UNSUPPORTED "E0125" "not supported in this version"
        "The key is part of the language, was read and checked, but this version cannot do it yet. It is an error so that nothing is ignored.\n\
         Fix: the help says what to use instead today.";
    MERGE_MISSING "E0126" "isolated items write, but nothing says how to merge"
        "With `workspace: worktree` every item works in a copy of its own. Without `merge:` their work would be lost.\n\
         Fix: declare `merge: { order: as_finished }` on the same step.";
    HEADING "E0127" "the attributes of a heading cannot be read"
        "In a literate workflow `## Title {#id agent=name needs=a,b}` makes a step. Attributes are words without spaces.\n\
         Fix: close the brace at the end of the heading; put values with spaces into a fenced `step` block below it.";
    FRONTMATTER_OPEN "E0128" "the frontmatter is not closed"
        "A Markdown definition that starts with `---` needs a second line that is exactly `---`.\n\
         Fix: add the line below the last key.";
    FRONTMATTER_MISSING "E0129" "a Markdown definition has no frontmatter"
        "Agents and skills say their name and what they are for between two `---` lines at the top of the file.\n\
         Fix: add them. A file that is only a document is called README.md.";
    SAME_NAME "E0130" "two files of one place define the same name"
        "Within one scope the first file by path wins; the other one is never used.\n\
         Fix: rename one of them.";
    LINK_LOOP "E0131" "a link leads back to a folder that was read already"
        "Links are followed once. A second visit would read the same files again, or never end.\n\
         Fix: remove the link.";
    TOO_MANY_STEPS "E0132" "a definition has too many steps"
        "A definition may have 20,000 steps.\n\
         Fix: use `each:` for work that repeats, or split the workflow and call its parts with `workflow:`.";
    CONFLICT "E0133" "two keys contradict each other"
        "Both keys answer the same question, or one needs the other.\n\
         Fix: keep the one that you mean.";
    TOO_MANY_FAULTS "E0134" "a file has more faults than are shown"
        "The first hundred faults of a file are shown.\n\
         Fix: mend those and check again.";
    TOO_MANY_FILES "E0135" "a folder has too many definition files"
        "At most 20,000 files are read from one definition folder.\n\
         Fix: move what is no definition out of it.";
    ENCODING "E0140" "the bytes of a file are not plain UTF-8 text"
        "Agents, skills and commands of other tools are read all the same: UTF-16 is decoded, bytes that are no text become \u{fffd}, NUL characters are left out.\n\
         Other tools do not do this, so the file may be missing there.\n\
         Fix: save the file as UTF-8.";
    FRONTMATTER_OPENER "E0141" "the frontmatter does not start as it should"
        "Frontmatter starts with a line `---` that is the first line of the file. Here something stands before it or in it: blank lines, a comment, a code fence, spaces, other characters.\n\
         `orch` reads the keys all the same. Claude Code takes the whole file for text.\n\
         Fix: make `---` the first line.";
    FRONTMATTER_CLOSER "E0142" "the frontmatter does not end as it should"
        "Frontmatter ends with a line that is exactly `---`. Here the line has more in it, is another one, or is missing, so its end was guessed.\n\
         Fix: write a line `---` below the last key.";
    DASHES_INSIDE "E0143" "`---` inside the frontmatter"
        "Claude Code ends the frontmatter at the first `---`, wherever it stands, and takes the rest for text. `orch` goes on to the line that is exactly `---`.\n\
         Fix: write other characters, such as `--` or `===`.";
    REPAIRED "E0144" "the frontmatter is not YAML and was repaired"
        "A value breaks a rule of YAML, mostly with `: `, a quote inside quotes, or lines that are not indented. `orch` reads it as the text that its author most likely meant. Some tools do the same, others skip the file without a word.\n\
         Wrong: description: Use when: tests fail\nRight: description: 'Use when: tests fail'";
    NO_KEYS "E0145" "the frontmatter holds no keys"
        "Between the two `---` lines stand `key: value` lines. Here something else stands there, so the whole file was taken for text.\n\
         Fix: write `name: …` and `description: …`, one key a line, or start the file with another line than `---`.";
    KEY_SPELLING "E0146" "a key is spelled in another way"
        "`orch` takes a key also with capitals and with `_` or `-` between its words. Most tools want it as it is documented and ignore it otherwise.\n\
         Fix: write it as the message says.";
    NEAR_KEY "E0147" "an unknown key looks like a known one"
        "The key is kept, but nothing reads it. It differs from a known key by a letter or two.\n\
         Fix: take the suggestion if that is what you meant.";
    COERCED "E0148" "a value has another type than its key wants"
        "A number, a list or a mapping stands where a text is wanted, or a word where `true` or `false` is wanted. `orch` reads it as that. Other tools may skip the key or the file.\n\
         Fix: write the value in the form that the message shows.";
    VALUE_IGNORED "E0149" "a value cannot be read and is left out"
        "The value of one key has no meaning for `orch`. The key counts as absent, the rest of the file is used.\n\
         Fix: the message says what the key takes.";
    NAME_ASSUMED "E0150" "a definition does not say its name"
        "The name was taken from another key or from the path. Claude Code does not load an agent without `name`, Codex no skill.\n\
         Fix: write `name: …` into the frontmatter.";
    NAME_FORM "E0151" "other tools reject this name"
        "`orch` takes any text as a name. Claude Code rejects agents with `:` in the name or `-` at its start; the open standard for skills wants lower-case letters, digits and single `-`, 64 at most, and the name of the folder.\n\
         Fix: choose such a name if other tools are to read the file.";
    DESCRIPTION_ASSUMED "E0152" "a definition does not say what it is for"
        "There is no `description`, so it was taken from another key or from the start of the text. Claude Code does not load an agent without one.\n\
         Fix: write `description: …`: when to use it, in a sentence.";
    LITERAL_NEWLINE "E0153" "a description with `\\n` written out"
        "The two characters `\\n` stand for a new line in a description, in `orch` as in Claude Code. Other tools show them as they are.\n\
         Fix: write the description as a block: `description: |`, the lines below it, indented.";
    NO_TOOLS "E0154" "an empty list of tools"
        "An empty `tools` means that no tool may be used. Claude Code runs the agent in the same way, although it lists it with all tools.\n\
         Fix: name the tools, or remove the key to allow all.";
    TOOL_UNKNOWN "E0155" "tools that `orch` does not know"
        "The names are kept and passed on as they are. A misspelled tool is not there when the agent runs.\n\
         Fix: correct the names, or ignore this if the tools come from a server or another program.";
    TOOLS_KEY "E0156" "the tools of an agent stand under another key"
        "Agents list their tools under `tools`; `allowed-tools` belongs to skills and commands. Claude Code ignores it here and gives the agent all tools.\n\
         Fix: rename the key to `tools`.";
    TEXT_ASSUMED "E0157" "a value with a meaning of its own was read as text"
        "A value that starts with `!` is a tag in YAML, and one that starts with `{{` is a mapping. Neither makes sense here, so the text was taken as it stands.\n\
         Wrong: description: {{TEMPLATE}}\nRight: description: '{{TEMPLATE}}'";
    ODD_PLACE "E0170" "a file stands where its home tool does not look"
        "Examples: `skills/group/x/SKILL.md`, `skill.md`, `skills/x.md`, `agents/x.markdown`. `orch` reads the file as if it stood in its proper place.\n\
         Fix: move or rename it where that tool is to use it too.";
    TOML_SYNTAX "E0171" "the TOML cannot be read"
        "Commands of Gemini CLI and agents of Codex are TOML. The file breaks a rule of it, so it is not used.\n\
         Fix: correct the marked place. Long texts stand between lines of `'''`, where nothing needs an escape.";
    TOML_ESCAPE "E0172" "a backslash begins no escape"
        "In TOML a text in `\"` knows a few escapes only, and one that it does not know makes the whole file unreadable. `orch` takes such texts as they stand.\n\
         Wrong: prompt = \"find \\d+\"\nRight: prompt = 'find \\d+'";
    MANIFEST "E0173" "a manifest cannot be read"
        "`plugin.json`, `marketplace.json` and the like are JSON objects; comments and trailing commas are fine. Without it the folder is read by its usual names.\n\
         Fix: correct the marked place.";
    LIBRARY_CHANGED "E0174" "an added folder is not what was added"
        "`library.lock` pins what `orch add` took in by the digest of all its files. A file of it was changed, added or removed since.\n\
         Fix: `orch update NAME` shows what differs and takes it anew; own versions belong into the project's own folders, which come first.";
    LIBRARY_UNPINNED "E0175" "an added folder has no entry in the lock file"
        "Folders in `.orch/library/` are made by `orch add`, which writes down where they came from.\n\
         Fix: add it with `orch add SOURCE --name NAME`, or move it out of `library/`.";
    LIBRARY_MISSING "E0176" "an added folder is not there"
        "`library.lock` has an entry, and `library/` has no folder for it: it was deleted, or not put under version control.\n\
         Fix: `orch update NAME` takes it anew, `orch remove NAME` forgets it.";
    LIBRARY_LOCK "E0177" "the lock file of the library cannot be read"
        "`library.lock` says where added folders came from. Without it they are used, and nothing can be said about them.\n\
         Fix: take the file from your version control, or add the repositories again.";
    LINT_EMPTY "E0180" "a definition without text"
        "The file has a name and a description, and below them no sentence. An agent that runs with it gets no order at all. Found by `orch check --lint`.\n\
         Fix: write what is to be done, how, and what comes out; or remove the file.";
    LINT_OUTPUT "E0181" "a text that does not say what comes out"
        "No word of the text asks for an output. Each run then answers in another form, and what follows cannot rely on it. Found by `orch check --lint`.\n\
         Fix: add a section `## Output`: what the answer holds, in which form, and what it leaves out.";
    LINT_WHEN "E0182" "a description that does not say when to use it"
        "Agents and skills are chosen by their descriptions. This one says what it is, but not for which work. Found by `orch check --lint`.\n\
         Wrong: description: Rust expert\nRight: description: Rust expert. Use when a step changes Rust code.";
    LINT_REFERENCE "E0183" "a text names an agent or a skill that is not there"
        "The text sends its reader to a name in backticks that nobody has here, for example because the file was copied alone. Found by `orch check --lint`.\n\
         Fix: add the agent or the skill (`orch add`), or name one that `orch list` shows.";
    LINT_PLACEHOLDER "E0184" "a placeholder that nothing fills"
        "`{{ x }}`, `<YOUR …>`, `[INSERT …]` or a line that puts its words off stands in the text outside of code. Nobody puts anything in its place. Found by `orch check --lint`.\n\
         Fix: write what belongs there, or put it between backticks if it is an example.";
    LINT_LONG "E0185" "a text that is very long"
        "The whole text goes into every prompt. Beyond 500 lines it costs much, and parts of it are overlooked. Found by `orch check --lint`.\n\
         Fix: move details into files beside it, and say when to read which one.";
    LINT_TOOLS "E0186" "a text orders what the tools do not allow"
        "The text says to write a file, and none of the tools of the agent can write. The order fails in every run. Found by `orch check --lint`.\n\
         Fix: add `Write` to `tools:`, or ask for the text in the answer.";
    LINT_SAME "E0187" "two definitions have the same description"
        "Who chooses by description cannot tell them apart, so either may be taken. Found by `orch check --lint`.\n\
         Fix: say in each what the other one is not for, or remove one of them.";
    LINT_TRIFECTA "E0188" "a step reads untrusted text and may do two of: write, speak to the network, use a secret"
        "Text that a command fetches, or that an agent reads on the web, can hold orders. An agent that obeys them and has two of three (it may \
         change files, it may speak to the network, it holds a secret) can be told to take something out or to put something in. Found by \
         `orch check --lint`.\n\
         Fix: let one step read with `tools: [Read]` and give values by `output:`, and another one write.";
    SECRET_SOURCE "E0189" "a secret without one source"
        "A secret of `secrets:` is a name and the one place where its value is: a variable of the environment that `orch` is started in, a \
         file that nobody else may read, or a program that prints it. The value itself never stands in a definition.\n\
         Wrong: secrets: { npm_token: npm_abc123 }\nRight: secrets: { npm_token: { env: NPM_TOKEN } }";
    UNKNOWN_SECRET "E0190" "a step names a secret that is not declared"
        "`secrets:` of a step takes names of `secrets:` at the top of the same file. A called workflow declares its own.\n\
         Fix: declare it, `secrets: { npm_token: { env: NPM_TOKEN } }`, or correct the name.";
    SECRET_FOR_AGENT "E0191" "an agent would get a secret"
        "A secret of an agent's step stands in the environment of its program. Its model can read it there, send it to its service and be \
         talked into using it.\n\
         Fix: let a `run:` step do what needs the secret. Where the agent itself must have it: `expose_to_model: true` in the declaration.";
    SECRET_VARIABLE "E0192" "a variable cannot hold a secret"
        "A step finds a secret in a variable: `secrets: [npm_token]` sets `$NPM_TOKEN`, `secrets: { NODE_AUTH_TOKEN: npm_token }` another \
         one. Each variable has one value, and those that begin with `ORCH_` are set by `orch`.\n\
         Fix: take another name for the variable.";
}
