//! The channels of one project, and which of them may be used: the user's own, and those of the project that were trusted
//! as they stand.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;

use crate::{
    base::{Digest, Hasher},
    config::{Channel, Environment, Place, Via},
    definition::SecretSource,
    guard::{Redactor, Secret, TrustStore},
    service::{
        closure::scripts_of, guards::Guards, notices::Once, project::Project, secrets::secret_value, trust::TrustItem,
        trust::TrustState,
    },
};

/// Bytes of a script that its digest is made from.
const SCRIPT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What runs tell their people. The default tells nobody anything.
#[derive(Debug, Clone, Default)]
pub struct Notices(Option<Arc<Inner>>);

/// All that is needed to tell somebody something.
#[derive(Debug)]
pub(super) struct Inner {
    pub channels: Vec<Channel>,
    /// Those of the project that are not used, as the user has one of the same name.
    pub overruled: Vec<Channel>,
    pub root: PathBuf,
    pub project: String,
    pub environment: Environment,
    pub machine: Redactor,
    pub program: PathBuf,
    pub guards: Guards,
}

impl Notices {
    /// The channels of a project as its settings stand now.
    #[must_use]
    pub fn of(project: &Project, machine: &Redactor, program: &Path) -> Self {
        if project.settings().channels.is_empty() {
            return Self::default();
        }
        let root = project.root().to_owned();
        let name = root.file_name().map_or_else(|| "project".to_owned(), |name| name.to_string_lossy().into_owned());
        Self(Some(Arc::new(Inner {
            channels: project.settings().channels.values().cloned().collect(),
            overruled: project.settings().overruled.clone(),
            root,
            project: name,
            environment: project.environment().clone(),
            machine: machine.clone(),
            program: program.to_owned(),
            guards: Guards::of(project),
        })))
    }

    pub(super) fn inner(&self) -> Option<&Arc<Inner>> {
        self.0.as_ref()
    }
}

impl Inner {
    /// Whether a channel may be used now.
    pub fn state(&self, channel: &Channel) -> TrustState {
        if channel.is_own { TrustState::Trusted } else { channel_item(channel, &self.root, &self.environment).state }
    }

    /// Where it is kept what was told.
    pub fn folder(&self) -> Option<PathBuf> {
        self.environment.state_folder().map(|folder| folder.join("notify"))
    }

    /// What was told by anybody.
    pub fn once(&self) -> Option<Once> {
        self.folder().map(|folder| Once::of(folder.join("told")))
    }

    /// The folder from which the files and programs of a channel are named: that of whoever has written it down. One of the
    /// user's own never looks into a project, which nobody may have trusted.
    ///
    /// # Errors
    /// When there is none.
    pub fn folder_of(&self, channel: &Channel) -> Result<PathBuf, String> {
        if !channel.is_own {
            return Ok(self.root.clone());
        }
        self.environment.user_folder().ok_or_else(|| "there is no folder of your own settings".to_owned())
    }

    /// The value of a channel's secret.
    ///
    /// # Errors
    /// Why there is none.
    pub fn secret(&self, channel: &Channel, source: &SecretSource) -> Result<Secret, String> {
        let folder = self.folder_of(channel)?;
        secret_value(&format!("notify.{}", channel.name), source, &folder, &self.environment)
    }
}

/// A channel of a project's own file, as a person is asked about it.
pub(in crate::service) fn channel_item(channel: &Channel, root: &Path, environment: &Environment) -> TrustItem {
    let lines = lines(channel);
    let mut hasher = Hasher::default();
    hasher.update(json!([channel.name, lines]).to_string().as_bytes());
    let mut files = Vec::new();
    if let Via::Command { words, .. } = &channel.via {
        for file in scripts_of(root, words) {
            let mut bytes = std::fs::read(root.join(&file)).unwrap_or_default();
            bytes.truncate(SCRIPT_BYTES_MAX);
            hasher.update(Digest::of(&bytes).as_str().as_bytes());
            files.push(file.display().to_string());
        }
    }
    let (path, digest) = (format!("orch.toml [notify.{}]", channel.name), hasher.finish());
    let grant = environment.trust_folder().and_then(|folder| TrustStore::new(&folder, root).grant(&path));
    let state = match &grant {
        Some(grant) if grant.digest == digest => TrustState::Trusted,
        Some(_) => TrustState::Changed,
        None => TrustState::Untrusted,
    };
    let before = grant.filter(|_| state == TrustState::Changed).map(|grant| grant.commands);
    let (name, settings) = (format!("notify.{}", channel.name), Vec::new());
    TrustItem { name, path, state, digest, commands: lines, files, settings, before }
}

/// All that a channel does, as people read it.
fn lines(channel: &Channel) -> Vec<String> {
    let mut events: Vec<_> = channel.events.iter().map(|kind| kind.word()).collect();
    if events.is_empty() {
        events.push("every event");
    }
    let mut lines =
        vec![format!("# tells what runs ask, say and cost, by {}: {}", channel.via.word(), events.join(", "))];
    let mut secret = |what: &str, source: &SecretSource| {
        lines.push(match source {
            SecretSource::Env(name) => format!("# {what}: the variable {name}"),
            SecretSource::File(path) => format!("# {what}: the file {path}"),
            SecretSource::Command(words) => format!("# {what}: what this prints: {}", shell_words::join(words)),
        });
    };
    match &channel.via {
        Via::Slack { url } => secret("to the address in", url),
        Via::Webhook { url, secret: key } => {
            if let Place::Secret(url) = url {
                secret("to the address in", url);
            }
            secret("signed with", key);
            if let Place::Open(url) = url {
                lines.push(format!("# to {url}"));
            }
        }
        Via::Email(email) => {
            if let Some((_, password)) = &email.login {
                secret("with the password in", password);
            }
            lines.push(format!(
                "# by {} from {} to {}; {:?}",
                email.server,
                email.from,
                email.to.join(", "),
                email.tls
            ));
            lines.extend(email.login.iter().map(|(user, _)| format!("# as {user}")));
        }
        Via::Desktop => {}
        Via::Command { words, time } => lines.push(format!("{} # {} s", shell_words::join(words), time.as_secs())),
    }
    let texts = [("title", &channel.title), ("text", &channel.text)];
    lines.extend(texts.into_iter().filter_map(|(what, text)| Some(format!("# {what}: {}", text.as_ref()?.text()))));
    let lists = [("workflows", &channel.workflows), ("projects", &channel.projects), ("also reaches", &channel.allow)];
    lines.extend(
        lists
            .into_iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(what, list)| format!("# {what}: {}", list.join(", "))),
    );
    lines.extend(channel.dashboard.iter().map(|url| format!("# links to {url}")));
    lines
}
