//! Which model services there are, and how one is reached. Reads no environment: who calls hands the values in.

use std::{fmt, time::Duration};

/// The wire formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Responses.
    Responses,
    /// Chat completions: DeepSeek, and most servers that people run themselves.
    Chat,
    /// Google Gemini.
    Gemini,
}

/// A model service that `orch` knows.
#[derive(Debug, Clone, Copy)]
pub struct ServiceKind {
    /// The runtime's name, and the word after `service =`.
    pub name: &'static str,
    /// What it speaks.
    pub format: Format,
    /// Where it is; empty where only the settings can say.
    pub base_url: &'static str,
    /// Variables that may hold its key; the first that is set counts.
    pub key_variables: &'static [&'static str],
    /// Variables that may hold its base URL.
    pub url_variables: &'static [&'static str],
    /// Tokens of one answer where nobody says; some services refuse more than their models can write.
    pub max_tokens: u32,
}

/// All model services that `orch` knows. The last is any server that speaks chat completions.
pub const SERVICES: &[ServiceKind] = &[
    ServiceKind {
        name: "anthropic",
        format: Format::Anthropic,
        base_url: "https://api.anthropic.com",
        key_variables: &["ANTHROPIC_API_KEY"],
        url_variables: &["ANTHROPIC_BASE_URL"],
        max_tokens: 16_000,
    },
    ServiceKind {
        name: "openai",
        format: Format::Responses,
        base_url: "https://api.openai.com/v1",
        key_variables: &["OPENAI_API_KEY"],
        url_variables: &["OPENAI_BASE_URL"],
        max_tokens: 16_000,
    },
    ServiceKind {
        name: "deepseek",
        format: Format::Chat,
        base_url: "https://api.deepseek.com",
        key_variables: &["DEEPSEEK_API_KEY"],
        url_variables: &["DEEPSEEK_BASE_URL"],
        max_tokens: 8_000,
    },
    ServiceKind {
        name: "google",
        format: Format::Gemini,
        base_url: "https://generativelanguage.googleapis.com",
        key_variables: &["GOOGLE_API_KEY", "GEMINI_API_KEY"],
        url_variables: &["GOOGLE_GEMINI_BASE_URL", "GOOGLE_BASE_URL", "GEMINI_BASE_URL"],
        max_tokens: 16_000,
    },
    ServiceKind {
        name: "openai-compatible",
        format: Format::Chat,
        base_url: "",
        key_variables: &[],
        url_variables: &[],
        max_tokens: 8_000,
    },
];

/// Turns of one attempt where nobody says.
const TURNS_MAX: u32 = 50;
/// How long a service may say nothing; models that think before they speak need minutes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// How a model service is reached, all of it as values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSettings {
    /// What it speaks.
    pub format: Format,
    /// Where it is: `http` or `https`, with the version where the service's own variable has one.
    pub base_url: String,
    /// The key; a server on the own machine may need none.
    pub key: Option<Secret>,
    /// Where the key was looked for: a variable's name, for people.
    pub key_name: String,
    /// The model where neither step nor agent names one.
    pub model: Option<String>,
    /// Tokens of one answer.
    pub max_tokens: u32,
    /// Turns of one attempt.
    pub turns_max: u32,
    /// The longest silence of the service; a step's own limit counts where it is shorter.
    pub idle_timeout: Duration,
}

impl ServiceKind {
    /// The service of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SERVICES.iter().find(|kind| kind.name == name)
    }

    /// The settings that these variables make; nothing of `orch.toml` is in them yet.
    #[must_use]
    pub fn settings(&self, variable: impl Fn(&str) -> Option<String>) -> ServiceSettings {
        let first = |names: &[&'static str]| {
            names
                .iter()
                .find_map(|name| variable(name).filter(|value| !value.trim().is_empty()).map(|value| (*name, value)))
        };
        let key = first(self.key_variables);
        ServiceSettings {
            format: self.format,
            base_url: first(self.url_variables).map_or_else(|| self.base_url.to_owned(), |(_, url)| url),
            key_name: key.as_ref().map_or_else(|| self.key_variables.join(" or "), |(name, _)| (*name).to_owned()),
            key: key.map(|(_, value)| Secret::new(value)),
            model: None,
            max_tokens: self.max_tokens,
            turns_max: TURNS_MAX,
            idle_timeout: IDLE_TIMEOUT,
        }
    }

    /// Whether it answers nobody without a key.
    #[must_use]
    pub fn needs_key(&self) -> bool {
        !self.key_variables.is_empty()
    }
}

/// A text that must not be seen: it is neither shown nor stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text, without the white space that files and shells leave around it.
    #[must_use]
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().trim().to_owned())
    }

    /// The text, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text without this secret, wherever somebody has repeated it.
    #[must_use]
    pub fn hide_in(&self, text: &str) -> String {
        // A very short one stands in many words by chance.
        if self.0.len() < 6 { text.to_owned() } else { text.replace(&self.0, "[key]") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// What is wrong with a base URL, as a fragment; nothing if it can be used.
pub(super) fn url_fault(url: &str) -> Option<&'static str> {
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
        return Some("it does not begin with `http://` or `https://`");
    };
    let host = rest.split('/').next().unwrap_or_default();
    if host.is_empty() || host.starts_with(':') {
        return Some("it names no host");
    }
    if host.contains('@') {
        return Some("it holds a name or a password; a key stands in a variable");
    }
    if url.contains(['?', '#', '\\']) || url.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        return Some("it has a part that no base URL has");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_make_settings() {
        let google = ServiceKind::named("google").unwrap();
        let set = google.settings(|name| match name {
            "GOOGLE_API_KEY" => Some("  ".into()),
            "GEMINI_API_KEY" => Some(" abcdef \n".into()),
            "GOOGLE_GEMINI_BASE_URL" => Some("http://127.0.0.1:1".into()),
            _ => None,
        });
        assert_eq!((set.key_name.as_str(), set.base_url.as_str()), ("GEMINI_API_KEY", "http://127.0.0.1:1"));
        assert_eq!(set.key.as_ref().unwrap().expose(), "abcdef");
        assert!(!format!("{set:?}").contains("abcdef"), "{set:?}");
        let bare = google.settings(|_| None);
        assert_eq!((bare.key, bare.key_name.as_str()), (None, "GOOGLE_API_KEY or GEMINI_API_KEY"));
        assert!(
            SERVICES.iter().filter(|kind| !kind.base_url.is_empty()).all(|kind| url_fault(kind.base_url).is_none())
        );
    }

    #[test]
    fn base_urls_are_checked() {
        for good in ["http://127.0.0.1:80/v1", "https://a.example/x", "http://[::1]:8080"] {
            assert_eq!(url_fault(good), None, "{good}");
        }
        for bad in [
            "",
            "ftp://a",
            "file:///etc",
            "https://",
            "http://:80",
            "https://u:p@h/",
            "http://a b",
            "http://a?x",
            "http://a\n",
        ] {
            assert!(url_fault(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_hidden_where_it_is_repeated() {
        assert_eq!(Secret::new("sk-12345").hide_in("bad key sk-12345!"), "bad key [key]!");
    }
}
