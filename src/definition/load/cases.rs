//! Files of cases: `workflows/tests/NAME.yaml`. Which there are, and what stands in one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use crate::{
    base::{Diagnostic, Spanned, codes::definition as codes},
    definition::{
        cases::{Approval, ApprovalsOf, Case, CaseFile, Ends, Expect, Stands, Stub, Verdict},
        load::{
            builtin, bytes,
            faults::Faults,
            files::Folder,
            keys::{Key, Table, table},
            node::{Entry, Node},
            reader::Reader,
            shape::{Fields, wrong_type},
            yaml,
        },
    },
};

/// The folders of a project that hold cases, nearest first.
const FOLDERS: &[&str] = &["workflows/tests", ".orch/workflows/tests"];
/// Files of cases that are read at most.
const FILES_MAX: usize = 500;
/// Cases of one file.
const CASES_MAX: usize = 500;
/// Answers of one step.
const TURNS_MAX: usize = 100;

table! {
    /// A file of cases.
    CASE_FILE "cases" "a file of cases" ["cases"] {
        "$schema" "{}" "Where an editor finds this schema";
        "workflow" r##"{"$ref":"#/definitions/text"}"## "The workflow that is run";
        "command" r##"{"$ref":"#/definitions/text"}"## "The slash command that is run";
        "cases" r##"{"type":"array","minItems":1,"maxItems":500,"items":{"$ref":"#/definitions/case"}}"## "The cases";
    }
}

table! {
    /// One case.
    CASE "case" "a case" ["name" "expect"] {
        "name" r##"{"$ref":"#/definitions/text"}"## "What it shows";
        "inputs" r#"{"type":"object"}"# "The inputs of the run";
        "stubs" r##"{"type":"object","additionalProperties":{"$ref":"#/definitions/answers"}}"## "What steps and gates answer";
        "default" r##"{"$ref":"#/definitions/case_default"}"## "What steps without a stub do";
        "approvals" r##"{"anyOf":[{"$ref":"#/definitions/decision"},{"type":"array","minItems":1,"maxItems":100,"items":{"$ref":"#/definitions/approval"}},{"type":"object","additionalProperties":{"$ref":"#/definitions/approvals"}}]}"## "What a person says: to all questions, or by step";
        "expect" r##"{"$ref":"#/definitions/expect"}"## "What must come of it";
    }
}

table! {
    /// What steps without a stub do.
    DEFAULT "case_default" "`default:`" [] {
        "agents" r#"{"enum":["ok","fail"]}"# "What agents without a stub do";
        "commands" r#"{"enum":["ok","fail"]}"# "What commands without a stub do";
    }
}

table! {
    /// One answer.
    STUB "stub" "a stub" [] {
        "output" "{}" "The output of the step";
        "text" r##"{"$ref":"#/definitions/any_text"}"## "The whole answer of an agent";
        "summary" r##"{"$ref":"#/definitions/any_text"}"## "The summary of an agent";
        "writes" r##"{"type":"object","additionalProperties":{"$ref":"#/definitions/any_text"}}"## "Files that are written: path to text";
        "fail" r##"{"$ref":"#/definitions/text"}"## "Why the agent fails";
        "exit" r#"{"type":"integer","minimum":0,"maximum":255}"# "The exit code of a command";
        "stdout" r##"{"$ref":"#/definitions/any_text"}"## "What a command prints";
    }
}

table! {
    /// A push-back.
    PUSHBACK "pushback" "a push-back" ["pushback"] {
        "pushback" r##"{"anyOf":[{"$ref":"#/definitions/text"},{"type":"array","minItems":1,"maxItems":100,"items":{"$ref":"#/definitions/text"}}]}"## "The comments, as in `orch pushback --comment`";
    }
}

table! {
    /// What must come of a case.
    EXPECT "expect" "`expect:`" [] {
        "outcome" r#"{"enum":["succeeded","failed","cancelled","waiting"]}"# "How the run ends";
        "exit" r#"{"type":"integer","minimum":0,"maximum":255}"# "Its exit code";
        "steps" r#"{"type":"object","additionalProperties":{"enum":["succeeded","failed","skipped","cancelled","waiting"]}}"# "Where steps stand";
        "gates" r##"{"type":"object","additionalProperties":{"$ref":"#/definitions/verdict"}}"## "The last verdicts of gates";
        "attempts" r#"{"type":"object","additionalProperties":{"type":"integer","minimum":0,"maximum":10000}}"# "How often steps were tried";
        "outputs" r#"{"type":"object"}"# "Outputs of the run";
    }
}

/// What the tables share: name and JSON Schema.
pub(super) const CASE_FORMS: &[(&str, &str)] = &[
    ("text", r#"{"type":"string"}"#),
    ("any_text", r#"{"type":["string","number","boolean"]}"#),
    ("verdict", r#"{"enum":["pass","fail","error"]}"#),
    ("decision", r#"{"enum":["approve","reject","wait"]}"#),
    ("approval", r##"{"anyOf":[{"$ref":"#/definitions/decision"},{"$ref":"#/definitions/pushback"}]}"##),
    (
        "approvals",
        r##"{"anyOf":[{"$ref":"#/definitions/approval"},{"type":"array","minItems":1,"maxItems":100,"items":{"$ref":"#/definitions/approval"}}]}"##,
    ),
    ("answer", r##"{"anyOf":[{"$ref":"#/definitions/verdict"},{"$ref":"#/definitions/stub"}]}"##),
    (
        "answers",
        r##"{"anyOf":[{"$ref":"#/definitions/answer"},{"type":"array","minItems":1,"maxItems":100,"items":{"$ref":"#/definitions/answer"}}]}"##,
    ),
];

const VERDICTS: &[(&str, Verdict)] = &[("pass", Verdict::Pass), ("fail", Verdict::Fail), ("error", Verdict::Error)];
/// The words for what a person says; the rest is a mapping.
#[derive(Clone, Copy)]
enum Decides {
    Approve,
    Reject,
    Wait,
}

const DECIDES: &[(&str, Decides)] =
    &[("approve", Decides::Approve), ("reject", Decides::Reject), ("wait", Decides::Wait)];
const OK_OR_FAIL: &[(&str, bool)] = &[("ok", true), ("fail", false)];

/// The files of cases of a project, sorted within each folder.
#[must_use]
pub fn case_files(root: &Path) -> Vec<PathBuf> {
    FOLDERS.iter().flat_map(|folder| yaml_files(&root.join(folder))).collect()
}

/// The YAML files directly in a folder, sorted.
#[must_use]
pub fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml"))
        .take(FILES_MAX)
        .collect();
    files.sort();
    files
}

/// The files of cases that are shipped with the workflows: path and text.
#[must_use]
pub fn shipped_cases() -> Vec<(PathBuf, &'static str)> {
    builtin::shipped_in("tests").into_iter().map(|(path, text)| (PathBuf::from(path), text)).collect()
}

/// Reads a file of cases. `None` means that a diagnostic is an error.
#[must_use]
pub fn load_cases(path: &Path, shown: &Path) -> (Option<CaseFile>, Vec<Diagnostic>) {
    // What the path has besides what is shown of it is the project.
    let root = path.ancestors().nth(shown.components().count()).unwrap_or(Path::new("/"));
    match bytes::read_within(root, path, shown) {
        Ok(text) => read(&text),
        Err(fault) => (None, vec![*fault]),
    }
}

/// Reads a text as a file of cases.
#[must_use]
pub fn load_cases_text(shown: &Path, text: &str) -> (Option<CaseFile>, Vec<Diagnostic>) {
    match bytes::decode(text.as_bytes().to_vec(), shown) {
        Ok(text) => read(&text),
        Err(fault) => (None, vec![*fault]),
    }
}

fn read(text: &bytes::Text) -> (Option<CaseFile>, Vec<Diagnostic>) {
    let source = &*text.source;
    let mut faults = Faults::new(&text.source);
    let file = yaml::parse(source, 0..source.text.len(), &mut faults).and_then(|node| {
        // A case names no other file, so it has no folder.
        let folder = Folder::Builtin(PathBuf::new());
        let mut reader = Reader { source, faults: &mut faults, folder: &folder, steps: 0, secrets: Vec::new() };
        let (target, cases) = reader.case_file(&node)?;
        Some(CaseFile { path: source.path.clone(), source: text.source.clone(), target, cases })
    });
    let file = if faults.failed() { None } else { file };
    (file, faults.into_sorted())
}

impl Reader<'_, '_> {
    fn case_file(&mut self, node: &Node<'_>) -> Option<(Spanned<String>, Vec<Case>)> {
        let mut fields = Fields::open(node, &CASE_FILE, self.faults)?;
        fields.take("$schema");
        let (workflow, command) = (fields.take("workflow"), fields.take("command"));
        if let (Some(first), Some(second)) = (workflow, command) {
            let fault = Diagnostic::error(
                codes::KIND,
                self.faults.source(),
                second.key_span,
                "cases are of one thing, these have `workflow` and `command`",
            );
            self.faults
                .add(fault.cause("a second one").label(first.key_span, "the first").help("make two files of it"));
        }
        if workflow.is_none() && command.is_none() {
            fields.missing("workflow", "a file of cases", None, self.faults);
        }
        let target = self.text_of(workflow.or(command));
        let entry = fields.take("cases")?;
        let Some(items) = entry.value.as_list().filter(|items| !items.is_empty()) else {
            let form = "`cases:` and below it a list: `- name: happy path`";
            wrong_type(&entry.value, "`cases`", "a list of cases", form, self.faults);
            return None;
        };
        self.most("cases", items.len(), CASES_MAX, entry);
        let cases: Vec<Case> = items.iter().take(CASES_MAX).filter_map(|item| self.case(item)).collect();
        for (place, case) in cases.iter().enumerate() {
            if let Some(first) = cases[..place].iter().find(|first| first.name.value == case.name.value) {
                let message = format!("a second case called `{}`", case.name.value);
                let fault = Diagnostic::error(codes::CONFLICT, self.faults.source(), case.name.span, message);
                let fault = fault.cause("reports could not tell them apart").label(first.name.span, "the first");
                self.faults.add(fault.help("give it a name of its own"));
            }
        }
        Some((target?, cases))
    }

    fn most(&mut self, key: &str, count: usize, max: usize, entry: &Entry<'_>) {
        if count > max {
            let message = format!("`{key}` has {count} items, {max} are allowed");
            self.faults.error(codes::BAD_VALUE, entry.key_span, message, "too many", "make more than one file of it");
        }
    }

    fn case(&mut self, node: &Node<'_>) -> Option<Case> {
        let mut fields = Fields::open(node, &CASE, self.faults)?;
        let name = self.text_of(fields.take("name"));
        let inputs = match fields.take("inputs") {
            Some(entry) => Spanned::new(self.object(entry), entry.value.span),
            None => Spanned::new(Map::new(), fields.span),
        };
        let stubs = fields.take("stubs");
        let stubs = self.pairs(stubs).unwrap_or_default();
        let stubs = stubs.iter().map(|entry| (key_of(entry), self.stubs(entry))).collect();
        let (mut agents, mut commands) = (None, None);
        if let Some(entry) = fields.take("default")
            && let Some(mut default) = Fields::open(&entry.value, &DEFAULT, self.faults)
        {
            agents = self.one_of(default.take("agents"), OK_OR_FAIL);
            commands = self.one_of(default.take("commands"), OK_OR_FAIL);
        }
        let (approvals, approvals_of) = self.approvals(fields.take("approvals"));
        let expect = fields.take("expect").and_then(|entry| self.expectation(entry));
        Some(Case {
            name: name?,
            inputs,
            stubs,
            agents: agents.unwrap_or(true),
            commands: commands.unwrap_or(true),
            approvals,
            approvals_of,
            expect: expect?,
        })
    }

    fn object(&mut self, entry: &Entry<'_>) -> Map<String, Value> {
        self.pairs(Some(entry));
        match entry.value.to_json() {
            Value::Object(object) => object,
            _ => Map::new(),
        }
    }

    /// One answer, or a list of them in their order.
    fn stubs(&mut self, entry: &Entry<'_>) -> Vec<Stub> {
        let Some(items) = entry.value.as_list() else { return self.stub(&entry.value).into_iter().collect() };
        self.most(&entry.key, items.len(), TURNS_MAX, entry);
        if items.is_empty() {
            let help = "write one answer, or a list of answers in their order";
            let message = format!("`{}` has no answer", key_of(entry).value);
            self.faults.error(codes::BAD_VALUE, entry.value.span, message, "an empty list", help);
        }
        items.iter().take(TURNS_MAX).filter_map(|item| self.stub(item)).collect()
    }

    fn stub(&mut self, node: &Node<'_>) -> Option<Stub> {
        if node.as_text().is_some() {
            let text = self.text("stub", node)?;
            let verdict = self.word("a stub", &text, VERDICTS, ", or a mapping such as `{ exit: 0 }`")?;
            return Some(Stub { span: node.span, verdict: Some(verdict), ..Stub::default() });
        }
        let mut fields = Fields::open(node, &STUB, self.faults)?;
        let keys = node.as_map().unwrap_or_default().iter().map(key_of).collect();
        let writes = fields.take("writes");
        let writes = self.pairs(writes).map(|files| {
            files
                .iter()
                .filter_map(|file| Some((key_of(file), self.any_text(file)?)))
                .collect::<Vec<(Spanned<String>, String)>>()
        });
        if let Some(files) = &writes {
            let paths: Vec<_> = files.iter().map(|(path, _)| path.clone()).collect();
            self.inside(&paths);
        }
        Some(Stub {
            span: node.span,
            verdict: None,
            output: fields.take("output").map(|entry| entry.value.to_json()),
            text: fields.take("text").and_then(|entry| self.any_text(entry)),
            summary: fields.take("summary").and_then(|entry| self.any_text(entry)),
            writes,
            fail: self.text_of(fields.take("fail")).map(|text| text.value),
            exit: self.whole(fields.take("exit"), 0, 255),
            stdout: fields.take("stdout").and_then(|entry| self.any_text(entry)),
            keys,
        })
    }

    /// A text that may be empty.
    fn any_text(&mut self, entry: &Entry<'_>) -> Option<String> {
        let text = entry.value.as_text();
        if text.is_none() {
            wrong_type(&entry.value, &format!("`{}`", key_of(entry).value), "a text", "", self.faults);
        }
        text.map(str::to_owned)
    }

    fn approvals(&mut self, entry: Option<&Entry<'_>>) -> (Vec<Approval>, ApprovalsOf) {
        let yes = vec![Approval::Approve];
        let Some(entry) = entry else { return (yes, Vec::new()) };
        if entry.value.as_text().is_some() || entry.value.as_list().is_some() {
            return (self.approvals_in(entry, ", or a mapping of steps to one"), Vec::new());
        }
        let pairs = self.pairs(Some(entry)).unwrap_or_default();
        (yes, pairs.iter().map(|pair| (key_of(pair), self.approvals_in(pair, ", or `{ pushback: TEXT }`"))).collect())
    }

    /// One answer, or a list of them in their order. What is no answer is a fault, and a yes until it is mended.
    fn approvals_in(&mut self, entry: &Entry<'_>, or: &str) -> Vec<Approval> {
        let Some(items) = entry.value.as_list() else {
            return vec![self.approval(&entry.key, &entry.value, or).unwrap_or(Approval::Approve)];
        };
        self.most(&entry.key, items.len(), TURNS_MAX, entry);
        if items.is_empty() {
            let help = "write one answer, or a list of answers in their order";
            let message = format!("`{}` has no answer", key_of(entry).value);
            self.faults.error(codes::BAD_VALUE, entry.value.span, message, "an empty list", help);
        }
        items.iter().take(TURNS_MAX).filter_map(|item| self.approval(&entry.key, item, or)).collect()
    }

    fn approval(&mut self, key: &str, node: &Node<'_>, or: &str) -> Option<Approval> {
        if node.as_text().is_some() {
            let text = self.text(key, node)?;
            return Some(match self.word(key, &text, DECIDES, or)? {
                Decides::Approve => Approval::Approve,
                Decides::Reject => Approval::Reject,
                Decides::Wait => Approval::Wait,
            });
        }
        let mut fields = Fields::open(node, &PUSHBACK, self.faults)?;
        let entry = fields.take("pushback")?;
        let comments = self.texts(Some(entry))?;
        self.most(&entry.key, comments.len(), TURNS_MAX, entry);
        if comments.is_empty() {
            let help = "write what is to be done: `{ pushback: \"src/a.rs: use a constant\" }`";
            self.faults.error(codes::BAD_VALUE, node.span, "`pushback` has no comment", "an empty list", help);
        }
        Some(Approval::Pushback(comments.into_iter().take(TURNS_MAX).map(|text| text.value).collect()))
    }

    fn expectation(&mut self, entry: &Entry<'_>) -> Option<Expect> {
        let mut fields = Fields::open(&entry.value, &EXPECT, self.faults)?;
        if entry.value.as_map().is_some_and(<[Entry<'_>]>::is_empty) {
            let help = "say what must come of it: `expect: { outcome: succeeded }`";
            self.faults.error(codes::BAD_VALUE, entry.value.span, "`expect` is empty", "nothing is compared", help);
        }
        let ends = [Ends::Succeeded, Ends::Failed, Ends::Cancelled, Ends::Waiting].map(|end| (end.word(), end));
        let stands = [Stands::Succeeded, Stands::Failed, Stands::Skipped, Stands::Cancelled, Stands::Waiting];
        let stands = stands.map(|stand| (stand.word(), stand));
        let outcome = self.one_of(fields.take("outcome"), &ends);
        let exit = self.whole(fields.take("exit"), 0, 255);
        let steps = self.pairs(fields.take("steps")).unwrap_or_default();
        let steps = steps.iter().filter_map(|pair| Some((key_of(pair), self.one_of(Some(pair), &stands)?))).collect();
        let gates = self.pairs(fields.take("gates")).unwrap_or_default();
        let gates = gates.iter().filter_map(|pair| Some((key_of(pair), self.one_of(Some(pair), VERDICTS)?))).collect();
        let attempts = self.pairs(fields.take("attempts")).unwrap_or_default();
        let attempts =
            attempts.iter().filter_map(|pair| Some((key_of(pair), self.whole(Some(pair), 0, 10_000)?))).collect();
        let outputs = fields.take("outputs").map(|entry| self.object(entry)).unwrap_or_default();
        Some(Expect { outcome, exit, steps, gates, attempts, outputs })
    }
}

fn key_of(entry: &Entry<'_>) -> Spanned<String> {
    Spanned::new(entry.key.to_string(), entry.key_span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let (file, faults) = load_cases_text(Path::new("t.yaml"), text);
        assert!(file.is_none(), "{text}");
        faults.into_iter().map(|fault| format!("{}: {}", fault.message, fault.help)).collect()
    }

    #[test]
    fn a_whole_file_is_read() {
        let text = "workflow: w\ncases:\n  - name: a\n    inputs: { n: 1 }\n    stubs:\n      x: { output: { a: 1 }, writes: { a/b: '' } }\n      \
                    x/gate: [fail, pass]\n    default: { commands: fail }\n    approvals: { y: reject }\n    \
                    expect: { exit: 22, steps: { x: failed }, gates: { x: fail }, attempts: { x: 2 } }\n";
        let (file, faults) = load_cases_text(Path::new("t.yaml"), text);
        assert!(faults.is_empty(), "{faults:?}");
        let file = file.unwrap();
        let case = &file.cases[0];
        assert_eq!((file.target.value.as_str(), case.name.value.as_str(), case.commands), ("w", "a", false));
        assert_eq!(case.stubs[1].1[0].verdict, Some(Verdict::Fail));
        assert_eq!(case.approvals_of[0].1, [Approval::Reject]);
        assert_eq!((case.expect.exit, case.expect.attempts[0].1), (Some(22), 2));
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let text = "workflow: w\ncases:\n  - nam: a\n    stubs: { x: { ouput: 1 }, y: pas, z: { writes: { ../a: x } } }\n    \
                    expect: { outcome: done, exits: 1 }\n";
        let told = faults(text).join("\n");
        for part in ["`name`", "`output`", "`pass`", "leaves the project", "`outcome` cannot be `done`", "`exit`"] {
            assert!(told.contains(part), "{part} is not in\n{told}");
        }
    }

    #[test]
    fn what_compares_nothing_or_names_two_things_is_refused() {
        let one = |rest: &str| format!("workflow: w\ncases:\n  - name: a\n{rest}");
        for (text, part) in [
            (one("    expect: {}\n"), "`expect` is empty"),
            (one("    stubs: {}\n"), "`expect` is missing"),
            (one("    expect: { exit: 0 }\n  - name: a\n    expect: { exit: 0 }\n"), "a second case called `a`"),
            ("workflow: w\ncommand: /w\ncases: [{ name: a, expect: { exit: 0 } }]".to_owned(), "one thing"),
            ("cases: [{ name: a, expect: { exit: 0 } }]".to_owned(), "`workflow` is missing"),
            ("workflow: w\ncases: []".to_owned(), "a list of cases"),
            (one("    stubs: { x: [] }\n    expect: { exit: 0 }\n"), "has no answer"),
        ] {
            assert!(faults(&text).join("\n").contains(part), "{part}: {:?}", faults(&text));
        }
    }
}
