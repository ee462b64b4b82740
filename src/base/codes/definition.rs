//! Codes of the family `E01xx`: faults in definition files. All are found before anything runs.

use crate::base::{Code, codes::CodeInfo};

macro_rules! codes {
    ($($name:ident $code:literal $title:literal $story:literal;)*) => {
        $(#[doc = $title] pub const $name: Code = Code($code);)*

        pub(super) const CODES: &[CodeInfo] =
            &[$(CodeInfo { code: $name, title: $title, story: $story, exit: 10, retryable: false },)*];
    };
}

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
}
