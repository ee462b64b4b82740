//! The ids by which a run is told to tracing systems: always the same for the same run, so that whoever goes on with it
//! goes on with its trace. Knows nothing of what is sent where.

use crate::{
    base::{Digest, RunId, Timestamp},
    scheduler::{AttemptId, InstanceId},
};

/// The span of somebody else that a run is a part of: the W3C's `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace: u128,
    /// The span.
    pub span: u64,
    /// Whether that span is kept.
    pub sampled: bool,
}

impl TraceParent {
    /// Reads `00-TRACE-SPAN-FLAGS`; anything else is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let parts: Vec<_> = text.split('-').collect();
        let [version, trace, span, flags, rest @ ..] = parts.as_slice() else { return None };
        let lengths = (version.len(), trace.len(), span.len(), flags.len()) == (2, 32, 16, 2);
        // Later versions may say more behind what is known; the first may not.
        if !lengths || *version == "ff" || (*version == "00" && !rest.is_empty()) {
            return None;
        }
        if ![version, trace, span, flags].into_iter().all(|part| is_hex(part)) {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|trace| *trace != 0)?;
        let span = u64::from_str_radix(span, 16).ok().filter(|span| *span != 0)?;
        Some(Self { trace, span, sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1 })
    }
}

impl std::fmt::Display for TraceParent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

/// The ids of a run's spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The trace that all of them are in.
    pub id: u128,
    /// The span of somebody else that the run is a part of.
    pub parent: Option<TraceParent>,
    /// Whether they are kept.
    pub sampled: bool,
    run: RunId,
}

impl Trace {
    /// The trace of a run that began at that time, inside somebody else's where there is one.
    #[must_use]
    pub fn of(run: &RunId, started: Timestamp, parent: Option<TraceParent>) -> Self {
        let own = || number(&format!("orch trace {run} {}", started.0), 32).max(1);
        let sampled = parent.is_none_or(|parent| parent.sampled);
        Self { id: parent.map_or_else(own, |parent| parent.trace), parent, sampled, run: run.clone() }
    }

    /// The span of an attempt.
    #[must_use]
    pub fn attempt(&self, attempt: AttemptId) -> u64 {
        self.span(&format!("attempt {attempt}"))
    }

    /// The span of a step that holds others. A run that is tried again is another life of it.
    #[must_use]
    pub fn step(&self, instance: InstanceId, life: u32) -> u64 {
        self.span(&format!("step {} {life}", instance.0))
    }

    /// The span of the run itself, in each of its lives.
    #[must_use]
    pub fn run(&self, life: u32) -> u64 {
        self.span(&format!("run {life}"))
    }

    /// What an attempt's program is told, so that its own spans are parts of it.
    #[must_use]
    pub fn told(&self, attempt: AttemptId) -> TraceParent {
        TraceParent { trace: self.id, span: self.attempt(attempt), sampled: self.sampled }
    }

    #[expect(clippy::cast_possible_truncation, reason = "16 digits are 64 bits")]
    fn span(&self, what: &str) -> u64 {
        number(&format!("orch span {:032x} {} {what}", self.id, self.run), 16).max(1) as u64
    }
}

/// A number of so many hexadecimal digits that always belongs to a text.
fn number(text: &str, digits: usize) -> u128 {
    let digest = Digest::of(text.as_bytes());
    let hex = digest.as_str().rsplit(':').next().unwrap_or_default();
    u128::from_str_radix(hex.get(..digits).unwrap_or_default(), 16).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_parent_is_read_as_the_w3c_writes_it_and_nothing_else_is() {
        let parent = TraceParent::parse(PARENT).unwrap();
        assert_eq!(parent.to_string(), PARENT);
        assert!(!TraceParent::parse(&PARENT.replace("-01", "-02")).unwrap().sampled);
        assert!(TraceParent::parse(&format!("01{}-more", &PARENT[2..])).is_some());
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-é",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn ids_belong_to_their_run_and_to_one_thing_in_it() {
        let (one, two) = (RunId::from_random([1; 5]), RunId::from_random([2; 5]));
        let trace = Trace::of(&one, Timestamp(5), None);
        assert_eq!(trace, Trace::of(&one, Timestamp(5), None));
        assert_ne!(trace.id, Trace::of(&two, Timestamp(5), None).id);
        let attempt = |number| AttemptId { instance: InstanceId(3), number };
        let mut ids = vec![trace.attempt(attempt(1)), trace.attempt(attempt(2)), trace.run(0), trace.run(1)];
        ids.extend([trace.step(InstanceId(3), 0), trace.step(InstanceId(3), 1)]);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 6);
        let inside = Trace::of(&one, Timestamp(5), TraceParent::parse(PARENT));
        assert_eq!(format!("{:032x}", inside.id), "4bf92f3577b34da6a3ce929d0e0e4736");
        let other = Trace::of(&two, Timestamp(5), TraceParent::parse(PARENT));
        assert_ne!(inside.run(0), other.run(0), "two runs in one trace");
    }
}
