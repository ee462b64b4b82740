//! Stopping commands. A stop only gets stronger.

use tokio::sync::watch;

/// How strongly a command is stopped, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StopReason {
    /// SIGTERM, the grace period, then SIGKILL to what is left.
    Gentle,
    /// SIGKILL to the whole tree, now.
    Hard,
}

/// Stops everything that holds one of its tokens.
#[derive(Debug, Clone)]
pub struct StopSource(watch::Sender<Option<StopReason>>);

/// Tells a command when to stop.
#[derive(Debug, Clone, Default)]
pub struct StopToken(Vec<watch::Receiver<Option<StopReason>>>);

impl StopSource {
    /// A source that has not stopped anything yet.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// A token of this source.
    #[must_use]
    pub fn token(&self) -> StopToken {
        StopToken(vec![self.0.subscribe()])
    }

    /// Asks for a stop. A weaker reason after a stronger one changes nothing.
    pub fn stop(&self, reason: StopReason) {
        self.0.send_if_modified(|now| {
            let stronger = Some(reason) > *now;
            if stronger {
                *now = Some(reason);
            }
            stronger
        });
    }
}

impl Default for StopSource {
    fn default() -> Self {
        Self::new()
    }
}

impl StopToken {
    /// A token that never stops anything.
    #[must_use]
    pub fn never() -> Self {
        Self(Vec::new())
    }

    /// A token that stops when either does: the run and one of its attempts, say.
    #[must_use]
    pub fn or(mut self, other: &Self) -> Self {
        self.0.extend_from_slice(&other.0);
        self
    }

    /// The strongest reason so far.
    #[must_use]
    pub fn reason(&self) -> Option<StopReason> {
        self.0.iter().filter_map(|receiver| *receiver.borrow()).max()
    }

    /// Waits until there is a reason stronger than `known`; for ever if none can come.
    pub async fn stronger_than(&mut self, known: Option<StopReason>) -> StopReason {
        let first = stronger(&mut self.0, known).await;
        self.reason().map_or(first, |reason| reason.max(first))
    }
}

type Receiver = watch::Receiver<Option<StopReason>>;

async fn stronger(receivers: &mut [Receiver], known: Option<StopReason>) -> StopReason {
    match receivers {
        [] => std::future::pending().await,
        [one] => one_stronger(one, known).await,
        [one, rest @ ..] => tokio::select! {
            reason = one_stronger(one, known) => reason,
            reason = Box::pin(stronger(rest, known)) => reason,
        },
    }
}

async fn one_stronger(receiver: &mut Receiver, known: Option<StopReason>) -> StopReason {
    match receiver.wait_for(|reason| *reason > known).await.map(|reason| *reason) {
        Ok(Some(reason)) => reason,
        // The source is gone without a word.
        Ok(None) | Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_only_gets_stronger() {
        let (run, attempt) = (StopSource::new(), StopSource::new());
        let mut token = run.token().or(&attempt.token());
        attempt.stop(StopReason::Hard);
        run.stop(StopReason::Gentle);
        assert_eq!(token.stronger_than(None).await, StopReason::Hard);
        attempt.stop(StopReason::Gentle);
        assert_eq!(token.reason(), Some(StopReason::Hard));
    }

    #[tokio::test]
    async fn the_next_reason_wakes() {
        let (a, b, c) = (StopSource::new(), StopSource::new(), StopSource::new());
        let mut token = a.token().or(&b.token()).or(&c.token());
        drop(a);
        b.stop(StopReason::Gentle);
        assert_eq!(token.stronger_than(None).await, StopReason::Gentle);
        let wait = tokio::spawn(async move { token.stronger_than(Some(StopReason::Gentle)).await });
        tokio::task::yield_now().await;
        c.stop(StopReason::Hard);
        assert_eq!(wait.await.unwrap(), StopReason::Hard);
    }
}
