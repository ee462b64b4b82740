//! Compiling: the plan of the documented example edge by edge, the exact diagnostics of workflows that do not compile,
//! defaults, drawings as kept samples, and the time that large workflows take.
//!
//! `UPDATE=1` writes expected texts and samples anew.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use orch::{
    base::{Diagnostic, Severity, Source, Span, Spanned, codes, render::render_all},
    definition::{
        Agent, Arguments, Base, Command, CommandBody, Dialect, Library, Meta, NamedGate, Origin, Scope, Server,
        ServerForm, ServerUse, Skill, Style, ToolPolicy, WorkflowEntry,
        load::load_workflow_file,
        workflow::{Gate, Join, OnFailure, OnLimit, RetryOn, ThenFail, Workflow},
    },
    plan::{
        Compiled, EdgeKind, Meaning, Plan, PlanContext, PlanStep, RecoveryPolicy, StepIx, Work, compile,
        compile_command, defaults, draw, graph,
    },
};

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder)
}

fn origin(path: &str, text: &str) -> Origin {
    let source = Source::new(path, text);
    Origin {
        scope: Scope::Project,
        dialect: Dialect::Orch,
        plugin: None,
        path: path.into(),
        source,
        frontmatter: Span::default(),
    }
}

fn agent(name: &str, tools: Option<&[&str]>) -> Agent {
    let path = format!("agents/{name}.md");
    Agent {
        name: name.to_owned(),
        description: format!("The {name}"),
        tools: ToolPolicy::of(tools),
        permissions: orch::definition::Permissions::default(),
        model: None,
        runtime: None,
        skills: Vec::new(),
        servers: Vec::new(),
        constraints: Vec::new(),
        capabilities: Vec::new(),
        context_budget: None,
        meta: Meta::default(),
        body: format!("You are the {name}.").into(),
        origin: origin(&path, "---\n---\n"),
    }
}

/// A gate whose file is the text; each line is one check.
fn gate(name: &str, text: &str, check: impl Fn(Spanned<String>) -> Gate) -> NamedGate {
    let origin = origin(&format!("gates/{name}.yaml"), text);
    let mut checks = Vec::new();
    let mut start = 0;
    for line in text.lines() {
        let span = Span::new(start..start + line.len());
        checks.push(Spanned::new(check(Spanned::new(line.to_owned(), span)), span));
        start += line.len() + 1;
    }
    NamedGate { name: name.to_owned(), description: String::new(), checks, origin, reads: Vec::new() }
}

fn read(path: &Path) -> Workflow {
    let (mut entries, faults) = load_workflow_file(path.parent().unwrap(), path);
    assert!(faults.is_empty(), "{}", render_all(&faults, false));
    entries.remove(0).workflow
}

fn parse(name: &str, text: &str) -> Workflow {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    read(&path)
}

const READ_ONLY: &[&str] = &["Read", "Grep", "Glob"];

fn library() -> Library {
    let mut library = Library::default();
    for name in ["architect", "backend-developer", "fullstack-developer", "performance-analyzer"] {
        library.agents.push(name, agent(name, None));
    }
    for name in ["reviewer", "requirements-analyzer", "code-reviewer", "security-auditor"] {
        library.agents.push(name, agent(name, Some(READ_ONLY)));
    }
    let asked = ServerUse::Named(Spanned::new("remot".to_owned(), Span::new(0..3)));
    library.agents.push("caller", Agent { servers: vec![asked], ..agent("caller", None) });
    let remote = Server {
        name: "remote".to_owned(),
        form: ServerForm::Remote,
        source: Source::new(".mcp.json", "{}"),
        span: Span::default(),
        is_own: false,
    };
    library.servers.insert("remote".to_owned(), remote.into());
    let skill = Skill {
        name: "rust".to_owned(),
        description: "Rust".to_owned(),
        triggers: Vec::new(),
        allowed_tools: ToolPolicy::default(),
        globs: Vec::new(),
        meta: Meta::default(),
        body: "Write Rust.".to_owned().into(),
        origin: origin("skills/rust/SKILL.md", ""),
    };
    library.skills.push("rust", skill);
    library.gates.push("circle", gate("circle", "circle\n", Gate::Named));
    library.gates.push("clean", gate("clean", "this.ok\nthis.count == 0\n", Gate::Check));
    library.gates.push("nosy", gate("nosy", "plan.goals | length > 0\n", Gate::Check));
    for path in sorted(&fixtures("plan_library"), "yaml") {
        push(&mut library, &read(&path));
    }
    library
}

fn push(library: &mut Library, workflow: &Workflow) {
    let name = workflow.name.value.clone();
    let origin = origin(&workflow.source.path.display().to_string(), &workflow.source.text);
    library.workflows.push(&name, WorkflowEntry { workflow: workflow.clone(), origin });
}

fn sorted(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|one| one == extension)).collect();
    files.sort();
    files
}

fn compiled(text: &str) -> Result<Compiled, Vec<Diagnostic>> {
    compile(&library(), &parse("workflow.yaml", text))
}

fn plan(text: &str) -> Plan {
    compiled(text).unwrap_or_else(|faults| panic!("{}", render_all(&faults, false))).plan
}

/// The codes of all faults and warnings.
fn codes_of(text: &str) -> Vec<&'static str> {
    match compiled(text) {
        Ok(compiled) => compiled.warnings.iter().map(|fault| fault.code.0).collect(),
        Err(faults) => faults.iter().map(|fault| fault.code.0).collect(),
    }
}

fn step<'p>(plan: &'p Plan, path: &str) -> &'p PlanStep {
    plan.steps.iter().find(|step| step.path == path).unwrap_or_else(|| panic!("no step {path}"))
}

fn index(plan: &Plan, path: &str) -> StepIx {
    StepIx(u32::try_from(plan.steps.iter().position(|step| step.path == path).unwrap()).unwrap())
}

/// `build <- design: implied, read`, one line a need.
fn edges(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for step in &plan.steps {
        for need in &step.needs {
            let kind = match need.edge {
                EdgeKind::Implied => "implied",
                EdgeKind::Declared => "declared",
                EdgeKind::Inferred => "inferred",
            };
            let read = if need.reads { ", read" } else { "" };
            lines.push(format!("{} <- {}: {kind}{read}", step.path, plan.step(need.step).path));
        }
    }
    lines
}

/// Compares with a kept text, or writes it.
fn compare(path: &Path, text: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(kept, text, "{} is not as kept; UPDATE=1 writes it anew", path.display());
}

#[test]
fn the_documented_example_has_exactly_these_edges() {
    let workflow = read(&fixtures("plans").join("new_project.yaml"));
    let compiled = compile(&library(), &workflow).unwrap_or_else(|faults| panic!("{}", render_all(&faults, false)));
    assert_eq!(compiled.warnings, []);
    let plan = compiled.plan;
    assert_eq!(
        edges(&plan),
        [
            "design <- requirements: implied, read",
            "build <- design: implied, read",
            "quality <- build: implied",
            "polish <- quality: implied",
            "polish/validate <- polish/improve: implied",
        ]
    );
    let roots: Vec<&str> = plan.roots.iter().map(|ix| plan.step(*ix).id.as_str()).collect();
    assert_eq!(roots, ["requirements", "design", "build", "quality", "polish"]);
    let Work::Agent(code) = &step(&plan, "build/code").work else { panic!() };
    assert_eq!(code.context, PlanContext::Fork(index(&plan, "design")));
    assert_eq!(code.context_budget, 20_000);
    assert_eq!(code.prompt.reads[0].means, Meaning::Item(index(&plan, "build")));
    assert_eq!(plan.agents[code.agent.unwrap() as usize].name, "backend-developer");
    let Work::Loop { until: Some(until), .. } = &step(&plan, "polish").work else { panic!() };
    assert_eq!(until.reads[0].means, Meaning::Step(index(&plan, "polish/validate")));
    let quality = step(&plan, "quality");
    assert_eq!((quality.on_gate_fail.tries, quality.on_gate_fail.then), (2, ThenFail::Ask));
    assert!(quality.on_gate_fail.fixer.is_some());
    assert_eq!(plan.budget.usd_micros, Some(15_000_000));
    assert_eq!(plan.budget.on_limit, OnLimit::Pause);
    assert_eq!(plan.models["strategic"]["codex"].models().collect::<Vec<_>>(), ["gpt-5.5"]);
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan, "a run stores the plan");
    assert_eq!(compile(&library(), &workflow).unwrap().plan.digest, plan.digest, "the same files, the same digest");
}

#[test]
fn every_invalid_workflow_has_its_exact_diagnostics() {
    let files = sorted(&fixtures("invalid_plan"), "yaml");
    assert!(files.len() >= 25);
    let mut reached: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for path in files {
        let workflow = read(&path);
        let mut library = library();
        push(&mut library, &workflow);
        let faults = match compile(&library, &workflow) {
            Ok(_) => {
                wrong.push(format!("{} compiles", path.display()));
                continue;
            }
            Err(faults) => faults,
        };
        for fault in &faults {
            *reached.entry(fault.code.0).or_default() += 1;
            assert!(codes::find(fault.code.0).is_some(), "{}", fault.code);
            assert!(!fault.cause.is_empty() && !fault.help.is_empty(), "{}: {}", path.display(), fault.message);
            assert!(!fault.message.ends_with('.'), "{}", fault.message);
        }
        let text = render_all(&faults, false);
        let kept = path.with_extension("expected");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&kept, &text).unwrap();
        } else if std::fs::read_to_string(&kept).unwrap_or_default() != text {
            wrong.push(format!("{}:\n{text}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Every code is reached here, but those that only warn, and those that need very large files: these have tests below.
    let elsewhere = ["E0206", "E0224", "E0225", "E0226", "E0227", "E0228"];
    let missing: Vec<&str> = codes::all().map(|info| info.code.0).filter(|code| code.starts_with("E02")).collect();
    let missing: Vec<&str> =
        missing.into_iter().filter(|code| !reached.contains_key(code) && !elsewhere.contains(code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn edges_come_from_the_list_from_needs_and_from_what_is_read() {
    let plan = plan(
        r#"
steps:
  - { id: a, run: ./a.sh, output: { n: integer } }
  - { id: b, run: ./b.sh, needs: [] }
  - { id: c, run: ./c.sh, needs: [a], env: { N: "{{ a.n }}", M: "{{ b.x | default('') }}" } }
  - id: d
    needs: [b]
    parallel:
      - { id: x, run: ./x.sh }
      - { id: y, run: ./y.sh, env: { N: "{{ a.n }}", X: "{{ x.result.text }}" } }
  - id: e
    loop: { max: 2, until: "done.ok and a.n > 0" }
    steps:
      - { id: done, run: ./done.sh, output: { ok: boolean }, when: "d is defined and iteration > 1" }
"#,
    );
    assert_eq!(
        edges(&plan),
        [
            "c <- a: declared, read",
            "c <- b: inferred",
            "d <- b: declared",
            "d <- a: inferred, read",
            "d/y <- d/x: inferred, read",
            "e <- d: implied",
            "e <- a: inferred, read",
        ]
    );
}

#[test]
fn a_context_is_an_edge() {
    let plan = plan(
        "steps:\n  - { id: a, agent: reviewer, prompt: A }\n  - { id: b, run: ./b.sh }\n  - { id: c, agent: reviewer, prompt: C, needs: [], context: 'fork:a' }\n  - { id: d, agent: reviewer, prompt: D, needs: [b], context: 'share:a' }\n",
    );
    assert_eq!(
        edges(&plan),
        ["b <- a: implied", "c <- a: inferred, read", "d <- b: declared", "d <- a: inferred, read"]
    );
}

#[test]
fn a_reference_through_a_call_stays_inside() {
    let plan = plan(
        r#"
steps:
  - { id: tag, run: ./mine.sh, output: { name: string } }
  - { id: inner, workflow: release, with: { version: "{{ tag.name }}" } }
"#,
    );
    let inner = index(&plan, "inner");
    assert_eq!(edges(&plan), ["inner <- tag: implied, read"]);
    let Work::Call { outputs, inputs, .. } = &plan.step(inner).work else { panic!() };
    assert_eq!(inputs.len(), 2);
    assert_eq!(outputs[0].1.reads[0].means, Meaning::Step(index(&plan, "inner/tag")));
    assert_eq!(plan.step(inner).with[0].1.reads[0].means, Meaning::Step(index(&plan, "tag")));
}

#[test]
fn named_gates_are_their_checks() {
    let plan = plan("steps:\n  - { id: a, run: ./a.sh, output: { ok: boolean, count: integer }, gate: [clean] }\n");
    let gates = serde_json::to_value(&plan.steps[0].gates).unwrap();
    assert_eq!(gates[0]["expression"]["text"], "this.ok");
    assert_eq!(gates[1]["from"], "clean");
    assert_eq!(gates[1]["expression"]["reads"][0]["means"], "this");
}

#[test]
fn every_place_gives_its_own_names() {
    let plan = plan(
        r#"
inputs:
  parts: { type: "[string]", required: true }
models: { big: { any: large } }
steps:
  - id: fan
    each: inputs.parts
    as: part
    key: "{{ part }}-{{ index }}"
    max_parallel: 1
    steps:
      - id: one
        agent: reviewer
        prompt: "{{ with.tone }} {{ item }} {{ part }} {{ models.big }}"
        with: { tone: "kind {{ index }}" }
        summary: "{{ result.status }}"
        gate:
          - { run: ./check.sh, expect: "output.n == 1 and exit == 0 and this.x is undefined and part != ''" }
  - id: again
    loop: { max: 2, until: "iteration == 2 and last.result.status == 'succeeded'" }
    steps:
      - { id: last, run: ./last.sh, env: { N: "{{ iteration }}" } }
    gate: [{ check: "last.result.attempts < 3" }]
"#,
    );
    let fan = index(&plan, "fan");
    let Work::Each(each) = &plan.step(fan).work else { panic!() };
    let means: Vec<Meaning> = each.key.as_ref().unwrap().reads.iter().map(|read| read.means).collect();
    assert_eq!(means, [Meaning::Item(fan), Meaning::Index(fan)]);
    let Work::Agent(one) = &step(&plan, "fan/one").work else { panic!() };
    let means: Vec<Meaning> = one.prompt.reads.iter().map(|read| read.means).collect();
    assert_eq!(means, [Meaning::With, Meaning::Item(fan), Meaning::Item(fan), Meaning::Models]);
    assert_eq!(step(&plan, "fan/one").summary.as_ref().unwrap().reads[0].means, Meaning::Result);
    let again = index(&plan, "again");
    let Work::Loop { until: Some(until), .. } = &plan.step(again).work else { panic!() };
    assert_eq!(until.reads[0].means, Meaning::Iteration(again));
    assert_eq!(edges(&plan), ["again <- fan: implied"]);
}

#[test]
fn defaults_are_filled_in() {
    let plan = plan(
        r#"
steps:
  - { id: writer, agent: architect, prompt: Write }
  - { id: reader, agent: reviewer, prompt: Read }
  - { id: narrowed, agent: architect, tools: [Read, grep], prompt: Read }
  - { id: thinker, agent: architect, tools: [], prompt: Think }
  - { id: command, run: ./a.sh, gate: [{ run: ./gate.sh }] }
  - { id: fan, each: "[1]", steps: [{ id: one, run: ./a.sh }] }
  - { id: person, approve: "Go on?" }
"#,
    );
    let minute = 60_000;
    let agent = step(&plan, "writer");
    assert_eq!((agent.timeout_ms, agent.idle_timeout_ms), (Some(30 * minute), Some(10 * minute)));
    assert_eq!((agent.retry.tries, agent.retry.on), (2, RetryOn::Transient));
    let command = step(&plan, "command");
    assert_eq!((command.timeout_ms, command.idle_timeout_ms), (Some(10 * minute), Some(10 * minute)));
    assert_eq!(serde_json::to_value(&command.gates[0]).unwrap()["timeout_ms"], 10 * minute);
    assert_eq!((step(&plan, "person").timeout_ms, step(&plan, "fan").timeout_ms), (None, None));
    let Work::Each(each) = &step(&plan, "fan").work else { panic!() };
    assert_eq!((each.max_items, each.binding.as_str()), (100, "item"));
    assert_eq!(plan.budget.agents, 100);
    assert_eq!((plan.on_failure, command.on_failure), (OnFailure::Drain, OnFailure::Drain));
    assert_eq!(command.join, Join::All);
    assert_eq!((defaults::LOOP_MAX, defaults::STEPS_MAX), (3, 20_000));
    let Work::Agent(work) = &agent.work else { panic!() };
    assert_eq!(work.context_budget, 20_000);
    for (path, recovery) in [
        ("writer", RecoveryPolicy::Agent),
        ("reader", RecoveryPolicy::Retry),
        ("narrowed", RecoveryPolicy::Retry),
        ("thinker", RecoveryPolicy::Retry),
        ("command", RecoveryPolicy::Manual),
        ("person", RecoveryPolicy::Retry),
    ] {
        assert_eq!(step(&plan, path).recovery, recovery, "{path}");
    }
}

#[test]
fn agents_beside_each_other_may_write_where_files_or_order_keep_them_apart() {
    for fine in [
        // Ordered by an edge between containers.
        "steps:\n  - id: a\n    parallel: [{ id: x, agent: architect, prompt: X }]\n  - id: b\n    parallel: [{ id: y, agent: architect, prompt: Y }]\n",
        // An own folder.
        "steps:\n  - id: a\n    parallel:\n      - { id: x, agent: architect, prompt: X, workspace: scratch }\n      - { id: y, agent: architect, prompt: Y }\n",
        // Ordered inside `parallel`.
        "steps:\n  - id: a\n    parallel:\n      - { id: x, agent: architect, prompt: X }\n      - { id: y, agent: architect, prompt: Y, needs: [x] }\n",
        // Read-only tools.
        "steps:\n  - id: a\n    parallel:\n      - { id: x, agent: architect, prompt: X, tools: [Read] }\n      - { id: y, agent: architect, prompt: Y }\n",
    ] {
        assert_eq!(codes_of(fine), [""; 0], "{fine}");
    }
    for fault in [
        // `join: any` orders with none of several.
        "steps:\n  - { id: a, agent: architect, prompt: A, needs: [] }\n  - { id: b, run: ./b.sh, needs: [] }\n  - { id: c, agent: architect, prompt: C, needs: [a, b], join: any }\n",
        // The agent that repairs a failed gate writes too.
        "steps:\n  - id: p\n    parallel:\n      - { id: a, run: ./a.sh, gate: [{ run: ./g.sh }], on_gate_fail: { agent: architect, tries: 1 } }\n      - { id: b, agent: architect, prompt: B, files: [b] }\n",
        // Deep in different branches.
        "steps:\n  - { id: a, needs: [], loop: { max: 2 }, steps: [{ id: x, agent: architect, prompt: X, files: [src] }] }\n  - { id: b, needs: [], parallel: [{ id: y, agent: architect, prompt: Y, files: [src/lib.rs] }] }\n",
    ] {
        assert_eq!(codes_of(fault).first(), Some(&"E0219"), "{fault}");
    }
}

/// Whoever needs isolated work needs its merge; a join still counts as many; a value is still that of the work.
#[test]
fn isolated_work_is_needed_through_its_merge() {
    let plan = plan(
        "steps:\n  - id: build\n    each: \"[1]\"\n    workspace: worktree\n    merge: { order: as_listed, gate: [{ run: \"true\" }] }\n\
         \x20   steps:\n      - { id: code, prompt: a }\n      - { id: check, run: b }\n  - id: two\n    workspace: worktree\n\
         \x20   merge: { strategy: squash, order: as_listed, on_conflict: { agent: architect, then: ask } }\n    parallel:\n\
         \x20     - { id: late, needs: [early], prompt: a }\n      - { id: early, prompt: b, output: { x: string } }\n\
         \x20     - { id: either, join: any, needs: [early, late], run: c }\n      - { id: asked, approve: ok? }\n\
         \x20 - { id: alone, run: d, workspace: worktree, merge: {}, optional: true }\n  - { id: end, prompt: \"{{ two.early.x }}\" }\n",
    );
    let needs = |path: &str| -> Vec<String> {
        step(&plan, path).needs.iter().map(|need| plan.step(need.step).path.clone()).collect()
    };
    assert_eq!(needs("build/@merge"), ["build/code", "build/check"]);
    assert_eq!(needs("two/late"), ["two/early@merge"]);
    assert_eq!(needs("two/early@merge"), ["two/early"]);
    assert_eq!(needs("two/either"), ["two/early@merge", "two/late@merge"]);
    assert_eq!(needs("alone"), ["two"]);
    assert_eq!(needs("end"), ["alone@merge", "two"]);
    assert!(step(&plan, "alone@merge").optional && step(&plan, "alone").isolated && !step(&plan, "two").isolated);
    // Nothing can have been written by a question.
    assert!(plan.steps.iter().all(|step| step.path != "two/asked@merge"));
    let rank = |path: &str| match &step(&plan, path).work {
        Work::Merge(merge) => merge.rank,
        _ => None,
    };
    // As listed, except that what needs another one comes after it.
    assert!(rank("two/early@merge") < rank("two/late@merge") && rank("two/late@merge") < rank("two/either@merge"));
    assert!(rank("two/early@merge").is_some() && rank("alone@merge").is_none());
    assert_eq!(step(&plan, "build/@merge").gates.len(), 1);
    let fail = &step(&plan, "two/late@merge").on_gate_fail;
    assert!(fail.fixer.is_some() && fail.tries == 2 && fail.then == ThenFail::Ask);
    assert!(plan.keeps_checkpoints());
}

/// In worktrees of their own nobody is beside another one; within one worktree they are.
#[test]
fn agents_in_worktrees_of_their_own_need_no_files() {
    let parallel = "    parallel:\n      - { id: a, prompt: a }\n      - { id: b, prompt: b }\n";
    let apart = format!("steps:\n  - id: p\n    workspace: worktree\n    merge: {{}}\n{parallel}");
    assert_eq!(codes_of(&apart), [""; 0]);
    let each = "steps:\n  - id: e\n    each: \"[1, 2]\"\n    workspace: worktree\n    merge: {}\n    steps:\n";
    assert_eq!(codes_of(&format!("{each}      - {{ id: a, prompt: a }}\n")), [""; 0]);
    assert_eq!(
        codes_of(&format!("{each}      - {{ id: a, prompt: a }}\n      - {{ id: b, prompt: b, needs: [] }}\n")),
        ["E0219", "E0219"]
    );
    // A session is at home in its worktree.
    let before = "steps:\n  - { id: s, prompt: s }\n";
    let each_after = each.replace("steps:\n  - id: e", "  - id: e");
    let shares = "      - { id: a, prompt: a, context: \"share:s\" }\n";
    assert_eq!(codes_of(&format!("{before}{}{shares}", each_after.replace("[1, 2]", "[1]"))), ["E0220", "E0220"]);
    let within = "      - { id: a, prompt: a }\n      - { id: b, prompt: b, context: \"share:a\" }\n";
    assert_eq!(codes_of(&format!("{each}{within}")), [""; 0]);
    let shared = "      - { id: a, prompt: a, workspace: shared }\n";
    assert_eq!(codes_of(&format!("{each}{shared}")), ["E0219"]);
}

#[test]
fn what_is_only_likely_wrong_is_a_warning() {
    let text = "models: { strategic: { any: large } }\nsteps:\n  - { id: a, agent: reviewer, model: stratgic, prompt: A }\n  - { id: b, agent: reviewer, model: gpt-5.5, prompt: \"{{ a.title }} {{ a.note | default('') }}\" }\n";
    assert_eq!(codes_of(text), ["E0225", "E0211"]);
    let compiled = compiled(text).unwrap();
    let Work::Agent(work) = &compiled.plan.steps[0].work else { panic!() };
    assert_eq!(work.model.as_deref(), Some("stratgic"), "a name that is no tier passes through");
}

#[test]
fn plans_are_bounded() {
    let mut text = String::from("steps:\n");
    for number in 0..10_001 {
        let _ = writeln!(text, "  - {{ id: s{number}, workflow: one }}");
    }
    let mut library = Library::default();
    push(&mut library, &parse("one.yaml", "name: one\nsteps: [{ id: a, run: 'true' }]\n"));
    let faults = compile(&library, &parse("many.yaml", &text)).unwrap_err();
    assert_eq!((faults.len(), faults[0].code.0), (1, "E0206"), "10,001 calls with one step each are 20,002 steps");

    // Each workflow calls the next twice: 2^17 steps if nothing stopped it.
    let mut library = Library::default();
    for depth in 0..18 {
        let next = if depth == 17 { "run: 'true'".to_owned() } else { format!("workflow: w{}", depth + 1) };
        let text = format!("name: w{depth}\nsteps: [{{ id: a, {next} }}, {{ id: b, {next} }}]\n");
        push(&mut library, &parse(&format!("w{depth}.yaml"), &text));
    }
    let started = Instant::now();
    let faults = compile(&library, &library.workflows.get("w0").unwrap().workflow).unwrap_err();
    assert!(faults.iter().any(|fault| fault.code.0 == "E0206"));
    assert!(started.elapsed() < Duration::from_secs(5));
}

fn command(path: &str, body: CommandBody) -> Command {
    Command {
        name: "fix-issue".to_owned(),
        description: "Fix it".to_owned(),
        argument_hint: Some("[issue]".to_owned()),
        body,
        meta: Meta::default(),
        origin: origin(path, "Fix $ARGUMENTS in {{ braces }}."),
    }
}

#[test]
fn commands_compile_too() {
    let prose = |path: &str, text: &str, agent: Option<&str>| {
        let text = Spanned::new(text.to_owned(), Span::new(0..4));
        let arguments = match path.starts_with(".codex") {
            true => Arguments { style: Style::Codex, base: Base::One, named: Vec::new() },
            false => Arguments::default(),
        };
        command(
            path,
            CommandBody::Prose { text: text.map(Into::into), arguments, agent: agent.map(str::to_owned), model: None },
        )
    };
    let compiled =
        compile_command(&library(), &prose("commands/fix-issue.md", "Fix $ARGUMENTS, {{ x }}", Some("architect")));
    let plan = compiled.unwrap().plan;
    assert_eq!((plan.steps.len(), plan.steps[0].id.as_str()), (1, "fix_issue"));
    assert_eq!((plan.inputs[0].name.as_str(), plan.inputs[0].positional), ("arguments", true));
    let Work::Agent(work) = &plan.steps[0].work else { panic!() };
    assert_eq!(work.prompt.reads.len(), 1, "braces of the prose are no template");
    assert_eq!(plan.agents[0].name, "architect");

    let faults = compile_command(&library(), &prose("commands/x.md", "Go", Some("nobody"))).unwrap_err();
    assert_eq!(faults[0].code.0, "E0201");
    let warned = compile_command(&library(), &prose(".claude/commands/x.md", "Go $1", None)).unwrap();
    assert_eq!(warned.warnings[0].code.0, "E0226");
    let counted = compile_command(&library(), &prose(".codex/prompts/x.md", "Go $1", None)).unwrap();
    assert_eq!(counted.warnings, []);
    let mut of_plugin = prose(".claude/commands/x.md", "Go $0 for $1.00 to ${user_config.place}", None);
    of_plugin.origin.plugin = Some("p".to_owned());
    let remarks = compile_command(&library(), &of_plugin).unwrap().warnings;
    let remarks: Vec<_> = remarks.iter().map(|fault| (fault.code.0, fault.severity)).collect();
    assert_eq!(remarks, [("E0227", Severity::Info), ("E0228", Severity::Warning)]);

    let name = Spanned::new("release".to_owned(), Span::new(0..3));
    let by_name = compile_command(&library(), &command("commands/r.md", CommandBody::Workflow(name))).unwrap();
    assert_eq!(by_name.plan.name, "release");
    let inline = CommandBody::Inline(Box::new(parse("i.yaml", "steps: [{ id: a, run: 'true' }]\n")));
    assert_eq!(compile_command(&library(), &command("commands/i.md", inline)).unwrap().plan.steps.len(), 1);
}

#[test]
fn drawings_are_as_kept() {
    for path in sorted(&fixtures("plans"), "yaml") {
        let plan =
            compile(&library(), &read(&path)).unwrap_or_else(|faults| panic!("{}", render_all(&faults, false))).plan;
        let tree = draw::tree(&plan);
        assert!(tree.lines().all(|line| line.chars().count() <= 80), "{tree}");
        compare(&path.with_extension("txt"), &tree);
        compare(&path.with_extension("mmd"), &draw::mermaid(&plan));
        compare(&path.with_extension("dot"), &draw::dot(&plan));
        compare(&path.with_extension("svg"), &draw::svg(&plan));
    }
}

#[test]
fn the_critical_order_puts_needs_first_and_long_ways_before_short_ones() {
    let plan = plan(
        r#"
steps:
  - { id: short, run: ./s.sh, needs: [] }
  - { id: one, run: ./1.sh, needs: [] }
  - { id: two, loop: { max: 2 }, needs: [one], steps: [{ id: x, run: ./x.sh }, { id: y, run: ./y.sh }] }
  - { id: end, run: ./e.sh, needs: [two, short] }
"#,
    );
    let order: Vec<&str> = graph::critical_order(&plan).iter().map(|ix| plan.step(*ix).path.as_str()).collect();
    assert_eq!(order, ["one", "two", "two/x", "short", "two/y", "end"]);
    let graph = graph::graph(&plan);
    assert_eq!((graph.node_count(), graph.edge_count()), (6, 4));
}

/// A workflow of random shape; many of them have faults.
fn random_workflow(mut seed: u64) -> String {
    let mut next = move |below: u64| {
        // Numerical Recipes' generator: the same workflows on every machine.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    fn steps(next: &mut impl FnMut(u64) -> u64, seen: &[u64], count: &mut u64, text: &mut String) {
        let mut beside: Vec<u64> = Vec::new();
        let depth = text.lines().last().map_or(0, |line| line.len() - line.trim_start().len()) / 4 + 1;
        let indent = "    ".repeat(depth);
        for _ in 0..=next(4) {
            let id = *count;
            *count += 1;
            // Mostly a step that can be seen, sometimes any.
            let visible: Vec<u64> = seen.iter().chain(&beside).copied().collect();
            let pick = |next: &mut dyn FnMut(u64) -> u64, from: &[u64]| match from.len() as u64 {
                0 => next(id + 2),
                length if next(12) > 0 => from[usize::try_from(next(length)).unwrap()],
                _ => next(id + 2),
            };
            let _ = writeln!(text, "{indent}- id: s{id}");
            if next(2) == 0 {
                let _ = writeln!(text, "{indent}  when: s{} is defined or 1 == 1", pick(next, &visible));
            }
            if next(3) == 0 && !beside.is_empty() {
                let _ = writeln!(text, "{indent}  needs: [s{}]", pick(next, &beside));
            }
            match if depth < 4 { next(6) } else { 0 } {
                1 => {
                    let _ = writeln!(text, "{indent}  parallel:");
                    steps(next, &visible, count, text);
                }
                2 => {
                    let _ = write!(text, "{indent}  loop: {{ max: 2 }}\n{indent}  steps:\n");
                    steps(next, &visible, count, text);
                }
                3 => {
                    let _ = write!(text, "{indent}  each: \"[1]\"\n{indent}  steps:\n");
                    steps(next, &visible, count, text);
                }
                _ => {
                    let _ = writeln!(text, "{indent}  run: ./x.sh");
                }
            }
            beside.push(id);
        }
    }
    let mut text = String::from("steps:\n");
    steps(&mut next, &[], &mut 0, &mut text);
    text
}

#[test]
fn every_plan_keeps_its_promises() {
    let (library, mut good) = (library(), 0);
    for seed in 0..400 {
        let text = random_workflow(seed);
        let Ok(Compiled { plan, .. }) = compile(&library, &parse("random.yaml", &text)) else { continue };
        good += 1;
        let order: BTreeMap<StepIx, usize> =
            graph::critical_order(&plan).into_iter().enumerate().map(|(place, ix)| (ix, place)).collect();
        for (ix, step) in plan.steps.iter().enumerate() {
            let ix = StepIx(u32::try_from(ix).unwrap());
            assert!(step.parent.is_none_or(|parent| parent < ix), "parents come first\n{text}");
            assert!(plan.body(step.parent).contains(&ix));
            for need in &step.needs {
                assert_eq!(plan.step(need.step).parent, step.parent, "needs are siblings\n{text}");
                assert!(order[&need.step] < order[&ix], "needs come first, so there is no cycle\n{text}");
            }
            // What a text reads is surely done: its step, or a container of it, waits for the step or a container of it.
            for read in step.when.iter().flat_map(|when| &when.reads) {
                let Meaning::Step(target) = read.means else { continue };
                let mut around = Some(ix);
                let waits = std::iter::from_fn(|| {
                    let at = around?;
                    around = plan.step(at).parent;
                    Some(at)
                });
                assert!(
                    waits.into_iter().any(|at| plan.step(at).needs.iter().any(|need| need.step == target)),
                    "{text}"
                );
            }
        }
        let tree = draw::tree(&plan);
        assert!(plan.steps.iter().all(|step| tree.contains(&format!("{}: ", step.id))));
        assert_eq!(draw::svg(&plan).matches("<rect ").count(), plan.steps.len());
    }
    assert!(good > 60, "only {good} of 400 compile");
}

fn chain(count: usize) -> String {
    let mut text = String::from("steps:\n");
    for number in 0..count {
        let read = if number > 0 { format!("{{{{ s{}.n }}}}", number - 1) } else { String::new() };
        let _ =
            writeln!(text, "  - {{ id: s{number}, run: ./x.sh, output: {{ n: integer }}, env: {{ N: \"{read}\" }} }}");
    }
    text
}

fn wide(count: usize) -> String {
    let mut text = String::from("steps:\n  - id: all\n    parallel:\n");
    for number in 0..count {
        let _ =
            writeln!(text, "      - {{ id: s{number}, agent: architect, prompt: Go, files: [\"src/{number}/**\"] }}");
    }
    text
}

fn layers(layers: usize, width: usize) -> String {
    let mut text = String::from("steps:\n");
    for layer in 0..layers {
        let needs: Vec<String> =
            (0..if layer > 0 { width } else { 0 }).map(|step| format!("s{}_{step}", layer - 1)).collect();
        for step in 0..width {
            let _ = writeln!(text, "  - {{ id: s{layer}_{step}, run: ./x.sh, needs: [{}] }}", needs.join(", "));
        }
    }
    text
}

/// Time this thread had on a core, where the system tells; other processes do not count.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

/// The figures are printed; the bound is generous because tests run unoptimised on busy machines.
#[test]
fn ten_thousand_steps_compile_quickly() {
    for (name, text) in [("chain", chain(10_000)), ("wide", wide(9_999)), ("layers", layers(10, 100))] {
        let workflow = parse(&format!("{name}.yaml"), &text);
        let library = library();
        let (started, before) = (Instant::now(), cpu());
        let plan = compile(&library, &workflow).unwrap_or_else(|faults| panic!("{}", render_all(&faults, false))).plan;
        let (compiling, busy) = (started.elapsed(), cpu().saturating_sub(before));
        let started = Instant::now();
        let drawn =
            draw::tree(&plan).len() + draw::svg(&plan).len() + draw::mermaid(&plan).len() + draw::dot(&plan).len();
        eprintln!(
            "{name}: {} steps compiled in {compiling:?} ({busy:?} on a core); drawn in {:?}, {drawn} bytes",
            plan.steps.len(),
            started.elapsed()
        );
        assert!(compiling < Duration::from_secs(8), "{name}: {compiling:?}");
    }
}
