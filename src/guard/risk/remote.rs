//! Programs that work on what others use: what is not known to look changes something. Knows no single command; those
//! that need a reason of their own have rows.

use std::ops::Range;

use super::{judge::Judge, tables::positionals};
use crate::definition::policy::{Level, RiskClass};

/// How many words may stand before the one that looks.
const WORDS_MAX: usize = 5;

/// Clouds, clusters and hosted services.
const REMOTE: &[&str] = &[
    "aws",
    "gcloud",
    "gsutil",
    "bq",
    "az",
    "doctl",
    "linode-cli",
    "hcloud",
    "scw",
    "oci",
    "ibmcloud",
    "vultr-cli",
    "civo",
    "openstack",
    "aliyun",
    "tccli",
    "exo",
    "heroku",
    "fly",
    "flyctl",
    "railway",
    "netlify",
    "ntl",
    "wrangler",
    "supabase",
    "neonctl",
    "neon",
    "pscale",
    "turso",
    "firebase",
    "render",
    "koyeb",
    "northflank",
    "kubectl",
    "oc",
    "helm",
    "argocd",
    "flux",
    "istioctl",
    "pulumi",
    "terraform",
    "tofu",
    "terragrunt",
    "eksctl",
    "kops",
    "databricks",
    "snow",
    "confluent",
    "atlas",
    "cf",
    "upctl",
    "nebius",
    "yc",
    "pgcenter",
    "auth0",
    "okta",
    "contentful",
    "sanity",
    "algolia",
    "launchdarkly",
    "ldcli",
    "sentry-cli",
    "ovhcloud",
    "stackit",
    "e2ectl",
    "b2",
    "rclone",
    "gcrane",
    "meltano",
    "dbt",
    "temporal",
    "nats",
    "rpk",
    "kcat",
];

/// Words that look, or work on this machine only.
const LOOKS: &[&str] = &[
    "about",
    "api-resources",
    "api-versions",
    "apps",
    "build",
    "buckets",
    "cat",
    "check",
    "cluster-info",
    "compile",
    "completion",
    "config",
    "convert",
    "cost",
    "current-context",
    "debug",
    "deps",
    "dep",
    "dependency",
    "describe",
    "dev",
    "diff",
    "docs",
    "doctor",
    "du",
    "emulators:exec",
    "emulators:start",
    "env",
    "estimate",
    "events",
    "explain",
    "filter",
    "fmt",
    "gen",
    "generate",
    "get",
    "graph",
    "head",
    "help",
    "history",
    "info",
    "init",
    "inspect",
    "kustomize",
    "lint",
    "list",
    "local",
    "locations",
    "login-status",
    "logs",
    "lookup",
    "ls",
    "new",
    "log",
    "me",
    "orgs",
    "output",
    "parse",
    "plan",
    "platforms",
    "port-forward",
    "preview",
    "providers",
    "proxy",
    "ps",
    "query",
    "read",
    "regions",
    "releases",
    "repo",
    "run-local",
    "scan",
    "search",
    "select",
    "serve",
    "show",
    "size",
    "sizes",
    "snippets",
    "start",
    "stat",
    "status",
    "stop",
    "summary",
    "synth",
    "tail",
    "template",
    "templates",
    "test",
    "top",
    "tree",
    "types",
    "validate",
    "verify",
    "version",
    "view",
    "wait",
    "watch",
    "who-am-i",
    "whoami",
    "why",
    "zones",
    "discover",
];
/// Beginnings of such words.
const LOOKS_SO: &[&str] = &[
    "batch-get",
    "check-",
    "count-",
    "describe-",
    "download-docs",
    "estimate-",
    "filter-",
    "get-",
    "head-",
    "list-",
    "lookup-",
    "preview-",
    "search-",
    "select-",
    "show-",
    "simulate-",
    "test-",
    "validate-",
    "view-",
];
/// Programs for which `start`, `stop` and `run` mean this machine.
const LOCAL_STARTS: &[&str] = &["supabase", "firebase", "dbt", "meltano"];

impl Judge<'_> {
    /// A word that is not known to look, where the rows know nothing worse.
    pub fn remote_change(&mut self, name: &str, args: &[String], span: &Range<usize>) {
        if !REMOTE.contains(&name)
            || args
                .iter()
                .any(|arg| matches!(arg.as_str(), "--help" | "--version" | "-version") || arg.starts_with("--dry-run"))
        {
            return;
        }
        let words = positionals(name, args);
        let looks = |word: &&str| {
            let word = word.to_lowercase();
            let last = word.rsplit(':').next().unwrap_or("");
            let here =
                matches!(last, "start" | "stop" | "test" | "build" | "compile" | "parse" | "run" | "deps" | "docs");
            let is_local = LOCAL_STARTS.contains(&name) || !matches!(last, "start" | "stop" | "run");
            (LOOKS.contains(&word.as_str())
                || LOOKS.contains(&last)
                || LOOKS_SO.iter().any(|start| word.starts_with(start))
                || here)
                && is_local
        };
        if words.is_empty() || words.iter().take(WORDS_MAX).any(looks) {
            return;
        }
        let why = format!("`{name} {}` is not known to only look at what others use", super::targets::show(words[0]));
        self.find(
            Level::L3,
            RiskClass::Infra,
            "remote-change",
            why,
            "look first (`list`, `describe`), and let a person change it",
            span,
        );
    }
}
