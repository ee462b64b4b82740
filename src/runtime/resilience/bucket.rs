//! A token bucket: so many starts in a minute, and so many at once after a pause.

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

/// Tokens that starts take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Bucket {
    tokens: f64,
    filled: Timestamp,
}

impl Bucket {
    /// A full one.
    pub fn new(burst: u32, now: Timestamp) -> Self {
        Self { tokens: f64::from(burst.max(1)), filled: now }
    }

    /// What others have stored becomes something that works, whatever it was.
    pub fn mended(mut self, now: Timestamp) -> Self {
        self.tokens = self.tokens.clamp(0.0, f64::from(u16::MAX));
        self.filled = self.filled.min(now);
        self
    }

    /// Takes a token, or says when there will be one.
    pub fn take(&mut self, per_minute: u32, burst: u32, now: Timestamp) -> Result<(), Timestamp> {
        let per_ms = f64::from(per_minute.max(1)) / 60_000.0;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds between two starts")]
        let passed = now.0.saturating_sub(self.filled.0) as f64;
        self.tokens = (self.tokens + passed * per_ms).min(f64::from(burst.max(1)));
        self.filled = self.filled.max(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between zero and a minute")]
        let wait = ((1.0 - self.tokens) / per_ms).ceil() as u64;
        Err(Timestamp(now.0 + wait.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_spread_and_a_pause_is_no_licence() {
        let mut bucket = Bucket::new(3, Timestamp(1_000));
        let mut take = |at| bucket.take(60, 3, Timestamp(at));
        assert_eq!([take(1_000), take(1_000), take(1_000)], [Ok(()); 3]);
        assert_eq!(take(1_000), Err(Timestamp(2_000)));
        assert_eq!(take(1_500), Err(Timestamp(2_000)));
        assert_eq!(take(2_000), Ok(()));
        assert_eq!(take(2_000), Err(Timestamp(3_000)));
        // An hour later there are three, not three thousand.
        assert_eq!([take(3_600_000), take(3_600_000), take(3_600_000)], [Ok(()); 3]);
        assert!(take(3_600_000).is_err());
        // A clock that goes backwards gives nothing away.
        assert!(take(5).is_err());
    }
}
