//! What people are told of costs: before a run, at its beginning and end, and afterwards.

use serde_json::{Value, json};

use crate::support::Project;

/// An agent that reports 600,000 tokens read and 400,000 written, and no money.
const AGENT: &str = "#!/bin/sh\ncat > /dev/null\nprintf '{\"status\":\"succeeded\",\"summary\":\"done\",\
    \"usage\":{\"input_tokens\":600000,\"output_tokens\":400000}}' > \"$ORCH_OUTPUT\"\n";

fn project(settings: &str, head: &str, steps: &str) -> Project {
    Project::bare()
        .file(
            "orch.toml",
            &format!("[runtimes.sh]\ncommand = [\"sh\", \"agents/agent.sh\"]\noutput = \"json\"\n{settings}"),
        )
        .file("agents/agent.sh", AGENT)
        .file("agents/worker.md", "---\nname: worker\ndescription: Works\ntools: Read\n---\nYou work.\n")
        .file("workflows/w.yaml", &format!("name: w\n{head}steps:\n{steps}"))
}

const ONE: &str = "  - { id: one, prompt: Do it, agent: worker, model: gpt-5 }\n";
const OWN: &str = "  - { id: one, prompt: Do it, agent: worker }\n";

fn cost(project: &Project) -> Value {
    let runs = project.run(&["runs", "--json"]).json(0);
    project.run(&["cost", runs[0]["id"].as_str().unwrap(), "--json"]).json(0)
}

#[test]
fn tokens_without_money_get_the_price_of_their_model() {
    let project = project("", "", ONE);
    let done = project.run(&["run", "w"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    // 0.6 million at $1.25 and 0.4 million at $10.
    assert!(done.stderr.contains("1.0M tokens · $4.75 · 1 agent"), "{}", done.stderr);
    let cost = cost(&project);
    let line = &cost["lines"][0];
    assert_eq!(
        (&line["step"], &line["agent"], &line["model"], &line["runtime"], &line["share"]),
        (&json!("one"), &json!("worker"), &json!("gpt-5"), &json!("sh"), &json!(1.0))
    );
    assert_eq!((&cost["total"]["usd_micros"], &cost["total"]["guessed_usd_micros"]), (&json!(4_750_000), &Value::Null));
}

#[test]
fn an_unknown_price_counts_as_the_dearest_known_one_and_is_told_everywhere() {
    let project = project("", "budget: { usd: 1000 }\n", OWN);
    let plan = project.run(&["plan", "w"]);
    assert!(plan.stdout.contains("price of sh unknown, counted as the dearest known;"), "{}", plan.stdout);
    assert!(plan.stdout.contains("set [prices.\"sh\"] in orch.toml"), "{}", plan.stdout);
    let done = project.run(&["run", "w"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    // 0.6 million at $30 and 0.4 million at $180.
    assert!(done.stderr.contains("$90.00 estimated"), "{}", done.stderr);
    assert!(done.stderr.contains("price of `sh` unknown"), "{}", done.stderr);
    let text = project.run(&["cost", cost(&project)["id"].as_str().unwrap()]).stdout;
    assert!(text.contains("~$90.00") && text.contains("~ price of `sh` unknown, counted as the dearest"), "{text}");
    assert_eq!(cost(&project)["total"]["guessed_usd_micros"], json!(90_000_000));
}

#[test]
fn a_price_of_the_settings_wins_and_is_checked() {
    let priced = project("[prices.\"sh\"]\ninput = 1\noutput = 2.5\n", "", OWN);
    let done = priced.run(&["run", "w"]);
    assert!(done.stderr.contains("1.0M tokens · $1.60 · 1 agent"), "{}", done.stderr);
    for (bad, cause) in [
        ("[prices.\"sh\"]\ninput = 1\n", "it has no `input` or no `output`"),
        ("[prices.\"sh\"]\ninput = -1\noutput = 2\n", "this is no price"),
        ("[prices.\"sh\"]\ninput = \"1\"\noutput = 2\n", "this is no price"),
        ("[prices.\"sh\"]\ninput = 1\noutput = 2\nouput = 3\n", "did you mean `output`?"),
        ("[prices]\nsh = 3\n", "this is no table"),
    ] {
        let done = project(bad, "", OWN).run(&["plan", "w"]);
        assert_ne!(done.code, Some(0), "{bad}");
        assert!(done.stderr.contains(cause), "{bad}: {}", done.stderr);
    }
}

#[test]
fn a_plan_says_what_its_agents_may_cost() {
    let steps = "  - id: all\n    each: '[1, 2, 3]'\n    steps:\n      - { id: one, prompt: Do it, agent: worker, model: gpt-5, retry: 2 }\n";
    let project = project("", "budget: { usd: 9 }\n", steps);
    let plan = project.run(&["plan", "w", "--json"]).json(0);
    let estimate = &plan["estimate"];
    let one = &estimate["steps"][0];
    assert_eq!((&one["model"], &one["output_tokens"], &one["starts"]), (&json!("gpt-5"), &json!(4_000), &json!(9)));
    let input = one["input_tokens"].as_u64().unwrap();
    let money = (input * 1_250_000 + 4_000 * 10_000_000).div_ceil(1_000_000);
    assert_eq!(one["usd_micros"], json!(money));
    assert_eq!(estimate["typical"], json!({ "starts": 1, "tokens": input + 4_000, "usd_micros": money }));
    assert_eq!(estimate["worst"], json!({ "starts": 9, "tokens": 9 * (input + 4_000), "usd_micros": 9 * money }));
    let text = project.run(&["plan", "w"]).stdout;
    assert!(text.contains("  estimate ") && text.contains("1 .. 9 agent starts"), "{text}");
}

#[test]
fn people_are_warned_once_and_the_run_pauses_at_its_limit() {
    let steps = "  - { id: one, prompt: Do it, agent: worker }\n  - { id: two, prompt: Do it, agent: worker }\n  \
                 - { id: three, prompt: Do it, agent: worker }\n";
    let project = project("", "budget: { tokens: 2.4M, on_limit: pause }\n", steps);
    let done = project.run(&["run", "w"]);
    // Two of three agents make 2.0 of 2.4 million; the third is begun, because something is left, and goes over it.
    assert!(done.stderr.contains("2000000 of the budget of 2400000 tokens are used"), "{}", done.stderr);
    assert_eq!(done.stderr.matches("tokens are used").count(), 1, "{}", done.stderr);
    assert!(done.stderr.contains("expected: "), "{}", done.stderr);
    let days = project.run(&["cost", "--json"]).json(0);
    assert_eq!((&days[0]["runs"], &days[0]["agents"]), (&json!(1), &json!(3)));
    assert_eq!(days[0]["total"]["input_tokens"], json!(1_800_000));
    let text = project.run(&["cost"]).stdout;
    assert!(text.contains("all") && text.contains("1.8M"), "{text}");
}

#[test]
fn what_was_spent_counts_after_a_second_chance() {
    let steps = "  - { id: one, prompt: Do it, agent: worker }\n  - { id: two, prompt: Do it, agent: worker }\n";
    let project = project("", "budget: { tokens: 900k, on_limit: stop }\n", steps);
    assert_eq!(project.run(&["run", "w"]).code, Some(23));
    let id = cost(&project)["id"].as_str().unwrap().to_owned();
    assert_eq!(project.run(&["retry", &id, "--failed"]).code, Some(23), "the budget is still used up");
    assert_eq!(project.run(&["retry", &id, "--failed", "--budget", "tokens=3M"]).code, Some(0));
    assert_eq!(cost(&project)["total"]["input_tokens"], json!(1_200_000));
}

#[test]
fn a_project_without_runs_has_no_costs() {
    let project = Project::new();
    assert_eq!(project.run(&["cost", "--json"]).json(0), json!([]));
    assert_eq!(project.run(&["cost", "7f3k"]).code, Some(11));
}

#[test]
fn the_json_of_costs_is_what_its_schema_says() {
    let project = project("", "", OWN);
    assert_eq!(project.run(&["run", "w"]).code, Some(0));
    let schema: Value = serde_json::from_str(include_str!("../../schemas/cost.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for value in [cost(&project), project.run(&["cost", "--json"]).json(0)] {
        let faults: Vec<_> = schema.iter_errors(&value).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{faults:?}");
    }
}

#[test]
fn runs_inside_runs_end() {
    let project = project("", "", "  - { id: one, run: orch run w }\n").variable("ORCH_CHAIN", "a -> b -> c -> d");
    let done = project.run(&["run", "w"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("more than 4 runs inside each other: a -> b -> c -> d -> w"), "{}", done.stderr);
    let project = project.variable("ORCH_CHAIN", "a -> b");
    project
        .write("workflows/w.yaml", "name: w\nsteps:\n  - { id: one, run: 'test \"$ORCH_CHAIN\" = \"a -> b -> w\"' }\n");
    assert_eq!(project.run(&["run", "w"]).code, Some(0), "a child learns of which runs it is a part");
}
