//! Every hostile name, in the place of every word that the command line takes.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    process::{Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use clap::{CommandFactory as _, builder::ValueParser};
use orch::cli::Cli;

use crate::{
    corpus::{hostile, shown, some},
    world::{CANARY, World, tells_of_reads},
};

/// What a word of the command line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    /// A number, a time, one of a few words: no path whatever it says.
    Word,
    /// The name of something in the project, or an id of what is stored: leads nowhere else.
    Name,
    /// A file or folder of the user's, wherever it is, which is read.
    Read,
    /// A file or folder of the user's, wherever it is, which is written.
    Write,
    /// Understood by the same code as another one, in a verb that does not end by itself.
    As(&'static str),
}
use Is::{As, Name, Read, Word, Write};

/// Every word and every flag with a value, and how it is tried: `@` is the hostile name. A new one belongs here.
const WORDS: &[(&str, Is, &[&str])] = &[
    ("folder", Read, &["-C", "@", "list"]),
    ("color", Word, &[]),
    ("init into", Write, &["init", "@"]),
    ("init template", Name, &["init", "made", "--template", "@"]),
    ("init sample", Name, &["init", "made", "--sample", "@"]),
    ("list kind", Word, &[]),
    ("show name", Read, &["show", "@"]),
    ("show kind", Word, &[]),
    ("check paths", Read, &["check", "@"]),
    ("check format", Word, &[]),
    ("test names", Read, &["test", "@"]),
    ("test junit", Write, &["test", "--junit", "@"]),
    ("import what", Read, &["import", "@", "--dry-run"]),
    ("import output", Name, &["import", "sub/prose.md", "-o", "@"]),
    ("import form", Word, &[]),
    ("import from", Word, &[]),
    ("plan name", Read, &["plan", "@"]),
    ("plan format", Word, &[]),
    ("plan runtime", Name, &["plan", "ok", "--runtime", "@"]),
    ("run name", Read, &["run", "@"]),
    ("run words", Name, &["run", "ok", "@"]),
    ("run inputs", Name, &["run", "ok", "-i", "@"]),
    ("run inputs_file", Read, &["run", "ok", "--inputs", "@"]),
    ("run parallel", Word, &[]),
    ("run budget", Word, &[]),
    ("run on_approval", Word, &[]),
    ("run runtime", Name, &["run", "ok", "--runtime", "@"]),
    ("run record", Write, &["run", "ok", "--record=@"]),
    ("run trust", Name, &["run", "ok", "--trust", "@"]),
    ("run sandbox", Word, &[]),
    ("trust name", Read, &["trust", "@", "--list"]),
    ("trust digest", Name, &["trust", "ok", "--digest", "@"]),
    ("audit verify head", Read, &["audit", "verify", "--head", "@"]),
    ("audit export since", Word, &[]),
    ("audit prune keep", Word, &[]),
    ("dev name", As("run name"), &[]),
    ("dev words", As("run words"), &[]),
    ("dev inputs", As("run inputs"), &[]),
    ("dev parallel", Word, &[]),
    ("dev on_approval", Word, &[]),
    ("dev runtime", As("run runtime"), &[]),
    ("watch run", Name, &["watch", "@"]),
    ("runs limit", Word, &[]),
    ("runs status", Word, &[]),
    ("runs workflow", Name, &["runs", "--workflow", "@"]),
    ("status run", Name, &["status", "@"]),
    ("cost run", Name, &["cost", "@"]),
    ("logs run", Name, &["logs", "@"]),
    ("logs step", Name, &["logs", "RUN", "@"]),
    ("logs attempt", Word, &[]),
    ("logs tail", Word, &[]),
    ("approve run", Name, &["approve", "@"]),
    ("approve step", Name, &["approve", "RUN", "@"]),
    ("approve comment", Name, &["approve", "RUN", "--comment", "@"]),
    ("approve fields", Name, &["approve", "RUN", "--set", "@"]),
    ("reject run", Name, &["reject", "@"]),
    ("reject step", Name, &["reject", "RUN", "@"]),
    ("reject comment", Name, &["reject", "RUN", "--comment", "@"]),
    ("pushback run", Name, &["pushback", "@", "--comment", "x"]),
    ("pushback step", Name, &["pushback", "RUN", "@", "--comment", "x"]),
    ("pushback comments", Name, &["pushback", "RUN", "--comment", "@"]),
    ("pushback file", Read, &["pushback", "RUN", "--file", "@"]),
    ("resume run", Name, &["resume", "@"]),
    ("resume step", Name, &["resume", "RUN", "--step", "@", "--as", "done"]),
    ("resume outcome", Word, &[]),
    ("resume budget", Word, &[]),
    ("resume on_approval", Word, &[]),
    ("resume parallel", Word, &[]),
    ("retry run", Name, &["retry", "@", "--failed"]),
    ("retry from", Name, &["retry", "RUN", "--from", "@"]),
    ("retry with", Name, &["retry", "RUN", "--from", "a", "--with", "@"]),
    ("retry budget", Word, &[]),
    ("retry on_approval", Word, &[]),
    ("retry parallel", Word, &[]),
    ("replay run", Name, &["replay", "@"]),
    ("replay at", Word, &[]),
    ("cancel run", Name, &["cancel", "@"]),
    ("rollback run", Name, &["rollback", "@"]),
    ("rollback paths", Name, &["rollback", "RUN", "@"]),
    ("rollback to", Name, &["rollback", "RUN", "--to", "@"]),
    ("diff run", Name, &["diff", "@"]),
    ("diff step", Name, &["diff", "RUN", "@"]),
    ("diff paths", Name, &["diff", "RUN", "--", "@"]),
    ("diff to", Name, &["diff", "RUN", "--to", "@"]),
    ("runtimes test name", Name, &["runtimes", "test", "@"]),
    ("add source", Read, &["add", "@"]),
    ("add name", Name, &["add", "sub", "--name", "@"]),
    ("add reference", Name, &["add", "sub", "--ref", "@"]),
    ("add only", Word, &[]),
    ("remove name", Name, &["remove", "@"]),
    ("update name", Name, &["update", "@"]),
    ("serve listen", Word, &[]),
    ("serve projects", As("folder"), &[]),
    ("serve hosts", Word, &[]),
    ("serve tls_cert", Read, &["serve", "--listen", "127.0.0.1:0", "--tls-cert", "@", "--tls-key", "@"]),
    ("serve tls_key", Read, &["serve", "--listen", "127.0.0.1:0", "--tls-cert", "@", "--tls-key", "@"]),
    ("serve runs", Word, &[]),
    ("serve queue", Word, &[]),
    ("serve rate", Word, &[]),
    ("serve rate_all", Word, &[]),
    ("serve failures", Word, &[]),
    ("serve connections", Word, &[]),
    ("serve drain", Word, &[]),
    ("serve log_format", Word, &[]),
    (
        "serve log_file",
        Write,
        &["serve", "--listen", "127.0.0.1:0", "--log-file", "@", "--tls-cert", "none.pem", "--tls-key", "none.pem"],
    ),
    (
        "serve jwt_key",
        Read,
        &["serve", "--listen", "127.0.0.1:0", "--jwt-key", "@", "--jwt-issuer", "a", "--jwt-audience", "b"],
    ),
    ("serve jwt_algorithm", Word, &[]),
    ("serve jwt_issuer", Word, &[]),
    ("serve jwt_audience", Word, &[]),
    ("serve jwt_role_claim", Word, &[]),
    ("notify test name", Name, &["notify", "test", "@"]),
    ("keys add name", Name, &["keys", "add", "@"]),
    ("keys add role", Word, &[]),
    ("keys add expires", Word, &[]),
    ("keys add rate", Word, &[]),
    ("keys revoke id", Name, &["keys", "revoke", "@"]),
    ("schema name", Name, &["schema", "@"]),
    ("explain code", Name, &["explain", "@"]),
    ("completions shell", Word, &[]),
    ("help topic", Name, &["help", "@"]),
];

/// The words and flags with a value of a verb and of those below it.
fn words_of(verb: &clap::Command, name: &str, found: &mut BTreeSet<String>) {
    for word in verb.get_arguments().filter(|word| word.get_action().takes_values()) {
        let id = word.get_id().as_str();
        if word.is_global_set() && !name.is_empty() {
            continue;
        }
        found.insert(format!("{name} {id}").trim().to_owned());
    }
    for below in verb.get_subcommands() {
        words_of(below, format!("{name} {}", below.get_name()).trim(), found);
    }
}

#[test]
fn the_table_names_every_word_of_the_command_line() {
    let mut command = Cli::command();
    command.build();
    let mut there = BTreeSet::new();
    words_of(&command, "", &mut there);
    let named: BTreeSet<String> = WORDS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(named.len(), WORDS.len(), "one stands there twice");
    let new: Vec<_> = there.difference(&named).collect();
    let gone: Vec<_> = named.difference(&there).collect();
    assert!(new.is_empty(), "these take a value; say in this table what it is: {new:?}");
    assert!(gone.is_empty(), "these are no longer there: {gone:?}");
    // What clap itself takes for a path is one here.
    let path = ValueParser::path_buf().type_id();
    let mut open = vec![(String::new(), &command)];
    while let Some((name, verb)) = open.pop() {
        for word in verb.get_arguments().filter(|word| word.get_value_parser().type_id() == path) {
            let id = format!("{name} {}", word.get_id()).trim().to_owned();
            let is = WORDS.iter().find(|(other, ..)| *other == id).map(|(_, is, _)| *is);
            let is_path = matches!(is, Some(Read | Write | Name | As(_))) || (is.is_none() && word.is_global_set());
            assert!(is_path, "{id} is a path: {is:?}");
        }
        open.extend(
            verb.get_subcommands().map(|below| (format!("{name} {}", below.get_name()).trim().to_owned(), below)),
        );
    }
    for (name, is, _) in WORDS {
        if let As(other) = is {
            assert!(WORDS.iter().any(|(known, is, _)| known == other && !matches!(is, As(_))), "{name}: {other}");
        }
    }
}

/// `orch` with a name in its words; it is ended when it waits for something that never comes.
fn orch(world: &World, words: &[OsString]) -> Output {
    let plain = world.project.command(&[]);
    let mut command = Command::new("timeout");
    command.args(["-k", "1", "60"]).arg(plain.get_program()).args(words).current_dir(world.project.root());
    command.env_clear().stdin(std::process::Stdio::null());
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?)))).output().unwrap()
}

/// The words with the hostile name in its place.
fn with(words: &[&str], name: &OsStr, run: &str) -> Vec<OsString> {
    let put = |word: &&str| match word.split_once('@') {
        Some((before, _)) => {
            let mut word = OsString::from(before);
            word.push(name);
            word
        }
        None => OsString::from(word.replace("RUN", run)),
    };
    words.iter().map(put).collect()
}

/// What is wrong with how a command ended.
fn fault(output: &Output, is: Is) -> Option<String> {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match output.status.code() {
        None | Some(70 | 101 | 124 | 125 | 126 | 127 | 137) => {
            return Some(format!("ended with {:?}: {text}", output.status.code()));
        }
        Some(0) => {}
        // Everything that is refused says so in our words or in clap's.
        Some(_) if text.contains("error") || text.contains("E0") || !text.is_empty() => {}
        Some(code) => return Some(format!("ended with {code} and said nothing")),
    }
    (is == Name && text.contains(CANARY)).then(|| format!("showed what stands outside: {text}"))
}

/// One word of the command line against all names.
fn try_word(place: usize, (name, is, words): &(&'static str, Is, &[&str])) -> (usize, Vec<String>) {
    let world = World::new();
    world.project.write("sub/prose.md", "Do this:\n\n1. Run the tests.\n2. Fix what fails.\n");
    let mut run = String::new();
    if words.contains(&"RUN") {
        assert_eq!(world.project.run(&["run", "ok"]).code, Some(0), "{name}");
        run = world.project.run(&["runs", "--json"]).json(0)[0]["id"].as_str().unwrap().to_owned();
    }
    let tells = tells_of_reads(&world);
    let (mut count, mut faults) = (0, Vec::new());
    for hostile in some(hostile(&world.outside), place, 12) {
        // Addresses lead to the network, which is another test's.
        if *name == "add source" && hostile.to_string_lossy().contains([':', '~', '$']) {
            continue;
        }
        count += 1;
        let before = world.print();
        world.watch();
        let output = orch(&world, &with(words, &hostile, &run));
        let read = if tells && *is == Name { world.read() } else { Vec::new() };
        let mut found = fault(&output, *is);
        if *is != Write && world.print() != before {
            found.get_or_insert("changed what stands outside".to_owned());
        }
        if !read.is_empty() {
            found.get_or_insert(format!("read {read:?}"));
        }
        faults.extend(found.map(|found| format!("{name} = {}: {found}", shown(&hostile))));
    }
    (count, faults)
}

#[test]
fn no_name_leads_out_of_what_the_user_has_named() {
    let words: Vec<_> = WORDS.iter().filter(|(_, is, _)| matches!(is, Name | Read | Write)).collect();
    let next = AtomicUsize::new(0);
    let worker = || {
        let (mut count, mut faults) = (0, Vec::new());
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(word) = words.get(place) else { break };
            let (tried, found) = try_word(place, word);
            count += tried;
            faults.extend(found);
        }
        (count, faults)
    };
    let (count, faults) = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).fold(
            (0, Vec::new()),
            |(count, mut all), (more, found)| {
                all.extend(found);
                (count + more, all)
            },
        )
    });
    println!("{} words and flags, {count} commands, {} faults", words.len(), faults.len());
    assert!(hostile(std::path::Path::new("/x/outside")).len() >= 60);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
