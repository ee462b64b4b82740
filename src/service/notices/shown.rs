//! Channels as `orch notify` and `orch doctor` show them.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::{
    base::did_you_mean,
    config::Via,
    service::{
        doctor::{Check, ok, warn},
        notices::{
            channels::{Inner, Notices},
            notifier::{last_file, persist},
            send::Sender,
            words::Notice,
        },
        refusal::Refusal,
        trust::TrustState,
    },
};

/// A channel of a list.
#[derive(Debug, Clone, Serialize)]
pub struct ChannelLine {
    /// Its name.
    pub name: String,
    /// How it tells.
    pub via: &'static str,
    /// About what; all where empty.
    pub events: Vec<&'static str>,
    /// Where it stands.
    pub origin: String,
    /// Whether it may be used.
    pub trust: TrustState,
    /// Why its last notice was not sent; absent where it was, or where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// The channels of a project.
#[must_use]
pub fn channel_lines(notices: &Notices) -> Vec<ChannelLine> {
    let Some(inner) = notices.inner() else { return Vec::new() };
    let line = |channel: &crate::config::Channel| ChannelLine {
        name: channel.name.clone(),
        via: channel.via.word(),
        events: channel.events.iter().map(|kind| kind.word()).collect(),
        origin: channel.origin.to_string(),
        trust: inner.state(channel),
        failed: failed(inner, channel),
    };
    inner.channels.iter().map(line).collect()
}

/// Why the last notice of a channel was not sent.
fn failed(inner: &Inner, channel: &crate::config::Channel) -> Option<String> {
    let text = std::fs::read_to_string(inner.folder()?.join(last_file(inner, channel))).ok()?;
    let line: Value = serde_json::from_str(&text).ok()?;
    line["why"].as_str().map(str::to_owned)
}

/// Sends something by a channel, and says whether that went well.
///
/// # Errors
/// When there is no such channel, it is not trusted, or nothing could be sent.
pub fn test_channel(notices: &Notices, name: &str) -> Result<&'static str, Refusal> {
    let inner = notices.inner();
    let found = inner.and_then(|inner| Some((inner, inner.channels.iter().find(|channel| channel.name == name)?)));
    let Some((inner, channel)) = found else {
        let names = inner.into_iter().flat_map(|inner| &inner.channels).map(|channel| channel.name.as_str());
        let help = did_you_mean(name, names).map_or_else(
            || "`orch notify list` shows them; [notify.NAME] in orch.toml makes one".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        return Err(Refusal::new(11, "E0650", format!("there is no channel `{name}`"), help));
    };
    if inner.state(channel) != TrustState::Trusted {
        let message = format!("the channel `{name}` stands in the project's own settings and is not trusted");
        let help = format!("`orch trust notify.{name}` shows what it would send and where, and asks");
        return Err(Refusal::new(40, "E0651", message, help));
    }
    let not_sent = |why: String| {
        let help = format!("correct [notify.{name}] in {}, then try again", channel.origin);
        Refusal::new(41, "E0652", format!("nothing was sent by `{name}`: {}", inner.machine.text(&why)), help)
            .retryable()
    };
    let told = Notice::sample().told(channel, &inner.project).map_err(not_sent)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| not_sent(error.to_string()))?;
    runtime.block_on(async {
        let (sender, inner) = (Sender::default(), Arc::clone(inner));
        let sent = persist(&sender, &inner, channel, &told).await;
        sender.end().await;
        sent.map_err(|error| not_sent(error.why))
    })?;
    Ok(channel.via.word())
}

/// What `orch doctor` says of channels.
pub(in crate::service) fn doctor_checks(notices: &Notices) -> Vec<Check> {
    let Some(inner) = notices.inner() else { return Vec::new() };
    let check = |channel: &crate::config::Channel| {
        let name = &channel.name;
        let has = |program| inner.environment.find_program(program).is_some();
        if inner.state(channel) != TrustState::Trusted {
            let detail = format!("`{name}` stands in the project's settings and is not trusted: it tells nobody");
            return warn("notices", detail, format!("`orch trust notify.{name}` shows what it does, and asks"));
        }
        if channel.via == Via::Desktop && !has("notify-send") && !has("osascript") {
            let detail = format!("`{name}` needs `notify-send` or `osascript`, and neither is on the PATH");
            return warn("notices", detail, "install libnotify, or take another channel");
        }
        match failed(inner, channel) {
            Some(why) => {
                let fix = format!("correct [notify.{name}], then `orch notify test {name}`");
                warn("notices", format!("the last notice by `{name}` was not sent: {why}"), fix)
            }
            None => ok("notices", format!("`{name}` tells by {}", channel.via.word())),
        }
    };
    let overruled = inner.overruled.iter().map(|channel| {
        let (name, origin) = (&channel.name, &channel.origin);
        let detail =
            format!("`{name}` in {origin} tells nobody: a channel of your own has this name, and only yours is used");
        warn("notices", detail, format!("give [notify.{name}] in {origin} another name"))
    });
    inner.channels.iter().map(check).chain(overruled).collect()
}
