//! What a sandbox adds to the start of a command: `true` through the keeper, with and without one, in turns, for each way
//! that works here.

#![allow(clippy::print_stdout, reason = "a bench prints")]

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use orch::{
    base::Network,
    execute::process::{Command, Confinement, Keeper, Limits, StopToken, probe_all},
    guard::sandbox::{Method, Profile},
};

const ROUNDS: usize = 300;

fn main() {
    let program = Path::new(env!("CARGO_BIN_EXE_orch"));
    let tried = probe_all(program).tried;
    let works = |method: &Method| tried.contains(&(*method, None));
    let methods: Vec<Method> = [Method::Namespaces, Method::Bubblewrap].into_iter().filter(works).collect();
    if methods.is_empty() {
        println!("no sandbox on this machine: {tried:?}");
    }
    methods.into_iter().for_each(|method| measure(program, method));
}

fn measure(program: &Path, method: Method) {
    println!("{}:", method.word());
    let folder = tempfile::tempdir_in("/var/tmp").expect("a folder");
    let workspace = folder.path().canonicalize().expect("it is there");
    let temp = workspace.join("tmp");
    let held: Vec<PathBuf> =
        [".git/hooks", ".git/config.d", ".claude", ".codex", ".gemini", ".cursor", ".vscode", ".orch"]
            .map(|name| workspace.join(name))
            .to_vec();
    held.iter().chain([&temp]).for_each(|folder| std::fs::create_dir_all(folder).expect("a folder"));
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let hidden = [".ssh", ".aws", ".config/gh", ".gnupg", ".mozilla", ".docker"].map(|name| home.join(name)).to_vec();
    let profile = |network| Profile {
        writes: vec![workspace.clone()],
        held: held.clone(),
        hidden: hidden.clone(),
        replaced: Vec::new(),
        temp: temp.clone(),
        network,
        doorway: None,
        nests: false,
        mark: None,
    };
    let confined = |network| Some(Confinement { profile: profile(network), method, container: None });
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let keeper = Keeper::start(program).expect("a keeper");
        let mut rows = [("off", Vec::new()), ("network: any", Vec::new()), ("network: none", Vec::new())];
        for _ in 0..ROUNDS {
            for (place, confinement) in [None, confined(Network::Any), confined(Network::None)].into_iter().enumerate()
            {
                let command = Command {
                    argv: vec!["/bin/true".into()],
                    env: vec![("PATH".into(), "/bin:/usr/bin".into())],
                    cwd: workspace.clone(),
                    attempt: "a".into(),
                    run: "r".into(),
                    confinement,
                    ..Command::default()
                };
                let report = keeper.run(command, Limits::default(), StopToken::never(), None).await;
                assert_eq!(report.end, orch::execute::process::End::Exited { code: 0 }, "{}", report.stderr.text());
                rows[place].1.push(report.duration);
            }
        }
        keeper.shutdown().await;
        for (name, times) in &mut rows {
            times.sort();
            let at = |part: usize| times[times.len() * part / 100];
            println!("{name:<14} p50 {}  p95 {}  max {}", ms(at(50)), ms(at(95)), ms(times[times.len() - 1]));
        }
        let added = rows[2].1[ROUNDS * 95 / 100].saturating_sub(rows[0].1[ROUNDS * 50 / 100]);
        println!("a sandbox adds {} at p95 (goal: 30 ms)", ms(added));
    });
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
