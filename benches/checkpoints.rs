//! What checkpoints cost a step in a repository of 10,000 files, by how many of them it changes.
//!
//! `cargo bench --bench checkpoints` prints one table. Each case is a run of the real program with a chain of commands,
//! once without checkpoints (a run of commands alone keeps none) and once with one after every step (because the
//! workflow names one). The cost of a step is the difference between a long and a short chain, so that the start of the
//! program and the first look at all files, which have a line of their own, are not in it. Pairs are interleaved and
//! medians count; `ORCH_BENCH_ROUNDS` (default 5) and `ORCH_BENCH_SCALE` (default 1.0) make it shorter for a look.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use support::{median, rounds, scaled};

mod support;

const ORCH: &str = env!("CARGO_BIN_EXE_orch");
const FOLDERS: usize = 100;
const CHANGES: [usize; 3] = [0, 1, 100];

/// A project of its own for each case, because what a step changes stays.
fn project(folder: &Path, files: usize, steps: usize) -> PathBuf {
    let root = folder.join("root");
    for file in 0..files {
        let path = root.join(file_name(file));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("line {file}\n").repeat(200)).unwrap();
    }
    fs::create_dir_all(folder.join("home")).unwrap();
    fs::create_dir_all(root.join("workflows")).unwrap();
    fs::write(root.join("orch.toml"), "").unwrap();
    fs::write(root.join(".gitignore"), ".orch/\n").unwrap();
    for changes in CHANGES {
        let changed: Vec<_> = (0..changes).map(|place| file_name(place * files / changes + place % FOLDERS)).collect();
        for is_kept in [false, true] {
            for length in [1, 1 + steps] {
                let name = name(changes, is_kept, length);
                fs::write(root.join(format!("workflows/{name}.yaml")), workflow(&name, &changed, is_kept, length))
                    .unwrap();
            }
        }
    }
    for words in [&["init", "-q"][..], &["add", "-A"], &["commit", "-q", "-m", "all"]] {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@t"]).args(words).current_dir(&root);
        assert!(git.status().unwrap().success());
    }
    root
}

fn file_name(file: usize) -> String {
    format!("data/{}/{file}.txt", file % FOLDERS)
}

fn name(changes: usize, is_kept: bool, length: usize) -> String {
    format!("c{changes}-{}-{length}", if is_kept { "kept" } else { "bare" })
}

/// A chain of commands, each of which adds a line to so many files; the shell does it without another program.
fn workflow(name: &str, files: &[String], is_kept: bool, length: usize) -> String {
    let mut text = format!("name: {name}\ndescription: Changes files\nsteps:\n");
    for step in 0..length {
        let work = match files.is_empty() {
            true => "true".to_owned(),
            false => format!("for file in {}; do echo $ORCH_RUN {step} >> $file; done", files.join(" ")),
        };
        writeln!(text, "  - {{ id: s{step}, run: {work:?} }}").unwrap();
    }
    if is_kept {
        text.push_str("  - { id: last, checkpoint: last }\n");
    }
    text
}

fn run(root: &Path, name: &str) -> f64 {
    let mut command = Command::new(ORCH);
    command.args(["run", name, "--yes", "-q"]).current_dir(root).env("HOME", root.parent().unwrap().join("home"));
    command.stdin(Stdio::null());
    let begin = Instant::now();
    let output = command.output().unwrap();
    let took = begin.elapsed().as_secs_f64();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    took
}

/// How many states all runs have kept, so that the table cannot praise what was not done.
fn kept(root: &Path) -> usize {
    let mut git = Command::new("git");
    let output = git.args(["for-each-ref", "--format=%(refname)", "refs/orch"]).current_dir(root).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().count()
}

fn main() {
    let (rounds, files, steps) = (rounds(5), scaled(10_000, 1000), scaled(20, 5));
    let folder = tempfile::Builder::new().prefix("orch-checkpoints-").tempdir().unwrap();
    let root = project(folder.path(), files, steps);
    run(&root, &name(0, true, 1));
    println!("{files} files, chains of {steps} steps, medians of {rounds} interleaved rounds; ms a step");
    println!("{:<28} {:>10} {:>10} {:>10} {:>8}", "files changed by a step", "with", "without", "cost", "ratio");
    for changes in CHANGES {
        let (mut with, mut without, mut start) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let before = kept(&root);
            // A step that has changed nothing stands at the state before it, which has a name already.
            let wanted = if changes == 0 { 1 } else { 1 + steps };
            let long = run(&root, &name(changes, true, 1 + steps));
            assert!(kept(&root) >= before + wanted, "each step has kept its state");
            let bare = run(&root, &name(changes, false, 1 + steps));
            let (short, short_bare) = (run(&root, &name(changes, true, 1)), run(&root, &name(changes, false, 1)));
            with.push((long - short) / steps as f64 * 1000.0);
            without.push((bare - short_bare) / steps as f64 * 1000.0);
            start.push((short - short_bare) * 1000.0);
        }
        let ratio = median(with.iter().zip(&without).map(|(with, without)| with / without).collect());
        let (with, without) = (median(with), median(without));
        println!("{changes:<28} {with:>10.1} {without:>10.1} {:>10.1} {ratio:>8.2}", with - without);
        println!("{:<28} {:>32.1}", "  once for each run", median(start));
    }
}
