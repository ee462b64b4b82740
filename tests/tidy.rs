//! Reads the sources and holds the rules of the house: who may import whom, where outside libraries live, sizes, and
//! words that stay out. Every rule is shown to notice its own breach.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tables.rs"]
mod tables;

use std::{collections::BTreeSet, fs, path::Path};

use orch::base::codes;
use source::{File, crate_paths, is_word, item_end, paths, sources, tests_and_benches, words};
use tables::{EXCEPTIONS, LIBRARIES, NEVER, NOTICES_AND_SNAPSHOTS, OUTSIDE, PURE, ROOMS};

/// Lines of a file before its tests.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// A rule: all faults of one file, each beginning with the file's path.
type Rule = fn(&File) -> Vec<String>;

/// The rules that look at one file of `src/` at a time.
const RULES: &[(&str, Rule)] = &[
    ("up", imports_point_down),
    ("never", rooms_that_are_never_seen),
    ("front", front_ends_see_notices_and_snapshots),
    ("library", libraries_stay_at_home),
    ("pure", pure_rooms_read_nothing_outside),
    ("environment", the_environment_is_read_once),
    ("head", files_say_what_they_are_for),
    ("error", error_texts_are_fragments),
    ("file", files_are_short),
    ("function", functions_are_short),
    ("unwrap", nothing_is_unwrapped),
    ("unsafe", nothing_is_unsafe),
    ("later", nothing_is_left_for_later),
    ("mod", module_files_hold_words),
    ("exit", codes_of_refusals_are_in_the_table),
];

fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|other| *other == room)
}

fn first(path: &str) -> &str {
    path.split("::").next().unwrap_or(path)
}

fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn imports_point_down(file: &File) -> Vec<String> {
    let Some(room) = file.room() else { return Vec::new() };
    let Some(own) = rank(room) else { return vec![format!("{}: `{room}` is no room", file.path)] };
    let mut faults: Vec<_> = crate_paths(&file.code)
        .into_iter()
        .filter(|(_, path)| rank(first(path)).is_none_or(|other| other > own))
        .map(|(at, path)| format!("{}: {path} (line {})", file.path, file.line(at)))
        .collect();
    // `super` from a room's top file, or from deeper with as many, would leave the room unseen.
    let depth = file.path.trim_end_matches("/mod.rs").split('/').count() - 1;
    let chain = vec!["super"; depth].join("::");
    faults.extend(
        file.code
            .match_indices(&chain)
            .filter(|(at, _)| !file.code[..*at].ends_with("in ") && !file.code[at + chain.len()..].starts_with(')'))
            .map(|(at, _)| format!("{}: {chain} (line {})", file.path, file.line(at))),
    );
    faults
}

fn rooms_that_are_never_seen(file: &File) -> Vec<String> {
    let never = NEVER.iter().find(|(room, _)| file.room() == Some(room)).map_or(&[][..], |(_, never)| never);
    crate_paths(&file.code)
        .into_iter()
        .filter(|(_, path)| never.iter().any(|above| is_below(path, above)))
        .map(|(at, path)| format!("{}: {path} (line {})", file.path, file.line(at)))
        .collect()
}

fn front_ends_see_notices_and_snapshots(file: &File) -> Vec<String> {
    let Some(own @ ("cli" | "http")) = file.room() else { return Vec::new() };
    crate_paths(&file.code)
        .into_iter()
        .filter(|(_, path)| !["base", "config", "service", own].contains(&first(path)))
        .filter(|(_, path)| !NOTICES_AND_SNAPSHOTS.iter().any(|word| is_below(path, word)))
        .map(|(at, path)| format!("{}: {path} (line {})", file.path, file.line(at)))
        .collect()
}

/// The places where a library is named: `name::…` or `use name;`.
fn names_of(code: &str, library: &str) -> Vec<usize> {
    words(code, library)
        .filter(|at| {
            let before = code[..*at].trim_end();
            let after = code[at + library.len()..].trim_start();
            let is_inner = before.ends_with("::") && !before.ends_with(" ::");
            !is_inner
                && (after.starts_with("::")
                    || (before.ends_with("use") && (after.starts_with(';') || after.starts_with("as "))))
        })
        .collect()
}

fn libraries_stay_at_home(file: &File) -> Vec<String> {
    LIBRARIES
        .iter()
        .filter(|(_, homes)| !homes.iter().any(|home| *home == "*" || file.path.starts_with(home)))
        .flat_map(|(library, _)| names_of(&file.code, library).into_iter().map(move |at| (*library, at)))
        .map(|(library, at)| format!("{}: {library} (line {})", file.path, file.line(at)))
        .collect()
}

/// Time, chance and the outside are inputs: a pure room names nothing that could bring them in.
fn pure_rooms_read_nothing_outside(file: &File) -> Vec<String> {
    if !file.room().is_some_and(|room| PURE.contains(&room)) {
        return Vec::new();
    }
    paths(&file.code, "std")
        .into_iter()
        .filter(|(_, path)| OUTSIDE.iter().any(|outside| is_below(path, outside)))
        .map(|(at, path)| found(file, at, &format!("std::{path}")))
        .collect()
}

fn the_environment_is_read_once(file: &File) -> Vec<String> {
    if file.path == "src/config/environment.rs" {
        return Vec::new();
    }
    file.code.match_indices("env::var").map(|(at, _)| found(file, at, "env::var")).collect()
}

fn files_say_what_they_are_for(file: &File) -> Vec<String> {
    if file.raw.starts_with("//! ") { Vec::new() } else { vec![format!("{}: no head", file.path)] }
}

/// `failed to …` must fit before them.
fn error_texts_are_fragments(file: &File) -> Vec<String> {
    let text = &file.with_texts;
    let mut faults = Vec::new();
    for (at, mark) in file.code.match_indices("#[error(") {
        let Some((_, rest)) = text[at + mark.len()..].split_once('"') else { continue };
        let words = rest.split("\")]").next().unwrap_or(rest).split("\",").next().unwrap_or(rest);
        if words.starts_with(char::is_uppercase) && !words.starts_with("SQLite") {
            faults.push(found(file, at, "an error text begins with a capital"));
        }
        if words.trim_end().ends_with('.') {
            faults.push(found(file, at, "an error text ends with a full stop"));
        }
    }
    faults
}

fn files_are_short(file: &File) -> Vec<String> {
    let lines = file.lines();
    if lines > FILE_LINES_MAX { vec![format!("{}: {lines} lines", file.path)] } else { Vec::new() }
}

fn functions_are_short(file: &File) -> Vec<String> {
    let mut faults = Vec::new();
    for at in words(&file.code, "fn") {
        let name: String =
            file.code[at + 2..].trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        // A type such as `fn(u32) -> u32` has no name.
        if name.is_empty() {
            continue;
        }
        let lines = file.line(item_end(&file.code, at) - 1) - file.line(at) + 1;
        if lines > FUNCTION_LINES_MAX {
            faults.push(format!("{}: fn {name} has {lines} lines (line {})", file.path, file.line(at)));
        }
    }
    faults
}

fn found(file: &File, at: usize, what: &str) -> String {
    format!("{}: {what} (line {})", file.path, file.line(at))
}

fn nothing_is_unwrapped(file: &File) -> Vec<String> {
    let unwraps = file.code.match_indices(".unwrap()").map(|(at, _)| found(file, at, "unwrap"));
    let silent = file
        .code
        .match_indices(".expect(")
        .map(|(at, _)| at)
        .filter(|at| file.with_texts[*at..].starts_with(".expect(\"\")"))
        .map(|at| found(file, at, "expect without why"));
    unwraps.chain(silent).collect()
}

fn nothing_is_unsafe(file: &File) -> Vec<String> {
    words(&file.code, "unsafe").map(|at| found(file, at, "unsafe")).collect()
}

fn nothing_is_left_for_later(file: &File) -> Vec<String> {
    // Put together here, because this file is read as well.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let macros = [concat!("to", "do!"), concat!("un", "implemented!")];
    let marks = marks.iter().flat_map(|mark| words(&file.raw, mark).map(|at| found(file, at, mark)));
    let macros = macros.iter().flat_map(|mark| file.code.match_indices(mark).map(|(at, _)| found(file, at, mark)));
    marks.chain(macros).collect()
}

fn module_files_hold_words(file: &File) -> Vec<String> {
    if !file.path.ends_with("/mod.rs") && file.path != "src/lib.rs" {
        return Vec::new();
    }
    ["fn", "struct", "enum", "union", "trait", "impl", "const", "static", "type", "macro_rules"]
        .iter()
        .flat_map(|word| words(&file.code, word).map(|at| found(file, at, word)))
        .collect()
}

/// The texts that are codes, with their places.
fn code_texts(file: &File) -> Vec<(usize, &str)> {
    let text = &file.with_texts;
    text.match_indices("\"E0")
        .map(|(at, _)| (at, &text[at + 1..]))
        .filter(|(_, rest)| rest.len() > 5 && rest.as_bytes()[1..5].iter().all(u8::is_ascii_digit))
        .filter(|(_, rest)| rest.as_bytes()[5] == b'"')
        .map(|(at, rest)| (at, &rest[..5]))
        .collect()
}

/// Every code has a story, and where its exit code is written beside it, it is the table's.
fn codes_of_refusals_are_in_the_table(file: &File) -> Vec<String> {
    if file.path.starts_with("src/base/codes/") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (at, code) in code_texts(file) {
        let Some(info) = codes::find(code) else {
            faults.push(found(file, at, &format!("{code} has no story")));
            continue;
        };
        let call = file.with_texts[..at].rfind("new(").map(|call| &file.with_texts[call + 4..at]);
        let exits: BTreeSet<u8> = call
            .into_iter()
            .flat_map(|call| call.split(|c: char| !c.is_ascii_alphanumeric()))
            .filter_map(|word| word.parse().ok())
            .collect();
        if exits.iter().any(|exit| *exit != info.exit) {
            faults.push(found(file, at, &format!("{code} ends with {exits:?}, its story says {}", info.exit)));
        }
    }
    faults
}

/// The faults of a rule that no exception excuses.
fn unexcused(rule: &str, faults: Vec<String>) -> Vec<String> {
    let excused = |fault: &String| EXCEPTIONS.iter().any(|one| one.rule == rule && fault.starts_with(one.place));
    faults.into_iter().filter(|fault| !excused(fault)).collect()
}

#[test]
fn the_sources_are_tidy() {
    let files = sources();
    let mut faults = Vec::new();
    for (name, rule) in RULES {
        let all = files.iter().flat_map(rule).collect();
        faults.extend(unexcused(name, all).into_iter().map(|fault| format!("[{name}] {fault}")));
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn tests_leave_nothing_for_later_and_are_safe() {
    let faults: Vec<_> = tests_and_benches()
        .iter()
        .flat_map(|file| nothing_is_unsafe(file).into_iter().chain(nothing_is_left_for_later(file)))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_exception_is_stale_and_each_has_a_reason() {
    let files = sources();
    for exception in EXCEPTIONS {
        let (_, rule) = RULES.iter().find(|(name, _)| *name == exception.rule).expect("the rule exists");
        let is_used = files.iter().flat_map(rule).any(|fault| fault.starts_with(exception.place));
        assert!(is_used, "nothing needs the exception [{}] {}", exception.rule, exception.place);
        assert!(exception.reason.len() > 20, "{}", exception.place);
    }
    for word in NOTICES_AND_SNAPSHOTS {
        let is_seen =
            |file: &File| file.room() == Some("cli") && crate_paths(&file.code).iter().any(|(_, path)| path == word);
        assert!(files.iter().any(is_seen), "no front end sees {word}");
    }
}

#[test]
fn every_library_has_a_home_and_uses_it() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let declared: BTreeSet<String> = manifest
        .split("\n[")
        .find_map(|section| section.strip_prefix("dependencies]"))
        .expect("there are dependencies")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name.trim().replace('-', "_")))
        .collect();
    let listed: BTreeSet<String> = LIBRARIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(declared, listed, "Cargo.toml, and the table of libraries");
    let files = sources();
    for (library, homes) in LIBRARIES {
        for home in *homes {
            let is_used = files
                .iter()
                .any(|file| (*home == "*" || file.path.starts_with(home)) && !names_of(&file.code, library).is_empty());
            assert!(is_used, "{library} is not named in {home}");
        }
    }
}

#[test]
fn every_dependency_has_its_sentence() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let mut before = "";
    let mut section = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]") && line.contains(" = ") {
            assert!(before.starts_with('#'), "no sentence above `{line}`");
        }
        before = line;
    }
}

#[test]
fn every_room_is_on_the_map() {
    let map = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let mapped: Vec<_> =
        map.lines().filter_map(|line| line.strip_prefix("//! | [`")?.split_once('`')).map(|(room, _)| room).collect();
    let rooms: Vec<_> = ROOMS.iter().copied().filter(|room| mapped.contains(room)).collect();
    assert_eq!(mapped, rooms, "the map's order is the order of imports");
    for file in sources() {
        if let Some(room) = file.room() {
            assert!(mapped.contains(&room), "{} is in no room of the map", file.path);
        }
    }
}

#[test]
fn every_story_belongs_to_a_code_that_is_used() {
    let files = sources();
    let table: String = files
        .iter()
        .filter(|file| file.path.starts_with("src/base/codes/"))
        .map(|file| file.with_texts.as_str())
        .collect();
    for info in codes::all() {
        let quoted = format!("\"{}\"", info.code);
        let at = table.find(&quoted).expect("every code stands in its table");
        let name = table[..at].trim_end().rsplit(|c: char| !is_word(c as u8)).next().unwrap_or_default();
        let is_used = files.iter().filter(|file| !file.path.starts_with("src/base/codes/")).any(|file| {
            let by_name = match &info.code.0[..3] {
                // The words of definitions are judged where the project is known.
                "E01" => file.path.starts_with("src/definition/") || file.path.starts_with("src/service/lint/"),
                "E02" => file.path.starts_with("src/plan/"),
                "E05" => file.path.starts_with("src/config/"),
                _ => false,
            };
            file.with_texts.contains(&quoted) || (by_name && words(&file.code, name).next().is_some())
        });
        assert!(is_used, "nothing gives {} ({name})", info.code);
    }
}

/// For each rule a file that breaks it, and what the fault names.
const PLANTED: &[(&str, &str, &str, &str)] = &[
    ("up", "src/plan/a.rs", "use crate::{base::Span, scheduler::{Event, core::X as Y}};", "scheduler::Event"),
    ("up", "src/plan/a.rs", "fn a() { let _ = crate::cli::clean(\"\"); }", "cli::clean"),
    ("up", "src/base/a.rs", "use super::super::journal;", "super::super"),
    ("up", "src/base/mod.rs", "use super::journal;", "super"),
    ("up", "src/stray/a.rs", "", "`stray` is no room"),
    ("up", "src/base/a.rs", "use crate::stray::X;", "stray::X"),
    ("never", "src/scheduler/a.rs", "use crate::definition::{load, workflow::Step};", "definition::load"),
    ("never", "src/scheduler/a.rs", "use crate::plan::{Plan, compile};", "plan::compile"),
    ("never", "src/runtime/a.rs", "use crate::plan::Plan;", "plan::Plan"),
    ("never", "src/execute/a/b.rs", "type A = crate::journal::Journal;", "journal::Journal"),
    ("front", "src/cli/a.rs", "use crate::journal::Journal;", "journal::Journal"),
    ("front", "src/http/a.rs", "use crate::scheduler::{Scheduler, StepState};", "scheduler::Scheduler"),
    ("library", "src/cli/a.rs", "use rusqlite::Connection;", "rusqlite"),
    ("library", "src/scheduler/a.rs", "async fn a() { tokio::task::yield_now().await }", "tokio"),
    ("library", "src/plan/a.rs", "use minijinja as m;", "minijinja"),
    (
        "pure",
        "src/scheduler/a.rs",
        "use std::{collections::BTreeMap, time::{Duration, Instant}};",
        "std::time::Instant",
    ),
    ("pure", "src/template/a.rs", "fn a() { let _ = std::fs::read(\"a\"); }", "std::fs::read"),
    ("environment", "src/service/a.rs", "fn a() { let _ = std::env::var(\"A\"); }", "env::var"),
    ("head", "src/cli/a.rs", "fn a() {}", "no head"),
    ("error", "src/cli/a.rs", "#[error(\"Read it\")]\nstruct A;", "capital"),
    ("error", "src/cli/a.rs", "#[error(\"read {it}: it is gone.\")]\nstruct A;", "full stop"),
    ("unwrap", "src/cli/a.rs", "fn a() { Some(1).unwrap(); }", "unwrap"),
    ("unwrap", "src/cli/a.rs", "fn a() { Some(1).expect(\"\"); }", "expect"),
    ("unsafe", "src/cli/a.rs", "fn a() { unsafe { b() } }", "unsafe"),
    ("later", "src/cli/a.rs", concat!("// TO", "DO: all"), concat!("TO", "DO")),
    ("later", "src/cli/a.rs", concat!("fn a() { to", "do!() }"), concat!("to", "do!")),
    ("mod", "src/cli/mod.rs", "mod a;\nfn work() {}", "fn"),
    ("mod", "src/lib.rs", "pub struct Work;", "struct"),
    ("exit", "src/cli/a.rs", "fn a() { Refusal::new(2, \"E0999\", \"a\", \"b\") }", "E0999 has no story"),
    ("exit", "src/cli/a.rs", "fn a() { Refusal::new(3, \"E0301\", \"a\", \"b\") }", "E0301 ends with {3}"),
];

#[test]
fn every_rule_notices_its_breach() {
    let check = |rule: &str, file: &File| {
        let (_, rule) = RULES.iter().find(|(name, _)| *name == rule).expect("the rule exists");
        rule(file)
    };
    for (rule, path, text, named) in PLANTED {
        let faults = check(rule, &File::new(path, text));
        assert!(faults.iter().any(|fault| fault.contains(named)), "[{rule}] did not see {named} in {text}: {faults:?}");
        // The same words in a test at the end, in a comment or in a text are nobody's fault.
        if !matches!(*rule, "later" | "exit") && !text.is_empty() {
            let harmless =
                format!("//! {text}\n#[cfg(test)]\nmod tests {{\n{text}\n}}\nconst A: &str = r#\"{text}\"#;\n");
            let faults = check(rule, &File::new("src/cli/quiet.rs", &harmless));
            assert!(faults.is_empty(), "[{rule}] {faults:?} in {harmless}");
        }
    }
    let long = format!("fn long<'a>(c: char) {{\n{}}}\n", "    let _ = '\\'';\n".repeat(FUNCTION_LINES_MAX));
    assert_eq!(check("function", &File::new("src/cli/a.rs", &long)).len(), 1);
    let file = "const A: u8 = 1;\n".repeat(FILE_LINES_MAX);
    assert!(check("file", &File::new("src/cli/a.rs", &file)).is_empty());
    assert_eq!(check("file", &File::new("src/cli/a.rs", &format!("{file}const A: u8 = 1;\n"))).len(), 1);
    let planted: BTreeSet<_> = PLANTED.iter().map(|(rule, ..)| *rule).chain(["function", "file"]).collect();
    assert_eq!(planted, RULES.iter().map(|(name, _)| *name).collect(), "each rule has its breach");
}
