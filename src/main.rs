//! The `orch` program; all of it is in the library.

use std::{env, process::ExitCode};

use orch::execute::{
    process::{KEEPER_ARGUMENT, serve},
    render,
};

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    // First of all, because the keeper must still be alone on its main thread, and a renderer limits itself.
    match (arguments.next(), arguments.next()) {
        (Some(first), None) if first == KEEPER_ARGUMENT => serve(),
        (Some(first), None) if first == render::ARGUMENT => return render::serve(),
        (Some(_) | None, _) => {}
    }
    ExitCode::SUCCESS
}
