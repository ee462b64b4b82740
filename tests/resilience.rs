//! Services that are overloaded, out of quota, unusable or without a model, played by a scripted agent: what `orch` starts,
//! when, and with what.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    process::Stdio,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use support::Project;

/// Every call is noted with its step, its time and what came of it.
const AGENT: &str = r#"#!/bin/sh
set -eu
step=$(sed -n 's/^# Task$//;s/^work on \([a-z0-9]*\).*/\1/p' | head -n 1)
now=$(date +%s%3N)
note() { echo "$step $now $1" >> state/calls; }
say() { printf '%s' "$1" > "$ORCH_OUTPUT"; }
case $(cat state/kind) in
    storm)
        # The service is down for 21 calls: for all agents at once, and for the first probe.
        if [ "$(grep -c failed state/calls)" -lt 21 ]; then
            sleep 0.1
            note failed
            case $step in
                *[02468]) echo "API Error: 529 overloaded_error: Overloaded" >&2 ;;
                *) echo "error: status 429 Too Many Requests" >&2 ;;
            esac
            exit 1
        fi
        ;;
    quota)
        mkdir state/down 2>/dev/null && echo $((now + $(cat state/down_ms 2>/dev/null || echo 3000))) > state/until.new && mv state/until.new state/until
        while [ ! -f state/until ]; do sleep 0.01; done
        until=$(cat state/until)
        if [ "$now" -lt "$until" ]; then
            note failed
            echo "You've hit your usage limit. Try again in $((until - now)) ms." >&2
            exit 1
        fi
        ;;
    auth)
        note failed
        echo "Not logged in. Please run /login" >&2
        exit 1
        ;;
    broken_off)
        if mkdir "state/$step" 2>/dev/null; then
            note failed
            say '{"status":"succeeded","summary":"half","session":"s-'"$step"'"}'
            echo "error: status 529 overloaded" >&2
            exit 1
        fi
        cp "$ORCH_ORDER" "state/$step/order.json"
        ;;
    models)
        model=$(sed -n 's/.*"model": "\([a-z]*\)".*/\1/p' "$ORCH_ORDER")
        note "$model"
        [ "$model" != opus ] || { echo "error: model_not_found: opus" >&2; exit 1; }
        ;;
    session)
        # Broken off in the middle; then its session cannot be read: a tool call without its result.
        calls=$(ls state | grep -c order || true)
        cp "$ORCH_ORDER" "state/order$calls.json"
        case $calls in
            0)
                echo made >> state/made
                note failed
                say '{"status":"succeeded","summary":"half","session":"s1"}'
                echo "error: status 529 overloaded" >&2
                exit 1
                ;;
            1)
                note failed
                echo "API Error: 400 messages.2: tool_use ids were found without tool_result blocks" >&2
                exit 1
                ;;
        esac
        [ -f state/made ] || echo made >> state/made
        ;;
    context)
        cp "$ORCH_ORDER" "state/order$(ls state | grep -c order).json"
        note failed
        cat state/text >&2
        exit 1
        ;;
esac
note done
say '{"status":"succeeded","summary":"done"}'
"#;

/// A project with so many agents side by side.
fn project(kind: &str, agents: usize, settings: &str, tries: u32) -> Project {
    let mut steps =
        String::from("name: w\non_failure: continue\nsteps:\n  - id: all\n    on_failure: continue\n    parallel:\n");
    for place in 0..agents {
        let _ = writeln!(
            steps,
            "      - {{ id: s{place:02}, prompt: \"work on s{place:02}\", files: [out/s{place:02}], retry: {{ tries: {tries}, delay: 20ms }} }}"
        );
    }
    Project::new()
        .file(
            "orch.toml",
            &format!("sandbox = \"off\"\n{settings}\n[runtimes.sh]\ncommand = [\"sh\", \"{{root}}/agent.sh\"]\noutput = \"json\"\n"),
        )
        .file("agent.sh", AGENT)
        .file("state/kind", kind)
        .file("state/calls", "")
        .file("workflows/w.yaml", &steps)
}

/// Puts the project's own folder into its settings.
fn rooted(project: Project) -> Project {
    let text = project.read("orch.toml").replace("{root}", project.root().to_str().unwrap());
    project.write("orch.toml", &text);
    project
}

/// Step, time and what came of it, in the order in which they were noted.
fn calls(project: &Project) -> Vec<(String, u64, String)> {
    let text = project.read("state/calls");
    let call = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        Some((words.next()?, words.next()?.parse().ok()?, words.next()?))
    };
    text.lines().map(|line| call(line).unwrap_or_else(|| panic!("{line}"))).collect()
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[test]
fn twenty_agents_meet_an_overloaded_service() {
    let settings = "parallel = 20\n[workers]\nstart = 20\nload = 1000\nmemory = 0\n[resilience]\nopen = \"1s\"\n";
    let project = rooted(project("storm", 20, settings, 5));
    let done = project.run(&["run", "w", "--json"]);
    assert_eq!(done.code, Some(0), "{}\n{}", done.stdout, done.stderr);
    let calls = calls(&project);
    let mut tried: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for (step, _, end) in &calls {
        let (failed, succeeded) = tried.entry(step).or_default();
        if end == "done" { *succeeded += 1 } else { *failed += 1 }
    }
    assert_eq!(tried.len(), 20, "{tried:?}");
    for (step, (failed, succeeded)) in &tried {
        assert_eq!(*succeeded, 1, "{step}: no finished work is done again");
        assert!(*failed <= 5, "{step} was tried {failed} times");
    }
    // From the moment the run is held until a probe succeeds, one attempt at most is begun at a time.
    let events: Vec<Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kind = |event: &Value| event["type"].as_str().unwrap().to_owned();
    let mut probing: Vec<String> = Vec::new();
    let (mut is_open, mut probes) = (false, 0);
    for event in &events {
        let attempt = event["attempt"].as_str().unwrap_or_default().to_owned();
        match kind(event).as_str() {
            "held" => is_open = true,
            "attempt_started" if is_open => {
                probing.push(attempt);
                probes += 1;
                assert!(probing.len() <= 1, "{probing:?} at once while nothing may be tried");
            }
            "attempt_finished" if event["end"] == "succeeded" => is_open = false,
            "attempt_finished" => probing.retain(|one| *one != attempt),
            _ => {}
        }
    }
    assert!(probes >= 1, "the run was never held");
    let failed = calls.iter().filter(|(_, _, end)| end == "failed").count();
    assert!(failed <= 22, "{failed} calls of a service that was down: {calls:?}");
    println!("{} calls, {failed} of them failed, {probes} probes", calls.len());
}

#[test]
fn a_used_up_quota_parks_the_run_and_it_wakes_by_itself() {
    let settings = "parallel = 6\n[workers]\nload = 1000\nmemory = 0\n";
    let project = rooted(project("quota", 6, settings, 2));
    let child = project.command(&["run", "w"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let late = Instant::now() + Duration::from_secs(20);
    let parked = loop {
        let status = project.run(&["status", "--json"]);
        let parked = (status.code == Some(0)).then(|| status.json(0)["parked"][0].clone()).filter(|one| !one.is_null());
        if let Some(parked) = parked {
            break parked;
        }
        assert!(Instant::now() < late, "never parked: {status:?}");
    };
    let until: u64 = project.read("state/until").trim().parse().unwrap();
    let told = parked["until"].as_u64().unwrap();
    assert!(told.abs_diff(until) < 1_500, "{parked} {until}");
    assert!(parked["reason"].as_str().unwrap().contains("usage limit") && parked["runtime"] == "sh", "{parked}");
    let done = child.wait_with_output().unwrap();
    let screen = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success() && screen.contains("PARKED"), "{screen}");
    let calls = calls(&project);
    let early = calls.iter().filter(|(_, _, end)| end == "failed").count();
    assert!(early <= 5, "{calls:?}");
    let woke = calls.iter().filter(|(_, _, end)| end == "done").map(|(_, at, _)| *at).min().unwrap();
    assert!(woke >= told && woke - told <= 2_000, "woke {} ms after its time", woke as i64 - told as i64);
    println!("{early} calls before the quota was known, woke {} ms after its time", woke - told);
}

#[test]
fn another_process_keeps_to_the_time_of_the_journal() {
    let settings = "parallel = 3\n[workers]\nload = 1000\nmemory = 0\n";
    // Long enough that the first process is gone before the time comes, on a slow machine too.
    let project = rooted(project("quota", 3, settings, 2).file("state/down_ms", "12000"));
    let mut child = project.command(&["run", "w"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let late = Instant::now() + Duration::from_secs(20);
    loop {
        let status = project.run(&["status"]);
        // All three have been refused: a step whose end nobody saw would rightly wait for a person's word.
        if status.stdout.contains("parked: sh until ")
            && calls(&project).len() == 3
            && !status.stdout.contains("running all/")
        {
            break;
        }
        assert!(Instant::now() < late, "never parked: {status:?}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = calls(&project).len();
    let until: u64 = project.read("state/until").trim().parse().unwrap();
    assert!(now_ms() < until, "the machine is too slow for this test");
    let done = project.run(&["resume"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let after = calls(&project).split_off(before);
    assert!(after.iter().all(|(_, at, end)| *at + 50 >= until && end == "done"), "{after:?} {until}");
    assert_eq!(after.len(), 3);
    assert!(now_ms() >= until);
}

#[test]
fn nobody_tries_again_what_nobody_is_logged_in_to() {
    let settings = "parallel = 20\n[workers]\nload = 1000\nmemory = 0\n";
    let project = rooted(project("auth", 20, settings, 2));
    let done = project.run(&["run", "w", "--json"]);
    assert_eq!(done.code, Some(43), "{}", done.stderr);
    let calls = calls(&project).len();
    assert!(calls <= 12, "{calls} calls");
    assert!(done.stdout.contains("sh is not tried again: "), "{}", done.stdout);
    // A person has logged in: the next run tries.
    project.write("state/kind", "fine");
    assert_eq!(project.run(&["run", "w"]).code, Some(0));
    println!("{calls} calls of 20");
}

#[test]
fn what_is_broken_off_goes_on_in_its_session() {
    let project = rooted(project("broken_off", 2, "", 1));
    let done = project.run(&["run", "w"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    for step in ["s00", "s01"] {
        let order: Value = serde_json::from_str(&project.read(&format!("state/{step}/order.json"))).unwrap();
        assert_eq!(order["session"], format!("s-{step}"));
        assert!(order["feedback"].as_str().unwrap().contains("broken off"), "{order}");
    }
}

#[test]
fn a_model_that_is_not_there_is_followed_by_the_next_one() {
    let project = rooted(project("models", 1, "", 0));
    let flow = project
        .read("workflows/w.yaml")
        .replace("steps:\n  - id: all", "models: { strategic: { sh: [opus, sonnet, haiku] } }\nsteps:\n  - id: all");
    project.write("workflows/w.yaml", &flow.replace("retry:", "model: strategic, retry:"));
    let done = project.run(&["run", "w"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let models: Vec<_> = calls(&project).into_iter().map(|(_, _, end)| end).collect();
    assert_eq!(models, ["opus", "sonnet", "done"]);
    let plan = project.run(&["plan", "w"]);
    assert!(plan.stdout.contains("opus, then sonnet, then haiku"), "{}", plan.stdout);
}

#[test]
fn too_long_a_context_is_never_sent_twice() {
    for text in [
        "prompt is too long: 250000 tokens > 200000 maximum",
        "Error code: 400 - context_length_exceeded",
        "This model's maximum context length is 128000 tokens",
        "Your input exceeds the context window of this model",
        "ContextOverflowError: session too large",
        "litellm.context_window_exceeded",
    ] {
        let project = rooted(project("context", 1, "", 5).file("state/text", text));
        let done = project.run(&["run", "w"]);
        assert_eq!(done.code, Some(1), "{}", done.stderr);
        assert_eq!(calls(&project).len(), 2, "one fresh session: {text}");
        assert_ne!(project.read("state/order0.json"), project.read("state/order1.json"), "{text}");
        let second: Value = serde_json::from_str(&project.read("state/order1.json")).unwrap();
        assert!(
            second["session"].is_null() && second["feedback"].as_str().unwrap().contains("earlier session"),
            "{second}"
        );
    }
}

#[test]
fn a_session_that_cannot_go_on_is_followed_by_a_fresh_one_once() {
    let project = rooted(project("session", 1, "", 2));
    let done = project.run(&["run", "w"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let orders: Vec<Value> =
        (0..3).map(|place| serde_json::from_str(&project.read(&format!("state/order{place}.json"))).unwrap()).collect();
    let sessions: Vec<_> = orders.iter().map(|order| order["session"].as_str()).collect();
    assert_eq!(sessions, [None, Some("s1"), None], "broken off, gone on with, and then afresh");
    assert!(orders[2]["feedback"].as_str().unwrap().contains("earlier session"), "{}", orders[2]);
    let made = std::fs::read_to_string(project.root().join("state/made")).unwrap();
    assert_eq!(made.lines().count(), 1, "what was done in the broken session is there and is not done again");
}

/// What processes beside each other do; the agent writes down who begins and ends, so that the most at once is known.
const TOGETHER: &str = r#"#!/bin/sh
set -u
step=$(sed -n 's/^work on \([a-z0-9]*\).*/\1/p' | head -n 1)
note() { echo "$(date +%s%3N) $step $$ $1" >> state/calls; }
case $(cat state/kind) in
    slow)
        note begins
        while [ -f state/kept ]; do sleep 0.02; done
        sleep 0.2
        ;;
    down)
        note begins
        sleep 0.1
        # Of all processes: so many calls fail, then the service is back.
        if [ "$(grep -c fails state/calls)" -lt 14 ]; then
            note fails
            echo "API Error: 529 overloaded_error: Overloaded" >&2
            exit 1
        fi
        ;;
    quota)
        note begins
        until=$(cat state/until 2>/dev/null || echo 0)
        if [ "$(date +%s%3N)" -lt "$until" ]; then
            note fails
            echo "You've hit your usage limit. Try again in $((until - $(date +%s%3N))) ms." >&2
            exit 1
        fi
        ;;
esac
note ends
printf '%s' '{"status":"succeeded","summary":"done"}' > "$ORCH_OUTPUT"
"#;

/// Time, step, process and what it does, in the order in which they were noted.
fn notes(project: &Project) -> Vec<(u64, String, String, String)> {
    let text = project.read("state/calls");
    let note = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        Some((words.next()?.parse().ok()?, words.next()?, words.next()?, words.next()?))
    };
    text.lines().map(|line| note(line).unwrap_or_else(|| panic!("{line}"))).collect()
}

/// The most that were at work at once.
fn most_at_once(notes: &[(u64, String, String, String)]) -> usize {
    let mut at_work = std::collections::BTreeSet::new();
    let mut most = 0;
    for (_, step, process, what) in notes {
        if what == "begins" {
            at_work.insert((step, process));
        } else {
            at_work.remove(&(step, process));
        }
        most = most.max(at_work.len());
    }
    most
}

fn together(kind: &str, agents: usize, settings: &str, tries: u32) -> Project {
    rooted(project(kind, agents, settings, tries).file("agent.sh", TOGETHER))
}

fn begun(project: &Project) -> std::process::Child {
    project.command(&["run", "w"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let late = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < late, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn three_processes_share_the_places_and_none_starves() {
    let settings = "parallel = 6\n[workers]\nstart = 4\nmost = 4\nload = 1000\nmemory = 0\n";
    let project = together("slow", 6, settings, 0);
    let children: Vec<_> = (0..3).map(|_| begun(&project)).collect();
    for child in children {
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    let notes = notes(&project);
    let most = most_at_once(&notes);
    assert_eq!(notes.len(), 36);
    assert!(most <= 4, "{most} at once over three processes where four may");
    println!("{most} at once at most over three processes of six agents each");
}

#[test]
fn a_killed_process_frees_its_places_at_once() {
    let settings = "parallel = 3\n[workers]\nstart = 3\nmost = 3\nload = 1000\nmemory = 0\n";
    let project = together("slow", 3, settings, 0).file("state/kept", "");
    let mut first = begun(&project);
    wait_until("three at work", || notes(&project).len() == 3);
    let second = begun(&project);
    let said = || project.run(&["status"]).stdout;
    wait_until("the second run waits for a place", || said().contains("3 of them in other runs"));
    assert_eq!(notes(&project).len(), 3);
    first.kill().unwrap();
    let killed = now_ms();
    first.wait().unwrap();
    wait_until("its places are taken", || notes(&project).len() >= 6);
    let began = notes(&project)[3].0;
    assert!(began.saturating_sub(killed) <= 2_000, "only after {} ms", began - killed);
    std::fs::remove_file(project.root().join("state/kept")).unwrap();
    let done = second.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    println!("the first place was taken {} ms after the kill", began.saturating_sub(killed));
}

#[test]
fn three_processes_meet_an_overloaded_service_with_one_probe_at_a_time() {
    let settings = "parallel = 4\n[workers]\nstart = 12\nmost = 12\nload = 1000\nmemory = 0\n\
        [resilience]\nfailures = 3\nopen = \"1s\"\n";
    let project = together("down", 4, settings, 8);
    let children: Vec<_> = (0..3).map(|_| begun(&project)).collect();
    for child in children {
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    let notes = notes(&project);
    let failed: Vec<_> = notes.iter().filter(|note| note.3 == "fails").collect();
    assert_eq!(notes.iter().filter(|note| note.3 == "ends").count(), 12, "no finished work is done again");
    assert!((14..=15).contains(&failed.len()), "{} calls of a service that was down", failed.len());
    // All that begin after those of the first moment and before the first success are probes, one at a time.
    let opened = failed[..12.min(failed.len())].iter().map(|note| note.0).max().unwrap();
    let closed = notes.iter().find(|note| note.3 == "ends").unwrap().0;
    let probing: Vec<_> = notes.iter().filter(|note| note.0 > opened && note.0 <= closed).cloned().collect();
    assert!(most_at_once(&probing) <= 1, "{probing:?}");
    let probes = probing.iter().filter(|note| note.3 == "begins").count();
    println!("{} failed calls over three processes, {probes} probes after the storm, one at a time", failed.len());
}

#[test]
fn a_quota_that_one_process_met_parks_all_and_they_wake_by_themselves() {
    let settings = "parallel = 2\n[workers]\nload = 1000\nmemory = 0\n";
    let project = together("quota", 2, settings, 3);
    let until = now_ms() + 6_000;
    project.write("state/until", &until.to_string());
    let first = begun(&project);
    wait_until("the first is parked", || project.run(&["status"]).stdout.contains("parked: sh until "));
    let before = notes(&project).iter().filter(|note| note.3 == "begins").count();
    let others = [begun(&project), begun(&project)];
    let ids = || {
        let runs = project.run(&["runs", "--json"]).json(0);
        let runs = runs.as_array().cloned().unwrap_or_default();
        runs.iter().map(|run| run["id"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    wait_until("three runs", || ids().len() == 3);
    let last = ids();
    wait_until("the others are parked too", || {
        last.iter().all(|id| project.run(&["status", id]).stdout.contains("parked: sh until "))
    });
    assert!(now_ms() < until, "it was too slow to say anything");
    assert_eq!(notes(&project).iter().filter(|note| note.3 == "begins").count(), before, "nobody else has tried");
    for child in [first].into_iter().chain(others) {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let notes = notes(&project);
    let first = notes.iter().find(|note| note.3 == "ends").unwrap().0;
    let mut began: BTreeMap<&str, u64> = BTreeMap::new();
    for note in notes.iter().filter(|note| note.3 == "ends") {
        began.entry(&note.2).or_insert(note.0);
    }
    let last = began.values().max().unwrap();
    assert!(first >= until && first - until <= 2_000, "woke {} ms after its time", first as i64 - until as i64);
    assert!(last - first <= 2_000, "the last agent worked {} ms after the first", last - first);
    println!("the first woke {} ms after the time, the last agent ended {} ms later", first - until, last - first);
}

#[test]
fn more_work_as_the_queue_grows_and_one_where_memory_is_short() {
    let load = "parallel = 10\n[workers]\nload = 1000\n";
    let cases = [
        (3, format!("{load}memory = 0\n"), 3),
        (7, format!("{load}memory = 0\n"), 5),
        (11, format!("{load}memory = 0\n"), 7),
        (17, format!("{load}memory = 0\n"), 10),
        // No machine has so much free: memory is short.
        (6, format!("{load}memory = \"900G\"\n"), 1),
    ];
    for (agents, settings, most) in cases {
        let project = together("slow", agents, &settings, 0).file("state/kept", "");
        let child = begun(&project);
        wait_until(&format!("{most} of {agents} at work"), || notes(&project).len() == most);
        std::fs::remove_file(project.root().join("state/kept")).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(most_at_once(&notes(&project)), most, "{agents} agents with {settings}");
    }
}

#[test]
fn a_run_inside_an_attempt_does_not_wait_for_the_place_of_that_attempt() {
    let settings = "[workers]\nstart = 1\nmost = 1\nload = 1000\nmemory = 0\n";
    let inner = "name: inner\nsteps:\n  - { id: i, prompt: \"work on inside\", tools: [read] }\n";
    let project = rooted(project("nested", 1, settings, 0).file("workflows/inner.yaml", inner));
    let agent = "#!/bin/sh\nset -eu\ncase $(cat) in\n  *'work on inside'*) echo inside >> state/calls ;;\n  \
        *) timeout 20 [orch] run inner > state/said 2>&1 ;;\nesac\n\
        printf '{\"status\":\"succeeded\",\"summary\":\"done\"}' > \"$ORCH_OUTPUT\"\n";
    project.write("agent.sh", &agent.replace("[orch]", env!("CARGO_BIN_EXE_orch")));
    let done = project.run(&["run", "w"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stderr, project.read("state/said"));
    assert_eq!(project.read("state/calls"), "inside\n");
}
