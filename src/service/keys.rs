//! The keys of a user's servers, and the first of them.

use std::{fs, io, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::PathBuf};

use crate::{
    base::Timestamp,
    config::Environment,
    driver::Clock,
    guard::{ApiKeys, Role},
    service::refusal::Refusal,
};

/// Where the keys of this user's servers are.
///
/// # Errors
/// When the user has no home.
pub fn api_keys(environment: &Environment) -> Result<ApiKeys, Refusal> {
    Ok(ApiKeys::of(folder(environment)?.join("keys.json")))
}

/// Where the first key of this user's servers is, for programs of the same user.
///
/// # Errors
/// When the user has no home.
pub fn first_key_file(environment: &Environment) -> Result<PathBuf, Refusal> {
    Ok(folder(environment)?.join("token"))
}

fn folder(environment: &Environment) -> Result<PathBuf, Refusal> {
    let folder = environment.state_folder().map(|folder| folder.join("serve"));
    folder
        .ok_or_else(|| Refusal::new(31, "E0617", "there is no home folder for the keys", "set HOME, or XDG_STATE_HOME"))
}

/// That the file of keys is of no use.
#[must_use]
pub fn keys_fault(error: &io::Error) -> Refusal {
    Refusal::new(
        31,
        "E0617",
        format!("the keys cannot be used: {error}"),
        "`orch keys list` works again when that is mended",
    )
}

/// Makes the first key, with the role of an admin, where there is none yet, and writes it for its user's eyes only.
///
/// # Errors
/// When a file cannot be written.
pub fn make_first_key(environment: &Environment) -> Result<PathBuf, Refusal> {
    let (keys, file) = (api_keys(environment)?, first_key_file(environment)?);
    let now = now();
    let known = fs::read_to_string(&file).ok().map(|whole| keys.who(whole.trim(), now));
    if matches!(known, Some(Ok(Some(_)))) {
        return Ok(file);
    }
    let (_, whole) = keys.make("owner", Role::Admin, now, None, None).map_err(|error| keys_fault(&error))?;
    let written = fs::remove_file(&file).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    });
    let written = written.and_then(|()| {
        let mut opened = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?;
        opened.write_all(format!("{whole}\n").as_bytes())
    });
    written.map_err(|error| keys_fault(&error))?;
    Ok(file)
}

/// The time.
#[must_use]
pub fn now() -> Timestamp {
    Clock::start(Timestamp::default()).now()
}
