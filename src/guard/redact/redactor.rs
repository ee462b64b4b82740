//! Takes secrets out of what is kept for others: known values in every form in which they travel, and what looks like a key.
//!
//! Unaware of where secrets come from and of what is kept.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use serde_json::Value;

use crate::guard::redact::{finder::Finder, forms::forms_of, stream::StreamRedactor};

/// A shorter value stands in many words by chance.
pub const SECRET_BYTES_MIN: usize = 6;
/// A line of a secret that is looked for alone.
const LINE_BYTES_MIN: usize = 12;
/// A shorter name of a machine is a word.
const HOST_CHARS_MIN: usize = 4;

/// Takes out what nobody else may read. Clones share what is looked for.
#[derive(Clone)]
pub struct Redactor {
    known: Arc<Known>,
    /// Folders and what stands for them; the longest first.
    folders: Vec<(String, &'static str)>,
    host: Option<String>,
}

/// The values and, once somebody asks, what finds them.
struct Known {
    values: Vec<(String, String)>,
    /// Whether keys are found by their shape as well.
    has_shapes: bool,
    finder: OnceLock<Arc<Finder>>,
    /// The same without shapes.
    bare: OnceLock<Arc<Known>>,
    /// Every form of every value, with the name of its secret; the longest first.
    forms: OnceLock<Vec<(String, String)>>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is looked for are the secrets.
        f.write_str("Redactor")
    }
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new([])
    }
}

impl Redactor {
    /// Knows these secrets, each with the name that people know it by.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = (String, String)>) -> Self {
        Self::of(Vec::new(), secrets)
    }

    fn of(mut values: Vec<(String, String)>, more: impl IntoIterator<Item = (String, String)>) -> Self {
        for (name, value) in more {
            let value = value.trim();
            if value.len() < SECRET_BYTES_MIN {
                continue;
            }
            // Programs print what has several lines one by one. The first and the last of a key block are no secret.
            let lines =
                value.lines().map(str::trim).filter(|line| line.len() >= LINE_BYTES_MIN && !line.contains("-----"));
            let lines = lines.filter(|line| line.len() < value.len()).map(str::to_owned);
            values.extend([value.to_owned()].into_iter().chain(lines).map(|value| (name.clone(), value)));
        }
        let known =
            Known { values, has_shapes: true, finder: OnceLock::new(), bare: OnceLock::new(), forms: OnceLock::new() };
        Self { known: Arc::new(known), folders: Vec::new(), host: None }
    }

    /// The same, which knows these secrets as well. What people have called them comes before what variables are called.
    #[must_use]
    pub fn knowing(&self, secrets: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut all = Self::of(Vec::new(), secrets);
        let mut values = all.known.values.clone();
        let is_new = |value: &str| all.known.values.iter().all(|(_, one)| one != value);
        values.extend(self.known.values.iter().filter(|(_, value)| is_new(value)).cloned());
        let has_shapes = self.known.has_shapes;
        all.known = Arc::new(Known {
            values,
            has_shapes,
            finder: OnceLock::new(),
            bare: OnceLock::new(),
            forms: OnceLock::new(),
        });
        (all.folders, all.host) = (self.folders.clone(), self.host.clone());
        all
    }

    /// The same, which leaves the folders and the name of this machine as they are.
    #[must_use]
    pub fn secrets_only(&self) -> Self {
        Self { known: Arc::clone(&self.known), folders: Vec::new(), host: None }
    }

    /// The same, which knows no shapes: a text that somebody means may hold an example of a key.
    #[must_use]
    pub fn values_only(&self) -> Self {
        let bare = self.known.bare.get_or_init(|| {
            let values = self.known.values.clone();
            Arc::new(Known {
                values,
                has_shapes: false,
                finder: OnceLock::new(),
                bare: OnceLock::new(),
                forms: OnceLock::new(),
            })
        });
        Self { known: Arc::clone(bare), folders: Vec::new(), host: None }
    }

    /// Whether there is nothing to look for.
    fn is_idle(&self) -> bool {
        !self.known.has_shapes && self.known.values.is_empty()
    }

    /// What is looked for, and the name of the secret behind each; the longest first.
    pub(in crate::guard) fn forms(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.known.forms.get_or_init(|| {
            let of = |(name, value): &(String, String)| {
                forms_of(value).into_iter().map(|form| (form, name.clone())).collect::<Vec<_>>()
            };
            let mut all: Vec<(String, String)> = self.known.values.iter().flat_map(of).collect();
            all.sort_by(|(one, _), (other, _)| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
            all
        });
        all.iter().map(|(form, name)| (form.as_str(), name.as_str()))
    }

    fn finder(&self) -> &Arc<Finder> {
        self.known.finder.get_or_init(|| Arc::new(Finder::new(&self.known.values, self.known.has_shapes)))
    }

    /// Takes secrets out of a stream that comes in pieces; folders and the name of this machine stay.
    #[must_use]
    pub fn stream(&self) -> StreamRedactor {
        StreamRedactor::new(Arc::clone(self.finder()))
    }

    /// Bytes without secrets; `None` where there are none in them.
    #[must_use]
    pub fn bytes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        if bytes.is_empty() || self.is_idle() || self.finder().scan(bytes, None, None, true).hits.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(bytes.len());
        let mut stream = self.stream();
        stream.push(bytes, |bytes| out.extend_from_slice(bytes));
        stream.finish(|bytes| out.extend_from_slice(bytes));
        Some(out)
    }

    /// Replaces a folder of this machine, with everything before what lies in it.
    #[must_use]
    pub fn folder(mut self, folder: &str, shown: &'static str) -> Self {
        let folder = folder.trim_end_matches('/');
        // The root of the file system, or nothing, stands in every path.
        if folder.len() > 1 {
            self.folders.push((folder.to_owned(), shown));
            self.folders.sort_by_key(|(folder, _)| std::cmp::Reverse(folder.len()));
        }
        self
    }

    /// Replaces the name of this machine.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        let is_telling = host.len() >= HOST_CHARS_MIN && host != "localhost";
        self.host = is_telling.then(|| host.to_owned());
        self
    }

    /// A text without secrets, and without folders of this machine.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut text = match self.bytes(text.as_bytes()) {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            None => text.to_owned(),
        };
        for (folder, shown) in &self.folders {
            text = replace_whole(&text, folder, shown);
        }
        text
    }

    /// The same for what was said: also without the name of this machine, which in a file may be any word.
    #[must_use]
    pub fn said(&self, text: &str) -> String {
        let text = self.text(text);
        self.host.as_ref().map_or_else(|| text.clone(), |host| replace_whole(&text, host, "[host]"))
    }

    /// All texts of a value, names as well.
    #[must_use]
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.said(text)),
            Value::Array(all) => all.iter().map(|one| self.value(one)).collect(),
            Value::Object(all) => {
                Value::Object(all.iter().map(|(name, one)| (self.said(name), self.value(one))).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// Whether bytes that are no text hold a known secret or what looks like a key.
    #[must_use]
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        !self.finder().scan(bytes, None, None, true).hits.is_empty()
    }
}

/// Replaces what is neither the beginning nor the end of a longer name.
fn replace_whole(text: &str, wanted: &str, shown: &str) -> String {
    let is_part = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(wanted) {
        let (before, from) = rest.split_at(place);
        let behind = &from[wanted.len()..];
        out.push_str(before);
        let is_inside = out.chars().next_back().is_some_and(is_part) || behind.chars().next().is_some_and(is_part);
        out.push_str(if is_inside { wanted } else { shown });
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::redact::forms::tests::base64;

    #[test]
    fn a_known_secret_is_found_in_every_form() {
        let secret = "pä\"s's/w+rd? <4&2";
        let redactor = Redactor::new([("THE_KEY".to_owned(), secret.to_owned())]);
        let json = serde_json::to_string(secret).unwrap();
        let url = "p%C3%A4%22s%27s%2Fw%2Brd%3F%20%3C4%262";
        let mut forms = vec![secret.to_owned(), json, url.to_owned(), url.replace("%20", "+")];
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        forms.extend([hex.to_uppercase(), hex]);
        forms.push("pä\"s'\\''s/w+rd? <4&2".to_owned());
        forms.push("pä\\\"s\\'s/w+rd\\?\\ \\<4\\&2".to_owned());
        forms.push("pä&quot;s's/w+rd? &lt;4&amp;2".to_owned());
        // Whatever stands before and behind it.
        for before in ["", "u", "us", "user:"] {
            for behind in ["", "x", "xy", "@host"] {
                let encoded = base64(format!("{before}{secret}{behind}").as_bytes());
                forms.push(encoded.replace('+', "-").replace('/', "_"));
                forms.push(encoded);
            }
        }
        for form in forms {
            let text = redactor.text(&format!("a {form} b"));
            assert!(text.contains("[redacted:THE_KEY]") && !text.contains(&form), "{form}: {text}");
            assert!(!text.contains("w+rd") && !text.contains("w%2Brd"), "{form}: {text}");
            assert!(redactor.is_in(form.as_bytes()), "{form}");
        }
        assert_eq!(redactor.text("nothing to hide"), "nothing to hide");
    }

    #[test]
    fn what_looks_like_a_key_is_one() {
        let redactor = Redactor::default();
        let long = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6";
        for key in [
            format!("sk-ant-{long}"),
            format!("sk-{long}"),
            format!("ghp_{long}"),
            format!("github_pat_{long}"),
            format!("glpat-{long}"),
            "AKIAIOSFODNN7EXAMPLE".to_owned(),
            format!("AIza{long}"),
            format!("xoxb-{long}"),
            format!("eyJhbGciOiJI.{long}.{long}"),
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----".to_owned(),
            "-----BEGIN PRIVATE KEY-----\ncut off".to_owned(),
        ] {
            let text = redactor.text(&format!("x=\"{key}"));
            assert_eq!(text, "x=\"[redacted:key]", "{key}");
        }
        for harmless in ["sk-short", "task-1234567890123456789", "ghp_", "-----BEGIN CERTIFICATE-----", "AKIA"] {
            assert_eq!(redactor.text(harmless), harmless);
        }
    }

    #[test]
    fn folders_and_the_machine_are_replaced_as_whole_names() {
        let redactor = Redactor::default().folder("/home/ann/work/", ".").folder("/home/ann", "~").host("lathe");
        assert_eq!(redactor.said("/home/ann/work/src/a.rs and /home/ann/.x"), "./src/a.rs and ~/.x");
        assert_eq!(redactor.said("/home/anna on lathe, blather"), "/home/anna on [host], blather");
        assert_eq!(redactor.text("lathe"), "lathe");
        let value = serde_json::json!({ "at": ["/home/ann/x", 1, true], "lathe": null });
        assert_eq!(redactor.value(&value), serde_json::json!({ "at": ["~/x", 1, true], "[host]": null }));
    }

    #[test]
    fn a_short_value_is_no_secret() {
        assert_eq!(Redactor::new([("K".to_owned(), "true".to_owned())]).text("true story"), "true story");
        assert_eq!(Redactor::new([]).folder("/", "~").folder("", "~").text("/a"), "/a");
    }
}
