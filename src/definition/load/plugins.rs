//! Plugins, marketplaces and extensions: which folders belong to which plugin, and what is only recorded.
//!
//! A manifest is a hint, never an order: what it names is looked for inside its own folder, nothing is run, and a
//! manifest that cannot be read costs its names and no file.

use std::{
    collections::HashSet,
    fs,
    path::{Component, Path, PathBuf},
};

use serde_json::Value;

use crate::{
    base::{Diagnostic, Span, codes::definition as codes},
    definition::{
        Dialect, Manifest, ManifestKind, Scope,
        load::{bytes, json, places::Kind},
    },
};

/// Plugins of one repository at most.
const PLUGINS_MAX: usize = 2_000;

/// One plugin.
#[derive(Debug, Clone)]
pub(super) struct Plugin {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub root: PathBuf,
    /// Files and folders that its manifest names, by kind.
    pub listed: Vec<(Kind, PathBuf)>,
    /// Kinds whose usual folder does not count, because the manifest names others.
    pub replaced: Vec<Kind>,
    /// Whether no usual folder counts.
    pub whole: bool,
}

impl Plugin {
    /// Whether the usual folder of that kind is read.
    pub fn reads_usual(&self, kind: Kind) -> bool {
        !self.whole && !self.replaced.contains(&kind)
    }
}

/// What a folder says about plugins in it.
#[derive(Debug, Default)]
pub(super) struct Plugins {
    /// The plugins, in the order of the marketplace, then of their folders.
    pub found: Vec<Plugin>,
    /// Everything that is only recorded.
    pub manifests: Vec<Manifest>,
    /// Faults of manifests.
    pub diagnostics: Vec<Diagnostic>,
}

/// Manifests outside of plugins: the file, what it is, whose it is, and the key that makes it one.
const RECORDED: &[(&str, ManifestKind, Dialect, &str)] = &[
    (".mcp.json", ManifestKind::Mcp, Dialect::ClaudeCode, ""),
    ("hooks/hooks.json", ManifestKind::Hooks, Dialect::ClaudeCode, ""),
    (".claude/settings.json", ManifestKind::Hooks, Dialect::ClaudeCode, "hooks"),
    (".claude/settings.local.json", ManifestKind::Hooks, Dialect::ClaudeCode, "hooks"),
    (".gemini/settings.json", ManifestKind::Mcp, Dialect::Gemini, "mcpServers"),
    (".cursor/mcp.json", ManifestKind::Mcp, Dialect::Cursor, ""),
    (".cursor/hooks.json", ManifestKind::Hooks, Dialect::Cursor, ""),
    (".vscode/mcp.json", ManifestKind::Mcp, Dialect::Copilot, ""),
    ("opencode.json", ManifestKind::Mcp, Dialect::OpenCode, "mcp"),
];

/// The keys of a plugin's manifest that name files and folders, and whether they replace the usual folder.
const LISTS: &[(&str, Kind, bool)] = &[
    ("agents", Kind::Agents, true),
    ("commands", Kind::Commands, true),
    ("outputStyles", Kind::OutputStyles, true),
    ("skills", Kind::Skills, false),
];

/// Looks for plugins in `root`. `own` is the plugin's name where the folder is one without saying so.
pub(super) fn scan(root: &Path, cut: &Path, scope: Scope, own: Option<&str>) -> Plugins {
    let mut scan = Scan { root, cut, scope, out: Plugins::default(), seen: HashSet::new() };
    scan.recorded(root, own);
    scan.marketplace();
    for folder in [root.to_path_buf()].into_iter().chain(folders(&root.join("plugins"))) {
        if scan.is_plugin(&folder, own.is_some() && folder == root) {
            scan.plugin(&folder, None, own.filter(|_| folder == root));
        }
    }
    for folder in folders(&root.join(".gemini/extensions")) {
        scan.plugin(&folder, None, None);
    }
    scan.out
}

struct Scan<'s> {
    root: &'s Path,
    cut: &'s Path,
    scope: Scope,
    out: Plugins,
    /// Folders that are plugins already.
    seen: HashSet<PathBuf>,
}

impl Scan<'_> {
    /// Whether a folder is a plugin; `plain` says that it is taken for one.
    fn is_plugin(&self, folder: &Path, plain: bool) -> bool {
        if self.seen.contains(folder) {
            return false;
        }
        let has = |name: &str| folder.join(name).exists();
        let marked = has(".claude-plugin/plugin.json") || has("gemini-extension.json");
        let inside = folder != self.root && ["agents", "skills", "commands"].iter().any(|name| has(name));
        // A marketplace that lists its plugins is none itself.
        marked || inside || (plain && self.out.found.is_empty())
    }

    fn marketplace(&mut self) {
        let path = self.root.join(".claude-plugin/marketplace.json");
        let Some(value) = self.read(&path) else { return };
        self.record(ManifestKind::Marketplace, Dialect::ClaudeCode, &path, &value, None);
        let base = value.pointer("/metadata/pluginRoot").and_then(Value::as_str);
        let base = base.and_then(|base| inside(self.root, self.root, base)).unwrap_or_else(|| self.root.to_path_buf());
        for entry in value.get("plugins").and_then(Value::as_array).into_iter().flatten().take(PLUGINS_MAX) {
            let folder = entry
                .get("source")
                .and_then(Value::as_str)
                .and_then(|source| inside(self.root, &base, source).or_else(|| inside(self.root, self.root, source)));
            if let Some(folder) = folder {
                self.plugin(&folder, Some(entry), None);
            }
        }
    }

    /// Adds the plugin in a folder; `entry` is what a marketplace says about it.
    fn plugin(&mut self, folder: &Path, entry: Option<&Value>, own: Option<&str>) {
        if self.out.found.len() >= PLUGINS_MAX {
            return;
        }
        self.seen.insert(folder.to_path_buf());
        let claude = folder.join(".claude-plugin/plugin.json");
        let gemini = folder.join("gemini-extension.json");
        let manifest = self.read(&claude);
        let extension = self.read(&gemini);
        let named = |value: Option<&Value>| {
            let name = value?.get("name")?.as_str()?.trim();
            (!name.is_empty()).then(|| name.to_owned())
        };
        let stem = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = named(entry)
            .or_else(|| named(manifest.as_ref()))
            .or_else(|| named(extension.as_ref()))
            .or_else(|| own.map(str::to_owned))
            .or(stem)
            .unwrap_or_else(|| "plugin".to_owned());
        if let Some(value) = &manifest {
            self.record(ManifestKind::Plugin, Dialect::ClaudeCode, &claude, value, Some(&name));
        }
        if let Some(value) = &extension {
            self.record(ManifestKind::Extension, Dialect::Gemini, &gemini, value, Some(&name));
        }
        let mut listed = Vec::new();
        let mut replaced = Vec::new();
        for value in [entry, manifest.as_ref()].into_iter().flatten() {
            for (key, kind, replaces) in LISTS {
                let paths = match value.get(key) {
                    Some(Value::String(one)) => vec![one.as_str()],
                    Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
                    _ => continue,
                };
                if *replaces {
                    replaced.push(*kind);
                }
                listed.extend(paths.iter().filter_map(|path| Some((*kind, inside(self.root, folder, path)?))));
            }
        }
        if folder != self.root {
            self.recorded(folder, Some(&name));
        }
        // An entry that is the whole definition of a plugin in a shared folder has what it lists and no more.
        let whole = entry.is_some_and(|entry| entry.get("strict") == Some(&Value::Bool(false))) && !listed.is_empty();
        self.out.found.push(Plugin { name, root: folder.to_path_buf(), listed, replaced, whole });
    }

    /// Records the manifests of a folder that are no plugin's own.
    fn recorded(&mut self, folder: &Path, plugin: Option<&str>) {
        for (name, kind, dialect, key) in RECORDED {
            let path = folder.join(name);
            if let Some(value) = self.read(&path)
                && (key.is_empty() || value.get(key).is_some())
            {
                self.record(*kind, *dialect, &path, &value, plugin);
            }
        }
    }

    fn record(&mut self, kind: ManifestKind, dialect: Dialect, path: &Path, value: &Value, plugin: Option<&str>) {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        let shown = self.shown(path).to_path_buf();
        let name = match (kind, text("name")) {
            (ManifestKind::Hooks | ManifestKind::Mcp, _) => shown.display().to_string(),
            (_, name) if name.is_empty() => shown.display().to_string(),
            (_, name) => name,
        };
        self.out.manifests.push(Manifest {
            kind,
            name,
            description: text("description"),
            path: shown,
            scope: self.scope,
            dialect,
            plugin: plugin.map(str::to_owned),
        });
    }

    /// The value of a manifest; `None` where there is none, or none that can be read, which is reported.
    fn read(&mut self, path: &Path) -> Option<Value> {
        if !path.is_file() {
            return None;
        }
        let shown = self.shown(path).to_path_buf();
        let fault = match bytes::read_within(self.root, path, &shown) {
            Ok(text) => match json::parse(&text.source) {
                Ok(value) if value.is_object() => return Some(value),
                Ok(_) => Box::new(
                    Diagnostic::error(codes::MANIFEST, &text.source, Span::new(0..1), "this manifest is no object")
                        .cause("its keys stand between `{` and `}`")
                        .help("write `{ \"name\": \"…\" }`"),
                ),
                Err(fault) => fault,
            },
            Err(fault) => fault,
        };
        self.out.diagnostics.push(fault.warning());
        None
    }

    fn shown<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(self.cut).unwrap_or(path)
    }
}

/// A path that a manifest names, where it stays inside `root` and is there.
fn inside(root: &Path, base: &Path, name: &str) -> Option<PathBuf> {
    let name = Path::new(name);
    if name.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
        return None;
    }
    let path: PathBuf = base.join(name).components().filter(|part| *part != Component::CurDir).collect();
    let real = path.canonicalize().ok()?;
    real.starts_with(root.canonicalize().ok()?).then_some(path)
}

/// The folders in a folder, sorted.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let mut found: Vec<PathBuf> = entries.flatten().filter(is_folder).map(|entry| entry.path()).collect();
    found.sort();
    found.truncate(PLUGINS_MAX);
    found
}
