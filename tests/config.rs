//! Settings: layers, faults with their places, and the published schema.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use serde_json::{Value, json};
use support::Project;

fn setting(health: &Value, key: &str) -> (Value, String) {
    let line = health["settings"].as_array().unwrap().iter().find(|line| line["key"] == key).unwrap();
    (line["value"].clone(), line["origin"].as_str().unwrap().to_owned())
}

#[test]
fn a_nearer_layer_wins_and_every_value_knows_its_origin() {
    let project = Project::bare()
        .user_file("orch.toml", "parallel = 2\nretries = 1\non_approval = \"fail\"\n\n[timeouts]\nagent = \"5m\"\n")
        .file("orch.toml", "# mine\nparallel = 3\ncolor = \"never\"\n[timeouts]\nidle = \"30s\"\nagent = \"6m\"\n")
        .variable("ORCH_PARALLEL", "4")
        .variable("ORCH_LIMITS_DISK_FLOOR", "1k");
    let health = project.run(&["doctor", "--json", "--color", "auto"]).json(0);
    for (key, value, origin) in [
        ("parallel", json!("4"), "$ORCH_PARALLEL"),
        ("retries", json!("1"), "[home]/.config/orch/orch.toml:2"),
        ("on_approval", json!("fail"), "[home]/.config/orch/orch.toml:3"),
        ("timeouts.agent", json!("6m"), "orch.toml:6"),
        ("timeouts.idle", json!("30s"), "orch.toml:5"),
        ("limits.disk_floor", json!("1000"), "$ORCH_LIMITS_DISK_FLOOR"),
        ("color", json!("auto"), "--color"),
        ("log_level", json!("warn"), "default"),
        ("budget.usd", json!(null), "default"),
    ] {
        assert_eq!(setting(&health, key), (value, origin.to_owned()), "{key}");
    }
}

#[test]
fn all_faults_of_all_layers_come_at_once_with_their_places() {
    let project = Project::bare()
        .user_file("orch.toml", "retries = \"many\"\n")
        .file(
            "orch.toml",
            "paralel = 4\non_approval = \"wiat\"\n\n[timeouts]\nagent = 30\n\n[runtimes.shell]\ncomand = [\"x\"]\n",
        )
        .variable("ORCH_PARALLEL", "0")
        .variable("ORCH_TIMEOUT_IDLE", "5m");
    project.run(&["list"]).is(
        10,
        "",
        "\
error[E0505]: `retries` cannot be used as it is
 --> [home]/.config/orch/orch.toml:1:11
  |
1 | retries = \"many\"
  |           ^^^^^^ this is not a whole number
  |
  = help: write a whole number from 0 to 100

error[E0504]: there is no setting `paralel`
 --> orch.toml:1:1
  |
1 | paralel = 4
  | ^^^^^^^ this key is not known
  |
  = help: did you mean `parallel`?

error[E0505]: `on_approval` cannot be used as it is
 --> orch.toml:2:15
  |
2 | on_approval = \"wiat\"
  |               ^^^^^^ this word is not known here
  |
  = help: did you mean `wait`? it takes `wait`, `fail`, `approve`

error[E0505]: `timeouts.agent` cannot be used as it is
 --> orch.toml:5:9
  |
5 | agent = 30
  |         ^^ a duration needs a unit
  |
  = help: write the unit: \"30s\", \"30m\"

error[E0504]: there is no setting `comand` in `runtimes.shell`
 --> orch.toml:8:1
  |
8 | comand = [\"x\"]
  | ^^^^^^ this key is not known
  |
  = help: did you mean `command`?

error[E0505]: `runtimes.shell` cannot be used as it is
 --> orch.toml:7:11
  |
7 | [runtimes.shell]
  |           ^^^^^ it has no `command`
  |
  = help: add the program and its arguments: command = [\"./agent.sh\"]

error[E0505]: `parallel` cannot be `0`
 --> environment:1:15
  |
1 | ORCH_PARALLEL=0
  |               ^ this is less than 1
  |
  = help: write a whole number from 1 to 100

error[E0504]: there is no setting `ORCH_TIMEOUT_IDLE`
 --> environment:1:1
  |
1 | ORCH_TIMEOUT_IDLE=5m
  | ^^^^^^^^^^^^^^^^^ not a variable that orch reads
  |
  = help: did you mean `ORCH_TIMEOUTS_IDLE`?

8 errors, 0 warnings
",
    );
}

#[test]
fn keys_that_contradict_each_other() {
    let project = Project::bare().file("orch.toml", "runtime = \"shel\"\n[timeouts]\nagent = \"1m\"\nidle = \"2m\"\n[budget]\ntime = \"90s\"\n[runtimes.shell]\ncommand = [\"sh\"]\n");
    let error = project.run(&["--json", "list"]).json_error(10);
    let codes: Vec<_> = error["error"]["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| (fault["code"].as_str().unwrap(), fault["place"]["line"].as_u64().unwrap()))
        .collect();
    assert_eq!(codes, [("E0507", 1), ("E0506", 4), ("E0506", 6)]);
    assert_eq!(error["error"]["help"], "did you mean `shell`?");
}

#[test]
fn text_that_is_no_toml() {
    let project = Project::bare().file("orch.toml", "parallel = 4\nruntime = shell\n");
    let done = project.run(&["list"]);
    assert_eq!(done.code, Some(10));
    assert!(done.stderr.contains("error[E0503]") && done.stderr.contains("orch.toml:2:11"), "{}", done.stderr);
    project.write("orch.toml", "parallel = 4\nparallel = 5\n");
    let done = project.run(&["list"]);
    assert!(done.stderr.contains("orch.toml:2:1") && done.stderr.contains("duplicate"), "{}", done.stderr);
}

#[test]
fn settings_fill_in_what_workflows_leave_open() {
    let workflow = "\
name: w
steps:
  - { id: a, run: \"true\", gate: [{ run: \"true\" }] }
  - { id: b, run: \"true\", timeout: 3s, retry: { tries: 7 }, gate: [{ run: \"true\", timeout: 4s }] }
";
    let project = Project::bare()
        .file("workflows/w.yaml", workflow)
        .file("commands/p.md", "---\ndescription: d\n---\nDo it.\n")
        .file("orch.toml", "retries = 5\n[timeouts]\ncommand = \"9s\"\ngate = \"8s\"\nagent = \"7s\"\nidle = \"6s\"\n[budget]\ntokens = \"2k\"\nagents = 9\n");
    let plan = project.run(&["plan", "w", "--json"]).json(0);
    let step = |place: usize| {
        let step = &plan["steps"][place];
        (
            step["timeout_ms"].clone(),
            step["idle_timeout_ms"].clone(),
            step["retry"]["tries"].clone(),
            step["gates"][0]["timeout_ms"].clone(),
        )
    };
    assert_eq!(step(0), (json!(9000), json!(6000), json!(5), json!(8000)));
    assert_eq!(step(1), (json!(3000), json!(6000), json!(7), json!(4000)));
    assert_eq!((&plan["budget"]["tokens"], &plan["budget"]["agents"]), (&json!(2000), &json!(9)));
    let plan = project.run(&["plan", "/p", "--json"]).json(0);
    assert_eq!((&plan["steps"][0]["timeout_ms"], &plan["budget"]["tokens"]), (&json!(7000), &json!(2000)));
}

/// A TOML document as the JSON that its schema talks about.
fn json_of(text: &str) -> Value {
    json_of_item(toml_edit::ImDocument::parse(text).unwrap().as_item())
}

fn json_of_item(item: &toml_edit::Item) -> Value {
    match (item.as_table_like(), item.as_value()) {
        (Some(table), _) => {
            Value::Object(table.iter().map(|(key, inner)| (key.to_owned(), json_of_item(inner))).collect())
        }
        (None, Some(value)) => json_of_value(value),
        (None, None) => Value::Null,
    }
}

fn json_of_value(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => json!(text.value()),
        toml_edit::Value::Integer(number) => json!(number.value()),
        toml_edit::Value::Float(number) => json!(number.value()),
        toml_edit::Value::Boolean(truth) => json!(truth.value()),
        toml_edit::Value::Datetime(time) => json!(time.value().to_string()),
        toml_edit::Value::Array(list) => list.iter().map(json_of_value).collect(),
        toml_edit::Value::InlineTable(table) => {
            Value::Object(table.iter().map(|(key, inner)| (key.to_owned(), json_of_value(inner))).collect())
        }
    }
}

#[test]
fn the_published_schema_and_the_loader_agree() {
    let schema: Value = serde_json::from_str(orch::service::schema("config").unwrap()).unwrap();
    let runtime = "[runtimes.a]\ncommand = [\"sh\"]\n";
    let acp = "[runtimes.a]\nprotocol = \"acp\"\ncommand = [\"sh\"]\n";
    let good = [
        "",
        "parallel = 1",
        "parallel = 100",
        "retries = \"0\"",
        "log_level = \"trace\"",
        "[timeouts]\nagent = \"1h30m\"",
        "[limits]\noutput = \"64M\"\ndisk_floor = \"1.5G\"",
        "[budget]\nusd = 2.5\ntokens = \"3M\"\non_limit = \"stop\"",
        "[budget]\nusd = 3",
        "[intervals]\ninbox = \"10ms\"",
        &format!("runtime = \"a\"\n{runtime}output = \"json\"\nsessions = true\nenv = {{ A = \"b\" }}"),
        "runtime = \"replay\"",
        "[mcp.db]\ncommand = [\"db\", \"-x\"]\nenv = { TOKEN = \"${TOKEN}\" }",
        &format!("{acp}usage = \"session\"\nmodel = \"m\"\nreads_memory = true\nenv = {{ A = \"b\" }}"),
    ];
    let bad = [
        "paralel = 1",
        "parallel = 0",
        "parallel = 101",
        "parallel = true",
        "parallel = 1.5",
        "retries = -1",
        "runtime = 3",
        "runtime = \"a b\"",
        "log_level = \"loud\"",
        "color = true",
        "timeouts = 3",
        "[timeouts]\nagent = 30",
        "[timeouts]\nagent = \"soon\"",
        "[timeouts]\nall = \"1m\"",
        "[limits]\noutput = \"64 MB\"",
        "[budget]\nusd = -1",
        "[budget]\nusd = 1000001",
        "[budget]\non_limit = \"ask\"",
        "runtimes = []",
        "[runtimes.a]",
        "[runtimes.a]\ncommand = \"sh\"",
        "[runtimes.a]\ncommand = []",
        "[runtimes.a]\ncommand = [1]",
        &format!("{runtime}output = \"xml\""),
        &format!("{runtime}env = {{ A = 1 }}"),
        &format!("{runtime}sessions = \"yes\""),
        &format!("{runtime}shell = true"),
        "[runtimes.replay]\ncommand = [\"sh\"]",
        "[runtimes.a]\nprotocol = \"acp\"",
        &format!("{runtime}protocol = \"lsp\""),
        &format!("{acp}output = \"json\""),
        &format!("{acp}sessions = true"),
        &format!("{acp}usage = \"day\""),
        &format!("{runtime}model = \"m\""),
        "[runtimes.\"a b\"]\ncommand = [\"sh\"]",
        "[mcp.db]",
        "[mcp.\"a b\"]\ncommand = [\"db\"]",
        "[mcp.db]\ncommand = \"db\"",
        "[mcp.db]\ncommand = [\"db\"]\nenv = { TOKEN = \"in clear\" }",
        "[mcp.db]\nurl = \"https://example.org\"",
    ];
    let project = Project::bare();
    for (text, is_good) in good.iter().map(|text| (text, true)).chain(bad.iter().map(|text| (text, false))) {
        project.write("orch.toml", text);
        let done = project.run(&["schema"]);
        assert_eq!(done.code, Some(0));
        let loads = project.run(&["list", "--kind", "gate"]).code == Some(0);
        let valid = orch::base::schema_faults(&schema, &json_of(text)).unwrap().is_empty();
        assert_eq!((loads, valid), (is_good, is_good), "{text}");
    }
}
