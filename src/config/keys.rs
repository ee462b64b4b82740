//! The table of settings: loading, `orch doctor`, the schema and the documentation are made from it.

use crate::config::form::Form;

/// One key that holds one value.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its path in the file: `timeouts.agent`.
    pub path: &'static str,
    /// What it takes.
    pub form: Form,
    /// The value where nobody says anything; `None` where there is none, or where the machine decides.
    pub default: Option<&'static str>,
    /// One line of help.
    pub help: &'static str,
}

const DAY_MS: u64 = 86_400_000;
const TIMEOUT: Form = Form::Duration { min_ms: 100, max_ms: 7 * DAY_MS };

/// All keys but `runtimes.NAME`, in the order in which they are shown.
pub const KEYS: &[Key] = &[
    Key {
        path: "parallel",
        form: Form::Count { min: 1, max: 100 },
        default: None,
        help: "attempts at once over a whole run; the machine's cores where absent",
    },
    Key {
        path: "runtime",
        form: Form::Name,
        default: None,
        help: "the runtime of agents where neither the step nor the agent names one",
    },
    Key {
        path: "on_approval",
        form: Form::Word(&["wait", "fail", "approve"]),
        default: Some("wait"),
        help: "what happens when a person is asked and nobody is there",
    },
    Key {
        path: "retries",
        form: Form::Count { min: 0, max: 100 },
        default: Some("2"),
        help: "extra attempts of a step after a failure that may go away by itself",
    },
    Key {
        path: "skills",
        form: Form::Word(&["auto", "named"]),
        default: Some("auto"),
        help: "whether steps get the skills that apply to them, or only those that somebody names",
    },
    Key {
        path: "memory",
        form: Form::Words(&["AGENTS.md", "CLAUDE.md", "GEMINI.md"]),
        default: Some("AGENTS.md"),
        help: "memory files that agents are told where their runtime does not read them itself; [] for none",
    },
    Key {
        path: "sandbox",
        form: Form::Word(&["auto", "off", "workspace-write", "read-only", "container"]),
        default: Some("auto"),
        help: "how far programs are confined whose step says nothing of it; auto: workspace-write in runs with agents",
    },
    Key {
        path: "container.image",
        form: Form::Image,
        default: None,
        help: "what `sandbox: container` starts programs in; it must be on this machine already",
    },
    Key {
        path: "container.engine",
        form: Form::Word(&["auto", "docker", "podman"]),
        default: Some("auto"),
        help: "what makes containers; auto: docker where it answers, else podman",
    },
    Key {
        path: "container.memory",
        form: Form::Bytes { min: 16_000_000, max: 1_000_000_000_000 },
        default: Some("4G"),
        help: "the most memory of a container",
    },
    Key {
        path: "container.processes",
        form: Form::Count { min: 8, max: 100_000 },
        default: Some("1024"),
        help: "the most processes in a container",
    },
    Key {
        path: "log_level",
        form: Form::Word(&["off", "error", "warn", "info", "debug", "trace"]),
        default: Some("warn"),
        help: "how much orch says about itself on stderr",
    },
    Key {
        path: "log.format",
        form: Form::Word(&["pretty", "json"]),
        default: Some("pretty"),
        help: "the form of what orch says about itself on stderr; a log file is always JSON",
    },
    Key {
        path: "log.file",
        form: Form::File,
        default: None,
        help: "a file that gets it as well, one JSON object a line; only the user's own file, a variable or a flag may say",
    },
    Key {
        path: "log.size",
        form: Form::Bytes { min: 10_000, max: 10_000_000_000 },
        default: Some("64M"),
        help: "bytes after which the log file is put aside and a new one begun",
    },
    Key {
        path: "log.every",
        form: Form::Duration { min_ms: 60_000, max_ms: 365 * DAY_MS },
        default: Some("1d"),
        help: "how often that is done at least, counted from midnight UTC",
    },
    Key {
        path: "log.keep",
        form: Form::Count { min: 0, max: 10_000 },
        default: Some("14"),
        help: "log files that are kept aside; the oldest go first",
    },
    Key {
        path: "log.age",
        form: Form::Duration { min_ms: 60_000, max_ms: 3_650 * DAY_MS },
        default: Some("30d"),
        help: "how long they are kept",
    },
    Key {
        path: "color",
        form: Form::Word(&["auto", "always", "never"]),
        default: Some("auto"),
        help: "when the output has colours",
    },
    Key {
        path: "timeouts.agent",
        form: TIMEOUT,
        default: Some("30m"),
        help: "the longest an agent's attempt may take",
    },
    Key { path: "timeouts.command", form: TIMEOUT, default: Some("10m"), help: "the longest a `run:` step may take" },
    Key { path: "timeouts.gate", form: TIMEOUT, default: Some("10m"), help: "the longest a command gate may take" },
    Key { path: "timeouts.idle", form: TIMEOUT, default: Some("10m"), help: "the longest an attempt may be silent" },
    Key {
        path: "limits.output",
        form: Form::Bytes { min: 1_000, max: 10_000_000_000 },
        default: Some("64M"),
        help: "bytes kept of each output stream of an attempt",
    },
    Key {
        path: "limits.disk_floor",
        form: Form::Bytes { min: 0, max: 1_000_000_000_000 },
        default: Some("1G"),
        help: "free bytes on the disk below which nothing new starts",
    },
    Key {
        path: "workers.start",
        form: Form::Count { min: 1, max: 100 },
        default: Some("3"),
        help: "agents of a runtime that work at once while few are in the queue; never more than `parallel`",
    },
    Key {
        path: "workers.most",
        form: Form::Count { min: 1, max: 100 },
        default: Some("10"),
        help: "agents of a runtime that work at once at most; where absent, no fewer than `parallel` says",
    },
    Key {
        path: "workers.queue",
        form: Form::Count { min: 1, max: 1_000 },
        default: Some("2"),
        help: "so many more agents in the queue make one more work",
    },
    Key {
        path: "workers.load",
        form: Form::Count { min: 1, max: 1_000 },
        default: Some("8"),
        help: "the load of each core of the machine over which no more than `workers.start` work",
    },
    Key {
        path: "workers.memory",
        form: Form::Bytes { min: 0, max: 1_000_000_000_000 },
        default: Some("256M"),
        help: "free memory of the machine below which one agent works at a time",
    },
    Key {
        path: "resilience.failures",
        form: Form::Count { min: 1, max: 1_000 },
        default: Some("5"),
        help: "failures in a row of a runtime's service after which nothing is tried for a while",
    },
    Key {
        path: "resilience.open",
        form: Form::Duration { min_ms: 100, max_ms: 300_000 },
        default: Some("5s"),
        help: "how long nothing is tried then; doubled as long as the next try fails too",
    },
    Key {
        path: "resilience.probe",
        form: Form::Duration { min_ms: 100, max_ms: DAY_MS },
        default: Some("15m"),
        help: "how long nothing is tried after a quota is used up, where nobody says when it resets",
    },
    Key {
        path: "resilience.starts",
        form: Form::Count { min: 1, max: 100_000 },
        default: Some("600"),
        help: "starts of one runtime in a minute, over all runs of a process",
    },
    Key { path: "budget.usd", form: Form::Money, default: None, help: "US dollars that a run may spend" },
    Key {
        path: "budget.tokens",
        form: Form::Count { min: 1, max: 1_000_000_000_000 },
        default: None,
        help: "tokens that a run may use",
    },
    Key {
        path: "budget.time",
        form: Form::Duration { min_ms: 1_000, max_ms: 365 * DAY_MS },
        default: None,
        help: "how long a run may work; waiting for people does not count",
    },
    Key {
        path: "budget.agents",
        form: Form::Count { min: 1, max: 1_000_000 },
        default: Some("100"),
        help: "starts of agents in a run",
    },
    Key {
        path: "budget.on_limit",
        form: Form::Word(&["pause", "stop"]),
        default: Some("pause"),
        help: "what happens when a budget is used up",
    },
    Key {
        path: "cache.steps",
        form: Form::Word(&["on", "off"]),
        default: Some("on"),
        help: "whether steps with `cache:` may take the work of earlier runs",
    },
    Key {
        path: "cache.files",
        form: Form::Word(&["on", "off"]),
        default: Some("on"),
        help: "whether that work is kept on the disk, so that other processes find it",
    },
    Key {
        path: "cache.size",
        form: Form::Bytes { min: 1_000_000, max: 1_000_000_000_000 },
        default: Some("1G"),
        help: "bytes of the step cache of a project on the disk; what was used longest ago goes first",
    },
    Key {
        path: "cache.memory",
        form: Form::Bytes { min: 0, max: 100_000_000_000 },
        default: Some("64M"),
        help: "bytes of the step cache in the memory of a process",
    },
    Key {
        path: "cache.ttl",
        form: Form::Duration { min_ms: 1_000, max_ms: 3_650 * DAY_MS },
        default: Some("30d"),
        help: "how long the work of a step may be taken where its `cache:` has no `ttl`",
    },
    Key {
        path: "intervals.inbox",
        form: Form::Duration { min_ms: 10, max_ms: 100 },
        default: Some("40ms"),
        help: "how often a run looks for decisions that other processes left",
    },
    Key {
        path: "intervals.heartbeat",
        form: Form::Duration { min_ms: 1_000, max_ms: 3_600_000 },
        default: Some("30s"),
        help: "how often a run without a terminal says that it is alive",
    },
];

/// The key at that path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The variable that sets a key: `ORCH_TIMEOUTS_AGENT`.
#[must_use]
pub fn variable_name(path: &str) -> String {
    format!("ORCH_{}", path.replace('.', "_").to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_within_their_own_bounds() {
        for key in KEYS {
            if let Some(text) = key.default {
                assert!(key.form.read_text(text).is_ok(), "{}", key.path);
            }
        }
    }

    #[test]
    fn variables_are_unique() {
        let mut names: Vec<_> = KEYS.iter().map(|key| variable_name(key.path)).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), KEYS.len());
    }
}
