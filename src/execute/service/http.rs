//! Sends one request and reads its answer while it comes. Speaks to model services; other requests are `outgoing`'s.
//!
//! Invariants: a redirect is never followed, so that a key goes nowhere else; a stop or a silence closes the connection;
//! an answer counts only when it is whole; what is said of a fault never holds the key.

use std::{error::Error as _, sync::OnceLock, time::Duration};

use reqwest::{
    Client, Response,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use tokio::time::Instant;

use crate::{
    execute::process::StopToken,
    runtime::service::{Answer, Fault, Reading, Request, ServiceCall, retry_after_ms},
};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the last bytes may take once all is said, so that the connection can be used again.
const LAST_BYTES: Duration = Duration::from_millis(250);
/// Bytes of an error that are read.
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// Idle connections that are kept for one service.
const IDLE_CONNECTIONS_MAX: usize = 16;

/// How long it is waited, and for what.
#[derive(Debug, Clone)]
pub(super) struct Waits {
    /// The longest silence.
    pub idle: Duration,
    /// When the whole attempt is over.
    pub until: Option<Instant>,
    /// Who says that it is enough.
    pub stop: StopToken,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Halt {
    /// Something went wrong.
    Fault(Fault),
    /// Somebody stopped it.
    Stopped,
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Waits {
    /// Waits for something of the service.
    async fn wait<T>(&mut self, what: &str, coming: impl Future<Output = T>) -> Result<T, Halt> {
        let idle_at = Instant::now() + self.idle;
        let until = self.until.map_or(idle_at, |until| until.min(idle_at));
        tokio::select! {
            biased;
            _ = self.stop.stronger_than(None) => Err(Halt::Stopped),
            came = coming => Ok(came),
            () = tokio::time::sleep_until(until) => Err(Halt::Fault(Fault::stalled(if until < idle_at {
                "the agent ran longer than it may".to_owned()
            } else {
                format!("the service was silent for {} {what}", crate::base::render_duration(self.idle))
            }))),
        }
    }
}

/// One client for the whole process, so that its connections are shared.
fn client() -> Result<&'static Client, Fault> {
    static CLIENT: OnceLock<Result<Client, String>> = OnceLock::new();
    let made = CLIENT.get_or_init(|| {
        // Somebody else may have set one, and any will do.
        drop(rustls::crypto::ring::default_provider().install_default());
        Client::builder()
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .user_agent(concat!("orch/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| chain(&error))
    });
    made.as_ref().map_err(|reason| Fault::broken(format!("HTTP cannot be used: {reason}")))
}

/// Sends a request and hands the bytes of its answer to `reading`; tells what is said as it comes.
pub(super) async fn ask(
    call: &ServiceCall,
    request: Request,
    reading: &mut Reading,
    waits: &mut Waits,
    mut hear: impl FnMut(String),
) -> Result<Answer, Halt> {
    let answer = exchange(call, request, reading, waits, &mut hear).await;
    answer.map_err(|halt| match halt {
        Halt::Fault(fault) => Halt::Fault(fault.without(call.settings.key.as_ref())),
        Halt::Stopped => Halt::Stopped,
    })
}

async fn exchange(
    call: &ServiceCall,
    request: Request,
    reading: &mut Reading,
    waits: &mut Waits,
    hear: &mut impl FnMut(String),
) -> Result<Answer, Halt> {
    let mut sent = client()?.post(&request.url).header(ACCEPT, "text/event-stream");
    for (name, value) in request.headers {
        sent = sent.header(name, value);
    }
    if let Some(key) = &call.settings.key {
        let (name, value) = call.settings.format.key_header(key);
        let mut value = HeaderValue::try_from(value).map_err(|_| Fault::broken("the key is no header"))?;
        value.set_sensitive(true);
        sent = sent.header(name, value);
    }
    let sent = sent.header(CONTENT_TYPE, "application/json").body(request.body.to_string());
    let response = waits.wait("before it answered", sent.send()).await?.map_err(unreachable_service)?;
    let mut response = accepted(response, waits).await?;
    while !reading.is_over() {
        match waits.wait("in the middle of its answer", response.chunk()).await? {
            Ok(Some(bytes)) => {
                let said = reading.push(&bytes)?;
                if !said.is_empty() {
                    hear(said);
                }
            }
            Ok(None) => break,
            Err(error) => return Err(Fault::broken(format!("the answer broke off: {}", chain(&error))).into()),
        }
    }
    if reading.is_over() {
        // Nothing of this matters for the answer.
        drop(tokio::time::timeout(LAST_BYTES, async { while let Ok(Some(_)) = response.chunk().await {} }).await);
    }
    Ok(reading.finish()?)
}

/// The response, if it is the beginning of an answer.
async fn accepted(mut response: Response, waits: &mut Waits) -> Result<Response, Halt> {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = response.status().as_u16();
    let kind = header(CONTENT_TYPE.as_str()).unwrap_or_default().to_ascii_lowercase();
    let is_answer = response.status().is_success() && !kind.contains("html") && !kind.starts_with("application/json");
    if is_answer {
        return Ok(response);
    }
    let wait = retry_after_ms(header(RETRY_AFTER.as_str()).as_deref(), header("retry-after-ms").as_deref());
    let is_error = !response.status().is_success();
    let mut body = Vec::new();
    while body.len() < ERROR_BYTES_MAX {
        // The status says enough where the rest does not come.
        match waits.wait("in the middle of its answer", response.chunk()).await {
            Ok(Ok(Some(bytes))) => body.extend_from_slice(&bytes),
            Err(Halt::Stopped) => return Err(Halt::Stopped),
            Ok(Ok(None) | Err(_)) | Err(Halt::Fault(_)) => break,
        }
    }
    body.truncate(ERROR_BYTES_MAX);
    if is_error {
        return Err(Fault::of_status(status, wait, &body).into());
    }
    let kind: String = kind.chars().filter(|letter| !letter.is_control()).take(60).collect();
    let reason = format!("the service answered with `{kind}` and not with events; is the base URL right?");
    Err(Fault::of_body(&body).unwrap_or_else(|| Fault::broken(reason)).into())
}

/// No answer at all.
fn unreachable_service(error: reqwest::Error) -> Fault {
    let what =
        if error.is_connect() { "the service cannot be reached" } else { "the service hung up without an answer" };
    Fault::broken(format!("{what}: {}", chain(&error.without_url())))
}

/// An error and its causes; the causes alone say what happened.
fn chain(error: &reqwest::Error) -> String {
    let mut last = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        last = deeper.to_string();
        cause = deeper.source();
    }
    last.chars().filter(|letter| !letter.is_control()).take(200).collect()
}
