//! Compiles many definitions, on all cores.
//!
//! Invariant: the results stand in the order of what was asked for, whatever the number of threads.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use crate::{
    base::Diagnostic,
    plan::Compiled,
    service::{
        find::{Found, compile_in},
        project::Project,
    },
};

/// With fewer definitions than this a second thread costs more than it saves.
const FEW: usize = 24;
/// Definitions that one thread takes at once.
const BLOCK: usize = 4;

/// What each compiles to.
pub(super) fn compile_all(project: &Project, all: &[&Found<'_>]) -> Vec<Result<Compiled, Vec<Diagnostic>>> {
    let (library, settings) = (project.library(), project.settings());
    let cores = usize::try_from(project.environment().cores()).unwrap_or(1);
    let threads = if all.len() < FEW { 1 } else { cores.max(1) };
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let start = next.fetch_add(BLOCK, Ordering::Relaxed);
            let Some(block) = all.get(start..).filter(|rest| !rest.is_empty()) else { return done };
            for (place, found) in block.iter().take(BLOCK).enumerate() {
                done.push((start + place, compile_in(library, settings, found)));
            }
        }
    };
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for other in others {
            done.extend(other.join().expect("compiling does not panic"));
        }
        done
    });
    done.sort_unstable_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, compiled)| compiled).collect()
}
