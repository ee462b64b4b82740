//! What another system starts by a signed request: who may, what of its payload becomes inputs, and that the same delivery
//! is one run however often it comes.
//!
//! Knows no header. Invariant: nothing of a payload is read before its signature was found right.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Map, Value};

use crate::{
    base::{Digest, RunId},
    config::{Hook, HookKind},
    guard::{Secret, is_signed},
    service::{
        fault::Fault,
        notices::Once,
        now,
        refusal::Refusal,
        secrets::secret_value,
        serve::{
            place::Place,
            starting::{Asked, Started},
        },
    },
};

/// How old a delivery may be, and how far ahead its clock.
const AGE_MAX_MS: u64 = 5 * 60 * 1_000;
/// How long a secret is remembered, so that nobody makes its program run as often as he likes.
const SECRET_LIFE: Duration = Duration::from_secs(60);
/// Bytes of a delivery's number.
const DELIVERY_BYTES_MAX: usize = 100;

/// The secrets that were read of late.
#[derive(Debug, Default)]
pub(super) struct HookSecrets(Mutex<BTreeMap<String, Known>>);

/// What is known of a hook's secret.
#[derive(Debug)]
struct Known {
    /// Since when.
    at: Instant,
    hook: Hook,
    /// Nothing while it is being read; then the value, where there is one.
    secret: Option<Option<Secret>>,
}

impl HookSecrets {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request says of itself, as it stands there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Marks<'a> {
    /// The signature, with its `sha256=`.
    pub signature: Option<&'a str>,
    /// Its number.
    pub delivery: Option<&'a str>,
    /// Seconds since 1970 UTC; deliveries of GitHub have none.
    pub time: Option<&'a str>,
    /// The event of GitHub.
    pub event: Option<&'a str>,
}

/// A delivery whose signature is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The hook.
    pub hook: Hook,
    /// By which the same delivery is known again.
    pub thing: String,
    /// The event of GitHub.
    pub event: Option<String>,
}

impl Place {
    /// Who has signed a delivery: a hook of that name, at this time, for these very bytes. Nothing where anything about it is
    /// not right, whatever it is.
    ///
    /// # Errors
    /// When the secret is just being read for another delivery.
    pub fn signed(&self, name: &str, marks: &Marks<'_>, body: &[u8]) -> Result<Option<Signed>, Refusal> {
        let is_plausible = marks.delivery.is_some() && marks.signature.is_some_and(|one| one.starts_with("sha256="));
        if !is_plausible {
            return Ok(None);
        }
        let (hook, secret) = self.hook_secret(name)?.unzip();
        Ok(is_signed_by(hook, secret.flatten(), marks, body))
    }

    /// A hook and its secret. One delivery at a time has it read, which may take a program its time; the others do not
    /// wait for that, or whoever sends many would stop the whole server.
    fn hook_secret(&self, name: &str) -> Result<Option<(Hook, Option<Secret>)>, Refusal> {
        let hook = self.with(|project| project.settings().hooks.get(name).cloned()).ok().flatten();
        let Some(hook) = hook else { return Ok(None) };
        let is_fresh = |known: &Known| known.at.elapsed() < SECRET_LIFE && known.hook == hook;
        {
            let mut all = self.hook_secrets.all();
            match all.get(name).filter(|known| is_fresh(known)).map(|known| known.secret.clone()) {
                Some(Some(secret)) => return Ok(Some((hook, secret))),
                Some(None) => {
                    let message = format!("the secret of the hook `{name}` is being read");
                    return Err(Refusal::new(75, "E0656", message, "send it again in some seconds").retryable());
                }
                None => {
                    drop(all.insert(name.to_owned(), Known { at: Instant::now(), hook: hook.clone(), secret: None }))
                }
            }
        }
        let folder = self.environment.user_folder().unwrap_or_else(|| self.root().to_owned());
        let read = secret_value(&format!("hooks.{name}"), &hook.secret, &folder, &self.environment);
        let secret = read.inspect_err(|why| tracing::error!(target: "security", "the hook `{name}`: {why}")).ok();
        let known = Known { at: Instant::now(), hook: hook.clone(), secret: Some(secret.clone()) };
        self.hook_secrets.all().insert(name.to_owned(), known);
        Ok(Some((hook, secret)))
    }

    /// Starts what a delivery asks for, once.
    ///
    /// # Errors
    /// As [`Place::start`]: a payload that gives no fitting inputs is refused as any other.
    pub fn deliver(&self, signed: &Signed, payload: &Value) -> Result<Started, Fault> {
        let hook = &signed.hook;
        let thing = format!("{}\n{}\n{}", self.root().display(), hook.name, signed.thing);
        let once = self.environment.state_folder().map(|folder| Once::of(folder.join("serve/hooks")));
        let before = once.as_ref().and_then(|once| once.note(&thing)).and_then(|note| note.parse::<RunId>().ok());
        if let Some(run) = before {
            return Ok(Started { run, existed: true });
        }
        let asked = Asked {
            name: hook.workflow.clone(),
            inputs: inputs(hook, payload),
            // Two that come at the same time, and one after a crash, are the same run too.
            run: Some(RunId::of_text(&format!("hook\n{thing}"))),
            ..Asked::default()
        };
        let started = self.start(&format!("hook {}", hook.name), &asked)?;
        if let Some(Err(error)) = once.map(|once| once.take(&thing, started.run.as_str())) {
            tracing::warn!(target: "security", "a delivery cannot be remembered: {error}");
        }
        Ok(started)
    }
}

/// Whether a delivery is signed by a hook; with one that is not there it is worked as hard.
fn is_signed_by(hook: Option<Hook>, secret: Option<Secret>, marks: &Marks<'_>, body: &[u8]) -> Option<Signed> {
    let kind = hook.as_ref().map_or(HookKind::Generic, |hook| hook.kind);
    let delivery = marks.delivery.filter(|text| {
        (1..=DELIVERY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    })?;
    let signature = marks.signature?.strip_prefix("sha256=")?;
    let bytes = secret.as_ref().map_or("a secret that nobody has", |secret| secret.reveal()).as_bytes();
    let is_right = match kind {
        HookKind::Generic => {
            let time = marks.time?;
            let at = time.parse::<u64>().ok().filter(|_| time.len() <= 12)?.checked_mul(1_000)?;
            let is_fresh = now().0.abs_diff(at) <= AGE_MAX_MS;
            is_signed(bytes, &[time.as_bytes(), delivery.as_bytes(), body], signature) && is_fresh
        }
        HookKind::GitHub => is_signed(bytes, &[body], signature),
    };
    let thing = match kind {
        HookKind::Generic => format!("delivery {delivery}"),
        // There the number is not signed: whoever has seen a delivery could send it again under another one.
        HookKind::GitHub => format!("body {}", Digest::of(body).as_str()),
    };
    let hook = hook.filter(|_| is_right && secret.is_some())?;
    Some(Signed { hook, thing, event: marks.event.map(str::to_owned) })
}

impl Signed {
    /// Whether the hook wants this event.
    #[must_use]
    pub fn is_wanted(&self, payload: &Value) -> bool {
        let Some(event) = self.event.as_deref().filter(|_| self.hook.kind == HookKind::GitHub) else {
            return self.hook.kind == HookKind::Generic;
        };
        let whole = format!("{event}.{}", payload["action"].as_str().unwrap_or_default());
        let all = &self.hook.events;
        // With this one GitHub only asks whether somebody is there.
        event != "ping" && (all.is_empty() || all.iter().any(|wanted| wanted == event || *wanted == whole))
    }
}

/// The inputs that a hook takes from a payload; a field that is not there is left to the workflow.
fn inputs(hook: &Hook, payload: &Value) -> Map<String, Value> {
    let found = hook.inputs.iter().filter_map(|(name, pointer)| {
        let value = payload.pointer(pointer).filter(|value| !value.is_null())?;
        Some((name.clone(), value.clone()))
    });
    found.collect()
}
