//! Disk and time of many worktrees of a repository with a large history, through the real program.
//!
//! `cargo bench --bench worktrees` prints one table: 50 worktrees, 8 at once, of a repository with 1,000 MB of objects and
//! 100 MB of files. `ORCH_BENCH_SCALE` (default 1.0) makes it smaller, `ORCH_BENCH_TREE_MB` sets the files alone, and
//! `ORCH_BENCH_DIR` says where: with the files at 100 MB it needs about 7 GB, and it leaves nothing.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::{
    env, fs,
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use support::scaled;

mod support;

const ORCH: &str = env!("CARGO_BIN_EXE_orch");
const PARALLEL: usize = 8;
const FILES: usize = 1000;

/// Reads which file to write from its prompt, and writes it.
const AGENT: &str = r#"file=$(sed -n 's/.*Write \(made-[0-9]*\).*/\1/p' | head -n 1)
echo done > "${file:?no file}"
echo '{"status":"succeeded","summary":"done"}' > "$ORCH_OUTPUT"
"#;

fn settings(root: &Path) -> String {
    format!("runtime = \"sh\"\n[runtimes.sh]\ncommand = [\"sh\", {:?}]\n", root.join("agent.sh").display().to_string())
}

/// The same work in worktrees or in the project's folder; the last step tells how much disk there is in use then, and when.
fn workflow(name: &str, spaces: usize, workspace: &str) -> String {
    let items: Vec<_> = (0..spaces).map(|item| item.to_string()).collect();
    let items = items.join(", ");
    format!(
        "name: {name}\ndescription: Many at once\nsteps:\n  - id: build\n    each: \"[{items}]\"\n    max_parallel: {PARALLEL}\n\
         {workspace}    steps:\n      - {{ id: code, prompt: \"Write made-{{{{ item }}}}\", files: [\"made-{{{{ item }}}}\"] }}\n  - {{ id: seen, run: \"touch seen; sleep 3\" }}\n"
    )
}

/// Bytes on the disk below a folder, without following links. What goes meanwhile does not count.
fn disk(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| {
        let Ok(found) = entry.metadata() else { return 0 };
        found.blocks() * 512 + if found.is_dir() { disk(&entry.path()) } else { 0 }
    };
    entries.flatten().map(size).sum()
}

/// Files of noise, which nothing can make smaller, in as many commits as the objects need.
fn repository(root: &Path, objects_mb: usize, tree_mb: usize) {
    git(root, &["init", "-q", "-b", "main"]);
    let mut import = Command::new("git");
    let mut import = import.args(["fast-import", "--quiet"]).current_dir(root).stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = std::io::BufWriter::new(import.stdin.take().unwrap());
    let bytes = tree_mb * 1_000_000 / FILES;
    let mut seed = 1_u64;
    let mut noise = Vec::with_capacity(bytes);
    for blob in 0..(objects_mb * 1_000_000 / bytes).max(FILES) {
        let file = blob % FILES;
        if file == 0 {
            write!(pipe, "commit refs/heads/main\ncommitter T <t@t> {} +0000\ndata 1\nx\n", 1_700_000_000 + blob)
                .unwrap();
        }
        noise.clear();
        while noise.len() < bytes {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            noise.extend(seed.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
        }
        write!(pipe, "M 100644 inline data/{}/{file}.bin\ndata {}\n", file % 50, noise.len()).unwrap();
        pipe.write_all(&noise).unwrap();
        pipe.write_all(b"\n").unwrap();
    }
    drop(pipe);
    assert!(import.wait().unwrap().success());
    git(root, &["reset", "-q", "--hard"]);
}

fn git(root: &Path, words: &[&str]) {
    let mut command = Command::new("git");
    let output = command.args(["-c", "user.name=t", "-c", "user.email=t@t"]).args(words).current_dir(root).output();
    let output = output.unwrap();
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What a run took up and took.
struct Took {
    /// Until everything was merged.
    work: Duration,
    /// From then to the end.
    end: Duration,
    /// The largest disk that the workspaces have had.
    disk: u64,
}

fn run(root: &Path, name: &str) -> Took {
    let (seen, spaces) = (root.join("seen"), root.join(".orch/state/workspaces"));
    fs::remove_file(&seen).ok();
    let (begin, at) = (Instant::now(), SystemTime::now());
    let mut command = Command::new(ORCH);
    command.args(["run", name, "--yes", "-q"]).current_dir(root).env("HOME", root.parent().unwrap().join("home"));
    let said = fs::File::create(root.parent().unwrap().join("said")).unwrap();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn().unwrap();
    while !seen.exists() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "{}",
            fs::read_to_string(root.parent().unwrap().join("said")).unwrap()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let disk = disk(&spaces);
    let status = child.wait().unwrap();
    let all = begin.elapsed();
    assert!(status.success(), "{status}");
    let work = fs::metadata(&seen).unwrap().modified().unwrap().duration_since(at).unwrap();
    Took { work, end: all.saturating_sub(work + Duration::from_secs(3)), disk }
}

/// What git itself takes for one worktree, and what of that is disk.
fn plain(root: &Path, count: u32) -> (Duration, u64) {
    let folder = root.parent().unwrap().join("plain");
    let begin = Instant::now();
    for place in 0..count {
        git(root, &["worktree", "add", "-q", "--detach", folder.join(place.to_string()).to_str().unwrap()]);
    }
    let took = begin.elapsed() / count;
    let size = disk(&folder) / u64::from(count);
    fs::remove_dir_all(&folder).unwrap();
    git(root, &["worktree", "prune"]);
    (took, size)
}

fn main() {
    let objects_mb = scaled(1000, 10);
    let tree_mb = env::var("ORCH_BENCH_TREE_MB").map_or(objects_mb / 10, |text| text.parse().unwrap()).max(1);
    let spaces = scaled(50, 10);
    let base = env::var_os("ORCH_BENCH_DIR").map_or_else(env::temp_dir, PathBuf::from);
    let folder = tempfile::Builder::new().prefix("orch-worktrees-").tempdir_in(base).unwrap();
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("workflows")).unwrap();
    fs::create_dir_all(folder.path().join("home")).unwrap();
    repository(&root, objects_mb, tree_mb);
    fs::write(root.join(".gitignore"), ".orch/\nseen\n").unwrap();
    fs::write(root.join("agent.sh"), AGENT).unwrap();
    fs::write(root.join("orch.toml"), settings(&root)).unwrap();
    fs::write(
        root.join("workflows/apart.yaml"),
        workflow("apart", spaces, "    workspace: worktree\n    merge: { order: as_finished }\n"),
    )
    .unwrap();
    fs::write(root.join("workflows/beside.yaml"), workflow("beside", spaces, "")).unwrap();
    git(&root, &["add", "-A"]);
    git(&root, &["commit", "-q", "-m", "workflows"]);
    let before = disk(&root.join(".git"));
    let (plain, plain_disk) = plain(&root, 5);
    let apart = run(&root, "apart");
    let grown = disk(&root.join(".git")).saturating_sub(before);
    let made =
        fs::read_dir(&root).unwrap().flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("made-"));
    assert_eq!(made.count(), spaces, "the work of each worktree came back");
    let left = disk(&root.join(".orch/state/workspaces"));
    let beside = run(&root, "beside");
    let (files, each) = (disk(&root.join("data")), apart.disk / spaces as u64);
    assert!(each < files + before / 4, "a worktree takes {each} bytes, its files are {files} and the objects {before}");
    let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let ms = |took: Duration| format!("{:.0} ms", took.as_secs_f64() * 1000.0);
    let count = u32::try_from(spaces).unwrap();
    println!("| {spaces} worktrees, {PARALLEL} at once | |\n| --- | --- |");
    println!("| the repository | {} of objects, {} of files |", mb(before), mb(files));
    println!("| disk of one worktree | {}; of `git worktree` {} |", mb(each), mb(plain_disk));
    println!(
        "| disk of all of them | {}; with objects of their own {} |",
        mb(apart.disk),
        mb((before + files) * spaces as u64)
    );
    println!("| what `.git` has grown by | {} |", mb(grown));
    println!(
        "| from the start until all are merged | {}; the same without worktrees {} |",
        ms(apart.work),
        ms(beside.work)
    );
    println!(
        "| so one worktree | {}; `git worktree add` {} |",
        ms(apart.work.saturating_sub(beside.work) / count),
        ms(plain)
    );
    println!("| clean-up at the end | {}; left: {} |", ms(apart.end), mb(left));
}
