//! The `orch` program; all of it is in the library.

use std::{env, process::ExitCode};

use orch::{
    cli,
    config::Environment,
    execute::{
        process::{self, KEEPER_ARGUMENT, SANDBOX_ARGUMENT},
        render,
    },
    runtime::hook::{self, GUARD_ARGUMENT},
};

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let first = arguments.next();
    // First of all, because the keeper must still be alone on its main thread.
    if first.as_ref().is_some_and(|first| first == KEEPER_ARGUMENT) && arguments.next().is_none() {
        process::serve();
    }
    // It must be alone on its main thread as well.
    if first.as_ref().is_some_and(|first| first == SANDBOX_ARGUMENT) {
        process::serve_confined();
    }
    // An agent's program asks whether it may use a tool, and waits.
    if first.as_ref().is_some_and(|first| first == GUARD_ARGUMENT) {
        let context = arguments.next().and_then(|context| context.into_string().ok()).unwrap_or_default();
        return hook::serve(&context);
    }
    // Before anything else starts: this process limits itself and serves one request.
    if first.is_some_and(|first| first == render::ARGUMENT) {
        return render::serve();
    }
    // Children must be started from this very file, even when a newer one takes its name while a run goes on.
    let program = env::current_exe().unwrap_or_else(|_| "orch".into());
    cli::main(env::args_os().collect(), program, Environment::capture())
}
