//! Work for some threads at once, with results in the order of the work. Knows nothing of what is done.
//!
//! Invariant: the results do not depend on the number of threads.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Does the work for each item. A thread takes `block` items at once.
pub(super) fn each<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    block: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    if threads <= 1 || items.len() <= block {
        return items.iter().map(work).collect();
    }
    let blocks: Vec<&[T]> = items.chunks(block).collect();
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(block) = blocks.get(place) else { return done };
            done.push((place, block.iter().map(&work).collect::<Vec<R>>()));
        }
    };
    let mut all = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(blocks.len())).map(|_| scope.spawn(some)).collect();
        let mut all = some();
        for other in others {
            all.extend(other.join().expect("the work does not panic"));
        }
        all
    });
    all.sort_unstable_by_key(|(place, _)| *place);
    let mut results = Vec::with_capacity(items.len());
    all.into_iter().for_each(|(_, done)| results.extend(done));
    results
}

/// Does two things, at once if there is more than one thread.
pub(super) fn both<A: Send, B>(threads: usize, one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B) -> (A, B) {
    if threads <= 1 {
        return (one(), other());
    }
    thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        (one.join().expect("the work does not panic"), other)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_work() {
        let items: Vec<usize> = (0..1000).collect();
        let wanted: Vec<usize> = items.iter().map(|item| item * 2).collect();
        for (threads, block) in [(1, 16), (2, 16), (5, 7), (2, 1), (9, 999), (2, 5000)] {
            assert_eq!(each(&items, threads, block, |item| item * 2), wanted, "{threads} {block}");
        }
        for threads in [1, 2] {
            assert_eq!(both(threads, || 1, || 2), (1, 2));
        }
    }
}
