//! The gates `judge` and `secrets` as people use them, with scripted agents that note what they are told.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot be set up must stop, and says what it skips"
)]

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use orch::{
    base::{Digest, Envelope, Outcome},
    driver::decode,
    journal::Store,
    scheduler::Event,
};
use serde_json::{Value, json};
use support::Project;

/// Works, or judges where its step is a gate: then it says the next line of `scores`.
const AGENT: &str = r#"#!/bin/sh
set -eu
step=$(sed -n 's/^ *"step": "\([^"]*\)",$/\1/p' "$ORCH_ORDER" | head -n 1)
case "$step" in *@gate*) who=judge ;; *) who=worker ;; esac
number=$(ls "$LAB" | grep -c "^$who\.") || true
cp "$ORCH_ORDER" "$LAB/$who.$number.json"
cat > "$LAB/$who.$number.txt"
usage='"usage":{"input_tokens":100,"output_tokens":10}'
if [ $who = worker ]; then
  printf 'draft %s\n' "$number" >> story.txt
  printf 'draft %s\n' "$(cat "$LAB/tail" 2>/dev/null)" >> story.txt
  printf '{"status":"succeeded","summary":"wrote draft %s","session":"worker-1",%s}' "$number" "$usage" > "$ORCH_OUTPUT"
  exit 0
fi
score=$(head -n 1 "$LAB/scores")
sed -i 1d "$LAB/scores"
case "$score" in
broken) echo "eight of ten"; exit 0 ;;
large) printf '{"status":"succeeded","output":{"score":1.5,"reasons":["x"]}}' > "$ORCH_OUTPUT"; exit 0 ;;
fail) echo "no mood" >&2; exit 1 ;;
wait) touch "$LAB/waits"; sleep 60 ;;
esac
printf '{"status":"succeeded","summary":"judged","session":"judge-%s","output":{"score":%s,"reasons":["reason %s of %s"]},%s}' \
  "$number" "$score" "$number" "$score" "$usage" > "$ORCH_OUTPUT"
"#;

const RUBRIC: &str = "The story has a beginning, a middle and an end.\n";

struct Lab {
    project: Project,
    lab: PathBuf,
}

impl Lab {
    /// A step that writes, with this gate.
    fn new(gate: &str, scores: &[&str]) -> Self {
        let flow = format!(
            "name: w\nsteps:\n  - id: write\n    agent: writer\n    prompt: Write a story.\n    gate:\n      - {gate}\n    \
             on_gate_fail: {{ feedback: true, tries: 1 }}\n"
        );
        let project = Project::new()
            .file("workflows/w.yaml", &flow)
            .file("workflows/rubrics/story.md", RUBRIC)
            .file("agents/writer.md", "---\nname: writer\ndescription: Writes\n---\nYou write.\n")
            .file(
                "agents/critic.md",
                "---\nname: critic\ndescription: Judges\ntools: Read, Bash\n---\nYou are stern.\n",
            )
            .file("agents.sh", AGENT)
            .file("story.txt", "once\n");
        let lab = project.home().join("lab");
        fs::create_dir_all(&lab).unwrap();
        fs::set_permissions(project.root().join("agents.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        let settings = format!(
            "sandbox = \"off\"\n[runtimes.shell]\ncommand = [\"./agents.sh\"]\noutput = \"json\"\nsessions = true\nenv = {{ LAB = \"{}\" }}\n",
            lab.display()
        );
        project.write("orch.toml", &settings);
        fs::write(lab.join("scores"), scores.iter().map(|score| format!("{score}\n")).collect::<String>()).unwrap();
        Self { project, lab }
    }

    fn orders(&self, who: &str) -> Vec<Value> {
        let order = |number| fs::read(self.lab.join(format!("{who}.{number}.json"))).ok();
        // Each order stands there with the prompt that was made of it.
        (0..).step_by(2).map_while(order).map(|bytes| serde_json::from_slice(&bytes).unwrap()).collect()
    }

    fn run(&self, words: &[&str], code: i32) -> support::Done {
        let done = self.project.run(words);
        assert_eq!(done.code, Some(code), "{}{}", done.stdout, done.stderr);
        done
    }

    fn status(&self) -> Value {
        self.project.run(&["status", "--json"]).json(0)
    }

    /// What judges have answered, as the journal has it.
    fn answers(&self) -> Vec<Envelope> {
        let store = Store::open(&self.project.root()).unwrap();
        let journal = store.journal();
        let run = journal.runs(10).unwrap().remove(0).run;
        let records = journal.read(&run, 1).unwrap().map(|record| decode(&record.unwrap()).unwrap());
        let envelopes = records.filter_map(|event| match event {
            Event::Finished { outcome: Outcome::Succeeded(envelope), .. } => Some(*envelope),
            _ => None,
        });
        envelopes.filter(|envelope| envelope.output.get("score").is_some()).collect()
    }

    /// The verdict and the reason of the step's first gate.
    fn gate(&self) -> (String, String) {
        let status = self.status();
        let gate = &status["steps"][0]["gates"][0];
        (gate["verdict"].as_str().unwrap().to_owned(), gate["reason"].as_str().unwrap().to_owned())
    }
}

#[test]
fn a_judge_sees_what_was_done_in_a_session_of_its_own_and_is_counted() {
    let lab = Lab::new("judge: { rubric: rubrics/story.md, min: 0.8 }", &["0.9"]);
    lab.run(&["run", "w", "--runtime", "shell"], 0);
    assert_eq!(lab.gate(), ("pass".to_owned(), "score 0.90, 0.80 passes: reason 0 of 0.9".to_owned()));
    let judge = &lab.orders("judge")[0];
    assert_eq!((&judge["step"], &judge["access"]), (&Value::from("write@gate1"), &Value::from("read")), "{judge:#}");
    assert_eq!(judge["tools"], serde_json::json!(["Read", "Glob", "Grep"]));
    assert!(judge["session"].is_null() && judge["expected_output"]["required"][0] == "score", "{judge:#}");
    assert!(judge["task"].as_str().unwrap().contains(RUBRIC.trim()));
    let context = judge["context"].as_str().unwrap();
    for part in ["Write a story.", "wrote draft 0", "+draft 0", "@@ -1 +1,3 @@", "story.txt"] {
        assert!(context.contains(part), "{part}: {context}");
    }
    // What the worker wrote stands between markers.
    let at = context.find("+draft 0").unwrap();
    let (before, behind) = context.split_at(at);
    assert!(before.rfind("<<<data ") > before.rfind(">>>\n") && behind.contains("\ndata "), "{context}");
    // What each answered, by which rubric and about what, stands in the journal; the worker's session does not.
    let answered = lab.answers();
    assert_eq!(answered.len(), 1);
    assert_eq!(answered[0].output, serde_json::json!({ "score": 0.9, "reasons": ["reason 0 of 0.9"] }));
    let digests: Vec<_> = answered[0].attached.iter().map(|one| (one.path.as_str(), &one.digest)).collect();
    let (by, about) = (Digest::of(RUBRIC.trim().as_bytes()), Digest::of(context.as_bytes()));
    assert_eq!(digests, [("rubrics/story.md", &by), ("what was shown", &about)]);
    assert_eq!(answered[0].session.as_deref(), Some("judge-0"));
    // It is an agent like any other: counted, charged, and named in the costs.
    let status = lab.status();
    assert_eq!(status["spent"]["agents"], 2);
    assert_eq!(status["spent"]["usage"]["input_tokens"], 200);
    let cost = lab.run(&["cost", status["id"].as_str().unwrap(), "--json"], 0);
    assert!(cost.stdout.contains("write@gate1"), "{}", cost.stdout);
}

#[test]
fn a_low_score_goes_back_with_its_reasons_and_the_next_judge_is_a_new_one() {
    let lab = Lab::new("judge: { rubric: rubrics/story.md, min: 0.8, agent: critic }", &["0.5", "0.9"]);
    lab.run(&["run", "w", "--runtime", "shell"], 0);
    let workers = lab.orders("worker");
    assert_eq!(workers.len(), 2);
    let feedback = workers[1]["feedback"].as_str().unwrap();
    assert!(feedback.contains("Gate 1 failed: score 0.50") && feedback.contains("- reason 0 of 0.5"), "{feedback}");
    assert_eq!(workers[1]["session"], "worker-1", "the worker goes on in its own session, not in the judge's");
    let judges = lab.orders("judge");
    assert_eq!(judges.len(), 2);
    for judge in &judges {
        assert!(judge["session"].is_null() && judge["feedback"].is_null(), "{judge:#}");
        assert!(!judge.to_string().contains("worker-1"), "{judge:#}");
        assert_eq!(judge["tools"], serde_json::json!(["Read"]), "only those that look");
        assert_eq!(judge["agent"]["instructions"], "You are stern.");
    }
    // The second one sees all that the step has changed, and counts as its second attempt.
    let context = judges[1]["context"].as_str().unwrap();
    assert!(context.contains("+draft 0") && context.contains("+draft 2"), "{context}");
    assert_eq!((&judges[0]["attempt"], &judges[1]["attempt"]), (&Value::from(1), &Value::from(2)));
}

#[test]
fn the_middle_of_three_judges_decides() {
    for (scores, code, verdict, reason) in [
        (["0.9", "0.2", "0.8"], 0, "pass", "score 0.80 (the middle of 0.90, 0.20, 0.80), 0.80 passes"),
        (["0.9", "0.2", "0.79"], 22, "fail", "score 0.79 (the middle of 0.90, 0.20, 0.79), 0.80 passes"),
    ] {
        let lab =
            Lab::new("judge: { rubric: Is it good? Say why., min: 0.8, judges: 3 }", &[&scores[..], &scores].concat());
        lab.run(&["run", "w", "--runtime", "shell"], code);
        let (found, why) = lab.gate();
        assert_eq!(found, verdict);
        assert!(why.starts_with(reason), "{why}");
        let rounds = if code == 0 { 1 } else { 2 };
        assert_eq!(lab.status()["spent"]["agents"], rounds * 4);
        assert!(lab.orders("judge").iter().all(|judge| judge["session"].is_null()));
    }
}

#[test]
fn no_valid_answer_never_passes_and_blames_nobody() {
    for (score, reason) in
        [("broken", "the judge failed"), ("large", "1.5"), ("fail", "no mood"), ("wait", "ran longer than 1.0s")]
    {
        let gate = "judge: { rubric: Is it good?, min: 0, timeout: 1s, judges: 3 }";
        let lab = Lab::new(gate, &["1", score, "1"]);
        lab.run(&["run", "w", "--runtime", "shell"], 22);
        let (_, why) = lab.gate();
        let status = lab.status();
        let cause = status["steps"][0]["reason"].as_str().unwrap_or_default();
        assert!(cause.contains("the gate could not be judged") && cause.contains(reason), "{score}: {cause} / {why}");
        assert_eq!(lab.orders("worker").len(), 1, "{score}: an error is not sent back");
    }
}

#[test]
fn in_a_worktree_a_judge_sees_the_worktree_and_of_a_merge_what_it_would_change() {
    let lab = Lab::new("judge: { rubric: Is it good?, min: 0.8 }", &["0.9", "0.4", "0.3", "0.2"]);
    let flow = lab.project.read("workflows/w.yaml").replace(
        "    prompt:",
        "    workspace: worktree\n    merge: { gate: [{ judge: { rubric: Does it fit?, min: 0.7 } }] }\n    prompt:",
    );
    lab.project.write("workflows/w.yaml", &flow);
    lab.project.git(&["init", "-q"]);
    lab.project.git(&["add", "-A"]);
    lab.project.git(&["commit", "-qm", "first"]);
    lab.run(&["run", "w", "--runtime", "shell"], 22);
    let judges = lab.orders("judge");
    let steps: Vec<_> = judges.iter().map(|judge| judge["step"].as_str().unwrap()).collect();
    assert_eq!(steps[..2], ["write@gate1", "write@merge@gate1"]);
    for judge in &judges[..2] {
        assert!(judge["context"].as_str().unwrap().contains("+draft 0"), "{judge:#}");
    }
    assert_eq!(lab.project.read("story.txt"), "once\n", "what a judge of the merge refuses does not reach the project");
}

#[test]
fn a_model_that_judges_mends_an_answer_that_is_none() {
    let Some(folder) = scripted::folder() else {
        eprintln!("SKIPPED: there is no shared/stub-model beside the repository, and ORCH_STUB_MODEL names none");
        return;
    };
    for (answers, code, verdict) in [
        (vec![json!("Eight of ten, I would say."), json!({ "score": 0.9, "reasons": ["fine"] })], 0, "pass"),
        (vec![json!({ "score": 9, "reasons": ["fine"] }), json!({ "score": 0.2, "reasons": ["dull"] })], 22, "fail"),
        (vec![json!("Good."), json!("Good.")], 22, "error"),
    ] {
        let lab = Lab::new("judge: { rubric: Is it good?, min: 0.8, runtime: local }", &[]);
        let flow = lab.project.read("workflows/w.yaml").replace("tries: 1", "tries: 0");
        lab.project.write("workflows/w.yaml", &flow);
        let turn = |answer: &Value| match answer {
            Value::String(text) => json!({ "text": text }),
            answer => json!({ "tools": [{ "tool": "submit_result", "input": answer }] }),
        };
        let turns: Vec<_> = answers.iter().map(turn).collect();
        let last = turns.last().unwrap();
        let scenario = json!({ "rules": [
            { "match": "no result was handed in", "turns": [last, last] },
            { "match": "Judge the work", "turns": turns },
        ] });
        let model = lab.lab.join("model");
        fs::create_dir_all(&model).unwrap();
        let Some(scripted) = scripted::Scripted::start(&folder, &scenario, &model) else {
            eprintln!("SKIPPED: there is no python3 for the scripted model");
            return;
        };
        let local = format!(
            "[runtimes.local]\nservice = \"openai-compatible\"\nbase_url = \"{}/v1\"\nmodel = \"m\"\n",
            scripted.address
        );
        lab.project.write("orch.toml", &format!("{}{local}", lab.project.read("orch.toml")));
        lab.run(&["run", "w", "--runtime", "shell"], code);
        let (found, reason) = lab.gate();
        let status = lab.status();
        let cause = status["steps"][0]["reason"].as_str().unwrap_or_default();
        let could_not = cause.contains("the gate could not be judged");
        assert_eq!(could_not, verdict == "error", "{found}: {reason}; {cause}");
        assert!(could_not || found == verdict, "{found}: {reason}; {cause}");
        assert_eq!(lab.orders("worker").len(), 1);
        assert!(scripted.settled().len() >= 2, "the answer is asked for again");
    }
}

#[test]
fn a_budget_stops_judges_and_those_that_answered_are_not_asked_again() {
    let lab = Lab::new("judge: { rubric: Is it good?, min: 0.8, judges: 3 }", &["0.9", "0.1", "0.8"]);
    let flow = lab.project.read("workflows/w.yaml");
    lab.project.write("workflows/w.yaml", &format!("{flow}budget: {{ agents: 2 }}\n"));
    let done = lab.project.run(&["run", "w", "--runtime", "shell"]);
    assert_ne!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert_eq!((lab.orders("worker").len(), lab.orders("judge").len()), (1, 1));
    lab.run(&["resume", "--budget", "agents=9"], 0);
    assert_eq!((lab.orders("worker").len(), lab.orders("judge").len()), (1, 3));
    assert_eq!(lab.gate().0, "pass");
}

#[test]
fn after_a_kill_only_the_judge_that_had_not_answered_is_asked_again() {
    let lab = Lab::new("judge: { rubric: Is it good?, min: 0.8, judges: 2 }", &["0.9", "wait", "0.8"]);
    let mut command = lab.project.command(&["run", "w", "--runtime", "shell"]);
    let mut orch = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let late = Instant::now() + Duration::from_secs(60);
    while !lab.lab.join("waits").exists() {
        assert!(Instant::now() < late, "the second judge is never asked");
        thread::sleep(Duration::from_millis(20));
    }
    orch.kill().unwrap();
    orch.wait().unwrap();
    lab.run(&["resume"], 0);
    assert_eq!((lab.orders("worker").len(), lab.orders("judge").len()), (1, 3));
    let (verdict, reason) = lab.gate();
    assert_eq!(verdict, "pass");
    assert!(reason.starts_with("score 0.85 (the middle of 0.90, 0.80)"), "{reason}");
    // A run that has ended judges nothing again.
    lab.run(&["replay"], 0);
    assert_eq!(lab.orders("judge").len(), 3);
}

#[test]
fn a_judge_is_recorded_and_replayed_like_any_agent() {
    let lab = Lab::new("judge: { rubric: rubrics/story.md, min: 0.8, judges: 2 }", &["0.5", "0.6", "0.9", "0.8"]);
    lab.run(&["run", "w", "--runtime", "shell", "--record"], 0);
    assert_eq!(lab.orders("judge").len(), 4);
    lab.project.write("story.txt", "once\n");
    lab.run(&["run", "w", "--runtime", "replay"], 0);
    assert_eq!(lab.orders("judge").len(), 4, "nobody real is asked");
    let (verdict, reason) = lab.gate();
    assert_eq!(verdict, "pass");
    assert!(reason.starts_with("score 0.85 (the middle of 0.90, 0.80)"), "{reason}");
    assert_eq!(lab.project.read("story.txt").matches("draft").count(), 4);
}

#[test]
fn a_case_says_what_a_judge_answers() {
    let lab = Lab::new("judge: { rubric: rubrics/story.md, min: 0.8 }", &[]);
    lab.project.write(
        "workflows/tests/w.yaml",
        "workflow: w\ncases:\n  - name: passes\n    expect: { outcome: succeeded, gates: { write/gate1: pass } }\n  - name: fails\n    \
         stubs: { write/gate1: fail }\n    expect: { outcome: failed, exit: 22, gates: { write/gate1: fail } }\n  - name: \
         own score\n    stubs: { write/gate1: [{ output: { score: 0.3, reasons: [dull] } }, { output: { score: 0.9, \
         reasons: [fine] } }] }\n    expect: { outcome: succeeded }\n  - name: cannot\n    stubs: { write/gate1: error }\n    \
         expect: { outcome: failed, exit: 22 }\n",
    );
    let done = lab.run(&["test"], 0);
    assert!(done.stdout.contains("4 passed") || done.stderr.contains("4 passed"), "{}{}", done.stdout, done.stderr);
}

#[test]
fn faults_of_a_judge_are_found_before_a_run() {
    for (gate, part) in [
        ("judge: { rubric: rubrics/none.md }", "rubrics/none.md"),
        ("judge: { rubric: Good?, agent: nobody }", "there is no agent `nobody`"),
        ("judge: { rubric: Good?, min: 1.2 }", "`min` is out of range"),
        ("judge: { rubric: Good?, judges: 0 }", "`judges` is out of range"),
        ("judge: { rubric: \"   \" }", "rubric"),
        ("judge: { rubric: \"Is {{ inputs.x }} good?\" }", "a rubric takes no `{{ }}`"),
        ("judge: { min: 0.5 }", "`rubric`"),
        ("judge: { rubric: ../../outside.md }", "outside.md"),
        ("secrets: false", "this gate checks nothing"),
        ("secrets: { allow: [{ why: none }] }", "this allows every key"),
        ("secrets: { allow: [{ path: \"a/**\" }] }", "`why`"),
        ("secrets: { allow: [{ digest: xyz, why: none }] }", "this is no digest"),
        ("secrets: { paths: [../x] }", "leaves the project"),
    ] {
        let lab = Lab::new(gate, &[]);
        let done = lab.project.run(&["check"]);
        assert_eq!(done.code, Some(10), "{gate}: {}{}", done.stdout, done.stderr);
        assert!(format!("{}{}", done.stdout, done.stderr).contains(part), "{gate}: {}{}", done.stdout, done.stderr);
    }
    let lab = Lab::new("judge: { rubric: rubrics/story.md, min: 0.8, judges: 3, agent: critic, model: fast }", &[]);
    let plan = lab.run(&["plan", "w"], 0);
    let line = "gate judge rubrics/story.md: at least 0.80, the middle of 3 judges, by cri";
    assert!(plan.stdout.contains(line), "{}", plan.stdout);
}

#[test]
fn a_key_in_what_an_agent_wrote_goes_back_to_it_without_its_value() {
    const TOKEN: &str = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8";
    let lab = Lab::new("secrets: true", &[]);
    fs::write(lab.lab.join("tail"), TOKEN).unwrap();
    // A key that stood there before is not this step's fault.
    lab.project.write("old.env", &format!("{TOKEN}\n"));
    let done = lab.run(&["run", "w", "--runtime", "shell"], 22);
    let (verdict, reason) = lab.gate();
    assert_eq!(verdict, "fail");
    assert!(reason.contains("`story.txt:3` (GitHub token)") && !reason.contains("old.env"), "{reason}");
    let workers = lab.orders("worker");
    assert_eq!(workers.len(), 2);
    let told = workers[1]["feedback"].as_str().unwrap();
    assert!(told.contains("story.txt:3 GitHub token (digest "), "{told}");
    for text in [done.stdout, done.stderr, workers[1].to_string(), lab.status().to_string()] {
        assert!(!text.contains(TOKEN), "{text}");
    }
    let digest = told.split("(digest ").nth(1).unwrap()[..12].to_owned();
    let allowed = format!("secrets: {{ allow: [{{ digest: \"{digest}\", why: made up }}] }}");
    let lab = Lab::new(&allowed, &[]);
    fs::write(lab.lab.join("tail"), TOKEN).unwrap();
    lab.run(&["run", "w", "--runtime", "shell"], 0);
}
