//! A full disk: what was acknowledged, what the exit code says, and whether the run goes on when there is space.

use std::{fs, path::Path, process::Command};

use crate::{
    number,
    trial::{Rng, project},
};

/// Whether this machine lets a user make a mount of its own.
fn can_mount() -> bool {
    let can = Command::new("unshare").args(["-Urm", "true"]).status().is_ok_and(|status| status.success());
    if !can {
        println!("SKIPPED: this machine lets nobody make a mount namespace");
    }
    can
}

/// Runs a script in a mount namespace of its own. Gives what it said.
fn script(folder: &Path, text: &str, size: &str) -> String {
    project(folder);
    let output = Command::new("unshare")
        .args(["-Urm", "sh", "-c", text])
        .current_dir(folder)
        // The variables of this test are not settings of the program.
        .env_remove("ORCH_KILLS")
        .env_remove("ORCH_FULL")
        .env("ORCH", env!("CARGO_BIN_EXE_orch"))
        .env("SIZE", size)
        .output()
        .unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_default()
}

/// One run on a disk of so many bytes. Gives how many lines were acknowledged; none where the disk was large enough.
fn fill(kilobytes: u64) -> Option<usize> {
    let folder = tempfile::tempdir().unwrap();
    let log = script(folder.path(), include_str!("project/full.sh"), &format!("{kilobytes}k"));
    let read = |name: &str| read(folder.path(), name);
    if read("full.code").trim() == "0" {
        return None;
    }
    assert_eq!(read("full.code").trim(), "33", "{kilobytes} kB: {log}\n{}", read("full.err"));
    assert!(read("full.err").contains("the disk is full"), "{}", read("full.err"));
    let acks: Vec<_> = read("full.json").lines().map(str::to_owned).collect();
    if !folder.path().join("more.code").exists() {
        // So small that there was no run at all.
        assert_eq!(acks.len(), 0, "{kilobytes} kB: {log}");
        return Some(0);
    }
    assert_eq!(read("more.code").trim(), "0", "{kilobytes} kB: {log}\n{}", read("more.err"));
    let told = read("told.json");
    for ack in acks.iter().filter(|line| line.contains("\"type\":")) {
        assert!(told.lines().any(|line| line == ack), "{kilobytes} kB: acknowledged and lost: {ack}");
    }
    let ended = read("witness").lines().filter(|line| line.starts_with('E')).count();
    assert!(ended >= 27, "{kilobytes} kB: only {ended} steps have ended");
    Some(acks.len())
}

#[test]
fn a_full_disk_loses_nothing_and_the_run_goes_on_when_there_is_space() {
    if !can_mount() {
        return;
    }
    let wanted = number("ORCH_FULL", 8);
    let mut rng = Rng(number("ORCH_SEED", 1));
    let (mut full, mut acks) = (0, 0);
    for point in 0..wanted {
        // The whole range in steps, each with a little chance: from no room for the store to room for nearly all.
        let kilobytes = 60 + 4 * (point * 110 / wanted) + rng.below(4);
        if let Some(seen) = fill(kilobytes) {
            full += 1;
            acks += seen;
        }
    }
    println!("{full} of {wanted} disks were full; {acks} lines were acknowledged before, none was lost");
    assert!(full > 0 && acks > 0, "the test has tested nothing");
}

#[test]
fn below_the_floor_nothing_more_begins() {
    if !can_mount() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = script(folder.path(), include_str!("project/low.sh"), "10m");
    let read = |name: &str| read(folder.path(), name);
    assert_eq!(read("low.code").trim(), "33", "{log}{}", read("low.err"));
    let settled = |text: &str, step: &str| {
        text.lines().filter(|line| line.contains("step_settled") && line.contains(step)).count()
    };
    // What was at work has ended well, and is known to have.
    assert_eq!(settled(&read("low.json"), "both/slow"), 1, "{}", read("low.json"));
    assert_eq!(read("again.code").trim(), "33", "{}", read("again.err"));
    assert_eq!(read("more.code").trim(), "0", "{}", read("more.err"));
    assert_eq!(read("witness").lines().filter(|line| line.starts_with('B')).count(), 3, "{}", read("witness"));
}
