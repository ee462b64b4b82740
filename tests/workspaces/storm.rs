//! Sixteen attempts at once that commit, reset, clean, stash, destroy their repository and crash, in an `orch` that is
//! killed at any moment. Whatever an agent said it had committed, and whatever file it left, is there afterwards; the
//! user's project is as it was.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use orch::{
    base::{RunId, Timestamp},
    execute::workspace::{Base, Bounds, Line, Maker, Merged, Point, Repository, Request, Strategy, Workspaces},
};

use crate::world::{Chance, World, git, number, same};

const AGENTS: usize = 16;
const VARIABLE: &str = "ORCH_STORM_ROUND";

#[test]
fn nothing_of_parallel_attempts_is_lost() {
    let rounds = number("ORCH_STORM", 2);
    let first = number("ORCH_SEED", 1);
    let world = World::busy();
    let mut before = world.fingerprint();
    let began = Instant::now();
    let mut figures = Figures::default();
    let mut typical = Duration::from_millis(1500);
    for seed in first..first + rounds {
        let round = Round::new(&world, seed);
        let took = round.play(typical);
        if let Some(took) = took {
            typical = (typical * 3 + took) / 4;
        }
        round.verify(&world, &mut figures);
        figures.killed += u64::from(took.is_none());
        same(&world.fingerprint(), &before, &format!("seed {seed} has changed the user's project"));
        world.open().forget(&round.run).unwrap();
        fs::remove_dir_all(&round.facts).unwrap();
        if seed.is_multiple_of(20) {
            println!("seed {seed}: {figures:?} in {:?}", began.elapsed());
            // The user's own collection may come at any time.
            world.git(&["-c", "gc.pruneExpire=1.hour.ago", "gc", "-q"]);
            before = world.fingerprint();
        }
    }
    println!("{rounds} rounds of {AGENTS}: {figures:?} in {:?}", began.elapsed());
    assert!(figures.commits > 0 && figures.files > 0 && figures.merged > 0, "nothing was tested: {figures:?}");
}

#[derive(Debug, Default)]
struct Figures {
    killed: u64,
    commits: u64,
    files: u64,
    merged: u64,
    /// Workspaces that only the user's word removed.
    kept: u64,
}

struct Round {
    seed: u64,
    run: RunId,
    facts: PathBuf,
}

impl Round {
    fn new(world: &World, seed: u64) -> Self {
        let facts = world.folder.path().join(format!("facts-{seed}"));
        fs::create_dir_all(&facts).unwrap();
        Self { seed, run: RunId::from_random((seed + 1).to_be_bytes()[3..].try_into().unwrap()), facts }
    }

    /// Plays the round in a process of its own; how long it took, unless it was killed.
    fn play(&self, typical: Duration) -> Option<Duration> {
        let mut chance = Chance::new(self.seed ^ 0xabcd);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "storm::one_round", "--ignored", "--nocapture", "--test-threads=1"]);
        let place = self.facts.parent().unwrap();
        command.env(VARIABLE, format!("{} {}", self.seed, place.display()));
        command.process_group(0).stdout(Stdio::null()).stderr(Stdio::piped());
        let began = Instant::now();
        let mut child = command.spawn().unwrap();
        let is_killed = self.seed % 2 == 1;
        if is_killed {
            let share = u32::try_from(chance.below(100)).unwrap();
            thread::sleep(typical * share / 100);
            let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
            // Sometimes `orch` alone first: its agents and its git go on for a while, as orphans.
            if chance.below(3) == 0 {
                child.kill().ok();
                thread::sleep(Duration::from_millis(20));
            }
            killpg(group, Signal::SIGKILL).ok();
        }
        let output = child.wait_with_output().unwrap();
        if is_killed {
            return None;
        }
        assert!(output.status.success(), "seed {}: {}", self.seed, String::from_utf8_lossy(&output.stderr));
        Some(began.elapsed())
    }

    /// Everything that an agent has said is true.
    fn verify(&self, world: &World, figures: &mut Figures) {
        let repository = world.open();
        let workspaces = Workspaces::open(&repository).unwrap();
        let facts = self.read_facts();
        workspaces.collect(false).unwrap();
        let mut names = BTreeMap::new();
        for space in workspaces.all().unwrap() {
            let mut space = workspaces.adopt(space.folder()).unwrap();
            let name = space.name();
            names.insert(space.owner().maker.attempt.clone(), Point::Left(&name).reference(&self.run));
            space.checkpoint(&Point::Left(&name), "left").unwrap();
            space.abandon().unwrap();
            space.release().unwrap();
            figures.kept += 1;
        }
        let rest = workspaces.collect(false).unwrap();
        assert_eq!((rest.kept, workspaces.all().unwrap().len()), (Vec::new(), 0), "seed {}", self.seed);
        let glob = format!("--glob=refs/orch/{}", self.run);
        let listed = world.git(&["rev-list", &glob]);
        let commits: HashSet<&str> = listed.lines().collect();
        for (number, facts) in facts.iter().enumerate() {
            for commit in &facts.commits {
                assert!(commits.contains(commit.as_str()), "seed {} agent {number}: lost {commit}", self.seed);
                figures.commits += 1;
            }
            let step = Point::Step(&format!("step{number}")).reference(&self.run);
            if facts.is_left {
                let name = names.get(&number.to_string()).unwrap_or(&step);
                let text = world.git(&["cat-file", "-p", &format!("{name}:left-{number}.txt")]);
                assert_eq!(text, format!("{} {number}", self.seed), "seed {} agent {number}", self.seed);
                figures.files += 1;
            }
            if facts.is_merged {
                let line = Point::Line("join").reference(&self.run);
                world.git(&["cat-file", "-e", &format!("{line}:left-{number}.txt")]);
                figures.merged += 1;
            }
        }
        let trash = world.state().join("workspaces/removed");
        assert!(fs::read_dir(trash).map_or(true, |mut left| left.next().is_none()), "seed {}", self.seed);
    }

    fn read_facts(&self) -> Vec<Facts> {
        (0..AGENTS)
            .map(|number| {
                let text = fs::read_to_string(self.facts.join(number.to_string())).unwrap_or_default();
                let mut facts = Facts::default();
                // A line without its end was cut by the kill.
                for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
                    match line.split_once(' ') {
                        Some(("commit", commit)) => facts.commits.push(commit.to_owned()),
                        // Its repository is destroyed by itself: nobody can keep those.
                        None if line == "destroyed" => facts.commits.clear(),
                        None if line == "left" => facts.is_left = true,
                        None if line == "merged" => facts.is_merged = true,
                        _ => panic!("{line}"),
                    }
                }
                facts
            })
            .collect()
    }
}

#[derive(Default)]
struct Facts {
    commits: Vec<String>,
    is_left: bool,
    is_merged: bool,
}

/// The `orch` of one round.
#[test]
#[ignore = "a part of another test, in a process that can be killed"]
fn one_round() {
    let Ok(order) = std::env::var(VARIABLE) else { return };
    let (seed, place) = order.split_once(' ').unwrap();
    let (seed, place): (u64, PathBuf) = (seed.parse().unwrap(), place.into());
    let env = vec![("PATH".into(), std::env::var_os("PATH").unwrap()), ("HOME".into(), place.join("home").into())];
    let root = place.join("project");
    let repository = Repository::open(&root, &root.join(".orch/state"), &env).unwrap();
    let workspaces = Workspaces::open(&repository).unwrap();
    let run = RunId::from_random((seed + 1).to_be_bytes()[3..].try_into().unwrap());
    let base = repository.base(&run, &Base::Now, Bounds::default()).unwrap();
    let line = Line::begin(&repository, &run, "join", &base).unwrap();
    thread::scope(|scope| {
        for number in 0..AGENTS {
            let (run, base, line, workspaces, env, place) = (&run, &base, &line, &workspaces, &env, &place);
            scope.spawn(move || {
                let step = format!("step{number}");
                let maker = Maker { run: run.clone(), step: step.clone(), attempt: number.to_string() };
                let request = Request { maker: &maker, base: Some(base), now: Timestamp(1), is_line: false };
                let mut space = workspaces.make(&request).unwrap();
                let facts = place.join(format!("facts-{seed}/{number}"));
                let mut agent = Command::new("sh");
                agent.args(["-c", &script(seed, number)]).current_dir(space.root());
                agent.env_clear().envs(env.clone()).envs(space.env()).env("FACTS", &facts);
                agent.stdout(Stdio::null()).stderr(Stdio::null());
                if !agent.status().unwrap().success() {
                    return;
                }
                let checkpoint = space.checkpoint(&Point::Step(&step), &step).unwrap();
                let strategy = [Strategy::Merge, Strategy::Rebase, Strategy::Squash][number % 3];
                let merged = line.merge(&mut space, &checkpoint.commit, strategy, &step, &mut |_| Ok(())).unwrap();
                if matches!(merged, Merged::Taken(_)) {
                    say(&facts, "merged");
                }
                space.release().unwrap();
            });
        }
    });
}

fn say(facts: &Path, line: &str) {
    use std::io::Write as _;
    let mut file = fs::OpenOptions::new().append(true).create(true).open(facts).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// What an agent does: any of the things that have cost people their work.
fn script(seed: u64, number: usize) -> String {
    let mut chance = Chance::new(seed * 100 + number as u64);
    let mut text = "set -u\nsay() { echo \"$1\" >> \"$FACTS\"; }\nexport GIT_AUTHOR_NAME=a\n\
        commit() { echo \"$1\" > own-\"$2\"-\"$1\".txt; git add -A && git commit -qm \"$1\" && say \"commit $(git rev-parse HEAD)\"; }\n"
        .to_owned();
    for turn in 0..2 + chance.below(4) {
        text.push_str(&match chance.below(10) {
            0 | 1 => format!("commit {turn} {number}\n"),
            2 => "echo x >> README.md; rm -rf src; git reset -q --hard\n".to_owned(),
            3 => "echo x > scrap.txt; git clean -fdxq\n".to_owned(),
            4 => format!("commit {turn} {number} && git reset -q --hard HEAD~1\n"),
            5 => format!("echo {turn} > stash-{number}.txt; git stash -uq && say \"commit $(git rev-parse refs/stash)\"\n"),
            6 => format!("git checkout -qb topic-{turn} && commit {turn} {number}; git checkout -q - ; git branch -qD topic-{turn}\n"),
            7 => "git branch -qf main HEAD; git update-ref refs/stash HEAD; git worktree prune\n".to_owned(),
            8 => "git gc -q\n".to_owned(),
            _ if chance.below(4) == 0 => {
                "say destroyed; rm -rf .git; git reset -q --hard; git clean -fdxq; git stash -uq\n".to_owned()
            }
            _ => "git config core.bare false; git tag -f mine\n".to_owned(),
        });
    }
    text.push_str(&format!("echo '{seed} {number}' > left-{number}.txt && say left\n"));
    text.push_str(match chance.below(8) {
        0 => "kill -9 $$\n",
        1 => "exit 3\n",
        _ => "exit 0\n",
    });
    text
}

/// The agents' worst habits do reach the user's project from a linked worktree: that is why a workspace is none.
#[test]
fn a_linked_worktree_would_reach_the_users_stash_and_branches() {
    let world = World::busy();
    let before = world.fingerprint();
    let habits = |folder: &Path| {
        fs::write(folder.join("x.txt"), "x\n").unwrap();
        git(folder, &world.env(), &["stash", "-uq"]);
        git(folder, &world.env(), &["branch", "-qf", "other", "HEAD"]);
        git(folder, &world.env(), &["config", "user.name", "agent"]);
    };
    habits(&world.space("code").root());
    same(&world.fingerprint(), &before, "the user's project");
    let linked = world.folder.path().join("linked");
    world.git(&["worktree", "add", "-q", "--detach", linked.to_str().unwrap()]);
    habits(&linked);
    let after = world.fingerprint();
    for path in [".git/refs/stash", ".git/config"] {
        assert_ne!(after.get(Path::new(path)), before.get(Path::new(path)), "{path}");
    }
}
