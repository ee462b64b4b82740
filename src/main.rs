//! The `orch` program; all of it is in the library.

use std::{env, process::ExitCode};

use orch::execute::render;

fn main() -> ExitCode {
    // Before anything else starts: this process limits itself and serves one request.
    if env::args_os().nth(1).is_some_and(|argument| argument == render::ARGUMENT) {
        return render::serve();
    }
    ExitCode::SUCCESS
}
