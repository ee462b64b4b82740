//! `recipes FILE` prints a page with the recipes of a file.

use std::{env, fs, process::ExitCode};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let [file] = words.as_slice() else {
        eprintln!("usage: recipes FILE");
        return ExitCode::from(2);
    };
    match fs::read_to_string(file)
        .map_err(|error| error.to_string())
        .and_then(|text| recipes_backend::read(&text))
    {
        Ok(all) => {
            print!("{}", recipes::page(&all));
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("recipes: {file}: {reason}");
            ExitCode::FAILURE
        }
    }
}
