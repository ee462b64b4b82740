//! Work that many ask for at once and that is done once for all of them.
//!
//! Invariant: whoever asks gets what was begun after they asked, so what they have left is in it.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// The rounds of one kind of work.
#[derive(Debug, Default)]
pub struct Rounds<T> {
    asked: AtomicU64,
    /// How many had asked when the last round began, and what it made.
    last: Mutex<(u64, Option<T>)>,
}

impl<T: Clone> Rounds<T> {
    /// What `work` makes, or what another's work has made that began after this call.
    pub async fn share<W: Future<Output = T>>(&self, work: impl FnOnce() -> W) -> T {
        let own = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut last = self.last.lock().await;
        if let (covered, Some(made)) = &*last
            && *covered >= own
        {
            return made.clone();
        }
        let covered = self.asked.load(Ordering::SeqCst);
        let made = work().await;
        *last = (covered, Some(made.clone()));
        made
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn each_gets_what_began_after_it_asked_and_few_rounds_do() {
        let (rounds, done, begun) = (Arc::new(Rounds::default()), AtomicU64::new(0), AtomicU64::new(0));
        let (done, begun) = (Arc::new(done), Arc::new(begun));
        let mut all = Vec::new();
        for _ in 0..500 {
            let (rounds, done, begun) = (Arc::clone(&rounds), Arc::clone(&done), Arc::clone(&begun));
            all.push(tokio::spawn(async move {
                let left = done.fetch_add(1, Ordering::SeqCst) + 1;
                let seen = rounds.share(|| async {
                    begun.fetch_add(1, Ordering::SeqCst);
                    let seen = done.load(Ordering::SeqCst);
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                    seen
                });
                assert!(seen.await >= left);
            }));
        }
        for one in all {
            one.await.unwrap();
        }
        assert!(begun.load(Ordering::SeqCst) < 250, "{begun:?} rounds for 500");
    }
}
