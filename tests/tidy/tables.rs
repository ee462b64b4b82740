//! What the tidy checks allow: the order of the rooms, the home of each outside library, and the exceptions.

/// The rooms; each may import only those to its left and itself.
pub const ROOMS: &[&str] = &[
    "base",
    "definition",
    "template",
    "plan",
    "scheduler",
    "journal",
    "guard",
    "runtime",
    "execute",
    "driver",
    "config",
    "service",
    "http",
    "cli",
];

/// Rooms that get time, chance and the outside as inputs.
pub const PURE: &[&str] = &["base", "template", "plan", "scheduler"];

/// What brings them in.
pub const OUTSIDE: &[&str] = &[
    "env",
    "fs",
    "io::stdin",
    "io::stdout",
    "io::stderr",
    "net",
    "os",
    "process",
    "thread",
    "time::Instant",
    "time::SystemTime",
];

/// What a room may not see although it lies below it.
pub const NEVER: &[(&str, &[&str])] = &[
    ("scheduler", &["definition::load", "plan::compile"]),
    ("runtime", &["scheduler", "plan", "journal"]),
    ("execute", &["scheduler", "plan", "journal"]),
];

/// All that the front ends see of the rooms below `config`: notices, snapshots, and the words of a person's answer.
pub const NOTICES_AND_SNAPSHOTS: &[&str] = &[
    "driver::RunEvent",
    "driver::What",
    "scheduler::AttemptId",
    "scheduler::Answer",
    "scheduler::Cause",
    "scheduler::Decision",
    "scheduler::InstanceId",
    "scheduler::Spent",
    "scheduler::StepState",
    "scheduler::Strength",
];

/// The home of each outside library: the rooms or files that may name it. `*` is everywhere.
pub const LIBRARIES: &[(&str, &[&str])] = &[
    ("annotate_snippets", &["src/base/render/text.rs"]),
    ("anstream", &["src/cli/"]),
    ("anstyle", &["src/cli/"]),
    ("axum", &["src/http/"]),
    ("axum_server", &["src/http/connections.rs", "src/http/server.rs"]),
    ("blake3", &["src/base/digest.rs", "src/journal/sqlite/rows.rs"]),
    ("chrono", &["src/service/"]),
    ("clap", &["src/cli/"]),
    ("clap_complete", &["src/cli/completions.rs"]),
    ("figment", &["src/config/"]),
    ("getrandom", &["src/base/random.rs"]),
    (
        "globset",
        &[
            "src/definition/activation.rs",
            "src/definition/load/policy.rs",
            "src/guard/risk/assess.rs",
            "src/plan/compile/",
            "src/execute/globs.rs",
        ],
    ),
    ("governor", &["src/http/access/limit.rs"]),
    ("gray_matter", &["src/definition/load/frontmatter.rs"]),
    ("hyper_util", &["src/http/server.rs"]),
    ("include_dir", &["src/definition/load/builtin.rs"]),
    ("indicatif", &["src/cli/live.rs"]),
    (
        "jsonschema",
        &[
            "src/base/schema.rs",
            "src/driver/evaluate.rs",
            "src/http/spec/checks.rs",
            "src/plan/compile/",
            "src/service/",
        ],
    ),
    ("jsonwebtoken", &["src/http/access/jwt.rs"]),
    ("landlock", &["src/execute/process/confine/rules.rs"]),
    ("lettre", &["src/execute/mail.rs"]),
    ("lsp_server", &["src/cli/lsp/"]),
    ("lsp_types", &["src/cli/lsp/"]),
    ("minijinja", &["src/template/"]),
    ("nix", &["src/definition/load/bytes.rs", "src/guard/audit/key.rs", "src/execute/", "src/service/"]),
    ("notify", &["src/service/dev/"]),
    ("opentelemetry", &["src/service/traces/otlp.rs"]),
    ("opentelemetry_otlp", &["src/service/traces/otlp.rs"]),
    ("opentelemetry_sdk", &["src/service/traces/otlp.rs"]),
    ("petgraph", &["src/plan/"]),
    ("prometheus_client", &["src/http/metrics.rs", "src/http/system_figures.rs"]),
    (
        "pulldown_cmark",
        &["src/definition/load/literate.rs", "src/definition/import/prose/outline.rs", "src/execute/answer_files.rs"],
    ),
    ("regex", &["src/execute/service/look.rs", "src/guard/leaks.rs", "src/guard/redact/finder.rs"]),
    ("regex_syntax", &["src/guard/redact/finder.rs"]),
    ("reqwest", &["src/execute/outgoing.rs", "src/execute/service/http.rs", "src/service/traces/otlp.rs"]),
    ("ring", &["src/guard/api_keys.rs", "src/guard/audit/key.rs", "src/guard/signing.rs", "src/http/access/jwt.rs"]),
    ("rusqlite", &["src/journal/sqlite/"]),
    (
        "rustix",
        &[
            "src/guard/root.rs",
            "src/guard/trust.rs",
            "src/execute/process/",
            "src/service/project.rs",
            "src/service/added/shelf.rs",
            "src/cli/live.rs",
        ],
    ),
    ("rustls", &["src/execute/outgoing.rs", "src/execute/service/http.rs", "src/http/", "src/service/traces/otlp.rs"]),
    ("seccompiler", &["src/execute/process/confine/calls.rs"]),
    ("serde", &["*"]),
    ("serde_json", &["*"]),
    ("serde_yaml", &["src/definition/load/", "src/runtime/recording.rs", "src/runtime/tape.rs"]),
    (
        "shell_words",
        &["src/execute/process/", "src/service/", "src/cli/", "src/template/filters.rs", "src/runtime/program/hook.rs"],
    ),
    ("signature", &["src/http/access/jwt.rs"]),
    ("similar", &["src/service/"]),
    ("socket2", &["src/http/connections.rs"]),
    ("strsim", &["src/base/suggest.rs"]),
    ("subtle", &["src/guard/api_keys.rs"]),
    ("sysinfo", &["src/service/serve/machine.rs"]),
    ("tempfile", &["src/guard/", "src/service/cases/drive.rs", "src/service/runtime_test.rs"]),
    ("thiserror", &["*"]),
    ("tokio", &["src/journal/", "src/execute/", "src/driver/", "src/service/", "src/http/", "src/cli/"]),
    ("tokio_stream", &["src/http/live/sse.rs"]),
    ("toml_edit", &["src/config/", "src/definition/load/lock.rs", "src/definition/load/toml.rs"]),
    ("tower_http", &["src/http/server.rs"]),
    (
        "tracing",
        &[
            "src/driver/",
            "src/execute/hushed.rs",
            "src/execute/watch.rs",
            "src/service/",
            "src/http/",
            "src/cli/log/",
            "src/cli/serve.rs",
        ],
    ),
    ("tracing_subscriber", &["src/cli/log/"]),
    ("unicode_width", &["src/cli/clean.rs"]),
];

/// One allowed breach of a rule.
pub struct Exception {
    /// The rule's name.
    pub rule: &'static str,
    /// What the fault begins with: a file, and for some rules what stands in it.
    pub place: &'static str,
    /// Why it is right here.
    pub reason: &'static str,
}

const fn because(rule: &'static str, place: &'static str, reason: &'static str) -> Exception {
    Exception { rule, place, reason }
}

/// All of them; one that no longer excuses anything is a fault itself.
pub const EXCEPTIONS: &[Exception] = &[
    because(
        "front",
        "src/cli/drive.rs: driver::",
        "the verbs that own a run hand the driver its watchers and its clock",
    ),
    because(
        "front",
        "src/cli/drive.rs: scheduler::Event",
        "Ctrl-C and an answer on the terminal are events of the run",
    ),
    because("front", "src/cli/drive.rs: execute::tree_digest", "the final block proves the tree by its digest"),
    because("front", "src/cli/dev_run.rs: driver::", "`orch dev` owns runs as `orch run` does"),
    because("front", "src/cli/dev_run.rs: scheduler::Event", "Ctrl-C and an answer are events of the run"),
    because("front", "src/cli/plan.rs: plan::draw", "`orch plan` prints the drawings, which are pure texts"),
    because("front", "src/cli/resume.rs: driver::exit_code", "a run that has succeeded is told apart by its exit code"),
    because("front", "src/cli/serve.rs: http::", "`orch serve` starts the other front end, and is no other part of it"),
    because("front", "src/http/pages/shell.rs: template::Views", "pages are drawn by the one engine"),
    because("front", "src/cli/run.rs: definition::load", "a file of inputs is read by the one hardened YAML parser"),
    because(
        "front",
        "src/cli/watch.rs: driver::",
        "a journal is followed and told as notices by the driver's own words",
    ),
    because(
        "environment",
        "src/execute/process/confine/enter.rs",
        "the helper is given the environment of the command that it becomes under names of its own",
    ),
    because(
        "environment",
        "src/execute/process/confine/probe.rs",
        "what leaves ways to a sandbox out is asked where they are tried, and can only take away",
    ),
    because("pure", "src/base/hosts.rs: std::net::IpAddr", "an address is a number; nobody is reached"),
    because("pure", "src/base/hosts.rs: std::net::Ipv4Addr", "an address is a number; nobody is reached"),
    because("pure", "src/base/hosts.rs: std::net::Ipv6Addr", "an address is a number; nobody is reached"),
    because("exit", "src/service/preflight.rs: E0312", "a missing program ends a run with 22 where a gate names it"),
];
