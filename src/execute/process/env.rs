//! The environment of children: an explicit list, never the parent's whole environment.

use std::ffi::{OsStr, OsString};

const NAMES: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "TERM",
    "TMPDIR",
    "TZ",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Proxies are read in both spellings by the programs that use them.
const PROXIES: &[&str] = &["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "FTP_PROXY"];

/// The variables of `parent` that every child may see, in the order given.
///
/// The caller reads the environment; this room does not.
pub fn allow_list_env(parent: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    parent.into_iter().filter(|(name, _)| is_allowed(name)).collect()
}

fn is_allowed(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    NAMES.contains(&name)
        || name.starts_with("LC_")
        || PROXIES.iter().any(|proxy| *proxy == name || proxy.to_ascii_lowercase() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_names_pass() {
        let parent = [
            "PATH",
            "HOME",
            "LC_ALL",
            "https_proxy",
            "NO_PROXY",
            "SSL_CERT_FILE",
            "CLAUDECODE",
            "AWS_SECRET_ACCESS_KEY",
            "MY_PROXY",
            "LCX",
            "path",
            "LD_PRELOAD",
            "ORCH_RUN",
            "BASH_ENV",
            "Https_Proxy",
        ];
        let passed = allow_list_env(parent.map(|name| (name.into(), "x".into())));
        let names: Vec<_> = passed.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(names, ["PATH", "HOME", "LC_ALL", "https_proxy", "NO_PROXY", "SSL_CERT_FILE"]);
    }
}
