//! The key of a step: a digest of all that its work depends on but the files, in a form with a version.
//!
//! A part that is forgotten here means that wrong work is taken one day, so each stands in a test.

use std::collections::BTreeMap;

use crate::{
    base::{Digest, Hasher},
    driver::reuse::recall::Trace,
    scheduler::{InstanceId, Scheduler},
};

/// The version of the derivation. Changing anything below means another one, and nothing that was kept is found.
const VERSION: &str = "orch step key 2";

/// What a key stands for.
pub(super) struct Parts<'a> {
    /// The workflow's name.
    pub workflow: &'a str,
    /// The step's path in the run.
    pub path: &'a str,
    /// All that the step is told and what answers it: [`crate::execute::Executor::content`].
    pub content: &'a Digest,
    /// What the author says in place of the files.
    pub said: Option<&'a str>,
    /// What the work of the steps before it is known by, where that counts.
    pub before: &'a [Digest],
    /// Which rules the work is taken by.
    pub rules: &'static str,
}

/// The key. No two different sets of parts have the same one.
pub(super) fn derive(parts: &Parts<'_>) -> Digest {
    let Parts { workflow, path, content, said, before, rules } = parts;
    let mut hasher = Hasher::default();
    let mut add = |part: &str| {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    };
    for part in [VERSION, rules, workflow, path, content.as_str()] {
        add(part);
    }
    add(if said.is_some() { "said" } else { "files" });
    add(said.unwrap_or_default());
    for digest in *before {
        add(digest.as_str());
    }
    hasher.finish()
}

/// What the steps before a step are known by, in their order. `None` where one of them is not known.
pub(super) fn upstream(
    scheduler: &Scheduler,
    known: &BTreeMap<String, Trace>,
    instance: InstanceId,
) -> Option<Vec<Digest>> {
    let mut stamps = Vec::new();
    let mut at = Some(instance);
    while let Some(instance) = at {
        let step = scheduler.plan_step(instance).1;
        let path = scheduler.path(instance);
        let before = path.as_str().strip_suffix(step.id.as_str())?;
        let needs = step.needs.iter().map(|need| format!("{before}{}", scheduler.plan().step(need.step).id));
        for source in needs.chain(earlier_rounds(before)) {
            for (path, trace) in known.iter().filter(|(path, _)| is_within(path, &source)) {
                stamps.push(Digest::of(path.as_bytes()));
                stamps.push(trace.stamp()?);
            }
        }
        at = scheduler.container(instance);
    }
    Some(stamps)
}

/// For a step in a loop, the rounds before: `polish#1` for `polish#2/`.
fn earlier_rounds(before: &str) -> Vec<String> {
    let Some((name, round)) = before.trim_end_matches('/').rsplit_once('#') else { return Vec::new() };
    let round: u32 = round.parse().unwrap_or(0);
    (1..round).map(|round| format!("{name}#{round}")).collect()
}

/// Whether a path is that of a step or of something in it.
fn is_within(path: &str, step: &str) -> bool {
    path.strip_prefix(step).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[', '#']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_steps_and_rounds() {
        for (path, step, expected) in [
            ("a", "a", true),
            ("a/b", "a", true),
            ("a[x]/b", "a", true),
            ("a#1/b", "a", true),
            ("ab", "a", false),
            ("b/a", "a", false),
        ] {
            assert_eq!(is_within(path, step), expected, "{path} {step}");
        }
        assert_eq!(earlier_rounds("x/polish#3/"), ["x/polish#1", "x/polish#2"]);
        assert!(earlier_rounds("x/polish#1/").is_empty() && earlier_rounds("x/").is_empty());
    }

    #[test]
    fn a_key_stays_the_same_for_ever_and_each_part_changes_it() {
        let (content, other) = (Digest::of(b"content"), Digest::of(b"other"));
        let before = [Digest::of(b"before")];
        let parts =
            || Parts { workflow: "flow", path: "a/b", content: &content, said: None, before: &[], rules: "declared" };
        // This digest is in the caches of users: another one needs another version.
        assert_eq!(derive(&parts()).as_str(), "2502e5c59886664b0ab15c512c2057fc395b1fa347523717587f707a54668320");
        let all = [
            derive(&parts()),
            derive(&Parts { workflow: "flo", path: "wa/b", ..parts() }),
            derive(&Parts { workflow: "other", ..parts() }),
            derive(&Parts { path: "a/c", ..parts() }),
            derive(&Parts { content: &other, ..parts() }),
            derive(&Parts { said: Some(""), ..parts() }),
            derive(&Parts { said: Some("v1"), ..parts() }),
            derive(&Parts { before: &before, ..parts() }),
            derive(&Parts { rules: "dev", ..parts() }),
        ];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }
}
