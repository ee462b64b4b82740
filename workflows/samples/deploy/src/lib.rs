//! Greets people in the language that the settings name.

/// What an environment sets.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    /// The word before the name.
    pub greeting: String,
    /// The language of everything else.
    pub language: String,
}

/// Reads lines of `key=value`; later ones win.
///
/// # Errors
/// The first line that is none, or the name of the key that is missing or empty.
pub fn settings(text: &str) -> Result<Settings, String> {
    let mut greeting = String::new();
    let mut language = String::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        match line.split_once('=') {
            Some(("greeting", value)) => greeting = value.trim().to_owned(),
            Some(("language", value)) => language = value.trim().to_owned(),
            Some(_) => {}
            None => return Err(format!("this line is no setting: {line}")),
        }
    }
    for (name, value) in [("greeting", &greeting), ("language", &language)] {
        if value.is_empty() {
            return Err(format!("`{name}` is not set"));
        }
    }
    Ok(Settings { greeting, language })
}

/// The greeting of a person.
#[must_use]
pub fn greet(settings: &Settings, name: &str) -> String {
    let end = if settings.language == "fr" { " !" } else { "!" };
    format!("{}, {name}{end}", settings.greeting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_setting_wins() {
        let found = settings("greeting=Hi\nlanguage=en\n# local\ngreeting=Hello\n").unwrap();
        assert_eq!(greet(&found, "Ada"), "Hello, Ada!");
    }

    #[test]
    fn french_has_a_space_before_the_mark() {
        let found = settings("greeting=Bonjour\nlanguage=fr\n").unwrap();
        assert_eq!(greet(&found, "Ada"), "Bonjour, Ada !");
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(settings("greeting=Hello\n"), Err("`language` is not set".to_owned()));
        assert_eq!(settings("greeting=\nlanguage=en\n"), Err("`greeting` is not set".to_owned()));
        assert!(settings("no setting").is_err());
    }
}
