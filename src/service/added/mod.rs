//! Repositories of definitions that `orch add` takes into the library of a project or a user.
//!
//! What is added is data: nothing of it is run, no link of it is followed, and every path, number and size has a bound.
//! A git repository is never checked out; its files are read from its objects, so no hook, filter, submodule or large
//! file storage of it has any effect.
//!
//! Invariant: a folder of the library is the old one or the new one, whenever `orch` is killed.

mod change;
mod files;
mod git;
mod shelf;
mod source;
mod stage;

pub use change::{AddRequest, AddedFolder, Change, ChangeKind, Update, add, remove, update};
