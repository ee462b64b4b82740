//! The lint of untrusted text: sixty workflows as people write them, half of them with a way from a stranger's words to a
//! step that has two of three: it may write, it may speak to the network, it holds a secret.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot be set up must stop, and tells its figures"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use support::Project;

/// Workflows in which a stranger could speak to an agent that writes and sends: name and steps.
const BAD: &[(&str, &str)] = &[
    (
        "gh-issue",
        "  - { id: issue, run: gh issue view 12 --json title, output: { title: string } }\n  - { id: fix, prompt: \"Fix {{ issue.title }}\" }\n",
    ),
    (
        "gh-pr-comments",
        "  - { id: talk, run: gh pr view 7 --comments }\n  - { id: answer, prompt: \"Answer {{ talk.result.text }}\" }\n",
    ),
    (
        "gh-api",
        "  - { id: talk, run: gh api repos/a/b/issues/1/comments }\n  - { id: answer, prompt: \"Answer {{ talk.result.text }}\" }\n",
    ),
    ("glab", "  - { id: mr, run: glab mr view 3 }\n  - { id: review, prompt: \"Review {{ mr.result.text }}\" }\n"),
    (
        "curl",
        "  - { id: page, run: curl -sf https://example.com/spec.md }\n  - { id: build, prompt: \"Build {{ page.result.text }}\" }\n",
    ),
    (
        "curl-argv",
        "  - { id: page, run: [curl, -sf, \"https://example.com/spec.md\"] }\n  - { id: build, prompt: \"Build {{ page.result.text }}\" }\n",
    ),
    (
        "wget",
        "  - { id: page, run: wget -qO- https://example.com }\n  - { id: build, prompt: \"Build {{ page.result.text }}\" }\n",
    ),
    (
        "pipe",
        "  - { id: page, run: \"curl -s https://example.com | jq -r .body\" }\n  - { id: build, prompt: \"Build {{ page.result.text }}\" }\n",
    ),
    (
        "npm-view",
        "  - { id: readme, run: npm view left-pad readme }\n  - { id: use, prompt: \"Use it: {{ readme.result.text }}\" }\n",
    ),
    (
        "ssh",
        "  - { id: log, run: ssh web1 journalctl -n 50 }\n  - { id: fix, prompt: \"Why: {{ log.result.text }}\" }\n",
    ),
    (
        "clone-log",
        "  - { id: log, run: \"git fetch && git log origin/main -5\" }\n  - { id: notes, prompt: \"Notes: {{ log.result.text }}\" }\n",
    ),
    (
        "tools-bash",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: fix, prompt: \"Fix {{ issue.body }}\", tools: [Read, Bash] }\n",
    ),
    ("tools-fetch-write", "  - { id: learn, prompt: Learn about it, tools: [WebFetch, Write] }\n"),
    ("tools-search-bash", "  - { id: learn, prompt: Learn about it, tools: [WebSearch, Bash] }\n"),
    ("server", "  - { id: read, prompt: Read the newest ticket and fix it, tools: [mcp__tickets__get, Edit] }\n"),
    (
        "bash-of-one-program",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: fix, prompt: \"Fix {{ issue.body }}\", tools: [\"Bash(npm test:*)\", Edit] }\n",
    ),
    (
        "two-hops",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: sum, prompt: \"Sum up {{ issue.body }}\", tools: [Read], output: { text: string } }\n  - { id: fix, prompt: \"Do {{ sum.text }}\" }\n",
    ),
    (
        "nested-text",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: sum, prompt: \"Sum up {{ issue.body }}\", tools: [Read], output: { all: [{ n: integer, text: string }] } }\n  - { id: fix, prompt: \"Do {{ sum.all }}\" }\n",
    ),
    (
        "command-between",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: trim, run: \"printf %s \\\"$BODY\\\" | head -c 500\", env: { BODY: \"{{ issue.body }}\" } }\n  - { id: fix, prompt: \"Do {{ trim.result.text }}\" }\n",
    ),
    (
        "argument-between",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: trim, run: [printf, \"%s\"], args: [\"{{ issue.body }}\"] }\n  - { id: fix, prompt: \"Do {{ trim.result.text }}\" }\n",
    ),
    (
        "each",
        "  - { id: list, run: gh issue list --json title, output: { all: [string] } }\n  - id: many\n    each: list.all\n    max_parallel: 1\n    steps:\n      - { id: fix, prompt: \"Fix {{ item }}\" }\n",
    ),
    (
        "out-of-a-group",
        "  - id: both\n    parallel:\n      - { id: page, run: curl -s https://example.com, files: [] }\n      - { id: time, run: date, files: [] }\n  - { id: fix, prompt: \"Do {{ both.page.result.text }}\" }\n",
    ),
    (
        "fork",
        "  - { id: learn, prompt: Read the page, tools: [WebFetch] }\n  - { id: fix, prompt: Now do it, context: fork:learn }\n",
    ),
    (
        "text-of-a-closed-one",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: rate, prompt: \"Rate {{ issue.body }}\", tools: [Read], output: { n: integer } }\n  - { id: fix, prompt: \"Do {{ rate.result.text }}\" }\n",
    ),
    (
        "with",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: fix, prompt: \"Fix {{ with.what }}\", with: { what: \"{{ issue.body }}\" } }\n",
    ),
    (
        "secret-and-network",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: fix, prompt: \"Answer {{ issue.body }}\", tools: [Read, WebFetch], secrets: [token] }\nsecrets: { token: { env: TOKEN, expose_to_model: true } }\n",
    ),
    (
        "secret-and-write",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: fix, prompt: \"Fix {{ issue.body }}\", tools: [Read, Edit], secrets: [token] }\nsecrets: { token: { env: TOKEN, expose_to_model: true } }\n",
    ),
    (
        "secret-and-server",
        "  - { id: read, prompt: Read the newest ticket, tools: [mcp__tickets__get, Read], secrets: { API: token } }\nsecrets: { token: { env: TOKEN, expose_to_model: true } }\n",
    ),
    (
        "secret-two-hops",
        "  - { id: page, run: curl -s https://example.com }\n  - { id: sum, prompt: \"Sum {{ page.result.text }}\", tools: [Read], output: { text: string } }\n  - { id: fix, prompt: \"Do {{ sum.text }}\", tools: [Read, Write], secrets: [token] }\nsecrets: { token: { env: TOKEN, expose_to_model: true } }\n",
    ),
    (
        "secret-each",
        "  - { id: list, run: gh issue list --json title, output: { all: [string] } }\n  - id: many\n    each: list.all\n    max_parallel: 1\n    steps:\n      - { id: fix, prompt: \"Fix {{ item }}\", tools: [Edit], secrets: [token] }\nsecrets: { token: { env: TOKEN, expose_to_model: true } }\n",
    ),
];

/// Workflows in which no stranger can, or only speaks to an agent that cannot write or cannot send.
const GOOD: &[(&str, &str)] = &[
    ("own-text", "  - { id: fix, prompt: Fix the failing test }\n"),
    ("own-command", "  - { id: test, run: cargo test }\n  - { id: fix, prompt: \"Fix {{ test.result.text }}\" }\n"),
    (
        "own-log",
        "  - { id: log, run: git log -5 --oneline }\n  - { id: notes, prompt: \"Notes: {{ log.result.text }}\" }\n",
    ),
    (
        "own-diff",
        "  - { id: diff, run: git diff main }\n  - { id: review, prompt: \"Review {{ diff.result.text }}\" }\n",
    ),
    (
        "read-only",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: sum, prompt: \"Sum {{ issue.body }}\", tools: [Read, Grep] }\n",
    ),
    (
        "write-only",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: fix, prompt: \"Fix {{ issue.body }}\", tools: [Read, Edit, Write] }\n",
    ),
    ("fetch-only", "  - { id: learn, prompt: Learn about it, tools: [WebFetch, WebSearch, Read] }\n"),
    ("server-only", "  - { id: read, prompt: Read the ticket, tools: [mcp__tickets__get, Read] }\n"),
    (
        "not-read",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: fix, prompt: Fix the oldest fault in the list of faults }\n",
    ),
    (
        "to-a-person",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: ok, approve: \"Work on {{ issue.body }}?\" }\n  - { id: fix, prompt: Fix the failing test }\n",
    ),
    (
        "only-a-number",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: rate, prompt: \"Rate {{ issue.body }}\", tools: [Read], output: { severity: integer } }\n  - { id: fix, prompt: \"Of {{ rate.severity }}: fix the failing test\" }\n",
    ),
    (
        "only-a-yes",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: rate, prompt: \"Is it a fault? {{ issue.body }}\", tools: [Read], output: { is_fault: boolean } }\n  - { id: fix, prompt: \"It is: {{ rate.is_fault }}\" }\n",
    ),
    (
        "only-a-choice",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: rate, prompt: \"Which part? {{ issue.body }}\", tools: [Read], output: { $schema: \"https://json-schema.org/draft/2020-12/schema\", type: object, required: [part], additionalProperties: false, properties: { part: { enum: [api, web, docs] } } } }\n  - { id: fix, prompt: \"Fix the tests of {{ rate.part }}\" }\n",
    ),
    (
        "only-numbers",
        "  - { id: issue, run: gh issue list --json number, output: { all: [integer] } }\n  - { id: fix, prompt: \"Look at {{ issue.all }}\" }\n",
    ),
    (
        "each-number",
        "  - { id: list, run: gh issue list --json number, output: { all: [integer] } }\n  - id: many\n    each: list.all\n    max_parallel: 1\n    steps:\n      - { id: fix, prompt: \"Look at test {{ item }}\" }\n",
    ),
    (
        "status-code",
        "  - { id: up, run: \"curl -s -o /dev/null -w '%{http_code}' https://example.com\", output: { code: integer } }\n  - { id: fix, prompt: \"It said {{ up.code }}\" }\n",
    ),
    (
        "here",
        "  - { id: page, run: curl -s http://127.0.0.1:8080/health }\n  - { id: fix, prompt: \"It said {{ page.result.text }}\" }\n",
    ),
    (
        "fetch-then-test",
        "  - { id: get, run: npm ci }\n  - { id: test, run: npm test }\n  - { id: fix, prompt: \"Fix {{ test.result.text }}\" }\n",
    ),
    (
        "only-when",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: fix, prompt: Fix the failing test, when: issue.body != \"\" }\n",
    ),
    ("input", "  - { id: fix, prompt: Fix the fault of the user }\n  - { id: note, run: echo done }\n"),
    (
        "two-readers",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: sum, prompt: \"Sum {{ issue.body }}\", tools: [Read], output: { text: string } }\n  - { id: check, prompt: \"Is this fair? {{ sum.text }}\", tools: [Read, Grep, Glob] }\n",
    ),
    ("other-server", "  - { id: look, prompt: Look into the database, tools: [mcp__db__query] }\n"),
    (
        "group-of-others",
        "  - id: both\n    parallel:\n      - { id: page, run: curl -s https://example.com, files: [] }\n      - { id: time, run: date, files: [] }\n  - { id: fix, prompt: \"It is {{ both.time.result.text }}\" }\n",
    ),
    (
        "send-at-the-end",
        "  - { id: fix, prompt: Fix the failing test, tools: [Read, Edit] }\n  - { id: tell, run: curl -s https://example.com/done }\n",
    ),
    (
        "writes-then-sends",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: fix, prompt: \"Fix {{ issue.body }}\", tools: [Read, Edit], output: { done: boolean } }\n  - { id: tell, run: \"gh issue comment 12 --body done\", when: fix.done }\n",
    ),
];

/// Such ones with a secret: nobody strange speaks to who holds it, or who holds it can neither write nor send.
const GOOD_WITH_SECRETS: &[(&str, &str)] = &[
    (
        "secret-of-own-text",
        "  - { id: fix, prompt: Fix the failing test, secrets: [token] }\nsecrets: { token: { env: TOKEN, expose_to_model: true } }\n",
    ),
    (
        "secret-read-only",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string } }\n  - { id: sum, prompt: \"Sum {{ issue.body }}\", tools: [Read, Grep], secrets: [token] }\nsecrets: { token: { env: TOKEN, expose_to_model: true } }\n",
    ),
    (
        "secret-of-a-command",
        "  - { id: issue, run: gh issue view 12 --json body, output: { body: string }, secrets: [token] }\n  - { id: fix, prompt: \"Fix {{ issue.body }}\", tools: [Read, Edit] }\nsecrets: { token: { env: TOKEN } }\n",
    ),
    (
        "secret-beside",
        "  - { id: page, run: curl -s https://example.com }\n  - { id: fix, prompt: Fix the failing test, tools: [Read, Edit], secrets: [token] }\nsecrets: { token: { env: TOKEN, expose_to_model: true } }\n",
    ),
    (
        "secret-of-a-number",
        "  - { id: rate, run: \"curl -s https://example.com/n\", output: { n: integer } }\n  - { id: fix, prompt: \"Take {{ rate.n }}\", tools: [Edit], secrets: [token] }\nsecrets: { token: { env: TOKEN, expose_to_model: true } }\n",
    ),
];

/// What the lint says of each, by the names of the workflows; a workflow with any other fault is a broken test.
fn reported(cases: &[(&str, &str)]) -> BTreeSet<String> {
    let project = cases.iter().fold(Project::new(), |project, (name, steps)| {
        project.file(&format!("workflows/{name}.yaml"), &format!("name: {name}\nsteps:\n{steps}"))
    });
    let shown = project.run(&["check", "--lint", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    let mut reported = BTreeSet::new();
    let mut others: BTreeMap<String, String> = BTreeMap::new();
    for one in found["diagnostics"].as_array().unwrap() {
        let path = one["path"].as_str().unwrap();
        let Some(name) = path.strip_prefix("workflows/").and_then(|name| name.strip_suffix(".yaml")) else { continue };
        if one["code"] == "E0188" {
            reported.insert(name.to_owned());
        } else if one["severity"] == "error" {
            others.insert(name.to_owned(), format!("{}: {}", one["code"], one["message"]));
        }
    }
    assert!(others.is_empty(), "{others:#?}");
    reported
}

#[test]
fn sixty_workflows_are_told_apart() {
    let good: Vec<(&str, &str)> = GOOD.iter().chain(GOOD_WITH_SECRETS).copied().collect();
    assert_eq!((BAD.len(), good.len()), (30, 30));
    let all: Vec<(&str, &str)> = BAD.iter().chain(&good).copied().collect();
    let reported = reported(&all);
    let missed: Vec<&str> = BAD.iter().map(|(name, _)| *name).filter(|name| !reported.contains(*name)).collect();
    let wrong: Vec<&str> = good.iter().map(|(name, _)| *name).filter(|name| reported.contains(*name)).collect();
    println!("{} of {} seen, {} of {} wrongly", BAD.len() - missed.len(), BAD.len(), wrong.len(), good.len());
    assert!(missed.is_empty(), "missed: {missed:?}; wrong: {wrong:?}");
    assert!(wrong.len() * 20 <= good.len(), "wrong: {wrong:?}");
}
