//! `greeter SETTINGS NAME` greets; `greeter SETTINGS --health` says whether it could.

use std::{env, fs, process::ExitCode};

fn run(args: &[String]) -> Result<String, String> {
    let [file, what] = args else { return Err("usage: greeter SETTINGS NAME | --health".to_owned()) };
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let settings = greeter::settings(&text)?;
    Ok(match what.as_str() {
        "--health" => format!("ok {}", env!("CARGO_PKG_VERSION")),
        name => greeter::greet(&settings, name),
    })
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match run(&args) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("greeter: {reason}");
            ExitCode::FAILURE
        }
    }
}
