//! Valid definitions: every field of the tree, all forms, precedence, suggestions, and no panic on any bytes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use orch::{
    base::{Diagnostic, render},
    definition::{
        CommandBody, Library, Scope, load,
        workflow::{
            Context, Gate, Join, OnFailure, OnLimit, OnMax, Recovery, RetryOn, RunCommand, Step, StepKind, ThenFail,
            Wait, Workflow, Workspace,
        },
    },
};
use proptest::prelude::*;
use serde_json::json;

struct Project(tempfile::TempDir);

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn load(&self) -> Library {
        load::load(self.0.path(), None)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

fn faults_of(name: &str, text: &str) -> (Vec<Workflow>, Vec<Diagnostic>) {
    let project = Project::new(&[(name, text)]);
    let (found, faults) = load::load_workflow_file(project.path(), &project.path().join(name));
    (found.into_iter().map(|entry| entry.workflow).collect(), faults)
}

fn workflow(text: &str) -> Workflow {
    let (mut found, faults) = faults_of("demo.yaml", text);
    assert!(faults.is_empty(), "{}", render::render_all(&faults, false));
    found.pop().unwrap()
}

fn children(step: &Step) -> &[Step] {
    match &step.kind {
        StepKind::Parallel { steps, .. } | StepKind::Each { steps, .. } | StepKind::Loop { steps, .. } => steps,
        other => panic!("{other:?}"),
    }
}

const NEW_PROJECT: &str = r#"# yaml-language-server: $schema=../schemas/workflow.schema.json
name: new-project
description: From an idea to a tested, reviewed, documented project
inputs:
  idea:  { type: string, required: true, positional: true, description: What to build }
  stack: { type: string, enum: [rust, python, typescript], default: rust }
models:                     # tiers; agents and steps may name a tier
  strategic: { claude: opus, codex: gpt-5.5, any: large }   # the chosen runtime picks its entry
  tactical:  { claude: sonnet, any: medium }
budget: { usd: 15, tokens: 3M, time: 2h, agents: 60, on_limit: pause }
limits: { parallel: 6, per_runtime: { claude: 3 } }

steps:
  - id: requirements
    agent: requirements-analyzer
    prompt: "Analyse this idea and list what it must do: {{ inputs.idea }}"
    output: { goals: [string], acceptance: [{ id: string, check: string }] }

  - id: design
    agent: architect
    prompt_file: prompts/design.md
    output: { modules: [{ name: string, role: string, files: [string] }] }
    gate:                                    # the design gate: runs before anything that needs `design`
      - approve: "Build this design?"        # bound to the hash of what was shown

  - id: build
    each: design.modules                     # dynamic fan-out; the reference makes the edge
    as: module
    max_parallel: 4
    steps:
      - id: code
        agent: backend-developer
        context: fork:design                 # fresh (default) | fork:<step> | share:<step>
        context_budget: 20k
        prompt: "Implement {{ module.name }}: {{ module.role }}"
        gate:
          - run: cargo clippy -- -D warnings
          - run: cargo test -q
          - changed: { max_files: 20, deny: [".github/**"] }
        on_gate_fail: { feedback: true, tries: 3, then: fail }

  - id: quality                              # concurrent, then a synchronisation point with its own gate
    parallel:
      - { id: review,   agent: code-reviewer,    prompt: "Review the diff", output: { issues: [string] } }
      - { id: security, agent: security-auditor, prompt: "Audit the diff",  output: { issues: [string] } }
      - { id: tests,    run: "cargo test --all" }
    gate: [{ check: "review.issues | length == 0 and security.issues | length == 0" }]
    on_gate_fail: { agent: fullstack-developer, tries: 2, then: ask }   # gets the evidence; then the container runs again

  - id: polish                               # iterative refinement
    loop: { max: 3, until: validate.clean }
    steps:
      - { id: improve,  agent: performance-analyzer, prompt: "Profile and improve" }
      - { id: validate, run: "./bench.sh", output: { clean: boolean } }

outputs: { summary: "{{ quality.review.result.summary }}" }
"#;

#[test]
fn the_example_of_the_design_loads_with_every_field() {
    let project = Project::new(&[
        ("workflows/new-project.yaml", NEW_PROJECT),
        ("workflows/prompts/design.md", "Design {{ inputs.idea }}\n"),
    ]);
    let library = project.load();
    let own: Vec<_> =
        library.diagnostics.iter().filter(|fault| fault.source.path.starts_with("workflows")).cloned().collect();
    assert!(own.is_empty(), "{}", render::render_all(&own, false));
    let entry = library.workflows.get("new-project").unwrap();
    assert_eq!(
        (entry.origin.scope, entry.origin.path.as_path()),
        (Scope::Project, Path::new("workflows/new-project.yaml"))
    );
    let flow = &entry.workflow;
    assert_eq!(flow.folder, project.path().join("workflows"));
    assert_eq!(flow.name.value, "new-project");
    assert_eq!(&flow.source.text[flow.name.span.start..flow.name.span.end], "new-project");
    assert_eq!(flow.description, "From an idea to a tested, reviewed, documented project");

    let [idea, stack] = flow.inputs.as_slice() else { panic!() };
    assert_eq!((idea.name.value.as_str(), idea.required, idea.positional), ("idea", true, true));
    assert_eq!((idea.schema.clone(), idea.description.as_str()), (json!({ "type": "string" }), "What to build"));
    assert_eq!(stack.schema, json!({ "type": "string", "enum": ["rust", "python", "typescript"] }));
    assert_eq!((stack.required, stack.default.as_ref().map(|value| &value.value)), (false, Some(&json!("rust"))));
    let tiers: Vec<_> = flow
        .models
        .iter()
        .map(|tier| {
            (
                tier.name.value.as_str(),
                tier.models
                    .iter()
                    .map(|(key, value)| {
                        format!(
                            "{}={}",
                            key.value,
                            value.iter().map(|model| model.value.as_str()).collect::<Vec<_>>().join(",")
                        )
                    })
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        })
        .collect();
    assert_eq!(
        tiers,
        [
            ("strategic", "claude=opus codex=gpt-5.5 any=large".to_owned()),
            ("tactical", "claude=sonnet any=medium".to_owned())
        ]
    );
    let budget = &flow.budget;
    assert_eq!(
        (budget.usd, budget.tokens, budget.agents, budget.on_limit),
        (Some(15.0), Some(3_000_000), Some(60), Some(OnLimit::Pause))
    );
    assert_eq!(budget.time, Some(Duration::from_secs(7200)));
    assert_eq!(flow.limits.parallel, Some(6));
    assert_eq!((flow.limits.per_runtime[0].0.value.as_str(), flow.limits.per_runtime[0].1), ("claude", 3));

    let ids: Vec<_> = flow.steps.iter().map(|step| step.id.value.as_str()).collect();
    assert_eq!(ids, ["requirements", "design", "build", "quality", "polish"]);
    let [requirements, design, build, quality, polish] = flow.steps.as_slice() else { panic!() };
    let StepKind::Agent { agent: Some(agent), prompt: Some(prompt) } = &requirements.kind else { panic!() };
    assert_eq!((agent.value.as_str(), prompt.file.is_none()), ("requirements-analyzer", true));
    assert_eq!(prompt.text.value, "Analyse this idea and list what it must do: {{ inputs.idea }}");
    assert_eq!(
        requirements.output.as_ref().unwrap().value["properties"]["acceptance"]["items"]["required"],
        json!(["id", "check"])
    );
    let StepKind::Agent { prompt: Some(prompt), .. } = &design.kind else { panic!() };
    assert_eq!(prompt.text.value, "Design {{ inputs.idea }}\n");
    assert_eq!(prompt.file.as_ref().unwrap().path, Path::new("workflows/prompts/design.md"));
    assert!(matches!(&design.gate[0].value, Gate::Approve { text } if text.value.as_str() == "Build this design?"));
    check_build(build);
    let [review, security, tests] = children(quality) else { panic!() };
    assert_eq!((review.id.value.as_str(), security.id.value.as_str()), ("review", "security"));
    assert!(matches!(&tests.kind, StepKind::Run(RunCommand::Shell(text)) if text.value.as_str() == "cargo test --all"));
    assert!(matches!(&quality.gate[0].value, Gate::Check(text) if text.value.starts_with("review.issues | length")));
    let fail = &quality.on_gate_fail.as_ref().unwrap().value;
    assert_eq!(
        (fail.agent.as_ref().unwrap().value.as_str(), fail.feedback, fail.tries, fail.then),
        ("fullstack-developer", false, 2, ThenFail::Ask)
    );
    let StepKind::Loop { max: 3, until: Some(until), on_max: OnMax::Fail, steps } = &polish.kind else { panic!() };
    assert_eq!((until.value.as_str(), steps.len()), ("validate.clean", 2));
    assert_eq!(
        (flow.outputs[0].0.value.as_str(), &flow.outputs[0].1.value),
        ("summary", &json!("{{ quality.review.result.summary }}"))
    );
}

fn check_build(build: &Step) {
    let StepKind::Each { items, binding: Some(binding), max_parallel: Some(4), max_items: None, batch: None, steps } =
        &build.kind
    else {
        panic!()
    };
    assert_eq!((items.value.as_str(), binding.value.as_str()), ("design.modules", "module"));
    let code = &steps[0];
    assert!(matches!(&code.context.as_ref().unwrap().value, Context::Fork(step) if step.value == "design"));
    assert_eq!(code.context_budget, Some(20_000));
    assert!(
        matches!(&code.gate[1].value, Gate::Run { command: RunCommand::Shell(text), expect: None, timeout: None } if text.value.as_str() == "cargo test -q")
    );
    assert!(
        matches!(&code.gate[2].value, Gate::Changed { max_files: Some(20), allow, deny } if allow.is_empty() && deny[0].value == ".github/**")
    );
    let fail = &code.on_gate_fail.as_ref().unwrap().value;
    assert_eq!((fail.feedback, fail.tries, fail.then), (true, 3, ThenFail::Fail));
}

#[test]
fn every_key_of_a_step() {
    let flow = workflow(
        r#"
on_failure: fail_fast
steps:
  - { id: first, run: [cargo, test, 1.10], args: ["{{ inputs.x }}", 3], env: { A: "{{ inputs.x }}", B: 1 }, files: src/**, recovery: idempotent, idle_timeout: 90s, timeout: 1h, retry: 3, summary: Done }
  - { agent: coder, model: strategic, runtime: claude, tools: "Read, Bash(cargo test, x)", skills: [rust], with: { a: 1, b: [x] }, workspace: scratch, context: "share:first", retry: { tries: 2, delay: 1s, max_delay: 1m, on: transient }, recovery: { reconcile: ./done.sh } }
  - { needs: first, join: { at_least: 1 }, when: first.result.tests_passing, approve: Go on? }
  - { ask: Which one?, output: { which: string, "why?": "string | integer" }, optional: true }
  - { wait: 10s }
  - { wait: { signal: ready } }
  - { emit: ready }
  - { stop: Enough }
  - { stop: { status: succeeded, text: Done } }
  - { each: "[1, 2]", key: "{{ item }}", max_items: 7, batch: 3, max_parallel: 2, on_failure: continue, steps: [{ run: "true" }, { run: "true" }] }
  - { workflow: other-flow, with: { idea: "{{ inputs.x }}" } }
  - { parallel: [{ run: "true", needs: [], join: any }], max_parallel: 1, gate: [tests-pass, { run: ./count.sh, expect: output.n > 3, timeout: 1m }, { schema: { n: integer } }, { files: [README.md, "docs/*.md"] }] }
  - { loop: { max: 2, on_max: continue }, steps: [{ run: "true" }] }
"#,
    );
    assert_eq!(flow.on_failure, Some(OnFailure::FailFast));
    let ids: Vec<_> = flow.steps.iter().map(|step| step.id.value.as_str()).collect();
    let expected = [
        "first",
        "coder",
        "approve",
        "ask",
        "wait",
        "wait_2",
        "emit",
        "stop",
        "stop_2",
        "each",
        "other_flow",
        "parallel",
        "loop_1",
    ];
    assert_eq!(ids, expected);
    let first = &flow.steps[0];
    assert!(matches!(&first.kind, StepKind::Run(RunCommand::Argv(words)) if words[2].value == "1.10"));
    assert_eq!(first.args.iter().map(|word| word.value.as_str()).collect::<Vec<_>>(), ["{{ inputs.x }}", "3"]);
    assert_eq!((&first.env[0].1.value, &first.env[1].1.value), (&json!("{{ inputs.x }}"), &json!(1)));
    assert_eq!(
        (first.files[0].value.as_str(), first.idle_timeout, first.timeout),
        ("src/**", Some(Duration::from_secs(90)), Some(Duration::from_secs(3600)))
    );
    assert_eq!(first.recovery.as_ref().unwrap().value, Recovery::Idempotent);
    let retry = &first.retry.as_ref().unwrap().value;
    assert_eq!((retry.tries, retry.on, retry.delay), (3, RetryOn::Any, None));
    assert_eq!(first.summary.as_ref().unwrap().value, "Done");
    let coder = &flow.steps[1];
    let tools: Vec<_> = coder.tools.as_ref().unwrap().iter().map(|tool| tool.value.as_str()).collect();
    assert_eq!(tools, ["Read", "Bash(cargo test, x)"]);
    assert_eq!(
        (coder.model.as_ref().unwrap().value.as_str(), coder.runtime.as_ref().unwrap().value.as_str()),
        ("strategic", "claude")
    );
    assert!(matches!(&coder.context.as_ref().unwrap().value, Context::Share(step) if step.value == "first"));
    assert_eq!(coder.workspace.as_ref().unwrap().value, Workspace::Scratch);
    assert_eq!(coder.with[1].1.value, json!(["x"]));
    let retry = &coder.retry.as_ref().unwrap().value;
    assert_eq!(
        (retry.delay, retry.max_delay, retry.on),
        (Some(Duration::from_secs(1)), Some(Duration::from_secs(60)), RetryOn::Transient)
    );
    assert_eq!(coder.recovery.as_ref().unwrap().value, Recovery::Reconcile("./done.sh".to_owned()));
    let approve = &flow.steps[2];
    assert_eq!(approve.needs.as_ref().unwrap()[0].value, "first");
    assert_eq!(approve.join.as_ref().unwrap().value, Join::AtLeast(1));
    assert_eq!(approve.when.as_ref().unwrap().value, "first.result.tests_passing");
    assert!(flow.steps[3].optional);
    assert_eq!(flow.steps[3].output.as_ref().unwrap().value["required"], json!(["which"]));
    assert!(matches!(&flow.steps[4].kind, StepKind::Wait(Wait::For(time)) if *time == Duration::from_secs(10)));
    assert!(matches!(&flow.steps[5].kind, StepKind::Wait(Wait::Signal(name)) if name.value == "ready"));
    assert!(matches!(&flow.steps[6].kind, StepKind::Emit { signal } if signal.value == "ready"));
    assert!(matches!(&flow.steps[7].kind, StepKind::Stop { succeed: false, text } if text.value.as_str() == "Enough"));
    assert!(matches!(&flow.steps[8].kind, StepKind::Stop { succeed: true, .. }));
    let each = &flow.steps[9];
    assert_eq!((each.key.as_ref().unwrap().value.as_str(), each.on_failure), ("{{ item }}", Some(OnFailure::Continue)));
    assert!(matches!(
        &each.kind,
        StepKind::Each { max_items: Some(7), batch: Some(3), max_parallel: Some(2), binding: None, .. }
    ));
    assert_eq!(children(each)[1].id.value, "run_2");
    assert!(matches!(&flow.steps[10].kind, StepKind::Workflow { name } if name.value == "other-flow"));
    let parallel = &flow.steps[11];
    assert_eq!(children(parallel)[0].needs.as_ref().map(Vec::len), Some(0));
    assert!(matches!(&parallel.gate[0].value, Gate::Named(name) if name.value == "tests-pass"));
    assert!(
        matches!(&parallel.gate[1].value, Gate::Run { expect: Some(expect), timeout: Some(_), .. } if expect.value == "output.n > 3")
    );
    assert!(matches!(&parallel.gate[2].value, Gate::Schema { schema } if schema.value["required"] == json!(["n"])));
    assert!(matches!(&parallel.gate[3].value, Gate::Files { paths } if paths.len() == 2));
    assert!(matches!(&flow.steps[12].kind, StepKind::Loop { on_max: OnMax::Continue, until: None, .. }));
}

#[test]
fn texts_keep_what_was_written() {
    let flow = workflow("name: no\ndescription: 1.10\nsteps:\n  - { run: 0o7, with: { }, env: { A: 0755, B: 1e3, C: yes, D: 2026-01-01, E: 12345678901234567890123, F: true } }\n".replace(", with: { }", "").as_str());
    assert_eq!((flow.name.value.as_str(), flow.description.as_str()), ("no", "1.10"));
    let env: Vec<_> = flow.steps[0].env.iter().map(|(_, value)| value.value.clone()).collect();
    assert_eq!(
        env,
        [
            json!("0755"),
            json!(1000.0),
            json!("yes"),
            json!("2026-01-01"),
            json!("12345678901234567890123"),
            json!(true)
        ]
    );
}

#[test]
fn merge_keys_and_aliases_are_written_out() {
    let flow = workflow(
        "steps:\n  - &base { id: a, run: cargo test, timeout: 5m, env: &env { A: x } }\n  - { <<: *base, id: b, env: *env }\n",
    );
    let [a, b] = flow.steps.as_slice() else { panic!() };
    assert_eq!((a.timeout, b.timeout), (Some(Duration::from_secs(300)), Some(Duration::from_secs(300))));
    assert_eq!((b.id.value.as_str(), b.env.len()), ("b", 1));
}

#[test]
fn full_schemas_and_schema_files() {
    let project = Project::new(&[
        (
            "workflows/a.yaml",
            "steps:\n  - { prompt: x, output: schemas/out.json }\n  - prompt: y\n    output: { $schema: http://json-schema.org/draft-07/schema#, type: object, properties: { n: { type: integer } } }\n",
        ),
        ("workflows/schemas/out.json", "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"string\"}}}"),
    ]);
    let library = project.load();
    let flow = &library.workflows.get("a").unwrap().workflow;
    assert_eq!(flow.steps[0].output.as_ref().unwrap().value["properties"]["a"]["type"], "string");
    assert_eq!(flow.steps[1].output.as_ref().unwrap().value["properties"]["n"]["type"], "integer");
}

#[test]
fn the_second_dialect_is_a_sequence_or_a_loop() {
    let text = "workflows:\n  quick:\n    - { agent: coder, task: implement }\n    - { agent: coder, task: Write a changelog entry, description: Two lines, optional: true }\n  slow:\n    max_iterations: 4\n    min_suggestions_threshold: 2\n    steps:\n      - { agent: coder, task: implement }\n      - { agent: critic, task: review }\n      - { agent: critic, task: suggestions }\n";
    let (found, faults) = faults_of("x.yaml", text);
    assert!(faults.is_empty(), "{}", render::render_all(&faults, false));
    let [quick, slow] = found.as_slice() else { panic!() };
    assert_eq!((quick.name.value.as_str(), quick.inputs[0].name.value.as_str()), ("quick", "task"));
    assert!(quick.inputs[0].required && quick.inputs[0].positional);
    let StepKind::Agent { prompt: Some(prompt), .. } = &quick.steps[0].kind else { panic!() };
    assert!(prompt.text.value.contains("{{ inputs.task }}"));
    assert_eq!(prompt.file.as_ref().unwrap().path, Path::new("builtin:workflows/prompts/task-implement.md"));
    let StepKind::Agent { prompt: Some(prompt), .. } = &quick.steps[1].kind else { panic!() };
    assert_eq!(prompt.text.value, "Write a changelog entry\n\nThe task: {{ inputs.task }}\n\nTwo lines\n");
    assert!(quick.steps[1].optional);
    assert_eq!(quick.steps.iter().map(|step| step.id.value.as_str()).collect::<Vec<_>>(), ["implement", "coder"]);
    let StepKind::Loop { max: 4, until: Some(until), on_max: OnMax::Continue, steps } = &slow.steps[0].kind else {
        panic!()
    };
    assert_eq!(until.value, "suggestions.suggestions | length < 2");
    assert_eq!(steps[1].output.as_ref().unwrap().value["required"], json!(["suggestions"]));
}

const LITERATE: &str = "---\nname: lit\ninputs: { idea: string }\n---\n# A story\n\nFor people.\n\n## Design {#design agent=architect}\n\nDesign {{ inputs.idea }}.\n\n### Why\n\nBecause.\n\n```sh gate\ncargo test\n```\n\n```rust\nlet x = 1;\n```\n\n## Quality {#quality parallel needs=design}\n\nBoth at once.\n\n### Review {agent=code-reviewer}\n\nReview it.\n\n```step\noutput: { issues: [string] }\ntimeout: 5m\n```\n\n### Tests {#tests}\n\n```step\nrun: cargo test\ngate: [{ files: README.md }]\n```\n```gate\ntrue\n```\n\n## Again {#again loop max=2 until=fix.clean}\n\n### Fix {#fix agent=fixer optional}\n\nFix it.\n\n## Ship it? {#ship approve}\n\nShip {{ inputs.idea }}?\n\n## Notes\n\nNot a step.\n";

#[test]
fn a_literate_workflow_is_the_same_tree() {
    let (mut found, faults) = faults_of("lit.md", LITERATE);
    assert!(faults.is_empty(), "{}", render::render_all(&faults, false));
    let flow = found.pop().unwrap();
    let ids: Vec<_> = flow.steps.iter().map(|step| step.id.value.as_str()).collect();
    assert_eq!(ids, ["design", "quality", "again", "ship"]);
    let [design, quality, again, ship] = flow.steps.as_slice() else { panic!() };
    let StepKind::Agent { agent: Some(agent), prompt: Some(prompt) } = &design.kind else { panic!() };
    assert_eq!(agent.value, "architect");
    assert_eq!(prompt.text.value, "Design {{ inputs.idea }}.\n\n### Why\n\nBecause.\n\n```rust\nlet x = 1;\n```");
    let id = &design.id;
    assert_eq!(&flow.source.text[id.span.start..id.span.end], "design");
    assert_eq!(&flow.source.text[agent.span.start..agent.span.end], "architect");
    let Gate::Run { command: RunCommand::Shell(gate), .. } = &design.gate[0].value else { panic!() };
    assert_eq!((gate.value.as_str(), &flow.source.text[gate.span.start..gate.span.end]), ("cargo test", "cargo test"));
    assert_eq!(quality.needs.as_ref().unwrap()[0].value, "design");
    let [review, tests] = children(quality) else { panic!() };
    assert_eq!((review.id.value.as_str(), review.timeout), ("review", Some(Duration::from_secs(300))));
    let StepKind::Agent { prompt: Some(prompt), .. } = &review.kind else { panic!() };
    assert_eq!(prompt.text.value, "Review it.");
    assert_eq!(tests.gate.len(), 2);
    let StepKind::Loop { max: 2, until: Some(until), steps, .. } = &again.kind else { panic!() };
    assert_eq!((until.value.as_str(), steps[0].optional), ("fix.clean", true));
    assert!(matches!(&ship.kind, StepKind::Approve { text } if text.value.as_str() == "Ship {{ inputs.idea }}?"));
}

#[test]
fn agents_skills_commands_and_gates() {
    let project = Project::new(&[
        ("agents/README.md", "# Agents\n"),
        (
            "agents/web/front-end.md",
            "---\nname: Front End\ndescription: Builds pages\ntools: Read, Bash(npm run, x), Edit\nmodel: opus\nruntime: claude\nskills: [css, html]\nconstraints:\n  - No frameworks\ncapabilities: pages, forms\ncontext_budget: 20k\ncolor: red\nnumber: 1.10\n---\n\nYou build pages.\n",
        ),
        ("agents/all.md", "---\ndescription: All tools\ntools: '*'\nmodel: inherit\n---\nBody\n"),
        ("agents/none.md", "---\nname: none\ndescription: No tools\ntools:\n---\nBody\n"),
        (
            "skills/web/css/SKILL.md",
            "---\ndescription: Styles\ntriggers: ['*.css', style]\nallowed-tools: Read Grep\nlicense: MIT\n---\nUse variables.\n",
        ),
        (
            "commands/ns/deep/ship.md",
            "---\ndescription: Ship it\nargument-hint: '[where]'\nagent: all\n---\nShip to $ARGUMENTS.\n",
        ),
        ("commands/prose.md", "Just do $1.\n"),
        ("commands/flow.md", "---\nworkflow: new-project\nallowed-tools: Bash\n---\n"),
        (
            "commands/steps.md",
            "---\ndescription: Steps\ninputs: { idea: string }\nsteps:\n  - run: cargo test\n---\nText for people.\n",
        ),
        ("commands/lit.md", "## Do {#do agent=all}\n\nDo it.\n"),
        ("gates/green.yaml", "description: All is green\nchecks:\n  - run: cargo test\n  - check: this.ok\n"),
        ("workflows/README.md", "# Workflows\n"),
        ("workflows/rubrics/x.yaml", "a: b\n"),
        ("workflows/recordings/deep/x.yaml", "a: b\n"),
        ("workflows/samples/x/ci.yaml", "a: b\n"),
        ("workflows/samples/x/README.md", "## Do {#}\n"),
    ]);
    let library = project.load();
    let own: Vec<_> =
        library.diagnostics.iter().filter(|fault| !fault.source.path.starts_with("builtin:")).cloned().collect();
    let said: Vec<(&str, &str)> =
        own.iter().map(|fault| (fault.code.0, fault.source.path.to_str().unwrap_or_default())).collect();
    // An empty list is legal; that it means no tools at all is worth a word.
    assert_eq!(said, [("E0154", "agents/none.md")], "{}", render::render_all(&own, false));
    let agent = library.agents.get("front_end").unwrap();
    assert_eq!(
        (agent.name.as_str(), agent.description.as_str(), agent.body.as_str()),
        ("front-end", "Builds pages", "You build pages.")
    );
    assert_eq!(agent.tools.allowed().unwrap(), ["Read", "Bash(npm run, x)", "Edit"]);
    assert_eq!(
        (agent.model.as_deref(), agent.runtime.as_deref(), agent.context_budget),
        (Some("opus"), Some("claude"), Some(20_000))
    );
    assert_eq!(
        (agent.skills.join(" "), agent.constraints.join(" "), agent.capabilities.join(" ")),
        ("css html".into(), "No frameworks".into(), "pages forms".into())
    );
    assert_eq!((agent.meta.extra("color"), agent.meta.extra("number")), (Some(&json!("red")), Some(&json!(1.1))));
    let all = library.agents.get("all").unwrap();
    assert_eq!((all.tools.allowed(), &all.model), (None, &None));
    assert_eq!(library.agents.get("none").unwrap().tools.allowed(), Some(Vec::new()));
    let skill = library.skills.get("css").unwrap();
    assert_eq!(
        (skill.triggers.join(" "), skill.allowed_tools.allowed().unwrap().join(" ")),
        ("*.css style".into(), "Read Grep".into())
    );
    let ship = library.commands.get("ns:deep:ship").unwrap();
    assert_eq!((ship.name.as_str(), ship.argument_hint.as_deref()), ("ns:deep:ship", Some("[where]")));
    assert!(
        matches!(&ship.body, CommandBody::Prose { text, agent: Some(agent), .. } if text.value.as_str() == "Ship to $ARGUMENTS." && agent == "all")
    );
    assert!(
        matches!(&library.commands.get("prose").unwrap().body, CommandBody::Prose { text, .. } if text.value.as_str() == "Just do $1.")
    );
    let flow = library.commands.get("flow").unwrap();
    assert!(matches!(&flow.body, CommandBody::Workflow(name) if name.value == "new-project"));
    assert_eq!(flow.meta.extra("allowed-tools"), Some(&json!("Bash")));
    assert!(
        matches!(&library.commands.get("steps").unwrap().body, CommandBody::Inline(flow) if flow.steps.len() == 1 && flow.inputs.len() == 1 && flow.name.value == "steps")
    );
    assert!(
        matches!(&library.commands.get("lit").unwrap().body, CommandBody::Inline(flow) if flow.steps[0].id.value == "do")
    );
    assert_eq!(library.gates.get("green").unwrap().checks.len(), 2);
    assert!(library.agents.get("readme").is_none() && library.workflows.get("x").is_none());
}

#[test]
fn nearer_definitions_shadow_farther_ones() {
    let agent = |text: &str| format!("---\nname: same\ndescription: {text}\n---\nBody\n");
    let (root, dot, claude, user) = (agent("root"), agent("dot"), agent("claude"), agent("user"));
    let project = Project::new(&[
        ("p/agents/a.md", &root),
        ("p/.orch/agents/a.md", &dot),
        ("p/.claude/agents/a.md", &claude),
        ("user/agents/a.md", &user),
        ("p/workflows/x.yaml", "steps: [{ run: x }]"),
        ("p/deep/er/file", ""),
    ]);
    let (root, user) = (project.path().join("p"), project.path().join("user"));
    let library = load::load(&root, Some(&user));
    let order: Vec<_> = library
        .agents
        .all()
        .filter(|(agent, _)| agent.name == "same")
        .map(|(agent, by)| (agent.description.clone(), by.is_some()))
        .collect();
    assert_eq!(order, [("root".into(), false), ("dot".into(), true), ("claude".into(), true), ("user".into(), true)]);
    assert_eq!(load::project_root(&root.join("deep/er")), root.canonicalize().unwrap());
    let twice = |library: &Library| format!("{:?}", library.diagnostics) + &library.agents.names().collect::<String>();
    assert_eq!(twice(&library), twice(&load::load(&root, Some(&user))));
}

#[test]
fn the_shipped_library_has_no_faults() {
    let library = load::load(Path::new("/nowhere"), None);
    assert!(library.diagnostics.is_empty(), "{}", render::render_all(&library.diagnostics, false));
    for name in ["new-project", "fix-bug"] {
        assert_eq!(library.workflows.get(name).unwrap().origin.scope, Scope::Builtin);
    }
    assert_eq!(library.root, PathBuf::from("/nowhere"));
}

#[test]
fn files_of_the_second_dialect_have_no_faults() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dialect");
    for name in ["default", "thorough"] {
        let (entries, faults) = load::load_workflow_file(&folder, &folder.join(format!("{name}.yaml")));
        assert!(faults.is_empty(), "{}", render::render_all(&faults, false));
        assert_eq!(entries[0].workflow.name.value, name);
    }
}

/// The key written at each place of a valid file; each is damaged by one edit, and the help must name it.
#[test]
fn suggestions_are_right_in_19_of_20_single_edits() {
    let keys = [
        ("", "description", "name: x\n@: text\nsteps: [{ run: x }]\n"),
        ("", "outputs", "@: { a: b }\nsteps: [{ run: x }]\n"),
        ("", "budget", "@: { usd: 1 }\nsteps: [{ run: x }]\n"),
        ("", "required", "inputs: { a: { type: string, @: true } }\nsteps: [{ run: x }]\n"),
        ("", "positional", "inputs: { a: { type: string, @: true } }\nsteps: [{ run: x }]\n"),
        ("", "timeout", "steps: [{ run: x, @: 3m }]\n"),
        ("", "idle_timeout", "steps: [{ run: x, @: 3m }]\n"),
        ("", "needs", "steps: [{ run: x, @: [] }]\n"),
        ("", "optional", "steps: [{ run: x, @: true }]\n"),
        ("", "recovery", "steps: [{ run: x, @: retry }]\n"),
        ("", "prompt", "steps: [{ @: x }]\n"),
        ("", "prompt_file", "steps: [{ @: x }]\n"),
        ("", "approve", "steps: [{ @: x }]\n"),
        ("", "parallel", "steps: [{ @: [{ run: x }] }]\n"),
        ("", "max_parallel", "steps: [{ parallel: [{ run: x }], @: 2 }]\n"),
        ("", "on_gate_fail", "steps: [{ prompt: x, gate: [{ run: x }], @: { tries: 1 } }]\n"),
        ("", "context_budget", "steps: [{ prompt: x, @: 20k }]\n"),
        ("", "workspace", "steps: [{ prompt: x, @: shared }]\n"),
        ("", "output", "steps: [{ prompt: x, @: { a: string } }]\n"),
        ("", "tries", "steps: [{ run: x, retry: { tries: 1, @: 2 } }]\n"),
        ("", "feedback", "steps: [{ prompt: x, gate: [{ run: x }], on_gate_fail: { @: true } }]\n"),
        ("", "check", "steps: [{ prompt: x, gate: [{ @: x }] }]\n"),
        ("", "max_files", "steps: [{ prompt: x, gate: [{ changed: { @: 2 } }] }]\n"),
        ("", "idempotent", "steps: [{ run: x, recovery: @ }]\n"),
        ("", "fail_fast", "on_failure: @\nsteps: [{ run: x }]\n"),
        ("", "boolean", "steps: [{ prompt: x, output: { a: @ } }]\n"),
        ("", "continue", "steps: [{ prompt: x, gate: [{ run: x }], on_gate_fail: { then: @ } }]\n"),
    ];
    let (mut tried, mut wrong) = (0u32, Vec::new());
    let mut seed = 7usize;
    for round in 0..8 {
        for (_, key, text) in keys {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let damaged = damage(key, round % 4, seed >> 33);
            if damaged == key {
                continue;
            }
            tried += 1;
            let (_, faults) = faults_of("x.yaml", &text.replace('@', &damaged));
            if !faults.iter().any(|fault| fault.help.contains(&format!("`{key}`"))) {
                wrong.push(format!(
                    "{damaged} for {key}: {:?}",
                    faults.iter().map(|fault| &fault.help).collect::<Vec<_>>()
                ));
            }
        }
    }
    println!("{} of {tried} right", tried as usize - wrong.len());
    assert!(tried >= 200 && wrong.len() * 20 <= tried as usize, "{} of {tried} wrong: {wrong:#?}", wrong.len());
}

/// One edit: a letter left out, doubled, swapped with the next, or replaced.
fn damage(word: &str, kind: usize, place: usize) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let place = place % letters.len();
    match kind {
        0 => drop(letters.remove(place)),
        1 => letters.insert(place, letters[place]),
        2 if place + 1 < letters.len() => letters.swap(place, place + 1),
        _ => letters[place] = if letters[place] == 'x' { 'y' } else { 'x' },
    }
    letters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), markdown in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(if markdown { "x.md" } else { "x.yaml" });
        fs::write(&path, &bytes).unwrap();
        let (_, faults) = load::load_workflow_file(folder.path(), &path);
        let _ = render::render_all(&faults, true);
    }

    #[test]
    fn no_damage_to_a_valid_file_makes_it_panic(at in 0..4000usize, length in 0..40usize, piece in "[-:#&*!|>{}\\[\\]'\"% \n\ta-zé]{0,6}", literate in any::<bool>()) {
        let text = if literate { LITERATE } else { NEW_PROJECT };
        let mut letters: Vec<char> = text.chars().collect();
        let at = at.min(letters.len());
        let end = (at + length).min(letters.len());
        letters.splice(at..end, piece.chars());
        let text: String = letters.into_iter().collect();
        let (found, faults) = faults_of(if literate { "x.md" } else { "x.yaml" }, &text);
        let _ = render::render_all(&faults, false);
        prop_assert!(found.is_empty() || faults.iter().all(|fault| fault.severity < orch::base::Severity::Error));
    }
}
