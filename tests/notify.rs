//! Notices as people get them: real receivers, real runs, each told once.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

#[path = "serve/client.rs"]
#[expect(dead_code, reason = "only some of it is needed here")]
mod client;
#[path = "notify/receiver.rs"]
mod receiver;
mod support;

use std::time::Duration;

use client::Server;
use receiver::{HANG, MailSink, Received, Receiver, wait_for};
use serde_json::json;
use support::Project;

const SECRET: &str = "a-signing-secret-that-nobody-knows";
const QUIET: Duration = Duration::from_millis(700);
const ASKING: &str = "name: asking\nsteps:\n  - { id: work, run: 'echo made > made.txt' }\n\
    \x20 - { id: go, approve: 'Go <!channel> on?' }\n  - { id: after, run: 'echo after' }\n";
const FAILING: &str = "name: failing\nsteps:\n  - { id: bad, run: 'exit 3' }\n";

fn project() -> Project {
    Project::new()
        .file("workflows/asking.yaml", ASKING)
        .file("workflows/failing.yaml", FAILING)
        .file("workflows/good.yaml", "name: good\nsteps:\n  - { id: one, run: 'echo one' }\n")
        .variable("HOOK_SECRET", SECRET)
}

/// A signed channel to a receiver, with more of its keys.
fn webhook(receiver: &Receiver, more: &str) -> String {
    let address = receiver.address;
    format!(
        "[notify.hook]\nvia = \"webhook\"\nurl = \"http://{address}/in\"\nallow = [\"{address}\"]\n\
         secret = {{ env = \"HOOK_SECRET\" }}\n{more}\n"
    )
}

/// A file beside the user's own settings.
fn own(project: &Project, name: &str) -> String {
    std::fs::read_to_string(project.home().join(".config/orch").join(name)).unwrap()
}

fn assert_signed(received: &Received) {
    let (time, delivery) = (received.header("x-orch-timestamp"), received.header("x-orch-delivery"));
    let signature = received.header("x-orch-signature").strip_prefix("sha256=").unwrap();
    let parts = [time.as_bytes(), delivery.as_bytes(), received.body.as_bytes()];
    assert!(orch::guard::is_signed(SECRET.as_bytes(), &parts, signature), "{received:?}");
    assert!(!orch::guard::is_signed(b"another", &parts, signature));
}

#[test]
fn a_decision_and_an_end_are_told_signed_and_soon() {
    let receiver = Receiver::start(&[]);
    let project = project().user_file("orch.toml", &webhook(&receiver, "dashboard = \"https://orch.example.com/\""));
    assert_eq!(project.run(&["run", "asking"]).code, Some(20));
    let asked = receiver.next();
    assert_signed(&asked);
    let notice = asked.json();
    let run = notice["run"].as_str().unwrap().to_owned();
    assert_eq!((asked.path.as_str(), asked.header("x-orch-event")), ("/in", "decision"));
    assert_eq!(notice["title"], format!("asking needs a decision (root, run {run})"));
    assert_eq!((&notice["step"], &notice["about"]), (&json!("go"), &json!("Go <!channel> on?")));
    assert_eq!(notice["command"], format!("orch approve {run} go"));
    assert_eq!(notice["link"], format!("https://orch.example.com/runs/{run}"));
    let late = asked.at_ms - notice["at"].as_u64().unwrap();
    println!("told {late} ms after the question");
    assert!(late < 2_000, "{late} ms");
    // Whoever goes on with the run asks nothing twice.
    assert_eq!(project.run(&["resume", &run]).code, Some(20));
    assert!(receiver.is_quiet(QUIET));
    project.run(&["approve", &run]);
    assert_eq!(project.run(&["resume", &run]).code, Some(0));
    let ended = receiver.next();
    assert_signed(&ended);
    assert_eq!((&ended.json()["event"], &ended.json()["status"]), (&json!("finished"), &json!("succeeded")));
    assert_ne!(ended.header("x-orch-delivery"), asked.header("x-orch-delivery"));
    assert!(receiver.is_quiet(QUIET));
}

#[test]
fn what_fails_for_a_while_is_tried_again_with_the_same_number() {
    let receiver = Receiver::start(&["500 No", "429 No"]);
    let project = project().user_file("orch.toml", &webhook(&receiver, "events = [\"failed\"]"));
    assert_eq!(project.run(&["run", "failing"]).code, Some(1));
    let tries = [receiver.next(), receiver.next(), receiver.next()];
    for one in &tries {
        assert_signed(one);
        assert_eq!(one.header("x-orch-delivery"), tries[0].header("x-orch-delivery"));
    }
    let notice = tries[2].json();
    assert_eq!((&notice["event"], &notice["step"]), (&json!("failed"), &json!("bad")));
    assert!(notice["why"].as_str().is_some_and(|why| why.contains('3')), "{notice:#}");
    assert!(receiver.is_quiet(QUIET));
}

#[test]
fn a_channel_that_does_not_work_fails_no_run_and_is_seen() {
    let receiver = Receiver::start(&["404 No"; 8]);
    let project = project().user_file("orch.toml", &webhook(&receiver, ""));
    assert_eq!(project.run(&["run", "good"]).code, Some(0));
    receiver.next();
    let health = project.run(&["doctor"]);
    assert!(health.stdout.contains("the last notice by `hook` was not sent"), "{}", health.stdout);
    let list = project.run(&["notify", "list", "--json"]).json(0);
    assert_eq!(list["channels"][0]["failed"], "it was answered with the status 404");
    let audit = project.run(&["audit", "export"]).stdout;
    assert!(audit.contains("\"notice\"") && audit.contains("status 404"), "{audit}");
    let refused = project.run(&["notify", "test", "hook", "--json"]).json_error(41);
    assert_eq!(refused["error"]["id"], "E0652");
    assert_eq!(project.run(&["notify", "test", "hok", "--json"]).json_error(11)["error"]["id"], "E0650");
}

#[test]
fn a_redirect_is_not_followed() {
    let receiver = Receiver::start(&["302 Found\r\nLocation: http://169.254.169.254/latest"]);
    let project = project().user_file("orch.toml", &webhook(&receiver, ""));
    let refused = project.run(&["notify", "test", "hook", "--json"]).json_error(41);
    assert!(refused["error"]["message"].as_str().unwrap().contains("status 302"), "{refused}");
}

#[test]
fn only_what_is_meant_is_told() {
    let receiver = Receiver::start(&[]);
    let filters = "events = [\"finished\"]\nworkflows = [\"go*\"]\nprojects = [\"root\"]\n\
        title = \"{{ workflow | upper }}\"\ntext = \"{{ run }} {{ why }}|\"";
    let project = project().user_file("orch.toml", &webhook(&receiver, filters));
    assert_eq!(project.run(&["run", "failing"]).code, Some(1));
    assert_eq!(project.run(&["run", "asking", "--on-approval", "approve"]).code, Some(0));
    assert_eq!(project.run(&["run", "good"]).code, Some(0));
    let notice = receiver.next().json();
    assert_eq!((&notice["workflow"], &notice["title"]), (&json!("good"), &json!("GOOD")));
    assert_eq!(notice["text"], format!("{} |", notice["run"].as_str().unwrap()));
    assert!(receiver.is_quiet(QUIET));
}

#[test]
fn a_server_and_the_command_line_tell_the_same_thing_once_also_after_a_restart() {
    let receiver = Receiver::start(&[]);
    let project = project().user_file("orch.toml", &webhook(&receiver, ""));
    let server = Server::start(&project, &["--rate", "1000000"]);
    // Driven here and seen by the server.
    assert_eq!(project.run(&["run", "asking"]).code, Some(20));
    let first = receiver.next().json();
    assert_eq!(first["event"], "decision");
    // Driven by the server.
    let started = server.post("/api/v1/runs", &json!({ "name": "asking" })).json();
    let second = receiver.next().json();
    assert_eq!((&second["event"], &second["run"]), (&json!("decision"), &started["run"]));
    assert!(receiver.is_quiet(QUIET));
    server.kill();
    let server = Server::start(&project, &["--rate", "1000000"]);
    assert!(receiver.is_quiet(QUIET), "a restart tells nothing again");
    server.post("/api/v1/decisions", &json!({ "run": started["run"], "decision": "approve" }));
    let ended = receiver.next().json();
    assert_eq!((&ended["event"], &ended["run"]), (&json!("finished"), &started["run"]));
    assert!(receiver.is_quiet(QUIET));
}

#[test]
fn a_question_that_nobody_could_tell_is_told_by_the_next_server() {
    let receiver = Receiver::start(&[]);
    let project = project();
    assert_eq!(project.run(&["run", "asking"]).code, Some(20));
    let project = project.user_file("orch.toml", &webhook(&receiver, ""));
    let _server = Server::start(&project, &[]);
    assert_eq!(receiver.next().json()["event"], "decision");
    assert!(receiver.is_quiet(QUIET));
}

#[test]
fn most_of_a_budget_and_its_end_are_told_once_each() {
    let receiver = Receiver::start(&[]);
    let agent = "cat > /dev/null\nprintf '{\"status\":\"succeeded\",\"summary\":\"done\",\"usage\":{\"input_tokens\":600000,\
        \"output_tokens\":400000}}' > \"$ORCH_OUTPUT\"\n";
    let worker = "---\nname: worker\ndescription: Works\ntools: Read\n---\nYou work.\n";
    let steps = ["one", "two", "three"].map(|step| format!("  - {{ id: {step}, prompt: Do it, agent: worker }}\n"));
    let workflow = format!("name: dear\nbudget: {{ tokens: 2.4M, on_limit: pause }}\nsteps:\n{}", steps.concat());
    let project = Project::bare()
        .file("orch.toml", "[runtimes.sh]\ncommand = [\"sh\", \"agents/agent.sh\"]\noutput = \"json\"\n")
        .file("agents/agent.sh", agent)
        .file("agents/worker.md", worker)
        .file("workflows/dear.yaml", &workflow)
        .variable("HOOK_SECRET", SECRET)
        .user_file("orch.toml", &webhook(&receiver, "events = [\"budget\"]"));
    project.run(&["run", "dear"]);
    let (near, over) = (receiver.next().json(), receiver.next().json());
    assert_eq!((&near["event"], &near["says"]), (&json!("budget"), &json!("has used most of its budget")));
    assert!(near["why"].as_str().is_some_and(|why| why.contains("2000000 of the budget of 2400000")), "{near:#}");
    assert_eq!((&over["event"], &over["says"]), (&json!("budget"), &json!("has used up its budget")));
}

#[test]
fn what_was_not_told_in_time_is_seen_and_told_by_the_next_server() {
    let receiver = Receiver::start(&[HANG]);
    let project = project().user_file("orch.toml", &webhook(&receiver, ""));
    let start = std::time::Instant::now();
    assert_eq!(project.run(&["run", "asking"]).code, Some(20));
    println!("the run has ended after {:?}", start.elapsed());
    let first = receiver.next();
    let health = project.run(&["doctor"]).stdout;
    assert!(health.contains("`hook` was not sent: the process ended before it was sent"), "{health}");
    let audit = project.run(&["audit", "export"]).stdout;
    assert!(audit.contains("the process ended before it was sent"), "{audit}");
    let _server = Server::start(&project, &[]);
    let again = receiver.next();
    assert_eq!(again.json()["event"], "decision");
    assert_eq!(again.header("x-orch-delivery"), first.header("x-orch-delivery"));
    assert!(receiver.is_quiet(QUIET));
}

#[test]
fn what_failed_on_all_tries_is_told_by_the_next_server() {
    let receiver = Receiver::start(&["500 No"; 4]);
    let project = project();
    assert_eq!(project.run(&["run", "asking"]).code, Some(20));
    let project = project.user_file("orch.toml", &webhook(&receiver, ""));
    let server = Server::start(&project, &[]);
    let tries: Vec<_> = (0..4).map(|_| receiver.next()).collect();
    wait_for("it is seen", || project.run(&["doctor"]).stdout.contains("`hook` was not sent").then_some(()));
    server.kill();
    let _server = Server::start(&project, &[]);
    assert_eq!(receiver.next().header("x-orch-delivery"), tries[0].header("x-orch-delivery"));
    assert!(receiver.is_quiet(QUIET));
}

#[test]
fn an_outcome_that_nobody_knows_is_told_once_by_the_next_server() {
    let receiver = Receiver::start(&[]);
    let text = "name: fragile\nsteps:\n  - { id: deploy, run: 'touch begun; sleep 60', recovery: manual }\n";
    let project = project().file("workflows/fragile.yaml", text).user_file("orch.toml", &webhook(&receiver, ""));
    let begun = project.root().join("begun");
    let has_begun = || {
        wait_for("it begins", || begun.exists().then_some(()));
        std::fs::remove_file(&begun).unwrap();
    };
    let server = Server::start(&project, &[]);
    let mut runs = vec![server.post("/api/v1/runs", &json!({ "name": "fragile" })).json()["run"].clone()];
    has_begun();
    server.kill();
    // And one that no server has begun.
    let mut owner = project.command(&["run", "fragile", "--json"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    has_begun();
    owner.kill().unwrap();
    owner.wait().unwrap();
    let listed = project.run(&["runs", "--json"]).json(0);
    runs.push(listed[0]["id"].clone());
    let server = Server::start(&project, &[]);
    let told = [receiver.next().json(), receiver.next().json()];
    for one in &told {
        let run = one["run"].as_str().unwrap();
        assert!(runs.contains(&one["run"]) && one["event"] == "unknown" && one["step"] == "deploy", "{one:#}");
        assert_eq!(one["command"], format!("orch resume {run} --step deploy --as retry"));
    }
    assert_ne!(told[0]["run"], told[1]["run"]);
    assert!(receiver.is_quiet(QUIET));
    server.kill();
    let _server = Server::start(&project, &[]);
    assert!(receiver.is_quiet(QUIET), "a restart tells nothing again");
    // Whoever goes on with it says the same thing, which is known.
    for run in &runs {
        assert_eq!(project.run(&["resume", run.as_str().unwrap()]).code, Some(30));
    }
    assert!(receiver.is_quiet(QUIET));
}

#[test]
fn slack_gets_text_that_means_nothing_else_and_not_its_own_address() {
    let receiver = Receiver::start(&[]);
    let address = receiver.address;
    let url = format!("http://{address}/services/T0/B0/very-secret-place-77");
    let settings = format!(
        "[notify.team]\nvia = \"slack\"\nurl = {{ file = \"~/.config/orch/slack\" }}\nallow = [\"{address}\"]\n"
    );
    let leaky = format!("name: leaky\nsteps:\n  - {{ id: go, approve: \"Send it to {url}?\" }}\n");
    let project = project().user_file("orch.toml", &settings).user_file("slack", &url);
    let project = project.file("workflows/leaky.yaml", &leaky);
    let file = project.home().join(".config/orch/slack");
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(project.run(&["run", "asking"]).code, Some(20));
    let message = receiver.next().json();
    let text = message.to_string();
    assert_eq!(message["blocks"][1]["text"]["type"], "plain_text");
    assert!(text.contains("orch approve") && message["text"].as_str().unwrap().contains("needs a decision"), "{text}");
    let other = project.run(&["run", "leaky"]);
    let message = receiver.next();
    assert_eq!(message.path, "/services/T0/B0/very-secret-place-77");
    assert!(!message.body.contains("very-secret-place"), "{} {}", message.body, other.stderr);
    assert!(message.body.contains("[redacted:notify]"), "{}", message.body);
}

#[test]
fn a_webhook_gets_no_secret_wherever_it_stands() {
    let receiver = Receiver::start(&[]);
    let (value, shaped) = ("Zx81vQp04LmtR77wKd", "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH");
    let leaky = format!("name: leaky\nsteps:\n  - {{ id: go, approve: \"{shaped}?\" }}\n");
    let project = project()
        .file("workflows/leaky.yaml", &leaky)
        .variable("DEPLOY_API_TOKEN", value)
        .user_file("orch.toml", &webhook(&receiver, &format!("title = \"{value} {SECRET} {{{{ about }}}}\"")));
    assert_eq!(project.run(&["run", "leaky"]).code, Some(20));
    let told = receiver.next();
    assert_signed(&told);
    assert!(
        told.json()["title"].as_str().is_some_and(|title| title.contains("[redacted:DEPLOY_API_TOKEN]")),
        "{told:?}"
    );
    for hidden in [value, shaped, SECRET] {
        assert!(!told.body.contains(hidden), "{hidden} in {}", told.body);
    }
}

#[test]
fn a_channel_says_so_many_things_a_minute_and_no_more() {
    let receiver = Receiver::start(&[]);
    let steps: String = (0..34).map(|step| format!("      - {{ id: q{step}, approve: 'Go?' }}\n")).collect();
    let many = format!("name: many\nsteps:\n  - id: all\n    parallel:\n{steps}");
    let project = project().file("workflows/many.yaml", &many).user_file("orch.toml", &webhook(&receiver, ""));
    assert_eq!(project.run(&["run", "many"]).code, Some(20));
    let told: std::collections::BTreeSet<_> = (0..30).map(|_| receiver.next().json()["step"].to_string()).collect();
    assert_eq!(told.len(), 30, "{told:?}");
    assert!(receiver.is_quiet(QUIET));
}

#[test]
fn a_mail_has_one_head_whatever_is_in_it() {
    let sink = MailSink::start();
    let address = sink.address;
    let settings = format!(
        "[notify.mail]\nvia = \"email\"\nserver = \"{address}\"\ntls = \"none\"\nallow = [\"{address}\"]\n\
         from = \"orch <orch@example.com>\"\nto = [\"ada@example.com\"]\n\
         title = \"{{{{ about }}}}\"\n"
    );
    let hostile =
        "name: hostile\nsteps:\n  - { id: go, approve: \"Go?\\r\\nBcc: eve@example.com\\r\\n\\r\\n.\\r\\nQUIT\" }\n";
    let project = project().user_file("orch.toml", &settings).file("workflows/hostile.yaml", hostile);
    assert_eq!(project.run(&["run", "hostile"]).code, Some(20));
    let mail = sink.next();
    let (head, body) = mail.split_once("\r\n\r\n").unwrap();
    assert!(mail.contains("RCPT TO:<ada@example.com>") && !mail.contains("RCPT TO:<eve"), "{mail}");
    assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    assert!(head.contains("Subject: ") && body.contains("orch approve"), "{mail}");
}

#[test]
fn a_command_gets_it_all_and_is_ended_where_it_hangs() {
    let tell = "#!/bin/sh\ncat > told.json\nprintf '%s' \"$ORCH_NOTIFY_EVENT $ORCH_NOTIFY_TITLE\" > told.txt\n";
    let hang = "#!/bin/sh\nsleep 300 &\necho $! > hang.pid\nsleep 300\n";
    let project = project().user_file("tell.sh", tell).user_file("hang.sh", hang);
    let settings = "[notify.own]\nvia = \"command\"\ncommand = [\"sh\", \"./tell.sh\"]\n\
        [notify.slow]\nvia = \"command\"\ncommand = [\"sh\", \"./hang.sh\"]\ntime = \"1s\"\n\
        [notify.gone]\nvia = \"command\"\ncommand = [\"./gone.sh\"]\n";
    let project = project.user_file("orch.toml", settings);
    let done = project.run(&["run", "good"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let told: serde_json::Value = serde_json::from_str(&own(&project, "told.json")).unwrap();
    assert_eq!(told["event"], "finished");
    assert_eq!(own(&project, "told.txt"), format!("finished {}", told["title"].as_str().unwrap()));
    let pid = own(&project, "hang.pid");
    wait_for("the tree is gone", || (!std::path::Path::new(&format!("/proc/{}", pid.trim())).exists()).then_some(()));
    let health = project.run(&["doctor"]).stdout;
    assert!(health.contains("`sh` took longer than 1 s"), "{health}");
    assert!(health.contains("`./gone.sh` is not there, or is no program"), "{health}");
}

#[test]
fn a_command_of_the_user_runs_nothing_of_a_repository() {
    let hostile = "#!/bin/sh\ntouch \"$HOME/taken\"\n";
    let project = project().file("tell.sh", hostile).file("value.sh", hostile);
    let address = "https://127.0.0.1:1";
    let settings = format!(
        "[notify.own]\nvia = \"command\"\ncommand = [\"sh\", \"./tell.sh\"]\n\
         [notify.signed]\nvia = \"webhook\"\nurl = \"{address}\"\nsecret = {{ command = [\"sh\", \"./value.sh\"] }}\n"
    );
    let project = project.user_file("orch.toml", &settings).user_file("tell.sh", "#!/bin/sh\ncat > told.json\n");
    assert_eq!(project.run(&["notify", "test", "own"]).code, Some(0));
    assert_eq!(project.run(&["notify", "test", "signed"]).code, Some(41));
    assert_eq!(project.run(&["run", "good"]).code, Some(0));
    assert!(own(&project, "told.json").contains("\"finished\""));
    assert!(!project.home().join("taken").exists(), "a script of the repository was run");
}

#[test]
fn a_repository_does_not_silence_a_channel_of_the_user() {
    let (mine, other) = (Receiver::start(&[]), Receiver::start(&[]));
    let project = project().user_file("orch.toml", &webhook(&mine, ""));
    project.write("orch.toml", &format!("# theirs\n{}", webhook(&other, "events = [\"budget\"]")));
    assert_eq!(project.run(&["run", "good"]).code, Some(0));
    assert_eq!(mine.next().json()["event"], "finished");
    let health = project.run(&["doctor"]).stdout;
    assert!(health.contains("`hook` in orch.toml:2 tells nobody: a channel of your own has this name"), "{health}");
    assert!(health.contains("give [notify.hook] in orch.toml:2 another name"), "{health}");
    assert!(project.run(&["trust", "notify.hook", "--list"]).code != Some(0), "there is nothing to be trusted");
    assert!(other.is_quiet(QUIET));
}

#[test]
fn a_script_with_any_name_belongs_to_what_is_trusted() {
    let project = project();
    for name in ["tell me.sh", "a=b.sh", "c;d.sh", "e(f).sh", "g|h&i.sh"] {
        project.write(name, "#!/bin/sh\ntrue\n");
        let settings = format!("[notify.own]\nvia = \"command\"\ncommand = [\"sh\", \"./{name}\"]\n");
        project.write("orch.toml", &settings);
        let item = |()| project.run(&["trust", "notify.own", "--list", "--json"]).json(0)["items"][0].clone();
        let before = item(());
        assert_eq!(before["files"], json!([name]));
        let digest = before["digest"].as_str().unwrap();
        assert_eq!(project.run(&["trust", "notify.own", "--digest", digest]).code, Some(0));
        assert_eq!(item(())["state"], "trusted");
        project.write(name, "#!/bin/sh\ntouch taken\n");
        assert_eq!(item(())["state"], "changed", "{name}");
        project.run(&["run", "good"]);
        assert!(!project.root().join("taken").exists(), "{name}");
    }
}

#[test]
fn the_desktop_is_told_by_its_own_program() {
    let project = project().user_file("orch.toml", "[notify.desk]\nvia = \"desktop\"\n");
    let health = project.run(&["doctor"]);
    assert!(health.stdout.contains("needs `notify-send` or `osascript`"), "{}", health.stdout);
    let project = project.file("bin/notify-send", "#!/bin/sh\nfor word; do printf '[%s]' \"$word\"; done > desk.txt\n");
    let program = project.root().join("bin/notify-send");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", project.root().join("bin").display(), support::path_without_agents().to_str().unwrap());
    let project = project.variable("PATH", &path);
    assert_eq!(project.run(&["run", "asking"]).code, Some(20));
    let words = own(&project, "desk.txt");
    assert!(
        words.starts_with("[notify-send]") || words.starts_with("[--app-name=orch][--][asking needs a decision"),
        "{words}"
    );
    assert!(words.contains("Go &lt;!channel&gt; on?"), "{words}");
}

#[test]
fn a_channel_of_a_repository_tells_nobody_before_it_is_trusted() {
    let receiver = Receiver::start(&[]);
    let project = project();
    project.write("orch.toml", &webhook(&receiver, ""));
    assert_eq!(project.run(&["run", "good"]).code, Some(0));
    assert!(receiver.is_quiet(QUIET), "nobody has trusted it");
    assert_eq!(project.run(&["notify", "test", "hook", "--json"]).json_error(40)["error"]["id"], "E0651");
    let shown = project.run(&["trust", "notify.hook", "--list", "--json"]).json(0);
    let item = shown["items"][0].clone();
    assert!(item["commands"].to_string().contains(&format!("to http://{}/in", receiver.address)), "{item:#}");
    let digest = item["digest"].as_str().unwrap().to_owned();
    assert_eq!(project.run(&["trust", "notify.hook", "--digest", &digest]).code, Some(0));
    assert_eq!(project.run(&["run", "good"]).code, Some(0));
    assert_eq!(receiver.next().json()["event"], "finished");
    // Another place, another question.
    let other = Receiver::start(&[]);
    project.write("orch.toml", &webhook(&other, ""));
    assert_eq!(project.run(&["run", "good"]).code, Some(0));
    assert!(other.is_quiet(QUIET) && receiver.is_quiet(QUIET));
    assert_eq!(project.run(&["trust", "notify.hook", "--list", "--json"]).json(0)["items"][0]["state"], "changed");
}

#[test]
fn settings_of_channels_and_hooks_are_read_whole_or_refused_with_their_place() {
    let wrong = [
        ("[notify.a]\n", "no way to tell"),
        ("[notify.a]\nvia = \"pigeon\"\n", "no way to tell"),
        ("[notify.a]\nvia = \"slack\"\nurl = \"https://hooks.slack.com/x\"\n", "needs `url`"),
        ("[notify.a]\nvia = \"desktop\"\nurl = \"https://a.example\"\n", "no use for it"),
        ("[notify.a]\nvia = \"desktop\"\nevents = [\"dinner\"]\n", "is no event"),
        ("[notify.a]\nvia = \"desktop\"\ntitle = \"{{ password }}\"\n", "there is no `password`"),
        ("[notify.a]\nvia = \"desktop\"\ntext = \"{{ why\"\n", "text"),
        ("[notify.a]\nvia = \"desktop\"\nnonsense = 1\n", "there is no setting `nonsense`"),
        ("[notify.a]\nvia = \"webhook\"\nurl = \"https://a.example\"\nsecret = \"clear\"\n", "does not say where"),
        ("[notify.a]\nvia = \"command\"\ncommand = []\n", "needs `command`"),
        ("[notify.a]\nvia = \"email\"\nserver = \"mail\"\n", "HOST:PORT"),
        (
            "[notify.a]\nvia = \"email\"\nserver = \"m.example:25\"\ntls = \"none\"\nfrom = \"a@b\"\nto = [\"c@d\"]\nuser = \"u\"\n\
             password = { env = \"P\" }\n",
            "in clear",
        ),
        ("[notify.a]\nvia = \"desktop\"\nallow = [\"http://x/\"]\n", "is no host"),
        ("[hooks.a]\nworkflow = \"w\"\nsecret = { env = \"S\" }\ninputs = { x = \"title\" }\n", "no JSON pointer"),
        ("[hooks.a]\nworkflow = \"w\"\n", "needs `secret` and `workflow`"),
        ("[hooks.a]\nworkflow = \"w\"\nsecret = { env = \"S\" }\nevents = [\"push\"]\n", "only deliveries of GitHub"),
    ];
    for (text, expected) in wrong {
        let done = project().user_file("orch.toml", text).run(&["notify", "list"]);
        assert!(done.code == Some(10) && done.stderr.contains(expected), "{text}: {}", done.stderr);
    }
    let project = project();
    project.write("orch.toml", "[hooks.a]\nworkflow = \"w\"\nsecret = { env = \"S\" }\n");
    let done = project.run(&["notify", "list"]);
    assert!(done.stderr.contains("a project cannot let anybody in"), "{}", done.stderr);
}
