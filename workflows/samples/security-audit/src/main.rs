//! `notes show NAME` and `notes size NAME`, from the folder that NOTES names.

use std::{env, io, path::Path, process::ExitCode};

fn run(args: &[String]) -> io::Result<String> {
    let folder = env::var("NOTES").unwrap_or_else(|_| "notes".to_owned());
    let folder = Path::new(&folder);
    match args {
        [verb, name] if verb == "show" => notes::show(folder, name),
        [verb, name] if verb == "size" => Ok(format!("{}\n", notes::size(folder, name)?)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: notes show NAME | notes size NAME")),
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match run(&args) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("notes: {error}");
            ExitCode::FAILURE
        }
    }
}
