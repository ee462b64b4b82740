//! Reads sales, one a line, and prints their receipt. Exit code 1: a sale cannot be read.

use std::{io::Read, process::ExitCode};

fn main() -> ExitCode {
    let mut sales = String::new();
    let read = std::io::stdin().read_to_string(&mut sales);
    match read
        .map_err(|error| error.to_string())
        .and_then(|_| receipt::receipt(&sales))
    {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("receipt: {reason}");
            ExitCode::FAILURE
        }
    }
}
