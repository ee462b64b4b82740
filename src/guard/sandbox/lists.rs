//! The paths that matter: what nobody may read, what nobody may change. Only names, no look at a disk.

use std::path::Path;

use super::profile::Kind;

/// Below the home: what a confined attempt never reads.
pub(super) const SECRETS: &[&str] = &[
    // Keys and logins.
    ".ssh",
    ".aws",
    ".azure",
    ".gnupg",
    ".kube",
    ".config/gh",
    ".config/gcloud",
    ".config/op",
    ".config/hub",
    ".config/doctl",
    ".docker",
    ".netrc",
    ".git-credentials",
    ".config/git/credentials",
    ".pypirc",
    ".terraform.d",
    ".vault-token",
    ".password-store",
    ".local/share/keyrings",
    ".cargo/credentials.toml",
    ".cargo/credentials",
    // Browsers.
    ".mozilla",
    ".thunderbird",
    ".config/google-chrome",
    ".config/google-chrome-beta",
    ".config/chromium",
    ".config/BraveSoftware",
    ".config/microsoft-edge",
    ".config/vivaldi",
    ".config/opera",
    ".var/app",
    "snap/firefox",
    "snap/chromium",
    "Library/Keychains",
    "Library/Cookies",
    "Library/Application Support/Google/Chrome",
    "Library/Application Support/Firefox",
    // Sockets that command other machines.
    ".colima",
    ".lima",
    ".orbstack",
    ".rd",
];

/// Below every folder that may be written and is a workspace: what runs or steers programs of people later on.
pub(super) const WORKSPACE: &[(&str, Kind)] = &[
    (".git/hooks", Kind::Folder),
    (".git/config", Kind::Text("")),
    (".mcp.json", Kind::Text("{\"mcpServers\":{}}\n")),
    (".claude", Kind::Folder),
    (".codex", Kind::Folder),
    (".gemini", Kind::Folder),
    (".cursor", Kind::Folder),
    (".vscode", Kind::Folder),
    (".orch", Kind::Folder),
    ("orch.toml", Kind::Text("")),
    ("orch.lock", Kind::Text("")),
];

/// When what only holds a place was made: one second after the beginning of time, as no real file was.
pub const PLACEHOLDER_TIME: i64 = 1;

/// What a file of a workspace holds while it only holds the place of one that is absent.
#[must_use]
pub fn placeholder(path: &Path) -> Option<&'static str> {
    WORKSPACE.iter().find_map(|(name, kind)| match kind {
        Kind::Text(text) if path == Path::new(name) => Some(*text),
        Kind::Text(_) | Kind::Folder | Kind::Log => None,
    })
}

/// Below every folder that may be written: what must not be there afterwards where it was not there before. An empty one
/// would change what git does, so it cannot be held by being there.
pub(super) const NEVER_NEW: &[&str] = &[".git/commondir", ".git/config.worktree"];

/// Below the home: what shells and sessions run by themselves.
pub(super) const STARTUP: &[(&str, Kind)] = &[
    (".bashrc", Kind::Text("")),
    (".bash_profile", Kind::Text("")),
    (".bash_login", Kind::Text("")),
    (".bash_logout", Kind::Text("")),
    (".profile", Kind::Text("")),
    (".zshrc", Kind::Text("")),
    (".zshenv", Kind::Text("")),
    (".zprofile", Kind::Text("")),
    (".zlogin", Kind::Text("")),
    (".inputrc", Kind::Text("")),
    (".gitconfig", Kind::Text("")),
    (".npmrc", Kind::Text("")),
    (".config/fish", Kind::Folder),
    (".config/git", Kind::Folder),
    (".config/systemd", Kind::Folder),
    (".config/autostart", Kind::Folder),
    (".config/environment.d", Kind::Folder),
    (".local/bin", Kind::Folder),
    (".cargo/bin", Kind::Folder),
];

/// Below the home: where a program keeps what it has downloaded or made, by the program's name. Never a folder of
/// programs on the search path, of settings, or of what a shell reads.
pub const CACHES: &[(&str, &[&str])] = &[
    ("cargo", &[".cargo/registry", ".cargo/git"]),
    ("npm", &[".npm", ".cache/node-gyp"]),
    ("yarn", &[".cache/yarn", ".yarn/berry/cache"]),
    ("pnpm", &[".local/share/pnpm/store", ".cache/pnpm"]),
    ("corepack", &[".cache/node/corepack"]),
    ("bun", &[".bun/install/cache"]),
    ("deno", &[".cache/deno"]),
    ("go", &["go/pkg", ".cache/go-build"]),
    ("pip", &[".cache/pip"]),
    ("pip3", &[".cache/pip"]),
    ("uv", &[".cache/uv"]),
    ("poetry", &[".cache/pypoetry"]),
    ("mvn", &[".m2/repository"]),
    ("gradle", &[".gradle/caches", ".gradle/daemon", ".gradle/native", ".gradle/wrapper/dists"]),
    ("dotnet", &[".nuget/packages"]),
    ("composer", &[".cache/composer"]),
    ("ccache", &[".cache/ccache"]),
    ("sccache", &[".cache/sccache"]),
    ("zig", &[".cache/zig"]),
];

/// Below the home: what agent programs take as orders in later sessions.
pub(super) const AGENTS: &[(&str, Kind)] = &[
    (".claude/settings.json", Kind::Text("{}\n")),
    (".claude/settings.local.json", Kind::Text("{}\n")),
    (".claude/hooks", Kind::Folder),
    (".claude/agents", Kind::Folder),
    (".claude/commands", Kind::Folder),
    (".claude/skills", Kind::Folder),
    (".codex/config.toml", Kind::Text("")),
    (".gemini/settings.json", Kind::Text("{}\n")),
];

/// Below the home: where an agent's program keeps its sessions and logins, by the runtime's name.
#[must_use]
pub fn agent_homes(runtime: &str) -> &'static [&'static str] {
    match runtime {
        "claude" => &[".claude", ".claude.json", ".cache/claude-cli-nodejs", ".local/share/claude"],
        "codex" => &[".codex"],
        "gemini" => &[".gemini"],
        "copilot" => &[".copilot", ".cache/copilot"],
        "opencode" => &[".config/opencode", ".local/share/opencode", ".local/state/opencode", ".cache/opencode"],
        _ => &[],
    }
}
