//! S5: a secret that a step gets, or that the machine knows, stands in nothing that is kept or shown, in no form and
//! wherever it was cut.
//!
//! Out of scope, because they are files of the user: what a command writes into the project, and the checkpoints of it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot be set up must stop")]

mod support;

use std::{
    collections::HashSet,
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use orch::guard::Redactor;
use support::Project;

/// How many secrets are planted.
const SECRETS: usize = 50;
/// So many bytes of one in a row are a leak.
const WINDOW: usize = 10;

/// Secrets as services and people make them; no ten bytes stand in two of them.
fn secrets() -> Vec<String> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |alphabet: &str, length: usize| -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        let mut letter = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            letters[usize::try_from(state >> 33).unwrap() % letters.len()]
        };
        (0..length).map(|_| letter()).collect()
    };
    let alnum = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let odd = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'()*+,-./:;<=>?@[]^_`{|}~\"\\ äß漢";
    let begins = ["", "sk-ant-api03-", "ghp_", "glpat-", "AKIA", "xoxb-", "hf_", "npm_", "postgres://user:", "pw "];
    (0..SECRETS)
        .map(|place| {
            let body = if place % 2 == 0 { next(alnum, 24 + place % 13) } else { next(odd, 20 + place % 17) };
            format!("{}{}", begins[place % begins.len()], body.trim().replace("  ", "__"))
        })
        .map(|secret| if secret.ends_with('\\') { format!("{secret}x") } else { secret })
        .collect()
}

fn base64(bytes: &[u8], is_url: bool) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            out.push(char::from(alphabet[(bits >> (18 - 6 * place) & 63) as usize]));
        }
        out.push_str(&"="[..].repeat(3 - group.len()));
    }
    if is_url { out.replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned() } else { out }
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").unwrap();
        }
        out
    })
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// What programs make of a value; the base64 of it stands in that of a longer text.
fn encodings(secret: &str, place: usize) -> Vec<String> {
    let before = ["", "u", "us"][place % 3];
    let json = serde_json::to_string(secret).unwrap();
    vec![
        secret.to_owned(),
        base64(format!("{before}{secret}@x").as_bytes(), false),
        base64(format!("{before}{secret}@x").as_bytes(), true),
        percent(secret),
        json,
        format!("'{}'", secret.replace('\'', "'\\''")),
        secret.bytes().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        }),
        html(secret),
    ]
}

/// Every run of ten bytes of every secret in every form.
fn windows() -> HashSet<Vec<u8>> {
    let mut all = HashSet::new();
    for (place, secret) in secrets().iter().enumerate() {
        for form in encodings(secret, place) {
            // The letters at the border of base64 belong to what stands beside the secret.
            let form = form.as_bytes();
            let inner: &[u8] = if form.len() > 16 { form } else { &[] };
            all.extend(inner.windows(WINDOW).map(<[u8]>::to_vec));
        }
    }
    // What every address and every key of a service begins with is no secret.
    for (place, _) in secrets().iter().enumerate() {
        for begin in ["postgres://user:", "sk-ant-api03-"] {
            for form in encodings(begin, place) {
                for window in form.as_bytes().windows(WINDOW) {
                    all.remove(window);
                }
            }
        }
    }
    all
}

fn leaks(windows: &HashSet<Vec<u8>>, bytes: &[u8]) -> Vec<String> {
    let found = bytes.windows(WINDOW).filter(|window| windows.contains(*window));
    found.map(|window| String::from_utf8_lossy(window).into_owned()).take(5).collect()
}

fn known() -> Redactor {
    Redactor::new(secrets().into_iter().enumerate().map(|(place, secret)| (format!("s{place:02}"), secret)))
}

#[test]
fn every_form_of_every_secret_is_taken_out_wherever_it_is_cut() {
    let (redactor, windows) = (known(), windows());
    let mut cuts = 0;
    for (place, secret) in secrets().iter().enumerate() {
        for form in encodings(secret, place) {
            let text = format!("before {form} behind\n");
            let whole = redactor.text(&text);
            assert!(whole.contains("[redacted:") && leaks(&windows, whole.as_bytes()).is_empty(), "{form}: {whole}");
            for at in 0..=text.len() {
                let mut out = Vec::new();
                let mut stream = redactor.stream();
                stream.push(&text.as_bytes()[..at], |clean| out.extend_from_slice(clean));
                assert!(leaks(&windows, &out).is_empty(), "{form} cut at {at}");
                stream.push(&text.as_bytes()[at..], |clean| out.extend_from_slice(clean));
                stream.finish(|clean| out.extend_from_slice(clean));
                assert_eq!(String::from_utf8_lossy(&out), whole, "{form} cut at {at}");
                cuts += 1;
            }
        }
    }
    assert!(cuts > SECRETS * 8 * 30, "{cuts}");
}

/// A project whose steps and whose agent print all secrets in all forms, some of them in two pieces with a pause between.
fn leaking() -> Project {
    let mut workflow = String::from("name: leak\nsecrets:\n");
    for place in 0..SECRETS {
        writeln!(workflow, "  s{place:02}: {{ env: PLANTED_{place:02} }}").unwrap();
    }
    let all: Vec<String> = (0..SECRETS).map(|place| format!("s{place:02}")).collect();
    let all = all.join(", ");
    write!(
        workflow,
        "steps:\n  \
         - {{ id: say, run: [sh, say.sh], secrets: [{all}], output: {{ all: string }} }}\n  \
         - id: agent\n    agent: writer\n    prompt: 'Look at this: {{{{ say.result.text }}}} {{{{ say.all }}}}'\n    \
         gate: [{{ run: [sh, gate.sh] }}]\n    on_gate_fail: {{ feedback: true, tries: 1, then: continue }}\n  \
         - {{ id: broken, run: [sh, broken.sh], optional: true, secrets: {{ MY_OWN: s00 }} }}\n"
    )
    .unwrap();
    let project = Project::new()
        .file("workflows/leak.yaml", &workflow)
        .file("agents/writer.md", "---\nname: writer\ndescription: Writes\ntools: [Read]\n---\nYou write.\n")
        .file(
            "orch.toml",
            "runtime = \"shell\"\n[runtimes.shell]\ncommand = [\"sh\", \"agent.sh\"]\noutput = \"text\"\n",
        )
        // The two halves of a line come apart in time, each ninth.
        .file(
            "say.sh",
            "[ \"$S00\" = \"$(sed -n 1p \"$HOME/plain\")\" ] || { echo 'the secret is not there'; exit 3; }\n\
             n=0\nwhile IFS= read -r one && IFS= read -r two; do n=$((n+1))\n\
             printf '%s' \"$one\"; [ $((n % 9)) -eq 0 ] && sleep 0.02; printf '%s\\n' \"$two\"\n\
             printf '%s%s\\n' \"$one\" \"$two\" >&2\ndone < \"$HOME/halves\"\n\
             cp \"$HOME/output.json\" \"$ORCH_OUTPUT\"\n",
        )
        .file("gate.sh", "tail -n 20 \"$HOME/lines\"; cat \"$HOME/lines\" >&2; exit 1\n")
        .file("agent.sh", "cat > /dev/null; cat \"$HOME/lines\"; cat \"$HOME/lines\" >&2\n")
        .file(
            "broken.sh",
            "[ -n \"$MY_OWN\" ] || exit 9; [ -z \"${S01:-}\" ] || exit 8; cat \"$HOME/lines\"; exit 7\n",
        );
    let (mut halves, mut lines) = (String::new(), String::new());
    for (place, secret) in secrets().iter().enumerate() {
        for (number, form) in encodings(secret, place).into_iter().enumerate() {
            let at = form.ceil_char_boundary((place * 7 + number * 3) % form.len());
            writeln!(halves, "{}\n{}", &form[..at], &form[at..]).unwrap();
            writeln!(lines, "{form}").unwrap();
        }
    }
    let home = project.home();
    fs::write(home.join("plain"), secrets()[0].as_bytes()).unwrap();
    fs::write(home.join("halves"), halves).unwrap();
    fs::write(home.join("output.json"), serde_json::json!({ "all": lines }).to_string()).unwrap();
    fs::write(home.join("lines"), lines).unwrap();
    secrets()
        .iter()
        .enumerate()
        .fold(project, |project, (place, secret)| project.variable(&format!("PLANTED_{place:02}"), secret))
}

fn trust(project: &Project, name: &str) {
    let done = project.run(&["--json", "trust", name, "--list"]);
    let told: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    let digest = told["items"][0]["digest"].as_str().unwrap_or_else(|| panic!("{}{}", done.stdout, done.stderr));
    let done = project.run(&["trust", name, "--digest", digest]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
}

/// All files below a folder.
fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            files(&path, all);
        } else if kind.is_file() {
            all.push(path);
        }
    }
}

/// Looks at the words of every process until it is told to stop; how often, and what it has found.
fn look_at_words(windows: HashSet<Vec<u8>>, stop: Arc<AtomicBool>, looks: Arc<AtomicU64>) -> Vec<String> {
    let mut found = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            if let Ok(words) = fs::read(process.path().join("cmdline")) {
                found.extend(leaks(&windows, &words));
            }
        }
        looks.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(2));
    }
    found
}

#[test]
fn nothing_that_is_kept_or_shown_holds_a_secret() {
    let (project, windows) = (leaking(), windows());
    trust(&project, "leak");
    let (stop, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let watcher = {
        let (windows, stop, looks) = (windows.clone(), Arc::clone(&stop), Arc::clone(&looks));
        std::thread::spawn(move || look_at_words(windows, stop, looks))
    };
    let mut shown: Vec<(String, Vec<u8>)> = Vec::new();
    let mut run = |words: &[&str]| {
        let output = project.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        shown.push((format!("orch {}", words.join(" ")), [output.stdout, output.stderr].concat()));
        text
    };
    run(&["run", "leak", "--record"]);
    run(&["run", "leak", "--json"]);
    run(&["-vv", "run", "leak"]);
    for words in
        [&["logs"][..], &["status", "--json"], &["status"], &["runs", "--json"], &["inbox"], &["replay", "--json"]]
    {
        run(words);
    }
    run(&["logs", "--json"]);
    run(&["plan", "leak"]);
    stop.store(true, Ordering::Relaxed);
    let in_words = watcher.join().unwrap();
    let mut faults: Vec<String> = in_words.iter().map(|leak| format!("in the words of a process: {leak}")).collect();
    faults.truncate(3);
    assert!(looks.load(Ordering::Relaxed) > 20);
    for (what, bytes) in &shown {
        faults.extend(leaks(&windows, bytes).first().map(|leak| format!("{what}: {leak}")));
    }
    let redacted = |bytes: &[u8]| String::from_utf8_lossy(bytes).matches("[redacted:").count();
    // Everything that is kept: the journal, logs, orders, answers, the recording and its turns, the audit log.
    let mut all = Vec::new();
    files(&project.root().join(".orch"), &mut all);
    files(&project.root().join("workflows"), &mut all);
    files(&project.home().join(".local"), &mut all);
    let mut held = HashSet::new();
    for path in &all {
        let bytes = fs::read(path).unwrap();
        faults.extend(leaks(&windows, &bytes).first().map(|leak| format!("{}: {leak}", path.display())));
        if redacted(&bytes) > 0 {
            held.insert(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    assert!(faults.is_empty(), "{} places: {:#?}", faults.len(), &faults[..faults.len().min(40)]);
    let logs = shown.iter().find(|(what, _)| what == "orch logs").unwrap();
    assert!(redacted(&logs.1) > SECRETS * 8, "the logs show {} of them", redacted(&logs.1));
    for name in ["stdout.log", "stderr.log", "order.json", "output.json", "leak.yaml"] {
        assert!(held.contains(name), "nothing was taken out of a {name}: {held:?}");
    }
    assert!(held.iter().any(|name| name.contains("journal") || name.contains(".db")), "{held:?}");
    open_to_nobody(&project.root().join(".orch/state"));
}

/// How many steps that get secrets are watched; `ORCH_SECRET_STEPS=1000` is the full size.
fn watched_steps() -> usize {
    std::env::var("ORCH_SECRET_STEPS").ok().and_then(|count| count.parse().ok()).unwrap_or(40)
}

#[test]
fn no_process_has_a_secret_among_its_words_while_steps_use_them() {
    let count = watched_steps();
    let all: Vec<String> = (0..SECRETS).map(|place| format!("s{place:02}")).collect();
    let mut workflow = String::from("name: use\nsecrets:\n");
    for place in 0..SECRETS {
        writeln!(workflow, "  s{place:02}: {{ env: PLANTED_{place:02} }}").unwrap();
    }
    let items = (0..count).map(|item| item.to_string()).collect::<Vec<_>>().join(", ");
    let all = all.join(", ");
    // Shell, words and a program that reads its input: each way to start a command.
    write!(
        workflow,
        "steps:\n  - {{ id: list, run: [echo], output: {{ all: [integer] }} }}\n  - id: many\n    each: list.all\n    max_parallel: 8\n    max_items: 1000\n    \
         steps:\n      - {{ id: use, run: '[ -n \"$S07\" ] && env | wc -c', secrets: [{all}] }}\n      \
         - {{ id: words, run: [sh, use.sh], secrets: {{ MY_OWN: s03 }} }}\n"
    )
    .unwrap();
    let workflow = workflow.replace("run: [echo]", "run: [sh, list.sh]");
    let project = Project::new()
        .file("workflows/use.yaml", &workflow)
        .file("list.sh", &format!("echo '{{\"all\": [{items}]}}' > \"$ORCH_OUTPUT\"\n"))
        .file("use.sh", "[ -n \"$MY_OWN\" ] && printf %s \"$MY_OWN\" | wc -c\n");
    let project = secrets()
        .iter()
        .enumerate()
        .fold(project, |project, (place, secret)| project.variable(&format!("PLANTED_{place:02}"), secret));
    trust(&project, "use");
    let (stop, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let watcher = {
        let (windows, stop, looks) = (windows(), Arc::clone(&stop), Arc::clone(&looks));
        std::thread::spawn(move || look_at_words(windows, stop, looks))
    };
    let done = project.run(&["run", "use", "--quiet"]);
    stop.store(true, Ordering::Relaxed);
    let found = watcher.join().unwrap();
    let looks = looks.load(Ordering::Relaxed);
    println!("{} steps with secrets, /proc looked through {looks} times, {} hits", count * 2, found.len());
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(found.is_empty() && looks > 10, "{looks} looks: {:?}", &found[..found.len().min(5)]);
}

/// What looks would see a leak: a process with a secret among its words is found.
#[test]
fn the_look_at_words_would_see_one() {
    // None of the planted ones: other tests look at the same processes.
    const CONTROL: &str = "a-control-value-9918273";
    let control: HashSet<Vec<u8>> = CONTROL.as_bytes().windows(WINDOW).map(<[u8]>::to_vec).collect();
    let (stop, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut child = std::process::Command::new("sh").args(["-c", "sleep 5; : \"$1\"", "x", CONTROL]).spawn().unwrap();
    let watcher = {
        let (stop, looks) = (Arc::clone(&stop), Arc::clone(&looks));
        std::thread::spawn(move || look_at_words(control, stop, looks))
    };
    while looks.load(Ordering::Relaxed) < 2 {
        std::thread::yield_now();
    }
    stop.store(true, Ordering::Relaxed);
    let found = watcher.join().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!found.is_empty());
}

/// An owner that is killed while a program has just written its answer: whoever takes the run over, no secret stays.
#[test]
fn what_a_killed_owner_leaves_behind_holds_no_secret() {
    const VALUE: &str = "correct-horse-battery-7";
    let workflow = "name: cut\nsecrets: { token: { env: MY_TOKEN } }\nsteps:\n  \
        - { id: a, run: [sh, cut.sh], secrets: [token], output: { x: string }, recovery: retry }\n";
    let script = "printf '{\"x\": \"%s\"}' \"$TOKEN\" > \"$ORCH_OUTPUT\"; printf %s \"$TOKEN\" > \"$(dirname \"$ORCH_OUTPUT\")/note\"\n\
        printf %s \"$TOKEN\" > \"$ORCH_OUTPUT.draft\"\n[ -e \"$HOME/once\" ] && exit 0\ntouch \"$HOME/once\"; sleep 60\n";
    let holding = |project: &Project| -> Vec<String> {
        let mut all = Vec::new();
        files(&project.root().join(".orch"), &mut all);
        let holds = |path: &&PathBuf| fs::read(path).unwrap().windows(VALUE.len()).any(|part| part == VALUE.as_bytes());
        all.iter().filter(holds).map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    for verb in ["resume", "cancel"] {
        let project = Project::new().file("workflows/cut.yaml", workflow).file("cut.sh", script);
        let project = project.variable("MY_TOKEN", VALUE);
        trust(&project, "cut");
        let mut child = project.command(&["run", "cut"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let once = project.home().join("once");
        while !once.exists() {
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let left = holding(&project);
        assert!(left.contains(&"output.json".to_owned()), "the scene is not set: {left:?}");
        let run = project.run(&["runs", "--json"]).json(0)[0]["id"].as_str().unwrap().to_owned();
        let done = project.run(&[verb, &run]);
        let left = holding(&project);
        let kept: &[String] = if verb == "resume" { &[] } else { &["note".to_owned()] };
        // Who only cancels knows no values, so what a program has put aside by itself stays; it is in no answer.
        assert!(left.iter().all(|name| kept.contains(name)), "{verb}: {left:?}: {}{}", done.stdout, done.stderr);
        assert_eq!(done.code, Some(0), "{verb}: {}{}", done.stdout, done.stderr);
    }
}

/// Files are for their owner's eyes, and so are folders.
fn open_to_nobody(folder: &Path) {
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    let mut all = Vec::new();
    files(folder, &mut all);
    let open: Vec<String> = all
        .iter()
        .filter(|path| mode(path) & 0o077 != 0)
        .map(|path| format!("{} {:o}", path.display(), mode(path)))
        .collect();
    // A folder that nobody else may enter hides what is in it.
    assert!(mode(folder) & 0o077 == 0, "{:o}; {open:#?}", mode(folder));
    let runs: Vec<&String> = open.iter().filter(|path| path.contains("/attempts/")).collect();
    assert!(runs.is_empty(), "{runs:#?}");
}

const GET: &str = "name: get\nsecrets: { token: SOURCE }\nsteps:\n  \
    - { id: a, run: 'test $(printf %s \"$TOKEN\" | wc -c) -eq 15 && echo got it', secrets: [token] }\n";

fn getting(source: &str) -> Project {
    let project = Project::new().file("workflows/get.yaml", &GET.replace("SOURCE", source));
    trust(&project, "get");
    project
}

#[test]
fn a_value_comes_from_a_variable_a_file_or_a_command() {
    let project = getting("{ env: MY_TOKEN }");
    let done = project.run(&["run", "get"]);
    assert_eq!(done.code, Some(43), "{}", done.stderr);
    assert!(done.stderr.contains("E0350") && done.stderr.contains("`MY_TOKEN` is not set"), "{}", done.stderr);
    let project = project.variable("MY_TOKEN", "correct-horse-7");
    assert_eq!(project.run(&["run", "get"]).code, Some(0));

    let project = getting("{ file: ~/token }");
    fs::write(project.home().join("token"), "correct-horse-7\n").unwrap();
    fs::set_permissions(project.home().join("token"), fs::Permissions::from_mode(0o640)).unwrap();
    let done = project.run(&["run", "get"]);
    assert_eq!(done.code, Some(43));
    assert!(done.stderr.contains("E0351") && done.stderr.contains("its mode is 640"), "{}", done.stderr);
    fs::set_permissions(project.home().join("token"), fs::Permissions::from_mode(0o600)).unwrap();
    let done = project.run(&["run", "get"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);

    let project = getting("{ command: [sh, print.sh] }").file("print.sh", "echo correct-horse-7\n");
    trust(&project, "get");
    let done = project.run(&["run", "get"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    project.write("print.sh", "echo correct-horse-7; echo 'correct-horse-7 is wrong' >&2; exit 1\n");
    assert_eq!(project.run(&["run", "get"]).code, Some(40), "the script is part of what was trusted");
    trust(&project, "get");
    let done = project.run(&["run", "get"]);
    assert!(done.stderr.contains("the command `sh` has failed"), "{}", done.stderr);
    assert!(!done.stderr.contains("correct-horse"), "{}", done.stderr);
}

#[test]
fn a_definition_gets_no_secret_without_trust() {
    let project = Project::new().file("workflows/get.yaml", &GET.replace("SOURCE", "{ env: MY_TOKEN }"));
    let project = project.variable("MY_TOKEN", "correct-horse-7");
    let done = project.run(&["run", "get"]);
    assert_eq!(done.code, Some(40));
    assert!(done.stderr.contains("holds secrets for its steps and is not trusted"), "{}", done.stderr);
    trust(&project, "get");
    assert_eq!(project.run(&["run", "get"]).code, Some(0));
    // The command is what would use it, so another one asks again.
    project
        .write("workflows/get.yaml", &GET.replace("SOURCE", "{ env: MY_TOKEN }").replace("echo got it", "echo $TOKEN"));
    assert_eq!(project.run(&["run", "get"]).code, Some(40));
}

#[test]
fn what_is_written_down_may_hold_no_secret_from_the_start() {
    let text = GET.replace("SOURCE", "{ env: MY_TOKEN }").replace("steps:", "inputs: { note: string }\nsteps:");
    let project = Project::new().file("workflows/get.yaml", &text).variable("MY_TOKEN", "correct-horse-7");
    trust(&project, "get");
    let done = project.run(&["run", "get", "-i", "note=it is correct%2Dhorse%2D7 correct-horse-7"]);
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    for words in ["E0352", "input `note` holds the value of the secret `token`"] {
        assert!(done.stderr.contains(words), "{}", done.stderr);
    }
    let done = project.run(&["run", "get", "-i", "note=ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4"]);
    assert!(done.code == Some(2) && done.stderr.contains("input `note` looks like a key"), "{}", done.stderr);
    let short = project.variable("MY_TOKEN", "short").run(&["run", "get", "-i", "note=x"]);
    assert!(short.code == Some(43) && short.stderr.contains("E0353"), "{}", short.stderr);
    let project = Project::new().file("workflows/get.yaml", &text.replace("got it", "correct-horse-7"));
    let project = project.variable("MY_TOKEN", "correct-horse-7");
    trust(&project, "get");
    let done = project.run(&["run", "get", "-i", "note=x"]);
    assert!(done.code == Some(2) && done.stderr.contains("the definition of the step `a` holds"), "{}", done.stderr);
}

#[test]
fn a_run_that_is_taken_up_reads_its_secrets_anew() {
    let text = "name: wait\nsecrets: { token: { env: MY_TOKEN } }\nsteps:\n  - { id: ask, approve: 'Go on?' }\n  \
        - { id: a, run: [sh, tell.sh], secrets: [token] }\n";
    let project = Project::new().file("workflows/wait.yaml", text);
    let project =
        project.file("tell.sh", "echo \"<$TOKEN>\" | cut -c1-4; echo $TOKEN\n").variable("MY_TOKEN", "correct-horse-7");
    trust(&project, "wait");
    assert_eq!(project.run(&["run", "wait"]).code, Some(20));
    let runs: serde_json::Value = serde_json::from_str(&project.run(&["runs", "--json"]).stdout).unwrap();
    let done = project.run(&["approve", runs[0]["id"].as_str().unwrap()]);
    let project = project.variable("MY_TOKEN", "battery-staple-8");
    let resumed = project.run(&["resume"]);
    assert_eq!(resumed.code, Some(0), "{}{}{}", done.stderr, resumed.stdout, resumed.stderr);
    let logs = project.run(&["logs"]).stdout;
    assert!(logs.contains("<bat") && logs.contains("[redacted:token]") && !logs.contains("staple"), "{logs}");
    project.run(&["run", "wait"]);
    let gone = project.variable("MY_TOKEN", "").run(&["resume"]);
    assert!(gone.code == Some(43) && gone.stderr.contains("E0350"), "{}", gone.stderr);
}

/// Ten megabytes as builds, version control and people write them.
fn benign() -> Vec<u8> {
    let mut text = Vec::new();
    let mut all = Vec::new();
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "docs", "tests/fixtures", "agents", "skills"] {
        files(&own.join(folder), &mut all);
    }
    all.push(own.join("Cargo.lock"));
    let registry = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let registry = registry.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    match registry.map(|home| home.join("registry/src")).filter(|folder| folder.is_dir()) {
        Some(folder) => {
            let mut crates = Vec::new();
            files(&folder, &mut crates);
            crates.retain(|path| {
                path.extension().is_some_and(|ending| ending == "rs" || ending == "md" || ending == "toml")
            });
            crates.sort();
            let step = (crates.len() / 400).max(1);
            all.extend(crates.into_iter().step_by(step));
        }
        None => println!("SKIPPED: there is no registry of crates here; its sources are not part of the benign logs"),
    }
    // The table of keys and its tests hold keys on purpose.
    all.retain(|path| !path.ends_with("guard/shapes.rs") && !path.to_string_lossy().contains("guard/redact"));
    for path in all {
        text.extend(fs::read(path).unwrap_or_default().into_iter().take(40_000));
        if text.len() > 6 << 20 {
            break;
        }
    }
    let mut state = 0x0123_4567_89ab_cdef_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    while text.len() < 10 << 20 {
        let (a, b, c, d) = (random(), random(), random(), random());
        let line = match a % 6 {
            0 => format!("{a:016x}{b:016x}{c:016x}{d:016x}  ./target/debug/deps/lib-{b:016x}.rlib\n"),
            1 => format!("commit {a:016x}{b:016x}{:08x}\nAuthor: A <a@b.c>\n\n    fix #{}\n", c >> 32, d % 10_000),
            2 => format!("{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}\n", a >> 32, b >> 48, c >> 52, d >> 52, b >> 16),
            3 => {
                let bytes: Vec<u8> = (0..96).flat_map(|_| random().to_le_bytes()).collect();
                format!("data:image/png;base64,{}\n", base64(&bytes, false))
            }
            4 => format!("   Compiling thing-{} v{}.{}.{} (/work/t/{a:x})\n", b % 99, a % 9, b % 30, c % 9),
            _ => {
                let bytes: Vec<u8> = (0..40).flat_map(|_| random().to_le_bytes()).collect();
                format!("eyJ0eXAiOi{} task-{b} https://example.com/a/{}\n", d % 7, base64(&bytes, true))
            }
        };
        text.extend_from_slice(line.as_bytes());
    }
    text
}

#[test]
fn benign_logs_stay_as_they_are() {
    let (redactor, text) = (known(), benign());
    let (mut kept, mut redacted) = (0usize, 0usize);
    let mut stream = redactor.stream();
    let mut count = |clean: &[u8]| {
        if clean.starts_with(b"[redacted:") {
            redacted += 1;
        } else {
            kept += clean.len();
        }
    };
    text.chunks(64 * 1024).for_each(|chunk| stream.push(chunk, &mut count));
    stream.finish(&mut count);
    let lost = text.len() - kept.min(text.len());
    println!("benign: {} bytes, {redacted} places, {lost} bytes redacted", text.len());
    assert!(lost * 1000 <= text.len(), "{lost} of {} bytes in {redacted} places", text.len());
}
