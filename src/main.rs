//! The `orch` program; all of it is in the library.

<<<<<<< .merge_file_xfZmNE
use std::{env, process::ExitCode};

use orch::execute::render;

fn main() -> ExitCode {
    // Before anything else starts: this process limits itself and serves one request.
    if env::args_os().nth(1).is_some_and(|argument| argument == render::ARGUMENT) {
        return render::serve();
    }
    ExitCode::SUCCESS
=======
use orch::execute::process::{KEEPER_ARGUMENT, serve};

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    // First of all, because the keeper must still be alone on its main thread.
    if arguments.next().is_some_and(|first| first == KEEPER_ARGUMENT) && arguments.next().is_none() {
        serve();
    }
>>>>>>> .merge_file_SSBNHv
}
