//! One notice by one channel, once. Each channel's own marks are taken out of what comes from outside.

use std::{ffi::OsString, time::Duration};

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    config::{Channel, Email, Place, Via},
    execute::{
        Letter, Outgoing, OutgoingFault,
        process::{Command, End, Keeper, Limits, StopToken},
    },
    guard::{Secret, sign},
    service::notices::{channels::Inner, words::Told},
};

/// How long a program of the desktop may take.
const DESKTOP_TIME: Duration = Duration::from_secs(10);
/// What a program of the desktop needs to find it.
const DESKTOP_VARIABLES: &[&str] = &["DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"];
/// Bytes of what a command says that are kept.
const OUTPUT_BYTES_MAX: u64 = 64_000;

/// Why a notice was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotSent {
    pub why: String,
    /// Whether trying again may help, and after what time at least.
    pub again: Option<Duration>,
}

impl NotSent {
    fn for_good(why: impl Into<String>) -> Self {
        Self { why: why.into(), again: None }
    }

    /// That nobody could wait any longer.
    pub fn cut_off() -> Self {
        Self { why: "the process ended before it was sent".to_owned(), again: Some(Duration::ZERO) }
    }
}

impl From<OutgoingFault> for NotSent {
    fn from(fault: OutgoingFault) -> Self {
        let again = matches!(fault, OutgoingFault::Unreached(_)).then_some(Duration::ZERO);
        Self { why: fault.to_string(), again }
    }
}

/// Sends notices, and keeps what that needs.
#[derive(Debug, Default)]
pub(super) struct Sender {
    keeper: OnceCell<Keeper>,
}

impl Sender {
    /// Sends a notice by a channel.
    ///
    /// # Errors
    /// Why it was not.
    pub async fn send(&self, inner: &std::sync::Arc<Inner>, channel: &Channel, told: &Told) -> Result<(), NotSent> {
        let mut secrets = Vec::new();
        for source in channel.via.secrets() {
            let (inner, channel, source) = (std::sync::Arc::clone(inner), channel.clone(), source.clone());
            // A program that opens a store may take its time.
            let read = tokio::task::spawn_blocking(move || inner.secret(&channel, &source)).await;
            secrets.push(read.map_err(|error| NotSent::for_good(error.to_string()))?.map_err(NotSent::for_good)?);
        }
        let hushed = hushed(inner, &secrets, told);
        let told = &hushed;
        let door = Outgoing::new(&channel.allow);
        match (&channel.via, secrets.as_slice()) {
            (Via::Slack { .. }, [url]) => post(&door, url.reveal(), &[], &slack(told)).await,
            (Via::Webhook { url, .. }, [key, rest @ ..]) => {
                let url = match (url, rest) {
                    (Place::Open(url), _) => url.as_str(),
                    (Place::Secret(_), [url, ..]) => url.reveal(),
                    (Place::Secret(_), []) => "",
                };
                let time = (crate::service::now().0 / 1_000).to_string();
                let body = told.payload.to_string();
                let parts = [time.as_bytes(), told.delivery.as_bytes(), body.as_bytes()];
                let signature = format!("sha256={}", sign(key.reveal().as_bytes(), &parts));
                let headers = [
                    ("x-orch-event", told.kind.word().to_owned()),
                    ("x-orch-timestamp", time.clone()),
                    ("x-orch-delivery", told.delivery.clone()),
                    ("x-orch-signature", signature),
                ];
                post(&door, url, &headers, &told.payload).await
            }
            (Via::Email(email), secrets) => mail(&door, email, secrets.first(), told).await,
            (Via::Desktop, _) => self.desktop(inner, channel, told).await,
            (Via::Command { words, time }, _) => self.command(inner, channel, (words, *time), told).await,
            (Via::Slack { .. } | Via::Webhook { .. }, _) => Err(NotSent::for_good("its secret is not there")),
        }
    }

    async fn desktop(&self, inner: &Inner, channel: &Channel, told: &Told) -> Result<(), NotSent> {
        let Some(words) = desktop(&inner.environment, told) else {
            return Err(NotSent::for_good("neither `notify-send` nor `osascript` is on the PATH"));
        };
        let own = DESKTOP_VARIABLES
            .iter()
            .filter_map(|name| Some((OsString::from(name), inner.environment.variable(name)?.to_owned())));
        let mut env = inner.environment.child_variables();
        env.retain(|(name, _)| !DESKTOP_VARIABLES.iter().any(|own| name == own));
        env.extend(own);
        self.run(inner, channel, (words, DESKTOP_TIME), env, None).await
    }

    async fn command(
        &self,
        inner: &Inner,
        channel: &Channel,
        (words, time): (&[String], Duration),
        told: &Told,
    ) -> Result<(), NotSent> {
        let mut env = inner.environment.child_variables();
        for name in ["event", "run", "workflow", "project", "step", "title", "text", "command", "link", "delivery"] {
            let value = told.payload.get(name).and_then(Value::as_str).unwrap_or_default();
            env.push((format!("ORCH_NOTIFY_{}", name.to_uppercase()).into(), value.into()));
        }
        self.run(inner, channel, (words.to_vec(), time), env, Some(told.payload.to_string().into_bytes())).await
    }

    /// Runs a program in a tree that dies with it.
    async fn run(
        &self,
        inner: &Inner,
        channel: &Channel,
        (words, time): (Vec<String>, Duration),
        env: Vec<(OsString, OsString)>,
        stdin: Option<Vec<u8>>,
    ) -> Result<(), NotSent> {
        let cwd = inner.folder_of(channel).map_err(NotSent::for_good)?;
        let keeper = self.keeper.get_or_try_init(|| async { Keeper::start(&inner.program) }).await;
        let keeper = keeper.map_err(|error| NotSent::for_good(format!("nothing can be started: {error}")))?;
        let command = Command {
            argv: words.iter().map(OsString::from).collect(),
            env,
            cwd,
            stdin,
            attempt: format!("notify/{}", std::process::id()),
            run: "notify".to_owned(),
            redactor: Some(inner.machine.clone()),
            ..Command::default()
        };
        let limits = Limits {
            timeout: Some(time),
            idle_timeout: None,
            grace: Duration::from_secs(1),
            stream_bytes_max: OUTPUT_BYTES_MAX,
        };
        let report = keeper.run(command, limits, StopToken::never(), None).await;
        let last = report.stderr.text();
        let last = crate::base::visible(last.trim().lines().last().unwrap_or_default());
        match report.end {
            End::Exited { code: 0 } => Ok(()),
            End::Exited { code } => Err(NotSent::for_good(format!("`{}` has ended with {code}: {last}", words[0]))),
            End::TimedOut => Err(NotSent::for_good(format!("`{}` took longer than {} s", words[0], time.as_secs()))),
            other => Err(NotSent::for_good(format!("`{}` {other}", words[0]))),
        }
    }

    /// Ends what still runs.
    pub async fn end(self) {
        if let Some(keeper) = self.keeper.into_inner() {
            keeper.shutdown().await;
        }
    }
}

/// The notice without what nobody may read: what is secret on this machine, and what opens the channel itself.
fn hushed(inner: &Inner, secrets: &[Secret], told: &Told) -> Told {
    let redactor = inner.machine.knowing(secrets.iter().map(|one| ("notify".to_owned(), one.reveal().to_owned())));
    Told {
        title: redactor.text(&told.title),
        text: redactor.text(&told.text),
        payload: redactor.value(&told.payload),
        ..told.clone()
    }
}

async fn post(door: &Outgoing, url: &str, more: &[(&'static str, String)], body: &Value) -> Result<(), NotSent> {
    let mut headers = vec![("content-type", "application/json".to_owned())];
    headers.extend(more.iter().cloned());
    let receipt = door.post(url, &headers, body.to_string().into_bytes()).await?;
    if (200..300).contains(&receipt.status) {
        return Ok(());
    }
    let again = matches!(receipt.status, 408 | 425 | 429 | 500..=599);
    let again = again.then(|| receipt.retry_after.unwrap_or_default());
    Err(NotSent { why: format!("it was answered with the status {}", receipt.status), again })
}

async fn mail(door: &Outgoing, email: &Email, password: Option<&Secret>, told: &Told) -> Result<(), NotSent> {
    let login = email.login.as_ref().zip(password).map(|((user, _), password)| (user.clone(), password.clone()));
    let letter = Letter {
        from: email.from.clone(),
        to: email.to.clone(),
        subject: told.title.chars().filter(|letter| !letter.is_control()).collect(),
        text: told.text.clone(),
        id: told.delivery.clone(),
    };
    Ok(door.mail(&email.server, email.tls, login, &letter).await?)
}

/// A message of Slack. What comes from outside stands in plain text, where no mark means anything; only the line that other
/// programs show instead is read as marks, so there they are taken apart.
fn slack(told: &Told) -> Value {
    let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let plain = |text: &str, most: usize| json!({ "type": "plain_text", "emoji": false, "text": cut(text, most) });
    let mut blocks = vec![json!({ "type": "header", "text": plain(&told.title, 150) })];
    if !told.text.is_empty() {
        blocks.push(json!({ "type": "section", "text": plain(&told.text, 2_900) }));
    }
    let escaped = told.title.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({
        "text": escaped, "mrkdwn": false, "link_names": false, "parse": "none",
        "unfurl_links": false, "unfurl_media": false, "blocks": blocks,
    })
}

/// The program that shows a notice on this desktop, with its words; texts are words of their own, never code.
fn desktop(environment: &crate::config::Environment, told: &Told) -> Option<Vec<String>> {
    if environment.find_program("notify-send").is_some() {
        // Many desktops read the text as marks.
        let text = told.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        return Some(["notify-send", "--app-name=orch", "--", &told.title, &text].map(str::to_owned).to_vec());
    }
    environment.find_program("osascript")?;
    let script = [
        "osascript",
        "-e",
        "on run words",
        "-e",
        "display notification (item 2 of words) with title (item 1 of words)",
        "-e",
        "end run",
        "--",
        &told.title,
        &told.text,
    ];
    Some(script.map(str::to_owned).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NoticeKind;

    #[test]
    fn marks_of_slack_mean_nothing() {
        let hostile = "<!channel> <https://evil.example|click> *bold* <@U1>";
        let told = Told {
            kind: NoticeKind::Decision,
            title: hostile.to_owned(),
            text: hostile.to_owned(),
            link: String::new(),
            delivery: String::new(),
            payload: Value::Null,
        };
        let message = slack(&told);
        assert_eq!(message["text"], "&lt;!channel&gt; &lt;https://evil.example|click&gt; *bold* &lt;@U1&gt;");
        let kinds: Vec<_> = message["blocks"].as_array().unwrap().iter().map(|block| &block["text"]["type"]).collect();
        assert!(kinds.iter().all(|kind| **kind == "plain_text"), "{message}");
        assert_eq!(message["mrkdwn"], false);
    }
}
