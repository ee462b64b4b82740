//! `orch cost`: what runs have cost, and the estimate of a plan in words.

use std::fmt::Write as _;

use clap::Args;

use crate::{
    base::{Usage, dollars},
    cli::{
        clean::one_line,
        ending::cache_words,
        failure::Failure,
        report_words::count_words,
        session::Session,
        style::{BOLD, DIM, DOUBT, paint},
    },
    service::{DayCost, Owned, RunCost, Runs},
};

/// Lines of one run that are printed as text.
const LINES_MAX: usize = 200;

/// Arguments of `orch cost`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  orch cost\n  orch cost 7f3k\n  orch cost 7f3k --json")]
pub struct CostArgs {
    /// The run, or the beginning of its id [default: all runs, by day]
    pub run: Option<String>,
}

pub(super) fn run(session: &mut Session, args: &CostArgs) -> Result<u8, Failure> {
    let project = session.project()?;
    let runs = Runs::open(project.root(), project.run_settings(session.program.clone()))?;
    if args.run.is_some() {
        let cost = runs.cost(&runs.find(args.run.as_deref())?)?;
        if session.global.json {
            session.out.json(&cost)?;
        } else {
            session.out.data(&of_run(&cost))?;
        }
        return Ok(0);
    }
    let days = runs.costs()?;
    if session.global.json {
        session.out.json(&days)?;
    } else if days.is_empty() {
        session.out.talk("no runs yet; start one: orch run NAME\n");
    } else {
        session.out.data(&by_day(&days))?;
    }
    Ok(0)
}

fn of_run(cost: &RunCost) -> String {
    let mut text = format!("run {}  {}  {}\n", cost.id, one_line(&cost.workflow), cost.status);
    let cached = cost.cache.as_ref().map(|cache| format!("  step cache: {}\n", cache_words(cache))).unwrap_or_default();
    if cost.lines.is_empty() {
        let _ = write!(text, "  no agent has reported a cost\n{cached}");
        return text;
    }
    let head = format!("{:>10} {:>8} {:>8} {:>8} {:>5}  {}", "money", "in", "cached", "out", "share", "step");
    let _ = writeln!(text, "{}", paint(DIM, &head));
    for line in cost.lines.iter().take(LINES_MAX) {
        let model = line.model.as_deref().map_or_else(|| "its own choice".to_owned(), one_line);
        let who = format!("{} · {model} on {}", one_line(&line.agent), one_line(&line.runtime));
        let tries = if line.attempts == 1 { String::new() } else { format!(" · {} attempts", line.attempts) };
        let _ = writeln!(
            text,
            "{} {:>4.0}%  {}  {}",
            figures(&line.usage),
            line.share * 100.0,
            one_line(&line.step),
            paint(DIM, &format!("{who}{tries}")),
        );
    }
    if cost.lines.len() > LINES_MAX {
        let _ = writeln!(text, "  … {} more lines; `--json` has all", cost.lines.len() - LINES_MAX);
    }
    let starts = format!("{} agent start{}", cost.agents, if cost.agents == 1 { "" } else { "s" });
    let _ = writeln!(text, "{}        {}", figures(&cost.total), paint(BOLD, &format!("all of it, {starts}")));
    text.push_str(&cached);
    let guessed: Vec<_> = cost.lines.iter().filter(|line| line.usage.guessed_usd_micros > 0).collect();
    let mut named: Vec<&str> = Vec::new();
    for line in guessed {
        let name = line.model.as_deref().unwrap_or(&line.runtime);
        if !named.contains(&name) {
            named.push(name);
        }
    }
    for name in named {
        let _ = writeln!(text, "{}", paint(DOUBT, &format!("~ {}", unpriced(name))));
    }
    text
}

fn by_day(days: &[DayCost]) -> String {
    let head =
        format!("{:<10} {:>5} {:>6} {:>10} {:>8} {:>8} {:>8}", "day", "runs", "agents", "money", "in", "cached", "out");
    let mut text = format!("{}\n", paint(DIM, &head));
    let mut all = Usage::default();
    let (mut runs, mut agents) = (0, 0);
    for day in days {
        let _ = writeln!(text, "{:<10} {:>5} {:>6} {}", day.day, day.runs, day.agents, figures(&day.total));
        all.add(day.total);
        runs += day.runs;
        agents += day.agents;
    }
    let _ = writeln!(text, "{}", paint(BOLD, &format!("{:<10} {runs:>5} {agents:>6} {}", "all", figures(&all))));
    if all.guessed_usd_micros > 0 {
        let _ = writeln!(text, "~ estimated in part: `orch cost RUN` names the models without a price");
    }
    text
}

/// Money and tokens in columns; a `~` marks money that is estimated.
fn figures(usage: &Usage) -> String {
    let mark = if usage.guessed_usd_micros > 0 { "~" } else { "" };
    let cached = usage.cache_read_tokens.saturating_add(usage.cache_write_tokens);
    format!(
        "{:>10} {:>8} {:>8} {:>8}",
        format!("{mark}{}", dollars(usage.usd_micros)),
        count_words(usage.input_tokens),
        count_words(cached),
        count_words(usage.output_tokens)
    )
}

fn unpriced(name: &str) -> String {
    let name = one_line(name);
    format!("price of `{name}` unknown, counted as the dearest known; set [prices.\"{name}\"] in orch.toml")
}

/// The header of a run: what its agents are expected to spend, where a limit is set on money or tokens.
pub(super) fn header(owned: &Owned) -> Option<String> {
    let plan = owned.plan();
    let limited = plan.budget.usd_micros.is_some() || plan.budget.tokens.is_some();
    let estimate = plan.estimate.as_ref().filter(|_| limited)?;
    let (typical, worst) = (estimate.typical, estimate.worst);
    let mut words = format!(
        "expected: {} .. {} tokens, {} .. {}",
        count_words(typical.tokens),
        count_words(worst.tokens),
        dollars(typical.usd_micros),
        dollars(worst.usd_micros),
    );
    if let (Some(_), [first, ..]) = (plan.budget.usd_micros, estimate.unpriced.as_slice()) {
        let _ = write!(words, "; {}", unpriced(first));
    }
    Some(words)
}
