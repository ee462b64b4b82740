//! `orch runtimes`: which programs and services can run agents here, and what each can do.

use clap::{Args, Subcommand};

use crate::{
    base::{FailureClass, render_duration},
    cli::{
        clean::{clean, one_line},
        failure::Failure,
        session::Session,
        style::{BAD, BOLD, DIM, DOUBT, GOOD, paint},
    },
    service::{RuntimeLine, Tested, list_runtimes, test_runtime},
};

/// Arguments of `orch runtimes`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch runtimes\n  orch runtimes --json\n  orch runtimes test claude\n\n\
    Agents run on the step's or the agent's `runtime:`, else on `--runtime` or `runtime` in orch.toml, else on the only one \
    that orch.toml declares, else on the first that is installed (asked once), else on recordings. An agent that speaks the Agent \
    Client Protocol is declared with protocol = \"acp\".")]
pub struct RuntimesArgs {
    /// What to do [default: list them]
    #[command(subcommand)]
    pub what: Option<RuntimesVerb>,
}

/// What `orch runtimes` can do besides listing.
#[derive(Debug, Clone, Subcommand)]
pub enum RuntimesVerb {
    /// Ask one runtime one small question; a real service may charge for it
    #[command(
        after_help = "Example:\n  orch runtimes test claude\n\nEnds with 0 when it answers, 43 when it is not there or \
        nobody is logged in, 24 when its service is down or a quota is used up, else 1."
    )]
    Test {
        /// The runtime
        name: String,
    },
}

pub(super) fn run(session: &mut Session, args: &RuntimesArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    match &args.what {
        None => {
            let lines = list_runtimes(&project, true);
            if session.global.json {
                session.out.json(&lines)?;
            } else {
                session.out.data(&text(&lines))?;
                session.out.talk("next: `orch run NAME --runtime RUNTIME` takes one, `orch runtimes test RUNTIME` asks it a question\n");
            }
            Ok(0)
        }
        Some(RuntimesVerb::Test { name }) => {
            let tested = test_runtime(&project, &session.program, name)?;
            if session.global.json {
                session.out.json(&tested)?;
            } else {
                session.out.data(&tested_text(&tested))?;
            }
            Ok(match tested.class {
                None => 0,
                Some(FailureClass::Missing) => 43,
                Some(FailureClass::Transient { .. } | FailureClass::Quota { .. }) => 24,
                Some(_) => 1,
            })
        }
    }
}

fn text(lines: &[RuntimeLine]) -> String {
    let mut text = String::new();
    for line in lines {
        let mark = if !line.is_there {
            paint(DIM, if line.kind == "service" { "no key" } else { "not installed" })
        } else if line.is_standard {
            paint(GOOD, "standard")
        } else {
            paint(GOOD, "there")
        };
        text.push_str(&format!("{}  {mark}\n", paint(BOLD, &one_line(&line.name))));
        // Where nothing is there, its own name says no more.
        if !line.is_there && line.kind != "command" && line.kind != "acp" {
            continue;
        }
        let version = line.version.as_deref().map(|version| format!(", {}", one_line(version))).unwrap_or_default();
        text.push_str(&format!("  {}{version}\n", one_line(&line.program)));
        if line.kind == "program" && line.is_there {
            text.push_str(&match &line.login {
                Some(login) => format!("  {}\n", one_line(login)),
                None => format!("  {}\n", paint(DOUBT, "no key and no login seen: `orch runtimes test` says for sure")),
            });
        }
        if line.is_there {
            text.push_str(&format!("  can: {}\n", able(line)));
        }
    }
    text
}

/// What a runtime can do, by the names that `--json` has for it.
fn able(line: &RuntimeLine) -> String {
    let value = serde_json::to_value(line.capabilities).unwrap_or_default();
    let names = value.as_object().into_iter().flatten().filter(|(_, able)| able.as_bool() == Some(true));
    let names: Vec<_> = names.map(|(name, _)| name.replace('_', " ")).collect();
    if names.is_empty() { "answer".to_owned() } else { names.join(", ") }
}

/// What to do about a test that failed.
fn remedy(class: Option<FailureClass>, name: &str) -> String {
    match class {
        Some(FailureClass::Missing) => {
            format!(
                "install it, log in or set its key, then `orch runtimes test {name}`; `orch runtimes` shows what is there"
            )
        }
        Some(FailureClass::Transient { .. } | FailureClass::Quota { .. }) => {
            format!("its service is busy or a quota is used up: wait, then `orch runtimes test {name}`")
        }
        Some(FailureClass::Model) => format!("name another model: [runtimes.{name}] model = \"…\" in orch.toml"),
        Some(_) | None => format!("look at [runtimes.{name}] in orch.toml, and try the program by hand"),
    }
}

fn tested_text(tested: &Tested) -> String {
    let time = render_duration(std::time::Duration::from_millis(tested.took_ms));
    let name = one_line(&tested.runtime);
    if !tested.is_good {
        let words = clean(&tested.words);
        return format!(
            "{}  {name} after {time}: {words}\n      next: {}\n",
            paint(BAD, "FAIL"),
            remedy(tested.class, &name)
        );
    }
    let models =
        if tested.models.is_empty() { String::new() } else { format!(", {}", one_line(&tested.models.join(" "))) };
    let tokens = tested.usage.tokens();
    let words = one_line(&tested.words);
    format!("{}  {name} answered in {time}{models}, {tokens} tokens: {words}\n", paint(GOOD, "ok"))
}
