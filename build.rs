//! Says which folders are built into the binary: a file that is added to one of them must lead to a new build.
#![allow(clippy::print_stdout, reason = "cargo reads what a build script prints")]

fn main() {
    for folder in ["agents", "skills", "commands", "workflows", "gates"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
