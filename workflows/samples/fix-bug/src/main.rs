//! Reads tags, one a line, and prints the newest version. Exit code 1: there is none, or the input cannot be read.

use std::{io::Read, process::ExitCode};

fn main() -> ExitCode {
    let mut tags = String::new();
    if let Err(error) = std::io::stdin().read_to_string(&mut tags) {
        eprintln!("newest: the tags cannot be read: {error}");
        return ExitCode::FAILURE;
    }
    match newest::newest(tags.lines().map(str::trim)) {
        Some(tag) => {
            println!("{tag}");
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("newest: no version among the tags");
            ExitCode::FAILURE
        }
    }
}
