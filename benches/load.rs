//! What loading a project costs: a ratio against a bare loop that reads the same files and parses their YAML with the
//! same crate, on the same number of threads, in the same minute.
//!
//! Both sides walk the folders themselves, and the walk counts for both. The bare loop does what a program would do that
//! asks the crate for the keys of each file: it reads the file, cuts the frontmatter out, and has it parsed into a
//! generic value, which it drops at once. It keeps nothing, so its memory is no measure for ours.
//!
//! `cargo bench --bench load` prints one table. Every case runs in a process of its own, so that its peak memory is its
//! own; rounds are interleaved, and the median counts. `ORCH_BENCH_ROUNDS` (default 7) and `ORCH_BENCH_SCALE`
//! (default 1.0) make it shorter for a look. Files of other people are used where `ORCH_BENCH_CORPUS` names a folder
//! of them, or `../shared/corpus` holds some; else all files are made.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use orch::definition::load::Loader;
use support::{apart, is_child, median, rounds, scaled};

mod support;

/// Definition files of the large project.
const FILES: usize = 13_000;
/// Threads of both sides.
const THREADS: u32 = 2;

/// The definition files of a folder, for both sides in the same order.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// Reads the files and parses their YAML to values, and nothing else; gives the number of keys, so that nothing is left
/// out.
fn bare(root: &Path) -> usize {
    let mut files = Vec::new();
    walk(root, &mut files);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut keys = 0;
        loop {
            let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) else { return keys };
            let bytes = fs::read(path).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            let yaml = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---").map(|(yaml, _)| yaml));
            // One file in twenty of other people is no YAML; the parser says so, and the loop goes on.
            let value = serde_yaml::from_str::<serde_json::Value>(yaml.unwrap_or_default());
            keys += value.ok().and_then(|value| value.as_object().map(serde_json::Map::len)).unwrap_or_default();
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..THREADS).map(|_| scope.spawn(work)).collect();
        work() + others.into_iter().map(|other| other.join().unwrap()).sum::<usize>()
    })
}

/// Texts to make files from: those of other people where they are there, and shapes of our own.
fn texts() -> Vec<String> {
    let mut files = Vec::new();
    let corpus = env::var_os("ORCH_BENCH_CORPUS").map_or_else(|| PathBuf::from("../shared/corpus"), PathBuf::from);
    if corpus.is_dir() {
        walk(&corpus, &mut files);
    }
    let strangers = files.iter().filter_map(|path| fs::read_to_string(path).ok());
    let mut texts: Vec<String> = strangers.filter(|text| text.starts_with("---\n") && text.len() < 100_000).collect();
    if texts.len() < 100 {
        eprintln!("no corpus at {}: all files are made", corpus.display());
        texts = (0..200).map(made).collect();
    }
    texts
}

/// An agent of the size and shape that people write.
fn made(number: usize) -> String {
    let mut text = format!("---\nname: agent-{number}\ndescription: Use this agent to look at part {number}");
    for sentence in 0..number % 5 {
        write!(text, ", when case {sentence} of `x` is met").unwrap();
    }
    text.push_str("\ntools: Read, Grep, Bash(git log *)\nmodel: sonnet\n");
    if number.is_multiple_of(3) {
        text.push_str("metadata:\n  category: quality\n  tags: [one, two, three]\n  level: 3\n");
    }
    text.push_str("---\n");
    for line in 0..60 + number % 70 {
        writeln!(text, "{line}. Read what stands there, and say what you found, with the line ({number}).").unwrap();
    }
    text
}

/// A project with that many definitions in folders of a hundred.
fn project(root: &Path, files: usize) {
    let texts = texts();
    for number in 0..files {
        let (folder, name) = match number % 20 {
            0..11 => (format!(".claude/agents/g{}", number / 100), format!("a{number}.md")),
            11..17 => (format!(".claude/commands/g{}", number / 100), format!("c{number}.md")),
            _ => (format!(".claude/skills/s{number}"), "SKILL.md".to_owned()),
        };
        let folder = root.join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), &texts[number % texts.len()]).unwrap();
    }
}

/// Seconds of one case in a project that is there.
fn one(case: &str, root: &Path) -> f64 {
    match case {
        "load" => {
            let begin = Instant::now();
            // As a project does, which keeps its loader: the end of the loader is no part of loading.
            let mut loader = Loader::new(root).threads(THREADS);
            let library = loader.load();
            let took = begin.elapsed();
            let all = library.agents.all().count() + library.commands.all().count() + library.skills.all().count();
            assert!(all * 10 > scaled(FILES, 100) * 9, "{all} definitions");
            took.as_secs_f64()
        }
        "bare" => {
            let begin = Instant::now();
            let keys = bare(root);
            let took = begin.elapsed();
            assert!(keys > scaled(FILES, 100));
            took.as_secs_f64()
        }
        "reload" => {
            let mut loader = Loader::new(root).threads(THREADS);
            drop(loader.load());
            // Until no file counts as changed just now.
            while loader.files_read() > 0 {
                drop(loader.load());
                thread::sleep(Duration::from_millis(5));
            }
            let edited = root.join(".claude/agents/g0/a0.md");
            let times: Vec<f64> = (0..21)
                .map(|number| {
                    fs::write(&edited, made(number)).unwrap();
                    let begin = Instant::now();
                    let library = loader.load();
                    let took = begin.elapsed().as_secs_f64();
                    assert!(library.agents.get(&format!("agent-{number}")).is_some());
                    took
                })
                .collect();
            median(times)
        }
        other => panic!("no case {other}"),
    }
}

fn main() {
    if is_child(one) {
        return;
    }
    let rounds = rounds(7);
    let base = env::var_os("ORCH_BENCH_DIR").map_or_else(env::temp_dir, PathBuf::from);
    let folder = base.join(format!("orch-bench-load-{}", std::process::id()));
    let (large, small) = (folder.join("large"), folder.join("small"));
    project(&large, scaled(FILES, 100));
    project(&small, scaled(1_000, 100));
    apart("bare", &large);
    println!("medians of {rounds} interleaved rounds, {THREADS} threads, files in the page cache");
    println!("{:<44} {:>10} {:>10} {:>8} {:>9} {:>8}", "case", "orch", "bare", "ratio", "goal", "peak MB");
    let pairs: Vec<_> = (0..rounds).map(|_| (apart("load", &large), apart("bare", &large))).collect();
    let ours = median(pairs.iter().map(|pair| pair.0.0).collect());
    let theirs = median(pairs.iter().map(|pair| pair.1.0).collect());
    let ratio = median(pairs.iter().map(|pair| pair.0.0 / pair.1.0).collect());
    let peak = median(pairs.iter().map(|pair| pair.0.1).collect());
    let name = format!("load and index {} files", scaled(FILES, 100));
    println!("{name:<44} {ours:>9.3}s {theirs:>9.3}s {ratio:>8.2} {:>9} {peak:>8.1}", "<= 1.5");
    let runs: Vec<_> = (0..rounds).map(|_| apart("reload", &small)).collect();
    let took = median(runs.iter().map(|run| run.0).collect()) * 1000.0;
    let peak = median(runs.iter().map(|run| run.1).collect());
    let name = format!("load {} files again after one edit", scaled(1_000, 100));
    println!("{name:<44} {took:>8.2}ms {:>10} {:>8} {:>9} {peak:>8.1}", "", "", "< 10ms");
    fs::remove_dir_all(folder).unwrap();
}
