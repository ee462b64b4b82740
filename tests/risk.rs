//! The risk classifier held to its figures on corpora of commands, and to its promises on generated ones.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot be set up must stop")]

use std::{fs, path::Path};

use orch::{
    definition::policy::{Level, Policy, PolicyRule, RiskClass, Said},
    guard::risk::{Assessment, RiskContext, assess_argv, assess_shell, rule_on},
};
use proptest::prelude::*;

fn context() -> RiskContext {
    RiskContext::new("/home/me/project", "/home/me", "/home/me/.local/state/orch", Policy::default()).unwrap()
}

/// The commands of a corpus; `⏎` stands for a line break.
fn corpus(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/risk").join(name);
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(|line| line.replace('⏎', "\n")).collect()
}

/// Those of a corpus for which the answer is another than it should be, with the level they got.
fn wrong(name: &str, right: impl Fn(Level) -> bool) -> (usize, Vec<String>) {
    let context = context();
    let all = corpus(name);
    let missed = all.iter().filter_map(|command| {
        let assessment = assess_shell(command, &context);
        (!right(assessment.level())).then(|| {
            let why = assessment.findings.first().map(|one| format!("{} {}", one.rule, one.reason)).unwrap_or_default();
            format!("{:?} {command:?}: {why}", assessment.level())
        })
    });
    let missed: Vec<_> = missed.collect();
    println!("{name}: {} commands, {} wrong", all.len(), missed.len());
    for line in &missed {
        println!("  {line}");
    }
    (all.len(), missed)
}

fn is_asked(level: Level) -> bool {
    level >= Level::L3
}

#[test]
fn every_public_incident_is_stopped() {
    let (count, missed) = wrong("incidents.txt", is_asked);
    assert!(count >= 12 && missed.is_empty(), "{missed:#?}");
}

#[test]
fn destructive_commands_are_recognised() {
    let (count, missed) = wrong("destructive.txt", is_asked);
    assert!(count >= 200 && missed.len() * 100 <= count, "{missed:#?}");
}

#[test]
fn disguised_commands_are_recognised() {
    let (count, missed) = wrong("obfuscated.txt", is_asked);
    assert!(count >= 100 && missed.len() * 20 <= count, "{missed:#?}");
}

#[test]
fn everyday_commands_pass() {
    let (count, stopped) = wrong("benign.txt", |level| !is_asked(level));
    assert!(count >= 300 && stopped.len() * 100 <= count * 3, "{stopped:#?}");
}

// The held-out part was written after the rules by the same person, without a look at them and before it was tried once.

#[test]
fn destructive_commands_that_were_held_out_are_recognised() {
    let (count, missed) = wrong("heldout_destructive.txt", is_asked);
    assert!(count >= 100 && missed.len() * 100 <= count, "{missed:#?}");
}

#[test]
fn disguised_commands_that_were_held_out_are_recognised() {
    let (count, missed) = wrong("heldout_obfuscated.txt", is_asked);
    assert!(count >= 50 && missed.len() * 20 <= count, "{missed:#?}");
}

#[test]
fn everyday_commands_that_were_held_out_pass() {
    let (count, stopped) = wrong("heldout_benign.txt", |level| !is_asked(level));
    assert!(count >= 100 && stopped.len() * 100 <= count * 3, "{stopped:#?}");
}

// The second part was written when the rules looked at words of unknown programs and took nothing for harmless that works
// on what others use; again before it was tried once. Its first figures stand in docs/safety.md.

#[test]
fn destructive_commands_of_the_second_part_are_recognised() {
    let (count, missed) = wrong("second_destructive.txt", is_asked);
    assert!(count >= 300 && missed.len() * 100 <= count, "{missed:#?}");
}

#[test]
fn disguised_commands_of_the_second_part_are_recognised() {
    let (count, missed) = wrong("second_obfuscated.txt", is_asked);
    assert!(count >= 150 && missed.len() * 20 <= count, "{missed:#?}");
}

#[test]
fn everyday_commands_of_the_second_part_pass() {
    let (count, stopped) = wrong("second_benign.txt", |level| !is_asked(level));
    assert!(count >= 400 && stopped.len() * 100 <= count * 3, "{stopped:#?}");
}

// The third part was written when the second had been measured and what it had shown was mended; it was tried once as well.

#[test]
fn destructive_commands_of_the_third_part_are_recognised() {
    let (count, missed) = wrong("third_destructive.txt", is_asked);
    assert!(count >= 190 && missed.len() * 100 <= count, "{missed:#?}");
}

#[test]
fn disguised_commands_of_the_third_part_are_recognised() {
    let (count, missed) = wrong("third_obfuscated.txt", is_asked);
    assert!(count >= 100 && missed.len() * 20 <= count, "{missed:#?}");
}

#[test]
fn everyday_commands_of_the_third_part_pass() {
    let (count, stopped) = wrong("third_benign.txt", |level| !is_asked(level));
    assert!(count >= 280 && stopped.len() * 100 <= count * 3, "{stopped:#?}");
}

/// A text between single quotes, for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Whether a command is one program with its words, so that it can stand behind another program.
fn is_simple(text: &str) -> bool {
    !text.contains(|letter: char| "\n;&|<>()`$#{}!*~".contains(letter))
        && !text.contains("[[")
        && ![
            "if ",
            "for ",
            "while ",
            "case ",
            "f ",
            "function ",
            "cd ",
            "export ",
            "set ",
            "trap ",
            "alias ",
            "source ",
            ". ",
        ]
        .iter()
        .any(|word| text.starts_with(word))
        && !text.split(' ').next().is_some_and(|word| word.contains('='))
}

fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = if place <= chunk.len() { LETTERS[(bits >> (18 - 6 * place) & 63) as usize] } else { b'=' };
            out.push(char::from(letter));
        }
    }
    out
}

/// Every way to dress a command that must not make it look milder.
fn disguises(command: &str) -> Vec<String> {
    let quoted = quoted(command);
    let mut all = vec![
        format!("sh -c {quoted}"),
        format!("bash -lc {quoted}"),
        format!("sh -eu -c {}", self::quoted(&format!("sh -c {quoted}"))),
        format!("env A=b sh -c {quoted}"),
        format!("sudo -u me sh -c {quoted}"),
        format!("timeout 5 bash -c {quoted}"),
        format!("nohup nice -n 3 sh -c {quoted}"),
        format!("eval {quoted}"),
        format!("X={quoted}; eval \"$X\""),
        format!("X={quoted}; sh -c \"$X\""),
        format!("sh <<'END_OF_IT'\n{command}\nEND_OF_IT"),
        format!("cat <<'END_OF_IT' | bash -s\n{command}\nEND_OF_IT"),
        format!("bash <<< {quoted}"),
        format!("echo {} | base64 -d | sh", base64(command)),
        format!("base64 --decode <<< {} | bash", base64(command)),
        format!("eval \"$(echo {} | base64 -d)\"", base64(command)),
        format!("find . -maxdepth 0 -exec sh -c {quoted} \\;"),
        format!("echo x | xargs -I@ sh -c {quoted}"),
        format!("true && (\n{command}\n)"),
        format!("if true; then\n{command}\nfi"),
        format!("for i in 1 2; do\n{command}\ndone"),
        format!("{}\n{command}", "true;".repeat(200)),
        format!("\n\n\t{command}"),
    ];
    if is_simple(command) {
        all.extend([
            format!("env {command}"),
            format!("env -i A=1 {command}"),
            format!("sudo {command}"),
            format!("nice {command}"),
            format!("timeout -k 3 9 {command}"),
            format!("command {command}"),
            format!("xargs {command}"),
            format!("find . -maxdepth 0 -exec {command} \\;"),
            format!("true;{command};true"),
            format!("{command} && true"),
            format!("false || {command}"),
            format!("echo $({command})"),
            format!("echo \"`{}`\"", command.replace('\\', "\\\\")),
            format!("x=$({command})"),
        ]);
    }
    all
}

fn all_commands() -> Vec<String> {
    [
        "incidents.txt",
        "destructive.txt",
        "obfuscated.txt",
        "benign.txt",
        "heldout_destructive.txt",
        "heldout_obfuscated.txt",
        "heldout_benign.txt",
        "second_destructive.txt",
        "second_obfuscated.txt",
        "second_benign.txt",
        "third_destructive.txt",
        "third_obfuscated.txt",
        "third_benign.txt",
    ]
    .iter()
    .flat_map(|name| corpus(name))
    .collect()
}

/// `RISK_CASES` takes all of them.
fn is_full() -> bool {
    std::env::var_os("RISK_CASES").is_some()
}

#[test]
fn no_disguise_makes_a_command_look_milder() {
    let context = context();
    let mut lowered = Vec::new();
    let step = if is_full() { 1 } else { 7 };
    for command in all_commands().into_iter().filter(|command| !command.ends_with('\\')).step_by(step) {
        let plain = assess_shell(&command, &context);
        for disguise in disguises(&command) {
            let dressed = assess_shell(&disguise, &context);
            if dressed.level() < plain.level() {
                lowered.push(format!("{:?} {command:?}\n  {:?} {disguise:?}", plain.level(), dressed.level()));
            }
        }
    }
    assert!(lowered.is_empty(), "{} lowered:\n{}", lowered.len(), lowered[..lowered.len().min(40)].join("\n"));
}

#[test]
fn a_further_command_takes_nothing_away() {
    let context = context();
    let (all, benign) = (all_commands(), corpus("benign.txt"));
    for (place, command) in all.iter().enumerate().step_by(if is_full() { 1 } else { 17 }) {
        let before = assess_shell(command, &context);
        // What cannot be read alone, or goes on in the next line, may become another command by what is appended.
        if command.ends_with('\\') || before.findings.iter().any(|one| one.rule == "unreadable") {
            continue;
        }
        for step in 0..8 {
            let more = &benign[(place * 7 + step * 31) % benign.len()];
            for text in [format!("{command}\n{more}"), format!("{command}\n{}", format!("{more}\n").repeat(60))] {
                let after = assess_shell(&text, &context);
                assert!(after.level() >= before.level(), "{command:?} and then {more:?}");
            }
        }
    }
}

#[test]
fn two_hundred_commands_hide_nothing() {
    let context = context();
    for (place, count) in [(0, 200), (50, 200), (199, 200), (900, 1000)] {
        let mut all = vec!["ls -la"; count];
        all[place] = "rm -rf ~";
        for joint in ["; ", " && ", " || ", "\n", " | "] {
            assert_eq!(assess_shell(&all.join(joint), &context).level(), Level::L4, "{place} {joint:?}");
        }
    }
}

#[test]
fn each_kind_of_danger_has_its_level() {
    let beside = RiskContext::new("/srv/project", "/home/me", "/home/me/.local/state/orch", Policy::default()).unwrap();
    for (command, level, class) in [
        ("ls -la", Level::L0, RiskClass::Read),
        ("touch a", Level::L1, RiskClass::Write),
        ("cargo test", Level::L2, RiskClass::Execute),
        ("git push", Level::L3, RiskClass::Publish),
        ("sudo ls", Level::L3, RiskClass::Privilege),
        ("cat ~/.ssh/id_ed25519", Level::L3, RiskClass::Secrets),
        ("rm -rf src", Level::L3, RiskClass::Delete),
        ("rm -rf ~", Level::L4, RiskClass::Delete),
        ("rm -rf \"$HOME\"/*", Level::L4, RiskClass::Delete),
        ("rm -rf /home/me/", Level::L4, RiskClass::Delete),
        ("rm -rf .git", Level::L4, RiskClass::Delete),
        ("mkfs.ext4 /dev/sda1", Level::L4, RiskClass::Disk),
    ] {
        let worst = assess_shell(command, &beside).findings.into_iter().next().unwrap();
        assert_eq!((worst.level, worst.class), (level, class), "{command}: {worst:?}");
    }
}

#[test]
fn a_secret_may_be_handed_on_but_not_shown() {
    let context = context();
    for (command, is_stopped) in [
        ("echo $GITHUB_TOKEN", true),
        ("printf %s \"$DB_PASSWORD\" | base64", true),
        ("printf %s \"$DB_PASSWORD\" | wc -c", false),
        ("test $(printf %s \"$TOKEN\" | wc -c) -eq 15 && echo got it", false),
        ("[ -n \"$GITHUB_TOKEN\" ] && echo yes", false),
        ("echo $PATH $MAX_TOKENS", false),
        ("echo \"token=$NPM_TOKEN\" > out/config", false),
    ] {
        assert_eq!(is_asked(assess_shell(command, &context).level()), is_stopped, "{command}");
    }
}

#[test]
fn many_harmless_commands_hide_no_class_from_a_policy() {
    let rule = Said { value: PolicyRule::Deny, from: "policy.yaml".to_owned() };
    let policy = Policy { classes: [(RiskClass::Install, rule)].into(), ..Policy::default() };
    let context = RiskContext::new("/home/me/project", "/home/me", "/home/me/.local/state/orch", policy).unwrap();
    for count in [0, 10, 100, 300] {
        let many: String = (0..count).map(|number| format!("make t{number}; git push; ")).collect();
        let ruled = rule_on(&assess_shell(&format!("{many}npm ci"), &context), &context);
        assert_eq!(ruled.rule, PolicyRule::Deny, "{count}");
    }
}

#[test]
fn what_is_beyond_the_bounds_never_passes() {
    let context = context();
    let deep = |open: &str, close: &str, count: usize| format!("{}true{}", open.repeat(count), close.repeat(count));
    for text in [
        "ls; ".repeat(40_000),
        deep("(", ")", 5_000),
        deep("$(", ")", 5_000),
        deep("{ ", "; }", 5_000),
        deep("`", "`", 99),
        deep("if true; then ", "; fi", 2_000),
        format!("echo {}", "\"$(".repeat(3_000)),
        format!("echo {}", "{a,b}".repeat(3_000)),
        format!("echo {}", "${a:-".repeat(2_000)),
        "<<A ".repeat(1_000),
        "\0".repeat(100),
        "'".to_owned(),
        "(".repeat(100_000),
        "x".repeat(1_000_000),
        "a=$a$a;".repeat(500) + "$a",
        (0..16).map(|value| format!("a={value};")).collect::<String>() + &"ls $a;".repeat(400),
    ] {
        let shown: String = text.chars().take(30).collect();
        let started = std::time::Instant::now();
        let level = assess_shell(&text, &context).level();
        println!("{:?} {level:?} {shown}", started.elapsed());
        let is_harmless = shown.starts_with("echo {a,b}") || shown.starts_with("\0");
        assert!(is_harmless || is_asked(level), "{level:?} {shown}");
    }
}

/// Pieces that hostile commands are made of.
const PIECES: &[&str] = &[
    "rm",
    " -rf ",
    "/",
    "~",
    "$",
    "${",
    "}",
    "$(",
    ")",
    "`",
    "'",
    "\"",
    "\\",
    "|",
    "&",
    ";",
    "\n",
    "<<",
    "EOF",
    "<(",
    ">",
    "sh -c ",
    "eval ",
    "env ",
    "sudo ",
    "xargs ",
    "find . -exec ",
    "{a,",
    "*",
    "?",
    "[",
    "]",
    "((",
    "))",
    "if ",
    "then ",
    "fi",
    "for i in ",
    "do ",
    "done",
    "case x in ",
    "esac",
    "x)",
    ";;",
    "a=",
    "#",
    "!",
    "é",
    "\0",
    "\u{e0ff}",
    "\u{e02a}",
    "$'",
    "\\x",
    "curl ",
    "git push",
    "-c",
    "--",
    "=",
    "%",
    "python -c ",
    "drop table",
    "@",
    ":",
    "..",
    "||",
    "&&",
    "2>&1",
    "&>",
    "$((",
    "[[",
    "]]",
];

#[test]
fn hostile_texts_end_without_a_panic() {
    // `RISK_CASES=1000000` is the full size.
    let count: u64 = std::env::var("RISK_CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000);
    let context = context();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |most: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % most as u64).unwrap()
    };
    for _ in 0..count {
        let length = 1 + next(24);
        let text: String = (0..length).map(|_| PIECES[next(PIECES.len())]).collect();
        let assessment = assess_shell(&text, &context);
        for one in &assessment.findings {
            assert!(one.span.end <= text.len() || one.span.is_empty(), "{text:?} {one:?}");
            assert!(!one.reason.is_empty(), "{text:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_text_has_an_answer(text in "\\PC{0,200}", argv in proptest::collection::vec("\\PC{0,40}", 0..8)) {
        let context = context();
        let _: Assessment = assess_shell(&text, &context);
        let _: Assessment = assess_argv(&argv, &context);
    }
}
