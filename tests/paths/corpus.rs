//! Sixty names that lead, or seem to lead, somewhere else.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::Path,
};

/// The names, for a project that stands in a world as [`super::world::World`] makes it. `outside` is the folder that nobody
/// has named.
pub fn hostile(outside: &Path) -> Vec<OsString> {
    let outside_text = outside.to_str().unwrap();
    let name = outside.file_name().unwrap().to_str().unwrap();
    let mut all: Vec<OsString> = [
        // Up.
        "..",
        "../",
        "../..",
        "../../..",
        "./..",
        "a/../..",
        "a/../../outside/secret.yaml",
        "../outside",
        "../outside/secret.yaml",
        "../outside/new.yaml",
        "../root/../outside/secret.yaml",
        "sub/../../outside/secret.yaml",
        "....//....//outside/secret.yaml",
        "..;/outside/secret.yaml",
        "workflows/../../outside/secret.yaml",
        ".../outside",
        // From the top.
        "/",
        "//",
        "/etc/passwd",
        "//etc/passwd",
        "/proc/self/root/etc/passwd",
        "/proc/self/environ",
        "/proc/self/cwd/..",
        "/dev/stdin",
        "/dev/full",
        "/dev/zero",
        "/dev/null",
        "/proc/self/fd/0",
        // By way of links of the project.
        "link-file",
        "link-dir",
        "link-dir/secret.yaml",
        "link-dir/new.yaml",
        "link-loop",
        "link-loop/x",
        "link-up/outside/secret.yaml",
        "link-gone",
        "link-proc/etc/passwd",
        "hard.yaml",
        // What is no file.
        "fifo",
        "fifo/x",
        "socket",
        ".",
        "./",
        "sub/",
        "sub/file.yaml/",
        "sub/file.yaml/x",
        // Names that other readers take for paths, flags or lines.
        "-",
        "--",
        "-rf",
        "C:\\outside\\secret.yaml",
        "\\\\host\\share\\secret.yaml",
        "..\\outside\\secret.yaml",
        "%2e%2e%2foutside%2fsecret.yaml",
        "..%c0%afoutside",
        "~/secret.yaml",
        "$HOME/secret.yaml",
        "$(touch ../outside/ran)",
        "`touch ../outside/ran`",
        "a\nb",
        "file:///etc/passwd",
        "CON",
        "NUL.yaml",
        ".git/config",
        ".GIT/config",
        ".orch/state/orch.db",
        // The same letters in other forms, and letters that look like a dot or a slash.
        "\u{e9}.yaml",
        "e\u{301}.yaml",
        "\u{2024}\u{2024}/outside",
        "..\u{2215}outside",
        "\u{202e}lmay.terces",
        "\u{feff}../outside",
    ]
    .iter()
    .map(|text| OsString::from(text.replace("outside", name)))
    .collect();
    all.push(format!("{outside_text}/secret.yaml").into());
    all.push(format!("{outside_text}/new/deep.yaml").into());
    all.push(OsString::from(""));
    all.push("x".repeat(4_096).into());
    all.push("x/".repeat(2_048).into());
    all.push(format!("{}outside/secret.yaml", "../".repeat(1_300)).into());
    all.push(OsString::from_vec(b"\xff\xfe/secret".to_vec()));
    all.push(OsString::from_vec(b"../\xff".to_vec()));
    all
}

/// The same as texts, with a NUL among them, for places that no program's arguments reach.
pub fn hostile_texts(outside: &Path) -> Vec<String> {
    let mut all: Vec<String> = hostile(outside).into_iter().filter_map(|one| one.into_string().ok()).collect();
    all.extend(["a\0b".to_owned(), "secret.yaml\0.txt".to_owned(), "\0".to_owned()]);
    all
}

/// The names that one place is tried with: all of them where that is asked for, else every `stride`th, from another one on for
/// each place, so that together they are all there.
pub fn some<T>(all: Vec<T>, place: usize, stride: usize) -> Vec<T> {
    let is_full = std::env::var("ORCH_PATHS").is_ok_and(|text| text == "full");
    let is_taken = |number: usize| is_full || number % stride == place % stride;
    all.into_iter().enumerate().filter(|(number, _)| is_taken(*number)).map(|(_, one)| one).collect()
}

/// For messages.
pub fn shown(name: &std::ffi::OsStr) -> String {
    String::from_utf8_lossy(name.as_bytes()).escape_debug().to_string().chars().take(60).collect()
}
