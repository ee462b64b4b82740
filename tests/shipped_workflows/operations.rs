//! The shipped workflows for what a project does beside its code, one row each, and what only one of them promises.

use std::fs;

use serde_json::Value;

use crate::harness::{Machine, Repair, Shipped, gate, shipped, step, turn};

const SECURITY_AUDIT: Shipped = Shipped {
    name: "security-audit",
    repairs: &[Repair { step: "remediation[a01-1]/fix", gate: "test \"$(cksum", turn: ("remediation[a01-1]/fix", 2) }],
    proof: &[&["sh", "checks/security/a01-1.sh"], &["sh", "checks/security/a05-1.sh"], &["cargo", "test", "--offline"]],
};

const OPTIMIZE_PERFORMANCE: Shipped = Shipped {
    name: "optimize-performance",
    repairs: &[Repair { step: "backend#1/improve", gate: "unit-tests", turn: ("backend#1/improve", 2) }],
    proof: &[&["cargo", "test", "--offline"], &["sh", "bench.sh", "total"]],
};

const DEPLOY: Shipped = Shipped {
    name: "deploy",
    repairs: &[Repair { step: "prepare", gate: "sh \"$ORCH_INPUT_SCRIPTS/preflight.sh\"", turn: ("prepare", 2) }],
    proof: &[&["sh", "scripts/smoke.sh", "production", "1.1.0"], &["sh", "site/production/live/start.sh", "Ada"]],
};

shipped! {
    security_audit: SECURITY_AUDIT,
    optimize_performance: OPTIMIZE_PERFORMANCE,
    deploy: DEPLOY,
}

/// Replaces a text of a file of the project, which must be there once.
#[track_caller]
fn edit(machine: &Machine, path: &str, before: &str, after: &str) {
    let path = machine.project().join(path);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(before).count(), 1, "{before} in {text}");
    fs::write(path, text.replacen(before, after, 1)).unwrap();
}

fn status_of<'a>(status: &'a Value, id: &str) -> &'a str {
    step(status, id)["status"].as_str().unwrap()
}

/// The version before is live again, its smoke test has passed, and nobody calls the run a success.
#[track_caller]
fn rolled_back(machine: &Machine, failed: &str) {
    let told = machine.first(1);
    assert!(told.contains("1.1.0 failed in production; 1.0.0 is live again"), "{told}");
    assert!(!told.contains("PASSED ["), "{told}");
    let status = machine.status();
    assert_eq!(status["status"], "failed");
    assert_eq!(status_of(&status, failed), "failed");
    assert_eq!(status_of(&status, "go"), "succeeded");
    let rollback = step(&status, "rollback");
    assert_eq!(rollback["status"], "succeeded");
    assert!(rollback["gates"].as_array().unwrap().iter().all(|gate| gate["verdict"] == "pass"), "{rollback}");
    assert_eq!(machine.says(&["sh", "scripts/current.sh", "production"]), "1.0.0");
    assert_eq!(machine.says(&["sh", "site/production/live/start.sh", "Ada"]), "Hello, Ada");
    assert!(machine.project().join("docs/deploy/incident-1.1.0.md").exists());
    assert!(!machine.project().join("docs/releases").exists(), "release notes of what was not released");
}

#[test]
fn a_deployment_that_is_ill_afterwards_is_rolled_back() {
    let machine = Machine::new("deploy");
    fs::write(machine.project().join("site/production/errors"), "1\n2\n3\n4\n").unwrap();
    rolled_back(&machine, "validation/health");
    let status = machine.status();
    assert_eq!(status_of(&status, "production[100]/shift"), "succeeded", "it was live for a moment");
    assert_eq!(status_of(&status, "monitoring"), "skipped");
}

#[test]
fn a_share_that_fails_its_smoke_test_is_rolled_back() {
    let machine = Machine::new("deploy");
    fs::write(machine.project().join("site/production/local.conf"), "greeting=\n").unwrap();
    rolled_back(&machine, "production[0]/shift");
    assert_eq!(status_of(&machine.status(), "validation"), "skipped");
}

#[test]
fn what_was_approved_is_what_goes_live() {
    let machine = Machine::new("deploy");
    // Somebody changes the artifact after it was built.
    edit(&machine, "scripts/health.sh", "set -eu\n", "echo >> dist/1.1.0/greeter\nset -eu\n");
    edit(&machine, "scripts/health.sh", "cd \"$(dirname \"$0\")/..\"\n", "");
    rolled_back(&machine, "production[0]/shift");
    let logs = machine.ends(&["logs", "--failed"], 0);
    assert!(logs.contains("dist/1.1.0/greeter is not what was approved"), "{logs}");
}

#[test]
fn production_waits_for_a_person() {
    let machine = Machine::new("deploy");
    let told = machine.ends(&["run", "/deploy", "1.1.0", "-i", "watch=1", "-i", "monitor=1"], 20);
    assert!(told.contains("Deploy 1.1.0 to production (blue-green)?"), "{told}");
    assert_eq!(machine.says(&["sh", "scripts/current.sh", "staging"]), "1.1.0");
    assert_eq!(machine.says(&["sh", "scripts/current.sh", "production"]), "1.0.0");
    assert!(!machine.project().join("site/production/releases/1.1.0").exists());
}

#[test]
fn a_rollback_that_does_nothing_is_found_before_production() {
    let machine = Machine::new("deploy");
    fs::write(machine.project().join("scripts/rollback.sh"), "echo done\n").unwrap();
    machine.first(1);
    let status = machine.status();
    assert_eq!(status_of(&status, "rehearsal"), "failed");
    assert_eq!(status_of(&status, "production"), "cancelled");
    assert!(!machine.project().join("site/production/releases/1.1.0").exists());
}

#[test]
fn a_version_that_is_no_word_reaches_no_command() {
    let machine = Machine::new("deploy");
    for version in ["../1", "-rf", "1 2", "1\"", "1;id", ""] {
        let input = format!("version={version}");
        let told = machine.ends(&["run", "/deploy", "-i", &input, "-i", "watch=1", "-i", "monitor=1"], 1);
        assert!(told.contains("a version starts with a letter or digit"), "{told}");
    }
}

#[test]
fn each_strategy_takes_its_shares() {
    for (strategy, shares) in [("canary", "5 25 50 100"), ("rolling", "25 50 75 100")] {
        let machine = Machine::new("deploy");
        let inputs = format!("strategy: {strategy}, watch: 0, monitor: 0");
        machine.record(&machine.recording().replacen("strategy: blue-green, watch: 1, monitor: 1", &inputs, 1));
        edit(&machine, "scripts/deploy.sh", "set -eu\n", "set -eu\n[ $1 != production ] || echo $3 >> \"$0.shares\"\n");
        let strategy = format!("strategy={strategy}");
        let words = ["-i", "watch=0", "-i", "monitor=0", "-i", &strategy, "--on-approval", "approve"];
        machine.ends(&[["run", "/deploy", "1.1.0"].as_slice(), &words].concat(), 0);
        assert_eq!(machine.says(&["cat", "scripts/deploy.sh.shares"]).replace('\n', " "), shares);
    }
}

#[test]
fn nobody_who_improves_changes_what_measures() {
    // The agent that improves is refused at once; anybody else is found by the seal.
    for (at, attempt, code, told_of) in [
        ("frontend#1/improve", 1, 22, "bench/figures.rs"),
        ("review", 1, 1, "what measures was changed since the baseline"),
    ] {
        let machine = Machine::new("optimize-performance");
        let mut text = machine.recording();
        let place = turn(&text, at, attempt);
        let cheat =
            "    writes:\n      - { path: bench/figures.rs, text: \"fn main() { println!(\\\"{}\\\"); }\\n\" }\n";
        match text[place.clone()].find("    writes:\n") {
            Some(inside) => {
                let start = place.start + inside;
                text.replace_range(start..start + "    writes:\n".len(), cheat);
            }
            None => text.insert_str(place.end, cheat),
        }
        machine.record(&text);
        machine.first(code);
        let logs = format!("{}{}", machine.ends(&["logs", "--failed"], 0), machine.ends(&["status"], 0));
        assert!(logs.contains(told_of), "{logs}");
    }
}

#[test]
fn a_target_that_is_not_reached_is_a_persons_decision() {
    let machine = Machine::new("optimize-performance");
    edit(&machine, "bench/figures.rs", "88_000", "1_000");
    let told = machine.first(0);
    assert!(told.contains("The target is not reached") && told.contains("reached: false"), "{told}");

    let machine = Machine::new("optimize-performance");
    edit(&machine, "bench/figures.rs", "88_000", "1_000");
    machine.ends(&["run", "/optimize-performance", "the order page"], 20);
    let run = machine.status()["id"].as_str().unwrap().to_owned();
    machine.ends(&["approve", &run, "strategy"], 0);
    machine.ends(&["resume", &run], 20);
    machine.ends(&["reject", &run, "short_of_the_target", "--comment", "not enough"], 0);
    let status = machine.status();
    assert_eq!((status_of(&status, "short_of_the_target"), status_of(&status, "report")), ("failed", "cancelled"));
    assert_eq!(status["status"], "failed");
}

#[test]
fn a_layer_that_does_not_exist_is_named() {
    let machine = Machine::new("optimize-performance");
    let told = machine.ends(&["run", "/optimize-performance", "all", "-i", "layers=frontend,backnd"], 1);
    assert!(told.contains("not `frontend,backnd`"), "{told}");
    assert_eq!(status_of(&machine.status(), "baseline"), "cancelled");
}

#[test]
fn a_claim_without_its_line_is_not_proven() {
    let machine = Machine::new("security-audit");
    let before = "quote: 'text.trim().parse().map_err(|_|'";
    let text = machine.recording();
    assert!(text.contains(before));
    machine.record(&text.replacen(before, "quote: 'unsafe { run(text) }'", 1));
    machine.first(0);
    let logs = machine.ends(&["logs", &latest(&machine), "review[a10]/proof"], 0);
    assert!(logs.contains("a10-1 (low) src/lib.rs: quoted line found: no"), "{logs}");
    let logs = machine.ends(&["logs", &latest(&machine), "review[a05]/proof"], 0);
    assert!(logs.contains("a05-1 (critical) src/lib.rs: quoted line found: yes"), "{logs}");
}

fn latest(machine: &Machine) -> String {
    machine.status()["id"].as_str().unwrap().to_owned()
}

#[test]
fn no_claim_disappears_in_triage() {
    let machine = Machine::new("security-audit");
    let mut text = machine.recording();
    let triage = turn(&text, "triage", 1);
    let line = triage.start + text[triage].find("  - { id: a06-1, reason").unwrap();
    text.replace_range(line..line + text[line..].find('\n').unwrap(), "  - { id: a02-1, reason: 'no such claim' }");
    machine.record(&text);
    machine.first(22);
    assert_eq!(step(&machine.status(), "triage")["gates"][0]["verdict"], "fail");
}

#[test]
fn an_attack_that_does_not_work_is_no_attack() {
    let machine = Machine::new("security-audit");
    let text = machine.recording();
    machine.record(&text.replacen("echo SECRET >", "echo HARMLESS >", 1));
    machine.first(22);
    let status = machine.status();
    let attack = step(&status, "remediation[a01-1]/attack");
    assert_eq!(gate(attack, "case \"$FINDING\"").1["verdict"], "fail", "{attack}");
    assert!(fs::read_to_string(machine.project().join("src/lib.rs")).unwrap().contains("folder.join(name)"));
}

/// Approves a question of the latest run and goes on.
#[track_caller]
fn approve(machine: &Machine, question: &str, code: i32) -> String {
    let run = latest(machine);
    machine.ends(&["approve", &run, question], 0);
    machine.ends(&["resume", &run], code)
}

#[test]
fn a_critical_finding_that_stays_open_needs_a_persons_word() {
    let machine = Machine::new("security-audit");
    let mut text = machine.recording();
    // The same insufficient fix, as often as the gate sends it back.
    let first = text[turn(&text, "remediation[a01-1]/fix", 1)].to_owned();
    let second = turn(&text, "remediation[a01-1]/fix", 2);
    let again = |attempt: u32| first.replacen("attempt: 1", &format!("attempt: {attempt}"), 1);
    text.replace_range(second, &[again(2), again(3), again(4)].concat());
    machine.record(&text);
    machine.ends(&["run", "/security-audit"], 20);
    approve(&machine, "mandate", 20);
    let told = machine.ends(&["status"], 0);
    assert!(told.contains("A gate of `remediation[a01-1]/fix` failed and its tries are used up"), "{told}");
    machine.ends(&["reject", &latest(&machine), "remediation[a01-1]/fix", "--comment", "not like this"], 0);
    let status = machine.status();
    assert_eq!(status["status"], "failed");
    assert_eq!(status_of(&status, "report"), "cancelled");
}

#[test]
fn what_a_scan_finds_ends_no_audit_and_is_not_forgotten() {
    let machine = Machine::new("security-audit");
    let key = ["AKIA", "ABCDEFGHIJKLMNOP"].concat();
    fs::write(machine.project().join("notes/keys"), format!("{key}\n")).unwrap();
    machine.ends(&["run", "/security-audit"], 20);
    let status = machine.status();
    assert_eq!(status_of(&status, "scans/secrets"), "failed");
    assert_eq!(step(&status, "scans/secrets")["gates"][0]["verdict"], "fail");
    assert_eq!(status_of(&status, "triage"), "succeeded");
    approve(&machine, "mandate", 20);
    let status = machine.status();
    assert_eq!(status["waiting_for"][0]["step"], "verification/secrets", "{}", status["waiting_for"]);
}

#[test]
fn who_fixes_does_not_replace_a_judge() {
    let machine = Machine::new("security-audit");
    let mut text = machine.recording();
    let place = turn(&text, "remediation[a05-1]/fix", 1);
    let writes = place.start + text[place].find("    writes:\n").unwrap() + "    writes:\n".len();
    text.insert_str(writes, "      - { path: checks/unit-tests.sh, text: \"exit 0\\n\" }\n");
    machine.record(&text);
    machine.first(22);
    let status = machine.status();
    let gates = step(&status, "remediation[a05-1]/fix")["gates"].as_array().unwrap();
    let told = "changed what is denied: `checks/unit-tests.sh`";
    assert!(gates.iter().any(|gate| gate["verdict"] == "fail" && gate["reason"] == told), "{gates:?}");
}

#[test]
fn without_a_critical_finding_nobody_attacks_and_nobody_is_asked() {
    let machine = Machine::new("security-audit");
    let text = machine.recording().replace("severity: critical", "severity: high");
    let text = text.replace("`checks/security/a01-1.sh`\n", "`src/lib.rs`\n");
    machine.record(&text.replace("`checks/security/a05-1.sh`\n", "`src/lib.rs`\n"));
    let told = machine.ends(&["run", "/security-audit"], 0);
    assert!(told.contains("critical: 0"), "{told}");
    assert_eq!(status_of(&machine.status(), "mandate"), "skipped");
    assert!(!machine.project().join("checks/security").exists());
}
