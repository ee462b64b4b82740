//! The outcome table: what each agent program's output proves. A tape is what one run of a program left: its standard
//! output, its standard error, how it ended. `tests/outcomes/NAME.yaml` holds the tapes of the program `NAME`, and the
//! expected outcomes of the runs that were recorded with real programs, where `../shared/cli-samples` is there.
//!
//! A tape: `name`; `stdout`, `stderr`, `output_file`,
//! `side_file` (texts); `exit` (a code), `signal` or `lingered: true`; `order`
//! (`expected_output`, `session`, `forks`, `session_usage`, `access`, `tools`); `expect`. A recorded case: its `order`
//! where it had one, and `expect`. An expectation: `succeeded: { text, output }` or `failed: { class, reason,
//! retry_after_ms }`, where `reason` lists words that must all be there; `session`; `usage`; `seen`, words that must be
//! told in this order while the program works. What is not written there is not looked at, but for `usage`: nothing
//! written means nothing spent.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot be set up must stop; skips are loud")]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use orch::{
    base::{FailureClass, Outcome, Usage},
    runtime::{
        Access, Adapter, Order, OrderAgent, PROGRAMS, ProgramExit, ProgramOutput, ProgramSettings, Reader, Seen,
    },
};
use serde::Deserialize;
use serde_json::Value;

/// The least number of tapes over all programs, recorded runs not counted.
const TAPES_MIN: usize = 40;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    tapes: Vec<Tape>,
    #[serde(default)]
    recorded: BTreeMap<String, Recorded>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Tape {
    name: String,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    stderr: String,
    #[serde(default)]
    output_file: Option<String>,
    #[serde(default)]
    side_file: Option<String>,
    #[serde(default)]
    exit: i32,
    #[serde(default)]
    signal: Option<i32>,
    #[serde(default)]
    lingered: bool,
    #[serde(default)]
    order: Told,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    #[serde(default)]
    order: Told,
    expect: Expect,
}

#[derive(Deserialize, Default, Clone)]
#[serde(deny_unknown_fields, default)]
struct Told {
    expected_output: Option<Value>,
    session: Option<String>,
    forks: bool,
    session_usage: Usage,
    access: Access,
    tools: Option<Vec<String>>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Expect {
    #[serde(default)]
    succeeded: Option<Success>,
    #[serde(default)]
    failed: Option<Failed>,
    #[serde(default)]
    session: Option<String>,
    #[serde(default)]
    usage: Usage,
    #[serde(default)]
    seen: Vec<String>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Success {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    output: Option<Value>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Failed {
    class: String,
    #[serde(default)]
    reason: Vec<String>,
    #[serde(default)]
    retry_after_ms: Option<u64>,
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn tables() -> BTreeMap<&'static str, Table> {
    let tables = PROGRAMS.iter().map(|program| {
        let path = home().join(format!("tests/outcomes/{}.yaml", program.name));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let table = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (program.name, table)
    });
    tables.collect()
}

fn adapter(program: &str) -> std::sync::Arc<dyn Adapter> {
    let kind = PROGRAMS.iter().find(|kind| kind.name == program).unwrap();
    (kind.make)(ProgramSettings { program: program.into(), ..ProgramSettings::default() })
}

fn order(told: &Told) -> Order {
    Order {
        workflow: "w".into(),
        step: "s".into(),
        attempt: 1,
        turn: 1,
        agent: OrderAgent { name: "developer".into(), instructions: "You write code.".into() },
        task: "Do it".into(),
        requirements: String::new(),
        constraints: vec![],
        context: String::new(),
        context_files: vec![],
        expected_output: told.expected_output.clone(),
        feedback: None,
        session: told.session.clone(),
        forks: told.forks,
        session_usage: told.session_usage,
        model: None,
        tools: told.tools.clone(),
        files: vec![],
        answer_files: false,
        access: told.access,
        permissions: orch::definition::Permissions::default(),
        mcp_servers: vec![],
        attached: vec![],
        inputs: serde_json::Map::new(),
    }
}

fn reader(program: &str, told: &Told) -> Box<dyn Reader> {
    adapter(program).reader(&order(told))
}

fn output(tape: &Tape, stdout: &[u8], exit: ProgramExit) -> ProgramOutput {
    ProgramOutput {
        exit,
        stdout: stdout.to_vec(),
        stdout_whole: true,
        stderr_tail: tape.stderr.clone().into_bytes(),
        output_file: tape.output_file.clone().map(String::into_bytes),
    }
}

fn exit_of(tape: &Tape) -> ProgramExit {
    match tape.signal {
        Some(signal) => ProgramExit::Signal(signal),
        None if tape.lingered => ProgramExit::Lingered,
        None => ProgramExit::Code(tape.exit),
    }
}

fn feed(reader: &mut dyn Reader, stdout: &[u8]) -> Vec<Seen> {
    let lines = stdout.split(|byte| *byte == b'\n');
    lines.filter(|line| !line.is_empty()).flat_map(|line| reader.line(line, true)).collect()
}

/// Plays a tape; the faults of its outcome.
fn faults(program: &str, tape: &Tape) -> Vec<String> {
    let mut reader = reader(program, &tape.order);
    let mut seen = feed(&mut *reader, tape.stdout.as_bytes());
    if let Some(bytes) = &tape.side_file {
        seen.extend(reader.side_file(bytes.as_bytes()));
    }
    let outcome = reader.finish(&output(tape, tape.stdout.as_bytes(), exit_of(tape)));
    let expect = &tape.expect;
    let mut faults = Vec::new();
    let (session, usage) = match (&outcome, &expect.succeeded, &expect.failed) {
        (Outcome::Succeeded(envelope), Some(wanted), None) => {
            if wanted.text.as_ref().is_some_and(|text| *text != envelope.text) {
                faults.push(format!("its text is {:?}", envelope.text));
            }
            if wanted.output.as_ref().is_some_and(|output| *output != envelope.output) {
                faults.push(format!("its output is {}", envelope.output));
            }
            (envelope.session.clone(), envelope.usage)
        }
        (Outcome::Failed(failure), None, Some(wanted)) => {
            let (class, retry) = named(failure.class);
            if class != wanted.class || retry != wanted.retry_after_ms {
                faults.push(format!("its class is {class} {retry:?}: {}", failure.reason));
            }
            for word in wanted.reason.iter().filter(|word| !failure.reason.contains(*word)) {
                faults.push(format!("its reason is without {word:?}: {}", failure.reason));
            }
            if failure.reason.contains('\n') || failure.reason.len() > 2_000 {
                faults.push(format!("its reason is no line: {:?}", failure.reason));
            }
            (failure.session.clone(), failure.usage)
        }
        (other, ..) => return vec![format!("it ended as {other:?}")],
    };
    if expect.session.is_some() && session != expect.session {
        faults.push(format!("its session is {session:?}"));
    }
    if usage != expect.usage {
        faults.push(format!("its usage is {usage:?}"));
    }
    faults.extend(untold(&seen, tape));
    let told = seen.iter().fold(Usage::default(), |mut sum, seen| {
        if let Seen::Spent(usage, _) = seen {
            sum.add(*usage);
        }
        sum
    });
    if told != usage && tape.signal.is_none() {
        faults.push(format!("{told:?} was told while it worked, and at its end {usage:?}"));
    }
    faults
}

/// What should have been told while the program works.
fn untold(seen: &[Seen], tape: &Tape) -> Vec<String> {
    let told: Vec<String> = seen.iter().map(|seen| format!("{seen:?}")).collect();
    let mut rest = &told[..];
    for word in &tape.expect.seen {
        match rest.iter().position(|told| told.contains(word)) {
            Some(place) => rest = &rest[place + 1..],
            None => return vec![format!("{word:?} was not told in its place: {told:?}")],
        }
    }
    Vec::new()
}

fn named(class: FailureClass) -> (&'static str, Option<u64>) {
    match class {
        FailureClass::Transient { retry_after_ms } => ("transient", retry_after_ms),
        FailureClass::Recoverable => ("recoverable", None),
        FailureClass::Quota { until } => ("quota", until.map(|until| until.0)),
        FailureClass::TimedOut => ("timed_out", None),
        FailureClass::Missing => ("missing", None),
        FailureClass::Invalid => ("invalid", None),
        FailureClass::Permanent => ("permanent", None),
        FailureClass::Model => ("model", None),
    }
}

#[test]
fn every_tape_has_its_outcome() {
    let mut wrong = String::new();
    let mut count = 0;
    for (program, table) in tables() {
        for tape in &table.tapes {
            count += 1;
            for fault in faults(program, tape) {
                writeln!(wrong, "{program}, {}: {fault}", tape.name).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count >= TAPES_MIN, "only {count} tapes");
    println!("{count} tapes");
}

/// The recorded run of a case.
fn recorded_tape(folder: &Path, name: &str, case: &Value, recorded: &Recorded) -> Tape {
    let read = |ending: &str| fs::read_to_string(folder.join(format!("{name}{ending}"))).ok();
    let exit = i32::try_from(case["exit"].as_i64().unwrap()).unwrap();
    Tape {
        name: format!("recorded {name}"),
        stdout: read(".jsonl").or_else(|| read(".txt")).unwrap_or_default(),
        stderr: read(".stderr.txt").unwrap_or_default(),
        output_file: None,
        side_file: read(".usage.json"),
        exit: exit.max(0),
        signal: (exit < 0).then_some(-exit),
        lingered: false,
        order: recorded.order.clone(),
        expect: recorded.expect.clone(),
    }
}

fn samples() -> Option<PathBuf> {
    let folder = home().join("../shared/cli-samples");
    let folder = if folder.is_dir() { folder } else { home().join("../../shared/cli-samples") };
    if !folder.is_dir() {
        println!("SKIPPED: there are no recorded runs of real programs in ../shared/cli-samples");
        return None;
    }
    Some(folder)
}

/// Every recorded case has an expectation, every expectation a case, and each holds.
#[test]
fn every_recorded_run_has_its_outcome() {
    let Some(samples) = samples() else { return };
    let mut wrong = String::new();
    let mut count = 0;
    for (program, table) in tables() {
        let folder = samples.join(program);
        let index: Value = serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
        let cases = index["cases"].as_object().unwrap();
        for name in table.recorded.keys().filter(|name| !cases.contains_key(*name)) {
            writeln!(wrong, "{program}: no run {name} was recorded").unwrap();
        }
        for (name, case) in cases {
            let Some(recorded) = table.recorded.get(name) else {
                writeln!(wrong, "{program}: nothing is expected of the recorded run {name}").unwrap();
                continue;
            };
            count += 1;
            let tape = recorded_tape(&folder, name, case, recorded);
            for fault in faults(program, &tape) {
                writeln!(wrong, "{program}, {}: {fault}", tape.name).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    println!("{count} recorded runs");
}

/// How many events the stretched stream has.
const EVENTS: usize = 200;

/// The lines of a stream; for a stretched one the middle is repeated. The last event is the last line.
fn events(stdout: &str, is_stretched: bool) -> Vec<&[u8]> {
    let lines: Vec<&[u8]> = stdout.lines().filter(|line| !line.trim().is_empty()).map(str::as_bytes).collect();
    if !is_stretched {
        return lines;
    }
    let (first, last) = (lines[0], lines[lines.len() - 1]);
    let middle = lines[1..lines.len() - 1].iter().copied().cycle().take(EVENTS - 2);
    [first].into_iter().chain(middle).chain([last]).collect()
}

/// R11: output that is cut at any byte before its last event is whole is never a success, whatever the exit says.
#[test]
fn a_cut_stream_is_never_a_success() {
    let exits = [ProgramExit::Code(0), ProgramExit::Signal(15)];
    let (mut cuts, mut streams) = (0_u64, 0);
    for (program, table) in tables() {
        let proven = table.tapes.iter().filter(|tape| tape.expect.succeeded.is_some() && tape.output_file.is_none());
        let mut is_stretched = false;
        for tape in proven {
            streams += 1;
            let stretches = !is_stretched && tape.stdout.lines().count() > 2;
            is_stretched |= stretches;
            let lines = events(&tape.stdout, stretches);
            for (place, line) in lines.iter().enumerate() {
                // Broken ends of one line follow one another in one reader: none of them may count as an event.
                let mut reader = reader(program, &tape.order);
                lines[..place].iter().for_each(|line| drop(reader.line(line, true)));
                for end in 0..line.len() {
                    if end > 0 {
                        reader.line(&line[..end], true);
                    }
                    for exit in exits {
                        cuts += 1;
                        let outcome = reader.finish(&output(tape, &line[..end], exit));
                        assert!(
                            matches!(outcome, Outcome::Failed(_)),
                            "{program}, {}: cut in line {place} at byte {end}, {exit:?}: {outcome:?}",
                            tape.name
                        );
                    }
                }
            }
            let mut reader = reader(program, &tape.order);
            lines.iter().for_each(|line| drop(reader.line(line, true)));
            let whole = reader.finish(&output(tape, b"", ProgramExit::Code(0)));
            assert!(matches!(whole, Outcome::Succeeded(_)), "{program}, {}: {whole:?}", tape.name);
            let killed = reader.finish(&output(tape, b"", ProgramExit::Signal(9)));
            assert!(matches!(killed, Outcome::Failed(_)), "{program}, {}: {killed:?}", tape.name);
        }
        assert!(is_stretched, "{program}: no stream of {EVENTS} events");
    }
    println!("{cuts} cuts of {streams} streams");
    assert!(streams >= PROGRAMS.len() * 2, "only {streams} streams");
}

/// Hostile output: a reader takes any line and always comes to an end.
#[test]
fn a_reader_takes_any_line() {
    let deep = "[".repeat(10_000);
    let lines = [
        "",
        "{}",
        "null",
        "{\"type\":7}",
        "{\"type\":\"result\"}",
        "{\"type\":\"assistant\",\"message\":{\"content\":[[]]}}",
        "{\"type\":\"item.completed\"}",
        "{\"type\":\"turn.failed\",\"error\":[]}",
        "\u{0}\u{1b}[2J",
        &deep,
    ];
    for program in PROGRAMS {
        let mut reader = reader(program.name, &Told::default());
        for line in lines {
            reader.line(line.as_bytes(), true);
            reader.line(line.as_bytes(), false);
        }
        reader.line(&[0xff, 0xfe], true);
        let tape = Tape {
            name: String::new(),
            stdout: String::new(),
            stderr: "x\u{1b}[2J\n".repeat(10_000),
            output_file: None,
            side_file: None,
            exit: 0,
            signal: None,
            lingered: false,
            order: Told::default(),
            expect: Expect { succeeded: None, failed: None, session: None, usage: Usage::default(), seen: vec![] },
        };
        let outcome = reader.finish(&output(&tape, b"", ProgramExit::Code(0)));
        assert!(matches!(outcome, Outcome::Failed(_)), "{}: {outcome:?}", program.name);
    }
}
