//! Files of policy: `policy.yaml` of a project, and the user's own.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    base::{Diagnostic, Spanned, codes::definition as codes},
    definition::{
        load::{
            bytes,
            faults::Faults,
            files::Folder,
            keys::{Key, Table, table},
            reader::Reader,
            shape::Fields,
            yaml,
        },
        policy::{PolicyFile, PolicyLayer, PolicyRule, RiskClass},
    },
};

/// Entries of one list.
const ENTRIES_MAX: usize = 500;

table! {
    /// A file of policy.
    POLICY "policy" "a policy" [] {
        "$schema" "{}" "Where an editor finds this schema";
        "protected" r##"{"$ref":"#/definitions/list"}"## "Paths, or globs from the project's folder, that no agent and no command may change";
        "max_changed_files" r#"{"type":"integer","minimum":1,"maximum":1000000}"# "The most files that one attempt of an agent may change";
        "hosts" r##"{"$ref":"#/definitions/list"}"## "The only hosts that may be spoken to; `*.example.org` is every host below it";
        "ask" r##"{"$ref":"#/definitions/classes"}"## "Classes of danger that need a person's yes";
        "deny" r##"{"$ref":"#/definitions/classes"}"## "Classes of danger that never pass";
        "allow" r##"{"$ref":"#/definitions/classes"}"## "Classes of danger that pass without a question; in the user's own policy only";
        "commands" r##"{"$ref":"#/definitions/list"}"## "Commands, letter for letter, that pass without a question; in the user's own policy only";
    }
}

/// What the table shares: name and JSON Schema. The words of the classes are added from their own table.
pub(super) const POLICY_FORMS: &[(&str, &str)] = &[
    ("text", r#"{"type":"string"}"#),
    (
        "list",
        r##"{"anyOf":[{"$ref":"#/definitions/text"},{"type":"array","maxItems":500,"items":{"$ref":"#/definitions/text"}}]}"##,
    ),
];

/// The words of all classes, for schemas.
pub(super) fn class_words() -> Vec<&'static str> {
    RiskClass::ALL.iter().map(|class| class.word()).collect()
}

/// Reads a policy. No file is no policy; `None` beside faults means that one of them is an error.
#[must_use]
pub fn load_policy(path: &Path, shown: &Path, layer: PolicyLayer) -> (Option<PolicyFile>, Vec<Diagnostic>) {
    // A link that leads nowhere is a file that cannot be read, not one that is not there.
    if path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        return (Some(PolicyFile::default()), Vec::new());
    }
    let found = match (layer, path.parent()) {
        (PolicyLayer::Project, Some(folder)) => bytes::read_within(folder, path, shown),
        (PolicyLayer::Project | PolicyLayer::User, _) => bytes::read(path, shown),
    };
    match found {
        Ok(text) => read(&text, layer),
        Err(fault) => (None, vec![*fault]),
    }
}

/// Reads a text as a policy.
#[must_use]
pub fn load_policy_text(shown: &Path, text: &str, layer: PolicyLayer) -> (Option<PolicyFile>, Vec<Diagnostic>) {
    match bytes::decode(text.as_bytes().to_vec(), shown) {
        Ok(text) => read(&text, layer),
        Err(fault) => (None, vec![*fault]),
    }
}

fn read(text: &bytes::Text, layer: PolicyLayer) -> (Option<PolicyFile>, Vec<Diagnostic>) {
    let source = &*text.source;
    let mut faults = Faults::new(&text.source);
    text.notes.iter().cloned().for_each(|note| faults.add(note));
    // A policy names no other file, so it has no folder.
    let folder = Folder::Builtin(PathBuf::new());
    let policy = yaml::parse(source, 0..source.text.len(), &mut faults).and_then(|node| {
        let mut reader = Reader { source, faults: &mut faults, folder: &folder, steps: 0, secrets: Vec::new() };
        let mut fields = Fields::open(&node, &POLICY, reader.faults)?;
        Some(reader.policy(&mut fields, layer))
    });
    let policy = policy.filter(|_| !faults.failed());
    (policy, faults.into_sorted())
}

impl Reader<'_, '_> {
    fn policy(&mut self, fields: &mut Fields<'_, '_>, layer: PolicyLayer) -> PolicyFile {
        fields.take("$schema");
        let protected = self.entries(fields, "protected").unwrap_or_default();
        self.inside(&protected);
        self.patterns(&protected);
        let max_changed_files = self.whole(fields.take("max_changed_files"), 1, 1_000_000);
        let hosts = self.entries(fields, "hosts");
        for host in hosts.iter().flatten() {
            self.host_name(host);
        }
        let mut classes: BTreeMap<RiskClass, (PolicyRule, Spanned<String>)> = BTreeMap::new();
        for (key, rule) in [("deny", PolicyRule::Deny), ("ask", PolicyRule::Ask), ("allow", PolicyRule::Allow)] {
            self.only_for_users(fields, key, layer);
            for name in self.entries(fields, key).unwrap_or_default() {
                self.class_name(key, rule, name, &mut classes);
            }
        }
        self.only_for_users(fields, "commands", layer);
        let commands = self.entries(fields, "commands").unwrap_or_default();
        let classes = classes.into_iter().map(|(class, (rule, _))| (class, rule)).collect();
        PolicyFile { protected, max_changed_files, hosts, classes, commands }
    }

    fn entries(&mut self, fields: &mut Fields<'_, '_>, key: &str) -> Option<Vec<Spanned<String>>> {
        let entry = fields.take(key)?;
        let entries = self.texts(Some(entry))?;
        if entries.len() > ENTRIES_MAX {
            let message = format!("`{key}` has {} entries, {ENTRIES_MAX} are allowed", entries.len());
            self.faults.error(codes::BAD_VALUE, entry.key_span, message, "too many to be read", "join them with globs");
        }
        Some(entries)
    }

    /// What comes with a project may take away, never give.
    fn only_for_users(&mut self, fields: &Fields<'_, '_>, key: &str, layer: PolicyLayer) {
        let gives = matches!(key, "allow" | "commands");
        if let Some(entry) = fields.peek(key).filter(|_| gives && layer == PolicyLayer::Project) {
            self.faults.error(
                codes::MISPLACED_KEY,
                entry.key_span,
                format!("`{key}` means nothing in a project's policy"),
                "what comes with a project may only refuse",
                format!("write `{key}` in your own policy, ~/.config/orch/policy.yaml"),
            );
        }
    }

    fn class_name(
        &mut self,
        key: &str,
        rule: PolicyRule,
        name: Spanned<String>,
        classes: &mut BTreeMap<RiskClass, (PolicyRule, Spanned<String>)>,
    ) {
        let words: Vec<(&str, RiskClass)> = RiskClass::ALL.iter().map(|class| (class.word(), *class)).collect();
        let Some(class) = self.word(key, &name, &words, "") else { return };
        if let Some((other, first)) = classes.get(&class).filter(|(other, _)| *other != rule) {
            let message = format!("`{}` stands under `{key}` and under `{}`", name.value, other.word());
            let fault = Diagnostic::error(codes::CONFLICT, self.faults.source(), name.span, message)
                .cause("only one of them can hold")
                .label(first.span, "the other")
                .help("keep one of the two");
            self.faults.add(fault);
        } else {
            classes.insert(class, (rule, name));
        }
    }

    fn patterns(&mut self, globs: &[Spanned<String>]) {
        for glob in globs.iter().filter(|glob| !is_pattern(&glob.value)) {
            let message = format!("`{}` is no pattern of paths", glob.value);
            let help = "close each `[` and `{`: `migrations/**`, `*.{key,pem}`";
            self.faults.error(codes::BAD_VALUE, glob.span, message, "its brackets do not match", help);
        }
    }

    fn host_name(&mut self, host: &Spanned<String>) {
        let name = host.value.strip_prefix("*.").unwrap_or(&host.value);
        let is_name = !name.is_empty()
            && name.len() <= 253
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
            && !name.starts_with('.');
        if !is_name {
            let shown: String = host.value.chars().take(60).collect();
            let help = "write the name alone: `api.github.com`, or `*.github.com` for every host below it";
            self.faults.error(
                codes::BAD_VALUE,
                host.span,
                format!("`{shown}` is no host"),
                "no name has this form",
                help,
            );
        }
    }
}

/// Whether a glob can be understood: every bracket has its end.
fn is_pattern(glob: &str) -> bool {
    globset::GlobBuilder::new(glob).literal_separator(true).build().is_ok()
}
