//! What a person writes after `orch add`: a folder, a git URL, `owner/repository`; with `plugin@` before it and
//! `#folder` behind it.

use std::path::{Component, Path, PathBuf};

use crate::service::refusal::Refusal;

/// Where files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A folder on this machine.
    Folder(PathBuf),
    /// A git repository, with the one protocol that it may use.
    Git { url: String, protocol: &'static str },
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Where files come from.
    pub place: Place,
    /// The folder inside it; empty for all.
    pub folder: String,
    /// The plugin of a marketplace.
    pub plugin: Option<String>,
}

impl Source {
    /// Reads what was typed; relative folders start at `here`.
    pub fn parse(text: &str, here: &Path) -> Result<Self, Refusal> {
        let text = text.trim();
        let bad = |why: &str| {
            let message = format!("`{}` cannot be added: {why}", text.escape_debug());
            let help = "give a folder, an https or ssh URL of a git repository, or OWNER/REPOSITORY on GitHub; \
                        `PLUGIN@` before it takes one plugin, `#FOLDER` behind it one folder";
            Refusal::new(2, "E0540", message, help)
        };
        if text.is_empty() || text.starts_with('-') || text.chars().any(char::is_control) {
            return Err(bad("it is neither a folder nor a URL"));
        }
        let (text, folder) = match text.rsplit_once('#') {
            Some((before, folder)) => (before, folder.trim_matches('/')),
            None => (text, ""),
        };
        if Path::new(folder).components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(bad("the folder after `#` leads out of it"));
        }
        let (plugin, rest) = match text.split_once('@') {
            Some((plugin, rest)) if is_word(plugin) && plugin != "git" && !rest.is_empty() => {
                (Some(plugin.to_owned()), rest)
            }
            _ => (None, text),
        };
        if rest.starts_with('-') {
            return Err(bad("it is neither a folder nor a URL"));
        }
        let place = place(rest, here).map_err(bad)?;
        Ok(Self { place, folder: folder.to_owned(), plugin })
    }

    /// A name for the folder in the library.
    pub fn name(&self) -> String {
        let last = |text: &str| {
            let text = text.trim_end_matches('/');
            let text = text.rsplit(['/', ':']).next().unwrap_or_default();
            text.strip_suffix(".git").unwrap_or(text).to_owned()
        };
        let name = match (&self.plugin, self.folder.as_str(), &self.place) {
            (Some(plugin), _, _) => plugin.clone(),
            (None, "", Place::Git { url, .. }) => last(url),
            (None, "", Place::Folder(path)) => {
                path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
            }
            (None, folder, _) => last(folder),
        };
        let good = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        let name: String = name.chars().map(|letter| if good(letter) { letter } else { '-' }).take(64).collect();
        name.trim_start_matches(['-', '_', '.']).to_owned()
    }
}

fn place(text: &str, here: &Path) -> Result<Place, &'static str> {
    let git = |protocol| Ok(Place::Git { url: text.to_owned(), protocol });
    if text.contains("::") {
        return Err("a remote helper would run a program");
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        if rest.is_empty() || rest.starts_with('-') {
            return Err("the URL names no host");
        }
        return match scheme {
            "https" => git("https"),
            "ssh" => git("ssh"),
            "file" => git("file"),
            "http" | "git" => Err("that protocol is not protected; use https"),
            _ => Err("that protocol is not known"),
        };
    }
    let folder = here.join(text);
    if folder.is_dir() {
        return folder.canonicalize().map(Place::Folder).map_err(|_| "the folder cannot be read");
    }
    if text.strip_prefix("git@").is_some_and(|rest| rest.split_once(':').is_some_and(|(host, _)| is_word(host))) {
        return git("ssh");
    }
    match text.split_once('/') {
        Some((owner, name)) if is_word(owner) && is_word(name) && !owner.starts_with('.') => {
            Ok(Place::Git { url: format!("https://github.com/{owner}/{name}"), protocol: "https" })
        }
        _ => Err("there is no such folder, and it is no URL"),
    }
}

fn is_word(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && !text.starts_with('-') && text.bytes().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_nothing_dangerous() {
        let here = tempfile::tempdir().unwrap();
        std::fs::create_dir(here.path().join("kit")).unwrap();
        let here = here.path().canonicalize().unwrap();
        let read = |text: &str| {
            Source::parse(text, &here).map(|source| {
                let place = match &source.place {
                    Place::Folder(path) => format!("folder {}", path.strip_prefix(&here).unwrap().display()),
                    Place::Git { url, protocol } => format!("{protocol} {url}"),
                };
                format!("{place} {} {} {}", source.folder, source.plugin.clone().unwrap_or_default(), source.name())
            })
        };
        for (text, expected) in [
            ("kit", "folder kit   kit"),
            ("./kit#a/b/", "folder kit a/b  b"),
            ("https://example.org/x/y.git", "https https://example.org/x/y.git   y"),
            ("docs@https://example.org/x/y#sub", "https https://example.org/x/y sub docs docs"),
            ("git@example.org:x/y.git", "ssh git@example.org:x/y.git   y"),
            ("docs@git@example.org:x/y.git", "ssh git@example.org:x/y.git  docs docs"),
            ("file:///srv/x", "file file:///srv/x   x"),
            ("owner/repo.x", "https https://github.com/owner/repo.x   repo.x"),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "-u",
            "--upload-pack=x",
            "ext::sh -c touch% x",
            "x@ext::sh",
            "http://example.org/x",
            "git://example.org/x",
            "file://-x",
            "nowhere",
            "a/b/c",
            "kit#../x",
            "kit#/../..",
            "p@-x",
            "a\nb/c",
        ] {
            assert_eq!(read(text).map_err(|refusal| refusal.id), Err("E0540"), "{text}");
        }
    }
}
