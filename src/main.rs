//! The `orch` program; all of it is in the library.

use orch::execute::process::{KEEPER_ARGUMENT, serve};

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    // First of all, because the keeper must still be alone on its main thread.
    if arguments.next().is_some_and(|first| first == KEEPER_ARGUMENT) && arguments.next().is_none() {
        serve();
    }
}
