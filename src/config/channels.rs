//! Reads `[notify.NAME]`: where people are told what runs need of them.
//!
//! Knows nobody who sends anything. Invariant: no value that opens something stands in a file; it is named by its place.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Range,
    time::Duration,
};

use toml_edit::{Item, TableLike};

use crate::{
    base::{is_host_entry, parse_duration},
    config::{
        file::{Reader, key_span},
        form::is_name,
        layer::Layer,
        origin::Origin,
    },
    definition::SecretSource,
    execute::MailTls,
    template::Template,
};

/// What may be said of a channel.
pub(super) const CHANNEL_KEYS: &[&str] = &[
    "via",
    "events",
    "workflows",
    "projects",
    "title",
    "text",
    "dashboard",
    "allow",
    "url",
    "secret",
    "server",
    "tls",
    "from",
    "to",
    "user",
    "password",
    "command",
    "time",
];
/// The names that a template may read; each is always there, and empty where there is nothing to say.
pub const NOTICE_NAMES: &[&str] =
    &["event", "says", "run", "workflow", "project", "step", "status", "why", "about", "cost", "command", "link", "at"];
/// The longest template, in bytes.
const TEMPLATE_BYTES_MAX: usize = 4_000;
/// Whom one channel writes to at most.
const RECIPIENTS_MAX: usize = 20;

/// What somebody is told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeKind {
    /// A person must decide.
    Decision,
    /// A run has succeeded.
    Finished,
    /// A run has failed or was cancelled.
    Failed,
    /// A person must say how an attempt ended.
    Unknown,
    /// Most of a budget, or all of it, is used up.
    Budget,
}

impl NoticeKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Decision, Self::Finished, Self::Failed, Self::Unknown, Self::Budget];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Budget => "budget",
        }
    }
}

/// One way to tell somebody something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// How.
    pub via: Via,
    /// About what; all where nobody says.
    pub events: Vec<NoticeKind>,
    /// Of which workflows; a `*` stands for anything. All where there are none.
    pub workflows: Vec<String>,
    /// Of which projects, in the same way.
    pub projects: Vec<String>,
    /// The title, where it is not the usual one.
    pub title: Option<Template>,
    /// The text, where it is not the usual one.
    pub text: Option<Template>,
    /// Where the dashboard is, for links.
    pub dashboard: Option<String>,
    /// Hosts that are reached although they are not of the open network.
    pub allow: Vec<String>,
    /// Whether it stands in the user's own file; that of a project needs trust.
    pub is_own: bool,
    /// Where it stands.
    pub origin: Origin,
}

/// How somebody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// A Slack incoming webhook, whose address is the secret.
    Slack {
        /// The address.
        url: SecretSource,
    },
    /// A signed request.
    Webhook {
        /// Where to.
        url: Place,
        /// What it is signed with.
        secret: SecretSource,
    },
    /// A mail.
    Email(Box<Email>),
    /// A notice of the desktop.
    Desktop,
    /// A program of the user's.
    Command {
        /// Program and arguments.
        words: Vec<String>,
        /// How long it may take.
        time: Duration,
    },
}

impl Via {
    /// Where the values are that it needs.
    #[must_use]
    pub fn secrets(&self) -> Vec<&SecretSource> {
        match self {
            Self::Slack { url } => vec![url],
            Self::Webhook { url: Place::Open(_), secret } => vec![secret],
            Self::Webhook { url: Place::Secret(url), secret } => vec![secret, url],
            Self::Email(email) => email.login.iter().map(|(_, password)| password).collect(),
            Self::Desktop | Self::Command { .. } => Vec::new(),
        }
    }

    /// Its word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Slack { .. } => "slack",
            Self::Webhook { .. } => "webhook",
            Self::Email(_) => "email",
            Self::Desktop => "desktop",
            Self::Command { .. } => "command",
        }
    }
}

/// An address that stands there, or that is a secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// As it stands.
    Open(String),
    /// Where it is.
    Secret(SecretSource),
}

/// How a mail is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// The server, `HOST:PORT`.
    pub server: String,
    /// How the connection is protected.
    pub tls: MailTls,
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
    /// As whom the server is asked, and with what.
    pub login: Option<(String, SecretSource)>,
}

/// What was read of a channel so far.
#[derive(Default)]
struct Draft {
    words: BTreeMap<&'static str, String>,
    lists: BTreeMap<&'static str, Vec<String>>,
    secrets: BTreeMap<&'static str, SecretSource>,
}

impl Reader<'_> {
    pub(super) fn channels(&mut self, channels: &dyn TableLike) {
        for (name, item) in channels.iter() {
            let at = key_span(channels, name);
            if !is_name(name) {
                self.refuse(at, "notify", "this cannot be a channel's name", "use letters, digits, `_` and `-`");
            } else if let Some(table) = item.as_table_like() {
                self.channel(name, at, table);
            } else {
                let help = format!("write a table: [notify.{name}] and below it via = \"desktop\"");
                self.refuse(at, &format!("notify.{name}"), "this is no table", &help);
            }
        }
    }

    fn channel(&mut self, name: &str, at: Range<usize>, table: &dyn TableLike) {
        let before = self.layer.faults.len();
        let mut draft = Draft::default();
        for (key, item) in table.iter() {
            let path = format!("notify.{name}.{key}");
            let place = item.span().unwrap_or_else(|| key_span(table, key));
            let Some(known) = CHANNEL_KEYS.iter().find(|known| **known == key) else {
                self.unknown(key_span(table, key), &format!("notify.{name}"), key);
                continue;
            };
            match *known {
                "events" | "workflows" | "projects" | "allow" | "to" | "command" => {
                    if let Some(list) = self.texts(&path, place, item) {
                        draft.lists.insert(known, list);
                    }
                }
                "secret" | "password" => {
                    if let Some(source) = self.secret(&path, place, item) {
                        draft.secrets.insert(known, source);
                    }
                }
                "url" if item.as_table_like().is_some() => {
                    if let Some(source) = self.secret(&path, place, item) {
                        draft.secrets.insert(known, source);
                    }
                }
                _ => match item.as_str() {
                    Some(text) => drop(draft.words.insert(known, text.to_owned())),
                    None => self.refuse(place, &path, "this is no text", "write it in quotes"),
                },
            }
        }
        if self.layer.faults.len() > before {
            return;
        }
        let origin = self.place.origin(self.source.position(at.start).line);
        match made(name, draft, !self.place.is_project, origin) {
            Ok(channel) => self.layer.channels.push(channel),
            Err((key, cause, help)) => {
                let place = table.get(key).and_then(Item::span).unwrap_or(at);
                self.refuse(place, &format!("notify.{name}.{key}"), &cause, &help);
            }
        }
    }

    /// A list of texts; one text is a list of one.
    pub(super) fn texts(&mut self, path: &str, at: Range<usize>, item: &Item) -> Option<Vec<String>> {
        if let Some(text) = item.as_str() {
            return Some(vec![text.to_owned()]);
        }
        let list = item.as_array().map(|list| list.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect());
        let list: Option<Vec<String>> =
            list.filter(|texts: &Vec<String>| item.as_array().map(toml_edit::Array::len) == Some(texts.len()));
        if list.is_none() {
            self.refuse(at, path, "this is no list of texts", "write [\"one\", \"another\"]");
        }
        list
    }

    /// Where a value is that opens something.
    pub(super) fn secret(&mut self, path: &str, at: Range<usize>, item: &Item) -> Option<SecretSource> {
        let help =
            "say where it is: { env = \"NAME\" }, { file = \"~/.keys/name\" } or { command = [\"pass\", \"name\"] }";
        let entries: Vec<_> = item.as_table_like().map(|table| table.iter().collect()).unwrap_or_default();
        let source = match entries.as_slice() {
            [("env", value)] => value.as_str().map(|name| SecretSource::Env(name.to_owned())),
            [("file", value)] => value.as_str().map(|path| SecretSource::File(path.to_owned())),
            [("command", value)] => self.texts(path, at.clone(), value).map(SecretSource::Command),
            _ => None,
        };
        let source = source.filter(|source| match source {
            SecretSource::Env(text) | SecretSource::File(text) => !text.is_empty(),
            SecretSource::Command(words) => words.first().is_some_and(|word| !word.is_empty()),
        });
        if source.is_none() {
            self.refuse(at, path, "this does not say where the value is", help);
        }
        source
    }
}

/// By name, and those whose name is taken: a project cannot silence a channel of the user's own.
pub(super) fn merged(layers: &[Layer]) -> (BTreeMap<String, Channel>, Vec<Channel>) {
    let (mut channels, mut overruled) = (BTreeMap::new(), Vec::new());
    let (own, others): (Vec<_>, Vec<_>) = layers.iter().flat_map(|layer| &layer.channels).partition(|one| one.is_own);
    for channel in own.into_iter().chain(others).cloned() {
        match channels.entry(channel.name.clone()) {
            Entry::Vacant(place) => drop(place.insert(channel)),
            Entry::Occupied(_) => overruled.push(channel),
        }
    }
    (channels, overruled)
}

type Refused = (&'static str, String, String);

fn refused(key: &'static str, cause: impl Into<String>, help: impl Into<String>) -> Refused {
    (key, cause.into(), help.into())
}

fn made(name: &str, mut draft: Draft, is_own: bool, origin: Origin) -> Result<Channel, Refused> {
    let via = draft.words.remove("via").unwrap_or_default();
    let kinds = "slack, email, webhook, desktop or command";
    let taken: &[&str] = match via.as_str() {
        "slack" => &["url"],
        "webhook" => &["url", "secret"],
        "email" => &["server", "tls", "from", "to", "user", "password"],
        "desktop" => &[],
        "command" => &["command", "time"],
        _ => {
            return Err(refused(
                "via",
                "this is no way to tell somebody something",
                format!("write via = one of {kinds}"),
            ));
        }
    };
    const GENERAL: &[&str] = &["events", "workflows", "projects", "title", "text", "dashboard", "allow"];
    let given = draft.words.keys().chain(draft.lists.keys()).chain(draft.secrets.keys());
    if let Some(odd) = given.copied().find(|key| !taken.contains(key) && !GENERAL.contains(key)) {
        return Err(refused(odd, format!("a channel by {via} has no use for it"), "take it out"));
    }
    let way = way(&via, &mut draft)?;
    let list = |draft: &mut Draft, key| draft.lists.remove(key).unwrap_or_default();
    let mut events = Vec::new();
    for word in list(&mut draft, "events") {
        let kind = NoticeKind::ALL.into_iter().find(|kind| kind.word() == word);
        let all = NoticeKind::ALL.map(NoticeKind::word).join(", ");
        events.push(kind.ok_or_else(|| refused("events", format!("`{}` is no event", word.escape_debug()), all))?);
    }
    let allow = list(&mut draft, "allow");
    if let Some(odd) = allow.iter().find(|entry| !is_host_entry(entry)) {
        let cause = format!("`{}` is no host", odd.escape_debug());
        return Err(refused("allow", cause, "write HOST:PORT: \"127.0.0.1:9000\""));
    }
    let dashboard = draft.words.remove("dashboard");
    if dashboard.as_deref().is_some_and(|url| !is_web(url)) {
        return Err(refused("dashboard", "this is no address of a page", "write \"https://orch.example.com\""));
    }
    let (workflows, projects) = (list(&mut draft, "workflows"), list(&mut draft, "projects"));
    let (title, text) = (template("title", &mut draft)?, template("text", &mut draft)?);
    let name = name.to_owned();
    Ok(Channel { name, via: way, events, workflows, projects, title, text, dashboard, allow, is_own, origin })
}

fn is_web(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && rest.len() < 300 && rest.bytes().all(|byte| byte.is_ascii_graphic()))
}

fn way(via: &str, draft: &mut Draft) -> Result<Via, Refused> {
    let missing = |key: &'static str, help: &str| refused(key, format!("a channel by {via} needs `{key}`"), help);
    match via {
        "slack" => {
            let url = draft.secrets.remove("url");
            url.map(|url| Via::Slack { url }).ok_or_else(|| {
                missing(
                    "url",
                    "whoever has the address may write there, so say where it is: url = { env = \"SLACK_WEBHOOK\" }",
                )
            })
        }
        "webhook" => {
            let open = draft.words.remove("url").map(Place::Open);
            let url = open.or_else(|| draft.secrets.remove("url").map(Place::Secret));
            let url = url.ok_or_else(|| missing("url", "url = \"https://example.com/orch\""))?;
            if let Place::Open(url) = &url
                && !is_web(url)
            {
                return Err(refused("url", "this is no address", "write \"https://example.com/orch\""));
            }
            let secret = draft.secrets.remove("secret");
            let secret =
                secret.ok_or_else(|| missing("secret", "what it is signed with: secret = { env = \"NAME\" }"))?;
            Ok(Via::Webhook { url, secret })
        }
        "email" => email(draft).map(|email| Via::Email(Box::new(email))),
        "command" => {
            let words = draft.lists.remove("command").filter(|words| words.first().is_some_and(|one| !one.is_empty()));
            let words = words.ok_or_else(|| missing("command", "command = [\"./tell.sh\"]"))?;
            let time = draft.words.remove("time").unwrap_or_else(|| "30s".to_owned());
            let time = parse_duration(&time).ok().filter(|time| (1..=300).contains(&time.as_secs()));
            Ok(Via::Command {
                words,
                time: time.ok_or_else(|| refused("time", "this is no time from 1s to 5m", "30s"))?,
            })
        }
        _ => Ok(Via::Desktop),
    }
}

fn email(draft: &mut Draft) -> Result<Email, Refused> {
    let mut word = |key: &'static str, help: &str| {
        let found = draft.words.remove(key).filter(|text| !text.is_empty() && !text.chars().any(char::is_control));
        found.ok_or_else(|| refused(key, format!("a channel by email needs `{key}`"), help))
    };
    let server = word("server", "server = \"smtp.example.com:587\"")?;
    if crate::base::Target::of(&server, None).is_none() {
        return Err(refused("server", "this is no HOST:PORT", "server = \"smtp.example.com:587\""));
    }
    let from = word("from", "from = \"orch@example.com\"")?;
    let tls = match draft.words.remove("tls").as_deref() {
        None | Some("starttls") => MailTls::Start,
        Some("tls") => MailTls::Whole,
        Some("none") => MailTls::None,
        Some(_) => return Err(refused("tls", "this is no protection", "starttls, tls or none")),
    };
    let to = draft.lists.remove("to").unwrap_or_default();
    if !(1..=RECIPIENTS_MAX).contains(&to.len()) {
        return Err(refused(
            "to",
            format!("a mail goes to 1 to {RECIPIENTS_MAX} addresses"),
            "to = [\"ada@example.com\"]",
        ));
    }
    if let Some(odd) = to.iter().chain([&from]).find(|one| !one.contains('@') || one.chars().any(char::is_control)) {
        let key = if *odd == from { "from" } else { "to" };
        return Err(refused(key, "this is no address of a mail", "write \"ada@example.com\""));
    }
    let login = match (draft.words.remove("user"), draft.secrets.remove("password")) {
        (Some(user), Some(password)) => Some((user, password)),
        (None, None) => None,
        _ => return Err(refused("password", "`user` and `password` belong together", "give both, or neither")),
    };
    if login.is_some() && tls == MailTls::None {
        return Err(refused("tls", "the password would be sent in clear", "take starttls or tls"));
    }
    Ok(Email { server, tls, from, to, login })
}

fn template(key: &'static str, draft: &mut Draft) -> Result<Option<Template>, Refused> {
    let Some(text) = draft.words.remove(key) else { return Ok(None) };
    let known = || format!("it may read: {}", NOTICE_NAMES.join(", "));
    if text.len() > TEMPLATE_BYTES_MAX {
        return Err(refused(key, format!("it is longer than {TEMPLATE_BYTES_MAX} bytes"), "write less"));
    }
    let template = Template::parse(&text).map_err(|error| refused(key, error.to_string(), known()))?;
    let odd = template
        .references()
        .iter()
        .filter_map(|one| one.path.first())
        .find(|root| !NOTICE_NAMES.contains(&root.as_str()));
    if let Some(odd) = odd {
        return Err(refused(key, format!("there is no `{}`", odd.escape_debug()), known()));
    }
    if !template.is_bounded() {
        return Err(refused(key, "it may take any amount of memory", "take out what multiplies texts"));
    }
    Ok(Some(template))
}
