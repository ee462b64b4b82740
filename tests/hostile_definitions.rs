//! Hostile and odd definition files: each is refused with a place, or loads if it is legal, within 200 ms and 64 MB.
//!
//! The files are made here. Memory is the peak of a child process (this test, started again for one file).

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

use std::{env, fs, path::Path, process::Command, sync::Mutex, thread, time::Duration};

use orch::{
    base::{Severity, render},
    definition::{Dialect, load},
};

/// Processor time, as the machine may be busy. The bar is for release builds; debug builds are a hundred times slower, more
/// where two programs share one core, and only what grows without a bound is seen there.
const TIME_MAX: Duration = Duration::from_millis(if cfg!(debug_assertions) { 30_000 } else { 200 });
/// What loading adds to the process; the other 16 MB of the bar are the program itself.
const MEMORY_KB_MAX: u64 = 48 * 1024;
const STEP: &str = "steps:\n  - run: \"true\"\n";

/// What must come out: a code, or nothing for a legal file.
type Case = (&'static str, Vec<u8>, Option<&'static str>);

fn laughs(levels: usize, map: bool) -> String {
    let mut text = String::from("a0: &a0 [lol, lol]\n");
    for level in 1..levels {
        let below = format!("*a{}", level - 1);
        if map {
            text.push_str(&format!("a{level}: &a{level} {{ a: {below}, b: {below} }}\n"));
        } else {
            text.push_str(&format!("a{level}: &a{level} [{}]\n", [below.as_str(); 9].join(", ")));
        }
    }
    text + STEP
}

fn merge_bomb() -> String {
    let keys: Vec<String> = (0..400).map(|key| format!("k{key}: v")).collect();
    let mut text = format!("base: &base {{ {} }}\nall:\n", keys.join(", "));
    for number in 0..2000 {
        text.push_str(&format!("  - {{ <<: *base, n: {number} }}\n"));
    }
    text + STEP
}

fn doubling_merges() -> String {
    let mut text = String::from("m0: &m0 { a0: 1, b0: 2 }\n");
    for level in 1..30 {
        let below = level - 1;
        text.push_str(&format!(
            "m{level}: &m{level} {{ <<: [*m{below}, *m{below}], a{level}: *m{below}, b{level}: *m{below} }}\n"
        ));
    }
    text + STEP
}

fn utf16(text: &str, little: bool) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
}

fn wide(count: usize) -> String {
    let mut text = String::from("steps:\n");
    for number in 0..count {
        text.push_str(&format!("  - {{ id: s{number}, run: \"true\", needs: [] }}\n"));
    }
    text
}

fn nested_steps(levels: usize) -> String {
    let mut text = String::from("steps:\n");
    for level in 0..levels {
        text.push_str(&format!("{}- parallel:\n", "    ".repeat(level)));
    }
    text + &format!("{}- run: \"true\"\n", "    ".repeat(levels))
}

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    let text = |text: String| text.into_bytes();
    let same = |piece: &str, times: usize| piece.repeat(times).into_bytes();
    vec![
        ("laughs", text(laughs(10, false)), Some("E0105")),
        ("laughs_deep", text(laughs(200, false)), Some("E0105")),
        ("doubling_maps", text(laughs(40, true)), Some("E0105")),
        ("merge_bomb", text(merge_bomb()), Some("E0105")),
        ("doubling_merges", text(doubling_merges()), Some("E0105")),
        ("merge_itself", text(format!("a: &a {{ <<: *a }}\n{STEP}")), Some("E0104")),
        ("list_itself", text(format!("a: &a [*a]\n{STEP}")), Some("E0104")),
        ("merge_text", text(format!("a: {{ <<: text }}\n{STEP}")), Some("E0109")),
        ("brackets_closed", text(format!("steps: {}{}", "[".repeat(100_000), "]".repeat(100_000))), Some("E0105")),
        ("brackets_open", same("[", 1_000_000), Some("E0105")),
        ("brackets_commas", same("[a, ", 20_000), Some("E0105")),
        ("braces_open", same("{a: ", 50_000), Some("E0105")),
        ("braces_bare", same("{", 500_000), Some("E0105")),
        ("dashes", same("- ", 60_000), Some("E0105")),
        ("questions", same("? ", 20_000), Some("E0105")),
        ("block_nesting", text((0..600).map(|level| format!("{}a:\n", " ".repeat(level))).collect()), Some("E0105")),
        ("brackets_closing", same("]", 500_000), Some("E0104")),
        ("anchors", text(format!("{}{STEP}", (0..1000).map(|n| format!("a{n}: &a{n} x\n")).collect::<String>())), Some("E0105")),
        ("aliases", text(format!("a: &a x\nb: [{}]\n{STEP}", ["*a"; 5000].join(", "))), Some("E0105")),
        ("many_values", text(format!("steps: [{}]", ["a"; 450_000].join(","))), Some("E0105")),
        ("many_keys", text((0..60_000).map(|n| format!("key{n}: v\n")).collect()), Some("E0109")),
        ("duplicate_keys", text("steps: []\n".repeat(50_000)), Some("E0106")),
        ("duplicate_ids", text(format!("steps:\n{}", "  - { id: a, run: x }\n".repeat(15_000))), Some("E0117")),
        ("unknown_keys", text(format!("steps:\n{}", "  - { rnu: x, nedes: y, tmeout: z }\n".repeat(15_000))), Some("E0109")),
        ("fifty_megabytes", same("a: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", 1_000_000), Some("E0102")),
        ("huge_scalar", text(format!("{STEP}description: {}\n", "x".repeat(1_000_000))), None),
        ("huge_quoted", text(format!("{STEP}description: \"{}\"\n", "\\x41".repeat(250_000))), None),
        ("huge_block", text(format!("{STEP}description: |\n{}", "  line\n".repeat(140_000))), None),
        ("long_key", text(format!("{}: x\n{STEP}", "k".repeat(100_000))), Some("E0104")),
        ("long_key_quoted", text(format!("? \"{}\"\n: x\n{STEP}", "k".repeat(500_000))), Some("E0109")),
        ("long_id", text(format!("steps:\n  - {{ id: {}, run: x }}\n", "i".repeat(900))), Some("E0115")),
        ("long_line", text(format!("steps: [{}]", "{ run: x, timeout: 5 }, ".repeat(40_000))), Some("E0134")),
        ("nul", b"steps:\n  - run: \"a\0b\"\n".to_vec(), Some("E0103")),
        ("nul_only", vec![0; 1_000_000], Some("E0103")),
        ("bom", text(format!("\u{feff}{STEP}")), None),
        ("bom_crlf", text(format!("\u{feff}{STEP}").replace('\n', "\r\n")), None),
        ("bom_inside", text(format!("{STEP}\u{feff}name: x\n")), Some("E0104")),
        ("two_boms", text(format!("\u{feff}\u{feff}{STEP}")), None),
        ("utf16_le", utf16(STEP, true), Some("E0103")),
        ("utf16_be", utf16(STEP, false), Some("E0103")),
        ("latin1", b"steps:\n  - run: \"caf\xe9\"\n".to_vec(), Some("E0103")),
        ("binary", (0..=255u8).cycle().skip(128).take(100_000).collect(), Some("E0103")),
        ("cr_only", text(STEP.replace('\n', "\r")), None),
        ("crlf", text(STEP.replace('\n', "\r\n")), None),
        ("escape_characters", b"steps:\n  - run: \x1b[31mred\n".to_vec(), Some("E0104")),
        ("tag_python", text("steps:\n  - run: !!python/object/apply:os.system [id]\n".into()), Some("E0108")),
        ("tag_directive", text("%TAG ! tag:evil,2026:\n---\nsteps:\n  - run: !x y\n".into()), Some("E0108")),
        ("tag_binary", text("steps:\n  - run: !!binary aGk=\n".into()), Some("E0108")),
        ("tags", text(format!("a: [{}]\n{STEP}", ["!t x"; 100_000].join(","))), Some("E0108")),
        ("documents", same("--- a\n", 100_000), Some("E0105")),
        ("directives", same("%YAML 1.2\n", 100_000), Some("E0104")),
        ("comments", text(format!("{}{STEP}", "# a comment\n".repeat(80_000))), None),
        ("spaces", text(format!("{STEP}{}", " ".repeat(900_000))), None),
        ("newlines", text(format!("{STEP}{}", "\n".repeat(900_000))), None),
        ("empty", Vec::new(), Some("E0112")),
        ("half_surrogate", text("steps:\n  - run: \"\\uD800\"\n".into()), Some("E0104")),
        ("nan", text(format!("budget: {{ usd: .nan }}\n{STEP}")), Some("E0110")),
        ("infinity", text(format!("budget: {{ usd: 1e999 }}\n{STEP}")), Some("E0110")),
        ("huge_number", text(format!("limits: {{ parallel: {} }}\n{STEP}", "9".repeat(900))), Some("E0110")),
        ("type_brackets", text(format!("steps:\n  - prompt: x\n    output: {{ a: \"{}string{}\" }}\n", "[".repeat(50_000), "]".repeat(50_000))), Some("E0118")),
        ("type_choice", text(format!("steps:\n  - prompt: x\n    output: {{ a: \"{}\" }}\n", ["string"; 50_000].join("|"))), Some("E0118")),
        ("braces_in_run", text(format!("steps:\n  - run: \"{}\"\n", "{{ a }} ".repeat(100_000))), Some("E0107")),
        ("nested_legal", text(nested_steps(9)), None),
        ("nested_too_deep", text(nested_steps(20)), Some("E0105")),
        ("yes_no", text("name: no\ndescription: 1.10\nsteps:\n  - { id: y, run: 0o7, when: \"yes\" }\n".into()), None),
        ("ten_thousand_steps", text(wide(10_000)), None),
        ("twenty_thousand_steps", text(wide(20_000)), None),
        ("too_many_steps", text(format!("steps: [{}]", ["{run: x}"; 30_000].join(","))), Some("E0132")),
        ("same_kind_steps", text(format!("steps: [{}]", ["{run: x}"; 20_000].join(","))), None),
    ]
}

/// Agents, skills and commands, which load whatever they are; each is read as all three.
#[rustfmt::skip]
fn foreign_cases() -> Vec<(&'static str, Vec<u8>)> {
    let block = |inside: String| format!("---\n{inside}---\n\nBody.\n").into_bytes();
    let open = |inside: String| format!("---\nname: x\n{inside}").into_bytes();
    let utf16 = |text: &str| -> Vec<u8> { std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect() };
    vec![
        ("broken_lines", block((0..50_000).map(|n| format!("key{n}: a: b\n")).collect())),
        ("broken_known_lines", block("description: a: b\n".repeat(50_000))),
        ("broken_at_the_end", block(format!("name: x\n{}last: \"a\" b\n", "note: fine\n".repeat(80_000)))),
        ("broken_items", block(format!("tools:\n{}", "  - a: b: c\n".repeat(70_000)))),
        ("broken_one_line", block(format!("description: {}\n", "a: \"b\" ".repeat(120_000)))),
        ("open_quotes", block("x: \"a\n".repeat(100_000))),
        ("no_spaces", block("description:x\n".repeat(60_000))),
        ("no_break_spaces", block("description:\u{a0}x\n".repeat(50_000))),
        ("tabs", block(format!("tools:\n{}", "\t- a\n".repeat(150_000)))),
        ("tab_depth", block(format!("{}a: b\n", "\t".repeat(900_000)))),
        ("prose", block("Prose that is no key.\n".repeat(40_000))),
        ("prose_in_a_key", block(format!("description: x\n{}", "Prose: that is \"no\" key.\n\n".repeat(30_000)))),
        ("unclosed_headings", open("\n# Heading\n".repeat(80_000))),
        ("unclosed_dots", open("...\n".repeat(200_000))),
        ("unclosed_dashes", open(" ---\n".repeat(180_000))),
        ("long_dashes", open("-----\nname: x\n".repeat(60_000))),
        ("comments_above", format!("{}---\nname: x\n---\n", "<!-- c -->\n".repeat(90_000)).into_bytes()),
        ("comments_open", "<!-- ".repeat(200_000).into_bytes()),
        ("blank_above", format!("{}---\nname: x\n---\n", "\n".repeat(1_000_000)).into_bytes()),
        ("indented", format!(" {}\n", "    ---\n    a: b: c\n".repeat(50_000)).into_bytes()),
        ("fences", "```\n---\n".repeat(100_000).into_bytes()),
        ("toml", format!("+++\n{}+++\n", (0..50_000).map(|n| format!("k{n} = 'x'\n")).collect::<String>()).into_bytes()),
        ("toml_escapes", format!("+++\n{}+++\n", (0..40_000).map(|n| format!("k{n} = \"\\d\"\n")).collect::<String>()).into_bytes()),
        ("same_key", block("name: x\n".repeat(100_000))),
        ("near_keys", block((0..60_000).map(|n| format!("nam{n}: x\n")).collect())),
        ("braces", block(format!("name: {}\n", "{{".repeat(400_000)))),
        ("tags", block(format!("name: x\ntools: [{}]\n", ["!t x"; 100_000].join(",")))),
        ("laughs", block(laughs(10, false).replace(STEP, ""))),
        ("laughs_repaired", block(format!("{}name: a: b\n", laughs(9, false).replace(STEP, "")))),
        ("shared_repaired", block(format!("{}name: a: b\n", laughs(4, true).replace(STEP, "")))),
        ("many_tools", block(format!("name: x\ntools: {}\n", "Foo, ".repeat(180_000)))),
        ("long_name", block(format!("name: {}\n", "A:".repeat(450_000)))),
        ("long_key", block(format!("n{}ame: x\n", "_".repeat(1000)))),
        ("newlines_written_out", block(format!("name: x\ndescription: {}\n", "\\n".repeat(450_000)))),
        ("nul_only", vec![0; 1_000_000]),
        ("returns", "\r".repeat(1_000_000).into_bytes()),
        ("latin1", vec![0xe9; 300_000]),
        ("utf16", utf16(&format!("---\nname: x\n---\n{}", "x".repeat(500_000)))),
        ("binary", (0..=255u8).cycle().take(300_000).collect()),
    ]
}

/// In the child: reads the one file that the variable names as everything that it may be.
#[test]
fn child_reads_one_file() {
    let Some(path) = env::var_os("ORCH_TEST_FOREIGN") else { return };
    let bytes = fs::read(Path::new(&path)).unwrap();
    for (kind, shown) in [
        (load::FileKind::Agent, "agents/x.md"),
        (load::FileKind::Skill, "skills/x/SKILL.md"),
        (load::FileKind::Command, "commands/x.md"),
    ] {
        let before = peak_kb();
        let start = processor_time();
        let (found, faults) = load::read_definition(kind, Dialect::ClaudeCode, Path::new(shown), bytes.clone());
        let text = render::render_all(&faults, false);
        let took = processor_time() - start;
        let (peak, length) = (peak_kb() - before, text.len());
        println!("\nresult\t{}\t{peak}\t{}\t{length}\t{}", took.as_micros(), found.is_some(), faults.len());
    }
}

#[test]
fn hostile_agents_load_within_time_and_memory() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = each_of(foreign_cases(), |(name, bytes)| {
        let mut wrong = Vec::new();
        let path = folder.path().join(format!("{name}.md"));
        fs::write(&path, bytes).unwrap();
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child_reads_one_file", "--nocapture", "--test-threads=1"])
            .env("ORCH_TEST_FOREIGN", &path)
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&child.stdout).into_owned();
        let results: Vec<&str> = out.lines().filter_map(|line| line.strip_prefix("result\t")).collect();
        if results.len() != 3 {
            wrong.push(format!("{name}: the child died: {out}{}", String::from_utf8_lossy(&child.stderr)));
        }
        for line in results {
            println!("{name:24} {line}");
            let part: Vec<&str> = line.split('\t').collect();
            let (took, peak): (u64, u64) = (part[0].parse().unwrap(), part[1].parse().unwrap());
            let length: usize = part[3].parse().unwrap();
            let bad = Duration::from_micros(took) > TIME_MAX || peak > MEMORY_KB_MAX || length > 200_000;
            if bad || part[2] != "true" {
                wrong.push(format!("{name}: {line}"));
            }
        }
        wrong
    });
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What this thread has used so far.
fn processor_time() -> Duration {
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(schedstat.split_whitespace().next().unwrap().parse().unwrap())
}

/// The most memory that this process has had so far.
fn peak_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

/// In the child: loads the one file that the variable names and prints what it took.
#[test]
fn child_loads_one_file() {
    let Some(path) = env::var_os("ORCH_TEST_HOSTILE") else { return };
    let path = Path::new(&path);
    let before = peak_kb();
    let start = processor_time();
    let (found, faults) = load::load_workflow_file(path.parent().unwrap(), path);
    let took = processor_time() - start;
    let text = render::render_all(&faults, false);
    let drawn = processor_time() - start - took;
    let peak = peak_kb() - before;
    let codes: Vec<_> =
        faults.iter().filter(|fault| fault.severity == Severity::Error).map(|fault| fault.code.0).collect();
    let placed = faults.iter().all(|fault| {
        let position = fault.source.position(fault.span.start);
        text.contains(&format!(":{}:{}", position.line, position.column)) || fault.source.text.is_empty()
    });
    println!(
        "\nresult\t{}\t{}\t{peak}\t{}\t{placed}\t{}\t{}\t{}",
        took.as_micros(),
        drawn.as_micros(),
        found.len(),
        text.len(),
        faults.len(),
        codes.join(",")
    );
}

#[test]
fn hostile_files_stay_within_time_and_memory() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases();
    assert!(cases.iter().filter(|(_, _, code)| code.is_some()).count() >= 40);
    let looks = each_of(cases, |case| (case.0, look(folder.path(), &case)));
    let slowest = looks.iter().max_by_key(|(_, look)| look.took);
    let largest = looks.iter().max_by_key(|(_, look)| look.peak);
    println!("slowest {slowest:?}, largest {largest:?}");
    let wrong: Vec<_> = looks
        .iter()
        .filter(|(_, look)| !look.faults.is_empty())
        .map(|(name, look)| format!("{name}: {}", look.faults.join("; ")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What loading one file took, in µs and kB, and what was wrong with it.
#[derive(Debug, Default)]
struct Look {
    took: u64,
    peak: u64,
    faults: Vec<String>,
}

fn look(folder: &Path, (name, bytes, expected): &Case) -> Look {
    let path = folder.join(format!("{name}.yaml"));
    fs::write(&path, bytes).unwrap();
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child_loads_one_file", "--nocapture", "--test-threads=1"])
        .env("ORCH_TEST_HOSTILE", &path)
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&child.stdout).into_owned();
    let Some(line) = out.lines().find_map(|line| line.strip_prefix("result\t")) else {
        let faults = vec![format!("the child died: {out}{}", String::from_utf8_lossy(&child.stderr))];
        return Look { faults, ..Look::default() };
    };
    let part: Vec<&str> = line.split('\t').collect();
    let (took, drawn, peak): (u64, u64, u64) =
        (part[0].parse().unwrap(), part[1].parse().unwrap(), part[2].parse().unwrap());
    let (found, placed, length, codes) = (part[3], part[4], part[5].parse::<usize>().unwrap(), part[7]);
    println!("{name:24} {took:>8} µs loading {drawn:>8} µs drawing {peak:>8} kB");
    let right = match expected {
        Some(code) => codes.split(',').any(|found| found == *code) && found == "0",
        None => codes.is_empty() && found == "1",
    };
    let mut faults = Vec::new();
    if !right {
        faults.push(format!("expected {expected:?}, found {found} workflows and [{codes:.200}]"));
    }
    if Duration::from_micros(took + drawn) > TIME_MAX {
        faults.push(format!("took {took} µs, drawing {drawn} µs"));
    }
    if peak > MEMORY_KB_MAX {
        faults.push(format!("peak memory {peak} kB"));
    }
    if placed != "true" {
        faults.push("a fault without its place".to_owned());
    }
    if length > 200_000 {
        faults.push(format!("{length} bytes of diagnostics"));
    }
    Look { took: took + drawn, peak, faults }
}

/// What is found of each case, two at a time: time and memory are those of the child.
fn each_of<T: Send, R: Send>(cases: Vec<T>, find: impl Fn(T) -> R + Sync) -> Vec<R> {
    let left = Mutex::new(cases.into_iter());
    let work = || {
        let mut found = Vec::new();
        loop {
            let next = left.lock().unwrap().next();
            let Some(case) = next else { return found };
            found.push(find(case));
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}

#[cfg(unix)]
#[test]
fn links_are_followed_once_and_never_out() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("project");
    for name in ["agents/deep", "workflows", "commands"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::write(folder.path().join("secret.md"), "secret").unwrap();
    fs::write(root.join("agents/deep/a.md"), "---\nname: a\ndescription: d\n---\nBody\n").unwrap();
    symlink("..", root.join("agents/deep/up")).unwrap();
    symlink(root.join("agents/deep"), root.join("agents/twice")).unwrap();
    symlink("nowhere.md", root.join("agents/broken.md")).unwrap();
    symlink("self.md", root.join("agents/self.md")).unwrap();
    symlink(folder.path().join("secret.md"), root.join("workflows/secret.md")).unwrap();
    fs::write(root.join("workflows/leak.yaml"), "steps:\n  - { prompt_file: secret.md, agent: a }\n").unwrap();
    fs::write(root.join("workflows/fine.yaml"), "steps:\n  - { prompt_file: ./p.md, agent: a }\n").unwrap();
    fs::write(root.join("workflows/p.md"), "Do it.\n").unwrap();
    fs::create_dir(root.join("commands/folder.md")).unwrap();

    let library = load::load(&root, None);
    let found: Vec<String> =
        library.diagnostics.iter().map(|fault| format!("{} {}", fault.code, fault.source.path.display())).collect();
    assert!(found.contains(&"E0131 agents/deep/up".to_owned()), "{found:#?}");
    assert!(found.contains(&"E0124 workflows/leak.yaml".to_owned()), "{found:#?}");
    assert!(found.contains(&"E0101 agents/broken.md".to_owned()), "{found:#?}");
    assert!(found.contains(&"E0101 agents/self.md".to_owned()), "{found:#?}");
    assert_eq!(library.agents.get("a").unwrap().description, "d");
    assert!(library.workflows.get("fine").is_some() && library.workflows.get("leak").is_none());
}

#[test]
fn a_folder_with_too_many_files_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let agents = folder.path().join("agents");
    fs::create_dir_all(&agents).unwrap();
    for number in 0..20_010 {
        fs::write(agents.join(format!("README.{number}.md")), "").unwrap();
    }
    let library = load::load(folder.path(), None);
    assert!(library.diagnostics.iter().any(|fault| fault.code.0 == "E0135"));
}
