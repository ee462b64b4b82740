//! `orch serve`: the dashboard and the API, until somebody ends it.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    base::parse_duration,
    cli::{
        clean::one_line,
        failure::Failure,
        session::Session,
        style::{BOLD, DIM, paint},
        values::text_of,
    },
    config::Flags,
    http::{ALGORITHMS, App, Beside, Doors, JwtSettings, Metrics, Serving, bind, hosts_of, serve},
    service::{
        Opening, Project, Refusal, Role, first_key_file, make_first_key,
        serve::{Place, Workers},
    },
};

/// The longest file of keys or certificates.
const PEM_BYTES_MAX: u64 = 1024 * 1024;
/// The longest file of the owner's key.
const KEY_BYTES_MAX: u64 = 1024;

/// Arguments of `orch serve`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch serve\n  orch serve --project ../shop --project ../api\n  \
    orch serve --listen 0.0.0.0:7420 --behind-proxy --host orch.example.com\n\n\
    It prints a link that begins one session in a browser, and with `--link` another one of the server that runs.\n\
    Programs ask with a key: `orch keys add`.\n\
    Ctrl-C ends it: what runs has `--drain` to end, and the next server of the project goes on with the rest.")]
pub struct ServeArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7420")]
    pub listen: SocketAddr,
    /// A project to serve; more than once for more [default: the one around this folder]
    #[arg(long = "project", value_name = "DIR")]
    pub projects: Vec<PathBuf>,
    /// A name under which it is asked, besides its address
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
    /// Certificates for TLS, as a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Their private key, as a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// A proxy that speaks TLS stands in front; without `--host` it decides under which names
    #[arg(long, conflicts_with = "tls_cert")]
    pub behind_proxy: bool,
    /// Show only: nothing can be started, decided or changed
    #[arg(long)]
    pub read_only: bool,
    /// Runs that are driven at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub runs: u16,
    /// Runs that may wait in line
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub queue: u32,
    /// Requests a minute of one key
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: u32,
    /// Requests a minute of all together
    #[arg(long, value_name = "N", default_value_t = 6_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub rate_all: u32,
    /// Requests a minute and address that do not say who asks; all of a proxy's clients share its address
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub failures: u32,
    /// How long runs may go on when the server is told to end
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = parse_duration)]
    pub drain: Duration,
    /// Connections that may be open at once
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(8..=100_000))]
    pub connections: u32,
    /// The form of what it says about itself on stderr [default: `log.format`]
    #[arg(long, value_name = "FORM", value_parser = ["pretty", "json"])]
    pub log_format: Option<String>,
    /// A file that gets it as well, as JSON; `log.size` and others say when a new one begins [default: `log.file`]
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    #[command(flatten)]
    pub jwt: JwtArgs,
    /// Only ask the server at that address whether it is ready: exit code 0 or 75; with its `--tls-…` where it speaks TLS
    #[arg(long, conflicts_with_all = ["projects", "read_only"])]
    pub check_health: bool,
    /// Only ask the server at that address for another link, with its owner's key; with its `--host` and `--tls-…` where it has any
    #[arg(long, conflicts_with_all = ["projects", "read_only", "check_health"])]
    pub link: bool,
}

/// How tokens of somebody else's making are checked.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Tokens of your own identity provider")]
pub struct JwtArgs {
    /// The public key as PEM, or the shared secret for HS256
    #[arg(long, value_name = "FILE", requires_all = ["jwt_issuer", "jwt_audience"])]
    pub jwt_key: Option<PathBuf>,
    /// The only algorithm that is taken
    #[arg(long, value_name = "NAME", default_value = "EdDSA", value_parser = ALGORITHMS)]
    pub jwt_algorithm: String,
    /// Who makes them
    #[arg(long, value_name = "TEXT")]
    pub jwt_issuer: Option<String>,
    /// For whom they are
    #[arg(long, value_name = "TEXT")]
    pub jwt_audience: Option<String>,
    /// The claim that holds the role
    #[arg(long, value_name = "NAME", default_value = "role")]
    pub jwt_role_claim: String,
}

pub(super) fn run(session: &mut Session, args: &ServeArgs) -> Result<u8, Failure> {
    if args.link {
        return link(session, args);
    }
    if args.check_health {
        let is_ready = beside(session, args)?.is_ready()?;
        session.out.talk(if is_ready { "ready\n" } else { "not ready\n" });
        return Ok(if is_ready { 0 } else { 75 });
    }
    start_log(session, args)?;
    let doors = Doors {
        listen: args.listen,
        tls: tls(session, args)?,
        behind_proxy: args.behind_proxy,
        connections: args.connections as usize,
    };
    let listener = bind(&doors)?;
    // The system chooses the port where 0 is asked for.
    let listen = listener.local_addr()?;
    let serving = Serving {
        rate: args.rate,
        rate_all: args.rate_all,
        failures: args.failures,
        hosts: if args.behind_proxy { args.hosts.clone() } else { hosts_of(listen, &args.hosts) },
        is_secure: args.behind_proxy || args.tls_cert.is_some(),
        read_only: args.read_only,
        jwt: jwt(session, &args.jwt)?,
    };
    let key = make_first_key(&session.environment)?;
    let workers = Arc::new(Workers::new(usize::from(args.runs), args.queue as usize));
    let metrics = Metrics::new();
    let places = places(session, args, &workers, &metrics)?;
    for place in &places {
        session.out.talk(&format!(
            "{} {}\n",
            paint(BOLD, &one_line(place.name())),
            paint(DIM, &one_line(&place.root().display().to_string()))
        ));
    }
    let app = App::new(session.environment.clone(), serving, workers, places, metrics)?;
    if let Some(link) = app.link("owner", Role::Admin) {
        session.out.data(&format!("{link}\n"))?;
    }
    session.out.talk(&format!(
        "this link begins one session. Programs: the key in {}, or `orch keys add`\n",
        one_line(&key.display().to_string())
    ));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| Failure::bug(&error))?;
    runtime.block_on(serve(app, &doors, listener, args.drain, told_to_end()))?;
    runtime.shutdown_timeout(Duration::from_secs(2));
    Ok(0)
}

/// The server that runs at that address.
fn beside(session: &Session, args: &ServeArgs) -> Result<Beside, Failure> {
    let certificates = tls(session, args)?.map(|(certificates, _)| certificates);
    Ok(Beside { listen: args.listen, certificates })
}

/// Prints another link of the server that runs.
fn link(session: &mut Session, args: &ServeArgs) -> Result<u8, Failure> {
    let file = first_key_file(&session.environment)?;
    let key = text_of(&file, KEY_BYTES_MAX).map_err(|why| {
        let message = format!("the owner's key in {} cannot be read: {why}", file.display());
        Failure::from(Refusal::new(
            31,
            "E0617",
            message,
            "ask as the user who has started `orch serve`, which writes it",
        ))
    })?;
    let host = args.hosts.first().map(String::as_str);
    let link = beside(session, args)?.link(key.trim(), host)?;
    session.out.data(&format!("{link}\n"))?;
    session.out.talk("this link begins one session; it works for 10 minutes\n");
    Ok(0)
}

/// Logs as the first project wants it, unless a flag says otherwise.
fn start_log(session: &mut Session, args: &ServeArgs) -> Result<(), Failure> {
    let folder = session.folder();
    let file = args.log_file.as_ref().map(|file| folder.join(file).display().to_string());
    let flags = Flags::new().with("log.format", "--log-format", args.log_format.as_deref()).with(
        "log.file",
        "--log-file",
        file,
    );
    let first = args.projects.first().map_or_else(|| folder.clone(), |first| folder.join(first));
    let project = Project::open(&first, Opening::Search, &session.environment, &flags)?;
    session.start_log(&project, true);
    Ok(())
}

/// Opens the projects; two of the same name get a number.
fn places(
    session: &Session,
    args: &ServeArgs,
    workers: &Arc<Workers>,
    metrics: &Metrics,
) -> Result<Vec<Arc<Place>>, Failure> {
    let folders = if args.projects.is_empty() { vec![session.folder()] } else { args.projects.clone() };
    let mut places: Vec<Arc<Place>> = Vec::new();
    for folder in folders {
        let counted = metrics.clone();
        let place = Place::open(
            &session.folder().join(folder),
            &session.environment,
            session.program.clone(),
            Arc::clone(workers),
            move |event| counted.count(event),
        )?;
        if places.iter().any(|other| other.root() == place.root()) {
            continue;
        }
        let name = place.name().to_owned();
        let same =
            places.iter().filter(|other| other.name() == name || other.name().starts_with(&format!("{name}-"))).count();
        places.push(Arc::new(if same == 0 { place } else { place.named(format!("{name}-{}", same + 1)) }));
    }
    Ok(places)
}

/// The texts of the certificates and of their key.
fn tls(session: &Session, args: &ServeArgs) -> Result<Option<(String, String)>, Failure> {
    let (Some(certificates), Some(key)) = (&args.tls_cert, &args.tls_key) else { return Ok(None) };
    let read = |file: &PathBuf| {
        text_of(&session.folder().join(file), PEM_BYTES_MAX).map_err(|why| {
            let message = format!("{} cannot be used for TLS: {why}", file.display());
            Failure::from(Refusal::new(2, "E0618", message, "give PEM files: the certificates, and their private key"))
        })
    };
    Ok(Some((read(certificates)?, read(key)?)))
}

fn jwt(session: &Session, args: &JwtArgs) -> Result<Option<JwtSettings>, Failure> {
    let Some(file) = &args.jwt_key else { return Ok(None) };
    let refused = |why: String| {
        let message = format!("the key for tokens in {} cannot be used: {why}", file.display());
        Failure::from(Refusal::new(
            2,
            "E0618",
            message,
            "give the public key as PEM, or for HS256 a secret of 32 bytes or more",
        ))
    };
    let key = text_of(&session.folder().join(file), PEM_BYTES_MAX).map_err(refused)?;
    let (issuer, audience) =
        (args.jwt_issuer.clone().unwrap_or_default(), args.jwt_audience.clone().unwrap_or_default());
    JwtSettings::new(&args.jwt_algorithm, key.as_bytes(), issuer, audience, args.jwt_role_claim.clone())
        .map(Some)
        .map_err(refused)
}

/// Comes true when the server is told to end.
async fn told_to_end() {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = signals else { return std::future::pending().await };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!(target: "system", "the server ends: it takes nothing more, and waits for what runs");
}
