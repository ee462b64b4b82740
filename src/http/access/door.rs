//! The door: every request passes here before anything of it is read.
//!
//! In this order: the host, who asks, what they may, the origin of what changes or streams, the proof of our own pages, how
//! often. What fails says no more than which of these it was.

use std::net::IpAddr;

use axum::http::{HeaderMap, Method as HttpMethod, StatusCode, Uri, header};

use crate::{
    config::Environment,
    http::{
        access::{
            limit::Limits,
            session::{COOKIE, Sessions},
            ways::{check_host, check_origin},
        },
        app::{App, Serving},
        problem::Problem,
        routes::Route,
    },
    service::{ApiKeys, Refusal, Role, Scope, api_keys, now},
};

/// Who may ask this server.
pub(in crate::http) struct Access {
    pub keys: ApiKeys,
    pub sessions: Sessions,
    limits: Limits,
}

impl Access {
    pub fn new(environment: &Environment, serving: &Serving) -> Result<Self, Refusal> {
        let limits = Limits::new(serving.rate, serving.rate_all, serving.failures);
        Ok(Self { keys: api_keys(environment)?, sessions: Sessions::default(), limits })
    }

    /// Counts a request.
    pub fn count(&self, caller: &Caller) -> Result<(), Problem> {
        self.limits.count(&caller.id, caller.rate)
    }

    /// Refuses an address that has failed too often of late.
    pub fn check_failures(&self, address: IpAddr) -> Result<(), Problem> {
        self.limits.check_failures(address)
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub(in crate::http) struct Caller {
    /// For the record.
    pub who: String,
    /// What they may; nothing where nobody is named.
    pub role: Option<Role>,
    /// By which their requests are counted.
    pub id: String,
    /// What their pages send with every change, where they have pages.
    pub csrf: Option<String>,
    rate: Option<u32>,
    shown: Shown,
}

/// What somebody has shown to be let in. Who stays for long is asked for it again.
#[derive(Clone)]
enum Shown {
    Nothing,
    /// A key or a token.
    Bearer(String),
    /// The cookie of a session.
    Cookie(String),
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Bearer(_) => "Bearer",
            Self::Cookie(_) => "Cookie",
        })
    }
}

impl Caller {
    /// A system that signs what it sends.
    pub fn of_hook(name: &str, rate: u32) -> Self {
        let who = format!("hook {name}");
        Self { id: who.clone(), who, role: None, csrf: None, rate: Some(rate), shown: Shown::Nothing }
    }

    fn nobody(address: IpAddr) -> Self {
        let id = format!("address {address}");
        Self { who: String::new(), role: None, id, csrf: None, rate: None, shown: Shown::Nothing }
    }

    /// Whether they may do that.
    pub fn may(&self, scope: Scope) -> bool {
        scope == Scope::Public || self.role.is_some_and(|role| role.may(scope))
    }
}

/// Lets a request on to its route, or says why not.
pub(in crate::http) fn check(
    app: &App,
    route: &Route,
    method: &HttpMethod,
    uri: &Uri,
    headers: &HeaderMap,
    address: IpAddr,
) -> Result<Caller, Problem> {
    if route.is_probe() {
        // Whoever keeps the server alive asks under any name, and often; it learns one word.
        return Ok(Caller::nobody(address));
    }
    let serving = app.serving();
    let host = check_host(serving, uri, headers)?;
    if route.scope == Scope::Signed {
        // No key and no session counts here. Who sends it is known when all of it has come.
        check_origin(serving, host, headers, false)?;
        return if serving.read_only { Err(read_only()) } else { Ok(Caller::nobody(address)) };
    }
    let caller = who(app, headers, address)?;
    if !caller.may(route.scope) {
        if caller.role.is_none() {
            // Only who is told no is counted: the public routes stay open to probes.
            app.access().limits.check_failures(address)?;
            return Err(nobody());
        }
        let word = format!("{:?}", route.scope).to_lowercase();
        let message = format!("`{}` may not do that: it needs the scope `{word}`", caller.who);
        let help = "ask for a key with another role: `orch keys add NAME --role ROLE`";
        return Err(Problem::new(StatusCode::FORBIDDEN, "E0604", message, help));
    }
    let changes = *method != HttpMethod::GET && *method != HttpMethod::HEAD;
    if changes || route.streams {
        check_origin(serving, host, headers, caller.csrf.is_some() && changes)?;
    }
    if changes && caller.csrf.is_some() {
        let given = headers.get("x-orch-csrf").and_then(|given| given.to_str().ok());
        if given.is_none() || given != caller.csrf.as_deref() {
            let message = "the page did not prove that it is the server's own";
            return Err(Problem::new(StatusCode::FORBIDDEN, "E0607", message, "load the page again"));
        }
    }
    if changes && serving.read_only && route.scope != Scope::Public && !route.shows {
        return Err(read_only());
    }
    app.access().limits.count(&caller.id, caller.rate)?;
    Ok(caller)
}

/// Refuses who was let in to listen and would be no more: the key was taken away, or the token or the session has ended.
pub(in crate::http) fn check_still(app: &App, caller: &Caller) -> Result<(), Problem> {
    let found = match &caller.shown {
        Shown::Nothing => None,
        Shown::Bearer(named) => by_name(app, named)?,
        Shown::Cookie(cookie) => by_session(app, cookie),
    };
    if found.is_some_and(|now| now.may(Scope::Read)) {
        return Ok(());
    }
    let message =
        format!("the key or the session of `{}`, by which this stream was opened, is good no more", caller.who);
    let help = "open it again with one that is; `orch keys list` shows the keys, `orch serve --link` begins a session";
    Err(Problem::new(StatusCode::UNAUTHORIZED, "E0603", message, help))
}

fn read_only() -> Problem {
    let help = "use the command line, or start the server without `--read-only`";
    Problem::new(StatusCode::FORBIDDEN, "E0613", "this server only shows", help)
}

fn nobody() -> Problem {
    let message = "the request does not say who asks";
    let help = "send `Authorization: Bearer KEY`; `orch keys add NAME --role viewer` makes a key";
    Problem::new(StatusCode::UNAUTHORIZED, "E0603", message, help)
}

/// Who asks: by a key or a token, else by a session. Whoever sends a wrong one is nobody, and is told so.
fn who(app: &App, headers: &HeaderMap, address: IpAddr) -> Result<Caller, Problem> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let Some(first) = given.next() else {
        let caller = cookie(headers).and_then(|cookie| by_session(app, cookie));
        return Ok(caller.unwrap_or_else(|| Caller::nobody(address)));
    };
    let named = first.to_str().ok().filter(|_| given.next().is_none()).and_then(bearer);
    let found = match named {
        Some(named) => by_name(app, named)?,
        None => None,
    };
    match found {
        Some(caller) => Ok(caller),
        None => {
            app.access().limits.check_failures(address)?;
            Err(nobody())
        }
    }
}

fn bearer(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(rest)
}

fn by_name(app: &App, named: &str) -> Result<Option<Caller>, Problem> {
    let shown = Shown::Bearer(named.to_owned());
    if !named.starts_with("orch_") {
        let token = app.serving().jwt.as_ref().and_then(|jwt| jwt.who(named));
        return Ok(token.map(|token| Caller {
            id: format!("token {}", token.who),
            who: token.who,
            role: Some(token.role),
            csrf: None,
            rate: None,
            shown,
        }));
    }
    let found = app.access().keys.who(named, now()).map_err(|error| crate::service::keys_fault(&error))?;
    Ok(found.map(|key| Caller { who: key.name, role: Some(key.role), id: key.id, csrf: None, rate: key.rate, shown }))
}

fn by_session(app: &App, cookie: &str) -> Option<Caller> {
    let session = app.access().sessions.find(cookie)?;
    Some(Caller {
        id: format!("session {}", session.csrf),
        who: session.who,
        role: Some(session.role),
        csrf: Some(session.csrf),
        // A page asks for more than a program: its pictures, its scripts, its streams.
        rate: Some(6_000),
        shown: Shown::Cookie(cookie.to_owned()),
    })
}

/// The session that a request names.
pub(in crate::http) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}
