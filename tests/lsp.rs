//! `orch lsp` driven over standard input and output as an editor drives it, with the protocol's own types.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use serde_json::{Value, json};
use support::Project;

const WORKFLOW: &str = "\
name: build
inputs:
  idea: { type: string, required: true }
models:
  strategic: { any: large }
steps:
  - id: design
    agent: architekt
    prompt: \"Design {{ inputs.idea }}\"
    output: { modules: [string] }
  - id: build
    each: design.modules
    steps:
      - id: code
        run: echo done
        gate: [proof]
";

/// An editor: sends messages, and keeps the faults that it was told.
struct Editor {
    server: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    number: i64,
    root: String,
    faults: std::collections::BTreeMap<String, Value>,
}

impl Editor {
    fn start(project: &Project) -> Self {
        let mut server =
            project.command(&["lsp", "--stdio"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // A server that never answers is ended, so that the test fails and does not hang.
        let process = server.id().to_string();
        std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_secs(60));
            drop(std::process::Command::new("kill").arg(process).status());
        });
        let (input, output) = (server.stdin.take().unwrap(), BufReader::new(server.stdout.take().unwrap()));
        let root = project.root().canonicalize().unwrap().to_str().unwrap().to_owned();
        let faults = std::collections::BTreeMap::new();
        let mut editor = Self { server, input, output, number: 0, root, faults };
        let uri = format!("file://{}", editor.root);
        let answer = editor.ask("initialize", json!({ "processId": null, "rootUri": uri, "capabilities": {} }));
        let can: lsp_types::InitializeResult = serde_json::from_value(answer).unwrap();
        assert!(can.capabilities.hover_provider.is_some() && can.capabilities.code_action_provider.is_some());
        editor.tell("initialized", json!({}));
        editor
    }

    fn uri(&self, path: &str) -> String {
        format!("file://{}/{path}", self.root)
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        self.input.flush().unwrap();
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn read(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the server has ended");
            if line == "\r\n" {
                break;
            }
            if let Some(number) = line.strip_prefix("Content-Length: ") {
                length = number.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    fn keep(&mut self, message: &Value) {
        if message["method"] == "textDocument/publishDiagnostics" {
            let uri = message["params"]["uri"].as_str().unwrap().to_owned();
            self.faults.insert(uri, message["params"]["diagnostics"].clone());
        }
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.number += 1;
        let id = self.number;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let message = self.read();
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{message}");
                return message["result"].clone();
            }
            self.keep(&message);
        }
    }

    fn open(&mut self, path: &str, text: &str) {
        let document = json!({ "uri": self.uri(path), "languageId": "yaml", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
    }

    fn change(&mut self, path: &str, text: &str) {
        let document = json!({ "uri": self.uri(path), "version": 2 });
        let changes = json!([{ "text": text }]);
        self.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": changes }));
    }

    /// Waits until the faults of a file meet a condition.
    fn faults(&mut self, path: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let uri = self.uri(path);
        loop {
            if let Some(faults) = self.faults.get(&uri).and_then(Value::as_array).filter(|faults| wanted(faults)) {
                return faults.clone();
            }
            let message = self.read();
            self.keep(&message);
        }
    }

    /// Asks about the place of `|` in a text, which becomes the text of the file.
    fn at(&mut self, method: &str, path: &str, marked: &str) -> Value {
        let at = marked.find('|').unwrap();
        let text = marked.replacen('|', "", 1);
        self.change(path, &text);
        let (line, column) = (text[..at].matches('\n').count(), at - text[..at].rfind('\n').map_or(0, |at| at + 1));
        let uri = self.uri(path);
        self.ask(method, json!({ "textDocument": { "uri": uri }, "position": { "line": line, "character": column } }))
    }

    fn labels(&mut self, path: &str, marked: &str) -> Vec<String> {
        let answer = self.at("textDocument/completion", path, marked);
        let items: Vec<lsp_types::CompletionItem> = serde_json::from_value(answer).unwrap();
        items.into_iter().map(|item| item.label).collect()
    }

    fn end(mut self) {
        self.ask("shutdown", Value::Null);
        self.tell("exit", Value::Null);
        drop(self.input);
        assert_eq!(self.server.wait().unwrap().code(), Some(0));
    }
}

fn project() -> Project {
    Project::new()
        .file("workflows/build.yaml", WORKFLOW)
        .file("agents/architect-of-ours.md", "---\nname: architekt\ndescription: Designs\n---\n\nDesign.\n")
        .file("gates/proof.yaml", "description: It is proven\nchecks: [{ run: \"true\" }]\n")
}

#[test]
fn faults_follow_what_is_typed() {
    let project = project();
    let mut editor = Editor::start(&project);
    editor.open("workflows/build.yaml", WORKFLOW);
    let slip = WORKFLOW.replace("each:", "eech:");
    editor.change("workflows/build.yaml", &slip);
    let faults = editor.faults("workflows/build.yaml", |faults| !faults.is_empty());
    let fault: lsp_types::Diagnostic = serde_json::from_value(faults[0].clone()).unwrap();
    assert_eq!((fault.range.start.line, fault.range.start.character), (11, 4));
    assert!(fault.message.contains("unknown key `eech`"), "{}", fault.message);

    // The fix that the editor offers is the one that makes the fault go away.
    let range = json!({ "start": { "line": 11, "character": 5 }, "end": { "line": 11, "character": 5 } });
    let uri = editor.uri("workflows/build.yaml");
    let asked = json!({ "textDocument": { "uri": uri }, "range": range, "context": { "diagnostics": [] } });
    let actions = editor.ask("textDocument/codeAction", asked);
    assert_eq!(actions[0]["title"], "change it to `each`");
    let edit = &actions[0]["edit"]["changes"][&uri][0];
    assert_eq!((&edit["newText"], &edit["range"]["start"]["character"]), (&json!("each"), &json!(4)));
    editor.change("workflows/build.yaml", WORKFLOW);
    editor.faults("workflows/build.yaml", <[Value]>::is_empty);

    // What was not saved is forgotten when the file is put away, and the disk counts again.
    editor.change("workflows/build.yaml", &slip);
    editor.faults("workflows/build.yaml", |faults| !faults.is_empty());
    editor.tell("textDocument/didClose", json!({ "textDocument": { "uri": uri } }));
    editor.faults("workflows/build.yaml", <[Value]>::is_empty);
    assert_eq!(project.read("workflows/build.yaml"), WORKFLOW, "nothing is written");
    editor.end();
}

#[test]
fn a_change_on_disk_is_seen_when_the_editor_says_so() {
    let project = project();
    let mut editor = Editor::start(&project);
    project.write("workflows/new.yaml", "steps: [{ rn: date }]\n");
    editor.tell("workspace/didChangeWatchedFiles", json!({ "changes": [] }));
    let faults = editor.faults("workflows/new.yaml", |faults| !faults.is_empty());
    assert_eq!(faults[0]["source"], "orch");
    editor.end();
}

#[test]
fn keys_values_names_and_definitions_are_completed() {
    let project = project();
    let mut editor = Editor::start(&project);
    let file = "workflows/build.yaml";
    editor.open(file, WORKFLOW);
    editor.tell("workspace/didChangeWatchedFiles", json!({ "changes": [] }));
    let with = |line: &str| format!("{WORKFLOW}{line}");
    let has = |labels: &[String], wanted: &[&str]| {
        assert!(wanted.iter().all(|word| labels.iter().any(|label| label == word)), "{wanted:?} in {labels:?}");
    };
    has(&editor.labels(file, &with("bud|")), &["budget", "outputs"]);
    has(&editor.labels(file, &with("  - id: x\n    |")), &["agent", "run", "on_gate_fail"]);
    has(&editor.labels(file, &with("  - id: x\n    agent: arch|")), &["architekt", "code-reviewer"]);
    has(&editor.labels(file, &with("  - id: x\n    run: x\n    gate:\n      - pr|")), &["proof", "check"]);
    has(&editor.labels(file, &with("  - id: x\n    skills: [|")), &["evidence"]);
    has(&editor.labels(file, &with("  - id: x\n    model: |")), &["strategic"]);
    has(&editor.labels(file, &with("  - id: x\n    needs: [|")), &["design", "build"]);
    has(&editor.labels(file, &with("  - id: x\n    context: |")), &["fresh", "fork:design"]);
    has(&editor.labels(file, &with("  - id: x\n    recovery: |")), &["retry", "idempotent", "manual"]);
    has(&editor.labels(file, &with("  - id: x\n    when: |")), &["design", "inputs"]);
    has(&editor.labels(file, &with("  - id: x\n    prompt: \"{{ design.|")), &["modules", "result"]);
    has(&editor.labels(file, &with("  - id: x\n    prompt: \"{{ inputs.|")), &["idea"]);
    has(&editor.labels(file, &with("  - id: x\n    prompt: \"{{ design.result.|")), &["summary"]);
    let agent = "agents/architect-of-ours.md";
    editor.open(agent, "---\nname: a\n---\n");
    has(&editor.labels(agent, "---\nname: a\n|\n---\n"), &["description", "tools"]);
    has(&editor.labels(agent, "---\nname: a\ntools: [|]\n---\n"), &["Read", "Bash"]);
    assert_eq!(editor.at("textDocument/completion", agent, "---\nname: a\n---\nBody |\n"), Value::Null);
    editor.end();
}

#[test]
fn words_have_meanings_and_places() {
    let project = project();
    let mut editor = Editor::start(&project);
    let file = "workflows/build.yaml";
    editor.open(file, WORKFLOW);
    let hover = |editor: &mut Editor, from: &str, to: &str| {
        let answer = editor.at("textDocument/hover", file, &WORKFLOW.replacen(from, to, 1));
        answer["contents"]["value"].as_str().unwrap_or_default().to_owned()
    };
    assert!(hover(&mut editor, "prompt:", "pro|mpt:").contains("What the agent is told"));
    assert!(hover(&mut editor, "agent: architekt", "agent: archi|tekt").contains("Designs"));
    assert!(hover(&mut editor, "[proof]", "[pro|of]").contains("It is proven"));
    assert!(hover(&mut editor, "each: design.", "each: des|ign.").contains("agent architekt"));
    let goes = |editor: &mut Editor, from: &str, to: &str| {
        let answer = editor.at("textDocument/definition", file, &WORKFLOW.replacen(from, to, 1));
        let uri = answer["uri"].as_str().unwrap_or_default();
        let name = uri.rsplit('/').next().unwrap_or_default().to_owned();
        (name, answer["range"]["start"]["line"].as_u64().unwrap_or_default())
    };
    assert_eq!(goes(&mut editor, "agent: architekt", "agent: archi|tekt"), ("architect-of-ours.md".to_owned(), 0));
    assert_eq!(goes(&mut editor, "[proof]", "[pro|of]"), ("proof.yaml".to_owned(), 0));
    assert_eq!(goes(&mut editor, "each: design.", "each: des|ign."), ("build.yaml".to_owned(), 6));
    assert_eq!(goes(&mut editor, "inputs.idea", "inputs.id|ea"), ("build.yaml".to_owned(), 2));
    editor.end();
}

#[test]
fn an_unknown_request_and_a_broken_end_are_no_crash() {
    let project = project();
    let mut editor = Editor::start(&project);
    editor.send(&json!({ "jsonrpc": "2.0", "id": 77, "method": "orch/nothing", "params": {} }));
    let answer = loop {
        let message = editor.read();
        if message["id"] == 77 {
            break message;
        }
    };
    assert_eq!(answer["error"]["code"], -32601);
    editor.send(&json!({ "jsonrpc": "2.0", "id": 78, "method": "textDocument/hover", "params": { "x": 1 } }));
    let answer = loop {
        let message = editor.read();
        if message["id"] == 78 {
            break message;
        }
    };
    assert_eq!(answer["error"]["code"], -32602);
    drop(editor.input);
    let code = editor.server.wait().unwrap().code();
    assert_eq!(code, Some(1), "the editor went away without a word");
}

/// What a real editor does: opens the file, waits for a fault, asks what a word means, and takes the fix.
const NEOVIM: &str = r#"
local file, program, root, out = vim.env.LSP_FILE, vim.env.LSP_PROGRAM, vim.env.LSP_ROOT, vim.env.LSP_OUT
vim.cmd("edit " .. file)
local buffer = vim.api.nvim_get_current_buf()
local client = vim.lsp.start_client({ name = "orch", cmd = { program, "lsp" }, root_dir = root })
vim.lsp.buf_attach_client(buffer, client)
vim.wait(20000, function() return #vim.diagnostic.get(buffer) > 0 end, 20)
local seen = { faults = vim.tbl_map(function(one) return one.message end, vim.diagnostic.get(buffer)) }
local document = { uri = vim.uri_from_bufnr(buffer) }
local answer = vim.lsp.buf_request_sync(buffer, "textDocument/hover",
  { textDocument = document, position = { line = 7, character = 12 } }, 20000)
seen.hover = answer[client].result.contents.value
local range = vim.diagnostic.get(buffer)[1]
local place = { line = range.lnum, character = range.col }
answer = vim.lsp.buf_request_sync(buffer, "textDocument/codeAction",
  { textDocument = document, range = { start = place, ["end"] = place }, context = { diagnostics = {} } }, 20000)
vim.lsp.util.apply_workspace_edit(answer[client].result[1].edit, "utf-16")
vim.wait(20000, function() return #vim.diagnostic.get(buffer) == 0 end, 20)
seen.left = #vim.diagnostic.get(buffer)
seen.line = vim.api.nvim_buf_get_lines(buffer, 11, 12, false)[1]
local handle = io.open(out, "w")
handle:write(vim.json.encode(seen))
handle:close()
vim.lsp.stop_client(client)
vim.cmd("qa!")
"#;

#[test]
fn a_real_editor_shows_and_mends_a_fault() {
    let there =
        std::process::Command::new("nvim").arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("!!! SKIPPED a_real_editor_shows_and_mends_a_fault: `nvim` is not on the PATH");
        return;
    }
    let project = project();
    project.write("workflows/build.yaml", &WORKFLOW.replace("each:", "eech:"));
    project.write("script.lua", NEOVIM);
    let root = project.root().canonicalize().unwrap();
    let status = std::process::Command::new("nvim")
        .args(["--headless", "-u", "NONE", "-i", "NONE", "-n", "-c"])
        .arg(format!("luafile {}", root.join("script.lua").display()))
        // After a fault in the script, which does not end the editor by itself.
        .args(["-c", "cquit"])
        .current_dir(&root)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", &root)
        .env("LSP_FILE", root.join("workflows/build.yaml"))
        .env("LSP_PROGRAM", env!("CARGO_BIN_EXE_orch"))
        .env("LSP_ROOT", &root)
        .env("LSP_OUT", root.join("seen.json"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let seen = std::fs::read_to_string(root.join("seen.json"))
        .unwrap_or_else(|_| panic!("the editor said: {}", String::from_utf8_lossy(&status.stderr)));
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert!(seen["faults"][0].as_str().unwrap().contains("unknown key `eech`"), "{seen}");
    assert!(seen["hover"].as_str().unwrap().contains("Designs"), "{seen}");
    assert_eq!((&seen["left"], &seen["line"]), (&json!(0), &json!("    each: design.modules")), "{seen}");
}
