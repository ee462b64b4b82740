//! Listens, answers, ends. Each request: the door, the checks, the route; what a route does may wait for the disk, so it
//! does it on a thread of its own.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Query, RawPathParams, Request, State},
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
    routing::{MethodFilter, on},
};
use axum_server::{
    Handle,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto::Builder,
};
use serde_json::Value;
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};
use tracing::Instrument as _;

use crate::{
    http::{
        access::{check, check_signed, is_loopback},
        app::App,
        ask::Ask,
        connections::Limited,
        live, pages,
        problem::Problem,
        routes::{self, Answers, Route, routes},
        trail,
    },
    service::{Refusal, Scope},
};

/// Bytes of a body.
const BODY_MAX: usize = 1024 * 1024;
/// Bytes of the head of a request.
const HEAD_MAX: usize = 16 * 1024;
/// How long a head may take to arrive.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// Where a server listens, and what stands before it.
#[derive(Debug, Clone)]
pub struct Doors {
    /// The address.
    pub listen: SocketAddr,
    /// The certificates and their key, as PEM.
    pub tls: Option<(String, String)>,
    /// Whether a proxy that speaks TLS stands in front.
    pub behind_proxy: bool,
    /// Connections that may be open at once.
    pub connections: usize,
}

/// Takes the address.
///
/// # Errors
/// When it is in use, or would be open to others without protection.
pub fn bind(doors: &Doors) -> Result<TcpListener, Refusal> {
    if !doors.listen.ip().is_loopback() && doors.tls.is_none() && !doors.behind_proxy {
        let message = format!("{} can be reached by others, and nothing protects what is sent", doors.listen);
        let help = "give `--tls-cert FILE --tls-key FILE`, or `--behind-proxy` with `--host NAME`";
        return Err(Refusal::new(2, "E0616", message, help));
    }
    let bound = TcpListener::bind(doors.listen).and_then(|bound| bound.set_nonblocking(true).map(|()| bound));
    bound.map_err(|error| {
        let message = format!("the server cannot listen on {}: {error}", doors.listen);
        Refusal::new(2, "E0615", message, "end the other server, or give another address with `--listen`").retryable()
    })
}

/// Serves until `end` comes true; then takes nothing new, and waits for what is being answered and driven.
///
/// # Errors
/// When the certificate cannot be used, or the server cannot go on.
pub async fn serve(
    app: App,
    doors: &Doors,
    listener: TcpListener,
    patience: Duration,
    end: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Refusal> {
    let handle = Handle::new();
    let service = router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let tls = match &doors.tls {
        Some((certificates, key)) => {
            rustls::crypto::ring::default_provider().install_default().ok();
            let read = RustlsConfig::from_pem(certificates.clone().into_bytes(), key.clone().into_bytes()).await;
            Some(read.map_err(|error| {
                let message = format!("there is no certificate with its key: {error}");
                Refusal::new(2, "E0618", message, "correct the files of `--tls-cert` and `--tls-key`")
            })?)
        }
        None => None,
    };
    let watching: Vec<_> = app.places().iter().map(|place| tokio::spawn(watch(Arc::clone(place)))).collect();
    for place in app.places() {
        let adopting = Arc::clone(place);
        match tokio::task::spawn_blocking(move || adopting.adopt()).await {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(count)) => tracing::info!(target: "system", project = place.name(), count, "goes on with runs"),
            Ok(Err(refusal)) => tracing::error!(target: "system", project = place.name(), "{refusal}"),
        }
    }
    app.set_ready(true);
    tracing::info!(target: "system", address = %doors.listen, projects = app.places().len(), "the server is ready");
    let ending = handle.clone();
    let ended = app.clone();
    tokio::spawn(async move {
        end.await;
        ended.set_ready(false);
        ended.workers().end(patience).await;
        ending.graceful_shutdown(Some(Duration::from_secs(2)));
    });
    let failed = |error: std::io::Error| {
        Refusal::new(70, "E0599", format!("the server cannot go on: {error}"), "start it again").retryable()
    };
    let limited = Limited::new(doors.connections, doors.behind_proxy);
    let served = match tls {
        Some(tls) => {
            let acceptor = RustlsAcceptor::new(tls).acceptor(limited);
            let mut server = axum_server::from_tcp(listener).map_err(failed)?.acceptor(acceptor).handle(handle);
            hurried(server.http_builder());
            server.serve(service).await
        }
        None => {
            let mut server = axum_server::from_tcp(listener).map_err(failed)?.acceptor(limited).handle(handle);
            hurried(server.http_builder());
            server.serve(service).await
        }
    };
    watching.iter().for_each(tokio::task::JoinHandle::abort);
    for place in app.places() {
        let ending = Arc::clone(place);
        tokio::task::spawn_blocking(move || ending.end()).await.ok();
    }
    tracing::info!(target: "system", "the server has ended");
    served.map_err(failed)
}

/// Whoever takes too long to say what is wanted is told to go.
fn hurried(builder: &mut Builder<TokioExecutor>) {
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE).max_buf_size(HEAD_MAX);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(30)).max_concurrent_streams(100);
}

/// Looks again and again what any process has written.
async fn watch(place: Arc<crate::service::serve::Place>) {
    loop {
        let looking = Arc::clone(&place);
        match tokio::task::spawn_blocking(move || looking.look()).await {
            Ok(Ok(())) => {}
            Ok(Err(refusal)) => {
                tracing::error!(target: "system", project = place.name(), "{refusal}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            // A bug in one look must not end all others: nobody would be told anything any more.
            Err(broken) => match broken.try_into_panic() {
                Ok(panic) => {
                    trail::panicked(panic.as_ref());
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(_) => return,
            },
        }
        place.woken(Duration::from_millis(100)).await;
    }
}

fn router(app: App) -> Router {
    let mut router = Router::new();
    for route in routes() {
        let filter = match route.method {
            routes::Method::Get => MethodFilter::GET,
            routes::Method::Post => MethodFilter::POST,
            routes::Method::Delete => MethodFilter::DELETE,
        };
        let answer = move |app: State<App>, from: ConnectInfo<SocketAddr>, params: RawPathParams, request: Request| {
            answer(app.0, route, from.0.ip(), params, request)
        };
        router = router.route(route.path, on(filter, answer));
    }
    router
        .fallback(|| async {
            guarded(Problem::missing("there is no such route", "GET /api/v1/openapi.json lists them").response())
        })
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(|panic: Box<dyn std::any::Any + Send>| {
            trail::panicked(panic.as_ref());
            a_bug().response()
        }))
        .with_state(app)
}

async fn answer(
    app: App,
    route: &'static Route,
    address: IpAddr,
    params: RawPathParams,
    request: Request,
) -> Response<Body> {
    let id = trail::request_id(request.headers());
    let span = tracing::error_span!("request", request = id);
    let mut response = recorded(app, route, address, params, request, &id).instrument(span).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(trail::REQUEST_ID, id);
    }
    guarded(response)
}

/// Answers a request, and says so.
async fn recorded(
    app: App,
    route: &'static Route,
    address: IpAddr,
    params: RawPathParams,
    request: Request,
    id: &str,
) -> Response<Body> {
    let start = Instant::now();
    let method = request.method().clone();
    let asked = trail::Asked { method: &method, route: route.path, address };
    let drawn_for = app.clone();
    let answered = try_answer(app, route, address, &params, request).await;
    let response = answered.unwrap_or_else(|problem| {
        trail::refused(&asked, &problem);
        let page = (route.answers == Answers::Page).then(|| pages::fault(&drawn_for, &problem)).flatten();
        page.map_or_else(|| problem.response_to(Some(id)), crate::http::ask::Answer::response)
    });
    trail::answered(&asked, response.status(), start.elapsed());
    response
}

async fn try_answer(
    app: App,
    route: &'static Route,
    address: IpAddr,
    params: &RawPathParams,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let checked = check(&app, route, request.method(), request.uri(), request.headers(), address);
    let caller = match checked {
        // A person without a session is shown where to begin one.
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED && route.answers == Answers::Page => {
            return Ok(crate::http::ask::Answer::to("/login").response());
        }
        checked => checked?,
    };
    let parts: BTreeMap<String, String> =
        params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let query = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
    let query = query.map_err(|error| Problem::field(format!("the query cannot be read: {error}")))?.0;
    let query = app.checks().query(route, &parts, query)?;
    match route.handle {
        routes::Handle::Stream(kind) => {
            let text = |name: &str| query.get(name).and_then(Value::as_str).map(str::to_owned);
            let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
            let wish = live::Wish {
                run: live::run_of(parts.get("run"))?,
                project: text("project"),
                after: last.or_else(|| text("after")),
            };
            live::open(&app, &caller, kind, &wish, request).await
        }
        routes::Handle::Ask(handle) => {
            let (head, body) = request.into_parts();
            let (mut caller, mut signed) = (caller, None);
            let body = match route.body {
                Some(_) => {
                    let bytes = read_bytes(&head.headers, body).await?;
                    if route.scope == Scope::Signed {
                        let (from, headers) = (app.clone(), head.headers.clone());
                        let name = parts.get("name").cloned().unwrap_or_default();
                        let checking = bytes.clone();
                        let checked = move || check_signed(&from, &name, &headers, &checking, address);
                        let checked = tokio::task::spawn_blocking(checked).await.map_err(|_| a_bug())??;
                        (caller, signed) = (checked.0, Some(checked.1));
                    }
                    parse_body(&app, route, &bytes)?
                }
                None => Value::Null,
            };
            let span = tracing::Span::current();
            let work = move || {
                let _here = span.entered();
                let headers = &head.headers;
                let ask =
                    Ask { app: &app, caller: &caller, path: parts, query, body, headers, signed: signed.as_ref() };
                handle(&ask).map(|answer| answer.response())
            };
            tokio::task::spawn_blocking(work).await.unwrap_or_else(|broken| {
                if let Ok(panic) = broken.try_into_panic() {
                    trail::panicked(panic.as_ref());
                }
                Err(a_bug())
            })
        }
    }
}

fn a_bug() -> Problem {
    let help = "please report it with `orch doctor --json`; no run is touched";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "E0599", "a bug in orch", help)
}

async fn read_bytes(headers: &axum::http::HeaderMap, body: Body) -> Result<axum::body::Bytes, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        let help = "send `Content-Type: application/json`";
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "E0610",
            "the body does not say that it is JSON",
            help,
        ));
    }
    let too_long = || {
        let message = format!("the body is longer than {BODY_MAX} bytes, or did not arrive in time");
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "E0611",
            message,
            "send less; large inputs belong into a file of the project",
        )
    };
    let read = tokio::time::timeout(BODY_PATIENCE, axum::body::to_bytes(body, BODY_MAX)).await;
    read.map_err(|_| too_long())?.map_err(|_| too_long())
}

fn parse_body(app: &App, route: &Route, bytes: &[u8]) -> Result<Value, Problem> {
    let mut value: Value = serde_json::from_slice(bytes).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, "E0610", format!("the body is no JSON: {error}"), "send a JSON object")
    })?;
    app.checks().body(route, &value)?;
    make_whole(&mut value);
    Ok(value)
}

/// Makes `3.0` what it is in JSON and in its schemas, `3`: whoever reads a whole number of it must not find none, and take a
/// budget or an expiry for one that nobody gave.
fn make_whole(value: &mut Value) {
    /// Beyond it not every whole number is one that a float can be.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Array(items) => items.iter_mut().for_each(make_whole),
        Value::Object(fields) => fields.values_mut().for_each(make_whole),
        Value::Number(number) if number.is_f64() => {
            let Some(float) = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT_MAX) else {
                return;
            };
            #[allow(clippy::cast_possible_truncation, reason = "it is whole, and an i64 holds it")]
            let whole = float as i64;
            *value = whole.into();
        }
        _ => {}
    }
}

/// What every answer says to browsers.
fn guarded(mut response: Response<Body>) -> Response<Body> {
    const ALWAYS: &[(HeaderName, &str)] = &[
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src \
             'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types orch",
        ),
    ];
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The names under which a server at that address is asked.
#[must_use]
pub fn hosts_of(listen: SocketAddr, more: &[String]) -> Vec<String> {
    let port = listen.port();
    let mut hosts = vec![listen.to_string()];
    if is_loopback(&listen.ip().to_string()) || listen.ip().is_unspecified() {
        hosts.extend([format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")]);
    }
    for name in more {
        hosts.extend([name.clone(), format!("{name}:{port}")]);
    }
    hosts.dedup();
    hosts
}
