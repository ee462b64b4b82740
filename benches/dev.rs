//! How long `orch dev` takes from the end of a save to its word, in a project with 1,000 definitions.
//!
//! `cargo bench --bench dev` prints one table: the bar is 50 ms for 95 of 100 saves. Of that 10 ms are the quiet that is
//! waited for. `ORCH_BENCH_ROUNDS` (default 200) saves are made, each when the one before was told.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

const ORCH: &str = env!("CARGO_BIN_EXE_orch");
const AGENTS: usize = 450;
const SKILLS: usize = 250;
const COMMANDS: usize = 200;
const WORKFLOWS: usize = 100;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn agent(place: usize, words: &str) -> String {
    let rules =
        "Look at every file that the task names before you change one, and say what you have done.\n".repeat(20);
    format!(
        "---\nname: agent-{place}\ndescription: Does the work number {place}\ntools: [Read, Grep]\n---\nYou {words}.\n\n{rules}"
    )
}

fn workflow(place: usize, words: &str) -> String {
    let step = |step: usize| {
        let agent = (place * 7 + step) % AGENTS;
        format!("  - {{ id: s{step}, agent: agent-{agent}, prompt: \"{words} {step}: {{{{ inputs.what }}}}\" }}\n")
    };
    let steps: String = (0..8).map(step).collect();
    format!(
        "name: flow-{place}\ndescription: Flow number {place}\ninputs: {{ what: {{ type: string, required: true }} }}\nsteps:\n{steps}  - {{ id: check, run: \"true\", recovery: retry, gate: [{{ run: \"true\" }}] }}\n"
    )
}

/// The next state, and when its line was read.
fn state(lines: &Receiver<(Instant, String)>) -> (Instant, Value) {
    loop {
        let (at, line) = lines.recv_timeout(Duration::from_secs(60)).expect("a state for each edit");
        let event: Value = serde_json::from_str(&line).unwrap();
        if event["type"] == "dev_state" {
            return (at, event);
        }
    }
}

fn main() {
    let rounds: usize = env::var("ORCH_BENCH_ROUNDS").map_or(200, |text| text.parse().unwrap());
    let folder = env::temp_dir().join(format!("orch-bench-dev-{}", std::process::id()));
    let root = folder.join("root");
    write(&root, "orch.toml", "");
    fs::create_dir_all(folder.join("home")).unwrap();
    for place in 0..AGENTS {
        write(&root, &format!("agents/agent-{place}.md"), &agent(place, "work"));
    }
    for place in 0..SKILLS {
        let text = format!("---\nname: skill-{place}\ndescription: Knows the subject {place}\n---\nKnow it.\n");
        write(&root, &format!("skills/skill-{place}/SKILL.md"), &text);
    }
    for place in 0..COMMANDS {
        write(&root, &format!("commands/c{place}.md"), &format!("---\ndescription: c {place}\n---\nDo $ARGUMENTS\n"));
    }
    for place in 0..WORKFLOWS {
        write(&root, &format!("workflows/flow-{place}.yaml"), &workflow(place, "Do"));
    }
    println!("{:<34} {:>8} {:>8} {:>8} {:>8}", "save to word, ms", "saves", "p50", "p95", "max");
    for (name, words) in
        [("all definitions", &["dev", "--json"][..]), ("one workflow", &["dev", "flow-3", "--no-run", "--json"])]
    {
        measure(name, &root, words, rounds);
    }
    fs::remove_dir_all(folder).unwrap();
}

fn measure(name: &str, root: &Path, words: &[&str], rounds: usize) {
    let mut command = Command::new(ORCH);
    command.args(words).current_dir(root).env_clear().env("HOME", root.parent().unwrap().join("home"));
    command.env("PATH", env::var_os("PATH").unwrap());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (sender, lines) = channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    let reader = thread::spawn(move || {
        for line in out.lines() {
            if sender.send((Instant::now(), line.unwrap())).is_err() {
                return;
            }
        }
    });
    state(&lines);
    let mut times = Vec::new();
    for round in 0..rounds {
        // Old enough that its time tells it from the next change, as between two saves of a person.
        thread::sleep(Duration::from_millis(60));
        let flow = root.join("workflows/flow-3.yaml");
        let words = format!("Do {round}");
        match round % 4 {
            0 => fs::write(&flow, workflow(3, &words)).unwrap(),
            1 => {
                let new = root.join("workflows/.flow-3.yaml.tmp");
                fs::write(&new, workflow(3, &words)).unwrap();
                fs::rename(new, &flow).unwrap();
            }
            2 => fs::write(root.join("agents/agent-22.md"), agent(22, &words)).unwrap(),
            // A fault: the diagnostic counts as the word.
            _ => fs::write(&flow, format!("{}what{round}: 1\n", workflow(3, &words))).unwrap(),
        }
        let saved = Instant::now();
        let (at, _) = state(&lines);
        times.push(at.saturating_duration_since(saved).as_secs_f64() * 1000.0);
    }
    writeln!(child.stdin.as_mut().unwrap(), "q").unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1];
    println!("{name:<34} {rounds:>8} {:>8.1} {:>8.1} {:>8.1}", at(0.5), at(0.95), at(1.0));
}
