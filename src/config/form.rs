//! The forms that settings take, and how each is read from TOML or from one word.

use std::time::Duration;

use toml_edit::Value as Toml;

use crate::base::{did_you_mean, parse_count, parse_duration, render_duration};

/// What a key takes. Bounds are inclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Form {
    /// A whole number, also as `20k` or `3M`.
    Count {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// Bytes: a whole number, also as `64k`, `64M` or `1G` (powers of ten).
    Bytes {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// A duration with its unit, such as `30s`.
    Duration {
        /// The shortest, in milliseconds.
        min_ms: u64,
        /// The longest, in milliseconds.
        max_ms: u64,
    },
    /// US dollars, from 0 to 1,000,000.
    Money,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Some of these words, in an order that matters.
    Words(&'static [&'static str]),
    /// Any name: letters, digits, `_`, `-` and `.`.
    Name,
    /// The image of a container: a name with its registry, its tag or its digest.
    Image,
    /// The whole path of a file.
    File,
}

/// A value that has been read and is within its bounds.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// A count or bytes.
    Count(u64),
    /// A duration.
    Duration(Duration),
    /// US dollars.
    Money(f64),
    /// A word or a name.
    Word(String),
}

/// Why a value is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What is wrong, beside the caret.
    pub cause: String,
    /// What to write instead.
    pub help: String,
}

const MONEY_MAX: f64 = 1_000_000.0;

impl Form {
    /// Reads a value of a file.
    pub(super) fn read_toml(self, value: &Toml) -> Result<Setting, Refusal> {
        match (self, value) {
            (_, Toml::String(text)) => self.read_text(text.value()),
            (Self::Words(_), Toml::Array(words)) if words.iter().all(|word| word.as_str().is_some()) => {
                let words: Vec<_> = words.iter().filter_map(|word| word.as_str()).collect();
                self.read_text(&words.join(","))
            }
            (Self::Count { .. } | Self::Bytes { .. }, Toml::Integer(number)) => {
                self.read_text(&number.value().to_string())
            }
            (Self::Money, Toml::Integer(number)) => self.read_text(&number.value().to_string()),
            (Self::Money, Toml::Float(number)) => self.read_text(&number.value().to_string()),
            (Self::Duration { .. }, Toml::Integer(number)) => {
                let help = format!("write the unit: \"{}s\", \"{}m\"", number.value(), number.value());
                Err(Refusal { cause: "a duration needs a unit".to_owned(), help })
            }
            (_, other) => Err(Refusal {
                cause: format!("this is {}", kind_words(other)),
                help: format!("write {}", self.expected()),
            }),
        }
    }

    /// Reads a value of a variable or a flag.
    pub(super) fn read_text(self, text: &str) -> Result<Setting, Refusal> {
        let text = text.trim();
        let refuse = |cause: String| Refusal { cause, help: format!("write {}", self.expected()) };
        let unreadable = || refuse(format!("this is not {}", self.noun()));
        match self {
            Self::Count { min, max } => {
                within(parse_count(text).map_err(|_| unreadable())?, min, max).map(Setting::Count).map_err(refuse)
            }
            Self::Bytes { min, max } => {
                within(parse_bytes(text).ok_or_else(unreadable)?, min, max).map(Setting::Count).map_err(refuse)
            }
            Self::Duration { min_ms, max_ms } => {
                let duration = parse_duration(text).map_err(|_| unreadable())?;
                let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
                if ms < min_ms {
                    Err(refuse("this is too short".to_owned()))
                } else if ms > max_ms {
                    Err(refuse("this is too long".to_owned()))
                } else {
                    Ok(Setting::Duration(duration))
                }
            }
            Self::Money => match text.parse::<f64>() {
                Ok(amount) if (0.0..=MONEY_MAX).contains(&amount) => Ok(Setting::Money(amount)),
                Ok(_) => Err(refuse("this is out of range".to_owned())),
                Err(_) => Err(unreadable()),
            },
            Self::Word(words) if words.contains(&text) => Ok(Setting::Word(text.to_owned())),
            Self::Word(words) => Err(match did_you_mean(text, words.iter().copied()) {
                Some(near) => {
                    let help = format!("did you mean `{near}`? it takes {}", self.expected());
                    Refusal { cause: "this word is not known here".to_owned(), help }
                }
                None => refuse("this word is not known here".to_owned()),
            }),
            Self::Words(known) => {
                let mut read: Vec<&str> = Vec::new();
                for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
                    match known.iter().find(|known| known.eq_ignore_ascii_case(word)) {
                        Some(word) if !read.contains(word) => read.push(word),
                        Some(_) => return Err(refuse(format!("`{word}` stands here twice"))),
                        None => return Err(refuse(format!("`{word}` is not known here"))),
                    }
                }
                Ok(Setting::Word(read.join(",")))
            }
            Self::Name if is_name(text) => Ok(Setting::Word(text.to_owned())),
            Self::Name => Err(unreadable()),
            Self::Image if is_image(text) => Ok(Setting::Word(text.to_owned())),
            Self::Image => Err(unreadable()),
            Self::File if is_file(text) => Ok(Setting::Word(text.to_owned())),
            Self::File => Err(unreadable()),
        }
    }

    /// What to write, for help texts.
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::Count { min, max } => format!("a whole number from {min} to {max}"),
            Self::Bytes { min, max } => {
                format!("bytes from {} to {}, such as 64M", render_bytes(min), render_bytes(max))
            }
            Self::Duration { min_ms, max_ms } => {
                format!("a duration from {} to {}, such as \"30s\" or \"10m\"", span_words(min_ms), span_words(max_ms))
            }
            Self::Money => "US dollars from 0 to 1000000, such as 5 or 2.50".to_owned(),
            Self::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Self::Words(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
                format!("a list of some of {}", words.join(", "))
            }
            Self::Name => "a name of letters, digits, `_`, `-` and `.`".to_owned(),
            Self::Image => "the name of an image, such as \"rust:1.90\"".to_owned(),
            Self::File => "the whole path of a file, such as \"/var/log/orch/orch.log\"".to_owned(),
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Count { .. } => "a whole number",
            Self::Bytes { .. } => "an amount of bytes",
            Self::Duration { .. } => "a duration",
            Self::Money => "an amount of money",
            Self::Word(_) => "a known word",
            Self::Words(_) => "a list of words",
            Self::Name => "a name",
            Self::Image => "the name of an image",
            Self::File => "the whole path of a file",
        }
    }
}

impl Setting {
    /// As a person would write it.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Count(count) => count.to_string(),
            Self::Duration(duration) => span_words(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
            Self::Money(amount) => format!("{amount:.2}"),
            Self::Word(word) => word.clone(),
        }
    }
}

/// Whether a runtime may be called that.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    !text.is_empty() && text.len() <= 63 && text.chars().all(plain)
}

/// Whether an engine takes it for the name of an image, and never for an option.
fn is_image(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@".contains(c);
    text.len() <= 255 && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain)
}

/// Whether it says where a file is, whatever folder a process was started in.
fn is_file(text: &str) -> bool {
    text.starts_with('/') && !text.ends_with('/') && text.len() <= 4_000 && !text.contains(char::is_control)
}

fn within(number: u64, min: u64, max: u64) -> Result<u64, String> {
    if number < min {
        Err(format!("this is less than {min}"))
    } else if number > max {
        Err(format!("this is more than {max}"))
    } else {
        Ok(number)
    }
}

fn parse_bytes(text: &str) -> Option<u64> {
    match text.strip_suffix('G') {
        Some(number) => parse_count(&format!("{number}M")).ok()?.checked_mul(1_000),
        None => parse_count(text).ok(),
    }
}

fn render_bytes(bytes: u64) -> String {
    match bytes {
        0 => "0".to_owned(),
        _ if bytes.is_multiple_of(1_000_000_000) => format!("{}G", bytes / 1_000_000_000),
        _ if bytes.is_multiple_of(1_000_000) => format!("{}M", bytes / 1_000_000),
        _ if bytes.is_multiple_of(1_000) => format!("{}k", bytes / 1_000),
        _ => bytes.to_string(),
    }
}

fn span_words(ms: u64) -> String {
    match ms {
        _ if ms < 1_000 || !ms.is_multiple_of(1_000) => format!("{ms}ms"),
        _ if ms.is_multiple_of(86_400_000) => format!("{}d", ms / 86_400_000),
        _ if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ if ms < 60_000 => format!("{}s", ms / 1_000),
        _ => render_duration(Duration::from_millis(ms)).replace(' ', ""),
    }
}

fn kind_words(value: &Toml) -> &'static str {
    match value {
        Toml::String(_) => "a text",
        Toml::Integer(_) => "a whole number",
        Toml::Float(_) => "a number",
        Toml::Boolean(_) => "true or false",
        Toml::Datetime(_) => "a date",
        Toml::Array(_) => "a list",
        Toml::InlineTable(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive() {
        let form = Form::Count { min: 1, max: 100 };
        assert_eq!(form.read_text("1"), Ok(Setting::Count(1)));
        assert_eq!(form.read_text("100"), Ok(Setting::Count(100)));
        assert!(form.read_text("0").is_err());
        assert!(form.read_text("101").is_err());
        assert!(form.read_text("-1").is_err());
    }

    #[test]
    fn bytes_go_up_to_giga() {
        let form = Form::Bytes { min: 0, max: 10_000_000_000 };
        assert_eq!(form.read_text("1.5G"), Ok(Setting::Count(1_500_000_000)));
        assert_eq!(form.read_text("64k"), Ok(Setting::Count(64_000)));
        assert!(form.read_text("11G").is_err());
    }

    #[test]
    fn money_refuses_what_is_no_amount() {
        for text in ["-1", "nan", "inf", "1000001", "five"] {
            assert!(Form::Money.read_text(text).is_err(), "{text}");
        }
        assert_eq!(Form::Money.read_text("2.50"), Ok(Setting::Money(2.5)));
    }

    #[test]
    fn files_have_whole_paths() {
        assert!(Form::File.read_text("/var/log/orch.log").is_ok());
        for text in ["orch.log", "/var/log/", "", "/a\nb"] {
            assert!(Form::File.read_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_read_back_as_they_are_written() {
        for text in ["40ms", "30s", "10m", "2h", "1d", "1m30s", "1500ms"] {
            let form = Form::Duration { min_ms: 1, max_ms: 1_000_000_000 };
            assert_eq!(form.read_text(text).unwrap().words(), text);
        }
    }
}
